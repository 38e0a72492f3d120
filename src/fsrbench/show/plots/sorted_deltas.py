"""The difference of every case, sorted: who wins, who loses, how many do not move."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fsrbench.measure.results import Results
from fsrbench.measure.summary_values import ArmEffect
from fsrbench.show import numbers
from fsrbench.show.plots import _data, _grid, _style
from fsrbench.show.plots._data import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

QUESTION = "Which cases win and which lose?"
UNDER = "Blue: better.  Orange, hatched: worse.  Light grey: within the noise floor.  Upward is better."
BARS = 80
"""Up to so many cases each has a bar of its own."""
STEPS = 200
"""Beyond, each outcome is an area of so many steps at most: finer than can be seen."""
MANY = 200
"""From so many cases on, an axis may leave out the outermost 1 %."""


def figure(results: Results) -> Figure | None:
    """The plot; None without differences."""
    metrics = list(_data.metrics(results))
    shown = [r for r in _data.rows(results) if any(results.numbers.deltas(r.family, m, r.arm) for m in metrics)]
    if not shown:
        return None
    caption = _data.caption(
        results,
        shown,
        "A bar is a case's difference, arm − pure; worst left, best right, upward is better on every axis; arms of a "
        "family share their scale. "
        "Above a panel: cases worse ▼, unmoved =, better ▲; then the share harmed and helped beyond the noise floor.",
        _data.floor_sentence(results),
        f"With {MANY} cases or more, the outermost 1 % may leave a panel.",
    )
    columns = [_data.heading(results, m) for m in metrics]
    made = _grid.grid(QUESTION, caption, _data.grouped(results, shown), columns, 1.05, UNDER)
    for c, metric in enumerate(metrics):
        for number, row in enumerate(shown):
            reach = max(
                _reach(results.numbers.deltas(r.family, metric, r.arm).values())
                for r in shown
                if r.family == row.family
            )
            deltas = list(results.numbers.deltas(row.family, metric, row.arm).values())
            if not deltas:
                made.empty(number, c, "n/a: no pair of numbers")
                continue
            made.say(number, c, _words(_data.effect(results, row, metric)))
            _waterfall(made.axes(number, c), results, row, metric, deltas, reach)
    return made.sheet.figure


def _reach(deltas: Iterable[float]) -> float:
    """How far an axis must go for one arm."""
    sizes = np.abs(np.fromiter(deltas, np.float64))
    if not sizes.size:
        return 0.0
    return float(np.quantile(sizes, 0.99) * 1.1 if sizes.size >= MANY and sizes.any() else sizes.max())


def _words(effect: ArmEffect) -> list[str]:
    """Wins and losses, and how many of them are beyond the floor."""
    counts = f"▼{effect.losses:,}  ={effect.ties:,}  ▲{effect.wins:,}"
    return [counts, f"harm {numbers.spaced(effect.harm)}, benefit {numbers.spaced(effect.benefit)}"]


def _waterfall(ax: Axes, results: Results, row: Row, metric: str, deltas: Sequence[float], reach: float) -> None:
    about, floor = _data.metrics(results)[metric], _data.noise_floor(results, row, metric)
    ordered = sorted(deltas, key=lambda d: _data.gain(results, metric, d))
    outcomes = [_data.outcome(_data.gain(results, metric, d), floor) for d in ordered]
    _style.delta_axis(ax, reach, about.digits, better=about.better)
    ax.set_xlim(-0.5, len(ordered) - 0.5)
    ax.set_xticks([])
    ax.spines["bottom"].set_visible(False)
    if floor > 0:
        ax.axhspan(-floor, floor, color=_style.BAND, linewidth=0, zorder=0)
    ax.axhline(0, color=_style.INK, linewidth=0.8, zorder=3)
    for kind in ("worse", "same", "better"):
        places = [i for i, found in enumerate(outcomes) if found == kind]
        if places:
            _area(ax, kind, places, ordered)


def _area(ax: Axes, kind: str, places: Sequence[int], ordered: Sequence[float]) -> None:
    """The cases of one outcome: neighbours, since cases are sorted."""
    look: dict[str, Any] = {
        "facecolor": _style.OUTCOMES[kind],
        "hatch": _style.HATCHES[kind],
        "edgecolor": _style.HATCH_INK if kind == "worse" else "none",
        "linewidth": 0,
        "zorder": 2,
        "gid": kind,
    }
    if len(ordered) <= BARS:
        ax.bar(places, [ordered[i] for i in places], width=0.86, **look)
        return
    picked = np.unique(np.linspace(places[0], places[-1], STEPS).round().astype(int))
    edges = np.append(picked, places[-1] + 1) - 0.5
    ax.fill_between(edges, [ordered[i] for i in (*picked, places[-1])], step="post", **look)
