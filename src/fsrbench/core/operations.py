"""The steps by which a picture is made. A picture is its operations: replayed in order, they give the same pixels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeAlias

from fsrbench.core.stored import KnobValue, Stored


@dataclass(frozen=True, slots=True)
class View(Stored):
    """How a network is shown its input: perturbed, so that it answers otherwise. Its answer is put back into place."""

    turn: int = 0
    """One of eight ways to lie: odd ones are mirrored, every second one is turned by a further quarter."""
    right: float = 0.0
    """Pixels of the input by which it is shifted to the right."""
    down: float = 0.0
    """Pixels by which it is shifted down."""
    noise: float = 0.0
    """Standard deviation of the noise that is added to it, on the 0–255 scale."""
    seed: int = 0
    """Seed of that noise."""

    @property
    def told(self) -> str:
        """What was done to the input, in words."""
        parts = [TURNS[self.turn]] if self.turn else []
        parts += [f"shifted by {self.right:g}, {self.down:g} pixels"] if self.right or self.down else []
        parts += [f"noise of {self.noise:g}/255"] if self.noise else []
        return ", ".join(parts) or "as it is"


TURNS = (
    "as it is", "mirrored", "turned by 90°", "mirrored and turned by 90°", "turned by 180°",
    "mirrored and turned by 180°", "turned by 270°", "mirrored and turned by 270°",
)  # fmt: skip
"""The eight ways to lie, in words."""
FARTHEST, NOISIEST = 8.0, 32.0
"""Pixels by which an input may be shifted, and noise that may be added to it, at most: beyond, it is another input."""


@dataclass(frozen=True, slots=True)
class Restore(Stored):
    """A step by which a picture is made: the input goes through a network with its knobs."""

    backend: str
    """Name of the backend plugin."""
    model: str
    """What the network was, with `embedded` or `stand-in` said where it is one."""
    knobs: dict[str, KnobValue]
    """Every offered knob with the value it had."""
    seed: int
    """Seed of the backend's own noise."""
    weights: dict[str, str] = field(default_factory=dict)
    """File name → sha256 of the files that the network was opened with; empty where it has none, or none is known."""
    checkpoint: str | None = None
    """The setting `model` of a network beside the family's own, empty for its backend's usual one; None for the
    family's own."""
    prompt: str = ""
    """What a network that reads text was told."""
    of: int | None = None
    """Position of an earlier step, whose picture goes in; None for the input."""
    view: View | None = None
    """How the network was shown what goes in; None for as it is."""
    kind: Literal["restore"] = "restore"


@dataclass(frozen=True, slots=True)
class Treat(Stored):
    """A step by which a picture is made: a tool takes one picture and gives another."""

    tool: str
    """Name of the tool plugin."""
    settings: dict[str, KnobValue | str]
    """What it was opened with."""
    seed: int
    """Seed of its own noise."""
    of: int | None = None
    """Position of an earlier step, whose picture goes in; None for the input."""
    kind: Literal["tool"] = "tool"


@dataclass(frozen=True, slots=True)
class Blend(Stored):
    """A step by which a picture is made: so much of one, the rest of another."""

    first: int
    """Position of an earlier step, whose picture is taken."""
    second: int
    """Position of another."""
    share: float
    """How much of the second, from 0 to 1."""
    kind: Literal["blend"] = "blend"


@dataclass(frozen=True, slots=True)
class Mean(Stored):
    """A step by which a picture is made: the mean of several, pixel by pixel."""

    of: tuple[int, ...]
    """Positions of earlier steps, whose pictures are taken."""
    kind: Literal["mean"] = "mean"


class _ByKind:
    """Tells pydantic to look at a step's `kind`, and not to try one class after another: a trail has many steps."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], Any]) -> Any:
        from pydantic_core import core_schema

        steps = {"restore": Restore, "tool": Treat, "blend": Blend, "mean": Mean}
        return core_schema.tagged_union_schema({kind: handler(step) for kind, step in steps.items()}, "kind")


Operation: TypeAlias = Annotated[Restore | Treat | Blend | Mean, _ByKind()]
"""One step by which a picture was made. A picture is its operations: replayed in order, they give the same pixels, and
the last one's picture is the picture."""
