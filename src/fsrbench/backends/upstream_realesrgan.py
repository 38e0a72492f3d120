"""Real-ESRGAN as its own package runs it: `realesrgan.RealESRGANer` around basicsr's networks.

Family general, for comparison with the native backend. Pictures go in and come out with 8 bits, tiles overlap
by 10 pixels, and the denoise strength is the package's own network interpolation. Half precision is autocast
here, since the package's `half` cannot be turned off for a repetition in fp32.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fsrbench.backends import _choice, _upstream
from fsrbench.core.contracts import Backend, Machine, Output
from fsrbench.models import devices, networks

if TYPE_CHECKING:
    from fsrbench.core.stored import Knobs
    from fsrbench.core.values import Image

NAME = "upstream_realesrgan"
OFFICIAL = {
    "x4plus": "RealESRGAN_x4plus.pth",
    "x4v3": "realesr-general-x4v3.pth",
    "x2plus": "RealESRGAN_x2plus.pth",
}
TWIN = "realesr-general-wdn-x4v3.pth"


class _Upstream:
    def __init__(self, settings: Mapping[str, Any], machine: Machine) -> None:
        devices.check_precision(machine.precision, machine.device)
        self._package = _upstream.load("realesrgan", "realesrgan.utils", NAME)
        self._machine = machine
        self._target = int(settings.get("scale", 4))
        self._tile = int(settings.get("tile", 0))
        self._choice = _choice.choose("general", settings, OFFICIAL, "x4plus", machine)
        self.weights = self._choice.weights
        self._with_strength = functools.lru_cache(maxsize=4)(self._build)
        self._plain = self._build(1.0)
        self.model = self._choice.model(self._architecture)

    def __call__(self, lr: Image, knobs: Knobs, seed: int, precision: str) -> Output:  # noqa: ARG002 - draws nothing
        strength = float(knobs.get("denoise_strength", 1.0))
        upsampler = self._plain
        notes: tuple[str, ...] = ()
        if strength != 1.0:
            mixed = self._with_strength(strength)
            upsampler = mixed or self._plain
            if mixed is None:
                notes = ("denoise_strength moves nothing here: only x4v3 has a twin to be mixed with",)
        with devices.autocast(precision, self._machine.device):
            result, _ = _upstream.guarded(
                upsampler.model, lambda: upsampler.enhance(_upstream.to_bgr(lr), outscale=self._target), NAME
            )
        return Output(_choice.to_target(_upstream.from_bgr(result), lr, self._target), notes)

    def _build(self, strength: float) -> Any:
        """The package's upsampler; None if a strength is asked for and there is no twin."""
        import torch

        checkpoint = networks.read(self._choice.path)
        net, tensors, scale = _upstream.network(checkpoint, NAME)
        self._architecture = type(net).__name__
        options = {"model": net, "tile": self._tile, "pre_pad": 0, "device": torch.device(self._machine.device)}
        with _upstream.file_of(tensors) as file:
            if strength == 1.0:
                upsampler = self._package.RealESRGANer(scale, file, **options)
            else:
                twin = _choice.twin(self._choice, TWIN, self._machine) if self._choice.name == "x4v3" else None
                if twin is None:
                    return None
                self.weights |= twin.weights
                with _upstream.file_of(networks.read(twin.path).tensors) as other:
                    shares = [strength, 1 - strength]
                    upsampler = self._package.RealESRGANer(scale, [file, other], dni_weight=shares, **options)
        upsampler.model = _upstream.watched(upsampler.model)
        return upsampler


BACKEND = Backend(
    summary="Real-ESRGAN as its own package runs it (extra `upstream`).",
    family="general",
    consumes=("denoise_strength",),
    open=_Upstream,
)
