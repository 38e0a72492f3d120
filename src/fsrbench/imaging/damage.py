"""How an input was degraded, estimated from the input alone: noise that is left, blur, and the JPEG that came last.

All three are read from the brightness of the picture's own 8×8 blocks, in cosines, as JPEG sees it. How near they come
to drawn values is printed by `scripts/bench/estimators.py`. Noise and blur are weighted sums that were fitted to aligned
faces of 128 pixels, degraded by recipe `paper`; on other pictures they stand on another scale.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from fsrbench.core.contracts import Damage
from fsrbench.imaging import luma
from fsrbench.imaging.artifacts import MIN_SIDE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fsrbench.core.values import Image

    Array = NDArray[np.float64]

STEPS = np.array([
    [16, 11, 10, 16, 24, 40, 51, 61],
    [12, 12, 14, 19, 26, 58, 60, 55],
    [14, 13, 16, 24, 40, 57, 69, 56],
    [14, 17, 22, 29, 51, 87, 80, 62],
    [18, 22, 37, 56, 68, 109, 103, 77],
    [24, 35, 55, 64, 81, 104, 113, 92],
    [49, 64, 78, 87, 103, 121, 120, 101],
    [72, 92, 95, 98, 112, 100, 103, 99],
])  # fmt: skip
"""By how much JPEG rounds each cosine of brightness at quality 50: the standard's table, which nearly all programs use."""
QUALITIES = np.arange(1, 101)
"""Those that are looked for."""
CLEAR = 2.0
"""A cosine says something of the rounding where it is further from zero than what rounding to 8 bits adds."""
FEWEST = 20
"""Such cosines that are needed."""
ROUNDING = 0.4
"""Spread that rounding to 8 bits, after JPEG, gives a cosine."""
STRAY = 0.01
"""Share of cosines that may be anywhere."""
BANDS = 7
"""Rings of cosines from coarse to fine."""
SOFTENED = 0.3
"""Added to a band's power before its logarithm is taken: what rounding to 8 bits leaves."""
NOISE = np.array(
    [4.74, -0.978, -0.075, -0.21, -0.197, 0.17, -0.076, 0.165, 0.095, 0.156, -0.006, 0.06, -0.041, 0.042, 0.033, 0.012]
)
"""Weights of `signs` for the logarithm of the noise; from `scripts/bench/estimators.py --calibrate`."""
BLUR = np.array(
    [1.214, -0.126, 0.464, 0.048, -0.05, 0.016, -0.745, 0.014, -0.074, 0.004, 0.033, 0.038, 0.038, 0.024, -0.025, 0.003]
)
"""Weights of `signs` for the blur; from the same place."""


def estimate(lr: Image) -> Damage | None:
    """What an input shows of its degradation; None where it is too small to show anything."""
    if min(lr.shape[:2]) < MIN_SIDE:
        return None
    told = signs(lr)
    noise, blur = math.exp(float(told @ NOISE)) - 0.5, float(told @ BLUR)
    return Damage(noise=round(max(noise, 0.0), 2), blur=round(max(blur, 0.0), 3), quality=quality(lr))


def quality(lr: Image) -> int | None:
    """Quality of the JPEG that a picture was last stored as, its grid at the corner; None where nothing shows of one.

    JPEG rounds each cosine of a block to multiples of a step that the quality decides. Of all qualities the one is taken
    under which the cosines are likeliest, against cosines that stand anywhere. Of several that say the same of these
    cosines, as 49 to 51 often do, the middle one is taken.
    """
    whole = _blocks(np.asarray(lr, np.float64)).reshape(-1, 64, 3)
    unclipped = ((whole > 0) & (whole < 1)).all(axis=(1, 2))
    cosines = _cosines(luma.levels(lr))[unclipped].reshape(-1, 64)[:, 1:]
    block, place = np.nonzero(np.abs(cosines) > CLEAR)
    if block.size < FEWEST:
        return None
    found = cosines[block, place]
    step = _tables().reshape(-1, 64)[:, 1 + place]
    off = found - step * np.round(found / step)
    density = step * np.exp(-np.square(off / ROUNDING) / 2) / (ROUNDING * math.sqrt(2 * math.pi))
    density[np.abs(found) < step / 2] = 0  # it would have been rounded to zero
    likelihood = np.log((1 - STRAY) * density + STRAY).sum(axis=1)
    best = np.flatnonzero(likelihood == likelihood.max())
    return int(QUALITIES[best[best.size // 2]]) if likelihood.max() > 0 else None


def signs(lr: Image) -> Array:
    """What noise and blur are told by: 1, the quality, and for each band its mean power and that of its calm blocks."""
    power = np.square(_cosines(luma.levels(lr)))
    frequency = np.hypot(*np.mgrid[:8, :8])
    told = [1.0, (quality(lr) or 100) / 50]
    for band in range(1, BANDS + 1):
        each = power[:, np.abs(frequency - band) <= 0.5].mean(axis=1)
        told += [math.log(each.mean() + SOFTENED), math.log(np.quantile(each, 0.2) + SOFTENED)]
    return np.array(told)


def _tables() -> NDArray[np.int64]:
    """Steps at each of QUALITIES, as libjpeg scales them."""
    scale = np.where(QUALITIES < 50, 5000 // QUALITIES, 200 - 2 * QUALITIES)[:, None, None]
    return np.clip((STEPS * scale + 50) // 100, 1, 255)


def _blocks(plane: Array) -> Array:
    """Blocks of 8×8, in one list; what is left over at the right and below is cut off."""
    down, right = plane.shape[0] // 8, plane.shape[1] // 8
    cut = plane[: 8 * down, : 8 * right].reshape(down, 8, right, 8, *plane.shape[2:])
    return cut.swapaxes(1, 2).reshape(-1, 8, 8, *plane.shape[2:])


def _cosines(plane: NDArray[np.float32]) -> Array:
    """The discrete cosine transform of each block, as JPEG has it."""
    place = np.arange(8)
    waves = np.cos(np.pi * place[:, None] * (2 * place + 1) / 16) / 2
    waves[0] /= math.sqrt(2)
    transformed: Array = waves @ _blocks(plane.astype(np.float64) - 128) @ waves.T
    return transformed
