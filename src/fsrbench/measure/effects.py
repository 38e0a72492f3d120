"""What each arm changed in each metric, family by family: means, differences, intervals and the p of single tests.

The formulas are `stats.py`'s and `signs.py`'s. What may be claimed, all tests taken together, is `claims.py`'s.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from fsrbench.core import order
from fsrbench.core.values import PURE
from fsrbench.measure import stats
from fsrbench.measure.claims import RIVALS, TESTED
from fsrbench.measure.results import Numbers
from fsrbench.measure.subjects import Evaluation
from fsrbench.measure.summary_values import DIGITS, ArmEffect, MetricResults, Outlier, RivalEffect, probability, rounded


def of_family(
    family: str, what: Evaluation, numbers: Numbers, persons: Mapping[str, str] | None, void: Collection[str]
) -> dict[str, MetricResults]:
    """Metric → what was found in a family. Nothing is tested of the arms that are void."""
    cases = sum(s.family == family for s in what.subjects)
    arms = order.arms({arm for s in what.subjects if s.family == family for arm in s.variants} - {PURE}, what.roles)
    contenders, rivals = ([a for a in arms if what.roles.get(a) in roles] for roles in (("contender",), RIVALS))
    missing: dict[str, set[str]] = {}
    for s in numbers.scores:
        if s.family == family and s.value is None:
            missing.setdefault(s.metric, set()).add(s.note)
    found = {}
    for metric in what.metrics:
        measured = _Measured(family, metric, what, numbers, persons, frozenset(void))
        pure = numbers.values(family, metric, PURE)
        floor = measured.floor()
        low, high = stats.mean_interval(list(pure.values()), measured.members(pure))
        found[metric] = MetricResults(
            n=len(pure),
            na=cases - len(pure),
            why_na=tuple(sorted(missing.get(metric, ()))),
            pure=mean(pure.values()),
            pure_low=rounded(low),
            pure_high=rounded(high),
            arms={arm: measured.arm(arm, floor) for arm in arms},
            against={arm: measured.against(arm, rivals) for arm in contenders},
        )
    return found


def beside(found: stats.Effect, *, tested: bool) -> RivalEffect:
    """Paired differences as the summary holds those of two arms, or of one arm in two runs."""
    return RivalEffect(
        n=found.n,
        delta=rounded(found.delta),
        low=rounded(found.low),
        high=rounded(found.high),
        units=found.units,
        changed=found.changed,
        improved=found.improved,
        p=probability(found.p) if tested else None,
    )


@dataclass(frozen=True, slots=True)
class _Measured:
    """One metric in one family, with all that its effects are worked out from."""

    family: str
    """The family."""
    metric: str
    """The metric."""
    what: Evaluation
    """What was compared."""
    numbers: Numbers
    """All scores."""
    persons: Mapping[str, str] | None
    """Case → person, where it is known who is who."""
    void: frozenset[str]
    """Arms of which nothing is claimed."""

    def members(self, cases: Iterable[str]) -> list[str] | None:
        """The person of each case; None where every case is its own."""
        return None if self.persons is None else [self.persons[case] for case in cases]

    def floor(self) -> float:
        """What 95 % of the cases of the reruns stay below, of which nothing was changed. 0 without a rerun."""
        moved = [
            abs(delta)
            for arm, role in self.what.roles.items()
            if role == "floor"
            for delta in self.numbers.deltas(self.family, self.metric, arm).values()
        ]
        return stats.floor(moved)

    def arm(self, arm: str, floor: float) -> ArmEffect:
        """One arm against pure."""
        pure, mine = (self.numbers.values(self.family, self.metric, one) for one in (PURE, arm))
        deltas = self.numbers.deltas(self.family, self.metric, arm)
        found = self._paired(deltas, floor)
        return ArmEffect(
            n=found.n,
            pure=mean(pure[case] for case in deltas),
            mean=mean(mine[case] for case in deltas),
            delta=rounded(found.delta),
            median=rounded(found.median),
            delta_changed=rounded(found.delta_changed),
            low=rounded(found.low),
            high=rounded(found.high),
            units=found.units,
            changed=found.changed,
            improved=found.improved,
            effect=rounded(found.effect),
            wins=found.wins,
            losses=found.losses,
            ties=found.ties,
            floor=rounded(found.floor) or 0.0,
            benefit=rounded(found.benefit),
            harm=rounded(found.harm),
            p=None if self._unclaimed(arm) else probability(found.p),
            chose=self._chose(arm),
            outlier=outlier(deltas, self.members(deltas)),
            void=arm in self.void,
        )

    def against(self, arm: str, rivals: Iterable[str]) -> dict[str, RivalEffect]:
        """A contender against each rival. One that changed nothing is pure, against which it is tested already."""
        return {
            rival: self._rival(arm, rival)
            for rival in rivals
            if any(self.numbers.deltas(self.family, self.metric, rival).values())
        }

    def _rival(self, arm: str, rival: str) -> RivalEffect:
        deltas = self.numbers.deltas(self.family, self.metric, arm, rival)
        unclaimed = self._unclaimed(arm) or self._unclaimed(rival)
        return beside(self._paired(deltas, 0.0), tested=not unclaimed)

    def _chose(self, arm: str) -> bool:
        """Were this arm's pictures chosen by this metric?"""
        return self.metric in self.what.chosen_by.get(arm, ())

    def _unclaimed(self, arm: str) -> bool:
        """May nothing be said of this arm's numbers in this metric? Of a yardstick nothing is said anyway."""
        return arm in self.void or (self._chose(arm) and self.what.roles.get(arm) in TESTED)

    def _paired(self, deltas: Mapping[str, float], floor: float) -> stats.Effect:
        better = self.what.metrics[self.metric].better
        return stats.paired(list(deltas.values()), better, clusters=self.members(deltas), floor=floor)


def outlier(deltas: Mapping[str, float], members: Sequence[str] | None) -> Outlier | None:
    """The case that makes a mean, with its difference and the mean without it; None where there is none."""
    found = stats.outlier(list(deltas.values()), members)
    if found is None:
        return None
    case = list(deltas)[found[0]]
    return Outlier(case, rounded(deltas[case]), rounded(found[1]))


def mean(values: Iterable[float]) -> float | None:
    """A mean as it is kept; None of nothing."""
    known = list(values)
    return round(fmean(known), DIGITS) if known else None
