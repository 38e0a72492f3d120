"""Remembers exchanges on disk, one file each, so that the same question is not paid for twice.

The key is a hash over everything that is sent and that could change the reply, pixels included: one byte of
difference is another question. An entry that is damaged, or of another version, is no entry.

A `Cache` is the user's, is shared by runs, and holds what was finished: a reply that could not be used is worth
another try, and is remembered only where that is asked for. A `Ledger` is a run's own, holds what one unfinished case
has paid for, every reply as soon as it is there, and goes when the case is finished: see `ledger.py`.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_type_hints

from fsrbench.auditors._wire import Completion
from fsrbench.core import foreign
from fsrbench.core.errors import SettingsError
from fsrbench.core.stored import to_json
from fsrbench.core.values import Usage
from fsrbench.files import atomic, jsonfile

FORMAT = 1
"""Version of entries and keys."""
MAX_BYTES = 50_000_000
"""Bytes of an entry that is read."""


class Cache:
    """A folder of entries; many threads and processes may use it at once."""

    def __init__(self, folder: Path, *, unusable: bool = False) -> None:
        self._folder = folder
        self.unusable = unusable
        """Are exchanges without a usable reply remembered too?"""

    def find(self, asked: Mapping[str, Any]) -> list[Completion]:
        """The completions that this question once led to; none where it was not asked."""
        key = _hash(asked)
        try:
            entry = jsonfile.parse(atomic.read_bytes(self._path(key), MAX_BYTES))
            stored = entry["completions"]
            if (entry["format"], entry["key"], entry["sha256"]) != (FORMAT, key, _hash(stored)):
                return []
            return [_completion(fields) for fields in stored]
        except (OSError, ValueError, KeyError, TypeError):
            return []

    def keep(self, asked: Mapping[str, Any], completions: Sequence[Completion]) -> None:
        """Store an exchange, in place of what was stored of it before."""
        key = _hash(asked)
        stored = [dataclasses.asdict(completion) for completion in completions]
        entry = {"format": FORMAT, "key": key, "completions": stored, "sha256": _hash(stored)}
        entry["usage"] = to_json(usage(completions))
        atomic.write_bytes(self._path(key), foreign.as_json(entry).encode())

    def _path(self, key: str) -> Path:
        return self._folder / key[:2] / f"{key}.json"


class Ledger:
    """What one case has paid an arm's auditor for. A question that it asks again is another one: it is paid again."""

    def __init__(self, folder: Path | None) -> None:
        """`folder` is the case's own; None to keep nothing."""
        self._cache = Cache(folder) if folder is not None else None
        self._asked: Counter[str] = Counter()

    def open(self, asked: Mapping[str, Any]) -> tuple[dict[str, Any], list[Completion]]:
        """The question with its number among equal ones of this case, and the replies paid for it before."""
        self._asked[_hash(asked)] += 1
        numbered = {**asked, "time": self._asked[_hash(asked)]}
        return numbered, self._cache.find(numbered) if self._cache is not None else []

    def keep(self, asked: Mapping[str, Any], completions: Sequence[Completion]) -> None:
        """Store the replies of a question so far."""
        if self._cache is not None:
            self._cache.keep(asked, completions)


def made(folder: Path) -> Path:
    """The user's cache folder, there from now on."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        atomic.guard(folder)
    except OSError as error:
        raise SettingsError(f"The cache folder {folder} cannot be made: {error.strerror or error}.") from None
    return folder


def usage(completions: Sequence[Completion]) -> Usage:
    """What replies took together."""
    total = Usage(cost=0.0)
    for one in completions:
        total += Usage(one.requests, one.prompt_tokens, one.completion_tokens, one.cost, one.seconds)
    return dataclasses.replace(total, seconds=round(total.seconds, 3))


def _completion(fields: Mapping[str, Any]) -> Completion:
    """A stored reply; TypeError for anything else, even with a valid hash."""
    found = Completion(**fields)
    for name, kind in get_type_hints(Completion).items():
        value = getattr(found, name)
        if isinstance(value, bool) or not isinstance(value, (kind | int) if kind is float else kind):
            raise TypeError(name)
    return found


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps([FORMAT, value], sort_keys=True).encode()).hexdigest()
