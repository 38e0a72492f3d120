"""How noisy the restoration is."""

from __future__ import annotations

from fsrbench.core.contracts import Instrument
from fsrbench.imaging import artifacts

INSTRUMENT = Instrument(
    "estimated noise of the restoration, standard deviation on the 0–255 scale",
    lambda _machine: artifacts.noise,
    place=100,
    everywhere=True,
)
