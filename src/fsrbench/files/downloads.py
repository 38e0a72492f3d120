"""Fetching one file whose size and hash are known: resumed where it broke off, checked before it gets its name."""

from __future__ import annotations

import hashlib
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fsrbench.core.errors import WeightsError
from fsrbench.files import opening

if TYPE_CHECKING:
    import httpx

_log = logging.getLogger(__name__)

ATTEMPTS = 4
"""Requests for one file before the download is given up; each goes on where the last one broke off."""
HOPS = 10
"""Addresses that one request may be sent on to."""
WINDOW = 60.0
"""Seconds in which enough of a file must come, the time until its first byte counted."""
RATE = 2000.0
"""Bytes a second that are enough."""


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
    with httpx.Client(timeout=httpx.Timeout(30)) as client:
        for attempt in range(ATTEMPTS):
            if attempt:
                time.sleep(min(2.0**attempt, 8.0) / 2)
            with _Watch() as watch:
                try:
                    problem = _attempt(client, wanted, part, progress, watch)
                except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL) as error:
                    problem = str(error) or type(error).__name__
                    if _nameless(error):  # no network, or a wrong address: asking again at once finds neither
                        break
            if watch.slow:  # and what is slow now will be slow at once again
                problem = (
                    f"it was too slow (less than {RATE * WINDOW / 1000:,.3g} kB in {WINDOW:g} s); what came is kept, "
                    "and the next command goes on with it. FSRBENCH_MIRROR names another server"
                )
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


class _Watch:
    """Ends a request of which too little comes, whatever it is that comes: a head that drips, or none, or a body.

    A client's own limits begin anew with every byte, and a thread that reads cannot look at a clock.
    """

    def __init__(self) -> None:
        self.slow = False
        self._came = self._before = 0
        self._socket: Any = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, name="fsrbench-download", daemon=True)

    def __enter__(self) -> _Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def heard(self, count: int) -> None:
        """So many bytes of the file have come."""
        self._came += count

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """What the client says of its connections: here the newest one, which may be ended."""
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            self._socket = info["return_value"].get_extra_info("socket")

    def _look(self) -> None:
        while not self._over.wait(WINDOW):
            if self._came - self._before < RATE * WINDOW:
                self.slow = True
                self._end()
            self._before = self._came

    def _end(self) -> None:
        """Whoever reads from the connection, or writes to it, hears that it is closed."""
        with suppress(OSError):
            if self._socket is not None:
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


def _nameless(error: BaseException | None) -> bool:
    """Was the server's name not to be resolved? What says so lies below the client's own error."""
    while error is not None and not isinstance(error, socket.gaierror):
        error = error.__cause__ or error.__context__
    return error is not None


def _attempt(
    client: httpx.Client, wanted: Wanted, part: Path, progress: Callable[[int, int], None], watch: _Watch
) -> str:
    """One request that appends to the part. Returns what went wrong, in words; empty when the size is complete."""
    have = part.stat().st_size if part.is_file() else 0
    if have > wanted.bytes:
        part.unlink()
        have = 0
    if have == wanted.bytes:
        return ""
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    request = client.build_request("GET", wanted.address, headers=headers, extensions={"trace": watch.trace})
    for _ in range(HOPS):
        response = client.send(request, stream=True)
        with closing(response):
            if response.next_request is None:
                return _store(response, wanted, part, have, progress, watch)
            request = response.next_request  # its own page is not read: it may have no end
            request.extensions["trace"] = watch.trace
    return f"the server sent on more than {HOPS} times"


def _store(
    response: httpx.Response,
    wanted: Wanted,
    part: Path,
    have: int,
    progress: Callable[[int, int], None],
    watch: _Watch,
) -> str:
    """Append what an answer brings to the part, never more than the file has. Returns what went wrong."""
    if response.status_code == 416:
        part.unlink(missing_ok=True)
        return "the server refused to go on with a part"
    if response.status_code >= 500 or response.status_code == 429:
        return f"the server answered {response.status_code}"
    if response.status_code not in (200, 206):
        answer = f"{wanted.address} answered {response.status_code}"
        raise WeightsError(f"{wanted.name} could not be downloaded: {answer}. {wanted.cure}")
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        return "the server compressed it, which was not asked for"
    append = response.status_code == 206 and response.headers.get("content-range", "").startswith(f"bytes {have}-")
    if response.status_code == 206 and not append:
        part.unlink(missing_ok=True)
        return "the server sent another range than the one asked for"
    done = have if append else 0
    with part.open("ab" if append else "wb") as file:
        try:
            for chunk in response.iter_raw():
                done += len(chunk)
                if done > wanted.bytes:
                    break
                file.write(chunk)
                watch.heard(len(chunk))
                progress(done, wanted.bytes)
        finally:
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
