"""GFPGAN, native (v1.4, v1.3, the embedded narrow one, or a path).

Family prior. Where `faces.detector` names a detector, faces are looked for in every picture (`aligned: auto`); without
one, a square picture is taken for one aligned face, which is said once a run. One aligned face goes through the
network whole. Any other picture is upscaled plainly, or by the network that `background` names, and each face in it is
cut out upright, restored and pasted back with a soft mask. `restore_weight` blends the restored face with the plain
one; `sft_strength` and `noise_strength` reach into the network (`_gfpgan_net.py`). The noise of a face comes from the
seed and the face's place in the detector's order, so restoring only the centre face gives that face the same pixels as
restoring all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from fsrbench.backends import _background, _choice
from fsrbench.core.contracts import Backend, Machine, Output
from fsrbench.core.errors import SettingsError, WeightsError
from fsrbench.core.values import derive_seed
from fsrbench.imaging import faces, images
from fsrbench.models import devices

if TYPE_CHECKING:
    from fsrbench.core.stored import Knobs
    from fsrbench.core.values import Image

ASSUMPTION = (
    "Square pictures are taken for one aligned face each, since no face detector is set: several faces, or one that "
    "does not fill the picture, would be smeared. With the setting faces.detector, faces are looked for."
)
MADE = 8
"""Faces that are remembered as the network made them: another restore_weight is another blend of the same face."""
SEEN = 64
"""Pictures whose faces are remembered: a case is restored several times."""
OFFICIAL = {"v1.4": "GFPGANv1.4.pth", "v1.3": "GFPGANv1.3.pth"}


class _GFPGAN:
    def __init__(self, settings: Mapping[str, Any], machine: Machine) -> None:
        from fsrbench.backends._gfpgan_net import FaceNet

        devices.check_precision(machine.precision, machine.device)
        self._machine = machine
        self._target = int(settings.get("scale", 4))
        self._aligned = settings.get("aligned", "auto")
        if self._aligned not in ("auto", True, False):
            raise SettingsError(f"aligned is {self._aligned!r}; it may be auto, true or false.")
        self._turn = Lock()
        self._detector: faces.Detector | None = None
        self._seen: dict[object, tuple[faces.Face, ...]] = {}
        self._made: dict[object, Image] = {}
        self.assumption = ASSUMPTION if self._aligned == "auto" and machine.detector is None else ""
        choice = _choice.choose("prior", settings, OFFICIAL, "v1.4", machine)
        self._net = FaceNet(choice.path, machine.device)
        narrow = self._net.hyperparameters.get("narrow", 1)
        self.model = choice.model("gfpgan", f"narrow {narrow:g}")
        self.weights = choice.weights
        self._background = _background.opened(settings, machine)
        if self._background is not None:
            self.model = f"{self.model}, {self._background.model}"
            self.weights |= self._background.weights

    def __call__(self, lr: Image, knobs: Knobs, seed: int, precision: str) -> Output:
        return self.together([lr], knobs, [seed], precision)[0]

    def together(self, lrs: Sequence[Image], knobs: Knobs, seeds: Sequence[int], precision: str) -> list[Output]:
        plain = [_choice.to_target(lr, lr, self._target) for lr in lrs]
        alone = [place for place, image in enumerate(plain) if self._is_one_face(image)]
        restored = self._aligned_faces([lrs[n] for n in alone], [plain[n] for n in alone], knobs,
                                       [seeds[n] for n in alone], precision)  # fmt: skip
        outputs = dict(zip(alone, restored, strict=True))
        return [
            outputs[place] if place in outputs else self._whole(lrs[place], image, knobs, seeds[place], precision)
            for place, image in enumerate(plain)
        ]

    def _is_one_face(self, plain: Image) -> bool:
        """Is the picture one aligned face? Where faces are looked for: the largest lies as one, or none is seen."""
        if self._aligned != "auto" or plain.shape[0] != plain.shape[1]:
            return self._aligned is True
        if self._machine.detector is None:
            return True
        found = self._faces(plain)
        return not found or faces.lies_aligned(found[0], plain.shape[0])

    def _faces(self, plain: Image) -> tuple[faces.Face, ...]:
        """All faces, largest first."""
        key = images.exact_key(plain)
        with self._turn:
            detector = self._detector = self._detector or self._open_detector()
            found = self._seen.get(key)
        if found is None:
            found = detector(plain)
            with self._turn:
                self._seen[key] = found
                if len(self._seen) > SEEN:
                    del self._seen[next(iter(self._seen))]
        return found

    def _aligned_faces(
        self, lrs: Sequence[Image], plain: Sequence[Image], knobs: Knobs, seeds: Sequence[int], precision: str
    ) -> list[Output]:
        if not lrs:
            return []
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

    def _whole(self, lr: Image, plain: Image, knobs: Knobs, seed: int, precision: str) -> Output:
        found = list(enumerate(self._faces(plain)))
        image = plain if self._background is None else self._background(lr, seed, precision)
        if not found:
            by = "upscaled plainly" if self._background is None else f"all of it is {self._background.model}"
            return Output(image, (f"no face found; {by}",))
        notes = [f"{len(found)} face{'s' if len(found) > 1 else ''} found"]
        if knobs.get("only_center_face", False) and len(found) > 1:
            middle = np.array([plain.shape[1], plain.shape[0]]) / 2
            found = [min(found, key=lambda item: float(np.hypot(*(_centre(item[1]) - middle))))]
            notes.append("only the centre one restored")
        for place, face in found:
            crop, affine = faces.align(plain, face.landmarks, self._net.size, "ffhq")
            [restored] = self._restore([crop], knobs, [derive_seed(seed, "face", str(place))], precision)
            image = faces.paste(image, _blend(restored, crop, knobs), affine)
        return Output(image, (", ".join(notes),))

    def _restore(self, faces: Sequence[Image], knobs: Knobs, seeds: Sequence[int], precision: str) -> list[Image]:
        """What the network makes of each face. One alone is made once for all weights of its blend."""
        sft = float(knobs.get("sft_strength", 1.0))
        noise = float(knobs.get("noise_strength", 1.0))
        if len(faces) > 1:
            return self._net(faces, seeds, sft=sft, noise=noise, precision=precision)
        key = (images.exact_key(faces[0]), seeds[0], sft, noise, precision)
        with self._turn:
            known = self._made.get(key)
        if known is None:
            [known] = self._net(faces, seeds, sft=sft, noise=noise, precision=precision)
            with self._turn:
                self._made[key] = known
                if len(self._made) > MADE:
                    del self._made[next(iter(self._made))]
        return [known]


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
    draws=True,
    consumes=("restore_weight", "only_center_face", "sft_strength", "noise_strength"),
    open=_GFPGAN,
    reentrant=True,
    backgrounds=True,
    upright=True,
)
