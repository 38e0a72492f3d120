"""BSRGAN, native (RRDBNet), x4 with an x2 switch, or any other upscaler that spandrel knows.

Family blind. The knob `scale` chooses how far the network itself goes; the result is brought to the study's
size either way, so 2 leaves more to plain interpolation. Where there is no x2 network, that is
imitated with the x4 one, and a note says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from threading import Lock
from typing import TYPE_CHECKING, Any

from fsrbench.backends import _choice
from fsrbench.core.contracts import Backend, Machine, Output
from fsrbench.imaging import images
from fsrbench.models import devices, networks

if TYPE_CHECKING:
    from fsrbench.core.stored import Knobs
    from fsrbench.core.values import Image
    from fsrbench.models.networks import LoadedNetwork

OFFICIAL = {"x4": "BSRGAN.pth"}
TWIN = "BSRGANx2.pth"


class _BSRGAN:
    def __init__(self, settings: Mapping[str, Any], machine: Machine) -> None:
        devices.check_precision(machine.precision, machine.device)
        self._machine = machine
        self._target = int(settings.get("scale", 4))
        self._tile = int(settings.get("tile", 0))
        self._choice = _choice.choose("blind", settings, OFFICIAL, "x4", machine)
        self._network = networks.load(self._choice.path, machine.device)
        self._turn = Lock()
        self._halved: LoadedNetwork | None = None
        self.model = self._choice.model(self._network.architecture, self._network.size)
        self.weights = self._choice.weights

    def __call__(self, lr: Image, knobs: Knobs, seed: int, precision: str) -> Output:
        return self.together([lr], knobs, [seed], precision)[0]

    def together(self, lrs: Sequence[Image], knobs: Knobs, seeds: Sequence[int], precision: str) -> list[Output]:  # noqa: ARG002 - draws nothing
        asked = int(knobs.get("scale", 4))
        network = (self._x2() or self._network) if asked == 2 else self._network
        made = networks.upscale_all(network, lrs, tile=self._tile, precision=precision, device=self._machine.device)
        return [
            self._finish(image, lr, asked, network.scale, told) for lr, (image, told) in zip(lrs, made, strict=True)
        ]

    def _finish(self, image: Image, lr: Image, asked: int, scale: int, notes: tuple[str, ...]) -> Output:
        """Bring what the network made to the study's size, and say how."""
        if asked == 2 and scale != 2:
            image = images.resize(image, lr.shape[1] * 2, lr.shape[0] * 2, "area")
            notes = (*notes, f"scale 2 without an x2 network: the x{scale} result, halved to x2 and back")
        elif scale != self._target:
            notes = (*notes, f"x{scale} network, brought to x{self._target} by bicubic resizing")
        return Output(_choice.to_target(image, lr, self._target), notes)

    def _x2(self) -> LoadedNetwork | None:
        """BSRGAN's own x2 network, opened when it is first asked for."""
        with self._turn:
            if self._halved is None:
                twin = _choice.twin(self._choice, TWIN, self._machine)
                if twin is None:
                    return None
                self.weights |= twin.weights
                self._halved = networks.load(twin.path, self._machine.device)
            return self._halved


BACKEND = Backend(
    summary="BSRGAN: blind restoration (x4 with an x2 switch, or a path).",
    family="blind",
    consumes=("scale",),
    open=_BSRGAN,
    reentrant=True,
)
