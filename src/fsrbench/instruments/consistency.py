"""How far the restoration, shrunk, agrees with its input."""

from __future__ import annotations

from fsrbench.core.contracts import Instrument
from fsrbench.imaging import agreement

INSTRUMENT = Instrument(
    "PSNR in dB of the shrunk restoration against the input; blur and noise of the input keep it low for a perfect "
    "restoration too, so go by consistency_shortfall",
    lambda _machine: lambda sight: agreement.consistency(sight.lr, sight.shrunk),
    place=20,
    everywhere=True,
)
