"""Denoise the LR before a blind network sees it: non-local means as strong as the noise that is measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fsrbench.core.contracts import Knob
from fsrbench.imaging import images

if TYPE_CHECKING:
    from fsrbench.core.stored import KnobValue
    from fsrbench.core.values import Image

SHARE = 0.8
"""Strength of the filter per measured sigma. More begins to cost real texture in lightly noisy faces."""
STRENGTH = (1.0, 8.0)
"""Bounds of the filter's strength, on the 0–255 scale: low, so that skin is not ironed out."""


def apply(picture: Image, value: KnobValue, _: Image) -> Image:
    """Blend with the denoised picture."""
    if value == 0:
        return picture
    import cv2

    pixels = images.to_8bit(picture)
    strength = float(np.clip(SHARE * noise_sigma(picture) * 255, *STRENGTH))
    clean = cv2.fastNlMeansDenoisingColored(pixels[:, :, ::-1].copy(), None, strength, strength, 5, 15)
    change = clean[:, :, ::-1].astype(np.float32) - pixels
    return np.asarray(np.clip(picture + np.float32(float(value) / 255) * change, 0, 1), dtype=np.float32)


def noise_sigma(picture: Image) -> float:
    """Sigma of the luma's noise, from the median of a high-pass that straight edges and gradients do not reach."""
    both = np.diff(np.diff(picture.mean(axis=2), 2, axis=0), 2, axis=1)
    return float(np.median(np.abs(both)) / 0.6745 / 6) if both.size else 0.0  # 6: the mask's root of summed squares


KNOB = Knob(
    meaning=(
        "Removes noise and grain from the input before it is restored, at a strength measured from the input itself; "
        "1 is still a low denoise, 0 none. Faint skin texture goes with the noise."
    ),
    families=("blind",),
    stage="before",
    default=0.0,
    low=0.0,
    high=1.0,
    apply=apply,
)
