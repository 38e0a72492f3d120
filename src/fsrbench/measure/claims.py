"""What may be claimed: which comparisons of a run are tested, and which of them are shown when all are taken together.

Both are decided here and nowhere else: `tested` chooses the family of tests, `judged` corrects it.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import replace
from typing import TypeAlias, TypeVar

from fsrbench.core.values import PURE
from fsrbench.measure import signs, stats
from fsrbench.measure.standings import Standing
from fsrbench.measure.summary_values import ArmEffect, MetricResults, PairedComparison, RivalEffect, probability

TESTED = ("contender", "control")
"""Roles whose tests are adjusted together. Noise floor and headroom are yardsticks: nothing is claimed of them."""
RIVALS = ("control", "floor")
"""Roles that a contender is set against, case by case."""
Families: TypeAlias = dict[str, dict[str, MetricResults]]
"""Family → metric → what was found."""
Pair: TypeAlias = tuple[str, str, str, str]
"""Family, metric, arm, and what the arm is set against: `pure` or a rival."""
Place = TypeVar("Place", bound=Hashable)
Corrected: TypeAlias = tuple[float, float]
"""The p of one test, adjusted over all of them, and the level below which its own p is shown."""
AnyComparison = TypeVar("AnyComparison", ArmEffect, RivalEffect)


def tested(families: Families, roles: Mapping[str, Standing]) -> Iterator[tuple[Pair, PairedComparison]]:
    """Every comparison that something may be claimed of: TESTED roles against pure, contenders against RIVALS.

    One without p (nothing was measured, or the arm is void) is none; an arm that changed nothing has p = 1 and counts.
    """
    for family, metrics in families.items():
        for metric, entry in metrics.items():
            for arm, effect in entry.arms.items():
                if roles.get(arm) in TESTED and effect.p is not None:
                    yield (family, metric, arm, PURE), effect
            for arm, rivals in entry.against.items():
                for rival, beside in rivals.items():
                    if beside.p is not None:
                        yield (family, metric, arm, rival), beside


def judged(families: Families, roles: Mapping[str, Standing]) -> tuple[Families, int]:
    """The same with what is shown by all tests together, and beside it what that takes; and the number of tests.

    `least` and `majority` are of this run, with the other tests as they came out; `needed` is for another one with as
    many tests, whatever becomes of those.
    """
    together = corrected({place: test.p for place, test in tested(families, roles)})

    def told(place: Pair, found: AnyComparison) -> AnyComparison:
        return judge(found, together.get(place), len(together))

    def entry(family: str, metric: str, found: MetricResults) -> MetricResults:
        arms = {arm: told((family, metric, arm, PURE), effect) for arm, effect in found.arms.items()}
        against = {
            arm: {rival: told((family, metric, arm, rival), effect) for rival, effect in rivals.items()}
            for arm, rivals in found.against.items()
        }
        return replace(found, arms=arms, against=against)

    told_of = {f: {m: entry(f, m, found) for m, found in metrics.items()} for f, metrics in families.items()}
    return told_of, len(together)


def corrected(chances: Mapping[Place, float | None]) -> dict[Place, Corrected]:
    """What becomes of each p when all tests are taken together; one without p was not tested."""
    known = {place: p for place, p in chances.items() if p is not None}
    adjusted, levels = stats.holm(list(known.values())), stats.levels(list(known.values()))
    return {
        place: (p, level)
        for place, p, level in zip(known, adjusted, levels, strict=True)
        if p is not None and level is not None
    }


def judge(found: AnyComparison, together: Corrected | None, tests: int) -> AnyComparison:
    """A comparison with what is shown by all tests together; as it is where it was not tested."""
    if together is None:
        return found
    p, level = together
    return replace(
        found,
        p_adjusted=probability(p),
        shown=p < stats.ALPHA,
        least=signs.least(level),
        majority=signs.majority(found.changed, level),
        needed=_needed(found, tests),
    )


def _needed(test: PairedComparison, tests: int) -> int | None:
    """Cases that show the majority seen: as many to a person, and as many changed, as here."""
    if not test.changed:
        return None
    units = signs.needed(test.units, test.changed, test.improved, stats.ALPHA / tests)
    return None if units is None else -(-units * test.n // test.units)
