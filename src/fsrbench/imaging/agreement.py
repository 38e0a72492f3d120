"""How far a restoration agrees with the input that it was made from: plain, and with blur and noise allowed for."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from fsrbench.imaging import images

if TYPE_CHECKING:
    from fsrbench.core.values import Image

SAME = 100.0
"""Consistency in dB of two pictures that are alike to the last bit."""
BLURS = (0.0, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0)
"""Blurs that a restoration may lose to its input: sigmas in input pixels."""
UNEXPLAINED = 17.4
"""Mean square (0–255 scale) by which clean faces differ from their degraded selves, blur and noise allowed for."""
NOISE_SHARE = 1.85
"""What noise and compression add to that, in units of what a median of 3×3 pixels takes from the input. Both numbers
are from training faces under the recipes paper, realesrgan and bsrgan (`scripts/bench/artifacts.py --calibrate`)."""


def consistency(lr: Image, shrunk: Image) -> float:
    """PSNR in dB of the restoration, shrunk to the input's size, against the input; at most SAME."""
    error = float(np.square(shrunk.astype(np.float64) - lr).mean())
    return SAME if error == 0 else min(SAME, -10 * math.log10(error))


def shortfall(lr: Image, shrunk: Image) -> float:
    """By how many dB the restoration agrees less with the input than blur and noise of that input explain; 0 if not.

    A clean picture of a blurred, noisy input has no high consistency either. So the restoration, shrunk to the input's
    size, is blurred until it agrees best, and what is left is set against what the input's own noise makes of a clean
    face: 0–5 for nearly every reference, 10 and more for another person's face.
    """
    return max(0.0, 10 * math.log10(max(difference(lr, shrunk), 1e-9) / explained(lr)))


def explained(lr: Image) -> float:
    """The mean square (0–255 scale) that is left between an input and a clean picture, blurred alike."""
    return UNEXPLAINED + NOISE_SHARE * median_residual(lr)


def median_residual(lr: Image) -> float:
    """Mean square (0–255 scale) of what a median of 3×3 pixels takes from a picture: noise, speckle of compression."""
    import cv2

    pixels = images.to_8bit(lr)
    return float(np.square(pixels.astype(np.float32) - cv2.medianBlur(pixels, 3)).mean())


def difference(lr: Image, shrunk: Image) -> float:
    """Mean square (0–255 scale) between the input and the shrunk restoration, under the blur that makes it least.

    In cosine waves a blur is a weight for each row and each column, so that all blurs cost one transform.
    """
    from scipy.fft import dctn

    one, other = (dctn(picture, axes=(0, 1), norm="ortho") for picture in (shrunk, lr))
    own, shared, whole = (one * one).sum(axis=2), (one * other).sum(axis=2), float((other * other).sum())
    down, right = (np.pi * np.arange(side) / side for side in lr.shape[:2])
    squares = []
    for sigma in BLURS:
        row, column = np.exp(-np.square(sigma * down) / 2), np.exp(-np.square(sigma * right) / 2)
        squares.append(row**2 @ own @ column**2 - 2 * (row @ shared @ column) + whole)
    return max(0.0, float(min(squares))) / lr.size * 255**2
