"""The pictures of a finished case that judges are shown: what its arms ended with, and what they could have ended with.

A picture that is not stored is made again from its operations, and taken only if it comes out as it did.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from fsrbench.case import making
from fsrbench.core.contracts import Machine
from fsrbench.core.errors import StoreError
from fsrbench.core.operations import Operation
from fsrbench.core.values import PURE, Image, Trail, derive_seed
from fsrbench.imaging import images
from fsrbench.study import families
from fsrbench.study.families import OpenFamily
from fsrbench.study.schema import Settings
from fsrbench.study.store import RunFolder, read_made


@dataclass(frozen=True, slots=True)
class CasePicture:
    """One picture of a case."""

    name: str
    """What it is, in words."""
    sha256: str
    """Hash of its pixels."""
    path: Path
    """Where it lies, if it was stored."""
    operations: tuple[Operation, ...]
    """How it is made again."""


@dataclass(frozen=True, slots=True)
class CasePictures:
    """All that are shown of one case; no two have the same pixels."""

    pictures: tuple[CasePicture, ...]
    """What arms ended with first, pure at the head."""
    arms: dict[str, int]
    """Arm → the one that it ended with."""


def of_case(folder: RunFolder, trail: Trail, arms: list[str], most: int, seed: int) -> CasePictures:
    """What these arms ended with, and at most so many others that were kept or can be made again."""
    found: dict[str, CasePicture] = {}
    ended: dict[str, int] = {}
    for arm in arms:
        done = trail.final(arm)
        found.setdefault(done.sha256, CasePicture(arm, done.sha256, folder.root / done.path, done.operations))
        ended[arm] = list(found).index(done.sha256)
    others: dict[str, CasePicture] = {}
    for one in _others(folder, trail):
        if one.sha256 not in found:
            others.setdefault(one.sha256, one)
    drawn = list(others.values())
    if len(drawn) > most:
        places = random.Random(derive_seed(seed, "candidates", trail.family, trail.case)).sample(
            range(len(drawn)), most
        )
        drawn = [drawn[place] for place in sorted(places)]
    return CasePictures((*found.values(), *drawn), ended)


def _others(folder: RunFolder, trail: Trail) -> Iterator[CasePicture]:
    """What arms made on their way: the pictures of earlier rounds, and candidates that were not chosen."""
    for step in trail.rounds:
        if step.arm == PURE:
            continue
        done = step.restoration
        name = f"{step.arm} round {step.number}"
        yield CasePicture(name, done.sha256, folder.root / done.path, done.operations)
        for number, one in enumerate(step.candidates):
            path = folder.root / folder.candidate_name(trail.family, step.arm, trail.case, step.number, number)
            yield CasePicture(f"{step.arm} candidate {number}", one.sha256, path, one.operations)


@dataclass(frozen=True, slots=True)
class Developer:
    """Reads pictures of a run, or makes them again; a family's network is opened when it is first needed."""

    folder: RunFolder
    """The run."""
    settings: Settings
    """Its settings."""
    machine: Machine
    """Where networks run."""
    opened: dict[str, OpenFamily] = field(default_factory=dict)
    """Families, as far as they were needed."""
    turn: Lock = field(default_factory=Lock)
    """One is opened at a time."""

    def __call__(self, family: str, picture: CasePicture, lr: Image) -> Image:
        """The picture; StoreError where it is not what it was."""
        if picture.path.is_file():
            return read_made(picture.path, picture.sha256)
        opened = self._family(family)
        made = making.replay(picture.operations, lr, opened.pipeline.for_case(), opened)
        if made.sha256 != picture.sha256:
            raise StoreError(
                f"{picture.name} comes out differently when it is made again on this machine. Leave out what is not "
                "stored: --candidates 0."
            )
        return made.image

    def _family(self, family: str) -> OpenFamily:
        with self.turn:
            if family not in self.opened:
                alone = self.settings.model_copy(update={"arms": {}})
                self.opened[family] = families.open_family(family, alone, self.machine, {}, None, self.folder)
            return self.opened[family]


def input_of(path: Path, sha256: str, bounds: dict[str, int]) -> Image:
    """The LR of a case, if it is the one that was restored."""
    lr, digest = images.read_hashed(path, **bounds)
    if digest != sha256:
        raise StoreError(f"{path} is not the picture that was restored in this run. Put it back.")
    return lr
