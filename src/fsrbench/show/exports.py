"""The tables of a summary for other programs: LaTeX for a paper, CSV for whatever reads it.

The cells are those of `summary.md`; what is bold, ◊ and n/a there is so here.
"""

from __future__ import annotations

from dataclasses import asdict

from fsrbench.measure import frames
from fsrbench.measure.summary_values import Summary
from fsrbench.show import latex, tables, wording
from fsrbench.show.tables import Cell
from fsrbench.study.store import RunFolder

TITLES = ("Distortion metrics", "Perceptual and identity metrics")


def tex(summary: Summary) -> str:
    """A LaTeX table for each part of `summary.md` that has metrics."""
    made = []
    for number, (title, names) in enumerate(zip(TITLES, tables.parted(summary), strict=True), start=1):
        if names:
            head = ("Method group", "Variant", "n", *(wording.heading(summary.metrics[name]) for name in names))
            groups = [
                [
                    [*map(latex.escape, ("" if place else family, label)), str(n), *map(_cell, cells)]
                    for place, (label, n, cells) in enumerate(own)
                ]
                for family, own in tables.rows(summary, names)
            ]
            align = "llr" + "r" * len(names)
            made.append(latex.table(head, groups, align, f"{title}. {_reading(summary)}", f"tab:metrics-{number}"))
    return "\n".join(made)


def _reading(summary: Summary) -> str:
    """What stands below the table, as far as there is something of it in the table."""
    said = [tables.READING.format(**asdict(summary.statistics)).replace("*", "")]
    said += [tables.OUTLIER] if any(tables.outliers(summary)) else []
    return " ".join([*said, *([wording.CHOSEN_MEANS] if wording.any_chosen(summary) else [])])


def _cell(cell: Cell) -> str:
    between = f"[{cell.low}, {cell.high}]" if cell.low else ""
    return latex.cell([cell.mean, *filter(None, (cell.delta, between, cell.shares, cell.p))], bold=cell.best)


def csv(folder: RunFolder) -> str:
    """A row for each family, arm and metric, with every number as it is kept; what is missing is empty."""
    return str(frames.summary(folder).to_csv(index=False, lineterminator="\n"))
