"""What auditors share that try settings: a metric that says how good a picture is."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

from fsrbench.core import plugins
from fsrbench.core.contracts import Metric
from fsrbench.core.stored import KnobValue
from fsrbench.core.values import Image

if TYPE_CHECKING:
    from fsrbench.core.contracts import Machine

KnobChange: TypeAlias = dict[str, KnobValue]
Scorer: TypeAlias = Callable[[Image, Image], float]
"""From (picture, reference) to a metric's number."""


@lru_cache(maxsize=32)
def scorer(name: str, machine: Machine) -> Scorer:
    """An opened metric, which all oracles of a run share: some are large networks."""
    metric: Metric = plugins.load("metrics", name)
    measure = metric.open(machine)
    return lambda image, reference: float(measure([image], reference if metric.reference else None)[0])


def finite(value: float | None) -> float | None:
    """Equal pictures have an infinite PSNR, which JSON cannot hold."""
    return value if value is not None and math.isfinite(value) else None
