"""Faces in a picture: find them with five landmarks, cut them out upright, put them back, name their regions.

The detector is SCRFD, an ONNX file run by insightface; which file, `weights.py` says. What is done with
a face (restored, shown, recognised) is left to the callers. Landmarks are always five points in pixels
(x, y), in the order left eye, right eye, nose, left mouth corner, right mouth corner, as seen in the picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from fsrbench.core.errors import WeightsError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from fsrbench.core.contracts import Machine
    from fsrbench.core.values import Image

    Points: TypeAlias = "NDArray[np.float32]"
    Affine: TypeAlias = "NDArray[np.float64]"

Box: TypeAlias = tuple[int, int, int, int]
DETECTOR = "det_10g.onnx"
"""The official detector, by its name in the table of `weights.py`."""

_FFHQ_512 = np.array(
    [
        [192.98138, 239.94708],
        [318.90277, 240.1936],
        [256.63416, 314.01935],
        [201.26117, 371.41043],
        [313.08905, 371.15118],
    ]
)
_ARCFACE_112 = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)
CANONICAL: Points = (_FFHQ_512 / 512).astype(np.float32)
"""Where FFHQ's alignment puts the five points, in the unit square: also GFPGAN's template."""
_TEMPLATES = {"ffhq": _FFHQ_512 / 512, "arcface": _ARCFACE_112 / 112}

_VIEWS = ((640, 640), (640, 400), (320, 200))
"""Detector inputs (side of the canvas, longest side of the picture in it). SCRFD misses faces that fill the
frame, so the picture is also shown smaller with a margin around it: 400 finds FFHQ crops, 200 tighter ones."""
_VIEW_LARGE = (1280, 1280)
"""One more view for pictures longer than that, so that small faces in them are found."""
_THRESHOLD = 0.5
_ALIGNED = 0.12
"""How far landmarks may lie from FFHQ's places in a picture of one aligned face: their mean, as a share of the side."""
_SMALLEST = 16
"""Pictures with a shorter side than this hold no face that could be found."""


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """One face that was found."""

    box: tuple[float, float, float, float]
    """x0, y0, x1, y1 in pixels, within the picture."""
    landmarks: Points
    """5×2: left eye, right eye, nose, left mouth corner, right mouth corner, in image order."""
    score: float
    """The detector's confidence, 0–1."""

    @property
    def size(self) -> float:
        """Area of the box in pixels."""
        return (self.box[2] - self.box[0]) * (self.box[3] - self.box[1])


# -------------------------------------------------------------------- finding


class Detector:
    """An opened face detector; deterministic, and callable from many threads."""

    def __init__(self, network: Any) -> None:
        self._network = network

    def __call__(self, image: Image) -> tuple[Face, ...]:
        """All faces, largest first."""
        from fsrbench.imaging import images

        height, width = image.shape[:2]
        if min(height, width) < _SMALLEST:
            return ()
        bgr = np.ascontiguousarray(images.to_8bit(image)[:, :, ::-1])
        views = (*_VIEWS, _VIEW_LARGE) if max(height, width) > _VIEW_LARGE[1] else _VIEWS
        found = [face for canvas, longest in views for face in self._look(bgr, canvas, longest)]
        found.sort(key=lambda face: -face.score)
        kept: list[Face] = []
        for face in found:
            if all(_overlap(face.box, other.box) < 0.5 for other in kept):
                kept.append(face)
        return tuple(sorted(kept, key=lambda face: -face.size))

    def _look(self, bgr: NDArray[np.uint8], canvas: int, longest: int) -> list[Face]:
        """Faces seen with the picture centred on a black square canvas."""
        import cv2

        height, width = bgr.shape[:2]
        scale = longest / max(height, width)
        inner = (max(1, round(width * scale)), max(1, round(height * scale)))
        shrunk = cv2.resize(bgr, inner, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        left, top = (canvas - inner[0]) // 2, (canvas - inner[1]) // 2
        view = np.zeros((canvas, canvas, 3), np.uint8)
        view[top : top + inner[1], left : left + inner[0]] = shrunk
        boxes, points = self._network.detect(view, input_size=(canvas, canvas), det_thresh=_THRESHOLD)
        faces = []
        for (x0, y0, x1, y1, score), marks in zip(boxes.tolist(), points, strict=True):
            corners = np.clip((np.array([[x0, y0], [x1, y1]]) - (left, top)) / scale, 0, (width, height))
            (x0, y0), (x1, y1) = corners.tolist()
            if x1 > x0 and y1 > y0:
                faces.append(Face((x0, y0, x1, y1), ((marks - (left, top)) / scale).astype(np.float32), score))
        return faces


def open_detector(machine: Machine) -> Detector:
    """Open the detector that the settings name, or the official one; WeightsError, with the cure, if it is absent."""
    from fsrbench.models import weights

    path = weights.locate(DETECTOR, explicit=machine.detector, offline=machine.offline, optional=True).path
    network = open_onnx(path, machine)
    if getattr(network, "taskname", None) != "detection" or not network.use_kps:
        raise WeightsError(f"{path} is no face detector with five landmarks (SCRFD). Set faces.detector to one.")
    return Detector(network)


def open_onnx(path: Path, machine: Machine) -> Any:
    """One of insightface's models from a file, on the machine's device where onnxruntime can use it."""
    import onnxruntime
    from insightface import model_zoo

    providers: list[Any] = ["CPUExecutionProvider"]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # pictures are looked at side by side, with a core each
    if machine.device.startswith("cuda") and "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        providers.insert(0, ("CUDAExecutionProvider", {"device_id": int(machine.device.partition(":")[2] or 0)}))
    try:
        return model_zoo.get_model(str(path), providers=providers, sess_options=options)
    except Exception as error:  # onnxruntime and onnx each raise a dozen kinds of their own
        raise WeightsError(f"{path} cannot be loaded as an ONNX model ({error}). Fetch the file again.") from error


def _overlap(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    """Common area as a share of the smaller box, so that a part found within a whole face counts as the same."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    smaller = min((b[2] - b[0]) * (b[3] - b[1]) for b in (one, other))
    return max(width, 0) * max(height, 0) / smaller


# ------------------------------------------------------------------- alignment


def align(
    image: Image, landmarks: Points, size: int = 512, template: Literal["ffhq", "arcface"] = "ffhq"
) -> tuple[Image, Affine]:
    """Cut a face out upright: the crop (size × size) and the 2×3 map from picture to crop.

    The similarity is the least-squares one. `ffhq` is the crop that GFPGAN expects, antialiased;
    `arcface` is sampled bilinearly with black outside the picture, as insightface does it.
    """
    import cv2

    affine = similarity(landmarks, _TEMPLATES[template] * size)
    if template == "arcface":
        return np.asarray(cv2.warpAffine(image, affine, (size, size), flags=cv2.INTER_LINEAR), np.float32), affine
    return _warp(image, affine, (size, size)), affine


def paste(canvas: Image, crop: Image, affine: Affine) -> Image:
    """Put a crop back where `align` took it, fading out towards its border so that no seam shows."""
    import cv2

    side = crop.shape[0]
    back = np.asarray(cv2.invertAffineTransform(affine), np.float64)
    corners = np.array([[0, 0], [side, 0], [0, side], [side, side]]) @ back[:, :2].T + back[:, 2]
    x0, y0 = np.clip(np.floor(corners.min(axis=0)), 0, canvas.shape[1::-1]).astype(int)
    x1, y1 = np.clip(np.ceil(corners.max(axis=0)) + 1, 0, canvas.shape[1::-1]).astype(int)
    result = canvas.copy()
    if x1 <= x0 or y1 <= y0:  # the face lies wholly outside
        return result
    back[:, 2] -= (x0, y0)
    # Distance to the nearest border, as a share of the side: nothing at the rim, everything from 12 % inwards.
    along = np.minimum(np.arange(side), np.arange(side)[::-1]) / side
    ramp = np.clip((np.minimum(along[:, None], along[None, :]) - 0.02) / 0.10, 0, 1)
    soft = (0.5 - 0.5 * np.cos(np.pi * ramp)).astype(np.float32)
    size = (int(x1 - x0), int(y1 - y0))
    mask = cv2.warpAffine(soft, back, size, flags=cv2.INTER_LINEAR)[:, :, None]
    region = result[y0:y1, x0:x1]
    region += (_warp(crop, back, size) - region) * mask
    return np.clip(result, 0, 1)


def lies_aligned(face: Face, side: int) -> bool:
    """Do a face's landmarks lie in a square picture about where FFHQ's alignment puts them?"""
    return float(np.linalg.norm(face.landmarks / side - CANONICAL, axis=1).mean()) < _ALIGNED


def similarity(source: Points, target: NDArray[Any]) -> Affine:
    """The rotation, scale and shift (2×3, no mirroring) that brings points nearest to their targets.

    In complex numbers, where such a map is z → a·z + b, least squares has a closed form.
    """
    points = source[:, 0].astype(np.float64) + 1j * source[:, 1]
    wanted = target[:, 0].astype(np.float64) + 1j * target[:, 1]
    centred = points - points.mean()
    spread = float((np.abs(centred) ** 2).sum())
    if not np.isfinite(spread) or spread < 1e-6:
        raise ValueError("landmarks coincide or are not finite: they define no similarity")
    a = (np.conj(centred) * (wanted - wanted.mean())).sum() / spread
    b = wanted.mean() - a * points.mean()
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])


def _warp(image: Image, affine: Affine, size: tuple[int, int]) -> Image:
    """Resample through a similarity, bicubic, blurred first where it shrinks; beyond the picture it is mirrored."""
    import cv2

    shrink = 1 / float(np.hypot(affine[0, 0], affine[1, 0]))
    if shrink > 1.2:
        sigma = 0.5 * (shrink**2 - 1) ** 0.5
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101), np.float32)
    warped = cv2.warpAffine(image, affine, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(np.clip(warped, 0, 1), np.float32)


# --------------------------------------------------------------------- regions


def regions(size: tuple[int, int], landmarks: Points | None) -> dict[str, Box]:
    """Square boxes (x0, y0, x1, y1) of left_eye, right_eye, nose, mouth and skin in a picture of (height, width).

    Without landmarks the places are FFHQ's canonical ones, in the largest centred square. Skin is the cheek
    that shows more.
    """
    height, width = size
    if landmarks is None:
        side = min(height, width)
        points = CANONICAL.astype(np.float64) * side + ((width - side) / 2, (height - side) / 2)
    else:
        points = landmarks.astype(np.float64)
    left_eye, right_eye, nose, left_mouth, right_mouth = points
    # Eyes draw together when a head turns and mouths when it nods, so a face's size is the larger of the two.
    eyes, mouth = (left_eye + right_eye) / 2, (left_mouth + right_mouth) / 2
    unit = max(float(np.linalg.norm(right_eye - left_eye)), float(np.linalg.norm(mouth - eyes)))
    outward = (right_eye - left_eye) * 0.12
    if np.linalg.norm(nose - left_eye) >= np.linalg.norm(nose - right_eye):
        cheek = left_eye * 0.4 + left_mouth * 0.6 - outward
    else:
        cheek = right_eye * 0.4 + right_mouth * 0.6 + outward
    return {
        "left_eye": _square(left_eye, unit * 0.8, size),
        "right_eye": _square(right_eye, unit * 0.8, size),
        "nose": _square(nose * 0.8 + eyes * 0.2, unit * 0.8, size),
        "mouth": _square(mouth, unit * 1.1, size),
        "skin": _square(cheek, unit * 0.55, size),
    }


def around(face: Face, size: tuple[int, int], margin: float) -> Box:
    """A square around a face in a picture of (height, width), `margin` times as large as its box."""
    x0, y0, x1, y1 = face.box
    return _square(np.array([(x0 + x1) / 2, (y0 + y1) / 2]), max(x1 - x0, y1 - y0) * margin, size)


def _square(centre: NDArray[np.float64], side: float, size: tuple[int, int]) -> Box:
    """A square of at least 16 pixels (or the whole shorter side), moved rather than cut to lie in the picture."""
    height, width = size
    edge = min(max(round(side), 16), height, width)
    x0 = min(max(round(float(centre[0]) - edge / 2), 0), width - edge)
    y0 = min(max(round(float(centre[1]) - edge / 2), 0), height - edge)
    return x0, y0, x0 + edge, y0 + edge
