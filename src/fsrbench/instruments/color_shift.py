"""How far the colours are from those of the input."""

from __future__ import annotations

from fsrbench.core.contracts import Instrument
from fsrbench.imaging import artifacts

INSTRUMENT = Instrument(
    "colour difference to the input; below 1.4 none, above 2 visible",
    lambda _machine: artifacts.color_shift,
    place=90,
    everywhere=True,
)
