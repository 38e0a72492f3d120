"""A run's folder: where everything lies, how it is written, and who may write.

Every file is written whole or not at all. A trail is written after the pictures it names, so what a trail
holds is done, and resuming looks at trails only. One process at a time: the lock dies with its holder.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from fsrbench.core import foreign, order
from fsrbench.core.errors import StoreError
from fsrbench.core.stored import to_json
from fsrbench.core.values import Failure, Image, Restoration, Trail
from fsrbench.files import atomic, csvfile, jsonfile, locks, migrations, names, shapes, yamlfile
from fsrbench.files.journal import Journal
from fsrbench.imaging import images
from fsrbench.study.paths import RunPaths

log = logging.getLogger("fsrbench")
FAILURES = ("family", "case", "arm", "why")
MAX_STUDY = 20_000_000
"""Bytes of a `study.yaml`; that of a large sweep has some hundred thousand."""
RUN_AGAIN = "Delete it: the case is then run again."
READ_ONLY = "Delete it: it is kept for reading only."
KEPT = 64
"""Trails that are remembered: whoever looks at a case asks for its trail several times."""


class _Dumper(yaml.SafeDumper):
    """Writes equal values out each time, where YAML would put an alias."""

    def ignore_aliases(self, _data: object) -> bool:
        return True


@dataclass(frozen=True)
class RunFolder(RunPaths):
    """The files of one run: read, written, locked."""

    deliver: Callable[[Path, bytes], None] = atomic.write_bytes
    """Puts a unit's file in its place: written here, or handed to whoever holds the lock."""

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for writing. A second run on it is refused; a dead process holds nothing.

        What killed runs left half written is removed: nobody else writes now.
        """
        with ExitStack() as stack:
            try:
                self.root.mkdir(parents=True, exist_ok=True)
                atomic.guard(self.root)
                stack.enter_context(locks.held(self.lock, 0))
            except TimeoutError:
                text = f"{self.root} is being written by another fsrbench. Wait for it or use --out."
                raise StoreError(text) from None
            except OSError as error:
                raise StoreError(f"{self.root} cannot be written: {error.strerror or error}. Use --out.") from None
            _remove_unfinished(self.root)
            yield

    @cached_property
    def journal(self) -> Journal:
        """What is remembered of the folder's files. Read when it is first asked for, under the lock."""
        return Journal(self.root)

    # ------------------------------------------------------------------ study

    def study(self) -> dict[str, Any]:
        """What `study.yaml` says; StoreError if this is no run's folder."""
        try:
            text = atomic.read_bytes(self.study_file, MAX_STUDY).decode()
            why = yamlfile.unfit(text)
            data = None if why else yamlfile.load(text)
        except FileNotFoundError:
            raise StoreError(f"{self.root} is not a run's folder: it has no study.yaml.") from None
        except (OSError, yaml.YAMLError, ValueError, RecursionError) as error:
            raise StoreError(f"{self.study_file} cannot be read: {jsonfile.why(error)}. Use another --out.") from None
        if why:
            raise StoreError(f"{self.study_file} {why}, or use another --out.")
        try:
            data = migrations.STUDY.upgraded(data)
        except ValueError as error:
            raise StoreError(f"{self.study_file} cannot be read: {error}.") from None
        if wrong := shapes.study(data):
            raise StoreError(f"{self.study_file} is cut off or was edited ({wrong}). Use another --out.")
        return data

    def started(self) -> dict[str, Any] | None:
        """The study of which this folder already holds results; None where there are none, or nothing at all.

        A folder that is something else is refused: results would get mixed into it.
        """
        if next((self.root / "trails").glob("*/*.json"), None) is not None:
            return self.study()
        for path in self.root.iterdir() if self.root.is_dir() else ():
            if path.suffix.lower() in images.SUFFIXES and path.name != self.contact_sheet.name:
                raise StoreError(f"{self.root} is no run's folder: it holds {path.name}. Use another --out.")
        return None

    def write_study(self, data: dict[str, Any]) -> dict[str, Any]:
        """Write `study.yaml`, unless it says the same already; hands the study on."""
        text = yaml.dump(
            {"format": migrations.STUDY.number, **data}, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100
        )
        if not self.study_file.is_file() or self.study_file.read_bytes() != text.encode():
            atomic.write_bytes(self.study_file, text.encode())
        return data

    # ----------------------------------------------------------------- trails

    @cached_property
    def _parsed(self) -> dict[Path, tuple[int, int, Trail]]:
        """The trails that were read last: size and time of the file, and what it held. Never more than KEPT."""
        return {}

    @cached_property
    def _named(self) -> set[Path]:
        """Damaged trails that were named already."""
        return set()

    def trail(self, family: str, case: str) -> Trail | None:
        """The stored trail of a case, or None."""
        return self._trail(self.trail_file(family, case))

    def _trail(self, path: Path) -> Trail | None:
        try:
            stamp = path.stat()
            *known, trail = self._parsed.get(path, (0, 0, None))
            if trail is None or known != [stamp.st_size, stamp.st_mtime_ns]:
                trail = self._parse(path)
                if len(self._parsed) >= KEPT:
                    self._parsed.clear()
                self._parsed[path] = (stamp.st_size, stamp.st_mtime_ns, trail)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreError(f"{path} cannot be read ({jsonfile.why(error)}). {RUN_AGAIN}") from None
        return trail

    def _parse(self, path: Path) -> Trail:
        """A trail that can only be of the case whose file it is, and names that case's pictures and no other file."""
        trail = jsonfile.read(path, shapes.trail(), RUN_AGAIN)
        if path.parent.name != trail.family or not names.same(path.name, names.of(trail.case, ".json")):
            raise StoreError(f"{path} is the trail of another case, {trail.family} {trail.case!r:.80}. {RUN_AGAIN}")
        for step in trail.rounds:
            own = {self.picture_name(trail.family, step.arm, trail.case, n) for n in (None, step.number)}
            if step.restoration.path not in own:
                raise StoreError(f"{path} names a picture that is not of its case. {RUN_AGAIN}")
        return trail

    def trails(self) -> Iterator[Trail]:
        """All stored trails, by family and case. One that is damaged is named and left out: it costs its case alone.

        Each is read when its turn comes: a study is larger than memory.
        """
        for path in self.stored():
            try:
                trail = self._trail(path)
            except StoreError as error:
                if path not in self._named:
                    self._named.add(path)
                    log.warning(str(error))
                continue
            if trail is not None:
                yield trail

    def damaged(self) -> Iterator[tuple[Path, str]]:
        """Files of trails that cannot be read, and why, for who does not leave them out."""
        for path in self.stored():
            try:
                self._trail(path)
            except StoreError as error:
                self._named.add(path)
                yield path, str(error)

    def stored(self) -> Iterator[Path]:
        """Files of all trails, families in the order of rows, cases by name."""
        folders = (path for path in (self.root / "trails").glob("*") if path.is_dir())
        for folder in sorted(folders, key=lambda path: order.family(path.name)):
            yield from sorted(folder.glob("*.json"), key=lambda path: path.stem)

    def write_trail(self, trail: Trail) -> None:
        """Mark what a trail holds as done."""
        path = self.trail_file(trail.family, trail.case)
        self.deliver(path, as_json({"format": migrations.TRAIL.number, **to_json(trail)}))
        self._parsed.pop(path, None)

    # --------------------------------------------------------------- pictures

    def write_picture(self, name: str, png: bytes) -> None:
        """Store an encoded picture under its relative name."""
        self.deliver(self.root / name, png)

    def picture(self, restoration: Restoration) -> Image:
        """Read a stored picture back; refuses one that is not what the trail recorded."""
        return read_made(self.root / restoration.path, restoration.sha256)

    def kept(self, trail: Trail) -> dict[str, Path]:
        """Hash → picture, of all that is stored of a case: what each round ended with, and kept candidates."""
        found = {step.restoration.sha256: self.root / step.restoration.path for step in trail.rounds}
        for step in trail.rounds:
            for number, one in enumerate(step.candidates):
                path = self.root / self.candidate_name(trail.family, step.arm, trail.case, step.number, number)
                if one.sha256 not in found and path.is_file():
                    found[one.sha256] = path
        return found

    def write_exchange(self, family: str, arm: str, case: str, number: int, exchange: Mapping[str, Any]) -> None:
        """Keep one exchange with an auditor."""
        data = as_json({"format": migrations.EXCHANGE.number, **exchange})
        self.deliver(self.exchange_file(family, arm, case, number), data)

    def exchange(self, family: str, arm: str, case: str, number: int) -> dict[str, Any] | None:
        """One kept exchange, or None."""
        try:
            return jsonfile.read(self.exchange_file(family, arm, case, number), shapes.exchange(), READ_ONLY)
        except FileNotFoundError:
            return None

    def exchanges(self, arm: str, family: str = "*", most: int | None = None) -> Iterator[dict[str, Any]]:
        """Kept exchanges of an arm, in one family or in all: every one, or so many, spread evenly."""
        paths = sorted(self.audits.glob(f"{family}/{arm}/*.json"))
        for path in paths[:: max(1, -(-len(paths) // most))] if most else paths:
            yield jsonfile.read(path, shapes.exchange(), READ_ONLY)

    # ----------------------------------------------------------------- tables

    def failures(self) -> list[Failure]:
        """What `failures.csv` says."""
        return [Failure(**row) for row in csvfile.read(self.failures_file, FAILURES)]

    def write_failures(self, failures: Iterable[Failure], settled: Callable[[Failure], bool]) -> None:
        """Rewrite `failures.csv`: what failed now, and what stood there before but for what is settled."""
        path, before = self.failures_file, self.failures()
        kept = [failure for failure in before if not settled(failure)]
        merged = sorted({*kept, *failures}, key=lambda f: (order.family(f.family), f.case, f.arm))
        if merged != before or not path.is_file():
            csvfile.write(path, FAILURES, [[f.family, f.case, f.arm, f.why] for f in merged])


def read_made(path: Path, sha256: str) -> Image:
    """A stored picture, if its pixels are those that were made: another one's are not this arm's."""
    image = images.read_stored(path)
    if images.pixel_hash(image) != sha256:
        raise StoreError(
            f"{path} was changed after the run. Delete it and type the run's command again to have it back."
        )
    return image


def as_json(data: Any) -> bytes:
    """A file for programs, that people can read too."""
    return (foreign.as_json(data, indent=1, allow_nan=False) + "\n").encode()


def _remove_unfinished(root: Path) -> None:
    """Remove what `images.replacing` began and a kill left; no link is followed."""
    for folder, _, files in os.walk(root):
        for name in filter(atomic.UNFINISHED.fullmatch, files):
            with suppress(OSError):
                os.unlink(os.path.join(folder, name))
