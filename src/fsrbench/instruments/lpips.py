"""How far the restoration is from the enlarged input, by LPIPS."""

from __future__ import annotations

from fsrbench.core.contracts import Instrument
from fsrbench.instruments import _metric

INSTRUMENT = Instrument(
    "perceptual distance to the enlarged input, 0 to 1; good restorations differ too, so mind only extremes",
    _metric.by("lpips"),
    place=50,
    weights=_metric.metric("lpips").weights,
)
