"""Progress: bars on a terminal, a plain line each half minute where there is none, one line in a notebook.

All are trackers (`execute.Track`): they hand on what passes through. Nothing is shown before the first of it. What
passes through may say what it took (`tally.Tallied`): requests, tokens, money, failures and replies of no use are
shown beside how far it is.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO, TypeVar

from fsrbench.core import tally
from fsrbench.core.execute import Track, untracked
from fsrbench.core.tally import Tally
from fsrbench.show import numbers
from fsrbench.show.plain_lines import plain

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

Item = TypeVar("Item")
WIDTH = 30
"""Characters of a bar that is written as a line."""


@contextmanager
def bars(console: Console) -> Iterator[Track]:
    """A tracker that draws a bar for each title on a terminal, and writes plain lines elsewhere."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
    from rich.text import Text

    if not console.is_terminal:
        with plain(console.file) as lines:
            yield lines
        return
    columns = (
        TextColumn("{task.description:>10}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    whole = Tally()

    class Drawn(Progress):
        """Bars, and below them what all of it took so far."""

        def get_renderables(self) -> Iterable[RenderableType]:
            yield from super().get_renderables()
            if took := numbers.took(whole):
                yield Text(took)

    drawn = Drawn(*columns, console=console)

    def track(title: str, items: Iterable[Item], total: int) -> Iterable[Item]:
        nonlocal whole
        drawn.start()
        task = drawn.add_task(title, total=total)
        for item in items:
            yield item
            whole += tally.of(item)
            drawn.advance(task)

    try:
        yield track
    finally:
        if drawn.live.is_started:
            drawn.stop()


@contextmanager
def tracking(wanted: bool | Track) -> Iterator[Track]:
    """A tracker that draws on standard error, one that draws nothing, or the caller's own."""
    if not isinstance(wanted, bool):
        yield wanted
    elif wanted:
        with anywhere(sys.stderr) as track:
            yield track
    else:
        yield untracked


@contextmanager
def anywhere(stream: TextIO) -> Iterator[Track]:
    """A tracker that draws bars on a terminal and lines elsewhere."""
    from rich.console import Console

    console = Console(file=stream, force_jupyter=False)
    if console.is_terminal:
        with bars(console) as track:
            yield track
        return

    def written(title: str, items: Iterable[Item], total: int) -> Iterable[Item]:
        done = 0
        stream.write(_line(title, done, total))
        for item in items:
            yield item
            done += 1
            stream.write(_line(title, done, total))
            stream.flush()
        stream.write("\n")

    yield written


def _line(title: str, done: int, total: int) -> str:
    """`general ███████▒▒▒ 7/10`, over the line that stands there."""
    full = WIDTH * done // max(total, 1)
    return f"\r{title:>10} {'█' * full}{'░' * (WIDTH - full)} {done}/{total}"
