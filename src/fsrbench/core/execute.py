"""Running units of work: one after another, or several in flight at once, bounded in number and in time.

A unit is a plain function call. What it does, what it writes and what its failure means is its caller's
business: a unit returns its outcome and does not raise for what a user can mend.
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from typing import Protocol, TypeVar

from fsrbench.core.errors import TookTooLong

Unit = TypeVar("Unit")
Outcome = TypeVar("Outcome")


class Track(Protocol):
    """Shows how far something is: hands on what passes through, and may draw a bar meanwhile."""

    def __call__(self, title: str, items: Iterable[Outcome], total: int, /) -> Iterable[Outcome]:
        """`items` unchanged, of which there will be `total`."""


def untracked(_title: str, items: Iterable[Outcome], _total: int, /) -> Iterable[Outcome]:
    """The tracker that shows nothing."""
    return items


class Clock:
    """The time of one unit. It is looked at before each step; a step that is under way is never cut off."""

    def __init__(self, limit: float | None = None) -> None:
        """`limit` in seconds from now; None for no limit."""
        self._limit = limit
        self._until = math.inf if limit is None else time.monotonic() + limit

    def check(self) -> None:
        """Raise TookTooLong if the time is up."""
        if time.monotonic() > self._until:
            raise TookTooLong(
                f"It took longer than {self._limit:g} s (limits.max_seconds), and nothing further of it was started. "
                "What is finished is kept; the same command goes on, with its time starting anew: raise the limit if "
                "that is not enough."
            )

    def stop(self) -> None:
        """Let nothing further be started."""
        self._limit, self._until = self._limit or 0.0, -math.inf

    def excuse(self, seconds: float) -> None:
        """Do not count what was only waited, for the turn of others."""
        self._until += max(0.0, seconds)


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


WORKERS = min(16, cores()) + 2
"""Usual number of units in flight: while some read and write, every core has one that computes."""


def run(
    work: Callable[[Unit], Outcome], units: Iterable[Unit], workers: int = 1, leave: Callable[[], None] = lambda: None
) -> Iterator[Outcome]:
    """Outcomes as they come, in any order. Never more than `workers` units are in memory.

    An interrupt starts no other unit and goes on to the caller. Those in flight are waited for, as long as the process
    lives (`interrupts.py`). `leave` is called before: it may tell them to be quick.
    """
    if workers <= 1:
        yield from map(work, units)
        return
    waiting = iter(units)
    with ThreadPoolExecutor(workers, thread_name_prefix="fsrbench") as pool:
        running: set[Future[Outcome]] = {pool.submit(work, unit) for unit in islice(waiting, workers)}
        try:
            while running:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
                    running |= {pool.submit(work, unit) for unit in islice(waiting, 1)}
        finally:
            leave()
            for future in running:
                future.cancel()
