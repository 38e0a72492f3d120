"""What finished pieces of work took and what went wrong in them: counted for whoever shows how far a command is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from fsrbench.core.values import Round, Usage


@dataclass(frozen=True, slots=True)
class Tally:
    """What some pieces of work took together."""

    usage: Usage = field(default_factory=lambda: Usage(cost=0.0))
    """What was sent for them, and paid; a cost of None is not known."""
    failures: int = 0
    """What did not work out."""
    invalid: int = 0
    """Audits whose reply could not be used."""

    def __add__(self, other: Tally) -> Tally:
        """Both together."""
        return Tally(self.usage + other.usage, self.failures + other.failures, self.invalid + other.invalid)


@runtime_checkable
class Tallied(Protocol):
    """A finished piece of work that says what it took."""

    @property
    def tally(self) -> Tally:
        """What it took."""


def of_rounds(rounds: Sequence[Round]) -> Tally:
    """What an arm's rounds took."""
    invalid = sum(step.audit is not None and step.audit.status == "invalid" for step in rounds)
    return Tally(sum(usages(rounds), Usage(cost=0.0)), invalid=invalid)


def usages(rounds: Sequence[Round]) -> Iterator[Usage]:
    """What was sent in an arm's rounds, question by question; an audit's comparisons are in its own.

    A question for which nothing was sent costs nothing, whatever is known of prices.
    """
    for step in rounds:
        for said in (step.audit, step.ranking):
            if said is not None:
                yield said.usage if said.usage.requests else Usage(cost=0.0, seconds=said.usage.seconds)


def of(item: object) -> Tally:
    """What a piece of work took; nothing where it does not say."""
    return item.tally if isinstance(item, Tallied) else Tally()
