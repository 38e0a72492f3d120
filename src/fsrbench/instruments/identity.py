"""How like the face is to the one in the enlarged input, by ArcFace."""

from __future__ import annotations

from fsrbench.core.contracts import Instrument
from fsrbench.instruments import _metric

INSTRUMENT = Instrument(
    "likeness of the face to the enlarged input, -1 to 1; low for any method where the input is poor",
    _metric.by("arcface"),
    place=40,
    setting="recogniser",
    weights=_metric.metric("arcface").weights,
)
