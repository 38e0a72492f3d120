"""Fine detail made stronger: what a picture differs by from itself blurred is added to it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fsrbench.core.errors import WeightsError

if TYPE_CHECKING:
    from fsrbench.core.values import Image

SIDE = 5
"""Of the square over which a picture is averaged, twice."""
REACH = 2 * (SIDE // 2)
"""How far a pixel looks around."""
STRONGEST = 10.0
"""The most that a file may ask for."""


def asked(about: Mapping[str, Any], path: Path) -> float:
    """By how much a file of fsrbench's own says that its network's pictures are to be sharpened."""
    strength = about.get("sharpen", 0.0)
    if isinstance(strength, bool) or not isinstance(strength, int | float) or not 0 <= strength <= STRONGEST:
        raise WeightsError(f"{path} asks for sharpening by {strength!r:.50} (allowed: 0 to {STRONGEST:g}).")
    return float(strength)


def sharpened(image: Image, strength: float) -> Image:
    """The picture with its fine detail so many times stronger, in [0, 1]; 0 leaves it as it is."""
    if not strength:
        return image
    import cv2

    coarse = cv2.blur(cv2.blur(image, (SIDE, SIDE)), (SIDE, SIDE))
    return np.clip(image + np.float32(strength) * (image - coarse), 0, 1)
