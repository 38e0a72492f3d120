"""How natural the restoration is, by NIQE."""

from __future__ import annotations

from fsrbench.core.contracts import Instrument
from fsrbench.instruments import _metric

INSTRUMENT = Instrument(
    "NIQE, unnaturalness of local statistics; lower is better, 3–6 is usual for a face, above 8 is not",
    _metric.by("niqe"),
    place=10,
)
