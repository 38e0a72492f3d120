"""What judges were asked about the cases of a run, and what they answered: all that a report on judges rests on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import Literal, TypeAlias

from fsrbench.core.stored import Stored
from fsrbench.core.values import Usage

AskedUnder: TypeAlias = Literal["shown", "turned", "again", "other input"]
"""Under what a judge orders all pictures of a case.

shown: in an order that is drawn. turned: in that order from its end. again: as shown, with another seed. other input:
as shown, with the LR of another person.
"""
SHOWN: AskedUnder = "shown"
TURNED: AskedUnder = "turned"
AGAIN: AskedUnder = "again"
OTHER_INPUT: AskedUnder = "other input"
ASKED: tuple[AskedUnder, ...] = (SHOWN, TURNED, AGAIN, OTHER_INPUT)


@dataclass(frozen=True, slots=True)
class Hearing(Stored):
    """One answer of a judge."""

    places: tuple[int, ...]
    """Which picture of the case was shown at each place; of a spoilt pair, 0 is the clean one and 1 the spoilt."""
    scores: tuple[float | None, ...]
    """The score of the picture at each place; None where it could not be judged."""
    usage: Usage = field(default_factory=Usage)
    """What it cost."""
    seconds: float = 0.0
    """How long it took."""

    def score(self, picture: int) -> float | None:
        """The score of a picture."""
        return self.scores[self.places.index(picture)]

    def prefers(self, one: int, other: int) -> float | None:
        """1 where the first of these two pictures was preferred, 0 where the second was, 0.5 where neither; None where
        there is no usable answer."""
        first, second = self.score(one), self.score(other)
        if first is None or second is None:
            return None
        return 0.5 if first == second else float(first > second)


@dataclass(frozen=True, slots=True)
class HeardCase:
    """One case of one family, with all that judges said of it."""

    family: str
    """Its family."""
    case: str
    """Case id."""
    person: str
    """Whom it shows; every case is its own person where nothing else is known."""
    pictures: tuple[str, ...]
    """What the pictures are, in words; no two of them have the same pixels."""
    arms: Mapping[str, int]
    """Arm → the picture that it ended with; `pure` is among them."""
    values: Mapping[str, tuple[float | None, ...]]
    """Metric with a reference → the number of each picture; None where there is none."""
    answers: Mapping[str, Mapping[str, Hearing]] = field(default_factory=dict)
    """Judge → under what it was asked → what it answered."""
    spoilt: Mapping[str, Mapping[str, Hearing]] = field(default_factory=dict)
    """Judge → fault → what it answered when the pure picture stood beside itself, spoilt."""
    failures: Mapping[str, str] = field(default_factory=dict)
    """Judge → why it could not be asked about this case."""

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """Every two pictures."""
        return list(combinations(range(len(self.pictures)), 2))
