"""The split-conformal offset: by how much a prediction must be lowered so that it holds for the next person.

Each calibration person gives one score, by how much their safe radius was predicted too far: ŝ = r̂ − r. For a person
who is exchangeable with them, P(r < r̂ − offset) ≤ α, whatever the predictor and the distribution. One score for each
person: several draws of one are not exchangeable with those of another.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction


def offset(scores: Sequence[float], alpha: float) -> float:
    """The ⌈(n + 1)(1 − α)⌉-th smallest score; infinite, so that nothing may act, where there is none.

    A score may be infinite too: of a person whose prediction no offset would have made safe.
    """
    if any(math.isnan(score) for score in scores):
        raise ValueError("A score that is missing must not arrive here: leave its person out, and say so.")
    place = rank(len(scores), alpha)
    return sorted(scores)[place - 1] if place <= len(scores) else math.inf


def rank(persons: int, alpha: float) -> int:
    """⌈(n + 1)(1 − α)⌉: which of n scores, from the smallest, is the offset; above n there is none."""
    return persons + 1 - math.floor((persons + 1) * _exactly(alpha))


def needed(alpha: float) -> int:
    """The fewest persons with whom anything may act: 9 for 10 %, 19 for 5 %."""
    return math.ceil(1 / _exactly(alpha)) - 1


def _exactly(alpha: float) -> Fraction:
    """The share as it is written: 0.29 · 100 is 29, which binary numbers fall short of."""
    if not 0 < alpha < 1:
        raise ValueError(f"A share of harm is between 0 and 1, not {alpha}.")
    return Fraction(str(float(alpha)))
