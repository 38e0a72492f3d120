"""Harm that was seen against harm that was promised, and against the share of an oracle's gain that was taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fsrbench.core import order
from fsrbench.measure.harm_values import ObservedHarm, TakenShare
from fsrbench.measure.results import Results
from fsrbench.show import numbers, wording
from fsrbench.show.plots import _data, _style, _text
from fsrbench.show.plots._data import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

QUESTION = "Whom does it harm, what was promised, and what is gained for it?"
HEADING, FOOT, PITCH, LEAST = 0.95, 0.45, 0.21, 2.2
"""Room above and below a family's panels, for each name, and the least height of a panel."""
LEFT, WIDE, GAP = 1.0, 4.3, 0.35
"""Where the first panel begins, how wide a panel is, and the room on either side of the names between both."""
SECOND = 8.65
"""Where the second panel begins."""
STEP = 0.22
"""Inches between two numbers, at least."""
LEAST_MARGIN = 1.4
"""Inches that arms without a promise have, at least, where others have one."""
MOST = 18
"""Arms of a family that are drawn."""


@dataclass(frozen=True, slots=True, eq=False)
class _Arm:
    """An arm with its number in the plot."""

    number: int
    """From the first of its family."""
    row: Row
    """The arm."""
    harm: ObservedHarm
    """Whom it harmed."""
    taken: TakenShare | None
    """Its share of the oracle's gain, where that is known."""

    @property
    def y(self) -> tuple[float, float | None, float | None]:
        """Harm with its interval, in per cent."""
        low, high = (None if end is None else 100 * end for end in (self.harm.low, self.harm.high))
        return 100 * (self.harm.rate or 0.0), low, high

    @property
    def promised(self) -> float | None:
        """The most that was promised, in per cent; None where nothing was."""
        return None if self.harm.promise is None else 100 * self.harm.promise.alpha


def figure(results: Results) -> Figure | None:
    """The plot; None where nobody's harm is known, or no arm changed a picture."""
    shown = [row for row in _data.rows(results, order.STANDINGS) if _acts(_harm(results, row))]
    if not shown:
        return None
    blocks = [_arms(results, [row for row in shown if row.family == f]) for f in dict.fromkeys(r.family for r in shown)]
    highs = [max(LEAST, PITCH * len(arms)) for arms in blocks]
    sheet = _style.sheet(QUESTION, _caption(results, shown, blocks), 0.35 + sum(highs) + len(blocks) * (HEADING + FOOT))
    sheet.legend(0.15, [arm.row.role for arms in blocks for arm in arms])
    top = 0.4
    for arms, high in zip(blocks, highs, strict=True):
        name = _data.families(results)[arms[0].row.family]
        sheet.rule(top)
        sheet.text(_style.MARGIN, top + 0.18, _text.fit(name, _style.WIDTH - 1, weight="bold"), weight="bold")
        _block(sheet, results, arms, top + HEADING, high)
        top += HEADING + high + FOOT
    return sheet.figure


def _harm(results: Results, row: Row) -> ObservedHarm | None:
    return results.summary.harm.get(row.family, {}).get(row.arm)


def _acts(found: ObservedHarm | None) -> bool:
    """Is its harm known, and did it change a picture?"""
    return found is not None and found.rate is not None and found.kept != 1


def _arms(results: Results, rows: Sequence[Row]) -> list[_Arm]:
    """The arms of one family, with their shares of the first oracle's gain that is worth one."""
    known = [one for one in results.summary.shares.get(rows[0].family, ()) if not one.less and one.share is not None]
    taken = {one.arm: one for one in known if (one.oracle, one.metric) == (known[0].oracle, known[0].metric)}
    harm = {row: found for row in rows[:MOST] if (found := _harm(results, row)) is not None}
    return [_Arm(n, row, found, taken.get(row.arm)) for n, (row, found) in enumerate(harm.items(), start=1)]


def _caption(results: Results, shown: Sequence[Row], blocks: Sequence[Sequence[_Arm]]) -> list[str]:
    sets = results.summary.harm.values()
    labels = dict.fromkeys(metric for arms in sets for one in arms.values() for metric in one.allowed)
    names = [about.label for metric, about in results.summary.metrics.items() if metric in labels]
    drawn = [arm for arms in blocks for arm in arms]
    said = [
        f"Harmed: {wording.unit(results.summary)}s worse than pure by more than is allowed in {wording.listed(names)} "
        "(any one of them, or of those that were promised), with the 95 % interval of their share.",
    ]
    if any(arm.promised for arm in drawn):
        said.append("Grey: within the promise. Filled: above it beyond chance. Equal promises stand side by side.")
    if any(arm.taken for arm in drawn):
        said.append("Share: all that an arm gained over all that the oracle gained, with its 95 % BCa interval.")
    if len(drawn) < len(shown):
        said.append(f"Of a family the first {MOST} arms are drawn; summary.md has all {len(shown)}.")
    return _data.caption(results, shown, *said)


def _block(sheet: _style.Sheet, results: Results, arms: Sequence[_Arm], top: float, high: float) -> None:
    """One family: both panels, on one axis of harm, with the names between them."""
    seen = [value for arm in arms for value in arm.y if value is not None]
    reach = max(*seen, *(arm.promised or 0 for arm in arms), 10.0) * 1.04
    family = arms[0].row.family
    first = sheet.axes(LEFT, top, WIDE, high, gid=f"promised:{family}")
    first.set_ylim(0, reach)
    against = ", against what was promised" if any(arm.promised is not None for arm in arms) else ""
    sheet.text(LEFT, top - 0.48, f"harmed{against}", weight="bold")
    places = _promised(first, arms)
    _numbers(sheet, LEFT, top, places)
    if bare := [places[arm.number] for arm in arms if arm.promised is None]:
        words, middle = "no promise", LEFT + (min(bare) + max(bare)) / 2
        sheet.text(middle, top + high + 0.15, words, ha="center", fontsize=_style.SMALL, color=_style.FAINT)
    for place, arm in enumerate(arms):
        _name(sheet, arm, LEFT + WIDE + GAP, top + PITCH * (place + 0.5))
    taken = {arm: arm.taken for arm in arms if arm.taken is not None}
    if taken:
        bound = next(iter(taken.values()))
        second = sheet.axes(SECOND, top, WIDE, high, gid=f"taken:{family}")
        second.set_ylim(0, reach)
        gain = f"{wording.arm_title(bound.oracle)}'s gain in {results.summary.metrics[bound.metric].label}"
        title = _text.fit(f"harmed, against the share of {gain}", WIDE, weight="bold")
        sheet.text(SECOND, top - 0.48, title, weight="bold")
        _numbers(sheet, SECOND, top, _taken(second, taken))


def _name(sheet: _style.Sheet, arm: _Arm, left: float, middle: float) -> None:
    """`3  FSR+random (control)`."""
    word = _data.WORDS[arm.row.role]
    tail = f" ({word})" if word else ""
    room = SECOND - 0.7 - left - 0.28 - _text.width(tail)
    sheet.text(left + 0.18, middle, str(arm.number), ha="right", fontsize=_style.SMALL, color=_style.FAINT)
    sheet.text(left + 0.28, middle, _text.fit(arm.row.name, room) + tail)


def _numbers(sheet: _style.Sheet, left: float, top: float, places: Mapping[int, float]) -> None:
    """The arms' numbers above a panel, each over its point."""
    for number, place in places.items():
        sheet.text(left + place, top - 0.16, str(number), ha="center", fontsize=_style.SMALL, color=_style.FAINT)


def _promised(ax: Axes, arms: Sequence[_Arm]) -> dict[int, float]:
    """Each arm at what was promised of it, to the left those of which nothing was; number → inches from the left."""
    bound = sorted((arm for arm in arms if arm.promised is not None), key=lambda arm: arm.promised or 0.0)
    bare = [arm for arm in arms if arm.promised is None]
    margin = 0.0 if not bare else max(LEAST_MARGIN, STEP * (len(bare) + 1)) if bound else WIDE
    most = 1.3 * max((arm.promised or 0.0 for arm in bound), default=100.0)
    inch = most / max(WIDE - margin, 1.0)
    ax.set_xlim(-margin * inch, (WIDE - margin) * inch)
    places = {arm.number: margin * (place + 1) / (len(bare) + 1) for place, arm in enumerate(bare)}
    middles = [margin + (arm.promised or 0.0) / inch for arm in bound]
    places |= dict(zip((arm.number for arm in bound), _style.apart(middles, STEP, WIDE - 0.1), strict=True))
    _axes(ax, _ticks(0, most) if bound else [])
    if bound:
        ax.fill_between([0, most], [0, most], color=_style.BAND, linewidth=0, zorder=0)
        ax.plot([0, most], [0, most], color=_style.FAINT, linewidth=1, linestyle=(0, (4, 3)), zorder=1, gid="diagonal")
    if bare and bound:
        ax.axvline(0, color=_style.RULE, linewidth=0.7, zorder=0)
    for arm in arms:
        _point(ax, (places[arm.number] - margin) * inch, arm)
    return places


def _taken(ax: Axes, taken: Mapping[_Arm, TakenShare]) -> dict[int, float]:
    """Each arm at the share that it took; number → inches from the left."""
    shares = {arm: 100 * (one.share or 0.0) for arm, one in taken.items()}
    low, high = min(0.0, *shares.values()) - 6, max(100.0, *shares.values()) + 6
    ax.set_xlim(low, high)
    _axes(ax, _ticks(low, high))
    for nothing in (0, 100):
        ax.axvline(nothing, color=_style.RULE, linewidth=0.7, zorder=0)
    for arm, one in taken.items():
        if one.low is not None and one.high is not None:
            ends, y = [100 * one.low, 100 * one.high], arm.y[0]
            ax.plot(ends, [y, y], color=_style.ROLES[arm.row.role], linewidth=2, solid_capstyle="butt", gid="share")
        _point(ax, shares[arm], arm)
    ranked = sorted(shares, key=lambda arm: shares[arm])
    middles = [(shares[arm] - low) / (high - low) * WIDE for arm in ranked]
    return dict(zip((arm.number for arm in ranked), _style.apart(middles, STEP, WIDE), strict=True))


def _point(ax: Axes, x: float, arm: _Arm) -> None:
    """Harm with its interval, upright; filled where it is above its promise beyond chance."""
    (y, low, high), role = arm.y, arm.row.role
    colour = _style.ROLES[role]
    if low is not None and high is not None:
        ax.plot([x, x], [low, high], color=colour, linewidth=2, solid_capstyle="butt", gid="interval")
    ax.plot(
        [x], [y], linestyle="", marker=_style.MARKERS[role], color=colour, markeredgewidth=1.5, markersize=7,
        gid="harm", markerfacecolor=colour if arm.harm.broken else "white", clip_on=False, zorder=3,
    )  # fmt: skip


def _axes(ax: Axes, ticks: Sequence[float]) -> None:
    """Few ticks, in per cent."""
    low, high = ax.get_ylim()
    ax.set_xticks(ticks, [f"{numbers.short(tick)} %" for tick in ticks])
    ax.set_yticks(upright := _ticks(low, high), [f"{numbers.short(tick)} %" for tick in upright])


def _ticks(low: float, high: float) -> list[float]:
    """At most five round numbers between two ends."""
    from matplotlib.ticker import MaxNLocator

    return [
        float(tick)
        for tick in MaxNLocator(nbins=4, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
        if low <= tick <= high
    ]
