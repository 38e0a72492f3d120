"""Fine detail made stronger: what a picture differs by from itself blurred is added to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from fsrbench.core.values import Image

SIDE = 5
"""Of the square over which a picture is averaged, twice."""
REACH = 2 * (SIDE // 2)
"""How far a pixel looks around."""


def sharpened(image: Image, strength: float) -> Image:
    """The picture with its fine detail so many times stronger, in [0, 1]; 0 leaves it as it is."""
    if not strength:
        return image
    import cv2

    coarse = cv2.blur(cv2.blur(image, (SIDE, SIDE)), (SIDE, SIDE))
    return np.clip(image + np.float32(strength) * (image - coarse), 0, 1)
