"""Numbers that a metric measures, with the enlarged input in the place of a reference."""

from __future__ import annotations

from collections.abc import Callable

from fsrbench.core import plugins
from fsrbench.core.contracts import Machine, Metric, Sight


def metric(name: str) -> Metric:
    """The metric of this name."""
    found: Metric = plugins.load("metrics", name)
    return found


def by(name: str) -> Callable[[Machine], Callable[[Sight], float]]:
    """What opens an instrument that measures with this metric."""

    def opened(machine: Machine) -> Callable[[Sight], float]:
        chosen = metric(name)
        score = chosen.open(machine)
        return lambda sight: score([sight.sr], sight.enlarged if chosen.reference else None)[0]

    return opened
