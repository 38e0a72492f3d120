"""SSIM on luma, as super-resolution papers report it: at most 1 (equal), higher is better.

MATLAB's Y of YCbCr (BT.601, studio range), four pixels cut off at each side, then as `ssim` with a data range
of 255/255. It takes float32 H×W×3 in [0, 1] of 19 pixels or more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fsrbench.core.contracts import Metric
from fsrbench.metrics._pair import against_reference, luma_inside, ssim

if TYPE_CHECKING:
    from fsrbench.core.values import Image


def ssim_y(image: Image, reference: Image) -> float:
    """SSIM of two pictures' luma within the border."""
    return ssim(luma_inside(image), luma_inside(reference))


METRIC = Metric("SSIM-Y", "higher", reference=True, digits=4, open=against_reference(ssim_y), depends=())
