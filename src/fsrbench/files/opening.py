"""Opening what is to be read: a plain file, and nothing else.

A pipe, a device or a socket is never opened, not where a link leads to one either: reading it may wait for ever, and
the opening alone may do something. What is read of a file is its reader's business.
"""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path

_NEVER_WAIT = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
"""Should the file be exchanged for a pipe between the look and the opening, that must not wait."""


def plain(path: Path) -> BufferedReader:
    """Open a file for reading; OSError where it is none."""
    return open(path, "rb", opener=_open)


def _open(path: str, flags: int) -> int:
    _refuse(os.stat(path), path)
    handle = os.open(path, flags | _NEVER_WAIT)
    try:
        _refuse(os.fstat(handle), path)
    except OSError:
        os.close(handle)
        raise
    return handle


def _refuse(found: os.stat_result, path: str) -> None:
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "it is a pipe, a device or a socket, and only a plain file is opened", path)
