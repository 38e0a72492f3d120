"""What a sweep found: the difference from pure against the value that was varied, one panel for each metric.

With one or two things varied, the first is the horizontal axis and the other the lines; with more, every point is
a row, the best ones first. It takes what `sweep.json` holds, not a `Results`: a point is more than an arm.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fsrbench.experiments.sweep import PointEffect
from fsrbench.files import atomic
from fsrbench.show import sweep_views, wording
from fsrbench.show.plots import SWEEP, _style, _text
from fsrbench.study.store import RunFolder

if TYPE_CHECKING:
    from matplotlib.axes import Axes

QUESTION = "Which setting helps, and by how much?"
LOOKS = (
    ("#12335e", "o", "-"), ("#d07a1f", "s", "--"), ("#8e3a94", "^", "-."), ("#2c8a6a", "D", ":"),
    ("#7b8087", "v", (0, (6, 2))), ("#b3315f", "P", (0, (1, 1))),
)  # fmt: skip
"""Colour, marker and line of the second thing that is varied: each tells them apart alone."""
HIGH, GUTTER, LEFT, STEP, PITCH, NAMES = 2.3, 0.3, 0.75, 0.62, 0.3, 6.0
"""Inches: a panel's height, room above, beside and below it; a row of the list of points, and most for its name."""
ACROSS, MOST_LOOKS = 5, len(LOOKS)
Found = Mapping[str, Any]
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Varied:
    """One thing that is varied, the arm among them."""

    name: str
    """What it is called."""
    values: tuple[str, ...]
    """Its values in the order of the grid, as they are written."""
    numbers: tuple[float, ...] | None
    """The same as numbers, where all are."""


def draw(found: Found, root: Path) -> list[Path]:
    """Write `plots/sweep.png` and `plots/sweep.svg`; where no point has a number, earlier ones go."""
    if not _measured(found):
        for suffix in (".png", ".svg"):
            atomic.remove(RunFolder(root).plots / f"{SWEEP}{suffix}")
        return []
    varied = _varied(found)
    with _style.settings():
        everywhere = all(_value(row, one) in one.values for row in found["points"] for one in varied)
        plain = everywhere and len(varied) <= 2 and all(len(one.values) <= MOST_LOOKS for one in varied[1:])
        made = _lines(found, varied) if plain else _list(found)
        return _style.write(made.figure, RunFolder(root).plots, SWEEP, QUESTION)


def _varied(found: Found) -> list[_Varied]:
    """What takes more than one value; numbers with the most values first, since they make the better axis."""
    known = dict.fromkeys(axis["name"] for axis in found["axes"])
    rows = [({"arm": row["arm_of"]} if "arm" not in known else {}) | row["values"] for row in found["points"]]
    varied = []
    for name in ("arm", *known):
        values = list({sweep_views.said(row[name]): row[name] for row in rows if name in row}.values())
        if len(values) > 1:
            plain = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
            varied.append(_Varied(name, tuple(map(sweep_views.said, values)), tuple(values) if plain else None))
    return sorted(varied, key=lambda one: (one.numbers is None, -len(one.values)))


def _value(row: Row, varied: _Varied) -> str:
    """Where a point stands; nothing, if this is not varied in its arm or family."""
    if varied.name in row["values"]:
        return sweep_views.said(row["values"][varied.name])
    return str(row["arm_of"]) if varied.name == "arm" else ""


def _caption(found: Found, *more: str) -> list[str]:
    tests = found["statistics"].tests
    return [
        "Mean paired difference, point − pure, with its 95 % t-interval, which is not adjusted. Filled: shown, the "
        "adjusted p of the exact sign test is below 5 %.",
        *more,
        f"{len(found['points'])} points, {tests} tests: the best of many is partly luck; adjusted p stand in sweep.md.",
    ]


# ------------------------------------------------------------------------ lines


def _lines(found: Found, varied: Sequence[_Varied]) -> _style.Sheet:
    """A row of panels for each family, a panel for each metric."""
    across = varied[0] if varied else _Varied("", ("",), None)
    series = varied[1] if len(varied) > 1 else None
    families = list(dict.fromkeys(row["family_of"] for row in found["points"]))
    metrics = _measured(found)
    blocks = [metrics[i : i + ACROSS] for i in range(0, len(metrics), ACROSS)]
    block = HIGH + GUTTER + STEP
    caption = _caption(found, "Up is better in every panel.")
    top = 0.45 if series else 0.1
    made = _style.sheet(QUESTION, caption, top + len(families) * (0.34 + block * len(blocks)))
    if series:
        at = (_style.MARGIN / _style.WIDTH, 1 - (made.head + 0.15) / made.height)
        made.figure.legend(
            handles=_legend(series),
            loc="center left",
            bbox_to_anchor=at,
            ncols=MOST_LOOKS,
            borderaxespad=0,
            borderpad=0,
        )
    wide = (_style.WIDTH - 2 * _style.MARGIN) / max(len(b) for b in blocks)
    for family in families:
        made.rule(top + 0.02)
        made.text(_style.MARGIN, top + 0.2, _title(found, family), weight="bold")
        top += 0.34
        rows = [row for row in found["points"] if row["family_of"] == family]
        for names in blocks:
            for place, metric in enumerate(names):
                left = _style.MARGIN + place * wide
                heading = _text.fit(wording.heading(found["metrics"][metric]), wide - LEFT, weight="bold")
                made.text(left + LEFT, top + GUTTER / 2, heading, weight="bold")
                ax = made.axes(left + LEFT, top + GUTTER, min(wide, 6.0) - LEFT - 0.25, HIGH, gid=f"sweep:{metric}")
                _panel(ax, found, rows, metric, across, series)
            top += block
    return made


def _title(found: Found, family: str) -> str:
    """The family and the models that made its pictures, of all its variants."""
    variants = dict.fromkeys(row["family"] for row in found["points"] if row["family_of"] == family)
    models = dict.fromkeys(model for name in variants for model in found["models"].get(name, ()))
    return _text.fit(" · ".join([family, *([", ".join(models)] if models else [])]), _style.WIDTH - 1, weight="bold")


def _legend(series: _Varied) -> list[Any]:
    from matplotlib.lines import Line2D

    return [
        Line2D((), (), color=colour, marker=marker, linestyle=line, markersize=7,
               label=_text.fit(f"{_words(series.name)} {value}", 2.2))
        for value, (colour, marker, line) in _looks(series)
    ]  # fmt: skip


def _measured(found: Found) -> list[str]:
    """Metrics of which any point has a number."""
    rows = found["points"]
    return [name for name in found["metrics"] if any(row["metrics"][name].delta is not None for row in rows)]


def _looks(series: _Varied) -> list[tuple[str, tuple[str, str, Any]]]:
    return [(value, LOOKS[number % len(LOOKS)]) for number, value in enumerate(series.values)]


def _words(name: str) -> str:
    return name.replace("_", " ")


def _panel(ax: Axes, found: Found, rows: Sequence[Row], metric: str, across: _Varied, series: _Varied | None) -> None:
    """One metric of one family: a line for each value of the second thing that is varied."""
    _axis(ax, found, rows, metric, vertical=True)
    ax.axhline(0, color=_style.INK, linewidth=0.9, zorder=1)
    at = across.numbers or tuple(map(float, range(len(across.values))))
    step = min((abs(a - b) for a in at for b in at if a != b), default=1.0)
    named = _looks(series) if series else [("", LOOKS[0])]
    for number, (value, look) in enumerate(named):
        shift = (number - (len(named) - 1) / 2) * min(0.12, 0.5 / len(named)) * step
        placed = [
            (at[across.values.index(_value(row, across))] + shift, row["metrics"][metric])
            for row in rows
            if series is None or _value(row, series) == value
        ]
        sure = {x: bool(wording.standing_out(found["metrics"][metric], effect)) for x, effect in placed}
        _line(ax, sorted(placed, key=lambda one: one[0]), sure, look, joined=across.numbers is not None)
    ax.set_xlim(min(at) - 0.5 * step, max(at) + 0.5 * step)
    _ticks(ax, at, across)


def _axis(ax: Axes, found: Found, rows: Sequence[Row], metric: str, *, vertical: bool) -> None:
    """An axis of differences: zero and all intervals on it, what is better up or to the right."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    effects = [row["metrics"][metric] for row in rows]
    ends = [0.0, *(end for e in effects for end in (e.delta, e.low, e.high) if end is not None)]
    about = found["metrics"][metric]
    room = max((max(ends) - min(ends)) * 0.1, 10.0**-about.digits)
    limits = (min(ends) - room, max(ends) + room)
    (ax.set_ylim if vertical else ax.set_xlim)(*(limits if about.better == "higher" else limits[::-1]))
    axis = ax.yaxis if vertical else ax.xaxis
    axis.set_major_locator(MaxNLocator(nbins=5 if vertical else 3, steps=[1, 2, 5, 10]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: _style.signed(round(float(value), 12))))


def _line(
    ax: Axes,
    placed: Sequence[tuple[float, PointEffect]],
    sure: Mapping[float, bool],
    look: tuple[str, str, Any],
    *,
    joined: bool,
) -> None:
    """The points of one line, each with its interval; joined where what lies between them means something."""
    colour, marker, line = look
    known = [(x, effect.delta, effect) for x, effect in placed if effect.delta is not None]
    if joined:
        ax.plot([x for x, _, _ in known], [delta for _, delta, _ in known], color=colour, linestyle=line, linewidth=1.4)
    for x, delta, effect in known:
        if effect.low is not None and effect.high is not None:
            ax.plot([x, x], [effect.low, effect.high], color=colour, linewidth=1.6, gid="interval")
        _mean(ax, x, delta, (colour, marker), filled=sure[x])


def _mean(ax: Axes, x: float, y: float, look: tuple[str, str], *, filled: bool) -> None:
    """A mean, filled where it stands out."""
    ax.plot(
        [x], [y], marker=look[1], color=look[0], markersize=7, markeredgewidth=1.4, linestyle="", gid="mean", zorder=3,
        markerfacecolor=look[0] if filled else "white",
    )  # fmt: skip


def _ticks(ax: Axes, at: Sequence[float], across: _Varied) -> None:
    labels = [_text.fit(value, 1.1, _style.SMALL) for value in across.values]
    ax.set_xticks(list(at), labels)
    if sum(_text.width(text, _style.SMALL) + 0.1 for text in labels) > 1.6:
        ax.tick_params(axis="x", labelrotation=30)
        for text in ax.get_xticklabels():
            text.set_horizontalalignment("right")
    ax.set_xlabel(_text.plain(_words(across.name)), labelpad=2)


# ------------------------------------------------------------------------- list


def _list(found: Found) -> _style.Sheet:
    """Every point a row, in each family the best by the first metric first."""
    metrics = _measured(found)[:ACROSS]
    first = found["metrics"][metrics[0]]
    lines: list[str | Row] = []
    for family in dict.fromkeys(row["family"] for row in found["points"]):
        own = [row for row in found["points"] if row["family"] == family]
        lines += [family, *sorted(own, key=lambda row: _loss(row, metrics[0], first.better))]
    high = PITCH * len(lines)
    more = [f"In each family the best by {first.label} first; right of zero is better."]
    if len(_measured(found)) > ACROSS:
        more.append(f"Only the first {ACROSS} metrics are drawn; all of them stand in sweep.md.")
    made = _style.sheet(QUESTION, _caption(found, *more), high + 0.75)
    longest = max(_text.width(_text.plain(sweep_views.label(found, row))) for row in found["points"])
    names = min(max(longest + 0.3, 2.5), NAMES)
    wide = (_style.WIDTH - 2 * _style.MARGIN - names) / len(metrics)
    for number, line in enumerate(lines):
        name = wording.family_name(found["models"], line) if isinstance(line, str) else sweep_views.label(found, line)
        bold = "bold" if isinstance(line, str) else "normal"
        inset = 0 if isinstance(line, str) else 0.15
        words = _text.fit(name, names - 0.1 - inset, weight=bold)
        made.text(_style.MARGIN + inset, 0.35 + PITCH * (number + 0.5), words, weight=bold)
    for place, metric in enumerate(metrics):
        left = _style.MARGIN + names + place * wide
        heading = _text.fit(wording.heading(found["metrics"][metric]), wide - 0.2, weight="bold")
        made.text(left + 0.1, 0.18, heading, weight="bold")
        ax = made.axes(left + 0.1, 0.35, wide - 0.25, high, gid=f"sweep:{metric}")
        _column(ax, found, lines, metric)
    return made


def _loss(row: Row, metric: str, better: str) -> float:
    """What sorts points from best to worst; those without a number last."""
    delta = row["metrics"][metric].delta
    return float("inf") if delta is None else -delta if better == "higher" else delta


def _column(ax: Axes, found: Found, lines: Sequence[str | Row], metric: str) -> None:
    rows = [line for line in lines if not isinstance(line, str)]
    _axis(ax, found, rows, metric, vertical=False)
    ax.set_ylim(len(lines) - 0.5, -0.5)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    ax.axvline(0, color=_style.INK, linewidth=0.9, zorder=1)
    for y, line in enumerate(lines):
        if isinstance(line, str):
            continue
        ax.axhline(y, color=_style.BAND, linewidth=0.7, zorder=0)
        effect = line["metrics"][metric]
        if effect.delta is None:
            continue
        if effect.low is not None:
            ax.plot([effect.low, effect.high], [y, y], color=LOOKS[0][0], linewidth=1.6, gid="interval")
        _mean(ax, effect.delta, y, LOOKS[0][:2], filled=bool(wording.standing_out(found["metrics"][metric], effect)))
