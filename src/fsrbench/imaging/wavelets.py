"""How strong a picture's detail is, band by band: Daubechies' wavelet with four taps (db2), level by level."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from fsrbench.imaging import luma

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fsrbench.core.values import Image

    Plane = NDArray[np.float64]

LOW = np.array([1 + math.sqrt(3), 3 + math.sqrt(3), 3 - math.sqrt(3), 1 - math.sqrt(3)]) / (4 * math.sqrt(2))
"""Taps that keep what is smooth."""
HIGH = LOW[::-1] * np.array([1, -1, 1, -1])
"""Taps that keep what is not."""


def energies(image: Image, levels: int) -> Plane:
    """Levels × bands (across, down, both): the mean size of the coefficients of a picture's brightness.

    The picture is mirrored at its edges. A side of fewer than four pixels ends the levels.
    """
    smooth = luma.reproducible(image).astype(np.float64)
    found = []
    for _ in range(levels):
        if min(smooth.shape) < len(LOW):
            break
        rows = [_half(smooth, taps, axis=1) for taps in (LOW, HIGH)]
        smooth, down = (_half(rows[0], taps, axis=0) for taps in (LOW, HIGH))
        across, both = (_half(rows[1], taps, axis=0) for taps in (LOW, HIGH))
        found.append([float(np.abs(band).mean()) for band in (across, down, both)])
    return np.array(found).reshape(-1, 3)


def _half(plane: Plane, taps: Plane, axis: int) -> Plane:
    """Every second value of a plane filtered along one axis."""
    padding = [(0, 0), (0, 0)]
    padding[axis] = (1, 2)
    wide = np.moveaxis(np.pad(plane, padding, mode="symmetric"), axis, 0)
    count = (plane.shape[axis] + 1) // 2
    total = sum(weight * wide[tap : tap + 2 * count : 2][:count] for tap, weight in enumerate(taps))
    return np.moveaxis(np.asarray(total), 0, axis)
