"""A control: an order that is drawn, without looking."""

from __future__ import annotations

import random
from collections.abc import Callable

from fsrbench.core.contracts import Machine
from fsrbench.core.judging import Contest, Judge
from fsrbench.core.values import Ranking
from fsrbench.judges import _ordered


def _open(_settings: None, _machine: Machine) -> Callable[[Contest], Ranking]:
    def judge(contest: Contest) -> Ranking:
        draw = random.Random(contest.seed)
        return _ordered.ranking("random", [draw.random() for _ in contest.pictures])

    return judge


JUDGE = Judge("Control: an order that is drawn, without looking.", open=_open, control=True)
