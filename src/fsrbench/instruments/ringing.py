"""How clearly edges of the restoration ring."""

from __future__ import annotations

from fsrbench.core.contracts import Instrument
from fsrbench.imaging import artifacts

INSTRUMENT = Instrument(
    "steepness of a cut in the spectrum; below 1.2 natural, above 2 edges ring",
    lambda _machine: artifacts.ringing,
    place=70,
    everywhere=True,
)
