"""How much of what an oracle gained others took: contenders and controls, and what a contender's auditor adds to that.

An oracle bounds the metric that it chose by and no other, so each is a bound in that metric alone. Where a control
differs from a contender by its auditor and by nothing else, the difference of their shares is what looking added.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fsrbench.core.contracts import Metric
from fsrbench.measure import captured, stats
from fsrbench.measure.captured import CapturedShare
from fsrbench.measure.claims import TESTED
from fsrbench.measure.harm_values import TakenShare
from fsrbench.measure.results import Numbers
from fsrbench.measure.subjects import Evaluation
from fsrbench.measure.summary_values import MetricResults, rounded


def of_family(
    family: str,
    what: Evaluation,
    numbers: Numbers,
    persons: Mapping[str, str] | None,
    measured: Mapping[str, MetricResults],
) -> tuple[TakenShare, ...]:
    """Every share of every oracle's gain in a family."""
    return tuple(
        _taken(family, what, numbers, persons, measured[metric].arms[oracle].floor, (arm, less), (oracle, metric))
        for oracle, metric in _bounds(what, measured)
        for arm in measured[metric].arms
        if what.roles.get(arm) in TESTED
        for less in ("", *what.twins.get(arm, ()))
        if not less or less in measured[metric].arms
    )


def _bounds(what: Evaluation, measured: Mapping[str, MetricResults]) -> Iterator[tuple[str, str]]:
    """Each oracle with the metric that it chose by."""
    for oracle, role in what.roles.items():
        if role == "headroom":
            for metric in what.chosen_by.get(oracle, ()):
                if metric in measured and oracle in measured[metric].arms:
                    yield oracle, metric


def of_bound(
    metric: Metric,
    own: Mapping[str, float],
    bound: Mapping[str, float],
    persons: Mapping[str, str] | None,
    floor: float,
) -> CapturedShare:
    """The share of a bound's differences from pure that others have, on the cases of both; none of next to nothing."""
    both = sorted(own.keys() & bound.keys())
    members = [case if persons is None else persons[case] for case in both]
    upper = stats.paired([bound[case] for case in both], metric.better, clusters=members)
    if upper.delta is None or not captured.worth_a_share(upper.delta, upper.low, upper.high, metric, floor):
        return CapturedShare(None)
    sign = 1 if metric.better == "higher" else -1
    return captured.captured([sign * own[case] for case in both], [sign * bound[case] for case in both], members)


def _taken(
    family: str,
    what: Evaluation,
    numbers: Numbers,
    persons: Mapping[str, str] | None,
    floor: float,
    arms: tuple[str, str],
    oracle: tuple[str, str],
) -> TakenShare:
    """One share, or how far one arm's exceeds another's."""
    (arm, less), (bound, metric) = arms, oracle
    own, best = (numbers.deltas(family, metric, one) for one in (arm, bound))
    if less:
        own = numbers.deltas(family, metric, arm, less)
    found = of_bound(what.metrics[metric], own, best, persons, floor)
    both = len(own.keys() & best.keys())
    return TakenShare(arm, bound, metric, both, rounded(found.share), rounded(found.low), rounded(found.high), less)
