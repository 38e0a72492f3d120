"""Did an arm do harm? A case is harmed where any metric of a set is worse than pure's by more than it may be.

Persons are the unit, or cases where every case is its own. A case that lacks a number of the set, on either side, is
neither harmed nor unharmed, and one that has no picture of the arm does not count at all. Beside it stands how often
pure was kept, since whoever does nothing does no harm.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from fsrbench.core.contracts import Metric
from fsrbench.measure import captured, promises, stats, thresholds
from fsrbench.measure.harm_values import ObservedHarm
from fsrbench.measure.results import Numbers
from fsrbench.measure.subjects import Evaluation
from fsrbench.measure.summary_values import FamilyOutcome, MetricFacts, MetricResults, probability, rounded

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

METRICS = ("psnr", "ssim", "arcface")
"""The set of an arm of which nothing was promised, as far as they were measured."""


def allowed(metric: Metric | MetricFacts) -> float:
    """By how much a number may be worse than pure's before it is harm: half of the last digit that is printed."""
    return 0.5 * 10.0**-metric.digits


def of_family(
    family: str,
    what: Evaluation,
    numbers: Numbers,
    persons: Mapping[str, str] | None,
    measured: Mapping[str, MetricResults],
    counts: FamilyOutcome,
) -> dict[str, ObservedHarm]:
    """Arm → whom it harmed in a family; empty where nothing was promised and no metric of the set was measured."""
    usual = {name: allowed(what.metrics[name]) for name in METRICS if name in measured and measured[name].n}
    cases: dict[str, list[str]] = {}
    for subject in what.subjects:
        if subject.family == family:
            for arm in subject.variants:
                cases.setdefault(arm, []).append(subject.case)
    found = {}
    for arm in next(iter(measured.values())).arms if measured else ():
        promise = what.promises.get(family, {}).get(arm)
        bounds = usual if promise is None else promise.metrics
        if not bounds:
            continue
        harmed = _harmed(family, what, numbers, arm, bounds)
        units = [case if persons is None else persons[case] for case in harmed]
        losses = thresholds.person_means([*harmed.values()], units)
        low, high = _interval(losses, len(harmed))
        done, changed = counts.arms[arm].done, counts.arms[arm].changed
        found[arm] = ObservedHarm(
            allowed=bounds,
            cases=len(harmed),
            missing=len(cases[arm]) - len(harmed),
            harmed=sum(harmed.values()),
            units=losses.size,
            rate=rounded(float(losses.mean())) if losses.size else None,
            low=rounded(low),
            high=rounded(high),
            exact=losses.size == len(harmed),
            kept=rounded(1 - changed / done) if done and family in what.labels else None,
            promise=promise,
            p=None if promise is None or not losses.size else probability(promises.chance(promise, losses)),
        )
    return found


def judged(families: Mapping[str, Mapping[str, ObservedHarm]]) -> dict[str, dict[str, ObservedHarm]]:
    """The same, p adjusted over all promises of the run: of many that hold, some look broken by chance."""
    places = [(family, arm) for family, arms in families.items() for arm in arms]
    adjusted = stats.holm([families[family][arm].p for family, arm in places])
    found: dict[str, dict[str, ObservedHarm]] = {family: {} for family in families}
    for (family, arm), p in zip(places, adjusted, strict=True):
        broken = p is not None and p < stats.ALPHA
        found[family][arm] = replace(families[family][arm], p_adjusted=probability(p), broken=broken)
    return found


def _harmed(family: str, what: Evaluation, numbers: Numbers, arm: str, bounds: Mapping[str, float]) -> dict[str, bool]:
    """Case → whether it was harmed, of the cases that have every number of the set."""
    deltas = {name: numbers.deltas(family, name, arm) for name in bounds}
    known = sorted(set.intersection(*(set(own) for own in deltas.values())))
    falls = {name: what.metrics[name].better == "higher" for name in bounds if known}
    return {
        case: any((-own[case] if falls[name] else own[case]) > bounds[name] for name, own in deltas.items())
        for case in known
    }


def _interval(losses: Array, cases: int) -> tuple[float, float] | tuple[None, None]:
    """Of the mean loss of persons: exact where each has one case."""
    if not losses.size:
        return None, None
    if losses.size == cases:
        return captured.harm_interval(int(losses.sum()), cases)
    return thresholds.mean_bounds(losses)
