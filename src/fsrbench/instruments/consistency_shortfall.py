"""By how much the restoration agrees less with its input than the input's blur and noise explain."""

from __future__ import annotations

from fsrbench.core.contracts import Instrument
from fsrbench.imaging import agreement

INSTRUMENT = Instrument(
    "dB by which that agreement is below what the input's own blur and noise explain; below 4 as faithful as a clean "
    "photograph, above 6 poor: it shows something else than the input",
    lambda _machine: lambda sight: agreement.shortfall(sight.lr, sight.shrunk),
    place=30,
    everywhere=True,
)
