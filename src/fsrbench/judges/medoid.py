"""A control: the candidate that is least unlike all others. It knows no input; it finds the middle."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fsrbench.core.contracts import Machine
from fsrbench.core.judging import Contest, Judge
from fsrbench.core.values import Ranking
from fsrbench.judges import _ordered


def _open(_settings: None, _machine: Machine) -> Callable[[Contest], Ranking]:
    def judge(contest: Contest) -> Ranking:
        pictures = [picture.astype(np.float64) for picture in contest.pictures]
        errors = [sum(float(np.square(one - other).mean()) for other in pictures) for one in pictures]
        others = max(1, len(pictures) - 1)
        return _ordered.ranking("medoid", [-error / others for error in errors])

    return judge


JUDGE = Judge("Control: the candidate that is least unlike all others.", open=_open, control=True)
