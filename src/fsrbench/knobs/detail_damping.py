"""Detail damping: a part of the finest detail is taken away; edges are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fsrbench.core.contracts import Knob

if TYPE_CHECKING:
    from fsrbench.core.stored import KnobValue
    from fsrbench.core.values import Image

WINDOW = 5
TONE_SIGMA = 0.1
"""Steps well above this are edges to the filter and stay."""
SPACE_SIGMA = 1.5


def apply(picture: Image, value: KnobValue, _: Image) -> Image:
    """Subtract a share of what a bilateral filter calls detail."""
    if value == 0:
        return picture
    import cv2

    base = cv2.bilateralFilter(picture, WINDOW, TONE_SIGMA, SPACE_SIGMA)
    return np.asarray(np.clip(picture + np.float32(value) * (base - picture), 0, 1), dtype=np.float32)


KNOB = Knob(
    meaning=(
        "Softens the finest texture while keeping edges, against oversharpened or invented-looking skin and hair; "
        "more is softer, 0 leaves the detail as it is."
    ),
    families=("general",),
    stage="after",
    default=0.0,
    low=0.0,
    high=0.6,
    apply=apply,
    line=True,
)
