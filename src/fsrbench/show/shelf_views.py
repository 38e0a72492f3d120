"""A folder of outputs as people read it: a table of runs for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from fsrbench.measure.shelf import FamilyProgress, Shelved

if TYPE_CHECKING:
    from rich.table import Table

UNITS = ("B", "kB", "MB", "GB")


def terminal(found: Sequence[Shelved]) -> Table:
    """A row for each folder."""
    from rich.table import Table
    from rich.text import Text

    table = Table(header_style="bold")
    for title in ("Folder", "last changed (UTC)", "families", "arms", "cases", "state"):
        table.add_column(title, overflow="fold")
    table.add_column("size", justify="right")
    for one in found:
        cells = [
            one.name,
            one.changed[:16].replace("T", " "),
            _named(one.families),
            _named(one.arms),
            cases(one.progress),
            state(one),
            size(one.bytes),
        ]
        table.add_row(*map(Text, cells), style="dim" if one.kind in ("foreign", "broken") else "")
    return table


def _named(parts: Mapping[str, str]) -> str:
    """`lvlm: openai gpt-4o, paper`, a line each; a name with which its text begins stands once."""
    return "\n".join(text if text.startswith(name) else f"{name}: {text}" for name, text in parts.items())


def cases(progress: Mapping[str, FamilyProgress]) -> str:
    """`14 of 16, 1 failed`: once where all families are alike."""
    told = {family: _far(own) for family, own in progress.items()}
    if len(set(told.values())) == 1:
        return next(iter(told.values()))
    return "\n".join(f"{family}: {text}" for family, text in told.items())


def _far(own: FamilyProgress) -> str:
    waiting = f", {own.waiting:,} waiting" if own.waiting else ", inputs gone" if own.waiting is None else ""
    return f"{own.finished:,} finished{waiting}" + (f", {own.failed:,} failed" if own.failed else "")


def state(one: Shelved) -> str:
    """What it is, where that is no run, and how far it is."""
    kind = "" if one.kind == "run" else one.kind
    return ", ".join(filter(None, (kind, one.state)))


def wrong(found: Sequence[Shelved]) -> list[str]:
    """A line for each folder that cannot be read."""
    return [f"{one.name}: {one.why}" for one in found if one.kind == "broken"]


def size(count: int) -> str:
    """`1.4 MB`."""
    value, unit = float(count), UNITS[0]
    for unit in UNITS:
        if value < 1000 or unit == UNITS[-1]:
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit == "B" or value >= 10 else f"{value:.1f} {unit}"
