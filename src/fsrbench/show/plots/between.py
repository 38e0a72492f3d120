"""Paired differences between runs with their intervals: arms in rows under their family, one panel for each metric."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fsrbench.core.values import PURE
from fsrbench.measure.between_values import ComparedArm, ComparedMetric, RunComparison
from fsrbench.show import numbers, wording
from fsrbench.show.between import rows as paired
from fsrbench.show.between import words
from fsrbench.show.plots import _data, _style, _text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAME = "compare"
"""What its files are called."""
PITCH, GUTTER, FOOT = 0.3, 2.8, 0.62
"""Height of a row; room for names; room for an axis and its name."""
ACROSS = 4
"""Metrics side by side."""
TAIL = 1.05
"""Room for p beside a panel."""


@dataclass(frozen=True, slots=True)
class BetweenRow:
    """One arm of one family in a further run."""

    family: str
    """Its family."""
    name: str
    """The arm as tables name it, and the run where there are several."""
    run: str
    """The run that is set against the first."""
    side: ComparedArm
    """What was found."""

    @property
    def role(self) -> str:
        """By which it is drawn."""
        return self.side.role or PURE


def question(found: RunComparison) -> str:
    """What the plot answers: its title."""
    others = list(found.differing)
    return f"What does {others[0] if len(others) == 1 else 'each run'} change against {found.first}?"


def draw(found: RunComparison, folder: Path) -> list[Path]:
    """Write the plot as PNG and SVG; nothing where no metric has a number in both runs."""
    with _style.settings():
        figure = _figure(found)
        return [] if figure is None else _style.write(figure, folder, NAME, question(found))


def _figure(found: RunComparison) -> Figure | None:
    shown = list(_rows(found))
    metrics = [m for m in found.metrics if any(row.side.metrics[m].n for row in shown)]
    if not metrics:
        return None
    lines = _data.headed(shown, lambda row: row.family)
    high = PITCH * len(lines)
    blocks = [metrics[i : i + ACROSS] for i in range(0, len(metrics), ACROSS)]
    sheet = _style.sheet(question(found), list(_caption(found)), 0.4 + len(blocks) * (0.35 + high + FOOT))
    sheet.legend(0.15, [row.role for row in shown])
    step = min((_style.WIDTH - _style.MARGIN * 2 - GUTTER) / max(map(len, blocks)), 6.0)
    for number, block in enumerate(blocks):
        top = 0.75 + number * (0.35 + high + FOOT)
        _names(sheet, found, lines, top)
        for place, metric in enumerate(block):
            _panel(sheet, found, metric, lines, (_style.MARGIN + GUTTER + place * step, top, step, high))
    return sheet.figure


def _rows(found: RunComparison) -> Iterator[BetweenRow]:
    several = len(found.differing) > 1
    for family in found.families:
        for arm in words.ordered(found, family):
            side, name = found.families[family][arm], words.name(found, arm, marked=False)
            for run in side.alike:
                yield BetweenRow(family, f"{name}, {run}" if several else name, run, side)


def _caption(found: RunComparison) -> Iterator[str]:
    cases = ", ".join(f"{family} {n:,}" for family, n in found.cases.items())
    yield f"n: {cases} cases in all runs; each panel rests on those of them with a number in all runs of the arm."
    yield f"Mean paired difference, run − {found.first}, with its 95 % t-interval (not adjusted); right is better."
    yield "Filled: shown, that is, p is below 5 % and the mean goes the way of most cases."
    if found.statistics.tests:
        tests = numbers.count(found.statistics.tests, "test")
        yield f"p: exact sign test, adjusted by Holm over the {tests} of this comparison (–: not tested)."
    entries = [entry for arms in found.families.values() for side in arms.values() for entry in side.metrics.values()]
    if any(entry.floor for entry in entries):
        yield "Bands: 95 % of single cases move by less when nothing is done; means move by less."
    if any(one.outlier for entry in entries for one in entry.differences.values()):
        yield "‡: one case makes this mean; compare.csv says which."
    if any(entry.chose for entry in entries):
        yield wording.CHOSEN_MEANS
    if persons := found.statistics.clusters:
        yield f"Pictures of one person count together ({persons:,} persons)."
    models = [model for about in found.runs.values() for own in about.models.values() for model in own]
    if wording.standin(models) == "embedded":
        yield "Embedded: a small network that ships with fsrbench in place of the official one."


def _names(sheet: _style.Sheet, found: RunComparison, lines: Sequence[BetweenRow | str], top: float) -> None:
    for number, line in enumerate(lines):
        middle = top + PITCH * (number + 0.5)
        if isinstance(line, str):
            if number:
                sheet.rule(top + PITCH * number)
            heading = _text.fit(paired.heading(found, line), _style.WIDTH - 2 * _style.MARGIN, weight="bold")
            sheet.text(_style.MARGIN, middle, heading, weight="bold")
        else:
            sheet.text(_style.MARGIN + 0.15, middle, _text.fit(line.name, GUTTER - 0.3))


def _panel(
    sheet: _style.Sheet,
    found: RunComparison,
    metric: str,
    lines: Sequence[BetweenRow | str],
    place: tuple[float, float, float, float],
) -> None:
    """One metric: an axis, the differences, and p beside them."""
    left, top, wide, high = place
    about, right = found.metrics[metric], left + wide - 0.15 - TAIL
    entries = {number: line.side.metrics[metric] for number, line in enumerate(lines) if isinstance(line, BetweenRow)}
    ax = sheet.axes(left, top, right - left, high, gid=f"compare:{metric}")
    _style.bare(ax, len(lines))
    _style.delta_axis(ax, _reach(entries), about.digits, better=about.better, vertical=False)
    unit = f" ({about.unit})" if about.unit else ""
    title = _text.fit(f"Δ {about.label}{unit}", wide - 0.2, weight="bold")
    sheet.text((left + right) / 2, top - 0.15, title, ha="center", weight="bold")
    sheet.text(right + 0.08, top - 0.15, "p", fontsize=_style.SMALL, color=_style.FAINT)
    sheet.directions(left, right, top + high + 0.38)
    for number, line in enumerate(lines):
        if not isinstance(line, BetweenRow):
            continue
        entry = entries[number]
        effect = entry.differences[line.run].effect
        if entry.floor:
            ax.fill_betweenx((number - 0.5, number + 0.5), -entry.floor, entry.floor, color=_style.BAND, linewidth=0)
        ax.plot([0, 0], [number - 0.5, number + 0.5], color=_style.INK, linewidth=0.9, zorder=1)
        if effect.delta is not None:
            sure = bool(wording.standing_out(about, effect))
            _style.effect(ax, number, (effect.delta, effect.low, effect.high), line.role, sure=sure)
        sheet.text(right + 0.08, top + PITCH * (number + 0.5), _beside(line, entry), fontsize=_style.SMALL)


def _beside(row: BetweenRow, entry: ComparedMetric) -> str:
    """The adjusted p with its marks; a dash where nothing is tested."""
    told = entry.differences[row.run]
    if words.same(row.side, row.run):
        return "same pictures"
    if told.effect.delta is None:
        return "n/a"
    chance = "–" if told.effect.p is None else wording.chance(told.effect.p_adjusted)
    return chance + paired.marks(entry, told)


def _reach(entries: Mapping[int, ComparedMetric]) -> float:
    """How far the axis goes from zero."""
    effects = [one.effect for entry in entries.values() for one in entry.differences.values()]
    ends = [abs(end) for e in effects for end in (e.delta, e.low, e.high) if end is not None]
    floors = [entry.floor for entry in entries.values() if entry.floor]
    return max(ends, default=0.0) or max(floors, default=0.0)
