"""What requests cost, by the arm's own price table, and the limit on it.

No price is built in: prices change, and a wrong one is worse than none. The limit counts what this process
has spent, not what earlier runs of the same study did.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fsrbench.errors import CostLimitReached, SettingsError

PER = 1_000_000
"""Tokens that a price is for."""


@dataclass(frozen=True, slots=True)
class Price:
    """Money for a million tokens, in whatever currency the limit is in."""

    input: float
    """Of those sent."""
    output: float
    """Of those received."""


def read(prices: Mapping[str, Any], model: str) -> Price | None:
    """The model's price from the setting `prices`, checked whole; None where the table does not hold it."""
    for name, entry in prices.items():
        if not isinstance(entry, Mapping) or set(entry) != {"input", "output"}:
            raise SettingsError(f"The auditor's prices for {name} must hold input and output, not {entry!r:.60}.")
        for value in entry.values():
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not number or not math.isfinite(value) or value < 0:
                raise SettingsError(f"The auditor's prices for {name} must be money per million tokens, not {value!r}.")
    found = prices.get(model)
    return Price(float(found["input"]), float(found["output"])) if found is not None else None


class Purse:
    """Counts what an arm spends, over all its threads."""

    def __init__(self, price: Price | None, limit: float | None, model: str) -> None:
        if limit is not None and price is None:
            raise SettingsError(
                f"max_cost is set, but what {model} costs is not known. Write it into the arm's setting prices, as "
                f"money per million tokens: prices: {{{model}: {{input: 2.5, output: 10}}}}. A server of your own may "
                "cost 0."
            )
        self.spent = 0.0
        """Money, so far."""
        self._price = price
        self._limit = limit
        self._uncounted = False
        self._lock = threading.Lock()

    def check(self) -> None:
        """Refuse when the limit is reached. What is in flight then is still paid for."""
        with self._lock:
            if self._limit is None:
                return
            if self._uncounted:
                raise CostLimitReached(
                    "The server does not say how many tokens a reply took, so max_cost cannot be kept: leave it out."
                )
            if self.spent >= self._limit:
                raise CostLimitReached(
                    f"The limit on cost is reached ({self.spent:.4f} of {self._limit:g} spent): the same command goes "
                    "on with what is missing; give it a higher --max-cost (arm's setting max_cost)."
                )

    def pay(self, tokens: tuple[int, int] | None) -> float | None:
        """Note one reply's tokens (sent, received), and return what it cost; None where that is not known."""
        if self._price is None:
            return None
        with self._lock:
            if tokens is None:
                self._uncounted = True
                return None
            cost = round((tokens[0] * self._price.input + tokens[1] * self._price.output) / PER, 9)
            self.spent += cost
            return cost
