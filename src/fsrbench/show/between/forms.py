"""A comparison as files and text: `compare.md`, `compare.csv`, `compare.tex` and a table for the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING

from fsrbench.measure.between_values import RunComparison
from fsrbench.show import latex, md, wording
from fsrbench.show.between import rows as paired
from fsrbench.show.between import words
from fsrbench.show.between.rows import PairedRow

if TYPE_CHECKING:
    from rich.table import Table

HEADER = (
    "family", "arm", "metric", "better", "run", "first", "n", "mean", "own_delta", "own_low", "own_high",
    "delta", "low", "high", "units", "changed", "improved", "p", "p_adjusted", "shown", "beyond_better", "beyond_worse",
    "floor", "chose", "outlier",
)  # fmt: skip
"""Columns of `compare.csv`: a run's own numbers, then what sets it apart from the first run, empty for that run."""


def markdown(found: RunComparison) -> str:
    """The whole of `compare.md`."""
    names = ", ".join(found.runs)
    parts = [f"# {md.escape(names)}", md.points(words.verdicts(found))]
    parts += [f"- **{md.escape(family)}**: {md.escape(text)}" for family, text in found.findings.items() if text]
    for run, lines in words.differing(found):
        parts += [f"## What {md.escape(run)} has otherwise than {md.escape(found.first)}", md.points(lines)]
    head = ("Family", "Variant", "Run", "n", *map(wording.heading, found.metrics.values()))
    table = md.table(head, map(_line, _said_once(found)), "lllr" + "r" * len(found.metrics))
    parts += ["## Side by side", table, words.READING.format(**asdict(found.statistics))]
    return "\n\n".join([*parts, md.points(words.beside(found))]) + "\n"


def _said_once(found: RunComparison) -> Iterator[tuple[str, str, PairedRow]]:
    """Every row with its family and arm, which are empty where the row above has the same."""
    for _, own in groupby(paired.rows(found), attrgetter("family")):
        heading = ""
        for _, side in groupby(own, attrgetter("arm")):
            for number, row in enumerate(side):
                now = paired.heading(found, row.family)
                yield ("" if now == heading else now), ("" if number else row.arm), row
                heading = now


def _line(told: tuple[str, str, PairedRow]) -> list[str]:
    family, arm, row = told
    cells = []
    for cell in row.cells:
        first, *below = map(md.escape, cell.parts)
        cells.append("<br>".join([f"**{first}**" if cell.way else first, *below]))
    return [md.escape(family), md.escape(arm), md.escape(row.label), str(row.n), *cells]


def tex(found: RunComparison) -> str:
    """The whole of `compare.tex`: a LaTeX table."""
    head = ("Family", "Variant", "Run", "n", *map(wording.heading, found.metrics.values()))
    groups = []
    for _, own in groupby(_said_once(found), lambda told: (told[2].family, told[2].arm)):
        lines = []
        for family, arm, row in own:
            cells = (latex.cell(cell.parts, bold=bool(cell.way)) for cell in row.cells)
            lines.append([*map(latex.escape, (family, arm, row.label)), str(row.n), *cells])
        groups.append(lines)
    caption = f"{', '.join(found.runs)}. {words.READING.format(**asdict(found.statistics)).replace('*', '')}"
    return latex.table(head, groups, "lllr" + "r" * len(found.metrics), caption, "tab:compare")


def csv_rows(found: RunComparison) -> Iterator[list[object]]:
    """The rows of `compare.csv`, with every number as it is kept."""
    for family in found.families:
        for arm in words.ordered(found, family):
            side = found.families[family][arm]
            for metric, entry in side.metrics.items():
                for run, own in entry.columns.items():
                    told = entry.differences.get(run)
                    e = told.effect if told is not None else None
                    left = [family, arm, metric, found.metrics[metric].better, run, found.first, entry.n]
                    apart: list[object] = [None] * 12
                    if told is not None and e is not None:
                        apart = [
                            e.delta, e.low, e.high, e.units, e.changed, e.improved, e.p, e.p_adjusted, e.shown,
                            told.beyond_better, told.beyond_worse, entry.floor,
                        ]  # fmt: skip
                    outlier = told.outlier.case if told is not None and told.outlier is not None else None
                    chose = " ".join(entry.chose) or None
                    yield [*left, own.mean, own.delta, own.low, own.high, *apart, chose, outlier]


def terminal(found: RunComparison) -> Table:
    """The same rows for a terminal."""
    from rich.table import Table
    from rich.text import Text

    table = Table(header_style="bold")
    table.add_column("")
    table.add_column("n", justify="right")
    for metric in found.metrics.values():
        table.add_column(wording.heading(metric), justify="right")
    for family, arm, row in _said_once(found):
        if family:
            table.add_section()
            table.add_row(Text(family, style="bold", overflow="fold"))
        if arm:
            table.add_row(Text(arm, style="dim", overflow="fold"))
        cells = []
        for cell in row.cells:
            text = Text(cell.parts[0], "bold" if cell.way else "")
            cells.append(text.append("".join(f"\n{part}" for part in cell.parts[1:]), "dim"))
        table.add_row(Text(f"  {row.label}", overflow="fold"), str(row.n), *cells)
    return table
