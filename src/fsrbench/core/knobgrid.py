"""Where knobs are tried: the values of one knob, and the settings that turn one knob alone."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

from fsrbench.core.contracts import Knob
from fsrbench.core.stored import Knobs, KnobValue


def values(knob: Knob, steps: int) -> list[KnobValue]:
    """All values of a choice; the ends of a number's band and what divides it into so many steps."""
    if knob.choices:
        return list(knob.choices)
    low, high = knob.band
    return [low, *(round(low + (high - low) * step / steps, 6) for step in range(1, steps)), high]


def singles(offered: Mapping[str, Knob], current: Knobs, steps: int) -> list[dict[str, KnobValue]]:
    """Each knob at each of its values but the one at which it stands: the far ends of all knobs first.

    So a budget that is smaller than the list still reaches every knob.
    """
    columns = []
    for name, knob in offered.items():
        here = current.get(name)
        tried = [value for value in values(knob, steps) if value != here]
        if here is not None:
            tried.sort(key=lambda value: -abs(value - here))
        columns.append([{name: value} for value in tried])
    rows = itertools.zip_longest(*columns)
    return [change for row in rows for change in row if change is not None]
