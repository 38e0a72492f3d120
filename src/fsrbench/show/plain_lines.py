"""Progress where there is no terminal: a plain line at the start, one each half minute, one at the end. Never more."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, TypeVar

from fsrbench.core import tally
from fsrbench.core.execute import Track
from fsrbench.core.tally import Tally
from fsrbench.show import numbers

Item = TypeVar("Item")
EVERY = 30.0
"""Seconds between two lines."""
LOOK = 1.0
"""Seconds between two looks at the clock."""


@dataclass(slots=True)
class _Bar:
    """How far something is."""

    title: str
    """What it is."""
    total: int
    """Pieces of work that there are."""
    began: float
    """When it began, by the clock."""
    done: int = 0
    """Pieces that are done."""

    @property
    def far(self) -> str:
        """`general 7/16`."""
        return f"{self.title} {self.done}/{self.total}"

    def left(self, now: float) -> str:
        """`, about 2 min left`; empty where nothing is done yet, or nothing is left."""
        if not 0 < self.done < self.total:
            return ""
        return f", about {numbers.duration((now - self.began) / self.done * (self.total - self.done))} left"


class PlainLines:
    """Tracks one thing after another, and writes lines about it. `beat` is called again and again meanwhile."""

    def __init__(self, write: Callable[[str], object], clock: Callable[[], float] = time.monotonic) -> None:
        """`write` takes a line without its end."""
        self._write = write
        self._clock = clock
        self._bars: list[_Bar] = []
        self._took = Tally()
        self._told = 0.0
        self._turn = threading.Lock()

    def track(self, title: str, items: Iterable[Item], total: int, /) -> Iterable[Item]:
        """`items` unchanged. The first line comes with the first of all that is tracked."""
        bar = _Bar(title, total, self._clock())
        with self._turn:
            self._bars.append(bar)
            if len(self._bars) == 1:
                self._tell(f"{bar.far}: begun")
        for item in items:
            yield item
            with self._turn:
                bar.done, self._took = bar.done + 1, self._took + tally.of(item)

    def beat(self) -> None:
        """Write how far it is, if the last line is half a minute old."""
        with self._turn:
            if self._bars and self._clock() - self._told >= EVERY:
                bar, took = self._bars[-1], numbers.took(self._took)
                self._tell(bar.far + bar.left(self._clock()) + (f"; so far {took}" if took else ""))

    def end(self) -> None:
        """Write how far everything came."""
        with self._turn:
            if self._bars:
                far, took = ", ".join(bar.far for bar in self._bars), numbers.took(self._took)
                seconds = numbers.duration(self._clock() - self._bars[0].began)
                self._tell(f"{far} in {seconds}" + (f": {took}" if took else ""))

    def _tell(self, line: str) -> None:
        self._told = self._clock()
        with suppress(OSError, ValueError):  # nobody reads on: no reason to end what is shown
            self._write(line)


@contextmanager
def plain(stream: IO[str]) -> Iterator[Track]:
    """A tracker that writes plain lines to a stream."""

    def write(line: str) -> None:
        stream.write(line + "\n")
        stream.flush()

    lines, over = PlainLines(write), threading.Event()

    def beat() -> None:
        while not over.wait(LOOK):
            lines.beat()

    thread = threading.Thread(target=beat, name="fsrbench-progress", daemon=True)
    thread.start()
    try:
        yield lines.track
    finally:
        over.set()
        thread.join()
        lines.end()
