"""What a family's settings `models` and `model` mean, for all backends: which file, and what it is called in tables.

A path wins over everything. `models: embedded` takes the small network in the package, whatever official name
`model` holds; `models: official` takes that name, or the backend's default. Opening the file is the backend's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fsrbench.core.errors import SettingsError
from fsrbench.core.near import near
from fsrbench.imaging import images
from fsrbench.models import weights

if TYPE_CHECKING:
    from fsrbench.core.contracts import Machine
    from fsrbench.core.values import Image

EMBEDDED = "embedded"


@dataclass(frozen=True, slots=True)
class ChosenWeights:
    """One checkpoint, chosen."""

    path: Path
    """The file."""
    sha256: str
    """What is in it."""
    label: str
    """For tables: `x4v3`, `x4v3 (not the official file)`, `mine (own file)`, or `embedded`, to be completed."""
    name: str | None
    """The official name it goes by, in content or at least in file name; None for all others."""
    own: bool
    """The user gave its path: sister files are looked for beside it and nowhere else."""

    @property
    def weights(self) -> dict[str, str]:
        """For the study's record."""
        return {self.path.name: self.sha256}

    def model(self, *what: str) -> str:
        """The label; for an embedded network with what it is, since there is no other name for it."""
        return f"{EMBEDDED} ({', '.join(what)})" if self.label == EMBEDDED else self.label


def choose(
    family: str, settings: Mapping[str, Any], official: Mapping[str, str], default: str, machine: Machine
) -> ChosenWeights:
    """From a family's settings to a file. `official` maps the backend's model names to file names."""
    model = settings.get("model")
    models = settings.get("models", EMBEDDED)
    if model is not None and str(model) not in official:
        return _own(Path(str(model)).expanduser(), official)
    if models == EMBEDDED:
        path = weights.embedded(family)
        return ChosenWeights(path, weights.sha256(path), EMBEDDED, None, own=False)
    if models != "official":
        raise SettingsError(f"models is {models!r}; it may be embedded or official.")
    name = str(model) if model is not None else default
    found = weights.locate(official[name], offline=machine.offline)
    return _named(found, name, official, own=False)


def twin(choice: ChosenWeights, file: str, machine: Machine) -> ChosenWeights | None:
    """The sister file of an official network, or None where there is none."""
    if choice.name is None:
        return None
    beside = choice.path.with_name(file)
    if choice.own and not beside.is_file():
        return None
    found = weights.locate(file, explicit=beside if choice.own else None, offline=machine.offline)
    return ChosenWeights(found.path, found.sha256, file, None, choice.own)


def to_target(image: Image, lr: Image, target: int) -> Image:
    """Bring a result to the size that all results of a study have."""
    return images.resize(image, lr.shape[1] * target, lr.shape[0] * target)


def _own(path: Path, official: Mapping[str, str]) -> ChosenWeights:
    """A file that the user named."""
    if not path.exists():
        hint = near(str(path), official)
        known = ", ".join(official)
        raise SettingsError(f"model is {path}, which is neither a file nor a known name ({known}).{hint}")
    found = weights.identify(path)
    name = next((n for n, file in official.items() if file == path.name), None)
    if name is None and found.weight is None:
        return ChosenWeights(path, found.sha256, f"{path.stem} (own file)", None, own=True)
    return _named(found, name or path.stem, official, own=True)


def _named(found: weights.FoundWeights, name: str, official: Mapping[str, str], *, own: bool) -> ChosenWeights:
    """A file under an official name: it is called so if that is what it holds."""
    for known, file in official.items():
        if found.weight is not None and found.weight.name == file:
            return ChosenWeights(found.path, found.sha256, known, known, own)
    known_as = name if name in official else None
    return ChosenWeights(found.path, found.sha256, f"{name} (not the official file)", known_as, own)
