"""A tuned constant: the best unchanging setting of a family's knobs, as `fsrbench tune` writes it to a file.

What it was tuned on stands beside it, so that a run on something else can be told from one that it was made for.
"""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fsrbench.core.errors import SettingsError, StoreError
from fsrbench.core.stored import KnobValue, Stored
from fsrbench.core.ways import Basis
from fsrbench.files import jsonfile

if TYPE_CHECKING:
    from pydantic import TypeAdapter

FORMAT = 1
SHIPPED = "shipped"
"""Stands in place of a file's name for the constants that come with fsrbench, for its embedded networks."""


@dataclass(frozen=True, slots=True)
class TunedGain(Stored):
    """What a constant gained in one metric on persons who had no part in choosing it."""

    better: str
    """Which way is up: `higher` or `lower`."""
    persons: int
    """On how many persons that could be measured."""
    delta: float | None
    """Mean paired difference, constant − pure."""
    low: float | None
    """Lower end of its 95 % interval over persons; None where there is none."""
    high: float | None
    """Its upper end."""
    harmed: float | None
    """Share of the persons who became worse in the mean over their draws."""


@dataclass(frozen=True, slots=True)
class TunedConstant(Stored):
    """One setting for every picture, with what it was chosen on and what it gained."""

    format: int
    """Goes up when the file's form changes."""
    family: str
    """The family whose knobs it turns."""
    model: str
    """What the networks were, in words."""
    weights: dict[str, str]
    """File name → sha256 of the networks' files."""
    recipe: str
    """How inputs were degraded."""
    scale: int
    """HR size / LR size."""
    hr_size: int
    """Pixels of an HR's side."""
    draws: int
    """Degraded inputs that were made of each picture."""
    seed: int
    """What they were drawn from."""
    objective: str
    """The metric by which the setting was chosen."""
    knobs: dict[str, KnobValue]
    """The setting: knobs that do not stand at their defaults. None where pure was best."""
    searched: dict[str, tuple[KnobValue, ...]]
    """Knob → the values that were tried, each with each of the others'."""
    gains: dict[str, TunedGain]
    """Metric → what was gained, each person measured with a setting that was chosen without them."""
    agreed: float
    """Share of the persons without whom the very same setting was chosen."""
    persons: tuple[str, ...]
    """sha256 of the files of the HR pictures that it was tuned on."""
    versions: dict[str, str | None]
    """fsrbench, and the packages whose version may move a number."""
    notes: tuple[str, ...] = ()
    """What a reader must know."""


def place(named: str, family: str) -> Path:
    """The file that a name stands for: itself, FAMILY.json in a folder, or one that comes with fsrbench."""
    if named == SHIPPED:
        return Path(__file__).parents[1] / "models" / "embedded" / "constants" / f"{family}.json"
    path = Path(named).expanduser()
    return path / f"{family}.json" if path.is_dir() else path


def read(named: str, family: str) -> TunedConstant:
    """A tuned constant, read strictly; SettingsError with the cure where it cannot be had or is another family's."""
    path = place(named, family)
    tune = f"Make one: fsrbench tune --family {family} --hr DIR --out FILE."
    try:
        found = jsonfile.read(path, _shape(), tune)
    except FileNotFoundError:
        raise SettingsError(f"There is no tuned constant for the family {family} at {path}. {tune}") from None
    except StoreError as error:
        raise SettingsError(str(error)) from None
    if found.format != FORMAT:
        raise SettingsError(f"{path} has format {found.format}, and this version reads {FORMAT}. {tune}")
    if found.family != family:
        raise SettingsError(f"{path} was tuned for the family {found.family}, and this is {family}. {tune}")
    return found


def basis(named: str, family: str) -> Basis:
    """What a tuned constant rests on."""
    found, path = read(named, family), place(named, family)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return Basis(path, sha256, found.recipe, found.scale, found.weights, frozenset(found.persons))


@functools.cache
def _shape() -> TypeAdapter[TunedConstant]:
    from pydantic import TypeAdapter

    return TypeAdapter(TunedConstant)
