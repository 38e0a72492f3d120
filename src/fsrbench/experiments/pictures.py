"""Files and whole folders of pictures restored, without an experiment around them.

A folder keeps its tree. A picture that cannot be restored is told and the others go on. What is finished is not made
again: the folder's journal remembers of what each picture was made (its bytes, every setting that decides pixels, the
network's files) and that its file is still as it was written. Nothing is written over an input, nor over a picture that
was not made here.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from fsrbench import __version__
from fsrbench.core import execute
from fsrbench.core.contracts import Assuming, Machine
from fsrbench.core.errors import CostLimitReached, InputError, SettingsError, StoreError, sentence
from fsrbench.core.values import Image
from fsrbench.experiments.facecrops import FaceCrops
from fsrbench.experiments.single import PictureRestorer
from fsrbench.files import atomic, names
from fsrbench.files.journal import Journal
from fsrbench.imaging import images
from fsrbench.study.store import RunFolder

SAVED_EVERY = 16
"""Pictures after which the journal is saved: a process that is killed makes no more than these again."""


@dataclass(frozen=True, slots=True)
class Job:
    """One picture to restore."""

    source: Path
    """Where it lies."""
    target: Path
    """Where its restoration goes."""
    name: str
    """What it is called in what is said: its path below what was given."""
    product: str
    """What its restoration is called in the journal: its path below the folder of results."""


@dataclass(frozen=True, slots=True)
class RestoreReport:
    """What `restore_all` did."""

    done: tuple[str, ...]
    """Pictures that were restored now."""
    kept: tuple[str, ...]
    """Pictures that were there already, made by the same settings."""
    failed: tuple[tuple[str, str], ...]
    """(picture, why): nothing was written for these."""
    notes: tuple[tuple[str, str], ...]
    """(picture, note): restored, but worth knowing."""
    model: str
    """The network, in words."""
    assumption: str
    """What it takes for granted about pictures; empty where nothing is."""
    out: Path
    """The folder, or the one file, that they were written to."""


@dataclass(frozen=True, slots=True)
class Jobs:
    """What is to be restored, and where to."""

    out: Path
    """The folder of the results, or the one file."""
    jobs: tuple[Job, ...]
    """Pictures that can be tried."""
    failed: tuple[tuple[str, str], ...]
    """(picture, why): those that cannot."""

    @property
    def named(self) -> bool:
        """Is the result one file that the user named?"""
        return _is_file(self.out)


def restore_all(
    planned: Jobs,
    restorer: PictureRestorer,
    machine: Machine,
    crops: FaceCrops | None = None,
    workers: int = 1,
    track: execute.Track = execute.untracked,
) -> RestoreReport:
    """Restore what was planned, unless it is there already, made of the same."""
    folder = RunFolder(planned.out)
    done: dict[str, tuple[str, ...]] = {}
    kept: list[str] = []
    failed = list(planned.failed)
    with nullcontext() if planned.named else folder.locked():
        journal = Journal(None) if planned.named else folder.journal
        work = _Work(restorer, crops, _decisive(restorer, machine), journal, planned.named)
        restorer.patient(True)
        outcomes = execute.run(work.attempt, planned.jobs, workers, lambda: restorer.patient(False))
        try:
            for outcome in track("restore", outcomes, len(planned.jobs)):
                if outcome.why:
                    failed.append((outcome.job.name, outcome.why))
                elif not outcome.made:
                    kept.append(outcome.job.name)
                else:
                    done[outcome.job.name] = outcome.notes
                    for product, files in outcome.made.items():
                        journal.made(product, outcome.made_of, files)
                    if len(done) % SAVED_EVERY == 0:
                        journal.save()
        finally:
            journal.save()
    network = restorer.restorer
    return RestoreReport(
        tuple(sorted(done)),
        tuple(sorted(kept)),
        tuple(sorted(failed)),
        tuple((name, note) for name in sorted(done) for note in done[name]),
        network.model,
        network.assumption if isinstance(network, Assuming) else "",
        planned.out,
    )


# ------------------------------------------------------------------ which pictures


def plan(inputs: Sequence[Path], out: Path, besides: Sequence[Path] = ()) -> Jobs:
    """The pictures to restore, each with its place below the folder `out`, or one with the file of that name.

    What lies in `out`, or in one of the folders `besides`, is no input: results may lie below the pictures.
    """
    if not inputs:
        raise InputError("No picture was named. Name files or folders: fsrbench restore photos.")
    if _is_file(out):
        if len(inputs) > 1 or inputs[0].is_dir():
            raise SettingsError(f"--out {out} is one file, and there may be several pictures. Name a folder.")
        if out.suffix.lower() != ".png":
            raise SettingsError(f"--out {out}: restored pictures are stored without loss, as PNG. End it in .png.")
    if RunFolder(out).study_file.is_file():
        raise SettingsError(f"{out} holds a run, and its pictures would get mixed up. Use another --out.")
    for one in inputs:
        if one.is_dir() and one.resolve() == out.resolve():
            raise SettingsError(f"--out is the folder of the pictures itself, {out}. Name another one.")
    several = len(inputs) > 1
    places = [place for one in inputs for place in _pictures(one, several, [out, *besides])]
    if not places:
        kinds = ", ".join(images.SUFFIXES)
        raise InputError(f"{', '.join(map(str, inputs))}: no pictures are there ({kinds}).")
    sources = {source.resolve() for source, _ in places}
    jobs: list[Job] = []
    failed: list[tuple[str, str]] = []
    taken: dict[str, Path] = {}
    for source, place in places:
        name = place.as_posix()
        product = Path(out.name) if _is_file(out) else place.parent / names.of(images.case_id(place), ".png")
        target = out if _is_file(out) else out / product
        if not name.isprintable():
            failed.append((ascii(name), "Its name holds characters that are no text. Rename it."))
        elif target.resolve() in sources:
            failed.append((name, f"{target} is one of the pictures, and is not written over. Use another --out."))
        elif (twin := taken.setdefault(str(target).casefold(), source)) != source:
            failed.append((name, f"{source} and {twin} would both become {target}. Rename one of them."))
        else:
            jobs.append(Job(source, target, name, product.as_posix()))
    return Jobs(out, tuple(jobs), tuple(failed))


def _pictures(given: Path, several: bool, leave: Sequence[Path]) -> Iterator[tuple[Path, Path]]:
    """A file, or every picture below a folder, each with its place among the results; hidden ones are left out.

    A folder that is one of several keeps its own name, too.
    """
    if not given.is_dir():
        yield given, Path(given.name)
        return
    root = Path(given.resolve().name) if several else Path()
    left = {one.resolve() for one in leave}
    for folder, below, files in os.walk(given):
        here = Path(folder)
        below[:] = sorted(n for n in below if not n.startswith(".") and (here / n).resolve() not in left)
        for name in sorted(files):
            path = here / name
            if path.suffix.lower() in images.SUFFIXES and not name.startswith("."):
                yield path, root / path.relative_to(given)


def _is_file(out: Path) -> bool:
    """Is this the name of one picture, and not of a folder?"""
    return out.suffix.lower() in images.SUFFIXES and not out.is_dir()


# ------------------------------------------------------------------- one picture


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What came of one picture."""

    job: Job
    """The picture."""
    made_of: str = ""
    """Hash of what decided its pixels."""
    made: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)
    """Product → the files of it that were written; nothing where all was there already."""
    notes: tuple[str, ...] = ()
    """What is worth knowing."""
    why: str = ""
    """Why it failed; empty where it did not."""


@dataclass(frozen=True, slots=True)
class _Work:
    """What is needed for every picture."""

    restorer: PictureRestorer
    """Restores."""
    crops: FaceCrops | None
    """Cuts out faces, where they are wanted."""
    decisive: str
    """Everything but the picture that decides pixels."""
    journal: Journal
    """What the folder remembers."""
    named: bool
    """Is the target a file that the user named? What lies there is then replaced."""

    def attempt(self, job: Job) -> _Outcome:
        """Restore one picture, unless that is done; what a user can mend is told."""
        try:
            return self._attempt(job)
        except (StoreError, CostLimitReached):
            raise  # where one cannot be written or paid, none can
        except Exception as error:
            return _Outcome(job, why=sentence(error))

    def _attempt(self, job: Job) -> _Outcome:
        known = self.journal.sha256(job.source)
        products = [job.product, *([self._faces(job)] if self.crops else [])]
        if known and all(self.journal.fresh(product, self._made_of(job, known)) for product in products):
            return _Outcome(job)
        lr, digest = images.read_hashed(job.source, **self.restorer.settings.limits.of_pictures())
        done = self.restorer(images.case_id(job.source), lr)
        notes, wanted = done.notes, {job.product: {job.target: done.image}}
        if self.crops is not None:
            found = wanted[self._faces(job)] = self.crops.of(Path(job.product), lr, done.image)
            notes += () if found else ("no face found, so none was saved",)
        for product, files in wanted.items():
            if not (self.named and product == job.product):
                self._guard(product, files)
        for files in wanted.values():
            for path, image in files.items():
                write = atomic.write_named if self.named else atomic.write_bytes
                write(path, images.encode(image))
        made = {product: tuple(files) for product, files in wanted.items()}
        return _Outcome(job, self._made_of(job, digest), made, notes)

    def _guard(self, product: str, files: Mapping[Path, Image]) -> None:
        """Never write over a picture that was not made here, unless it is the same picture."""
        if self.journal.intact(product):
            return
        for path, image in files.items():
            if path.exists() and not _holds(path, image):
                raise InputError(f"{path} is there already and was not made here. Move it away, or use another folder.")

    def _faces(self, job: Job) -> str:
        """The product that the faces of a picture are; they may go to another folder the next time."""
        return f"faces of {job.product} in {self.crops.folder.resolve().as_posix() if self.crops else ''}"

    def _made_of(self, job: Job, source: str) -> str:
        parts = [self.decisive, images.case_id(job.source), source]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _holds(path: Path, image: Image) -> bool:
    """Is this the picture that a file holds?"""
    try:
        return images.pixel_hash(images.read_stored(path)) == images.pixel_hash(image)
    except InputError:
        return False


def _decisive(restorer: PictureRestorer, machine: Machine) -> str:
    """Everything that decides pixels, whichever the picture is."""
    about: Mapping[str, object] = {
        "fsrbench": __version__,
        "settings": restorer.settings.model_dump(mode="json", exclude={"metrics", "clusters", "limits", "hr_size"}),
        "knobs": restorer.knobs,
        "weights": dict(restorer.restorer.weights),
        "machine": (machine.device.partition(":")[0], machine.precision),
    }
    return json.dumps(about, sort_keys=True)
