"""Names of the files that are made from a case: its id as it is where that fits, else cut short, with a hash behind.

An id is a picture's name and may fill what a file system takes; what is made of it has more to say. One rule for all
stored files: a name that fits stays as it always was, so that older folders go on.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import unicodedata
from pathlib import Path
from typing import TypeVar

AnyPath = TypeVar("AnyPath", str, Path)

MOST = 255
"""Bytes of a file's name, on nearly every disk."""
_CUT = re.compile(r"~[0-9a-f]{12}$")
"""How an id ends that was cut. One that ends so by itself is cut, too: no two ids may share a file."""

_PARTS = re.compile(r"[\\/\0]")
"""A stored file may name any case: none leads out of its folder."""


def of(case: str, ending: str) -> str:
    """The name of a case's file with this ending. What parts folders, here or elsewhere, is never in it."""
    if len((case + ending).encode()) <= MOST and not _PARTS.search(case) and not _CUT.search(case):
        return case + ending
    tail = f"~{hashlib.sha256(case.encode()).hexdigest()[:12]}{ending}"
    head = _PARTS.sub("_", case).encode()[: MOST - len(tail.encode())]
    return head.decode(errors="ignore") + tail


def same(one: str, other: str) -> bool:
    """Do two names mean one file? macOS may take accents apart."""
    return unicodedata.normalize("NFC", one) == unicodedata.normalize("NFC", other)


def possible(path: AnyPath) -> AnyPath:
    """The same path; ValueError if the system can have no file of such a name, which it would say at any later look."""
    try:
        os.stat(path)
    except OSError as error:
        if error.errno in (errno.ENAMETOOLONG, errno.ELOOP):
            raise ValueError(f"no file can be called so ({error.strerror})") from None
    return path
