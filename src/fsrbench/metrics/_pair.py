"""What metrics with a reference share: sizes that fit, and PSNR and SSIM of pictures or single planes. No plugin."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from fsrbench.core.errors import InputError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from fsrbench.core.contracts import Machine
    from fsrbench.core.values import Image

_WINDOW = 11
"""Side of SSIM's Gaussian window (standard deviation 1.5)."""


def fitting(variants: Sequence[Image], reference: Image | None) -> Image:
    """The reference, once every variant is known to have its size."""
    if reference is None:
        raise TypeError("this metric compares with a reference, and none was given")
    for image in variants:
        if image.shape != reference.shape:
            sizes = [f"{picture.shape[1]}×{picture.shape[0]}" for picture in (image, reference)]
            raise InputError(f"The picture has {sizes[0]} pixels and its reference {sizes[1]}: they must be the same.")
    return reference


def against_reference(
    measure: Callable[[Image, Image], float],
) -> Callable[[Machine], Callable[[Sequence[Image], Image | None], list[float]]]:
    """A metric's `open` from a function of (picture, reference) that needs nothing from the machine."""

    def score(variants: Sequence[Image], reference: Image | None) -> list[float]:
        target = fitting(variants, reference)
        return [measure(image, target) for image in variants]

    return lambda _machine: score


def psnr(image: NDArray[np.float32], reference: NDArray[np.float32]) -> float:
    """Peak signal-to-noise ratio in dB for a peak of 1; infinite for equal pictures."""
    error = float(np.square(image - reference, dtype=np.float64).mean())
    return -10 * math.log10(error) if error else math.inf


def ssim(image: NDArray[np.float32], reference: NDArray[np.float32]) -> float:
    """Structural similarity for a data range of 1: the mean over channels and over places where the window fits."""
    import cv2

    if min(image.shape[:2]) < _WINDOW:
        raise Unavailable(f"SSIM needs {_WINDOW} pixels or more in height and width, after any border is cut off.")
    planes = zip(cv2.split(image), cv2.split(reference), strict=True)
    return float(np.mean([_similarity(one, other).mean(dtype=np.float64) for one, other in planes]))


def _similarity(one: NDArray[Any], other: NDArray[Any]) -> NDArray[np.float32]:
    """The SSIM map of two planes.

    Worked out on their sum and difference, which takes four filters instead of five and keeps float32 exact
    enough: with s = x + y and d = x − y, 4·E[xy] = E[s²] − E[d²] and 2·(E[x²] + E[y²]) = E[s²] + E[d²]. The sum is
    centred, since a variance is a small difference of large numbers. Both stabilisers are doubled to match.
    """
    import cv2

    taps = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    taps /= taps.sum()
    rim = _WINDOW // 2

    def local_mean(values: NDArray[Any]) -> NDArray[np.float32]:
        return np.asarray(cv2.sepFilter2D(values, cv2.CV_32F, taps, taps)[rim:-rim, rim:-rim], np.float32)

    total, gap = one + other - np.float32(1), one - other
    mean_total, mean_gap = local_mean(total), local_mean(gap)
    spread_total = local_mean(total * total) - mean_total * mean_total
    spread_gap = local_mean(gap * gap) - mean_gap * mean_gap
    mean_total += 1
    mean_total *= mean_total
    mean_gap *= mean_gap
    stable, stable_spread = np.float32(2 * 0.01**2), np.float32(2 * 0.03**2)
    above = (mean_total - mean_gap + stable) * (spread_total - spread_gap + stable_spread)
    below = (mean_total + mean_gap + stable) * (spread_total + spread_gap + stable_spread)
    return np.asarray(above / below, np.float32)


def luma_inside(image: Image, border: int = 4) -> Image:
    """MATLAB's Y without a border: what papers on fourfold super-resolution measure."""
    from fsrbench.imaging import luma

    height, width = image.shape[:2]
    if min(height, width) <= 2 * border:
        raise Unavailable(f"Nothing is left of {width}×{height} pixels once a border of {border} is cut off.")
    return luma.studio(image)[border:-border, border:-border]
