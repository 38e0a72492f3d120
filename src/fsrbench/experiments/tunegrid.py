"""The settings among which a constant is looked for: every value of each knob with every value of each other one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

from fsrbench.core import knobgrid, passes
from fsrbench.core.contracts import Knob
from fsrbench.core.errors import SettingsError
from fsrbench.core.stored import KnobValue

STEPS = (10, 5, 4, 3, 2, 1)
"""Steps into which a knob's band may be divided where nobody says: the most that keep the grid below both bounds."""
MOST_SETTINGS = 128
"""Settings of such a grid."""
MOST_PASSES = 24
"""Passes through networks that it takes for one input."""
LARGEST = 4096
"""Settings of a grid that somebody asked for."""

Setting = dict[str, KnobValue]
"""Knobs that do not stand at their defaults; empty is pure."""


def values(knob: Knob, steps: int) -> tuple[KnobValue, ...]:
    """Where a knob is tried: all choices, or its band in so many steps, with its default."""
    tried = knobgrid.values(knob, steps)
    return tuple(tried if knob.choices else sorted({*tried, knob.default}))


def settings(offered: Mapping[str, Knob], steps: int) -> list[Setting]:
    """Every combination, pure first, those that turn fewer knobs before those that turn more."""
    tried = {name: values(knob, steps) for name, knob in offered.items()}
    found = []
    for combination in product(*tried.values()):
        chosen = dict(zip(tried, combination, strict=True))
        found.append({name: value for name, value in chosen.items() if value != offered[name].default})
    return sorted(found, key=len)


def steps(offered: Mapping[str, Knob], asked: int | None) -> int:
    """As many steps as were asked for, or as fit; SettingsError with the cure where the grid is too large."""
    fitting = (asked,) if asked is not None else STEPS
    for one in fitting:
        size = count(offered, one)
        if asked is None and size <= MOST_SETTINGS and _passes(offered, settings(offered, one)) <= MOST_PASSES:
            return one
        if asked is not None and size <= LARGEST:
            return one
    size = count(offered, fitting[-1])
    raise SettingsError(
        f"A grid of {len(offered)} knobs ({', '.join(offered)}) has {size:,} settings at {fitting[-1]} steps a knob, "
        "which is too many. Name fewer knobs (--knob), or fewer steps (--steps)."
    )


def count(offered: Mapping[str, Knob], steps: int) -> int:
    """Settings of a grid."""
    size = 1
    for knob in offered.values():
        size *= len(values(knob, steps))
    return size


def _passes(offered: Mapping[str, Knob], of: Sequence[Setting]) -> int:
    return len(frozenset().union(*(passes.of(offered, setting) for setting in of)))
