"""Did an arm do harm? A case is harmed where any metric of a set is worse than pure by more than it may be."""

from __future__ import annotations

from fsrbench.core.contracts import Metric
from fsrbench.measure.summary_values import MetricFacts


def allowed(metric: Metric | MetricFacts) -> float:
    """By how much a number may be worse than pure's before it is harm: half of the last digit that is printed."""
    return 0.5 * 10.0**-metric.digits
