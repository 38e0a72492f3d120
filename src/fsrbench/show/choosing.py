"""What choosing gained, and what averaging did: the table in `summary.md` and on the report's first page."""

from __future__ import annotations

from collections.abc import Iterator

from fsrbench.core import order
from fsrbench.measure.choosing_values import Gained
from fsrbench.measure.summary_values import Summary
from fsrbench.show import numbers

TITLE = "What choosing gained, and what averaging did"
HEAD = ("n", "candidates", "kept", "selection skill", "averaging", "together", "best fixed")
READING = (
    "By how much the mean squared error (0–255 scale) is below that of one candidate drawn blindly, with the "
    "{level:.0%} t-interval of the mean over cases. Selection skill is what the choice gained: the mean error of all "
    "candidates less that of the kept ones. Averaging is what their mean gained over them, which takes no skill: the "
    "spread of the kept ones around it. The two add up exactly, but for the rounding of the picture to 8 bits. A judge "
    "that does not look has a selection skill of zero in the long run. The best fixed candidate is the number that did "
    "best on all other persons: what it gains is owed to a lucky seed or view, and a choice must beat it. n counts the "
    "cases whose candidates' pictures are kept (keep_candidates) and that have a reference."
)
"""How the table is read."""


def rows(summary: Summary) -> Iterator[tuple[str, str, list[str]]]:
    """Family, arm and its cells."""
    for family, arms in summary.choosing.items():
        for arm in order.arms(arms, summary.roles):
            found = arms[arm]
            together = found.skill.mean + found.averaging.mean
            counts = map(str, (found.n, found.candidates, found.kept))
            gains = (_gained(found.skill), _gained(found.averaging), _number(together), _gained(found.fixed))
            yield family, arm, [*counts, *gains]


def reading(summary: Summary) -> str:
    """How the table is read."""
    return READING.format(level=summary.statistics.level)


def _gained(found: Gained | None) -> str:
    if found is None:
        return numbers.MISSING
    ends = "" if found.low is None or found.high is None else f" [{_number(found.low)}, {_number(found.high)}]"
    return f"{_number(found.mean)}{ends}"


def _number(value: float) -> str:
    return numbers.minus(f"{value:+.2f}")
