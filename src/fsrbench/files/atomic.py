"""Files written whole or not at all, and only inside the folder that they are for.

Every file of a run, every cache and every report is written here: to a temporary name beside the target, flushed,
then renamed. Nothing is written through, or removed behind, a link that lies in a folder of results.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from fsrbench.core.errors import StoreError
from fsrbench.files import opening


def read_bytes(path: Path, most: int) -> bytes:
    """A whole file that is no picture. One longer than `most` is an OSError: no memory is filled by mistake."""
    data = bytearray()
    with opening.plain(path) as file:
        while piece := file.read(1 << 16):
            data += piece
            if len(data) > most:
                raise OSError(f"it is longer than {most:,} bytes, the most that is read of such a file")
    return bytes(data)


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file, all or nothing."""
    with replacing(path) as file:
        file.write(data)


def write_named(path: Path, data: bytes) -> None:
    """Write the file that the user named: a link stays one, and what it names is replaced; a stream is written into.

    In a folder of results no link is followed: it may be somebody else's, and name any file of whoever opens it.
    """
    if not is_stream(path):
        write_bytes(Path(os.path.realpath(path)) if path.is_symlink() else path, data)
        return
    with _writing(path), suppress(BrokenPipeError), path.open("ab") as stream:  # nobody need read to the end
        stream.write(data)


def guard(folder: Path) -> None:
    """From now on nothing is written through, or removed behind, a link that lies inside this folder.

    What lies there may have come from somebody else. The folder itself may be a link: the user named it.
    """
    _guarded.add(os.path.abspath(folder))


_guarded: set[str] = set()
"""Folders whose inner links are not followed."""


def _stay_inside(path: Path) -> None:
    """Refuse a file that lies behind a link inside a guarded folder. One that is a link itself is replaced as it is."""
    parent = os.path.dirname(os.path.abspath(path))
    for root in tuple(_guarded):  # another thread may add one meanwhile
        place = root
        for part in os.path.relpath(parent, root).split(os.sep) if parent.startswith(root + os.sep) else ():
            place = os.path.join(place, part)
            if _is_link(place):
                raise StoreError(
                    f"{place} is a link, and nothing is written through a link inside a folder of results: it may lead "
                    "to somebody else's files. Remove the link; the same command then goes on."
                )


def _is_link(path: str) -> bool:
    try:
        found = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISLNK(found.st_mode) or getattr(found, "st_reparse_tag", 0) == _JUNCTION


_JUNCTION = 0xA0000003
"""What Windows calls its links to folders."""


@contextmanager
def placing(path: Path) -> Iterator[None]:
    """Around the making of a file: it lies inside its folder, which is there; what the system says is a sentence."""
    with _writing(path):
        _stay_inside(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        yield


def remove(path: Path) -> None:
    """Remove a file that was made, if it is there."""
    with _writing(path):
        _stay_inside(path)
        path.unlink(missing_ok=True)


UNFINISHED = re.compile(r"\.[a-z0-9_]{8}\.part")
"""Names of files that are being written, as `replacing` makes them."""


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Write to a temporary name beside the target, flush, rename: a reader never sees half a file."""
    with placing(path):
        handle, temporary = tempfile.mkstemp(prefix=".", suffix=".part", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, 0o644)
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise


_CURES = {
    errno.ENOSPC: " Make room; the same command then goes on.",
    errno.EISDIR: " Move away what lies there; the same command then goes on.",
    errno.ENOTDIR: " Move away what lies there; the same command then goes on.",
}
"""What a user can do, by what the system says."""


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """What the system says when a file cannot be written becomes a sentence."""
    try:
        yield
    except OSError as error:
        cure = _CURES.get(error.errno or 0, "")
        raise StoreError(f"{path} cannot be written: {error.strerror or error}.{cure}") from error


def is_stream(path: Path) -> bool:
    """Is this no file to be replaced: a pipe, a device, or the file into which this process prints (/dev/stdout)?"""
    try:
        found = path.stat()
    except OSError:
        return False
    if not stat.S_ISREG(found.st_mode):
        return not stat.S_ISDIR(found.st_mode)
    with suppress(OSError):  # a process may have none of them
        return any(os.path.samestat(found, os.fstat(printed)) for printed in (1, 2))
    return False
