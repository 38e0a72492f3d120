"""Which knobs were turned, how often, to which values, and how the cases fared in which each was turned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fsrbench.core import plugins
from fsrbench.core.errors import SettingsError
from fsrbench.measure import stats
from fsrbench.measure.results import Results
from fsrbench.measure.summary import persons_of
from fsrbench.show import numbers, wording
from fsrbench.show.plots import _data, _style, _text
from fsrbench.show.plots._data import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

QUESTION = "Which knobs were turned, how far, and how did those cases fare?"
PITCH, GUTTER = 0.32, 4.3
"""Height of a row; room for names."""
TOP = 0.85
"""Room above the rows."""
BINS = 24
"""Places along a knob's range."""


@dataclass(frozen=True, slots=True)
class Use:
    """What one arm did with one knob of one family."""

    row: Row
    """The arm."""
    knob: str
    """The knob."""
    cases: int
    """Finished cases of the arm."""
    values: tuple[float, ...]
    """Where it stood at the end, for the cases in which that is not its default."""
    deltas: tuple[float, ...]
    """What those cases made of the first metric, where they have both numbers."""
    persons: tuple[str, ...] | None = None
    """Whom they show, where several pictures show one person."""


def figure(results: Results) -> Figure | None:
    """The plot; None where no arm could turn a knob."""
    metrics = list(_data.metrics(results))
    shown = [r for r in _data.rows(results, ("contender", "control", "headroom")) if _turns(results, r)]
    uses = [use for row in shown for use in used(results, row, metrics[0] if metrics else None)]
    if not uses:
        return None
    uses.sort(key=lambda u: ([r.family for r in shown].index(u.row.family), u.knob))
    lines, metric = _data.headed(uses, lambda use: use.row.family), metrics[0] if metrics else None
    caption = _data.caption(
        results,
        shown,
        "Turned: the knob does not stand at its default when the arm has finished.",
        "Values: along the knob's whole range (its ends in brackets), height how often, against the most frequent; "
        "the tick is the default.",
        "Mean difference, arm − pure, of the cases in which it was turned, with its 95 % t-interval (without a "
        "bar: one case). No sign is filled: nothing is tested here. Other knobs may have been turned with it, and no "
        "case was chosen at random: this shows where a knob was used, not what it does.",
    )
    sheet = _style.sheet(QUESTION, caption, TOP + PITCH * len(lines) + 0.62)
    sheet.legend(0.15, [row.role for row in shown])
    _draw(sheet, results, lines, metric)
    return sheet.figure


def _turns(results: Results, row: Row) -> bool:
    """Whether an arm was there to turn knobs: by an auditor's hints, or by itself."""
    return any(course.audited or course.turned for course in _data.courses(results, row).values())


def used(results: Results, row: Row, metric: str | None) -> list[Use]:
    """One entry for each knob that was offered."""
    courses, persons = _data.courses(results, row), persons_of(results.what)
    deltas = results.numbers.deltas(row.family, metric, row.arm) if metric else {}
    turned: dict[str, dict[str, float]] = {knob: {} for c in courses.values() for knob in c.offered}
    for case in sorted(courses):
        for knob, value in courses[case].turned:
            turned[knob][case] = value
    found = []
    for knob, values in sorted(turned.items()):
        both = [case for case in values if case in deltas]
        shown = None if persons is None else tuple(persons[case] for case in both)
        made = tuple(deltas[case] for case in both)
        found.append(Use(row, knob, len(courses), tuple(values.values()), made, shown))
    return found


def _draw(sheet: _style.Sheet, results: Results, lines: Sequence[Use | str], metric: str | None) -> None:
    """Three columns beside the names."""
    left = _style.MARGIN + GUTTER
    places = {"share": (left, 2.0), "values": (left + 3.3, 2.2), "effect": (left + 5.85, 1.75)}
    axes = {name: sheet.axes(x, TOP, wide, PITCH * len(lines), gid=name) for name, (x, wide) in places.items()}
    for ax in axes.values():
        _style.bare(ax, len(lines))
    axes["share"].set_xlim(0, 1)
    axes["share"].set_xticks([0, 0.5, 1], ["0", "50 %", "100 %"])
    axes["values"].set_xlim(-0.06, 1.06)
    axes["values"].set_xticks([0, 1], ["low end", "high end"])
    sheet.text(left, TOP - 0.2, "Share of cases", weight="bold")
    sheet.text(places["values"][0] + 0.12, TOP - 0.2, "Values", weight="bold")
    _names(sheet, results, lines)
    for number, line in enumerate(lines):
        if isinstance(line, Use):
            colour = _style.ROLES[line.row.role]
            axes["share"].barh([number], [len(line.values) / line.cases], height=0.62, color=colour, gid="share")
            words = f"{len(line.values):,} of {line.cases:,}"
            sheet.text(left + 2.08, TOP + PITCH * (number + 0.5), words, fontsize=_style.SMALL)
            _histogram(axes["values"], number, line, colour)
    if metric is None:
        axes["effect"].set_visible(False)
    else:
        _effects(axes["effect"], sheet, results, lines, metric, places["effect"])


def _names(sheet: _style.Sheet, results: Results, lines: Sequence[Use | str]) -> None:
    headings = _data.families(results)
    last: tuple[str, str] | None = None
    for number, line in enumerate(lines):
        middle = TOP + PITCH * (number + 0.5)
        if isinstance(line, str):
            sheet.rule(TOP + PITCH * number + 0.02)
            name = _text.fit(headings[line], GUTTER - 0.1, weight="bold")
            sheet.text(_style.MARGIN, middle, name, weight="bold")
            continue
        if (line.row.family, line.knob) != last:
            low, high = _range(line)[:2]
            ends = f" ({numbers.short(low, 4)}–{numbers.short(high, 4)})"
            sheet.text(_style.MARGIN + 0.12, middle, _text.fit(line.knob, 2.2 - _text.width(ends)) + ends)
        last = (line.row.family, line.knob)
        word = _data.WORDS[line.row.role]
        tail = f" ({word})" if word == "privileged" else ""
        name = _text.fit(line.row.name, GUTTER - 2.5 - _text.width(tail)) + tail
        sheet.text(_style.MARGIN + 2.4, middle, name)


def _range(use: Use) -> tuple[float, float, float]:
    """Lower end, upper end and default of a knob; of its values, where its file is not there any more."""
    try:
        knob = plugins.load("knobs", use.knob)
    except SettingsError:
        known = use.values or (0.0, 1.0)
        return min(known), max(known), min(known)
    if knob.choices:
        return float(min(knob.choices)), float(max(knob.choices)), float(knob.default)
    return float(knob.low), float(knob.high), float(knob.default)


def _histogram(ax: Axes, y: int, use: Use, colour: str) -> None:
    """How often each part of the range was chosen, standing on the row's lower edge."""
    low, high, default = _range(use)
    span = (high - low) or 1.0
    ax.plot([0, 1], [y + 0.36] * 2, color=_style.RULE, linewidth=0.8, zorder=0)
    ax.plot([(default - low) / span] * 2, [y + 0.36, y + 0.1], color=_style.FAINT, linewidth=1, zorder=1)
    if not use.values:
        return
    places = np.clip((np.array(use.values) - low) / span, 0, 1)
    counts, edges = np.histogram(places, BINS, (0, 1))
    heights = counts / counts.max()
    middles = (edges[:-1] + edges[1:]) / 2
    kept = counts > 0
    ax.bar(
        middles[kept], -0.72 * heights[kept], width=0.8 / BINS, bottom=y + 0.36, color=colour, linewidth=0, gid="values"
    )


def _effects(
    ax: Axes,
    sheet: _style.Sheet,
    results: Results,
    lines: Sequence[Use | str],
    metric: str,
    place: tuple[float, float],
) -> None:
    """Means of the turned cases, with their intervals."""
    about = _data.metrics(results)[metric]
    known = {n: _mean(u) for n, u in enumerate(lines) if isinstance(u, Use) and u.deltas}
    reach = max((abs(v) for found in known.values() for v in found if v is not None), default=0.0)
    _style.delta_axis(ax, reach, about.digits, better=about.better, vertical=False)
    ax.axvline(0, color=_style.INK, linewidth=0.9, zorder=0)
    left, right = place[0], sum(place)
    title = _text.fit(_data.heading(results, metric), place[1] + 0.6, weight="bold")
    sheet.text((left + right) / 2, TOP - 0.2, title, weight="bold", ha="center")
    sheet.directions(left, right, TOP + PITCH * len(lines) + 0.4)
    for number, line in enumerate(lines):
        if isinstance(line, Use) and line.values:
            mean, low, high = known.get(number, (None, None, None))
            words = wording.number(about, mean, signed=True)
            sheet.text(right + 0.1, TOP + PITCH * (number + 0.5), words, fontsize=_style.SMALL)
            if mean is not None:
                _style.effect(ax, number, (mean, low, high), line.row.role, sure=False)


def _mean(use: Use) -> tuple[float | None, float | None, float | None]:
    """Mean difference of the turned cases, and its interval."""
    return float(np.mean(use.deltas)), *stats.mean_interval(use.deltas, use.persons)
