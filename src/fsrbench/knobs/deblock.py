"""Deblock the LR before a blind network sees it: steps on JPEG's 8×8 grid are levelled, mosquito noise smoothed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fsrbench.core.contracts import Knob

if TYPE_CHECKING:
    from fsrbench.core.stored import KnobValue
    from fsrbench.core.values import Image

GRID = 8
STEP = 0.12
"""A step as high as this across the grid is an edge of the picture, not of a block, and stays."""
SMOOTHING = 0.5
"""Share of the light bilateral smoothing at full strength."""


def apply(picture: Image, value: KnobValue, _: Image) -> Image:
    """Level the grid in both directions, smooth lightly, and blend. The grid begins at the upper left corner."""
    if value == 0:
        return picture
    import cv2

    level = _level_columns(_level_columns(picture).transpose(1, 0, 2)).transpose(1, 0, 2)
    level = np.ascontiguousarray(level)
    smooth = level + np.float32(SMOOTHING) * (cv2.bilateralFilter(level, 5, 0.05, 1.2) - level)
    return np.asarray(np.clip(picture + np.float32(value) * (smooth - picture), 0, 1), dtype=np.float32)


def _level_columns(picture: Image) -> Image:
    """Spread each column border's step, beyond what the gradients beside it explain, over two pixels on each side."""
    out = picture.copy()
    at = np.arange(GRID, picture.shape[1] - 1, GRID)
    left2, left, right, right2 = (picture[:, at + i] for i in (-2, -1, 0, 1))
    step = right - left
    excess = step - (left - left2 + right2 - right) / 2
    excess *= np.clip(1 - np.abs(step) / np.float32(STEP), 0, 1)
    for offset, share in ((-2, 0.125), (-1, 0.375), (0, -0.375), (1, -0.125)):
        out[:, at + offset] += np.float32(share) * excess
    return out


KNOB = Knob(
    meaning=(
        "Levels the steps that strong JPEG compression leaves on the input's 8×8 grid, and lightly smooths the speckle "
        "around edges, before it is restored; 1 is strongest, 0 leaves the input as it is."
    ),
    families=("blind",),
    stage="before",
    default=0.0,
    low=0.0,
    high=1.0,
    apply=apply,
)
