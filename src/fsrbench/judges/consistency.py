"""The candidate that, made small again, agrees best with the input."""

from __future__ import annotations

from collections.abc import Callable

from fsrbench.core.contracts import Machine
from fsrbench.core.judging import Contest, Judge
from fsrbench.core.values import Image, Ranking
from fsrbench.imaging import agreement, images
from fsrbench.judges import _ordered


def _small(picture: Image, lr: Image) -> Image:
    """The picture at the input's size, each of its pixels the mean of those that it stands for."""
    return images.resize(picture, lr.shape[1], lr.shape[0], "area")


def _judge(contest: Contest) -> Ranking:
    scores = [agreement.consistency(contest.lr, _small(picture, contest.lr)) for picture in contest.pictures]
    return _ordered.ranking("consistency", scores)


def _open(_settings: None, _machine: Machine) -> Callable[[Contest], Ranking]:
    return _judge


JUDGE = Judge("The candidate that agrees best with the input when it is made small again.", open=_open)
