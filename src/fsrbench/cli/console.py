"""What commands do around their one call: options to settings, bars, an interrupt, the result and its exit status."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from fsrbench.cli import interrupts, options
from fsrbench.core import foreign
from fsrbench.core.stored import to_json
from fsrbench.show import progress as drawing

if TYPE_CHECKING:
    from rich.table import Table

    from fsrbench.core.execute import Track
    from fsrbench.experiments.estimate import RunEstimate
    from fsrbench.measure.summary_values import Summary
    from fsrbench.study.run import RunOutcome
    from fsrbench.study.schema import Settings
    from fsrbench.study.store import RunFolder

TOLD = 10
"""Reasons for failures that are told; all of them are in the run's failures.csv."""


class Screen:
    """A standard stream to which nothing goes that a terminal would obey: words of servers, files and settings too.

    Set once, below everything that prints. What rich draws with goes past it, with its texts made harmless here.
    """

    def __init__(self, stream: io.TextIOWrapper) -> None:
        stream.reconfigure(errors="replace")  # a name that the terminal cannot show is no reason to fail
        self.below = stream

    def write(self, text: str) -> int:
        """Print."""
        return self.below.write(foreign.harmless(text))

    def __getattr__(self, name: str) -> Any:
        if name == "buffer":  # whoever wrote bytes would go past it
            raise AttributeError(name)
        return getattr(self.below, name)


def guard() -> None:
    """Put a screen before standard output and standard error."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):
            setattr(sys, name, Screen(stream))


def _drawn_on(stream: Any) -> Any:
    """Where rich draws."""
    return stream.below if isinstance(stream, Screen) else stream


def changes(given: Iterable[str] | None, seed: int | None, models: options.Models | None) -> list[str]:
    """Options that are settings, as settings; an option named on the command line wins."""
    own = [f"seed={seed}"] if seed is not None else []
    return [*(given or ()), *own, *([f"models={models.value}"] if models else [])]


def references(hr: Path) -> Path | None:
    """The folder of references; the default one may be absent, a named one may not."""
    return hr if hr.is_dir() or hr != options.HIGH else None


@contextmanager
def progress() -> Iterator[Track]:
    """A tracker that shows bars on a terminal and nothing elsewhere."""
    from rich.console import Console

    with drawing.bars(Console(file=_drawn_on(sys.stderr))) as track:
        yield track


@contextmanager
def download(name: str) -> Iterator[Callable[[int, int], None]]:
    """A bar of bytes, on a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    console = Console(file=_drawn_on(sys.stderr))
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        task = bars.add_task(name, total=None)
        yield lambda done, whole: bars.update(task, completed=done, total=whole)


@contextmanager
def interruptible() -> Iterator[None]:
    """Ctrl-C ends the command with status 130 and says that the same command goes on."""
    try:
        yield
    except KeyboardInterrupt:
        interrupts.tell()
        raise typer.Exit(interrupts.STATUS) from None


def show_table(table: Table) -> None:
    """Print a table as wide as the terminal, or wide enough to read where the output goes elsewhere."""
    from rich.console import Console
    from rich.segment import Segment, Segments

    stream = _drawn_on(sys.stdout)
    console = Console(file=stream, markup=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console = Console(file=stream, width=120, markup=False)
    drawn = console.render(table)
    console.print(Segments(Segment(foreign.harmless(piece.text), piece.style, piece.control) for piece in drawn))


def say(text: str, *, err: bool = False) -> None:
    """Print. Where nobody reads on (a closed pipe), what the exit status says still holds."""
    try:
        typer.echo(text, err=err)
    except BrokenPipeError:
        stream = sys.stderr if err else sys.stdout
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())  # or the interpreter fails on what is left


def show(summary: Summary, folder: Path, as_json: bool) -> None:
    """Print a summary: a table for people, JSON for programs."""
    if as_json:
        typer.echo(json.dumps(to_json(summary)))
        return
    from fsrbench.show import caveats, harm, tables
    from fsrbench.study.store import RunFolder

    show_table(tables.terminal(summary))
    if any(summary.harm.values()):
        show_table(harm.terminal(summary))
    for line in tables.missing(summary):
        typer.echo(f"n/a: {line}", err=True)
    for line in caveats.lines(summary):
        typer.echo(f"unusable: {line}", err=True)
    for line in summary.notes:
        typer.echo(f"note: {line}", err=True)
    made = RunFolder(folder)
    typer.echo(f"Open {made.report_page}; the tables are in {made.summary_text}", err=True)


def show_estimate(found: RunEstimate, as_json: bool) -> None:
    """Print what a run would take."""
    from fsrbench.show import estimates

    if as_json:
        typer.echo(foreign.as_json({**to_json(found), "asked": to_json(found.asked), "complete": found.complete}))
        return
    show_table(estimates.terminal(found))
    for line in estimates.lines(found):
        typer.echo(foreign.harmless(line), err=True)


def spending(folder: RunFolder) -> Iterator[str]:
    """A line for each arm whose price is known: what it cost in the whole run, cases that are not finished included."""
    from fsrbench.show import numbers
    from fsrbench.study import ledger

    for arm, spent in ledger.spent(folder).items():
        if spent.usage.cost is not None:
            requests = numbers.count(spent.usage.requests, "request")
            line = f"{arm} has cost {numbers.money(spent.usage.cost)} in this run ({requests})"
            if spent.cases:
                cases = numbers.count(spent.cases, "case")
                part = numbers.money(spent.unfinished.cost or 0.0)  # known where the whole is
                line += f", {part} of it for {cases} not finished: nothing of that is asked again"
            yield line


def finish(outcome: RunOutcome, settings: Settings) -> None:
    """Say what failed, once for each reason, and what was spent.

    Status 3 if anything is missing, or an arm's replies were of no use.
    """
    from fsrbench.measure import mishaps, tallies

    if outcome.stopped:
        typer.echo(f"Stopped: {outcome.stopped}", err=True)
    groups = mishaps.grouped(outcome.failures)
    for group in groups[:TOLD]:
        typer.echo(f"failed: {group}", err=True)
    if outcome.failures:
        typer.echo(f"{len(outcome.failures)} failed; all of them in {outcome.folder.failures_file}", err=True)
    asked = outcome.folder.audits.is_dir() or any(arm.auditor for arm in settings.arms.values())
    void = tallies.void_arms(outcome.folder.trails(), settings.limits.max_invalid) if asked else []
    if void:
        share = f"{settings.limits.max_invalid:.0%} or more of the replies could not be used (limits.max_invalid)"
        typer.echo(f"No finding: {share}: {', '.join(void)}. Their records are in audits/.", err=True)
    if outcome.done or outcome.stopped:
        for line in spending(outcome.folder):
            typer.echo(line, err=True)
    if outcome.failures or outcome.stopped or void:
        raise typer.Exit(3)
