"""A control: the same candidate for every picture, without looking; the others follow in the order they were made in.

What another judge gains over the best fixed candidate is not owed to a lucky seed.
"""

from __future__ import annotations

from collections.abc import Callable

from pydantic import BaseModel, ConfigDict, Field

from fsrbench.core.contracts import Machine
from fsrbench.core.judging import Contest, Judge
from fsrbench.core.values import Ranking
from fsrbench.judges import _ordered


class Fixed(BaseModel):
    """Which candidate comes first."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    first: int = Field(default=0, ge=0)
    """Its number; pure is 0. Where a case has fewer candidates, the order is the one they were made in."""


def _open(settings: Fixed, _machine: Machine) -> Callable[[Contest], Ranking]:
    def judge(contest: Contest) -> Ranking:
        places = range(len(contest.pictures))
        return _ordered.ranking("fixed", [1.0 if place == settings.first else -float(place) for place in places])

    return judge


JUDGE = Judge(
    "Control: the same candidate for every picture, without looking.", open=_open, settings=Fixed, control=True
)
