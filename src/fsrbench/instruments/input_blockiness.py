"""How strong block edges are in the input."""

from __future__ import annotations

from fsrbench.core.contracts import Instrument
from fsrbench.imaging import artifacts

INSTRUMENT = Instrument(
    "strength of 8×8 block edges in the input; below 0.15 none, above 0.5 clear",
    lambda _machine: lambda sight: artifacts.blockiness(sight.alone),
    place=110,
    everywhere=True,
)
