"""One process at a time: a lock that dies with its holder, in a file that is there only while somebody holds it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def held(path: Path, seconds: float = -1) -> Iterator[None]:
    """Hold the lock, waiting for it so long (-1: for ever); TimeoutError if somebody else has it all the time.

    The file is removed while it is locked, never after: whoever opened it before and gets the lock now sees that the
    file has no name any more, and opens the new one (filelock looks, from 3.24 on). Removed after the lock was given
    back, it could be one that somebody holds, and a third one would make another. Windows removes it by itself.
    What a killed process leaves is an empty file, which the next holder takes and removes.
    """
    from filelock import FileLock

    lock = FileLock(path, timeout=seconds)
    lock.acquire()
    try:
        yield
    finally:
        if os.name != "nt":
            with suppress(OSError):
                path.unlink()
        lock.release()


def is_held(path: Path) -> bool:
    """Does somebody hold the lock now? What a killed process left is nobody's; where it cannot be told, no."""
    from filelock import FileLock, Timeout

    if not path.is_file():
        return False
    lock = FileLock(path, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        return True
    except OSError:
        return False
    lock.release()
    return False
