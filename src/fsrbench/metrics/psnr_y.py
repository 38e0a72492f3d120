"""PSNR on luma, as super-resolution papers report it: in dB, higher is better, infinite for equal pictures.

MATLAB's Y of YCbCr (BT.601, studio range, so at most 219/255 of the range is used), four pixels cut off at each
side, peak 255/255. It takes float32 H×W×3 in [0, 1] of 9 pixels or more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fsrbench.core.contracts import Metric
from fsrbench.metrics._pair import against_reference, luma_inside, psnr

if TYPE_CHECKING:
    from fsrbench.core.values import Image


def psnr_y(image: Image, reference: Image) -> float:
    """PSNR of two pictures' luma within the border."""
    return psnr(luma_inside(image), luma_inside(reference))


METRIC = Metric("PSNR-Y", "higher", reference=True, digits=3, open=against_reference(psnr_y), unit="dB", depends=())
