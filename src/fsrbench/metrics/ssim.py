"""SSIM on RGB: similarity of local means, contrasts and structure. At most 1 (equal), higher is better.

Wang, Bovik, Sheikh and Simoncelli, "Image quality assessment: from error visibility to structural similarity",
2004: Gaussian window 11×11 with standard deviation 1.5, K 0.01 and 0.03, data range 1, biased covariances,
the mean over channels and over all places where the window fits. It takes float32 H×W×3 in [0, 1] of 11 pixels
or more, and is scikit-image's structural_similarity with gaussian_weights and without use_sample_covariance.
"""

from __future__ import annotations

from fsrbench.core.contracts import Metric
from fsrbench.metrics._pair import against_reference, ssim

METRIC = Metric("SSIM", "higher", reference=True, digits=4, open=against_reference(ssim), depends=())
