"""What a case took, arm by arm: the table that stands in `summary.md` and on the report's first page."""

from __future__ import annotations

from collections.abc import Iterator

from fsrbench.core import order
from fsrbench.core.values import PURE
from fsrbench.measure.compute_values import Spread, Took
from fsrbench.measure.summary_values import Summary
from fsrbench.show import numbers, wording

TITLE = "What it took, a case: median (95 %)"
HEAD = ("passes", "questions", "tokens", "cost", "seconds")
READING = (
    "Half of a row's finished cases took no more than the first number, 95 % no more than the one in brackets, which "
    "is left out where it is the same. What an arm took comes on top of what pure took: every arm begins with it. "
    "Passes are those through a network; questions are audits, comparisons and rankings, whoever made them. Seconds "
    "are those of making the arm's pictures from the input, also where a pass was remembered, and of waiting for "
    "answers, but not of what is computed beside: evidence, an auditor or a judge on this machine, pictures that were"
    " only tried."
)


def rows(summary: Summary) -> Iterator[tuple[str, str, list[str]]]:
    """Family, arm (pure first) and its cells; no row for an arm of whose cases nothing is known."""
    for family, counts in summary.counts.items():
        if counts.took is not None:
            yield family, PURE, _cells(counts.took, 0)
        for arm in order.arms(counts.arms, summary.roles):
            outcome = counts.arms[arm]
            if outcome.took is not None:
                yield family, arm, _cells(outcome.took, outcome.requests)


def _cells(took: Took, requests: int) -> list[str]:
    amounts = [_cell(spread) for spread in (took.passes, took.questions, took.tokens)]
    return [*amounts, _cost(took.cost, requests), _cell(took.seconds)]


def _cell(spread: Spread | None) -> str:
    return numbers.MISSING if spread is None else _both(*map(numbers.amount, (spread.median, spread.p95)))


def _cost(spread: Spread | None, requests: int) -> str:
    if spread is None:
        return wording.cost(requests, None)
    return _both(*(wording.cost(requests, value) for value in (spread.median, spread.p95)))


def _both(median: str, p95: str) -> str:
    return median if median == p95 else f"{median} ({p95})"
