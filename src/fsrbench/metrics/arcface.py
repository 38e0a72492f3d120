"""ArcFace cosine: is it still the same person? -1 to 1 (same), higher is better.

Deng, Guo, Xue and Zafeiriou, "ArcFace: additive angular margin loss for deep face recognition", 2019. The largest
face is found once, on the reference, and all variants are cut at the same place, so that a detector's jitter does
not count. Crops are insightface's 112×112. It takes float32 H×W×3 in [0, 1]. Different people score about 0, the
same person in another photograph about 0.6.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fsrbench.errors import Unavailable, WeightsError
from fsrbench.metrics._pair import fitting
from fsrbench.plugins import Machine, Metric

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from fsrbench.faces import Points
    from fsrbench.values import Image


def _open(machine: Machine) -> Callable[[Sequence[Image], Image | None], list[float]]:
    """Load detector and recogniser; WeightsError, with the cure, if one is absent."""
    from fsrbench import faces, weights

    detector = faces.open_detector(machine)
    path = weights.locate("w600k_r50.onnx", explicit=machine.recogniser, offline=machine.offline).path
    recogniser = faces.open_onnx(path, machine)
    if getattr(recogniser, "taskname", None) != "recognition":
        raise WeightsError(f"{path} is no face recogniser (ArcFace). Set faces.recogniser to one.")

    def embedding(image: Image, landmarks: Points) -> NDArray[np.float64]:
        crop, _ = faces.align(image, landmarks, recogniser.input_size[0], "arcface")
        # One at a time: in a batch, equal pictures could differ in the last bit, and a delta must be exactly 0.
        vector = recogniser.get_feat(np.ascontiguousarray(crop[:, :, ::-1]) * np.float32(255))[0].astype(np.float64)
        return np.asarray(vector / np.linalg.norm(vector))

    def score(variants: Sequence[Image], reference: Image | None) -> list[float]:
        target = fitting(variants, reference)
        found = detector(target)
        if not found:
            raise Unavailable("No face was found on the reference, so there is no identity to compare.")
        person = embedding(target, found[0].landmarks)
        return [float(np.clip(embedding(image, found[0].landmarks) @ person, -1, 1)) for image in variants]

    return score


METRIC = Metric("ArcFace", "higher", reference=True, digits=4, open=_open)
