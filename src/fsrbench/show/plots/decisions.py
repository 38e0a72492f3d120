"""What became of the cases: from the first audit over the decision to the picture that stands and how it compares."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fsrbench.measure.results import LED_TO, Results
from fsrbench.show.plots import _data, _style, _text
from fsrbench.show.plots._data import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

QUESTION = "What became of the cases?"
STAGES: tuple[tuple[str, ...], ...] = (
    ("cases",),
    (*LED_TO.values(), "failed"),
    ("changed", "changed, no pixel", "not kept", "pure stands", "no picture"),
    ("better", "worse", "same", "unknown"),
)
"""Columns of the flow, and what may stand in each, from top to bottom."""
TITLES = ("", "first decision", "picture at the end")
NAMES = {"unknown": "no number", "changed, no pixel": "same pixels"}
TINTS = {"better": "#b9d3ee", "same": "#e9ecef", "worse": "#f6dcbf", "unknown": "#f3f4f5"}
"""Ribbons into an outcome: lighter than its bar, so that names can stand on them."""
HIGH, ACROSS = 1.5, 2
"""Of one flow, in inches; flows side by side."""
PLACES = (0.0, 0.19, 0.49, 0.755, 1.0)
"""Where each stage begins, and where the last one ends: what has longer names has more room."""
BAR, SPACE, PITCH, THINNEST = 0.15, 0.09, 0.165, 0.015
"""Width of a bar, room between two, between two names, and what a single case of thousands still gets; in inches."""
Path4 = tuple[str, str, str, str]


def figure(results: Results) -> Figure | None:
    """The plot; None where nothing was audited."""
    metrics = list(_data.metrics(results))
    roles = ("contender", "control", "headroom")
    flows = {row: found for row in _data.rows(results, roles) if (found := flow(results, row, metrics))}
    if not flows:
        return None
    shown = list(flows)
    label = _data.metrics(results)[metrics[0]].label
    caption = _data.caption(
        results,
        shown,
        "From left to right: all cases; what the first audit led to; which picture stood at the end; "
        f"whether it is better or worse than pure in {label} by more than the noise floor. Heights are shares of the "
        "cases.",
        "Failed: the auditor or the backend could not be reached or broke; the next run takes it up again.",
        _data.floor_sentence(results),
    )
    groups = _data.grouped(results, shown)
    heights = [0.36 + (HIGH + 0.7) * -(-len(rows) // ACROSS) for _, rows in groups]
    sheet = _style.sheet(QUESTION, caption, sum(heights))
    across = ACROSS if max(len(rows) for _, rows in groups) > 1 else 1
    wide = (_style.WIDTH - 2 * _style.MARGIN) / across
    top, left_over = 0.0, list(shown)
    for (name, rows), high in zip(groups, heights, strict=True):
        sheet.rule(top + 0.03)
        room = _style.WIDTH - 2 * _style.MARGIN
        sheet.text(_style.MARGIN, top + 0.2, _text.fit(name, room, weight="bold"), weight="bold")
        for number in range(len(rows)):
            row = left_over.pop(0)
            x = _style.MARGIN + wide * (number % across)
            y = top + 0.36 + (HIGH + 0.7) * (number // across)
            _panel(sheet, row, flows[row], str(label), (x, y, wide - 0.25))
        top += high
    return sheet.figure


def flow(results: Results, row: Row, metrics: Sequence[str]) -> Counter[Path4]:
    """How many cases took each way through the stages; empty where the arm audits nothing or nothing is measured."""
    audited = _data.audited(results, row)
    counts = results.summary.counts[row.family]
    failed = counts.failed + (counts.arms[row.arm].failed if row.arm in counts.arms else 0)
    if not metrics or not audited:
        return Counter()
    deltas = results.numbers.deltas(row.family, metrics[0], row.arm)
    floor = _data.noise_floor(results, row, metrics[0])
    ways: Counter[Path4] = Counter()
    for case, course in audited.items():
        known = case in deltas
        end = _data.outcome(_data.gain(results, metrics[0], deltas[case]), floor) if known else "unknown"
        ways["cases", course.decided, course.ended, end] += 1
    if failed:
        ways["cases", "failed", "no picture", "unknown"] += failed
    return ways


# -------------------------------------------------------------------- drawing


def _panel(
    sheet: _style.Sheet, row: Row, ways: Mapping[Path4, int], label: str, place: tuple[float, float, float]
) -> None:
    """One arm's flow: nodes as bars, ribbons between them, names beside them."""
    left, top, wide = place
    word = _data.WORDS[row.role]
    tail = f" ({word})" if word else ""
    sheet.text(left, top + 0.12, _text.fit(row.name, wide - _text.width(tail)) + tail)
    starts = [share * wide for share in PLACES]
    for stage, title in enumerate((*TITLES, label)):
        words = _text.fit(title, starts[stage + 1] - starts[stage] - 0.1, _style.SMALL)
        sheet.text(left + starts[stage], top + 0.35, words, fontsize=_style.SMALL, color=_style.FAINT)
    ax = sheet.axes(left, top + 0.47, wide, HIGH, gid=f"flow:{row.family}:{row.arm}")
    ax.set_xlim(0, wide)
    ax.set_ylim(HIGH, 0)
    ax.set_axis_off()
    nodes = _nodes(ways)
    for stage in range(len(STAGES) - 1):
        for (_, end), (above, below, thick) in _ribbons(ways, nodes, stage).items():
            colour = TINTS[end] if stage == len(STAGES) - 2 else _style.BAND
            _ribbon(ax, (starts[stage] + BAR, starts[stage + 1]), (above, below), thick, colour)
    for stage, standing in enumerate(nodes):
        _bars(ax, starts[stage], standing, starts[stage + 1] - starts[stage] - BAR - 0.1)


def _nodes(ways: Mapping[Path4, int]) -> list[dict[str, tuple[float, float, int]]]:
    """For each stage: what stands in it → top, height and cases. One scale for all stages of a panel."""
    counts = [Counter[str]() for _ in STAGES]
    for way, n in ways.items():
        for stage, name in enumerate(way):
            counts[stage][name] += n
    scale = (HIGH - SPACE * (max(len(c) for c in counts) - 1)) / sum(ways.values())
    placed = []
    for stage, found in enumerate(counts):
        y, standing = 0.0, {}
        for name in STAGES[stage]:
            if found[name]:
                standing[name] = (y, found[name] * scale, found[name])
                y += found[name] * scale + SPACE
        placed.append(standing)
    return placed


def _ribbons(
    ways: Mapping[Path4, int], nodes: Sequence[Mapping[str, tuple[float, float, int]]], stage: int
) -> dict[tuple[str, str], tuple[float, float, float]]:
    """(from, to) → upper edge on the left, upper edge on the right, thickness."""
    flows = Counter[tuple[str, str]]()
    for way, n in ways.items():
        flows[way[stage], way[stage + 1]] += n
    left, right = ({name: y for name, (y, _, _) in nodes[s].items()} for s in (stage, stage + 1))
    found = {}
    for start in nodes[stage]:
        _, height, cases = nodes[stage][start]
        for end in nodes[stage + 1]:
            if thick := flows[start, end] * height / cases:
                found[start, end] = (left[start], right[end], thick)
                left[start] += thick
                right[end] += thick
    return found


def _ribbon(ax: Axes, x: tuple[float, float], y: tuple[float, float], thick: float, colour: str) -> None:
    share = np.linspace(0, 1, 40)
    upper = y[0] + (y[1] - y[0]) * share**2 * (3 - 2 * share)
    ax.fill_between(x[0] + (x[1] - x[0]) * share, upper, upper + thick, color=colour, linewidth=0, zorder=1)


def _bars(ax: Axes, x: float, standing: Mapping[str, tuple[float, float, int]], room: float) -> None:
    """A stage's bars; their names are pushed apart where they would touch."""
    from matplotlib.patches import Rectangle

    middles = _style.apart([y + height / 2 for y, height, _ in standing.values()], PITCH, HIGH)
    for (name, (y, height, cases)), middle in zip(standing.items(), middles, strict=True):
        look: dict[str, Any] = {"facecolor": "#3d454d"}
        if name in _style.OUTCOMES:
            edge = _style.HATCH_INK if name == "worse" else _style.FAINT
            look = {"facecolor": _style.OUTCOMES[name], "hatch": _style.HATCHES[name], "edgecolor": edge}
        look |= {"linewidth": 0.4, "zorder": 2, "clip_on": False, "gid": f"{name}:{cases}"}
        ax.add_patch(Rectangle((x, y), BAR, max(height, THINNEST), **look))
        count = f" {cases:,}"
        words = _text.fit(NAMES.get(name, name), room - _text.width(count, _style.SMALL, "bold"), _style.SMALL)
        ax.text(x + BAR + 0.06, middle, words, va="center", fontsize=_style.SMALL, zorder=3)
        ax.text(x + BAR + 0.06 + _text.width(words, _style.SMALL), middle, count, va="center", fontsize=_style.SMALL,
                weight="bold", zorder=3)  # fmt: skip
