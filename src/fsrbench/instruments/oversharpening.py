"""How far detail and overshoot are beyond what a face shows."""

from __future__ import annotations

from fsrbench.core.contracts import Instrument
from fsrbench.imaging import artifacts

INSTRUMENT = Instrument(
    "fine detail and overshoot; below 0 soft, 0.3 to 1 a sharp photograph, above 1.2 overdone",
    lambda _machine: artifacts.oversharpening,
    place=80,
    everywhere=True,
)
