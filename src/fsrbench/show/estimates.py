"""What a run would take, as people read it: a table for the terminal, and sentences below it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from fsrbench.core.forecasts import Forecast
from fsrbench.core.values import Usage
from fsrbench.experiments.estimate import ArmEstimate, FamilyEstimate, RunEstimate
from fsrbench.show import numbers

if TYPE_CHECKING:
    from rich.table import Table

HEAD = ("", "cases", "passes", "requests", "tokens sent", "received", "cost")
READING = (
    "Of two numbers, the first holds if auditors accept every picture at once and search for nothing; the second is "
    "the most: every retry taken, every reply unusable at first and as long as it may be."
)


def terminal(found: RunEstimate) -> Table:
    """A row for pure and for each arm, family by family; the sum below."""
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=f"Before anything is spent: {numbers.count(found.cases, 'case')}, {found.folder}", header_style="bold"
    )
    for title in HEAD:
        table.add_column(title, justify="right" if title else "left")
    for family in found.families:
        table.add_section()
        table.add_row(Text(family.family, style="bold", overflow="fold"), numbers.whole(family.cases))
        for cells in _rows(family):
            table.add_row(*cells)
    table.add_section()
    if found.preflight.most.requests:
        table.add_row("preflight", "", "", *_sent(found.preflight))
    passes = tuple(sum(family.passes[end] for family in found.families) for end in (0, 1))
    name = "all" if found.complete else "all that is known"
    table.add_row(Text(name, style="bold"), "", _between(*map(numbers.whole, passes)), *_sent(found.asked))
    return table


def _rows(family: FamilyEstimate) -> Iterator[tuple[str, ...]]:
    """The rows of a family that have something to say, below its name."""
    if family.pure:
        yield "pure", numbers.whole(family.pure), numbers.whole(family.pure)
    if family.lost[1]:
        yield "deleted pictures", "", _between(*map(numbers.whole, family.lost))
    if family.trials:
        yield "trying knobs", "", _between("0", numbers.whole(family.trials))
    for arm in family.arms:
        passes = numbers.MISSING if arm.passes is None else _between(*map(numbers.whole, arm.passes))
        yield arm.arm, numbers.whole(arm.cases), passes, *_sent(arm.asked)


def _sent(asked: Forecast | None) -> tuple[str, str, str, str]:
    """Requests, tokens and cost; empty where nobody is asked."""
    if asked is None:
        return (numbers.MISSING,) * 4
    if not asked.most.requests:
        return ("",) * 4
    least, most = (_told(usage) for usage in (asked.least, asked.most))
    requests, sent, received, cost = (_between(*ends) for ends in zip(least, most, strict=True))
    return requests, sent, received, cost


def _told(usage: Usage) -> tuple[str, str, str, str]:
    whole = (usage.requests, usage.prompt_tokens, usage.completion_tokens)
    requests, sent, received = map(numbers.whole, whole)
    return requests, sent, received, numbers.MISSING if usage.cost is None else numbers.money(usage.cost)


def _between(least: str, most: str) -> str:
    """`12`, or `12 – 48`."""
    return least if least == most else f"{least} – {most}"


def lines(found: RunEstimate) -> Iterator[str]:
    """What stands below the table."""
    for family in found.families:
        if not family.cases:
            yield f"{family.family}: nothing is missing."
        elif family.why:
            yield f"{family.family}: nothing more is known of it. {family.why}"
        elif family.seconds is not None:
            yield f"{family.family} · {family.model}: {_time(family, family.seconds)}"
    yield from _replies(found)
    if found.asked.most.requests or any(family.passes[0] != family.passes[1] for family in found.families):
        yield READING
    if found.asked.most.requests:
        yield "Tokens are estimated, from one rendered question of each family and its pictures; servers differ."
    if any(family.seconds is not None for family in found.families):
        yield "Measuring, panels, plots and the report come on top of these times."
    yield from found.notes


def _time(family: FamilyEstimate, seconds: float) -> str:
    """`one pass takes 0.21 s here, 2 side by side: 12 s – 40 s in its networks.`"""
    least, most = (numbers.duration(seconds * passes / family.lanes) for passes in family.passes)
    beside = f", {family.lanes} side by side" if family.lanes > 1 else ""
    return f"one pass takes {numbers.amount(seconds)} s here{beside}: {_between(least, most)} in its networks."


def _replies(found: RunEstimate) -> Iterator[str]:
    """What waiting for replies adds, arm by arm; and of which arms nobody can say what they ask."""
    arms: dict[str, list[ArmEstimate]] = {}
    for family in found.families:
        for arm in family.arms:
            arms.setdefault(arm.arm, []).append(arm)
    for name, each in arms.items():
        if any(arm.asked is None or arm.passes is None for arm in each):
            yield f"{name}: not all that it takes can be said before, for its way or its auditor does not say."
        requests = sum(arm.asked.least.requests for arm in each if arm.asked is not None)
        if requests:
            added = numbers.duration(requests / each[0].in_flight)
            yield (
                f"{name}: how long a reply takes is not known. Each second of it adds at least {added}, with "
                f"{each[0].in_flight} requests in flight."
            )
