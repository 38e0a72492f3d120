"""Dehalo: bright and dark fringes beside strong edges are pressed back into the range that the LR has there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fsrbench.core.contracts import Knob
from fsrbench.imaging import luma

if TYPE_CHECKING:
    from fsrbench.core.stored import KnobValue
    from fsrbench.core.values import Image

EDGE = (0.06, 0.25)
"""Range of LR luma within 3×3 pixels below which nothing is done, and from which on all is done."""
MARGIN = 0.02
"""Overshoot that is left alone."""
LARGEST = 0.15
"""No pixel moves by more than this."""


def apply(picture: Image, value: KnobValue, lr: Image) -> Image:
    """Clamp the luma between the LR's local extremes, near edges only; the three channels move together."""
    if value == 0:
        return picture
    import cv2

    size = (picture.shape[1], picture.shape[0])
    coarse, square = luma.full(lr), np.ones((3, 3), np.uint8)
    low = cv2.resize(cv2.erode(coarse, square), size, interpolation=cv2.INTER_LINEAR)
    high = cv2.resize(cv2.dilate(coarse, square), size, interpolation=cv2.INTER_LINEAR)
    plane = luma.full(picture)
    excess = np.clip(plane, low - np.float32(MARGIN), high + np.float32(MARGIN)) - plane
    edge = np.clip((high - low - np.float32(EDGE[0])) / np.float32(EDGE[1] - EDGE[0]), 0, 1)
    change = np.float32(value) * edge * np.clip(excess, -LARGEST, LARGEST)
    return np.asarray(np.clip(picture + change[:, :, None], 0, 1), dtype=np.float32)


KNOB = Knob(
    meaning=(
        "Suppresses halos (bright or dark fringes beside strong edges, as ringing and oversharpening leave them) by "
        "pressing them back into the brightness range of the input there; 1 removes them, 0 leaves them."
    ),
    families=("general",),
    stage="after",
    default=0.0,
    low=0.0,
    high=1.0,
    apply=apply,
    line=True,
)
