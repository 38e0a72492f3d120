"""The plain floor: bicubic interpolation, no network. Also what tests use in place of a real backend."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fsrbench.core.contracts import Backend, Machine, Output
from fsrbench.imaging import images

if TYPE_CHECKING:
    from fsrbench.core.stored import Knobs
    from fsrbench.core.values import Image


class _Bicubic:
    model = "bicubic"
    weights: Mapping[str, str] = {}

    def __init__(self, scale: int) -> None:
        self._scale = scale

    def __call__(self, lr: Image, knobs: Knobs, seed: int, precision: str) -> Output:  # noqa: ARG002 - the contract
        return Output(images.resize(lr, lr.shape[1] * self._scale, lr.shape[0] * self._scale))


def _open(settings: Mapping[str, Any], machine: Machine) -> _Bicubic:  # noqa: ARG001 - the contract
    return _Bicubic(int(settings.get("scale", 4)))


BACKEND = Backend(
    summary="Bicubic interpolation: the plain floor that every network must beat.",
    family="general",
    consumes=(),
    open=_open,
    reentrant=True,
)
