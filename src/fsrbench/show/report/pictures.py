"""The report's own copy of every picture it shows: hard links where possible, so that it costs no room and no time.

A PNG that browsers show exactly as it was measured is linked under a name that says what it holds, and never
decoded. Anything else is converted once; its name then follows from the source's path, time and size.
"""

from __future__ import annotations

import hashlib
import os
import re
import struct
import sys
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from fsrbench.core.errors import FsrbenchError, StoreError
from fsrbench.core.values import Image
from fsrbench.files import atomic, opening
from fsrbench.imaging import images, png
from fsrbench.show import plots as drawing
from fsrbench.show.report import places

if TYPE_CHECKING:
    from fsrbench.show.drawing import Pixels

NAME = re.compile(r"[0-9a-f]{24}\.png")
"""What pictures of a report are called; nothing else is ever removed."""
SIGNATURE = b"\x89PNG\r\n\x1a\n"
END = b"\0\0\0\0IEND\xaeB`\x82"
RGB8 = b"\x08\x02\x00\x00"
"""Bit depth, colour type, compression and filter of an 8-bit RGB picture."""
ODD = {b"iCCP", b"gAMA", b"cHRM", b"tRNS", b"eXIf", b"acTL"}
"""Chunks for which a browser shows other pixels than are measured: profiles, transparency, rotation, animation."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One picture as the report has it."""

    file: str = ""
    """Its name among the report's pictures; empty where it cannot be shown."""
    why: str = ""
    """Why it cannot be shown."""
    size: tuple[int, int] = (0, 0)
    """Width and height."""


@dataclass(frozen=True, slots=True)
class Plot:
    """One plot of the evaluation, in the formats that there are."""

    title: str
    """The question that it answers."""
    files: dict[str, str]
    """Kind (png, svg) → where it lies in the report."""


@dataclass(frozen=True)
class Gallery:
    """The folder of the report's pictures. May be used by several threads."""

    folder: Path
    """Where it is."""
    used: set[str] = field(default_factory=set)
    """Names that the report shows."""

    def add(
        self, source: Path, read: Callable[[], Image], *, content: str = "", fit: tuple[int, int] | None = None
    ) -> Shown:
        """Take a picture in: linked if it can be, else decoded by `read` and stored.

        `content` is the hash of its pixels, where that is known. `fit` is the size (width, height) that `read`
        brings it to, where it does.
        """
        try:
            about = source.stat()
            size = plain(source)
            exact = size is not None and fit in (None, size)
            stamp = repr((str(source), about.st_size, about.st_mtime_ns, None if exact else fit))
            digest = content if exact and content else hashlib.sha256(stamp.encode()).hexdigest()
            target = self.folder / _name(digest)
            if exact:
                link(source, target)
            elif plain(target) is None:
                images.write(target, read())
            self.used.add(target.name)
            return Shown(target.name, size=size if exact and size else plain(target) or (0, 0))
        except FileNotFoundError:
            return Shown(why=f"{source.parent.name}/{source.name} is not there (any more).")
        except OSError as error:
            return Shown(why=f"{source.parent.name}/{source.name} cannot be read: {error.strerror or error}.")
        except FsrbenchError as error:
            return Shown(why=str(error))

    def drawn(self, made_of: str) -> str:
        """The name of a picture that an earlier report drew of the same; empty where none did."""
        name = _named(made_of)
        if plain(self.folder / name) is None:
            return ""
        self.used.add(name)
        return name

    def draw(self, made_of: str, pixels: Pixels) -> str:
        """Take in a picture of the report's own; `made_of` says all that it shows. Returns its name."""
        name = _named(made_of)
        atomic.write_bytes(self.folder / name, png.encode(pixels))
        self.used.add(name)
        return name

    def sweep(self) -> None:
        """Remove pictures that an earlier report showed and this one does not."""
        if self.folder.is_dir():
            for path in self.folder.iterdir():
                if NAME.fullmatch(path.name) and path.name not in self.used:
                    atomic.remove(path)


def _named(made_of: str) -> str:
    return _name(hashlib.sha256(made_of.encode()).hexdigest())


def _name(digest: str) -> str:
    return f"{digest[:24]}.png"


def link(source: Path, target: Path) -> None:
    """Make `target` the same file as `source`, or a copy where the two lie on different disks."""
    with suppress(FileNotFoundError):
        if target.stat().st_size == source.stat().st_size:
            return
        atomic.remove(target)
    real = Path(os.path.realpath(source))  # not every system links to what a symbolic link names
    try:
        with atomic.placing(target):
            os.link(real, target)
            return
    except StoreError as error:
        if isinstance(error.__cause__, FileExistsError):  # another thread, with the same picture
            return
    atomic.write_bytes(target, atomic.read_bytes(real, sys.maxsize))


def plain(path: Path) -> tuple[int, int] | None:
    """Width and height of a whole 8-bit RGB PNG that a browser shows as it is measured; None for any other file."""
    try:
        with opening.plain(path) as file:
            head = file.read(33)
            if len(head) < 33 or head[:8] != SIGNATURE or head[12:16] != b"IHDR" or head[24:28] != RGB8:
                return None
            while (chunk := file.read(8))[4:] != b"IDAT":
                if len(chunk) < 8 or chunk[4:] in ODD:
                    return None
                file.seek(int.from_bytes(chunk[:4], "big") + 4, os.SEEK_CUR)
            file.seek(-len(END), os.SEEK_END)
            width, height = struct.unpack(">II", head[16:24])
            return (width, height) if file.read() == END else None
    except FileNotFoundError:
        return None


def plots(source: Path, folder: Path, stale: Collection[str] = ()) -> list[Plot]:
    """Take in the plots that were drawn, in the order in which a reader asks; those of an earlier report go."""
    drawn = [path for path in _plots_in(source) if path.stat().st_size and path.stem not in stale]
    for old in _plots_in(folder):
        if old.name not in {path.name for path in drawn}:
            atomic.remove(old)
    found: dict[str, dict[str, str]] = {}
    for path in drawn:
        target = folder / path.name
        if not (target.is_file() and target.samefile(path)):
            atomic.remove(target)  # drawn again, perhaps at the same size
            link(path, target)
        found.setdefault(path.stem, {})[path.suffix[1:]] = f"{places.PLOTS}/{path.name}"
    asked = {stem: drawing.question(stem) for stem in (*drawing.NAMES, drawing.SWEEP) if stem in found}
    titles = {**asked, **{stem: stem.replace("_", " ").capitalize() for stem in found if stem not in asked}}
    return [Plot(title, found[stem]) for stem, title in titles.items()]


def _plots_in(folder: Path) -> Sequence[Path]:
    return sorted(path for path in folder.glob("*") if path.suffix in (".png", ".svg") and path.is_file())
