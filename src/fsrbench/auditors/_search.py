"""What auditors share that try settings: the settings to be tried, and a metric that says how good a picture is."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

from fsrbench.core import plugins
from fsrbench.core.contracts import Knob, Metric
from fsrbench.core.questions import Question
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


def singles(question: Question, levels: int) -> list[KnobChange]:
    """Each knob at each of its values but the one at which it stands: the far ends of all knobs first.

    So a budget that is smaller than the list still reaches every knob.
    """
    columns = []
    for name, knob in question.offered.items():
        current = question.knobs.get(name)
        values = [value for value in _values(knob, levels) if value != current]
        if current is not None:
            values.sort(key=lambda value: -abs(value - current))
        columns.append([{name: value} for value in values])
    rows = itertools.zip_longest(*columns)
    return [change for row in rows for change in row if change is not None]


def _values(knob: Knob, levels: int) -> list[KnobValue]:
    """All values of a choice; the ends of a number's band and the steps between them."""
    if knob.choices:
        return list(knob.choices)
    low, high = knob.band
    return [low, *(round(low + (high - low) * step / levels, 6) for step in range(1, levels)), high]


def finite(value: float | None) -> float | None:
    """Equal pictures have an infinite PSNR, which JSON cannot hold."""
    return value if value is not None and math.isfinite(value) else None
