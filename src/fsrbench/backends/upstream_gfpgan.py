"""GFPGAN as its own package runs it: `gfpgan.GFPGANer`.

Family prior, for comparison with the native backend. `restore_weight` is handed to the package's `weight`, which
its network ignores: that is what this backend is here to show, so nothing is blended. The package draws its
noise from the global generator; it is seeded around each call and put back. Whole pictures need facexlib's
detector and parser, found through `weights.py`; for aligned faces they are never opened.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fsrbench.backends import _choice, _upstream
from fsrbench.core.contracts import Backend, Machine, Output
from fsrbench.core.errors import WeightsError
from fsrbench.models import devices, networks, weights

if TYPE_CHECKING:
    from fsrbench.core.stored import Knobs
    from fsrbench.core.values import Image

NAME = "upstream_gfpgan"
ASSUMPTION = (
    "Square pictures are taken for one aligned face each: several faces, or one that does not fill the picture, would "
    "be smeared. With families.prior.aligned=false the package looks for faces itself."
)
OFFICIAL = {"v1.4": "GFPGANv1.4.pth", "v1.3": "GFPGANv1.3.pth"}


class _Upstream:
    def __init__(self, settings: Mapping[str, Any], machine: Machine) -> None:
        devices.check_precision(machine.precision, machine.device)
        self._package = _upstream.load("gfpgan", "gfpgan.utils", NAME)
        self._machine = machine
        self._target = int(settings.get("scale", 4))
        self._aligned = settings.get("aligned", "auto")
        self.assumption = ASSUMPTION if self._aligned == "auto" else ""
        choice = _choice.choose("prior", settings, OFFICIAL, "v1.4", machine)
        self.model = choice.model("GFPGANv1Clean")
        self.weights = choice.weights
        self._restorer = self._build(choice)
        self._sees_pictures = False

    def __call__(self, lr: Image, knobs: Knobs, seed: int, precision: str) -> Output:
        import torch

        aligned = self._aligned is True or (self._aligned == "auto" and lr.shape[0] == lr.shape[1])
        if not aligned and not self._sees_pictures:
            self._restorer.face_helper = self._helper()
            self._sees_pictures = True
        device = torch.device(self._machine.device)
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            torch.manual_seed(seed)
            with devices.autocast(precision, self._machine.device):
                _, restored, picture = _upstream.guarded(
                    self._restorer.gfpgan,
                    lambda: self._restorer.enhance(
                        _upstream.to_bgr(lr),
                        has_aligned=aligned,
                        only_center_face=bool(knobs.get("only_center_face", False)),
                        weight=float(knobs.get("restore_weight", 0.5)),
                    ),
                    NAME,
                )
        notes = () if restored else ("no face found; upscaled plainly",)
        image = _upstream.from_bgr(restored[0] if aligned else picture)
        return Output(_choice.to_target(image, lr, self._target), notes)

    def _build(self, choice: _choice.ChosenWeights) -> Any:
        """GFPGANer by its own constructor, but for the detectors that it would download at once."""
        import torch

        net, hyperparameters = networks.load_gfpgan(choice.path)
        if hyperparameters.get("out_size", 512) != 512:
            raise WeightsError(
                f"{choice.path} restores faces of another size than 512, which the package gfpgan wants."
            )
        published = self._package.GFPGANv1Clean
        helper = self._package.FaceRestoreHelper

        class AlignedOnly(helper):  # type: ignore[misc, valid-type]
            """Holds one cropped face; has neither detector nor parser."""

            def __init__(self, *_args: Any, **_options: Any) -> None:
                self.clean_all()

        with (
            _upstream.file_of(net.state_dict(), "params_ema") as file,
            _upstream.swapped(
                self._package,
                FaceRestoreHelper=AlignedOnly,
                GFPGANv1Clean=lambda **options: published(**(options | hyperparameters)),
            ),
        ):
            restorer = self._package.GFPGANer(file, upscale=self._target, device=torch.device(self._machine.device))
        restorer.gfpgan = _upstream.watched(restorer.gfpgan)
        return restorer

    def _helper(self) -> Any:
        """facexlib's helper with its networks, as GFPGANer makes it, from files that `weights.py` finds."""
        import torch

        detection = _upstream.load("facexlib", "facexlib.detection", NAME)
        parsing = _upstream.load("facexlib", "facexlib.parsing", NAME)

        def find(url: str, **_options: Any) -> str:
            found = weights.locate(url.rpartition("/")[2], offline=self._machine.offline)
            networks.read(found.path)  # refuses what is more than tensors
            self.weights[found.path.name] = found.sha256
            return str(found.path)

        with _upstream.swapped(detection, load_file_from_url=find), _upstream.swapped(parsing, load_file_from_url=find):
            return self._package.FaceRestoreHelper(
                self._target,
                face_size=512,
                crop_ratio=(1, 1),
                det_model="retinaface_resnet50",
                save_ext="png",
                use_parse=True,
                device=torch.device(self._machine.device),
            )


BACKEND = Backend(
    summary="GFPGAN as its own package runs it, its dead `weight` included (extra `upstream`).",
    family="prior",
    upright=True,
    draws=True,
    consumes=("restore_weight", "only_center_face"),
    open=_Upstream,
)
