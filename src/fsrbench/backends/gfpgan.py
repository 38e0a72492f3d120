"""GFPGAN, native (v1.4, v1.3, the embedded narrow one, or a path).

Family prior. A square picture is taken for one aligned face (`aligned: auto`) and goes through the network whole.
Any other is upscaled plainly, and each face in it is cut out upright, restored and pasted back with a soft
mask. `restore_weight` blends the restored face with the plain one; `sft_strength` and `noise_strength` reach into the
network (`_gfpgan_net.py`). The noise of a face comes from the seed and the face's place in the detector's
order, so restoring only the centre face gives that face the same pixels as restoring all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from fsrbench import faces, images, networks
from fsrbench.backends import _choice
from fsrbench.errors import SettingsError, WeightsError
from fsrbench.plugins import Backend, Machine, Output
from fsrbench.values import derive_seed

if TYPE_CHECKING:
    from fsrbench.values import Image, Knobs

OFFICIAL = {"v1.4": "GFPGANv1.4.pth", "v1.3": "GFPGANv1.3.pth"}


class _GFPGAN:
    def __init__(self, settings: Mapping[str, Any], machine: Machine) -> None:
        from fsrbench.backends._gfpgan_net import FaceNet

        networks.check_precision(machine.precision, machine.device)
        self._machine = machine
        self._target = int(settings.get("scale", 4))
        self._aligned = settings.get("aligned", "auto")
        if self._aligned not in ("auto", True, False):
            raise SettingsError(f"aligned is {self._aligned!r}; it may be auto, true or false.")
        self._turn = Lock()
        self._detector: faces.Detector | None = None
        choice = _choice.choose("prior", settings, OFFICIAL, "v1.4", machine)
        self._net = FaceNet(choice.path, machine.device)
        narrow = self._net.hyperparameters.get("narrow", 1)
        self.model = choice.model("gfpgan", f"narrow {narrow:g}")
        self.weights = choice.weights

    def __call__(self, lr: Image, knobs: Knobs, seed: int, precision: str) -> Output:
        return self.together([lr], knobs, [seed], precision)[0]

    def together(self, lrs: Sequence[Image], knobs: Knobs, seeds: Sequence[int], precision: str) -> list[Output]:
        square = lrs[0].shape[0] == lrs[0].shape[1]
        plain = [_choice.to_target(lr, lr, self._target) for lr in lrs]
        if self._aligned is True or (self._aligned == "auto" and square):
            return self._aligned_faces(lrs, plain, knobs, seeds, precision)
        return [self._whole(image, knobs, seed, precision) for image, seed in zip(plain, seeds, strict=True)]

    def _aligned_faces(
        self, lrs: Sequence[Image], plain: Sequence[Image], knobs: Knobs, seeds: Sequence[int], precision: str
    ) -> list[Output]:
        size = self._net.size
        restored = self._restore([images.resize(lr, size, size) for lr in lrs], knobs, seeds, precision)
        notes = ("only_center_face moves nothing on one aligned face",) if "only_center_face" in knobs else ()
        return [
            Output(_blend(images.resize(face, under.shape[1], under.shape[0]), under, knobs), notes)
            for face, under in zip(restored, plain, strict=True)
        ]

    def _open_detector(self) -> faces.Detector:
        try:
            return faces.open_detector(self._machine)
        except WeightsError as error:
            raise WeightsError(
                "A picture that is not square is searched for faces, which needs a detector: name one in the setting "
                f"faces.detector, or say families.prior.aligned=true if it is an aligned face. {error}"
            ) from None

    def _whole(self, plain: Image, knobs: Knobs, seed: int, precision: str) -> Output:
        with self._turn:
            detector = self._detector = self._detector or self._open_detector()
        found = list(enumerate(detector(plain)))
        if not found:
            return Output(plain, ("no face found; upscaled plainly",))
        notes = [f"{len(found)} face{'s' if len(found) > 1 else ''} found"]
        if knobs.get("only_center_face", False) and len(found) > 1:
            middle = np.array([plain.shape[1], plain.shape[0]]) / 2
            found = [min(found, key=lambda item: float(np.hypot(*(_centre(item[1]) - middle))))]
            notes.append("only the centre one restored")
        image = plain
        for place, face in found:
            crop, affine = faces.align(plain, face.landmarks, self._net.size, "ffhq")
            [restored] = self._restore([crop], knobs, [derive_seed(seed, "face", str(place))], precision)
            image = faces.paste(image, _blend(restored, crop, knobs), affine)
        return Output(image, (", ".join(notes),))

    def _restore(self, faces: Sequence[Image], knobs: Knobs, seeds: Sequence[int], precision: str) -> list[Image]:
        sft = float(knobs.get("sft_strength", 1.0))
        noise = float(knobs.get("noise_strength", 1.0))
        return self._net(faces, seeds, sft=sft, noise=noise, precision=precision)


def _centre(face: faces.Face) -> np.ndarray[Any, np.dtype[np.float64]]:
    x0, y0, x1, y1 = face.box
    return np.array([x0 + x1, y0 + y1]) / 2


def _blend(restored: Image, plain: Image, knobs: Knobs) -> Image:
    """A real blend: every weight moves pixels. At 1, the default, the restoration as it is."""
    weight = np.float32(knobs.get("restore_weight", 1.0))
    return restored if weight == 1 else np.clip(weight * restored + (1 - weight) * plain, 0, 1)


BACKEND = Backend(
    summary="GFPGAN: restoration with a face prior (v1.4, v1.3, or a path); aligned faces or whole pictures.",
    family="prior",
    consumes=("restore_weight", "only_center_face", "sft_strength", "noise_strength"),
    open=_GFPGAN,
    reentrant=True,
)
