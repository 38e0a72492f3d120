"""A certificate as people read it: what is promised, what it rests on, and what it did to those it was found on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from fsrbench.case.certificate import Certificate
from fsrbench.case.pathfeatures import NAMES
from fsrbench.show import numbers

if TYPE_CHECKING:
    from rich.table import Table


def terminal(found: Certificate) -> Table:
    """What the prediction rests on, feature by feature."""
    from rich.table import Table

    table = Table(title=f"{found.family} · {found.model}: how far the arm may be followed", header_style="bold")
    for name in ("feature", "what it is", "each unit adds"):
        table.add_column(name, justify="right" if name == "each unit adds" else "left")
    table.add_row("", "to begin with", f"{found.prediction.intercept:+.4g}")
    for name, weight in found.prediction.weights.items():
        table.add_row(name, NAMES[name], f"{weight:+.4g}")
    off = "no bound is needed" if found.offset is None else f"{-found.offset:+.4g}"
    table.add_row("", "the offset, so that the promise holds", off)
    return table


def lines(found: Certificate) -> Iterator[str]:
    """What stands below the table."""
    seen = found.seen
    yield found.claim
    yield (
        f"Fitted to {len(found.fitted)} faces, calibrated on {numbers.count(found.persons, 'person')}: of "
        f"{numbers.count(seen.draws, 'input')} the arm proposed a picture for {seen.proposed}, {seen.followed} of them "
        f"are followed, and {seen.harmed} come to harm. These chose the offset, so they are no test of it: run it on "
        "others."
    )
    if not seen.followed:
        yield "It reaches none of them: under it the arm nearly always abstains. More persons or a larger --allow help."
    yield from found.notes
