"""Remembers exchanges on disk, one file each, so that the same question is not paid for twice.

The key is a hash over everything that is sent and that could change the reply, pixels included: one byte of
difference is another question. An entry that is damaged, or of another version, is no entry. A reply that could
not be used is worth another try, and is remembered only where that is asked for.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fsrbench import images, jsonfile
from fsrbench.auditors._wire import Completion
from fsrbench.errors import SettingsError

FORMAT = 1
"""Version of entries and keys."""


class Cache:
    """A folder of entries; many threads and processes may use it at once."""

    def __init__(self, folder: Path, *, unusable: bool = False) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            images.guard(folder)
        except OSError as error:
            raise SettingsError(f"The cache folder {folder} cannot be made: {error.strerror or error}.") from None
        self._folder = folder
        self.unusable = unusable
        """Are exchanges without a usable reply remembered too?"""

    def find(self, asked: Mapping[str, Any]) -> list[Completion] | None:
        """The completions that this question once led to; None where there are none."""
        from pydantic import TypeAdapter

        key = _hash(asked)
        try:
            entry = jsonfile.parse(images.read_bytes(self._path(key), jsonfile.MAX_BYTES))
            stored = entry["completions"]
            if (entry["format"], entry["key"], entry["sha256"]) != (FORMAT, key, _hash(stored)):
                return None
            if any(fields.keys() - {field.name for field in dataclasses.fields(Completion)} for fields in stored):
                return None
            return TypeAdapter(list[Completion]).validate_json(json.dumps(stored), strict=True)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def keep(self, asked: Mapping[str, Any], completions: Sequence[Completion]) -> None:
        """Store an exchange."""
        key = _hash(asked)
        stored = [dataclasses.asdict(completion) for completion in completions]
        entry = {"format": FORMAT, "key": key, "completions": stored, "sha256": _hash(stored)}
        images.write_bytes(self._path(key), json.dumps(entry, ensure_ascii=False).encode())

    def _path(self, key: str) -> Path:
        return self._folder / key[:2] / f"{key}.json"


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps([FORMAT, value], sort_keys=True).encode()).hexdigest()
