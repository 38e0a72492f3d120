"""Levels the steps that strong JPEG compression leaves on its grid of 8×8 pixels.

It is the knob of the same name, for pictures at any step of a plan.
"""

from __future__ import annotations

from collections.abc import Callable

from pydantic import BaseModel, ConfigDict, Field

from fsrbench.core import plugins
from fsrbench.core.contracts import Machine, Output, Tool
from fsrbench.core.values import Image


class DeblockStrength(BaseModel):
    """How much of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    strength: float = Field(default=1.0, ge=0, le=1)
    """0 leaves the picture as it is."""


def _open(settings: DeblockStrength, _machine: Machine) -> Callable[[Image, int], Output]:
    apply = plugins.load("knobs", "deblock").apply
    return lambda picture, _seed: Output(apply(picture, settings.strength, picture))


TOOL = Tool(
    "Levels the blocks of JPEG compression, as the knob `deblock` does.",
    treats="compression",
    open=_open,
    settings=DeblockStrength,
)
