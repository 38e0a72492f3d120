"""How strong block edges are in the restoration."""

from __future__ import annotations

from fsrbench.core.contracts import Instrument
from fsrbench.imaging import artifacts

INSTRUMENT = Instrument(
    "strength of 8×8 block edges; below 0.15 none, 0.15 to 0.5 faint, above 1 strong",
    lambda _machine: artifacts.blockiness,
    place=60,
    everywhere=True,
)
