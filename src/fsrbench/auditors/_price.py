"""What requests cost, by the arm's own price table, and how many tokens a request will take before it is sent.

No price is built in: prices change, and a wrong one is worse than none. What may be spent is `_purse.py`'s.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fsrbench.core.errors import SettingsError

PER = 1_000_000
"""Tokens that a price is for."""
LETTERS = 3
"""Characters for each token of a text: English has four, JSON three."""
PIXELS = 750
"""Pixels for each token of a picture: those who count by area take from 750 to 784."""
PICTURE = 85
"""Tokens of any picture beside its area."""


@dataclass(frozen=True, slots=True)
class Price:
    """Money for a million tokens, in whatever currency the limit is in."""

    input: float
    """Of those sent."""
    output: float
    """Of those received."""

    def of(self, sent: float, received: float) -> float:
        """What so many tokens cost."""
        return round((sent * self.input + received * self.output) / PER, 9)


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


def unknown(model: str) -> str:
    """That a price is not known, and the cure."""
    return (
        f"What {model} costs is not known. Write it into the arm's setting prices, as money per million tokens: "
        f"prices: {{{model}: {{input: 2.5, output: 10}}}}. A server of your own may cost 0."
    )


def estimate(texts: Iterable[str], pictures: Iterable[tuple[int, ...]]) -> int:
    """Tokens of texts and of pictures (height, width, …), rather too many than too few, until a server has counted."""
    written = sum(math.ceil(len(text.encode("utf-8", "replace")) / LETTERS) for text in texts)
    return written + sum(PICTURE + math.ceil(shape[0] * shape[1] / PIXELS) for shape in pictures)
