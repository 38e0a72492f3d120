"""Colour balance: the SR's low-frequency colour is pulled towards the LR's. Edges and detail stay as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fsrbench.core.contracts import Knob
from fsrbench.imaging import images

if TYPE_CHECKING:
    from fsrbench.core.stored import KnobValue
    from fsrbench.core.values import Image

LARGEST = 0.1
"""No pixel moves by more than this: a mild correction, also of a very wrong picture."""


def apply(picture: Image, value: KnobValue, lr: Image) -> Image:
    """Add the blurred difference of LR and downsampled SR. The blur, 1/16 of the side, leaves out the LR's noise."""
    if value == 0:
        return picture
    import cv2

    height, width = lr.shape[:2]
    difference = lr - images.resize(picture, width, height, "area")
    sigma = max(min(height, width) / 16, 1.0)
    smooth = np.clip(cv2.GaussianBlur(difference, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE), -LARGEST, LARGEST)
    shift = cv2.resize(smooth, (picture.shape[1], picture.shape[0]), interpolation=cv2.INTER_LINEAR)
    return np.clip(picture + np.float32(value) * shift, 0, 1)


KNOB = Knob(
    meaning=(
        "Pulls the broad colour and brightness of the result towards those of the input, without touching edges or "
        "detail; 1 removes a colour cast (up to 10 % of the range) completely, 0 leaves colours as they are."
    ),
    families=("general",),
    stage="after",
    default=0.0,
    low=0.0,
    high=1.0,
    apply=apply,
    line=True,
)
