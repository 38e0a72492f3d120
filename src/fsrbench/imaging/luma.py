"""Brightness of pixels by BT.601, in each of the conventions that something measured relies on.

They differ in range and in how they are added up, so none may take the place of another: it would move numbers, or
the last bit of a picture.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fsrbench.core.values import Image

    Plane = NDArray[np.float32]

FULL = np.array([0.299, 0.587, 0.114], np.float32)
"""Weights of red, green and blue; white is 1."""
LEVELS = np.array([76.245, 149.685, 29.07], np.float32)
"""The same where white is 255."""
STUDIO = np.array([65.481, 128.553, 24.966], np.float64)
"""MATLAB's, where black is 16 and white 235."""
BLACK = 16
"""What is added to STUDIO."""


def full(image: Image) -> Plane:
    """In 0…1."""
    plane: Plane = image @ FULL
    return plane


def reproducible(image: Image) -> Plane:
    """In 0…1, added up by hand, so that no BLAS decides the last bit."""
    red, green, blue = FULL
    return np.asarray(image[:, :, 0] * red + image[:, :, 1] * green + image[:, :, 2] * blue)


def levels(image: Image) -> Plane:
    """In 0…255."""
    plane: Plane = image @ LEVELS
    return plane


def studio(image: Image) -> Plane:
    """MATLAB's Y over 255: the convention of `psnr_y`."""
    return (image.astype(np.float64) @ (STUDIO / 255) + BLACK / 255).astype(np.float32)


def rounded(pixels: NDArray[np.uint8]) -> Plane:
    """MATLAB's Y of 8-bit pixels, in whole numbers: the convention of NIQE."""
    import cv2

    rgb = (pixels / np.float32(255)).astype(np.float64)
    y = cv2.transform(rgb, np.array([[*STUDIO, BLACK]], np.float64)) / 255
    return np.asarray(np.round(y.astype(np.float32) * np.float32(255)), np.float32)
