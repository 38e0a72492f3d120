"""How plots look: colours, sizes, a sheet laid out in inches, and how a figure is written.

Everything that colour says is also said by lightness, marker, hatch or place, so that a plot can be read in
grey. Text from outside is never taken for markup, and characters without a glyph become an empty box.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fsrbench.files import atomic
from fsrbench.show import drawing, numbers
from fsrbench.show.plots import _text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, MARGIN = 13.33, 0.35
"""Of a sheet, in inches: the width of a slide."""
DPI = 150
SMALL, TEXT, TITLE = 9.0, _text.TEXT, 16.0
"""Sizes of text, in points."""
LINE = 0.19
"""Height of a line of TEXT, in inches."""
INK, FAINT, RULE, BAND = drawing.INK, drawing.FAINT, "#c9ced3", "#e3e7eb"
ROLES = {
    "contender": "#12335e", "headroom": "#8e3a94", "control": "#d17b20", "floor": "#a9aeb3", "pure": "#2e8464",
}  # fmt: skip
MARKERS = {"contender": "o", "control": "s", "floor": "D", "headroom": "^", "pure": "P"}
LEGEND = {
    "pure": "pure (the pipelines alone)",
    "contender": "contender",
    "control": "control",
    "floor": "noise floor (pure again)",
    "headroom": "headroom (privileged: saw the reference)",
}
OUTCOMES = {"better": drawing.BETTER, "worse": "#e39a55", "same": "#d3d8dc", "unknown": "#ffffff"}
HATCHES = {"better": "", "worse": "////", "same": "", "unknown": "..."}
HATCH_INK = "#7a3e06"
SETTINGS: dict[str, Any] = {
    "font.family": _text.FONT,
    "font.size": TEXT,
    "text.color": INK,
    "text.parse_math": False,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "hatch.linewidth": 0.7,
    "hatch.color": HATCH_INK,
    "legend.fontsize": TEXT,
    "legend.frameon": False,
    "svg.hashsalt": "fsrbench",
    "svg.fonttype": "path",
}


@contextmanager
def settings() -> Iterator[None]:
    """Matplotlib's settings as plots need them, whatever the user's own are; put back afterwards."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        parameters: Any = matplotlib.rcParams
        parameters.update(SETTINGS)
        yield


def write(figure: Figure, folder: Path, name: str, title: str) -> list[Path]:
    """Store a figure as PNG and SVG: no date, no version, nothing that is fetched from elsewhere."""
    png, svg = io.BytesIO(), io.BytesIO()
    figure.savefig(png, format="png", dpi=DPI, metadata={"Software": None})
    bare = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(svg, format="svg", dpi=DPI, metadata={"Title": title, **bare})
    markup = re.sub(r"<!DOCTYPE[^>]*>\s*", "", svg.getvalue().decode())
    paths = [folder / f"{name}.png", folder / f"{name}.svg"]
    atomic.write_bytes(paths[0], png.getvalue())
    atomic.write_bytes(paths[1], markup.encode())
    return paths


def apart(middles: Sequence[float], least: float, end: float) -> list[float]:
    """Places of labels, in their order, at least so far from each other and as near to where they belong as that
    allows; the last one at most at `end` where there is room for all."""
    placed: list[float] = []
    for middle in middles:
        placed.append(max(middle, placed[-1] + least) if placed else middle)
    limit = end
    for i in range(len(placed) - 1, -1, -1):
        placed[i] = min(placed[i], limit)
        limit = placed[i] - least
    return placed


def signed(value: float, digits: int = 3) -> str:
    """A difference on an axis: as short as it can be, with its sign."""
    return numbers.short(value, digits, signed=True)


# ---------------------------------------------------------------------- sheet


@dataclass(frozen=True, slots=True)
class Sheet:
    """A figure that is laid out in inches from the top left corner of its body, below the question."""

    figure: Figure
    """What is drawn on."""
    head: float
    """Height of what stands above the body."""
    height: float
    """Of all of it."""

    def axes(self, left: float, top: float, wide: float, high: float, **options: Any) -> Axes:
        """Axes at a place of the body."""
        bottom = self.height - self.head - top - high
        place = (left / WIDTH, bottom / self.height, wide / WIDTH, high / self.height)
        return self.figure.add_axes(place, **options)

    def text(self, left: float, top: float, words: str, **options: Any) -> None:
        """A line of text; `top` is its middle."""
        look = {"fontsize": TEXT, "va": "center", **options}
        self.figure.text(left / WIDTH, 1 - (self.head + top) / self.height, words, **look)

    def directions(self, left: float, right: float, top: float) -> None:
        """Which end of an axis of differences is which."""
        self.text(left, top, "← worse", fontsize=SMALL, color=FAINT)
        self.text(right, top, "better →", fontsize=SMALL, color=FAINT, ha="right")

    def rule(self, top: float) -> None:
        """A faint line across the sheet."""
        from matplotlib.lines import Line2D

        y = 1 - (self.head + top) / self.height
        self.figure.add_artist(Line2D((MARGIN / WIDTH, 1 - MARGIN / WIDTH), (y, y), color=RULE, linewidth=0.7))

    def legend(self, top: float, roles: Sequence[str], *more: Any) -> None:
        """A row of signs with their names: those of the roles that are shown, and others."""
        from matplotlib.lines import Line2D

        handles = [
            Line2D((), (), color=ROLES[r], marker=MARKERS[r], markersize=7, label=LEGEND[r])
            for r in LEGEND
            if r in roles
        ]
        handles += more
        at = (MARGIN / WIDTH, 1 - (self.head + top) / self.height)
        self.figure.legend(
            handles=handles, loc="center left", bbox_to_anchor=at, ncols=len(handles), borderaxespad=0, borderpad=0,
            handletextpad=0.5, columnspacing=1.6,
        )  # fmt: skip


def sheet(question: str, caption: Sequence[str], body: float) -> Sheet:
    """An empty sheet under its question and above its caption, with a body so many inches high."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    room = WIDTH - 2 * MARGIN
    title, below = _text.wrap(question, room, TITLE, "bold"), _text.wrap(" ".join(caption), room)
    head = 0.3 + 0.32 * len(title)
    height = head + body + 0.3 + LINE * len(below)
    figure = Figure(figsize=(WIDTH, height), facecolor="white")
    FigureCanvasAgg(figure)
    made = Sheet(figure, head, height)
    for number, line in enumerate(title):
        made.text(MARGIN, 0.32 * (number + 0.5) + 0.15 - head, line, fontsize=TITLE, weight="bold")
    for number, line in enumerate(below):
        made.text(MARGIN, body + 0.15 + LINE * (number + 0.5), line, color=FAINT)
    return made


# ----------------------------------------------------------------------- axes


def delta_axis(ax: Axes, reach: float, digits: int, *, better: str, vertical: bool = True) -> None:
    """An axis of differences around zero, as far as `reach`, with what is better up or to the right."""
    from matplotlib.ticker import FixedLocator, FuncFormatter

    reach = max(reach * 1.1, 10.0**-digits)
    low, high = (-reach, reach) if better == "higher" else (reach, -reach)
    axis, limit = (ax.yaxis, ax.set_ylim) if vertical else (ax.xaxis, ax.set_xlim)
    limit(low, high)
    power = 10.0 ** math.floor(math.log10(reach))
    far = max(step * power for step in (1, 2, 3, 4, 5, 6, 8) if step * power <= reach)
    axis.set_major_locator(FixedLocator([-far, 0.0, far]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: signed(float(value))))


def effect(ax: Axes, y: float, found: tuple[float, float | None, float | None], role: str, *, sure: bool) -> None:
    """A mean with the ends of its interval; the sign is filled only where a difference is shown."""
    (mean, low, high), colour = found, ROLES[role]
    if low is not None and high is not None:
        ax.plot([low, high], [y, y], color=colour, linewidth=2, solid_capstyle="butt", gid="interval")
    ax.plot(
        [mean], [y], linestyle="", marker=MARKERS[role], color=colour, markerfacecolor=colour if sure else "white",
        markersize=7, markeredgewidth=1.5, gid="mean",
    )  # fmt: skip


def bare(ax: Axes, rows: int) -> None:
    """Rows of one unit from the top, without an axis for them."""
    ax.set_ylim(rows - 0.5, -0.5)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)


def few_ticks(ax: Axes, *, x: int = 3, y: int = 3) -> None:
    """Few, short tick labels on axes of plain values."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    for axis, count in ((ax.xaxis, x), (ax.yaxis, y)):
        axis.set_major_locator(MaxNLocator(nbins=count, steps=[1, 2, 2.5, 5, 10]))
        axis.set_major_formatter(FuncFormatter(lambda value, _: numbers.short(value, 4)))


def around(values: Collection[float], digits: int) -> tuple[float, float]:
    """Ends of an axis that holds all values and some air."""
    low, high = min(values), max(values)
    air = max(0.08 * (high - low), 10.0**-digits, 1e-9 * max(abs(low), abs(high)))
    return low - air, high + air


def points(ax: Axes, x: Sequence[float], y: Sequence[float], role: str) -> None:
    """A cloud of cases: lighter the more there are; beyond a few hundred an SVG holds it as a picture."""
    count = len(x)
    ax.plot(
        x, y, linestyle="", marker=MARKERS[role], color=ROLES[role], markeredgewidth=0, gid="cases",
        markersize=4.5 if count <= 100 else 2.5, alpha=0.85 if count <= 100 else max(0.15, 0.85 * (100 / count) ** 0.4),
        rasterized=count > 400,
    )  # fmt: skip
