"""Files that only grow, line by line: a line that was added is on the disk, and half a line is none.

Whoever adds a line is not told that it is there before the disk has it. What a kill leaves half written ends without
a line break: it is not read, and goes before the next line comes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from fsrbench.files import atomic, locks


def append(path: Path, lines: Iterable[bytes]) -> None:
    """Add lines, none of which holds a line break, behind those that are there."""
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    with atomic.placing(path), locks.held(path.with_name(".lock")):
        handle = os.open(path, flags, 0o644)
        with os.fdopen(handle, "r+b") as file:
            end = file.read().rfind(b"\n") + 1
            file.truncate(end)
            file.seek(end)
            file.write(b"".join(line + b"\n" for line in lines))
            file.flush()
            os.fsync(file.fileno())


def read(path: Path, most: int) -> list[bytes]:
    """The whole lines of a file; none where there is no file. One longer than `most` bytes is an OSError."""
    try:
        return atomic.read_bytes(path, most).split(b"\n")[:-1]
    except FileNotFoundError:
        return []
