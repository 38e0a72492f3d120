"""Removes noise with non-local means, at a strength measured from the picture itself.

It is the knob of the same name, for pictures at any step of a plan.
"""

from __future__ import annotations

from collections.abc import Callable

from pydantic import BaseModel, ConfigDict, Field

from fsrbench.core import plugins
from fsrbench.core.contracts import Machine, Output, Tool
from fsrbench.core.values import Image


class DenoiseStrength(BaseModel):
    """How much of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    strength: float = Field(default=1.0, ge=0, le=1)
    """0 leaves the picture as it is."""


def _open(settings: DenoiseStrength, _machine: Machine) -> Callable[[Image, int], Output]:
    apply = plugins.load("knobs", "denoise").apply
    return lambda picture, _seed: Output(apply(picture, settings.strength, picture))


TOOL = Tool("Removes noise, as the knob `denoise` does.", treats="noise", open=_open, settings=DenoiseStrength)
