"""PSNR on RGB: 10·log10 of 1 over the mean squared error of all values, in dB, higher is better.

It takes float32 H×W×3 in [0, 1]; no border is cut off, all three channels weigh the same (as scikit-image's
peak_signal_noise_ratio). Equal pictures give infinity, which callers leave out of means. `psnr_y` is the
convention of super-resolution papers, and can differ from this by 2 dB.
"""

from __future__ import annotations

from fsrbench.core.contracts import Metric
from fsrbench.metrics._pair import against_reference, psnr

METRIC = Metric("PSNR", "higher", reference=True, digits=3, open=against_reference(psnr), unit="dB", depends=())
