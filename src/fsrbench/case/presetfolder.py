"""A folder with a well-known set of faces, looked at before anything is made of it: is it that set, and all of it?"""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from fsrbench.case.presets import PRESETS, Persons, Preset, fits
from fsrbench.core.errors import InputError, SettingsError
from fsrbench.core.near import among
from fsrbench.files import csvfile
from fsrbench.imaging import images

TABLE = "persons.csv"
"""Who is on which picture, beside the LR."""
COLUMNS = ("case", "cluster")
"""What the setting `clusters` expects."""
USUAL = {"scale": 4, "hr_size": 512}
"""Settings that a run has unless it is told otherwise."""


@dataclass(frozen=True, slots=True)
class PresetFolder:
    """A set of faces, found."""

    preset: Preset
    """Which it is."""
    folder: Path
    """The folder that holds its pictures."""
    cases: tuple[str, ...]
    """Their names."""
    persons: Persons
    """Who is on them; empty where that is not known."""
    remarks: tuple[str, ...]
    """What whoever uses it must know."""


def look(name: str, folder: Path) -> PresetFolder:
    """Find a set in a folder. What is not that set is refused with the cure; what is only a part of it is said."""
    if name not in PRESETS:
        raise SettingsError(f"There is no preset {name!r}.{among(name, PRESETS)}")
    preset = PRESETS[name]
    get = f"{preset.title} is at {preset.where} ({preset.licence}): fetch it, and name its folder with --hr."
    if not folder.is_dir():
        raise InputError(f"{folder} is not there. {get}")
    root = next((folder / inside for inside in preset.inside if (folder / inside).is_dir()), folder)
    found = images.find(root, below=True)
    if not found:
        raise InputError(f"{root} holds no pictures. {get}")
    strange = [case for case, path in found.items() if not fits(preset, path)]
    if strange:
        some = ", ".join(found[case].relative_to(root).as_posix() for case in strange[:3])
        more = ", …" * (len(strange) > 3)
        raise InputError(
            f"{len(strange)} of {len(found)} pictures in {root} are not called as in {preset.title} ({preset.layout}): "
            f"{some}{more}. Move them away, name the set's own folder with --hr, or leave --preset out."
        )
    remarks = list(_differences(preset, root, found.values()))
    persons: Persons = {}
    if preset.persons is None:
        remarks.append(f"Persons: {preset.how}.")
    else:
        try:
            persons = preset.persons(root, found)
        except FileNotFoundError as error:
            remarks.append(f"Persons: none are known, since {error.filename} is not there. They are read {preset.how}.")
    remarks += [preset.note] if preset.note else []
    return PresetFolder(preset, root, tuple(found), persons, tuple(remarks))


def sharp(name: str, folder: Path) -> PresetFolder:
    """The same of a set that can be degraded; for any other, SettingsError says how it is used."""
    found = look(name, folder)
    if not found.preset.sharp:
        raise SettingsError(
            f"{found.preset.title} holds real low-quality faces that have no reference, so nothing is degraded. "
            f"Restore them as they are: {_command('--lr', found.folder, '--set', 'scale=1')}\n{' '.join(found.remarks)}"
        )
    return found


def next_command(found: PresetFolder, lr: Path, scale: int, hr_size: int, persons: Path | None) -> str:
    """What is typed to restore what was made, with the settings that go with it."""
    own = {"scale": scale, "hr_size": hr_size}
    changes = [f"{name}={value}" for name, value in own.items() if value != USUAL[name]]
    changes += [f"clusters={persons}"] if persons else []
    return _command("--hr", found.folder, "--lr", lr, *(word for change in changes for word in ("--set", change)))


def _command(*words: object) -> str:
    return shlex.join(["fsrbench", "run", *map(str, words)])


def write_persons(found: PresetFolder, lr: Path, cases: Iterable[str]) -> Path | None:
    """Add these cases to the table of persons beside the LR; None where nobody is known."""
    rows = {case: found.persons[case] for case in cases if case in found.persons}
    if not rows:
        return None
    table = lr / TABLE
    before = {row["case"]: row["cluster"] for row in csvfile.read(table, COLUMNS)}
    csvfile.write(table, COLUMNS, sorted({**before, **rows}.items()))
    return table


def _differences(preset: Preset, root: Path, paths: Iterable[Path]) -> Iterable[str]:
    """How this folder differs from the published set; the size is that of the first picture."""
    pictures = list(paths)
    if len(pictures) != preset.count:
        there = f"Pictures in {root}: {len(pictures):,}; in {preset.title}: {preset.count:,}."
        yield f"{there} Numbers are not those of the whole set."
    first = images.read(pictures[0])
    if first.shape[:2] != (preset.size, preset.size):
        seen = f"{first.shape[1]}×{first.shape[0]}"
        yield f"{pictures[0].name} has {seen} pixels; those of {preset.title} have {preset.size}×{preset.size}."
