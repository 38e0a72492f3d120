"""Fetching one file whose size and hash are known: resumed where it broke off, checked before it gets its name."""

from __future__ import annotations

import hashlib
import logging
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fsrbench import opening
from fsrbench.errors import WeightsError

if TYPE_CHECKING:
    import httpx

_log = logging.getLogger(__name__)

ATTEMPTS = 4
"""Requests for one file before the download is given up; each goes on where the last one broke off."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be fetched."""

    name: str
    """Its name, for messages."""
    address: str
    """URL."""
    bytes: int
    """Exact size."""
    sha256: str
    """Hash of its bytes."""
    cure: str
    """What a user can do if it cannot be had."""


def fetch(wanted: Wanted, target: Path, progress: Callable[[int, int], None]) -> None:
    """Attempts until the whole file is there, then the hash, then the rename."""
    import httpx

    part = target.with_name(target.name + ".part")
    _log.info("Downloading %s (%.0f MB) to %s", wanted.address, wanted.bytes / 1e6, target)
    resumed = part.is_file()
    problem = ""
    with httpx.Client(follow_redirects=True, timeout=httpx.Timeout(30)) as client:
        for attempt in range(ATTEMPTS):
            if attempt:
                time.sleep(min(2.0**attempt, 8.0) / 2)
            try:
                problem = _attempt(client, wanted, part, progress)
            except (httpx.HTTPError, httpx.StreamError) as error:
                problem = str(error) or type(error).__name__
                if _nameless(error):  # no network, or a wrong address: asking again at once finds neither
                    break
            if problem:
                continue
            if sha256(part) == wanted.sha256:
                part.replace(target)
                return
            part.unlink()
            problem = "what came has the wrong sha256"
            if not resumed:  # a fresh download with another hash will not change by asking again
                break
            resumed = False
    raise WeightsError(f"{wanted.name} could not be downloaded from {wanted.address}: {problem}. {wanted.cure}")


def _nameless(error: BaseException | None) -> bool:
    """Was the server's name not to be resolved? What says so lies below the client's own error."""
    while error is not None and not isinstance(error, socket.gaierror):
        error = error.__cause__ or error.__context__
    return error is not None


def _attempt(client: httpx.Client, wanted: Wanted, part: Path, progress: Callable[[int, int], None]) -> str:
    """One request that appends to the part. Returns what went wrong, in words; empty when the size is complete."""
    have = part.stat().st_size if part.is_file() else 0
    if have > wanted.bytes:
        part.unlink()
        have = 0
    if have == wanted.bytes:
        return ""
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with client.stream("GET", wanted.address, headers=headers) as response:
        if response.status_code == 416:
            part.unlink(missing_ok=True)
            return "the server refused to go on with a part"
        if response.status_code >= 500 or response.status_code == 429:
            return f"the server answered {response.status_code}"
        if response.status_code not in (200, 206):
            answer = f"{wanted.address} answered {response.status_code}"
            raise WeightsError(f"{wanted.name} could not be downloaded: {answer}. {wanted.cure}")
        append = response.status_code == 206 and response.headers.get("content-range", "").startswith(f"bytes {have}-")
        if response.status_code == 206 and not append:
            part.unlink(missing_ok=True)
            return "the server sent another range than the one asked for"
        done = have if append else 0
        with part.open("ab" if append else "wb") as file:
            for chunk in response.iter_bytes():
                done += len(chunk)
                if done > wanted.bytes:
                    break
                file.write(chunk)
                progress(done, wanted.bytes)
            file.flush()
            os.fsync(file.fileno())
    if done > wanted.bytes:
        part.unlink()
        return f"more came than the {wanted.bytes:,} bytes expected"
    return "" if done == wanted.bytes else f"it broke off after {done:,} of {wanted.bytes:,} bytes"


def sha256(path: Path) -> str:
    """Hash of a file's bytes, read now."""
    with opening.plain(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
