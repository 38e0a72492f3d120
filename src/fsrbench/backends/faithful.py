"""A small network trained to come near the face and for nothing else: too soft to be shown, good to be blended.

What it gives is close to the mean of all faces that an input may come from. So it makes a good second opinion for any
network that invents detail (`second: faithful`). It comes with fsrbench and stands beside official networks too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fsrbench.backends import _choice
from fsrbench.core.contracts import Backend, Machine, Output
from fsrbench.models import devices, networks

if TYPE_CHECKING:
    from fsrbench.core.stored import Knobs
    from fsrbench.core.values import Image


class _Faithful:
    def __init__(self, settings: Mapping[str, Any], machine: Machine) -> None:
        devices.check_precision(machine.precision, machine.device)
        self._device = machine.device
        self._target = int(settings.get("scale", 4))
        self._tile = int(settings.get("tile", 0))
        choice = _choice.choose("faithful", {**settings, "models": _choice.EMBEDDED}, {}, "", machine)
        self._network = networks.load(choice.path, machine.device)
        self.model = choice.model(self._network.architecture, self._network.size)
        self.weights = choice.weights

    def __call__(self, lr: Image, knobs: Knobs, seed: int, precision: str) -> Output:
        return self.together([lr], knobs, [seed], precision)[0]

    def together(self, lrs: Sequence[Image], knobs: Knobs, seeds: Sequence[int], precision: str) -> list[Output]:  # noqa: ARG002 - draws nothing
        made = networks.upscale_all(self._network, lrs, tile=self._tile, precision=precision, device=self._device)
        return [
            Output(_choice.to_target(image, lr, self._target), notes)
            for lr, (image, notes) in zip(lrs, made, strict=True)
        ]


BACKEND = Backend(
    summary="Embedded: a small network trained for fidelity alone, to be heard as a second opinion.",
    family="general",
    consumes=(),
    open=_Faithful,
    reentrant=True,
)
