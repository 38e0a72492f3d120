"""How sure an auditor was, against how often following it made the case better."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from fsrbench.measure import stats
from fsrbench.measure.results import Results
from fsrbench.show.plots import _data, _grid, _style
from fsrbench.show.plots._data import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

QUESTION = "Is it right as often as it is sure?"
MOST_BINS = 5


def figure(results: Results) -> Figure | None:
    """The plot; None where nobody was followed."""
    metrics = list(_data.metrics(results))
    followed = {row: found for row in _data.rows(results) if (found := _followed(results, row))}
    if not followed or not metrics:
        return None
    shown = list(followed)
    edges = bins([c for found in followed.values() for c in found.values()])
    caption = _data.caption(
        results,
        shown,
        "Right means: the arm asked for another restoration, the picture changed, and the case became better in that "
        "column's metric by more than the noise floor.",
        "Audits that were not followed, or changed no pixel, are left out. Confidence is the first audit's. "
        f"Bars are 95 % Wilson intervals{_as_if(results)}, n the cases of a bin ({edges[1] - edges[0]:g} wide, its "
        "lower end included). Dashed: as often right as sure.",
        _data.floor_sentence(results),
    )
    names = [about.label for about in _data.metrics(results).values()]
    under = "Across: confidence, 0–100.  Upward: share of the followed audits that were right, in %."
    made = _grid.grid(QUESTION, caption, _data.grouped(results, shown), names, 1.25, under)
    for r, row in enumerate(shown):
        for c, metric in enumerate(metrics):
            right = _right(results, row, metric, followed[row])
            if not right:
                made.empty(r, c, "n/a: no numbers")
                continue
            made.say(r, c, [f"{sum(hit for _, hit in right):,} of {len(right):,} right"])
            _panel(made.axes(r, c), right, edges, row.role)
    return made.sheet.figure


def _as_if(results: Results) -> str:
    """Said where the intervals are too narrow."""
    several = results.what.clusters is not None
    return " (as if no two cases showed one person: too narrow here)" if several else ""


def bins(confidences: Sequence[float]) -> list[float]:
    """Edges of at most MOST_BINS bins of one width that hold all confidences; the last one ends at 100."""
    lowest = min(max(min(confidences), 0.0), 99.9)
    width = next(w for w in (5, 10, 20) if 100 - w * MOST_BINS <= lowest)
    count = max(2, math.ceil((100 - lowest) / width))
    return [float(100 - width * (count - i)) for i in range(count + 1)]


def _followed(results: Results, row: Row) -> dict[str, float]:
    """Case → confidence, where a retry was asked for and another picture stands at the end."""
    return {
        case: course.confidence
        for case, course in _data.courses(results, row).items()
        if course.retried and course.confidence is not None and course.ended == "changed"
    }


def _right(results: Results, row: Row, metric: str, followed: dict[str, float]) -> list[tuple[float, bool]]:
    """(confidence, became better beyond the floor) of the cases that have both numbers."""
    floor = _data.noise_floor(results, row, metric)
    deltas = results.numbers.deltas(row.family, metric, row.arm)
    return [
        (confidence, _data.gain(results, metric, deltas[case]) > floor)
        for case, confidence in followed.items()
        if case in deltas
    ]


def _panel(ax: Axes, right: Sequence[tuple[float, bool]], edges: Sequence[float], role: str) -> None:
    wide = edges[1] - edges[0]
    ax.set_xlim(edges[0] - 0.15 * wide, 100 + 0.15 * wide)
    ax.set_ylim(-36, 110)
    ax.set_yticks([0, 50, 100])
    ax.set_xticks([edges[0], 100] if len(edges) < 4 else [edges[0], edges[len(edges) // 2], 100])
    ax.plot([max(0, edges[0]), 100], [max(0, edges[0]), 100], color=_style.FAINT, linewidth=1, linestyle=(0, (4, 3)))
    for low, high in itertools.pairwise(edges):
        own = [hit for confidence, hit in right if low <= confidence < high or (high == 100 and confidence >= 100)]
        if not own:
            continue
        middle, share = (low + high) / 2, sum(own) / len(own)
        bottom, top = stats.share_interval(sum(own), len(own))
        ax.plot([middle] * 2, [100 * bottom, 100 * top], color=_style.ROLES[role], linewidth=2, gid="interval")
        ax.plot(
            [middle], [100 * share], marker=_style.MARKERS[role], color=_style.ROLES[role], markersize=6, gid="share"
        )
        ax.text(middle, -23, f"{len(own):,}", ha="center", va="center", fontsize=_style.SMALL)
