"""What an arm may spend on one case, and what it has spent: passes, questions, seconds, money.

A way looks before each step whether its budget allows that step. When it does not, the best picture so far stands, and
the record says which bound it was. Nothing that is under way is cut off.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Budget:
    """The most that an arm may spend on one case; None for no bound."""

    passes: int | None = None
    """Passes through a network, beyond the pure restoration's one."""
    calls: int | None = None
    """Questions to its auditor or its judge; a repair or a repetition of one is not counted."""
    seconds: float | None = None
    """Wall time."""
    cost: float | None = None
    """Money, by the price table; what has no price counts as nothing."""


@dataclass(slots=True)
class Spending:
    """What an arm has spent on the case in hand."""

    budget: Budget = field(default_factory=Budget)
    """The most that it may spend."""
    passes: int = 0
    """Passes through a network so far."""
    calls: int = 0
    """Questions so far."""
    cost: float = 0.0
    """Money so far."""
    started: float = field(default_factory=time.monotonic)
    """When the arm began with this case."""

    def bound(self, *, passes: int = 0, calls: int = 0) -> str:
        """Which bound a step that takes so much would pass, or has been passed; empty where there is room for it."""
        wanted = {"passes": self.passes + passes, "calls": self.calls + calls}
        most = {"passes": self.budget.passes, "calls": self.budget.calls}
        for name, number in wanted.items():
            limit = most[name]
            if limit is not None and number > limit:
                return name
        if self.budget.seconds is not None and time.monotonic() - self.started >= self.budget.seconds:
            return "seconds"
        if self.budget.cost is not None and self.cost >= self.budget.cost:
            return "cost"
        return ""

    def called(self, questions: int, cost: float | None) -> None:
        """Count questions that were asked, and what they cost."""
        self.calls += questions
        self.cost += cost or 0.0
