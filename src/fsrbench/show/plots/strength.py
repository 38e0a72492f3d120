"""How strongly an input was degraded, against what an arm made of it in the first metric."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from fsrbench.case.degradations import HEAD, TAIL
from fsrbench.measure.results import Results
from fsrbench.show.plots import _data, _grid, _style
from fsrbench.show.plots._data import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

QUESTION = "Does it depend on how badly the input was degraded?"
SKIPPED = ("seed", "angle", "size")
"""Last words of columns that say nothing of strength."""
FEWEST = 4
"""Cases in each group of a trend."""
GROUPS = (3, 6)
"""Of a trend, at least and at most."""


def figure(results: Results) -> Figure | None:
    """The plot; None where it is not known how inputs were made, nothing varies, or no case moved."""
    metrics = list(_data.metrics(results))
    known = [r for r in _data.rows(results) if metrics and results.numbers.deltas(r.family, metrics[0], r.arm)]
    shown = [r for r in known if any(results.numbers.deltas(r.family, metrics[0], r.arm).values())]
    drawn = strengths(results.what.degraded)
    if not shown or not drawn:
        return None
    metric = metrics[0]
    about = _data.metrics(results)[metric]
    caption = _data.caption(
        results,
        shown,
        f"A dot is a case: across, a value drawn for its degradation; upward, {_data.heading(results, metric)}, arm − "
        "pure, upward better.",
        "Values that had no effect on a case (another kind of noise was drawn, a stage was left out) are left out for "
        "it; a blur's two sigmas are shown as their geometric mean.",
        _data.correlation_sentence(results, "of the value with the gain"),
        f"The line joins medians of groups of equal size (from {GROUPS[0] * FEWEST} cases on).",
        *_still([row for row in known if row not in shown]),
    )
    made = _grid.grid(QUESTION, caption, _data.grouped(results, shown), [_name(c) for c in drawn], 1.1)
    clouds = {
        (r, c): _data.Cloud.of(values, results.numbers.deltas(row.family, metric, row.arm))
        for r, row in enumerate(shown)
        for c, values in enumerate(drawn.values())
    }
    words = dict(zip(clouds, _data.correlations(results, [(c, metric) for c in clouds.values()]), strict=True))
    for (r, c), cloud in clouds.items():
        x, y = cloud.x, cloud.y
        if not x:
            made.empty(r, c, "n/a: never in effect")
            continue
        made.say(r, c, words[r, c])
        ax = made.axes(r, c)
        _style.few_ticks(ax)
        ax.set_xlim(*_style.around(list(drawn.values())[c].values(), 6))
        reach = max(abs(v) for other in range(len(drawn)) for v in clouds[r, other].y)
        _style.delta_axis(ax, reach, about.digits, better=about.better)
        ax.axhline(0, color=_style.FAINT, linewidth=0.7, zorder=0)
        _style.points(ax, x, y, shown[r].role)
        _trend(ax, x, y)
    return made.sheet.figure


def _still(rows: Sequence[Row]) -> Iterator[str]:
    """Where nothing moved, nothing can depend on anything."""
    if rows:
        yield f"Left out, since no case moved: {', '.join(f'{row.name} on {row.family}' for row in rows)}."


def strengths(degraded: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, float]]:
    """Column → case → number, for columns of drawn numbers that vary, each for the cases in which it had an effect."""
    columns = dict.fromkeys(name for row in degraded.values() for name in row if name not in (*HEAD, *TAIL))
    found: dict[str, dict[str, float]] = {}
    for column in columns:
        if column.rsplit("_", 1)[-1] not in SKIPPED and not (column.endswith("_y") and column[:-2] + "_x" in columns):
            found[column.removesuffix("_x") if column.removesuffix("_x") + "_y" in columns else column] = {}
    for case, row in degraded.items():
        for name, values in found.items():
            if (value := _value(row, name)) is not None:
                values[case] = value
    return {name: values for name, values in found.items() if len(set(values.values())) > 1}


def _value(row: Mapping[str, str], name: str) -> float | None:
    """A drawn number, or None where there is none or it had no effect on this case."""
    if not in_effect(row, name):
        return None
    if f"{name}_y" not in row:
        return _number(row.get(name, ""))
    across, along = _number(row.get(f"{name}_x", "")), _number(row[f"{name}_y"])
    if across is None or along is None or _kernel(row, name).rpartition("_")[2] == "iso":  # a round one uses the first
        return across
    return math.sqrt(max(across * along, 0.0))


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def in_effect(row: Mapping[str, str], name: str) -> bool:
    """Whether a drawn value did anything to this case: recipes draw everything, also what the branch does not use."""
    stage, _, part = name.partition("_")
    if any(key.endswith("_on") and value == "false" and name.startswith(key[:-2]) for key, value in row.items()):
        return False
    kernel, kind = _kernel(row, name), row.get(stage, "")
    if part in ("sigma", "poisson_scale") and kind in ("gaussian", "poisson"):
        return (kind == "poisson") == (part == "poisson_scale")
    if part == "level":
        return kind != "correlated"
    if part == "beta":
        return kernel.startswith(("generalised", "plateau"))
    return not kernel or (kernel == "sinc") == (part == "cutoff")


def _kernel(row: Mapping[str, str], name: str) -> str:
    """The shape of a blur, where the value belongs to one that has several."""
    stage = name.partition("_")[0]
    return row.get(f"{stage}_kernel", "") if stage.startswith("blur") else ""


def _name(column: str) -> str:
    return column.replace("_", " ")


def _trend(ax: Axes, x: Sequence[float], y: Sequence[float]) -> None:
    """Medians of groups of equal size, by strength."""
    groups = min(GROUPS[1], len(x) // FEWEST)
    if groups < GROUPS[0] or len(set(x)) < groups:
        return
    order = np.argsort(x, kind="stable")
    parts = np.array_split(order, groups)
    across, up = np.asarray(x), np.asarray(y)
    ax.plot(
        [float(np.median(across[p])) for p in parts], [float(np.median(up[p])) for p in parts], color="#000000",
        linewidth=1.6, marker="_", markersize=7, markeredgewidth=2, zorder=4, gid="trend",
    )  # fmt: skip
