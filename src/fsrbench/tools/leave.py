"""Leave it as it is: what every other tool must beat."""

from __future__ import annotations

from collections.abc import Callable

from fsrbench.core.contracts import Machine, Output, Tool
from fsrbench.core.values import Image


def _open(_settings: None, _machine: Machine) -> Callable[[Image, int], Output]:
    return lambda picture, _seed: Output(picture)


TOOL = Tool("Leaves the picture as it is.", treats="nothing", open=_open)
