"""Tools that are a knob, applied to a picture at any step of a plan."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import BaseModel, ConfigDict, Field

from fsrbench.core import plugins
from fsrbench.core.contracts import Machine, Output, Tool, Treated
from fsrbench.core.values import Image


class Strength(BaseModel):
    """How much of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    strength: float = Field(default=1.0, ge=0, le=1)
    """0 leaves the picture as it is."""


def tool(knob: str, summary: str, treats: Treated) -> Tool:
    """The tool that a knob makes, which is loaded when the tool is opened."""

    def opened(settings: Strength, _machine: Machine) -> Callable[[Image, int], Output]:
        apply = plugins.load("knobs", knob).apply
        return lambda picture, _seed: Output(apply(picture, settings.strength, picture))

    return Tool(summary, treats=treats, open=opened, settings=Strength)
