"""PSNR against how many candidates are averaged, in three orders; and what arms gained by choosing and by averaging.

A row for each contender that chose among candidates (for each other arm where there is none). The candidates are the
same for all arms beside it, so that the bars differ by their judges alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Any

from fsrbench.measure.choosing_values import MeasuredChoice
from fsrbench.measure.results import Results
from fsrbench.show.plots import _data, _style, _text
from fsrbench.show.plots._data import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

QUESTION = "Does the choice gain anything, or only the averaging?"
ORDERS: Mapping[str, tuple[str, str, str, Any]] = {
    "judged": ("in the judge's order", _style.ROLES["contender"], "o", "-"),
    "luck": ("in any order (mean over all of them)", _style.ROLES["control"], "s", "--"),
    "oracle": ("in the order of their own errors (saw the reference)", _style.ROLES["headroom"], "^", "-."),
}
"""Order → what it is called, its colour, marker and line."""
SKILL, AVERAGING, INK = "#12335e", "#b8c7da", "#000000"
TOP, HEAD, HIGH, FOOT, BAR = 0.45, 0.6, 2.6, 0.55, 0.27
"""Inches: the legend, the headings of a row, its panels, what is below them; and each bar with its name."""
LEFT, WIDE, NAMES = 0.75, 4.6, 2.3
"""Inches: room beside the curves, their width, and room for the names of bars."""
MOST = 12
"""Bars beside one row of curves."""


def figure(results: Results) -> Figure | None:
    """The plot; None where no choice among candidates could be measured."""
    rows = [row for row in _data.rows(results, tuple(_style.ROLES)) if _choices(results, row)]
    shown = [row for row in rows if row.role == "contender"] or rows
    if not shown:
        return None
    beside = {row: [other for other in rows if _alike(results, row, other)][:MOST] for row in shown}
    heights = [max(HIGH, BAR * len(beside[row])) for row in shown]
    caption = _data.caption(
        results,
        [*shown, *(other for row in shown for other in beside[row])],
        "Left: PSNR of the mean of the first candidates of an order, in the mean over cases; the large sign is what "
        "the arm keeps. The dotted line is pure. Right: by how much the mean squared error (0–255 scale) is below that "
        "of one candidate drawn blindly: what the choice gained (dark), what averaging the kept ones gained (light), "
        "and their sum (sign), which is exact. An arm that does not look gains by averaging alone, but for luck.",
    )
    made = _style.sheet(QUESTION, caption, TOP + sum(HEAD + high + FOOT for high in heights))
    _legend(made)
    top = TOP
    for row, high in zip(shown, heights, strict=True):
        made.rule(top + 0.02)
        heading = f"{_data.families(results)[row.family]} · {row.name}"
        made.text(_style.MARGIN, top + 0.2, _text.fit(heading, _style.WIDTH - 1, weight="bold"), weight="bold")
        _curves(made.axes(_style.MARGIN + LEFT, top + HEAD, WIDE, HIGH, gid="curves"), _choices(results, row))
        left = _style.MARGIN + LEFT + WIDE + NAMES + 0.7
        bars = made.axes(left, top + HEAD, _style.WIDTH - _style.MARGIN - left - 0.3, high, gid="bars")
        _bars(bars, [(other.name, _choices(results, other)) for other in beside[row]])
        top += HEAD + high + FOOT
    return made.figure


def _choices(results: Results, row: Row) -> list[MeasuredChoice]:
    return [one for one in results.choices if (one.family, one.arm) == (row.family, row.arm)]


def _alike(results: Results, row: Row, other: Row) -> bool:
    """Did both choose among the same candidates, as far as their errors tell?"""
    mine, others = ({one.case: one.each for one in _choices(results, each)} for each in (row, other))
    shared = mine.keys() & others.keys()
    return row.family == other.family and bool(shared) and all(mine[case] == others[case] for case in shared)


def _legend(made: _style.Sheet) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    signs = [
        Line2D((), (), color=colour, marker=marker, linestyle=line, markersize=6, label=name)
        for name, colour, marker, line in ORDERS.values()
    ]
    areas = [Patch(color=SKILL, label="selection skill"), Patch(color=AVERAGING, label="averaging")]
    made.legend(0.2, (), *signs, *areas)


def _psnr(error: float) -> float:
    """In dB, of a mean squared error on the 0–255 scale; that of equal pictures is cut at 100."""
    return 100.0 if error <= 0 else min(100.0, 20 * math.log10(255) - 10 * math.log10(error))


def _curves(ax: Axes, choices: Sequence[MeasuredChoice]) -> None:
    """PSNR against the number averaged, for as many as every case has."""
    from matplotlib.ticker import MaxNLocator

    most = min(len(one.judged) for one in choices)
    counts = list(range(1, most + 1))
    kept = min(most, max(len(one.kept) for one in choices))
    heights = []
    for order, (_, colour, marker, line) in ORDERS.items():
        means = [fmean(_psnr(getattr(one, order)[count - 1]) for one in choices) for count in counts]
        heights += means
        ax.plot(counts, means, color=colour, marker=marker, linestyle=line, markersize=4.5, linewidth=1.6, gid=order)
        if order == "judged":
            ax.plot([kept], [means[kept - 1]], color=colour, marker=marker, markersize=10, linestyle="", gid="kept")
    pure = fmean(_psnr(one.each[0]) for one in choices)
    ax.axhline(pure, color=_style.ROLES["pure"], linestyle=":", linewidth=1.6, gid="pure")
    _style.few_ticks(ax, x=most, y=5)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_ylim(*_style.around([*heights, pure], 2))
    ax.set_xlabel("candidates averaged", fontsize=_style.SMALL)
    ax.set_ylabel("PSNR (dB)", fontsize=_style.SMALL)


def _bars(ax: Axes, arms: Sequence[tuple[str, Sequence[MeasuredChoice]]]) -> None:
    """Skill to the right of zero, or to the left where the choice was worse than chance; averaging after it."""
    for place, (name, choices) in enumerate(arms):
        skill, averaging = fmean(one.skill for one in choices), fmean(one.averaging for one in choices)
        ax.barh(place, averaging, left=max(skill, 0.0), height=0.62, color=AVERAGING, gid="averaging")
        ax.barh(place, skill, height=0.62, color=SKILL, gid="skill")
        ax.plot(
            [skill + averaging], [place], marker="D", markersize=5, color=INK, markeredgecolor="white", gid="together"
        )
        ax.text(
            -0.02, place, _text.fit(name, NAMES + 0.4, _style.SMALL), ha="right", va="center", fontsize=_style.SMALL,
            transform=ax.get_yaxis_transform(),
        )  # fmt: skip
    _style.bare(ax, len(arms))
    _style.few_ticks(ax, x=5)
    ax.set_yticks([])
    ax.axvline(0, color=_style.FAINT, linewidth=0.7, zorder=0)
    ax.set_xlabel("gain over one drawn blindly (mean squared error, 0–255 scale)", fontsize=_style.SMALL)
