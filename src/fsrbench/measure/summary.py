"""From scores to `summary.json`: means, paired effects with their statistics, and what became of the cases.

How an effect is worked out is `stats.py`'s; how it is told, `wording.py`'s, `tables.py`'s and
`findings.py`'s.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import groupby
from statistics import fmean
from typing import Any, Literal

from fsrbench.core.values import PURE, Failure, Trail, Usage
from fsrbench.measure import mishaps, signs, stats
from fsrbench.measure.results import Numbers
from fsrbench.measure.subjects import Evaluation, Standing, Subject

FORMAT = 3
TESTED = ("contender", "control")
"""Roles whose tests are adjusted together. Noise floor and headroom are yardsticks: nothing is claimed of them."""
RIVALS = ("control", "floor")
"""Roles that a contender is set against, case by case."""
AGAINST = (
    "n", "delta", "low", "high", "units", "changed", "improved", "p", "p_adjusted", "shown", "least", "majority",
    "needed",
)  # fmt: skip
"""What is kept of such a comparison."""


def summarise(what: Evaluation, numbers: Numbers, failures: Sequence[Failure] = ()) -> dict[str, Any]:
    """Family means, paired effects and counts. An effect rests on the cases that have both numbers.

    Tests of TESTED roles against pure, and of contenders against RIVALS, are adjusted together over all families and
    metrics; an arm that changed nothing has p = 1 and counts as a test.
    """
    beside = {f.family for f in failures} | {one.family for one in what.unfinished}
    names = sorted({s.family for s in what.subjects} | beside)
    persons = persons_of(what)
    families = {family: _family(family, what, numbers, persons) for family in names}
    counts = {family: _counts(family, what, failures) for family in families}
    _void(families, counts)
    tests = [*_tests(families, what.roles)]
    _judge(tests)
    return {
        "format": FORMAT,
        "metrics": {
            n: {"label": m.label, "better": m.better, "digits": m.digits, "unit": m.unit}
            for n, m in what.metrics.items()
        },
        "run": asdict(what.run) if what.run is not None else None,
        "models": what.labels,
        "inputs": _inputs(what),
        "statistics": {
            "level": stats.LEVEL,
            "alpha": stats.ALPHA,
            "power": signs.POWER,
            "tests": sum(entry["p"] is not None for entry in tests),
            "clusters": len(set(persons.values())) if persons else None,
        },
        "families": families,
        "roles": what.roles,
        "marks": what.marks,
        "notes": [*what.about_metrics.values(), *what.notes, *_alone(what)],
        "canaries": {arm: {"shown": shown, "looked": looked} for arm, (shown, looked) in what.canaries.items()},
        "dead_knobs": {family: list(names) for family, names in what.dead_knobs.items()},
        "counts": counts,
        "failures": [str(group) for group in mishaps.grouped(failures)],
    }


def _void(families: Mapping[str, Any], counts: Mapping[str, Any]) -> None:
    """Mark the effects of arms whose replies were mostly unusable: nothing is claimed of them, and none is tested."""
    for family, metrics in families.items():
        void = {arm for arm, counted in counts[family]["arms"].items() if counted["void"]}
        for entry in metrics.values():
            for arm, effect in entry["arms"].items():
                effect["void"] = arm in void
                effect["p"] = None if arm in void else effect["p"]
            for arm, rivals in entry["against"].items():
                for rival, effect in rivals.items():
                    effect["p"] = None if {arm, rival} & void else effect["p"]


def _tests(families: Mapping[str, Any], roles: Mapping[str, Standing]) -> Iterator[dict[str, Any]]:
    """Every comparison that something may be claimed of."""
    for metrics in families.values():
        for entry in metrics.values():
            yield from (effect for arm, effect in entry["arms"].items() if roles.get(arm) in TESTED)
            yield from (effect for rivals in entry["against"].values() for effect in rivals.values())


def _judge(tests: Sequence[dict[str, Any]]) -> None:
    """What is shown, by all tests together: the only place that says so. Beside it, what it would take.

    `least` and `majority` are of this run, with the other tests as they came out; `needed` is for another one with as
    many tests, whatever becomes of those.
    """
    chances = [test["p"] for test in tests]
    count = sum(p is not None for p in chances)
    for test, p, level in zip(tests, stats.holm(chances), stats.levels(chances), strict=True):
        if p is None or level is None:
            continue
        test["p_adjusted"], test["shown"] = _probability(p), p < stats.ALPHA
        test["least"], test["majority"] = signs.least(level), signs.majority(test["changed"], level)
        test["needed"] = _needed(test, count)


def _needed(test: Mapping[str, Any], tests: int) -> int | None:
    """Cases that show the majority seen: as many to a person, and as many changed, as here."""
    if not test["changed"]:
        return None
    units = signs.needed(test["units"], test["changed"], test["improved"], stats.ALPHA / tests)
    return None if units is None else -(-units * int(test["n"]) // int(test["units"]))


def persons_of(what: Evaluation) -> dict[str, str] | None:
    """Case → cluster. A case that the table does not name is its own, under a name that no table can hold."""
    if what.clusters is None:
        return None
    return {s.case: what.clusters.get(s.case, "").strip() or f"\n{s.case}" for s in what.subjects}


def _alone(what: Evaluation, most: int = 5) -> Iterator[str]:
    """Said where the table of clusters leaves cases out: too many clusters make everything look surer than it is."""
    clusters = what.clusters
    cases = sorted({s.case for s in what.subjects})
    left = [] if clusters is None else [case for case in cases if not clusters.get(case, "").strip()]
    if left:
        named = ", ".join(left[:most]) + (", …" if len(left) > most else "")
        yield f"{len(left)} of {len(cases)} cases have no cluster in the table and count as one each: {named}."


def _family(family: str, what: Evaluation, numbers: Numbers, persons: Mapping[str, str] | None) -> dict[str, Any]:
    cases = sum(s.family == family for s in what.subjects)
    arms = sorted({arm for s in what.subjects if s.family == family for arm in s.variants if arm != PURE})
    contenders, rivals = ([a for a in arms if what.roles.get(a) in roles] for roles in (("contender",), RIVALS))
    missing: dict[str, set[str]] = {}
    for s in numbers.scores:
        if s.family == family and s.value is None:
            missing.setdefault(s.metric, set()).add(s.note)
    found = {}
    for metric in what.metrics:
        pure = numbers.values(family, metric, PURE)
        floor = _floor(family, metric, what, numbers)
        low, high = stats.mean_interval(list(pure.values()), _members(pure, persons))
        found[metric] = {
            "n": len(pure),
            "na": cases - len(pure),
            "why_na": sorted(missing.get(metric, ())),
            "pure": _fmean(pure.values()),
            "pure_low": _rounded(low),
            "pure_high": _rounded(high),
            "arms": {arm: _arm(family, metric, arm, what, numbers, floor, persons) for arm in arms},
            "against": {arm: _against(family, metric, arm, rivals, what, numbers, persons) for arm in contenders},
        }
    return found


def _arm(
    family: str,
    metric: str,
    arm: str,
    what: Evaluation,
    numbers: Numbers,
    floor: float,
    persons: Mapping[str, str] | None,
) -> dict[str, Any]:
    """One arm against pure."""
    pure, mine = numbers.values(family, metric, PURE), numbers.values(family, metric, arm)
    deltas = numbers.deltas(family, metric, arm)
    found = _compared(deltas, what.metrics[metric].better, persons, floor)
    means = {"pure": _fmean(pure[case] for case in deltas), "mean": _fmean(mine[case] for case in deltas)}
    return {"n": found.pop("n"), **means, **found, "outlier": _outlier(deltas, persons)}


def _against(
    family: str,
    metric: str,
    arm: str,
    rivals: Sequence[str],
    what: Evaluation,
    numbers: Numbers,
    persons: Mapping[str, str] | None,
) -> dict[str, Any]:
    """A contender against each rival. One that changed nothing is pure, against which it is tested already."""
    found = {}
    for rival in rivals:
        if any(numbers.deltas(family, metric, rival).values()):
            deltas = numbers.deltas(family, metric, arm, rival)
            known = _compared(deltas, what.metrics[metric].better, persons, 0.0)
            found[rival] = {key: known[key] for key in AGAINST}
    return found


def _compared(
    deltas: Mapping[str, float], better: Literal["higher", "lower"], persons: Mapping[str, str] | None, floor: float
) -> dict[str, Any]:
    """An effect as it is stored, before it is judged: nothing is shown yet."""
    effect = asdict(stats.paired(list(deltas.values()), better, clusters=_members(deltas, persons), floor=floor))
    p = _probability(effect.pop("p"))
    found = {name: _rounded(value) if isinstance(value, float) else value for name, value in effect.items()}
    return {**found, "p": p, "p_adjusted": None, "shown": False, "least": None, "majority": None, "needed": None}


def _outlier(deltas: Mapping[str, float], persons: Mapping[str, str] | None) -> dict[str, Any] | None:
    """The case that makes a mean, with its difference and the mean without it; None where there is none."""
    found = stats.outlier(list(deltas.values()), _members(deltas, persons))
    if found is None:
        return None
    case = list(deltas)[found[0]]
    return {"case": case, "delta": _rounded(deltas[case]), "without": _rounded(found[1])}


def _members(cases: Iterable[str], persons: Mapping[str, str] | None) -> list[str] | None:
    return None if persons is None else [persons[case] for case in cases]


def _floor(family: str, metric: str, what: Evaluation, numbers: Numbers) -> float:
    """What a case moves by when nothing is done: 95 % of the cases of the rerun stay below it. 0 without a rerun."""
    moved = [
        abs(delta)
        for arm, role in what.roles.items()
        if role == "floor"
        for delta in numbers.deltas(family, metric, arm).values()
    ]
    return stats.floor(moved)


def _inputs(what: Evaluation) -> dict[str, Any]:
    """What decides whether two summaries may be compared. Nothing of it depends on where the files lie.

    The hash covers the names of the cases, the bytes of their LR and whether each has a reference; plain folders
    have no LR, and there it covers names and references alone. `recipe` is empty where no `degradations.csv` was
    found beside the LR: unknown, not none.
    """
    cases, recipes, digest, separator = 0, set(), hashlib.sha256(), "["
    for case, own in _by_case(what.subjects):
        cases += 1
        if case in what.degraded:
            recipes.add(what.degraded[case]["recipe"])
        for one in sorted({(s.case, trail.lr_sha256 if (trail := s.trail) else "", s.hr is not None) for s in own}):
            digest.update(f"{separator}{json.dumps(one)}".encode())  # the JSON of a whole list, piece by piece
            separator = ", "
    digest.update(b"]" if cases else b"[]")
    return {
        "cases": cases,
        "sha256": digest.hexdigest(),
        "recipe": sorted(recipes),
        "hr_size": what.hr_size,
    }


def _by_case(subjects: Sequence[Subject]) -> Iterator[tuple[str, Iterator[Subject]]]:
    """Cases by name, each with its subjects, which are put together when their turn comes."""
    cases = [subject.case for subject in subjects]
    for case, places in groupby(sorted(range(len(cases)), key=cases.__getitem__), cases.__getitem__):
        yield case, (subjects[place] for place in places)


def _fmean(values: Iterable[float]) -> float | None:
    known = list(values)
    return round(fmean(known), 6) if known else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6) + 0.0  # no negative zero


def _probability(p: float | None) -> float | None:
    """To six significant digits: what is small must not become zero."""
    return None if p is None else float(f"{p:.6g}")


# --------------------------------------------------------------------- counts


def _counts(family: str, what: Evaluation, failures: Sequence[Failure]) -> dict[str, Any]:
    """What became of the cases, arm by arm: nothing that failed or could not be used hides in a mean.

    Requests, tokens and cost are those of all cases, `unfinished` ones too: these were paid, and have no result yet.
    """
    failed = Counter(f.arm for f in failures if f.family == family)
    cases, arms = 0, {arm: _Tally() for arm in failed if arm != PURE}
    for one in what.unfinished:
        if one.family == family:
            arms.setdefault(one.arm, _Tally()).leave(one.usage)
    for subject in what.subjects:
        if subject.family == family:
            cases += 1
            trail = subject.trail
            for arm in subject.variants:
                if arm != PURE:
                    arms.setdefault(arm, _Tally()).add(arm, trail)
    return {
        "cases": cases,
        "failed": failed[PURE],
        "arms": {
            arm: {**counted.told(what.limits.max_invalid), "failed": failed[arm]}
            for arm, counted in sorted(arms.items())
        },
    }


def void_arms(trails: Iterable[Trail], share: float) -> list[str]:
    """`blind lvlm`, of each arm whose replies were mostly unusable, told from trails alone."""
    tallies: dict[str, _Tally] = {}
    for trail in trails:
        for arm in trail.arms:
            tallies.setdefault(f"{trail.family} {arm}", _Tally()).add(arm, trail)
    return [name for name, tally in tallies.items() if tally.told(share)["void"]]


@dataclass(slots=True)
class _Tally:
    """What became of an arm's cases, counted case by case."""

    done: int = 0
    """Cases with its picture."""
    invalid: int = 0
    """Cases in which a reply could not be used."""
    changed: int = 0
    """Cases that ended with another picture than pure's."""
    unfinished: int = 0
    """Cases that took something and have no result yet."""
    audits: int = 0
    """Audits for which something was sent."""
    replies: int = 0
    """Audits, whoever made them."""
    unusable: Counter[str] = field(default_factory=Counter)
    """Those of them that could not be used, by what was wrong."""
    usage: Usage = field(default_factory=lambda: Usage(cost=0.0))
    """What they cost together; the money is unknown where that of one is."""

    def add(self, arm: str, trail: Trail | None) -> None:
        """One more case."""
        self.done += 1
        if trail is None or arm not in trail.arms:
            return
        audits = [step.audit for step in trail.arms[arm] if step.audit]
        sent = [audit.usage for audit in audits if audit.usage.requests]
        self.invalid += any(audit.status == "invalid" for audit in audits)
        self.changed += trail.final(arm).sha256 != trail.pure.sha256
        self.audits += len(sent)
        self.replies += len(audits)
        self.unusable += mishaps.unusable(audits)
        self.usage = sum(sent, self.usage)

    def leave(self, usage: Usage) -> None:
        """One more case that is not finished."""
        self.unfinished += 1
        self.audits += 1
        self.usage += usage

    def told(self, share: float) -> dict[str, Any]:
        """As the summary has it; void is an arm of whose replies this share or more could not be used."""
        cost = self.usage.cost if self.audits else None
        return {
            "done": self.done,
            "invalid": self.invalid,
            "replies": self.replies,
            "unusable": dict(self.unusable.most_common()),
            "void": mishaps.mostly_unusable(self.replies, self.unusable, share),
            "changed": self.changed,
            "unfinished": self.unfinished,
            "requests": self.usage.requests,
            "tokens": self.usage.prompt_tokens + self.usage.completion_tokens,
            "cost": None if cost is None else round(cost, 6),
        }
