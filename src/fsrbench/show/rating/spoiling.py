"""Pictures spoilt so badly that whoever looks sees it: one of the two of an attention check."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from fsrbench.core.values import Image
from fsrbench.imaging import images

PARTS = 24
"""Squares, or widths of the blur, along a picture's shorter side."""
NOISE = 0.2
"""Standard deviation of the noise, of 1."""


def _blurred(image: Image) -> Image:
    height, width = image.shape[:2]
    small = images.resize(image, *_grid(height, width), "area")
    return images.resize(small, width, height, "bicubic")


def _squares(image: Image) -> Image:
    height, width = image.shape[:2]
    across, down = _grid(height, width)
    small = images.resize(image, across, down, "area")
    rows, columns = np.arange(height) * down // height, np.arange(width) * across // width
    return np.ascontiguousarray(small[rows][:, columns])


def _noisy(image: Image) -> Image:
    noise = np.random.default_rng(0).normal(0, NOISE, image.shape)
    return np.clip(image + noise, 0, 1).astype(np.float32)


def _grid(height: int, width: int) -> tuple[int, int]:
    side = max(1, min(height, width) // PARTS)
    return max(1, width // side), max(1, height // side)


FAULTS: Mapping[str, Callable[[Image], Image]] = {"blur": _blurred, "noise": _noisy, "squares": _squares}
"""Name → how a picture is spoilt."""
