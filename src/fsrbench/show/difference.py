"""Where an arm changed a picture, as a picture: |arm − pure|, amplified, from black (none) over purple to yellow.

The largest of a pixel's three channels counts. Colours are those of the map `magma`, whose steps look alike to the eye
and are told apart in print and by nearly everybody.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fsrbench.show.drawing import Pixels

    Plane: TypeAlias = NDArray[np.uint8]
    """Height × width."""

FACTORS = (64, 32, 16, 8, 4, 2, 1)
"""By how much a difference may be amplified. With the largest, one step of 255 is well seen."""
SPENT = 0.05
"""Share of a picture's pixels that may be brighter than the brightest colour."""
MEANING = "A difference is |arm − pure|, amplified: black is none."
"""What such a picture shows, said once on a page that has some."""
MAGMA = (
    (0, 0, 4), (29, 17, 71), (81, 18, 124), (131, 38, 129), (183, 55, 121), (231, 82, 99), (252, 137, 97),
    (254, 196, 136), (252, 253, 191),
)  # fmt: skip
"""Its colours at equal steps; what lies between them is mixed."""


def plane(pure: Pixels, other: Pixels) -> Plane:
    """By how much each pixel differs, in steps of 255."""
    found: Plane = np.where(pure > other, pure - other, other - pure).max(axis=2)
    return found


def factor(planes: Iterable[Plane]) -> int:
    """By how much all of these are amplified, so that they can be compared: as much as the brightest bears."""
    bright = max((float(np.quantile(one, 1 - SPENT)) for one in planes), default=0.0)
    return next((by for by in FACTORS if bright * by <= 255), 1)


def drawn(difference: Plane, by: int) -> Pixels:
    """A difference in colours, amplified `by` so many times."""
    table = np.array([np.interp(np.arange(256), np.linspace(0, 255, len(MAGMA)), c) for c in zip(*MAGMA, strict=True)])
    found: Pixels = table.T.round().astype(np.uint8)[np.minimum(difference.astype(np.uint16) * by, 255)]
    return found


def caption(by: int) -> str:
    """What must stand at such a picture."""
    return f"difference ×{by}"
