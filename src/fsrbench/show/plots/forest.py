"""Paired differences with their intervals: families × arms in rows, one panel for each metric."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fsrbench.core import order
from fsrbench.measure.claims import TESTED
from fsrbench.measure.results import Results
from fsrbench.measure.summary_values import ArmEffect
from fsrbench.show import wording
from fsrbench.show.plots import _data, _style, _text
from fsrbench.show.plots._data import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

QUESTION = "Does supervision help, by how much, and how sure is that?"
PITCH, GUTTER, FOOT = 0.3, 2.8, 0.62
"""Height of a row; room for names; room for an axis and its name."""
ACROSS = 5
"""Metrics side by side; one less where some rows must say that they rest on fewer cases."""
BEYOND = 4.0
"""Headroom may stretch an axis to so many times what the others need; beyond, an arrow stands at its end."""


def figure(results: Results) -> Figure | None:
    """The plot; None without arms."""
    shown = _data.rows(results, order.STANDINGS)
    metrics = list(_data.metrics(results))
    if not shown or not metrics:
        return None
    lines = _data.headed(shown, lambda row: row.family)
    high = PITCH * len(lines)
    across = ACROSS - any(_fewer(results, row, metric) for row in shown for metric in metrics)
    blocks = [metrics[i : i + across] for i in range(0, len(metrics), across)]
    caption = _data.caption(
        results,
        shown,
        "Mean paired difference, arm − pure, with its 95 % t-interval (not adjusted); right of a zero line is better.",
        "Filled: shown, that is, p is below 5 % and the mean goes the way of most cases.",
        *_tested(results),
        _data.floor_sentence(results),
        *(["Bands show it, for single cases: means move by less."] if _floors(results) else []),
    )
    sheet = _style.sheet(QUESTION, caption, 0.4 + len(blocks) * (0.35 + high + FOOT))
    sheet.legend(0.15, [row.role for row in shown], *_band(results))
    step = min((_style.WIDTH - _style.MARGIN * 2 - GUTTER) / max(len(b) for b in blocks), 6.0)
    for number, block in enumerate(blocks):
        top = 0.75 + number * (0.35 + high + FOOT)
        _names(sheet, results, lines, top)
        for place, metric in enumerate(block):
            _panel(sheet, results, metric, lines, (_style.MARGIN + GUTTER + place * step, top, step, high))
    return sheet.figure


def _tested(results: Results) -> Iterator[str]:
    """How p came about, and what a case is where several pictures show one person."""
    known = results.summary.statistics
    if known.tests:
        yield (
            "p: exact sign test (how many of the changed became better), adjusted by Holm over all "
            f"{known.tests} tests of contenders and controls; nothing is claimed of noise floor and headroom (–)."
        )
    if any(
        arm.outlier for m in results.summary.families.values() for entry in m.values() for arm in entry.arms.values()
    ):
        yield "‡: one case makes this mean; summary.md says which."
    if wording.any_chosen(results.summary):
        yield wording.CHOSEN_MEANS
    if known.clusters:
        yield f"Pictures of one person count together ({known.clusters:,} persons)."


def _floors(results: Results) -> bool:
    families = results.summary.families.values()
    return any(arm.floor > 0 for family in families for entry in family.values() for arm in entry.arms.values())


def _band(results: Results) -> list[Any]:
    """The legend's sign for the noise floor, where there is one."""
    from matplotlib.patches import Patch

    name = "noise floor of single cases"
    return [Patch(facecolor=_style.BAND, edgecolor=_style.RULE, label=name)] if _floors(results) else []


def _names(sheet: _style.Sheet, results: Results, lines: Sequence[Row | str], top: float) -> None:
    headings = _data.families(results)
    for number, line in enumerate(lines):
        middle = top + PITCH * (number + 0.5)
        if isinstance(line, str):
            if number:
                sheet.rule(top + PITCH * number)
            name = _text.fit(headings[line], _style.WIDTH - 2 * _style.MARGIN, weight="bold")
            sheet.text(_style.MARGIN, middle, name, weight="bold")
            continue
        word = _data.WORDS[line.role]
        tail = f" ({word})" if word else ""
        name = _text.fit(line.name, GUTTER - 0.3 - _text.width(tail)) + tail
        sheet.text(_style.MARGIN + 0.15, middle, name)


def _panel(
    sheet: _style.Sheet,
    results: Results,
    metric: str,
    lines: Sequence[Row | str],
    place: tuple[float, float, float, float],
) -> None:
    """One metric: an axis, the effects, and p beside them."""
    left, top, wide, high = place
    about = _data.metrics(results)[metric]
    entries = {line: _data.effect(results, line, metric) for line in lines if isinstance(line, Row)}
    right = left + wide - 0.15 - (1.05 if any(_fewer(results, row, metric) for row in entries) else 0.55)
    ax = sheet.axes(left, top, right - left, high, gid=f"forest:{metric}")
    _style.bare(ax, len(lines))
    _style.delta_axis(ax, _reach(entries), about.digits, better=about.better, vertical=False)
    name = _text.fit(_data.heading(results, metric), wide - 0.2, weight="bold")
    sheet.text((left + right) / 2, top - 0.15, name, ha="center", weight="bold")
    sheet.text(right + 0.08, top - 0.15, "p", fontsize=_style.SMALL, color=_style.FAINT)
    sheet.directions(left, right, top + high + 0.38)
    for number, line in enumerate(lines):
        if isinstance(line, Row):
            ax.plot([0, 0], [number - 0.5, number + 0.5], color=_style.INK, linewidth=0.9, zorder=1)
            sure = bool(wording.standing_out(about, entries[line]))
            _effect(ax, number, line.role, entries[line], sure=sure)
            words = _beside(line, entries[line]) + (f" n={entries[line].n:,}" if _fewer(results, line, metric) else "")
            sheet.text(right + 0.08, top + PITCH * (number + 0.5), words, fontsize=_style.SMALL)


def _beside(row: Row, effect: ArmEffect) -> str:
    """The adjusted p, and the mark of a mean that one case makes; nothing is tested for yardsticks."""
    chance = "–" if row.role not in TESTED and effect.n else wording.chance(effect.p_adjusted)
    return chance + wording.marks(effect)


def _fewer(results: Results, row: Row, metric: str) -> bool:
    """Whether an effect rests on some, but not on all cases of the family."""
    return _data.effect(results, row, metric).n not in (0, results.summary.counts[row.family].cases)


def _ends(effect: ArmEffect) -> list[float]:
    """What of an effect an axis must hold."""
    return [abs(end) for end in (effect.delta, effect.low, effect.high) if end is not None]


def _reach(entries: Mapping[Row, ArmEffect]) -> float:
    """How far the axis goes from zero."""
    upper = max((v for row, e in entries.items() if row.role == "headroom" for v in _ends(e)), default=0.0)
    others = max((v for row, e in entries.items() if row.role != "headroom" for v in _ends(e)), default=0.0)
    others = max(others, max((min(e.floor, BEYOND * others) for e in entries.values()), default=0.0))
    return min(upper, BEYOND * others) if 0 < others < upper else max(upper, others)


def _effect(ax: Axes, y: int, role: str, effect: ArmEffect, *, sure: bool) -> None:
    """One row: the band of the noise floor, the interval, the mean; or an arrow where it lies beyond the axis."""
    if effect.floor > 0:
        ax.fill_betweenx((y - 0.5, y + 0.5), -effect.floor, effect.floor, color=_style.BAND, linewidth=0, zorder=0)
    delta = effect.delta
    if delta is None:
        return
    colour, edge = _style.ROLES[role], max(ax.get_xlim())
    if abs(delta) > edge:
        at = edge if delta > 0 else -edge
        inward = (-6, 0) if at == ax.get_xlim()[1] else (6, 0)
        arrow = ">" if at == ax.get_xlim()[1] else "<"
        ax.plot([at], [y], marker=arrow, color=colour, markersize=7, clip_on=False, gid="beyond")
        ax.annotate(
            _style.signed(delta), (at, y), inward, textcoords="offset points", va="center", fontsize=_style.SMALL,
            ha="right" if inward[0] < 0 else "left", color=colour,
        )  # fmt: skip
        return
    _style.effect(ax, y, (delta, effect.low, effect.high), role, sure=sure)
