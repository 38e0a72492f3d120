"""How noisy the input is."""

from __future__ import annotations

from fsrbench.core.contracts import Instrument
from fsrbench.imaging import artifacts

INSTRUMENT = Instrument(
    "estimated noise of the input, standard deviation on the 0–255 scale",
    lambda _machine: lambda sight: artifacts.noise(sight.alone),
    place=120,
    everywhere=True,
)
