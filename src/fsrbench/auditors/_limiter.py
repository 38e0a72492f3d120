"""How many requests are in flight: bounded, halved when the server says that it is too many, and grown back.

A pause that the server asks for holds for everyone who would ask it, not only for the thread that was told.
When to shrink, grow and pause is decided by `_chat.py`.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class NoTurn(Exception):
    """The time was up before it was this one's turn."""


class Limiter:
    """Turns to send a request, handed to many threads."""

    def __init__(self, most: int) -> None:
        self.width = most
        """Requests that may be in flight now."""
        self._most = most
        self._busy = 0
        self._queue: deque[object] = deque()
        self._successes = 0
        self._shrunk = 0
        self._not_before = 0.0
        self._changed = threading.Condition()

    @contextmanager
    def turn(self, until: float) -> Iterator[int]:
        """Wait for a turn and hold it; NoTurn when none came until then. Yields the token for `shrink`."""
        with self._changed:
            ticket = object()
            self._queue.append(ticket)
            try:
                self._wait(ticket, until)
            finally:
                self._queue.remove(ticket)
                self._changed.notify_all()
            self._busy += 1
            token = self._shrunk
        try:
            yield token
        finally:
            with self._changed:
                self._busy -= 1
                self._changed.notify_all()

    def _wait(self, ticket: object, until: float) -> None:
        """First come, first served: a case that was begun late would otherwise be kept for last, and end alone."""
        while True:
            now = time.monotonic()
            if now >= until:
                raise NoTurn
            served = self._queue[0] is ticket and self._busy < self.width
            wake = self._not_before if served else until
            if wake <= now:
                return
            self._changed.wait(min(wake - now, until - now, threading.TIMEOUT_MAX))

    def shrink(self, token: int) -> None:
        """Halve. Requests that were in flight together are turned down together, and count as one warning."""
        with self._changed:
            if token == self._shrunk:
                self.width = max(1, self.width // 2)
                self._shrunk += 1
                self._successes = 0

    def grow(self) -> None:
        """Count a success; after as many as may be in flight, one more may."""
        with self._changed:
            self._successes += 1
            if self._successes >= self.width and self.width < self._most:
                self.width += 1
                self._successes = 0
                self._changed.notify_all()

    def hold(self, seconds: float) -> None:
        """Let nobody begin for so long."""
        with self._changed:
            self._not_before = max(self._not_before, time.monotonic() + seconds)
