"""HaarPSI on RGB: likeness of two pictures' Haar wavelet coefficients. From 0 to 1 (equal), higher is better.

Reisenhofer, Bosse, Kutyniok and Wiegand, "A Haar wavelet-based perceptual similarity index for image quality
assessment", 2018: in YIQ, at half the size, with C 30 and alpha 4.2. The package piq computes it; it needs no network,
and agrees with people's ratings better than LPIPS does on TID2013 and KADID-10k. It takes float32 H×W×3 in [0, 1] of
16 pixels or more. Equal pictures get exactly 1, flat black ones too, for which the formula has no value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fsrbench.core.contracts import Machine, Metric
from fsrbench.core.errors import Unavailable
from fsrbench.metrics import _piq
from fsrbench.metrics._pair import fitting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fsrbench.core.values import Image

_SMALLEST = 16
"""The side of the largest Haar filter: there must be room for it."""


def _open(machine: Machine) -> _piq.Scorer:
    measure = _piq.against_reference("haarpsi", "HaarPSI", machine)

    def score(variants: Sequence[Image], reference: Image | None) -> list[float]:
        target = fitting(variants, reference)
        if min(target.shape[:2]) < _SMALLEST:
            raise Unavailable(f"HaarPSI needs {_SMALLEST} pixels or more in height and width.")
        return [1.0 if np.array_equal(image, target) else measure([image], target)[0] for image in variants]

    return score


METRIC = Metric("HaarPSI", "higher", reference=True, digits=4, open=_open, depends=("device",))
