"""Real-ESRGAN, native: x4plus and x2plus (RRDBNet), x4v3 (compact), any other upscaler that spandrel knows.

Family general. The knob `denoise_strength` is Real-ESRGAN's own: x4v3 and its twin wdn-x4v3 (trained to leave
noise alone), mixed tensor by tensor; 1 is x4v3 itself, 0 is the twin. Other models have no twin.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from threading import Lock
from typing import TYPE_CHECKING, Any

from fsrbench.backends import _choice
from fsrbench.core.contracts import Backend, Machine, Output
from fsrbench.models import devices, networks

if TYPE_CHECKING:
    from fsrbench.core.stored import Knobs
    from fsrbench.core.values import Image
    from fsrbench.models.networks import Checkpoint, LoadedNetwork

OFFICIAL = {
    "x4plus": "RealESRGAN_x4plus.pth",
    "x4v3": "realesr-general-x4v3.pth",
    "x2plus": "RealESRGAN_x2plus.pth",
}
TWIN = "realesr-general-wdn-x4v3.pth"


class _RealESRGAN:
    def __init__(self, settings: Mapping[str, Any], machine: Machine) -> None:
        devices.check_precision(machine.precision, machine.device)
        self._machine = machine
        self._target = int(settings.get("scale", 4))
        self._tile = int(settings.get("tile", 0))
        self._choice = _choice.choose("general", settings, OFFICIAL, "x4plus", machine)
        self._network = networks.load(self._choice.path, machine.device)
        self.model = self._choice.model(self._network.architecture, self._network.size)
        self.weights = self._choice.weights
        self._both: tuple[Checkpoint, Checkpoint] | None = None
        self._turn = Lock()
        self._mixed = functools.lru_cache(maxsize=4)(self._mix)

    def __call__(self, lr: Image, knobs: Knobs, seed: int, precision: str) -> Output:
        return self.together([lr], knobs, [seed], precision)[0]

    def together(self, lrs: Sequence[Image], knobs: Knobs, seeds: Sequence[int], precision: str) -> list[Output]:  # noqa: ARG002 - draws nothing
        network, notes = self._network, []
        strength = float(knobs.get("denoise_strength", 1.0))
        if strength != 1.0:
            with self._turn:
                network = self._mixed(strength) or self._network
            if network is self._network:
                notes.append("denoise_strength moves nothing here: only x4v3 has a twin to be mixed with")
        device = self._machine.device
        if network.scale != self._target:
            notes.append(f"x{network.scale} network, brought to x{self._target} by bicubic resizing")
        made = networks.upscale_all(network, lrs, tile=self._tile, precision=precision, device=device)
        return [
            Output(_choice.to_target(image, lr, self._target), (*notes, *told))
            for lr, (image, told) in zip(lrs, made, strict=True)
        ]

    def _mix(self, strength: float) -> LoadedNetwork | None:
        """The network between the twins. Their tensors stay in memory once they were needed."""
        if self._both is None:
            twin = _choice.twin(self._choice, TWIN, self._machine) if self._choice.name == "x4v3" else None
            if twin is None:
                return None
            self.weights |= twin.weights
            self._both = networks.read(self._choice.path), networks.read(twin.path)
        return networks.build(networks.mix(*self._both, strength), self._machine.device)


BACKEND = Backend(
    summary="Real-ESRGAN: general restoration (x4plus, x4v3, x2plus, or a path).",
    family="general",
    consumes=("denoise_strength",),
    open=_RealESRGAN,
    reentrant=True,
)
