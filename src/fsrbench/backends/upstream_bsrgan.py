"""BSRGAN through basicsr's RRDBNet, the class it was trained with, and nothing around it.

Family blind, for comparison with the native backend. BSRGAN has no package of its own; its x2 network is built
otherwise than basicsr's, so the knob `scale` is not acted on. No tiles: memory that runs out fails the case.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fsrbench.backends import _choice, _upstream
from fsrbench.core.contracts import Backend, Machine, Output
from fsrbench.models import devices, networks

if TYPE_CHECKING:
    from fsrbench.core.stored import Knobs
    from fsrbench.core.values import Image

NAME = "upstream_bsrgan"
OFFICIAL = {"x4": "BSRGAN.pth"}


class _Upstream:
    def __init__(self, settings: Mapping[str, Any], machine: Machine) -> None:
        devices.check_precision(machine.precision, machine.device)
        self._device = machine.device
        self._target = int(settings.get("scale", 4))
        choice = _choice.choose("blind", settings, OFFICIAL, "x4", machine)
        net, tensors, _ = _upstream.network(networks.read(choice.path), NAME)
        net.load_state_dict(tensors, strict=True)
        self._net = _upstream.watched(net.eval().to(machine.device))
        self.model = choice.model(type(net).__name__)
        self.weights = choice.weights

    def __call__(self, lr: Image, knobs: Knobs, seed: int, precision: str) -> Output:  # noqa: ARG002 - draws nothing
        import torch

        with torch.inference_mode(), devices.autocast(precision, self._device):
            x = networks.to_tensor([lr], "fp32", self._device)
            [image] = networks.to_images(_upstream.guarded(self._net, lambda: self._net(x), NAME))
        return Output(_choice.to_target(image, lr, self._target))


BACKEND = Backend(
    summary="BSRGAN through basicsr's own network class (extra `upstream`).",
    family="blind",
    consumes=(),
    open=_Upstream,
)
