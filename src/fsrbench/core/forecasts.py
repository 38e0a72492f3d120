"""What a run will take, as far as it is known before anything is restored or sent."""

from __future__ import annotations

from dataclasses import dataclass, field

from fsrbench.core.budget import Budget
from fsrbench.core.values import Usage


@dataclass(frozen=True, slots=True)
class Demand:
    """What an arm asks for about one case: if what it is shown is accepted at once, and at most."""

    passes: tuple[int, int] = (0, 0)
    """Passes through a network, beyond the pure restoration's one."""
    audits: tuple[int, int] = (0, 0)
    """Questions about one picture."""
    comparisons: tuple[int, int] = (0, 0)
    """Blind choices between two pictures."""

    def within(self, budget: Budget) -> Demand:
        """The same under the arm's budget for a case."""
        passes, audits = _at_most(self.passes, budget.passes), _at_most(self.audits, budget.calls)
        left = None if budget.calls is None else max(0, budget.calls - 1)
        return Demand(passes, audits, _at_most(self.comparisons, left))


@dataclass(frozen=True, slots=True)
class Forecast:
    """What will be sent, in requests, tokens and money. Tokens are estimated, for no server has counted any."""

    least: Usage = field(default_factory=lambda: Usage(cost=0.0))
    """If every picture is accepted at once, in a reply that can be used and is as long as usual."""
    most: Usage = field(default_factory=lambda: Usage(cost=0.0))
    """If every retry is taken, and every reply is as long as it may be and must be asked for twice."""
    notes: tuple[str, ...] = ()
    """What a reader must know, in sentences: why a cost is not known, and the cure."""

    def __add__(self, other: Forecast) -> Forecast:
        """Both together; what must be known of both is said once."""
        notes = tuple(dict.fromkeys((*self.notes, *other.notes)))
        return Forecast(self.least + other.least, self.most + other.most, notes)


def _at_most(span: tuple[int, int], bound: int | None) -> tuple[int, int]:
    return span if bound is None else (min(span[0], bound), min(span[1], bound))
