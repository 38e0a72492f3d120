"""Does a knob move anything? Restores with each knob at the ends of its band and compares with the default.

A knob that moves no pixel is dead on its backend: whatever an auditor asks of it is nothing, and every number
about it is noise. This looks at pictures in memory; which pictures, and what is said of it, is the caller's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TypeAlias

import numpy as np

from fsrbench import images
from fsrbench.errors import FsrbenchError
from fsrbench.plugins import Knob
from fsrbench.restore import Pipeline
from fsrbench.values import Image, KnobValue

Measure: TypeAlias = Callable[[Image, Image | None], float | None]
"""From (restoration, reference or None) to a number, or None where it cannot be had."""


@dataclass(frozen=True, slots=True)
class Specimen:
    """One picture to try knobs on."""

    lr: Image
    """The input."""
    seed: int
    """Seed of the backend's noise, the same for all settings: so noise is no movement."""
    reference: Image | None = None
    """The HR, for measures that compare with it."""


@dataclass(frozen=True, slots=True)
class End:
    """A knob at one end of its band (or at one of its choices), against its default."""

    value: KnobValue
    """Where it was turned to."""
    mean: float
    """Mean absolute change of all 8-bit values, over all pictures."""
    largest: int
    """Largest change of one 8-bit value."""
    changes: dict[str, float | None]
    """Measure → its mean change; None where it could be had for no picture."""


@dataclass(frozen=True, slots=True)
class Movement:
    """What a knob moves."""

    ends: tuple[End, ...]
    """Its ends other than the default; none where it could not be turned."""
    why: str = ""
    """Why it could not be turned here."""

    @property
    def dead(self) -> bool:
        """It could be turned, and no pixel of any picture moved."""
        return not self.why and all(end.largest == 0 for end in self.ends)


def ends(knob: Knob) -> tuple[KnobValue, ...]:
    """Where a knob is furthest from its default: the ends of its band, or all other choices."""
    candidates: Sequence[KnobValue | None] = knob.choices or (knob.low, knob.high)
    return tuple(value for value in candidates if value is not None and value != knob.default)


def dead(pipeline: Pipeline, lr: Image, seed: int, among: Iterable[str]) -> tuple[str, ...]:
    """Those of the named knobs that move no pixel of this picture, whichever end they are turned to."""
    plain = pipeline.restore(lr, {}, seed).image

    def moves(name: str, value: KnobValue) -> bool:
        return not np.array_equal(pipeline.restore(lr, {name: value}, seed).image, plain)

    return tuple(name for name in among if not any(moves(name, value) for value in ends(pipeline.offered[name])))


def probe(
    pipeline: Pipeline, specimens: Sequence[Specimen], measures: Mapping[str, Measure] | None = None
) -> dict[str, Movement]:
    """How far every offered knob moves pixels and measures."""
    tools = measures or {}
    plain = [pipeline.restore(each.lr, {}, each.seed).image for each in specimens]
    before = {
        name: [measure(image, each.reference) for image, each in zip(plain, specimens, strict=True)]
        for name, measure in tools.items()
    }

    def turn(name: str, value: KnobValue) -> End:
        moved = [pipeline.restore(each.lr, {name: value}, each.seed).image for each in specimens]
        apart = [_apart(one, other) for one, other in zip(plain, moved, strict=True)]
        changes = {}
        for tool, measure in tools.items():
            after = [measure(image, each.reference) for image, each in zip(moved, specimens, strict=True)]
            changes[tool] = _mean_change(before[tool], after)
        return End(value, fmean(mean for mean, _ in apart), max(most for _, most in apart), changes)

    found = {}
    for name, knob in pipeline.offered.items():
        try:
            found[name] = Movement(tuple(turn(name, value) for value in ends(knob)))
        except FsrbenchError as error:
            found[name] = Movement((), str(error))
    return found


def _apart(one: Image, other: Image) -> tuple[float, int]:
    """Mean and largest difference in 8-bit steps."""
    steps = np.abs(images.to_8bit(one).astype(np.int16) - images.to_8bit(other))
    return float(steps.mean()), int(steps.max())


def _mean_change(before: Sequence[float | None], after: Sequence[float | None]) -> float | None:
    changes = [
        now - then
        for then, now in zip(before, after, strict=True)
        if then is not None and now is not None and math.isfinite(now - then)
    ]
    return fmean(changes) if changes else None
