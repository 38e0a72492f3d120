"""The pictures that people are shown, under names that tell nothing: drawn from a key that stays in the run's folder.

A picture has another name in each pair, so that none can be known again by it. It goes out as plain pixels: the file
holds nothing else.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from fsrbench.core.errors import StoreError
from fsrbench.core.values import Image
from fsrbench.files import atomic
from fsrbench.imaging import images, png
from fsrbench.measure.choices import SPOILT
from fsrbench.measure.subjects import Evaluation, Subject
from fsrbench.show.rating.sheets import Showing
from fsrbench.show.rating.spoiling import FAULTS
from fsrbench.study import inputs
from fsrbench.study.paths import RunPaths
from fsrbench.study.store import read_made

KEY = 32
"""Bytes of the key."""
LENGTH = 20
"""Characters of a name."""
PixelSource: TypeAlias = Callable[[], Image]
"""Reads or makes a picture."""


@dataclass(frozen=True, slots=True)
class BlindNames:
    """Names that only somebody with the key can connect with what they stand for."""

    key: bytes
    """What they are drawn from."""

    @classmethod
    def of(cls, folder: RunPaths) -> BlindNames:
        """Those of a run: its key is drawn when it is first needed, and kept."""
        path = folder.choices_key
        if not path.is_file():
            atomic.write_bytes(path, secrets.token_hex(KEY).encode())
        try:
            return cls(bytes.fromhex(atomic.read_bytes(path, 1000).decode()))
        except (OSError, ValueError):
            raise StoreError(
                f"{path} is damaged. Delete it: pages that were exported before cannot be added any more then."
            ) from None

    def showing(self, one: Showing) -> str:
        """The name of one look at two pictures."""
        return self._name("showing", *one.parts(), str(one.repeat), one.check)

    def picture(self, one: Showing, arm: str) -> str:
        """The name of one of its two pictures, whichever of them stands left."""
        return self._name("picture", one.family, one.case, *sorted((one.first, one.second)), one.check, arm)

    def beside(self, one: Showing, what: str) -> str:
        """The name of what stands beside them: `input` or `reference`."""
        return self._name(what, one.family, one.case)

    def _name(self, *parts: str) -> str:
        return hmac.new(self.key, "\x1f".join(parts).encode(), hashlib.sha256).hexdigest()[:LENGTH]


class Shots:
    """The pictures of some showings, each by its name, and what the page is told of each showing."""

    def __init__(self, what: Evaluation, showings: Iterable[Showing], names: BlindNames, *, reference: bool) -> None:
        self._what, self._names, self._reference = what, names, reference
        self._sources: dict[str, PixelSource] = {}
        wanted = {(one.family, one.case) for one in showings}
        self._subjects = {(s.family, s.case): s for s in what.subjects if (s.family, s.case) in wanted}

    def told(self, one: Showing) -> dict[str, Any]:
        """A showing as the page has it: names of pictures, and which case it is. Nobody's arm is among it."""
        subject = self._subjects[one.family, one.case]
        found: dict[str, Any] = {"id": self._names.showing(one), "case": one.case}
        for side, arm in (("left", one.first), ("right", one.second)):
            found[side] = self._names.picture(one, arm)
            self._sources[found[side]] = self._restoration(subject, one, arm)
        if subject.lr is not None:
            found["input"] = self._names.beside(one, "input")
            self._sources[found["input"]] = self._input(subject.lr)
        if self._reference and subject.hr is not None:
            found["reference"] = self._names.beside(one, "reference")
            self._sources[found["reference"]] = self._true(subject, subject.hr)
        return found

    def names(self) -> list[str]:
        """Names of all pictures of what was told."""
        return sorted(self._sources)

    def png(self, name: str) -> bytes | None:
        """The file that goes out under a name; None where nothing does."""
        source = self._sources.get(name)
        return None if source is None else png.encode(images.to_8bit(source()))

    def _restoration(self, subject: Subject, one: Showing, arm: str) -> PixelSource:
        if arm == SPOILT:
            real = self._restoration(subject, one, one.second if one.first == SPOILT else one.first)
            return lambda: FAULTS[one.check](real())
        return lambda: read_made(subject.variants[arm], subject.made[arm])

    def _input(self, lr: Path) -> PixelSource:
        return lambda: images.read(lr, **self._what.limits.of_pictures())

    def _true(self, subject: Subject, hr: Path) -> PixelSource:
        def read() -> Image:
            pure = images.read_stored(next(iter(subject.variants.values())))
            return inputs.reference(hr, pure.shape[:2], self._what.hr_size, **self._what.limits.of_pictures())

        return read
