"""Ctrl-C, SIGTERM and SIGHUP end a command alike, with status 130, within three seconds of the first of them.

The usual way is an exception in the main thread, so that whoever cleans up does. Threads in the middle of a network's
pass or of a request cannot be stopped, nor can a library that is being loaded: who waits for them waits GRACE seconds,
then the process ends at once. That loses nothing, since every file is written whole or not at all. A second signal
ends it at once, too. What the system told this process to ignore (`nohup`) stays ignored.

It is asked for by `python -m fsrbench` and by the command `fsrbench`; who imports the package keeps their own signals.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from types import FrameType
from typing import NoReturn

NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
"""Those of them that the system has."""
STATUS = 130
"""Exit status of what was interrupted."""
GRACE = 2.0
"""Seconds to clean up in."""
MESSAGE = "Interrupted. What is finished is kept: the same command goes on from here."
_telling = threading.Lock()
"""Held for good by who says that it was interrupted."""


def heed() -> None:
    """From now on a signal ends this process. Only the main thread may say so."""
    numbers = {getattr(signal, name) for name in NAMES if hasattr(signal, name)}
    numbers = {number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN}
    heard, told = socket.socketpair()
    told.setblocking(False)
    signal.set_wakeup_fd(told.fileno(), warn_on_full_buffer=False)
    for number in numbers:
        signal.signal(number, _leave)
    threading.Thread(target=_watch, args=(heard, told, numbers), name="fsrbench-signals", daemon=True).start()


def tell() -> None:
    """Say once that it was interrupted, past every buffer and lock, and give a terminal its cursor back."""
    if _telling.acquire(blocking=False):
        cursor = "\x1b[?25h" if sys.stderr is not None and sys.stderr.isatty() else ""
        try:
            os.write(2, f"{cursor}{MESSAGE}\n".encode())
        except OSError:  # nobody reads any more
            return


def _leave(_number: int, _frame: FrameType | None) -> NoReturn:
    """In the main thread, as soon as it runs Python again."""
    tell()
    raise SystemExit(STATUS)


def _watch(heard: socket.socket, _told: socket.socket, numbers: set[int]) -> None:
    """In a thread of its own: told by the system even while the main thread is inside a library."""
    while _next(heard, None) not in numbers:
        pass
    until = time.monotonic() + GRACE
    while (left := until - time.monotonic()) > 0 and _next(heard, left) not in numbers:
        pass
    tell()
    os._exit(STATUS)


def _next(heard: socket.socket, seconds: float | None) -> int | None:
    """The next signal's number; None when the time is up."""
    heard.settimeout(seconds)
    try:
        return heard.recv(1)[0]
    except TimeoutError:
        return None
