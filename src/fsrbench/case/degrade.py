"""HR → LR: a folder of faces through one recipe, with every drawn value in `degradations.csv`.

Randomness belongs to (seed, case id): neither the order of files nor the number of workers changes a byte.
The same table, given back, makes the same pictures again, from the values and not from the seed, so that it
survives a change of the recipe's drawing. How the table is written and read is `degradations.py`; what the stages do
is in `recipes/`, and the paper's ranges are there too.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fsrbench.case import degradations
from fsrbench.case.degradations import FORMAT, HEAD, TABLE, TAIL
from fsrbench.core import execute, plugins
from fsrbench.core.errors import InputError, SettingsError, StoreError, sentence
from fsrbench.core.values import derive_seed
from fsrbench.files import atomic
from fsrbench.imaging import images, png

if TYPE_CHECKING:
    from fsrbench.core.stored import KnobValue
    from fsrbench.core.values import Image

CROPPING_CURE = "Where a face is not in the middle, cut a square around it first."
SMALLEST_LR = 8
"""Shorter sides of an LR are refused: no network and no metric can do anything with them."""


@dataclass(frozen=True, slots=True)
class DegradeReport:
    """What `degrade` did."""

    done: tuple[str, ...]
    """Case ids whose LR is there now."""
    failed: tuple[tuple[str, str], ...]
    """(case, why): nothing was written for these."""
    notes: tuple[tuple[str, str], ...]
    """(case, note): done, but worth knowing."""
    cropped: tuple[tuple[str, str], ...]
    """(case, what was kept): pictures that are not square, of which the centre square was taken."""
    table: Path
    """The table that was written."""
    persons: Path | None = None
    """The table of who is on which picture, of a well-known set that says so."""
    remarks: tuple[str, ...] = ()
    """What is worth knowing of that set."""
    following: str = ""
    """The command that restores what was made of it."""

    @property
    def cropping(self) -> str:
        """How many pictures were cropped, the first of them, and the cure; empty where none was."""
        if not self.cropped:
            return ""
        some = ", ".join(f"{case}: {kept}" for case, kept in self.cropped[:3]) + ", …" * (len(self.cropped) > 3)
        are = "is" if len(self.cropped) == 1 else "are"
        return (
            f"{len(self.cropped)} of {len(self.done)} pictures {are} not square: only the centre square is used, here "
            f"and as reference ({some}; column crop of {TABLE}). {CROPPING_CURE}"
        )


@dataclass(frozen=True, slots=True)
class _Job:
    """One picture to degrade."""

    case: str
    source: str
    """Its path below the HR folder."""
    recipe: str
    scale: int
    hr_size: int
    seed: int
    values: Mapping[str, KnobValue | str]
    hr_sha256: str = ""
    """What the HR file must be; empty where anything goes."""
    lr_sha256: str = ""
    """What the LR must become; empty where anything goes."""
    where: str = ""
    """Table and row, for messages."""


@dataclass(frozen=True, slots=True)
class _Folders:
    """Where pictures come from and go to: the same for all jobs."""

    hr: Path
    lr: Path
    max_pixels: int
    max_bytes: int
    present: frozenset[str]
    """Names of the pictures that were in the LR folder before."""
    earlier: Mapping[str, Mapping[str, str]]
    """Rows of the LR folder's table as it was before."""


def standardise(hr: Image, size: int) -> Image:
    """The reference of a case: centre square, `size` pixels a side, 8 bits deep as if it had been stored.

    Degradation starts from it and evaluation compares with it; no copy is kept.
    """
    return images.as_stored(images.fit_square(hr, size))


def degrade(
    hr: Path,
    lr: Path,
    *,
    recipe: str = "paper",
    scale: int = 4,
    hr_size: int = 512,
    seed: int = 0,
    table: Path | None = None,
    workers: int = 1,
    max_pixels: int = images.MAX_PIXELS,
    max_bytes: int = images.MAX_BYTES,
    track: execute.Track = execute.untracked,
) -> DegradeReport:
    """Degrade every picture of `hr` into `lr`. With `table`, recipe, scale, size, seed and values are its rows'.

    One bad picture is reported and the rest go on. `track` shows progress as they are finished.
    """
    if workers < 1:
        raise SettingsError(f"workers is {workers}; it must be at least 1.")
    if hr.resolve() == lr.resolve():
        raise SettingsError(f"LR would be written over HR: both folders are {hr}. Name another one with --lr.")
    if table is None:
        check_sizes(scale, hr_size)
        jobs = _draw_jobs(hr, recipe, scale, hr_size, seed)
    else:
        images.find(hr, below=True)  # the same refusals as without a table: no folder, two files with one stem
        jobs = _read_jobs(table)
    rows = degradations.read(lr / TABLE) if (lr / TABLE).exists() else {}
    present = (
        frozenset(p.name for p in lr.iterdir() if p.suffix.lower() in images.SUFFIXES) if lr.is_dir() else frozenset()
    )
    folders = _Folders(hr, lr, max_pixels, max_bytes, present, dict(rows))
    done: list[str] = []
    failed: list[tuple[str, str]] = []
    try:
        outcomes = execute.run(partial(_attempt, folders), jobs, workers)
        for case, outcome in track("degrade", outcomes, len(jobs)):
            if isinstance(outcome, str):
                failed.append((case, outcome))
            else:
                rows[case] = outcome
                done.append(case)
    finally:
        if done:  # what was made is recorded also when the rest did not come about
            degradations.write(lr / TABLE, rows)
    notes = tuple((case, rows[case]["note"]) for case in sorted(done) if rows[case]["note"])
    cropped = tuple((case, rows[case]["crop"]) for case in sorted(done) if rows[case]["crop"])
    return DegradeReport(tuple(sorted(done)), tuple(sorted(failed)), notes, cropped, lr / TABLE)


def check_sizes(scale: int, hr_size: int) -> None:
    """Sizes that cannot be made are refused before anything is read."""
    if scale < 1 or hr_size < 1:
        raise SettingsError(f"scale {scale} and hr-size {hr_size} must both be at least 1.")
    if hr_size**2 > images.MAX_PIXELS:
        raise SettingsError(f"hr-size {hr_size} is beyond {images.MAX_PIXELS:,} pixels a picture. Take a smaller one.")
    if hr_size % scale:
        near = max(round(hr_size / scale), 1) * scale
        raise SettingsError(f"hr-size {hr_size} cannot be divided by scale {scale}. Take {near}.")
    if hr_size // scale < SMALLEST_LR:
        raise SettingsError(
            f"hr-size {hr_size} at scale {scale} gives LR under {SMALLEST_LR} pixels. Take a larger one."
        )


# ------------------------------------------------------------------ one picture


def _attempt(folders: _Folders, job: _Job) -> tuple[str, dict[str, str] | str]:
    """A picture's row of the table, or why there is none."""
    try:
        return job.case, _make(job, folders)
    except StoreError:
        raise  # where one cannot be written, none can
    except Exception as error:
        return job.case, sentence(error)


def _make(job: _Job, folders: _Folders) -> dict[str, str]:
    """Degrade one picture, store it, and return its row of the table."""
    path, where = folders.hr / job.source, f"{job.where}: " if job.where else ""
    try:
        picture = images.read(path, max_pixels=folders.max_pixels, max_bytes=folders.max_bytes)
    except InputError as error:
        raise InputError(f"{where}{error}") from None
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    if job.hr_sha256 and sha256 != job.hr_sha256:
        raise InputError(f"{where}column hr_sha256 is not the hash of {path}: put the original picture back.")
    recipe = plugins.load("recipes", job.recipe)
    try:
        image = images.check(recipe.apply(standardise(picture, job.hr_size), job.values, job.scale), job.case)
    except ValueError as error:
        if not job.where:
            raise  # drawn values always fit: this is a bug of the recipe
        raise InputError(f"{where}a value cannot be used: {error}.") from None
    pixels = images.to_8bit(image)
    made = images.hash_8bit(pixels)
    if job.lr_sha256 and made != job.lr_sha256:
        raise InputError(
            f"{where}the values give other pixels than column lr_sha256 says: they were edited, or this is another "
            "version of NumPy or OpenCV. To take the new pixels, empty that cell."
        )
    _guard(job.case, made, folders)
    atomic.write_bytes(folders.lr / f"{job.case}.png", png.encode(pixels))
    height, width = picture.shape[:2]
    small = min(height, width) < job.hr_size
    row: dict[str, KnobValue | str] = {
        "format": FORMAT,
        "case": job.case,
        "source": job.source,
        "hr_sha256": sha256,
        "recipe": job.recipe,
        "scale": job.scale,
        "hr_size": job.hr_size,
        "seed": job.seed,
        **job.values,
        "crop": _crop(height, width),
        "lr_sha256": made,
        "note": f"HR has {width}×{height} pixels and was enlarged to {job.hr_size}" if small else "",
    }
    return {name: degradations.text(value) for name, value in row.items()}


def _crop(height: int, width: int) -> str:
    """What is kept of a picture that is not square, as `480x480+80+0 of 640x480`: size, left, top."""
    top, left, side = images.centre_square(height, width)
    return "" if height == width else f"{side}x{side}+{left}+{top} of {width}x{height}"


def _guard(case: str, made: str, folders: _Folders) -> None:
    """Never write over a picture that this command did not make, unless it is the same picture."""
    target = folders.lr / f"{case}.png"
    if others := sorted(name for name in folders.present if Path(name).stem == case and name != target.name):
        raise InputError(f"{folders.lr / others[0]} is there already, and {target.name} would share its name. Move it.")
    if target.name not in folders.present:
        return
    try:
        present = images.pixel_hash(images.read(target))
    except InputError:
        present = "unreadable"
    recorded = folders.earlier[case]["lr_sha256"] if case in folders.earlier else ""
    if present not in (made, recorded):
        raise InputError(
            f"{target} is there already and was not made by this command ({TABLE} does not hold it as it is). "
            "Move it away, or name another folder with --lr."
        )


# ------------------------------------------------------------------------ jobs


def _draw_jobs(hr: Path, recipe: str, scale: int, hr_size: int, seed: int) -> list[_Job]:
    plugin = plugins.load("recipes", recipe)
    if clash := {*HEAD, *TAIL} & {*plugin.columns}:
        raise SettingsError(f"Recipe {recipe} draws {', '.join(sorted(clash))}, a name that {TABLE} needs. Rename it.")
    found = images.find(hr, below=True)
    if not found:
        raise InputError(f"{hr} holds no pictures ({', '.join(images.SUFFIXES)}). Put some there, or name another one.")
    return [
        _Job(case, path.relative_to(hr).as_posix(), recipe, scale, hr_size, seed, plugin.draw(_rng(seed, case)))
        for case, path in found.items()
    ]


def _rng(seed: int, case: str) -> np.random.Generator:
    return np.random.default_rng(derive_seed(seed, "degrade", case))


def _read_jobs(table: Path) -> list[_Job]:
    """All rows, checked cell by cell before anything is made."""
    jobs = []
    for number, (case, row) in enumerate(degradations.read(table).items(), 2):
        where = f"{table} row {number}"
        degradations.check_source(row, where)
        for name, empty in (("hr_sha256", False), ("lr_sha256", True)):
            if not re.fullmatch("[0-9a-f]{64}", row[name]) and not (empty and row[name] == ""):
                raise InputError(f"{where}: column {name} {row[name]!r} is not a sha256.")
        scale, hr_size, seed = (degradations.parse(row, name, 0, where) for name in ("scale", "hr_size", "seed"))
        try:
            check_sizes(scale, hr_size)
            recipe = plugins.load("recipes", row["recipe"])
        except SettingsError as error:
            raise InputError(f"{where}: {error}") from None
        samples = recipe.draw(np.random.default_rng(0))  # for the type of each column
        if row["format"] != str(FORMAT):
            row = row | {name: degradations.text(value) for name, value in recipe.earlier.items() if not row.get(name)}
        values = {name: degradations.parse(row, name, sample, where) for name, sample in samples.items()}
        hashes = (row["hr_sha256"], row["lr_sha256"])
        jobs.append(_Job(case, row["source"], row["recipe"], scale, hr_size, seed, values, *hashes, where))
    return jobs
