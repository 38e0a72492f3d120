"""The well-known sets of faces: where each is had, how it lies in a folder, who is on its pictures.

Nothing is downloaded: a preset reads the folder that the user has. How that is looked at is in `presetfolder.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from fsrbench.core.errors import InputError
from fsrbench.files import atomic

Persons: TypeAlias = dict[str, str]
"""Case → person."""
IDENTITIES, MAPPING = "identity_CelebA.txt", "CelebA-HQ-to-CelebA-mapping.txt"
"""CelebA's own tables: of its pictures' persons, and of the CelebA picture from which each of CelebA-HQ was made."""
MAX_BYTES = 50_000_000
"""Bytes of such a table: CelebA's have some five million."""


@dataclass(frozen=True, slots=True)
class Preset:
    """A well-known set of faces."""

    title: str
    """What people call it."""
    where: str
    """Where to get it."""
    licence: str
    """What it may be used for."""
    count: int
    """Pictures in the whole set."""
    size: int
    """Pixels of a picture's side."""
    layout: str
    """Paths of its pictures, in words."""
    path: str
    """The same as a pattern for `FOLDER/NAME` of a picture."""
    hr_size: int = 512
    """Size of the references that are made of it."""
    inside: tuple[str, ...] = ()
    """Folders of the set, one of which may hold the pictures."""
    persons: Callable[[Path, Iterable[str]], Persons] | None = None
    """From its folder and its cases to who is on them; None where nobody knows."""
    how: str = ""
    """How persons are read, or what is known of them."""
    sharp: bool = True
    """Can its pictures be references? Those of real low quality have none, and are restored as they are."""
    note: str = ""
    """What whoever uses it must know."""


def of_lfw(_folder: Path, cases: Iterable[str]) -> Persons:
    """`Ana_Guevara_0003` shows Ana_Guevara."""
    return {case: case.rpartition("_")[0] for case in cases}


def of_celeba(folder: Path, cases: Iterable[str]) -> Persons:
    """By CelebA's table; numbers are CelebA-HQ's where the table of those lies beside it, and CelebA's otherwise.

    InputError, with the cure, where the tables do not know a picture; FileNotFoundError where there is none of persons.
    """
    identities = dict(_rows(folder, IDENTITIES, 2))
    try:
        originals = {number: original for number, _, original in _rows(folder, MAPPING, 3)}
    except FileNotFoundError:
        originals = None
    found: Persons = {}
    for case in cases:
        original = f"{case}.jpg" if originals is None else originals.get(str(int(case)), "")
        if original not in identities:
            table = IDENTITIES if originals is None else f"{MAPPING} and {IDENTITIES}"
            raise InputError(
                f"{table} beside the pictures do not say who is on {case}. Pictures are called by their number in "
                f"CelebA-HQ (with {MAPPING}) or in CelebA (without): put the right tables there, or take them away."
            )
        found[case] = identities[original]
    return found


def _rows(folder: Path, name: str, columns: int) -> Iterable[list[str]]:
    """Lines of one of CelebA's tables, in the folder or above it, as words; FileNotFoundError where it is not there."""
    path = next((one / name for one in (folder, folder.parent) if (one / name).is_file()), folder / name)
    try:
        lines = atomic.read_bytes(path, MAX_BYTES).decode().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise InputError(f"{path} cannot be read: {error}. Fetch it again, or take it away.") from None
    rows = [line.split() for line in lines if line.strip()]
    if wrong := next((number for number, row in enumerate(rows, 1) if len(row) != columns), None):
        raise InputError(f"{path} line {wrong} does not hold {columns} words. Fetch it again, or take it away.")
    return rows


PRESETS: Mapping[str, Preset] = {
    "celeba-test": Preset(
        title="CelebA-Test",
        where="https://github.com/sczhou/CodeFormer or https://xinntao.github.io/projects/gfpgan (testing datasets)",
        licence="CelebA: non-commercial research",
        count=3000,
        size=512,
        layout="one folder of pictures called by a number",
        path=r".*/\d{1,8}\.(png|jpg)",
        persons=of_celeba,
        how=f"from {IDENTITIES}, and {MAPPING} where pictures are numbered as in CelebA-HQ; both from "
        "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html, beside the pictures or in the folder above",
    ),
    "ffhq": Preset(
        title="FFHQ",
        where="https://github.com/NVlabs/ffhq-dataset",
        licence="CC BY-NC-SA 4.0; single pictures have their photographers' licences",
        count=70_000,
        size=1024,
        layout="00000/00000.png to 69000/69999.png, or all in one folder",
        path=r".*/\d{5}\.(png|jpg)",
        inside=("images1024x1024",),
        how="not known: each picture counts as a person of its own, though some are on several",
    ),
    "lfw": Preset(
        title="LFW",
        where="http://vis-www.cs.umass.edu/lfw/ (lfw.tgz)",
        licence="research; the photographs are press agencies'",
        count=13_233,
        size=250,
        layout="Ana_Guevara/Ana_Guevara_0001.jpg, a folder for each person",
        path=r"(.+)/\1_\d{4}\.(jpg|png)",
        hr_size=248,
        inside=("lfw", "lfw_funneled", "lfw-deepfunneled"),
        persons=of_lfw,
        how="from the folders",
        note="Its faces are smaller than aligned ones: the prior family needs faces.detector to find them.",
    ),
    "wider": Preset(
        title="WIDER-Test",
        where="https://github.com/sczhou/CodeFormer (testing datasets)",
        licence="WIDER FACE: non-commercial research",
        count=970,
        size=512,
        layout="one folder of pictures",
        path=r".*\.(png|jpg)",
        how="not known",
        sharp=False,
        note="They are crops at full size: scale=1 keeps that size. Metrics with a reference cannot be measured.",
    ),
}
"""The sets, by the names that `degrade --preset` knows."""


def fits(preset: Preset, path: Path) -> bool:
    """Is a picture called as the set calls its pictures?"""
    return re.fullmatch(preset.path, f"{path.parent.name}/{path.name}") is not None
