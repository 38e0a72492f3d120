"""ArcFace cosine: is it still the same person? -1 to 1 (same), higher is better.

Deng, Guo, Xue and Zafeiriou, "ArcFace: additive angular margin loss for deep face recognition", 2019. The largest
face is found once, on the reference, and all variants are cut at the same place, so that a detector's jitter does
not count. Crops are insightface's 112×112. It takes float32 H×W×3 in [0, 1]. Different people score about 0, the
same person in another photograph about 0.6.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fsrbench.core.contracts import Machine, Metric
from fsrbench.core.errors import Unavailable, WeightsError
from fsrbench.metrics import _batch
from fsrbench.metrics._pair import fitting

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from fsrbench.core.values import Image

_RECOGNISER = "w600k_r50.onnx"


def _open(machine: Machine) -> Callable[[Sequence[Image], Image | None], list[float]]:
    """Load detector and recogniser; WeightsError, with the cure, if one is absent."""
    from fsrbench.imaging import faces
    from fsrbench.models import weights

    path = weights.locate(_RECOGNISER, explicit=machine.recogniser, offline=machine.offline, optional=True).path
    detector = faces.open_detector(machine)
    recogniser = faces.open_onnx(path, machine)
    if getattr(recogniser, "taskname", None) != "recognition":
        raise WeightsError(f"{path} is no face recogniser (ArcFace). Set faces.recogniser to one.")
    side = recogniser.input_size[0]
    fixed = recogniser.input_shape[0] == 1 or "CUDAExecutionProvider" not in recogniser.session.get_providers()
    batch = 1 if fixed else _batch.size(machine, side * side)

    def embeddings(crops: Sequence[Image]) -> list[NDArray[np.float64]]:
        found = recogniser.get_feat([np.ascontiguousarray(crop[:, :, ::-1]) * np.float32(255) for crop in crops])
        return [vector / np.linalg.norm(vector) for vector in found.astype(np.float64)]

    def score(variants: Sequence[Image], reference: Image | None) -> list[float]:
        target = fitting(variants, reference)
        found = detector(target)
        if not found:
            raise Unavailable("No face was found on the reference, so there is no identity to compare.")
        crops = [faces.align(image, found[0].landmarks, side, "arcface")[0] for image in (target, *variants)]
        person, *others = _batch.through(embeddings, crops, batch)
        return [float(np.clip(other @ person, -1, 1)) for other in others]

    return score


METRIC = Metric(
    "ArcFace",
    "higher",
    reference=True,
    digits=4,
    open=_open,
    depends=("device", "detector", "recogniser"),
    weights=("det_10g.onnx", _RECOGNISER),
)
