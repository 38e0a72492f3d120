"""How much of what an oracle gained others took: contenders and controls, and what a contender's auditor adds to that.

An oracle bounds the metric that it chose by and no other, so each is a bound in that metric alone. Where a control
differs from a contender by its auditor and by nothing else, the difference of their shares is what looking added.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fsrbench.measure import captured
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
        _taken(family, what, numbers, persons, measured[metric], (arm, less), (oracle, metric))
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


def _taken(
    family: str,
    what: Evaluation,
    numbers: Numbers,
    persons: Mapping[str, str] | None,
    measured: MetricResults,
    arms: tuple[str, str],
    bound: tuple[str, str],
) -> TakenShare:
    """One share, or how far one arm's exceeds another's."""
    (arm, less), (oracle, metric) = arms, bound
    own, best = (numbers.deltas(family, metric, one) for one in (arm, oracle))
    other = numbers.deltas(family, metric, less) if less else dict.fromkeys(own, 0.0)
    both = sorted(own.keys() & other.keys() & best.keys())
    upper = measured.arms[oracle]
    declared = what.metrics[metric]
    found = captured.CapturedShare(None)
    if upper.delta is not None and captured.worth_a_share(upper.delta, upper.low, upper.high, declared, upper.floor):
        sign = 1 if declared.better == "higher" else -1
        found = captured.captured(
            [sign * (own[case] - other[case]) for case in both],
            [sign * best[case] for case in both],
            [case if persons is None else persons[case] for case in both],
        )
    return TakenShare(
        arm, oracle, metric, len(both), rounded(found.share), rounded(found.low), rounded(found.high), less
    )
