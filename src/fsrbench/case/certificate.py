"""A certificate: how far an arm may be followed so that its chance of harm is bounded, as `fsrbench certify` writes it.

It holds for what it was made for and for nothing else, so all of that stands in it, under a seal.
"""

from __future__ import annotations

import functools
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from fsrbench import __version__
from fsrbench.core.errors import SettingsError, StoreError
from fsrbench.core.stored import Stored, to_json
from fsrbench.core.ways import Basis
from fsrbench.files import jsonfile

if TYPE_CHECKING:
    from pydantic import TypeAdapter

FORMAT = 1
SHIPPED = "shipped"
"""Stands in place of a file's name for the certificates that come with fsrbench, for its embedded networks."""
DIGITS = 6
"""Digits to which a prediction is rounded, so that what was equal in the calibration is equal in a run."""


@dataclass(frozen=True, slots=True)
class RadiusPrediction(Stored):
    """How far an arm may be followed, predicted from what is known of a case without its reference."""

    intercept: float
    """What it says where every feature is zero."""
    weights: dict[str, float]
    """Feature → what it adds for each of its units."""

    def __call__(self, features: Mapping[str, float]) -> float | None:
        """The prediction; None where a feature is missing."""
        if self.missing(features):
            return None
        terms = (weight * features[name] for name, weight in self.weights.items())
        return round(math.fsum([self.intercept, *terms]), DIGITS)

    def missing(self, features: Mapping[str, float]) -> list[str]:
        """Features that it rests on and that are not there."""
        return [name for name in self.weights if name not in features]


@dataclass(frozen=True, slots=True)
class SeenHarm(Stored):
    """What following the arm so far did to those who were calibrated on: they chose the offset, so it is no test."""

    draws: int
    """Inputs, of all calibration persons together, that could be measured."""
    proposed: int
    """Those for which the arm proposed another picture than pure's."""
    followed: int
    """Those of them that would be followed, at least to the first step."""
    harmed: int
    """Those of them that would come out worse in any of the metrics by more than is allowed."""


@dataclass(frozen=True, slots=True)
class Certificate(Stored):
    """What is promised, by what it is kept, and what it rests on."""

    format: int
    """Goes up when the file's form changes."""
    family: str
    """The family."""
    arm: dict[str, Any]
    """Everything of the arm's settings that decides what it proposes."""
    knobs: tuple[str, ...]
    """Knobs that it was offered."""
    prompt: str | None
    """sha256 of the prompt that its auditor was asked with; None where nobody is asked."""
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
    seed: int
    """What the degradations were drawn from."""
    method: Literal["conformal", "learn-then-test"]
    """How the offset was found."""
    alpha: float
    """The share of persons that may be harmed."""
    delta: float | None
    """The chance that more are, of which the calibration may be unlucky; None for the conformal method, whose promise
    is over the calibration persons and the new one together."""
    persons: int
    """Calibration persons that counted."""
    offset: float | None
    """What is taken off a prediction; None where everybody may be followed all the way."""
    steps: tuple[float, ...]
    """How far an arm may be followed: shares of the way from pure to its picture."""
    metrics: dict[str, float]
    """Metric → by how much it may be worse before that is harm."""
    prediction: RadiusPrediction
    """Predicts how far a case may be followed."""
    fitted: tuple[str, ...]
    """sha256 of the files of the HR pictures that the prediction was fitted to."""
    calibrated: tuple[str, ...]
    """The same of those that the offset was found on."""
    seen: SeenHarm
    """What it did to those."""
    versions: dict[str, str | None]
    """fsrbench, and the packages whose version may move a number."""
    notes: tuple[str, ...] = ()
    """What a reader must know."""
    sha256: str = ""
    """The seal: hash of everything else."""

    @property
    def claim(self) -> str:
        """What is promised, in a sentence."""
        metrics = ", ".join(f"{name} by more than {allowed:g}" for name, allowed in self.metrics.items())
        told = (
            f"the chance that a new person, exchangeable with the {self.persons} calibration persons and degraded by "
            f"recipe {self.recipe}, comes out worse than pure in any of these is at most {self.alpha:g}: {metrics}."
        )
        if self.delta is None:
            return told[0].upper() + told[1:]
        return f"With a chance of at least {1 - self.delta:g} over the choice of calibration persons, {told}"

    def reach(self, features: Mapping[str, float]) -> float | None:
        """How far the certificate reaches for a case, steps aside; None where a feature is missing."""
        said = self.prediction(features)
        return None if said is None else lowered(said, self.offset)


def lowered(predicted: float, offset: float | None) -> float:
    """A prediction less the offset; without bound where there is none."""
    return math.inf if offset is None else round(predicted - offset, DIGITS)


def last_step(reach: float, steps: Sequence[float]) -> float:
    """The last step that is within reach; 0 where none is."""
    return max((step for step in steps if step <= reach), default=0.0)


def sealed(certificate: Certificate) -> Certificate:
    """The same, with its seal."""
    return replace(certificate, sha256=_seal(certificate))


def place(named: str, family: str, arm: str) -> Path:
    """The file that a name stands for: itself, FAMILY-ARM.json in a folder, or one that comes with fsrbench."""
    if named == SHIPPED:
        return Path(__file__).parents[1] / "models" / "embedded" / "certificates" / f"{family}-{arm}.json"
    path = Path(named).expanduser()
    return path / f"{family}-{arm}.json" if path.is_dir() else path


def read(path: Path, family: str, arm: str) -> Certificate:
    """A certificate, read strictly; SettingsError with the cure where it cannot be had, was edited or is another's."""
    make = f"Make one: fsrbench certify --family {family} --arm {arm} --hr DIR --out FILE."
    try:
        found = jsonfile.read(path, _shape(), make)
    except FileNotFoundError:
        raise SettingsError(f"There is no certificate for {arm} in the family {family} at {path}. {make}") from None
    except StoreError as error:
        raise SettingsError(str(error)) from None
    if found.format != FORMAT:
        raise SettingsError(f"{path} has format {found.format}, and this version reads {FORMAT}. {make}")
    if found.sha256 != _seal(found):
        raise SettingsError(
            f"{path} was edited after it was sealed, so it promises nothing. Take the file as it was written. {make}"
        )
    if found.versions.get("fsrbench") != __version__:
        made = found.versions.get("fsrbench")
        raise SettingsError(
            f"{path} was made by fsrbench {made}, and this is {__version__}, of which it promises nothing. {make}"
        )
    if found.family != family:
        raise SettingsError(f"{path} was made for the family {found.family}, and this is {family}. {make}")
    return found


def basis(path: Path, certificate: Certificate) -> Basis:
    """What a certificate rests on."""
    persons = frozenset((*certificate.fitted, *certificate.calibrated))
    return Basis(
        path, certificate.sha256, certificate.recipe, certificate.scale, certificate.weights, persons,
        "certify", certificate.hr_size,
    )  # fmt: skip


def _seal(certificate: Certificate) -> str:
    plain = {key: value for key, value in to_json(certificate).items() if key != "sha256"}
    return hashlib.sha256(json.dumps(plain, sort_keys=True, ensure_ascii=True).encode()).hexdigest()


@functools.cache
def _shape() -> TypeAdapter[Certificate]:
    from pydantic import TypeAdapter

    return TypeAdapter(Certificate)
