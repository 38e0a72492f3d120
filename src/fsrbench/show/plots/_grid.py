"""Panels in a grid: rows are arms under the heading of their family, columns are metrics or drawn values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fsrbench.show.plots import _style, _text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

GUTTER = 1.75
"""Room for the names of rows."""
STATS, TICKS_LEFT, TICKS_BELOW, AIR = 0.42, 0.6, 0.26, 0.14
"""Room around a panel: two lines above it, tick labels beside and below it, nothing to its right."""
MOST_COLUMNS = 6
HEADING = 0.34


@dataclass(frozen=True, slots=True)
class PlotGrid:
    """Panels in rows under family headings; columns that do not fit side by side follow below."""

    sheet: _style.Sheet
    """What they stand on."""
    panels: Mapping[tuple[int, int], tuple[float, float, float, float]]
    """(row, column) → left, top, width and height."""

    def axes(self, row: int, column: int) -> Axes:
        """Axes for one panel."""
        return self.sheet.axes(*self.panels[row, column])

    def say(self, row: int, column: int, lines: Sequence[str]) -> None:
        """Up to two lines above a panel."""
        left, top, wide, _ = self.panels[row, column]
        for number, line in enumerate(lines):
            y = top - 0.1 - 0.155 * (len(lines) - 1 - number)
            self.sheet.text(left, y, _text.fit(line, wide + 0.3, _style.SMALL), fontsize=_style.SMALL, color=_style.INK)

    def empty(self, row: int, column: int, why: str) -> None:
        """What stands where a panel has nothing to show."""
        left, top, wide, high = self.panels[row, column]
        words = _text.fit(why, wide + 0.2, _style.SMALL)
        self.sheet.text(left + wide / 2, top + high / 2, words, ha="center", fontsize=_style.SMALL, color=_style.FAINT)


def grid(
    question: str,
    caption: Sequence[str],
    groups: Sequence[tuple[str, Sequence[str]]],
    columns: Sequence[str],
    high: float,
    under: str = "",
) -> PlotGrid:
    """Lay out a grid: `groups` are family headings with the names of their rows, `under` is said below all panels."""
    across = min(len(columns), MOST_COLUMNS)
    blocks = [range(i, min(i + across, len(columns))) for i in range(0, len(columns), across)]
    block = HEADING + (0.3 if under else 0.05)
    block += sum(HEADING + (STATS + high + TICKS_BELOW) * len(rows) for _, rows in groups)
    made = _style.sheet(question, caption, block * len(blocks))
    step = min((_style.WIDTH - 2 * _style.MARGIN - GUTTER) / across, 4.4)
    panels = {}
    for number, shown in enumerate(blocks):
        top, first = number * block, _style.MARGIN + GUTTER + TICKS_LEFT
        for place, c in enumerate(shown):
            title = _text.fit(columns[c], step - 0.2, weight="bold")
            made.text(first + place * step, top + HEADING / 2, title, weight="bold")
        tops = _rows(made, groups, top + HEADING, high)
        for r, panel_top in enumerate(tops):
            for place, c in enumerate(shown):
                panels[r, c] = (first + place * step, panel_top, step - TICKS_LEFT - AIR, high)
        if under:
            made.text(first, top + block - 0.16, under, color=_style.FAINT, fontsize=_style.SMALL)
    return PlotGrid(made, panels)


def _rows(made: _style.Sheet, groups: Sequence[tuple[str, Sequence[str]]], top: float, high: float) -> Iterator[float]:
    """Write the headings and names of one block of rows; where the panels of each row begin."""
    for name, rows in groups:
        made.rule(top + 0.03)
        title = _text.fit(name, _style.WIDTH - 2 * _style.MARGIN, weight="bold")
        made.text(_style.MARGIN, top + HEADING / 2 + 0.03, title, weight="bold")
        top += HEADING
        for label in rows:
            _label(made, label, top + STATS + high / 2)
            yield top + STATS
            top += STATS + high + TICKS_BELOW


def _label(made: _style.Sheet, label: str, middle: float) -> None:
    """A row's name, and what it is in brackets on a line of its own."""
    name, _, rest = label.partition("\n")
    lines = [name, rest] if rest else [name]
    for number, line in enumerate(lines):
        y = middle + _style.LINE * (number - (len(lines) - 1) / 2)
        made.text(_style.MARGIN, y, _text.fit(line, GUTTER - 0.1), color=_style.FAINT if number else _style.INK)
