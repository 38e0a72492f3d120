"""From blind choices between two to scores: every candidate against every other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal, TypeAlias

from fsrbench.core.judging import Contest
from fsrbench.core.questions import Comparison
from fsrbench.core.values import derive_seed

Chosen: TypeAlias = Literal["first", "second", "neither"]
POINTS: Mapping[Chosen, float] = {"first": 1.0, "neither": 0.5, "second": 0.0}
"""What a choice is worth to the one that was shown first; the other one has the rest."""


@dataclass(frozen=True, slots=True)
class Duel:
    """Two candidates of a contest, shown once."""

    first: int
    """Place of the one that is shown first."""
    second: int
    """Place of the other."""
    asked: Comparison
    """The question."""


def duels(contest: Contest) -> list[Duel]:
    """Every two candidates: in both orders, unless the contest is to be taken as it is shown."""
    if contest.look is None:
        raise TypeError("a judge that looks was asked with nothing to look through")
    seen = [contest.look(contest.lr, picture) for picture in contest.pictures]
    found = []
    for one, other in combinations(range(len(seen)), 2):
        seed = derive_seed(contest.seed, "duel", str(one), str(other))
        for turn, (first, second) in enumerate([(one, other), (other, one)][: 1 if contest.as_shown else 2], start=1):
            asked = Comparison(contest.case, contest.family, turn, seed, seen[first], seen[second])
            found.append(Duel(first, second, asked))
    return found


def scores(contest: Contest, duels: Sequence[Duel], chosen: Sequence[Chosen | None]) -> list[float | None]:
    """The share of its duels that each candidate won, half of those without a winner; None: the reply was of no use.

    A preference that changes with the order is a win for each of the two, so that it counts for neither.
    """
    points: list[list[float]] = [[] for _ in contest.pictures]
    for duel, said in zip(duels, chosen, strict=True):
        if said is not None:
            points[duel.first].append(POINTS[said])
            points[duel.second].append(1 - POINTS[said])
    return [sum(own) / len(own) if own else None for own in points]
