"""Plain bicubic downsampling: nothing is drawn. The easiest input there is, and a check of everything else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fsrbench.core.contracts import Recipe
from fsrbench.imaging import images

if TYPE_CHECKING:
    import numpy as np

    from fsrbench.core.stored import KnobValue
    from fsrbench.core.values import Image


def draw(_: np.random.Generator) -> dict[str, KnobValue | str]:
    """Nothing to draw."""
    return {}


def apply(hr: Image, _: Mapping[str, Any], scale: int) -> Image:
    """Downsample with antialiasing."""
    height, width = hr.shape[:2]
    return images.as_stored(images.resize(hr, max(width // scale, 1), max(height // scale, 1)))


RECIPE = Recipe(summary="Bicubic downsampling, nothing drawn.", draw=draw, apply=apply)
