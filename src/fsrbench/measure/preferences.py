"""What people's choices come to: how often each arm was chosen, how strong that makes it, who can be relied on.

Attention checks tell who looked, and repeats who would choose the same again; neither is counted as a choice. Intervals
are over the persons that pictures show: they say how sure all this is for other faces, judged by the same raters.

- The interval of a share is Wilson's, for as many independent choices as would make its cluster-robust error (CR1),
  never more than there are choices, with Student's quantile for the persons; for the number of persons where the error
  is zero.
- The interval of a strength is the estimate ± Student's quantile × the standard error over DRAWS bootstrap samples of
  persons.

How often they cover the truth, by simulation, stands in docs/rate.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from fsrbench.core import order
from fsrbench.core.values import PURE, derive_seed
from fsrbench.measure import bradley_terry, krippendorff, stats
from fsrbench.measure.choices import SPOILT, Choice
from fsrbench.measure.preference_values import (
    PASSED,
    ArmPreference,
    FamilyPreferences,
    People,
    PreferenceShare,
    RaterRecord,
)
from fsrbench.measure.summary_values import rounded

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

DRAWS = 1000
"""Bootstrap samples."""


def told(
    choices: Sequence[Choice],
    known: Callable[[Choice], bool],
    standings: Mapping[str, str],
    persons: Mapping[str, str] | None = None,
) -> People | None:
    """What all choices come to; None where nobody chose.

    `known` says of which the evaluation has case and arms, `standings` in which order arms stand, `persons` whom a
    case shows.
    """
    if not choices:
        return None
    ours = [choice for choice in choices if known(choice)]
    raters = {name: _rater([c for c in ours if c.rater == name]) for name in sorted({c.rater for c in ours})}
    counted = [c for c in ours if not c.repeat and not c.check and raters[c.rater].counted]
    families = order.families(c.family for c in counted)
    return People(
        raters,
        {name: _family([c for c in counted if c.family == name], standings, persons or {}) for name in families},
        len(choices) - len(ours),
    )


def _rater(own: Sequence[Choice]) -> RaterRecord:
    pairs = {c.key: c for c in own if not c.repeat and not c.check}
    repeats = [(c, pairs[first]) for c in own if c.repeat and (first := (*c.key[:5], False, c.check)) in pairs]
    checks = [c for c in own if c.check]
    passed = sum(c.winner not in (None, SPOILT) for c in checks)
    seconds = [c.seconds for c in pairs.values() if c.seconds is not None]
    return RaterRecord(
        choices=len(pairs),
        cases=len({(c.family, c.case) for c in pairs.values()}),
        ties=sum(c.chosen == "tie" for c in pairs.values()),
        left=sum(c.chosen == "first" for c in pairs.values()),
        repeats=len(repeats),
        same=sum(again.winner == before.winner for again, before in repeats),
        checks=len(checks),
        passed=passed,
        seconds=rounded(median(seconds)) if seconds else None,
        counted=passed >= PASSED * len(checks),
    )


def _family(own: Sequence[Choice], standings: Mapping[str, str], persons: Mapping[str, str]) -> FamilyPreferences:
    arms = order.arms((arm for c in own for arm in c.pair), standings)
    by_person: dict[str, list[Choice]] = {}
    for choice in own:
        by_person.setdefault(persons.get(choice.case, choice.case), []).append(choice)
    units: dict[tuple[str, ...], list[str]] = {}
    for choice in own:
        units.setdefault((choice.case, *choice.pair), []).append(_side(choice))
    each = np.array([_wins(by_person[name], arms) for name in sorted(by_person)])
    strong, virtual = _strengths(each, arms, own[0].family)
    return FamilyPreferences(
        choices=len(own),
        cases=len({c.case for c in own}),
        persons=len(by_person),
        raters=len({c.rater for c in own}),
        arms={
            arm: ArmPreference(
                None if arm == PURE else preferred(by_person.values(), arm, PURE),
                preferred(by_person.values(), arm),
                *strong.get(arm, (None, None, None)),
            )
            for arm in arms
        },
        virtual=virtual,
        shared=sum(len(said) > 1 for said in units.values()),
        alpha=rounded(krippendorff.alpha(units.values())),
    )


def _side(choice: Choice) -> str:
    """What was said of a pair, whichever of the two stood left."""
    winner = choice.winner
    return "tie" if winner is None else ("one", "other")[choice.pair.index(winner)]


def preferred(by_person: Iterable[Sequence[Choice]], arm: str, other: str | None = None) -> PreferenceShare:
    """How often an arm was chosen before another one, or before any."""
    gains = [
        [
            1 if c.winner == arm else 0 if c.winner is None else -1
            for c in own
            if arm in c.pair and other in (None, *c.pair)
        ]
        for own in by_person
    ]
    gains = [own for own in gains if own]
    every = [gain for own in gains for gain in own]
    if not every:
        return PreferenceShare(0, 0, 0, 0, None, None, None)
    share = (1 + sum(every) / len(every)) / 2
    low, high = _share_interval(gains, share)
    return PreferenceShare(
        len(every), every.count(1), every.count(0), every.count(-1), rounded(share), rounded(low), rounded(high)
    )


def _share_interval(gains: Sequence[Sequence[int]], share: float) -> tuple[float, float] | tuple[None, None]:
    from scipy.special import stdtrit

    persons, n = len(gains), sum(map(len, gains))
    if persons < 2:
        return None, None
    off = [sum((1 + gain) / 2 - share for gain in own) for own in gains]
    variance = persons / (persons - 1) * sum(one**2 for one in off) / n**2
    worth = min(n, share * (1 - share) / variance) if variance > 0 else persons
    quantile = float(stdtrit(persons - 1, (1 + stats.LEVEL) / 2))
    middle = (worth * share + quantile**2 / 2) / (worth + quantile**2)
    half = quantile / (worth + quantile**2) * math.sqrt(worth * share * (1 - share) + quantile**2 / 4)
    return max(0.0, middle - half), min(1.0, middle + half)


def _wins(own: Sequence[Choice], arms: Sequence[str]) -> Array:
    """How often each arm was chosen before each other one, ties by half."""
    found = np.zeros((len(arms), len(arms)))
    for choice in own:
        first, second = arms.index(choice.first), arms.index(choice.second)
        share = {"first": 1.0, "second": 0.0, "tie": 0.5}[choice.chosen]
        found[first, second] += share
        found[second, first] += 1 - share
    return found


def _strengths(
    each: Array, arms: Sequence[str], family: str
) -> tuple[dict[str, tuple[float | None, float | None, float | None]], bool]:
    """Arm → its strength against pure and the interval's ends; and whether virtual choices were needed."""
    from scipy.special import stdtrit

    whole = each.sum(axis=0)
    if PURE not in arms:
        return {}, False
    place = arms.index(PURE)
    within = np.flatnonzero(bradley_terry.connected(whole)[place])
    each, whole = each[:, within[:, None], within], whole[within[:, None], within]
    base = int(np.flatnonzero(within == place)[0])
    found = bradley_terry.strengths(whole)
    error = None
    if len(each) > 1:
        rng = np.random.default_rng(derive_seed(0, "bradley-terry", family))
        drawn = rng.multinomial(len(each), np.full(len(each), 1 / len(each)), DRAWS)
        again = bradley_terry.strengths(np.tensordot(drawn, each, 1), whole + whole.T > 0)
        error = float(stdtrit(len(each) - 1, (1 + stats.LEVEL) / 2)) * (again - again[:, [base]]).std(axis=0, ddof=1)
    result: dict[str, tuple[float | None, float | None, float | None]] = {}
    for number, arm in enumerate(within):
        value = float(found[number] - found[base])
        half = None if error is None or number == base else float(error[number])
        ends = (None, None) if half is None else (rounded(value - half), rounded(value + half))
        result[arms[int(arm)]] = (rounded(value), *ends)
    return result, not bool(bradley_terry.bounded(whole))
