"""What a folder remembers of its files, so that nothing is done twice: hashes, measured values, what was made of what.

A file whose size, time of change and place on the disk are as they were is taken to hold what it held; any other is
hashed again, so that a copied folder is known by its content and two files that change names are noticed. Values are
filed under the content that they were measured on, never under names. Everything here can be had again from the
pictures: a journal that is damaged, or of another version, is no journal. What a value or a product depends on is
decided by `evaluate.py` and `publish.py`.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Set
from itertools import islice
from pathlib import Path
from typing import Any

from fsrbench.files import atomic, downloads

log = logging.getLogger("fsrbench")
NAME = ".journal"
"""Its file in a folder: a line that says what it is and the hash of the rest, then JSON."""
FORMAT = 2
MAX_BYTES = 1_000_000_000
"""Bytes that are read of it: some million files. One that is longer is no journal."""
AT_ONCE = 1000
"""Entries that are turned into text together."""
GRAIN = 2_000_000_000
"""Nanoseconds within which two writes may bear the same time (FAT's clock): a file as young as that is not trusted."""


class Journal:
    """The memory of one folder; `None` keeps it in this process alone."""

    def __init__(self, folder: Path | None) -> None:
        self._path = folder / NAME if folder is not None else None
        self._root = os.path.join(os.path.abspath(folder), "") if folder is not None else ""
        stored = _read(self._path)
        # Size, time of change, place on the disk and hash as one text: apart, they take twice the room.
        self._files: dict[str, str] = {}
        self._unseen: dict[str, str] = stored.get("files", {})  # those nobody has asked for yet
        self._values: dict[str, tuple[str, dict[str, float]]] = stored.get("values", {})
        self._made: dict[str, tuple[str, dict[str, str]]] = stored.get("made", {})
        self._changed = False

    # ------------------------------------------------------------------ files

    def sha256(self, file: Path) -> str | None:
        """Hash of a file, read only if its stamp is new; None if it is not there or cannot be read."""
        return self._sha256(file, GRAIN)

    def recalled(self, file: Path) -> str | None:
        """Hash of a file if its stamp is known; nothing is read."""
        found = self._stamped(file)
        return found[1] if found else None

    def _stamped(self, file: Path) -> tuple[os.stat_result, str | None] | None:
        """The stamp of a file that is there, and its hash if that stamp is known."""
        try:
            stamp = os.stat(file)
        except OSError:
            return None
        key = self._key(file)
        known = self._unseen.get(key)
        if known is not None:
            self._files.setdefault(key, known)  # first there, then gone here: other threads look, too
            self._unseen.pop(key, None)
        known = self._files.get(key, "")
        same = known.startswith(f"{stamp.st_size} {stamp.st_mtime_ns} {stamp.st_ino} ")
        return stamp, known.rpartition(" ")[2] if same else None

    def _sha256(self, file: Path, grain: int) -> str | None:
        found = self._stamped(file)
        if found is None or found[1] is not None:
            return found[1] if found else None
        stamp = found[0]
        now = time.time_ns()
        try:
            digest = downloads.sha256(file)
        except OSError:
            return None
        settled = now - stamp.st_mtime_ns >= grain
        written = stamp.st_mtime_ns if settled else -1
        key, entry = self._key(file), f"{stamp.st_size} {written} {stamp.st_ino} {digest}"
        if self._files.get(key) != entry:
            self._files[key] = entry
            self._changed = True
        return digest

    def _key(self, file: Path) -> str:
        """Inside the folder relative to it, so that it may be moved."""
        path = os.path.abspath(file)
        return (path.removeprefix(self._root) if path.startswith(self._root) else path).replace(os.sep, "/")

    # ----------------------------------------------------------------- values

    def values(self, metric: str, identity: str) -> Mapping[str, float]:
        """Content → number for a metric that is this very one: the values of an earlier one are dropped.

        It is what the journal itself holds, and shows what is kept later, too.
        """
        return self._of(metric, identity)

    def keep(self, metric: str, identity: str, values: Mapping[str, float]) -> None:
        """Remember these for a metric, too."""
        self._of(metric, identity).update(values)
        self._changed |= bool(values)

    def forget_values(self, metric: str, identity: str, current: Set[str]) -> None:
        """Drop the values of a metric that belong to no content that there still is."""
        values = self._of(metric, identity)
        for key in [key for key in values if key not in current]:
            del values[key]
            self._changed = True

    def _of(self, metric: str, identity: str) -> dict[str, float]:
        known = self._values.get(metric)
        if known is None or known[0] != identity:
            known = self._values[metric] = (identity, {})
        return known[1]

    # --------------------------------------------------------------- products

    def fresh(self, product: str, inputs: str) -> bool:
        """Was it made of these inputs, and is every file of it still there as it was made?"""
        known = self._made.get(product)
        return known is not None and known[0] == inputs and self.intact(product)

    def intact(self, product: str) -> bool:
        """Was it made here, of whatever inputs, and is every file of it still there as it was made?"""
        if product not in self._made:
            return False
        root = Path(self._root)
        return all(self.sha256(root / name) == digest for name, digest in self._made[product][1].items())

    def made(self, product: str, inputs: str, files: Iterable[Path]) -> None:
        """Remember of what a product was made, once all of its files are written."""
        # Just written, and by this process, which holds the folder: their stamps need not settle first.
        hashes = {self._key(file): self._sha256(file, 0) or "" for file in files}
        self._made[product] = (inputs, hashes)
        self._changed = True

    # ---------------------------------------------------------------- storing

    def forget_unseen(self) -> None:
        """Drop what is known of files that this process did not ask for: they have left the folder's evaluation."""
        self._changed |= bool(self._unseen)
        self._unseen.clear()

    def save(self) -> None:
        """Write it, whole, if anything in it is new. May be called while other threads ask for hashes."""
        if self._path is None or not self._changed:
            return
        self._changed = False
        whole = hashlib.sha256()
        with atomic.replacing(self._path) as file:
            file.write(_head(whole))  # as long as the one that comes in its place
            for text in self._texts():
                piece = text.encode()
                whole.update(piece)
                file.write(piece)
            file.seek(0)
            file.write(_head(whole))

    def _texts(self) -> Iterator[str]:
        """Its JSON, piece by piece: the whole text takes more memory than the journal."""
        keys = (*self._unseen, *self._files)
        yield '{"files":{'
        yield from _entries((key, self._files.get(key) or self._unseen.get(key)) for key in keys)
        yield '},"values":{'
        for number, (metric, (identity, values)) in enumerate(self._values.items()):
            yield f"{',' if number else ''}{json.dumps(metric)}:[{json.dumps(identity)},{{"
            yield from _entries(values.items())
            yield "}]"
        yield '},"made":{'
        yield from _entries(self._made.items())
        yield "}}"


def _entries(items: Iterable[tuple[str, Any]]) -> Iterator[str]:
    """Entries of a JSON object, AT_ONCE in a piece."""
    left, comma = iter(items), ""
    while piece := dict(islice(left, AT_ONCE)):
        yield comma + json.dumps(piece, separators=(",", ":"))[1:-1]
        comma = ","


def _head(whole: hashlib._Hash) -> bytes:
    return f"fsrbench journal {FORMAT} {whole.hexdigest()}\n".encode()


def _read(path: Path | None) -> dict[str, Any]:
    """What `save` wrote to the last byte, or nothing."""
    if path is None:
        return {}
    try:
        head, _, body = atomic.read_bytes(path, MAX_BYTES).partition(b"\n")
        found = json.loads(body) if head + b"\n" == _head(hashlib.sha256(body)) else None
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError):
        found = None
    if found is not None and _is_memory(found):
        return dict(found)
    log.info("%s is damaged or of another version: what it remembers is worked out again.", path)
    return {}


def _is_memory(found: Any) -> bool:
    """Has it the shape of a journal? Whoever wrote it could work out the hash before it, too."""
    match found:
        case {"files": dict(files), "values": dict(values), "made": dict(made)}:
            sides = [(values.values(), float), (made.values(), str)]
            return _all(files.values(), str) and all(_are_pairs(pairs, kind) for pairs, kind in sides)
    return False


def _are_pairs(pairs: Iterable[Any], kind: type) -> bool:
    """Each a text with a table of one kind of value."""
    return all(
        isinstance(pair, list)
        and len(pair) == 2
        and isinstance(pair[0], str)
        and isinstance(pair[1], dict)
        and _all(pair[1].values(), kind)
        for pair in pairs
    )


def _all(values: Iterable[Any], kind: type) -> bool:
    return all(type(value) is kind for value in values)
