"""What a finished case took, as the summary holds it. None is unknown, never zero."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spread:
    """One quantity over cases."""

    median: float
    """Half of the cases took no more."""
    p95: float
    """95 % of them took no more; between two cases, as much of the way as there are cases below."""


@dataclass(frozen=True, slots=True)
class Took:
    """What a finished case took, quantity by quantity. What an arm took comes on top of what pure took."""

    passes: Spread | None
    """Passes through a network; None where an earlier version did not count them in some case."""
    questions: Spread | None
    """Audits, comparisons and rankings, whoever made them."""
    requests: Spread | None
    """Requests that were sent for them."""
    tokens: Spread | None
    """Tokens that these took, in and out."""
    cost: Spread | None
    """What they cost; None where nothing was sent or a price is unknown."""
    seconds: Spread | None
    """Seconds that making its pictures from the input took, and waiting for answers. What is computed beside that is
    not known: evidence, an auditor or a judge on this machine, pictures that an oracle only tried. None where an
    earlier version kept nothing of a picture that was taken back."""
