"""What an evaluation's arms changed most: the cases at which a reader looks first."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from fsrbench.core import order
from fsrbench.measure.results import Numbers
from fsrbench.measure.subjects import Evaluation


@dataclass(frozen=True, slots=True)
class CaseChange:
    """The largest change of one case in one family."""

    family: str
    """Its family."""
    case: str
    """Its id."""
    arm: str
    """The arm that changed it most."""
    delta: float
    """Its difference from pure, never 0."""


def metric(what: Evaluation, numbers: Numbers) -> str | None:
    """The metric by which changes are ordered: the first of the settings in which an arm has a difference from pure.

    None where there is no difference of any arm in any metric, not even one of 0.
    """
    families = order.families(subject.family for subject in what.subjects)
    known = (name for name in what.metrics for one in families for arm in what.roles if numbers.deltas(one, name, arm))
    return next(known, None)


def largest(what: Evaluation, numbers: Numbers, arms: Collection[str] | None = None) -> list[CaseChange]:
    """One for each case of a family in which one of the arms made a difference: the largest first, whichever way.

    Equal ones stand in the order of families, then of cases by name.
    """
    by = metric(what, numbers)
    if by is None:
        return []
    best: dict[tuple[str, str], CaseChange] = {}
    places = sorted({(s.family, s.case) for s in what.subjects}, key=lambda place: (order.family(place[0]), place[1]))
    for family, case in places:
        for arm in order.arms(what.roles if arms is None else arms, what.roles):
            delta = numbers.delta(family, by, arm, case)
            if delta and abs(delta) > abs(best[family, case].delta if (family, case) in best else 0):
                best[family, case] = CaseChange(family, case, arm, delta)
    return sorted(best.values(), key=lambda change: -abs(change.delta))


def by_case(found: Iterable[CaseChange]) -> list[CaseChange]:
    """The largest change of each case, whatever its family; `found` begins with the largest of all."""
    first: dict[str, CaseChange] = {}
    for change in found:
        first.setdefault(change.case, change)
    return list(first.values())


def cases(what: Evaluation, found: Iterable[CaseChange]) -> list[str]:
    """All cases, those with the largest changes first, then the others by name."""
    changed = [change.case for change in by_case(found)]
    return [*changed, *sorted({subject.case for subject in what.subjects}.difference(changed))]
