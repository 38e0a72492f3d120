"""How often judges are right, with intervals: judges in rows under their family, one panel for whom they are held
against and for how steady they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from fsrbench.measure.intervals import PersonShare
from fsrbench.measure.judged_values import JudgeResult, JudgingReport
from fsrbench.show import numbers
from fsrbench.show.judging import rows
from fsrbench.show.plots import _data, _style, _text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAME = "judge"
"""What its files are called."""
QUESTION = "How often is each judge right, and does it stay with what it said?"
PITCH, GUTTER, FOOT = 0.3, 2.1, 0.5
"""Height of a row; room for names; room for an axis."""
ACROSS = 5
"""Panels side by side."""


@dataclass(frozen=True, slots=True)
class SharePanel:
    """One thing that is asked of every judge."""

    title: str
    """Above it."""
    share: Callable[[JudgeResult], PersonShare]
    """Its number."""
    middle: bool
    """Is half of it chance?"""
    metric: str = ""
    """The metric that it is agreement with; empty for all else."""


def draw(found: JudgingReport, folder: Path) -> list[Path]:
    """Write the plot as PNG and SVG; nothing where no judge has a number."""
    if not any(result.hearings for result in found.results):
        return []
    with _style.settings():
        return _style.write(_figure(found), folder, NAME, QUESTION)


def _panels(found: JudgingReport) -> Iterator[SharePanel]:
    if rows.PEOPLE in rows.columns(found):
        yield SharePanel("agrees with people", lambda result: result.people, middle=True)
    for metric, about in found.metrics.items():
        yield SharePanel(f"agrees with {about.label}", partial(_agreement, metric), middle=True, metric=metric)
    yield SharePanel(rows.BEHAVIOUR[0], lambda result: result.turned, middle=False)
    yield SharePanel(rows.BEHAVIOUR[1], lambda result: result.again, middle=False)
    yield SharePanel(rows.BEHAVIOUR[2], lambda result: result.first, middle=True)


def _agreement(metric: str, result: JudgeResult) -> PersonShare:
    return result.agreement[metric]


def _figure(found: JudgingReport) -> Figure:
    lines = _data.headed(list(found.results), lambda result: result.family)
    panels = list(_panels(found))
    blocks = [panels[i : i + ACROSS] for i in range(0, len(panels), ACROSS)]
    high = PITCH * len(lines)
    sheet = _style.sheet(QUESTION, _caption(found), 0.4 + len(blocks) * (0.35 + high + FOOT))
    sheet.legend(0.15, [facts.role for facts in found.judges.values()])
    step = min((_style.WIDTH - _style.MARGIN * 2 - GUTTER) / max(map(len, blocks)), 4.0)
    for number, block in enumerate(blocks):
        top = 0.75 + number * (0.35 + high + FOOT)
        _names(sheet, lines, top)
        for place, panel in enumerate(block):
            _panel(sheet, found, panel, lines, (_style.MARGIN + GUTTER + place * step, top, step - 0.5, high))
    return sheet.figure


def _caption(found: JudgingReport) -> list[str]:
    pairs = ", ".join(f"{family} {about.pairs:,}" for family, about in found.families.items())
    return [
        f"Pairs of pictures: {pairs}. Shares with their 95 % intervals over persons; the line at half is chance.",
        "Filled: the interval leaves out half. Not adjusted for how many there are. A judge that goes by a metric is "
        "not drawn against it.",
    ]


def _names(sheet: _style.Sheet, lines: Sequence[JudgeResult | str], top: float) -> None:
    for number, line in enumerate(lines):
        middle = top + PITCH * (number + 0.5)
        if isinstance(line, str):
            if number:
                sheet.rule(top + PITCH * number)
            sheet.text(_style.MARGIN, middle, _text.fit(line, GUTTER, weight="bold"), weight="bold")
        else:
            sheet.text(_style.MARGIN + 0.15, middle, _text.fit(line.judge, GUTTER - 0.3))


def _panel(
    sheet: _style.Sheet,
    found: JudgingReport,
    panel: SharePanel,
    lines: Sequence[JudgeResult | str],
    place: tuple[float, float, float, float],
) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter

    left, top, wide, high = place
    ax = sheet.axes(left, top, wide, high, gid=f"judge:{panel.title}")
    _style.bare(ax, len(lines))
    ax.set_xlim(-0.03, 1.03)
    ax.xaxis.set_major_locator(FixedLocator([0, 0.5, 1]))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: numbers.spaced(value)))
    sheet.text(left + wide / 2, top - 0.15, _text.fit(panel.title, wide, weight="bold"), ha="center", weight="bold")
    for number, line in enumerate(lines):
        if isinstance(line, str):
            continue
        if panel.middle:
            ax.plot([0.5, 0.5], [number - 0.5, number + 0.5], color=_style.RULE, linewidth=0.9, zorder=1)
        one, facts = panel.share(line), found.judges[line.judge]
        if one.share is not None and panel.metric not in facts.measures:
            sure = one.low is not None and one.high is not None and not one.low <= 0.5 <= one.high
            _style.effect(ax, number, (one.share, one.low, one.high), facts.role, sure=sure)
