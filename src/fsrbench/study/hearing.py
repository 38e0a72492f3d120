"""Judges of arms, opened: each is given what it was declared to need and no more, and what it answers is looked at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from fsrbench.core import coherence, plugins
from fsrbench.core.contracts import Machine
from fsrbench.core.errors import BadOutput, FsrbenchError
from fsrbench.core.judging import Contest, Judge
from fsrbench.core.questions import Evidence
from fsrbench.core.values import Image, Ranking
from fsrbench.study.schema import Settings


def of_arm(
    settings: Settings, machine: Machine, name: str, look: Callable[[Image, Image], Evidence] | None
) -> Callable[[Contest], Ranking] | None:
    """The judge of an arm, opened; what it lacks is said before any work is done."""
    arm = settings.arms[name]
    if arm.judge is None:
        return None
    declared: Judge = plugins.load("judges", arm.judge["name"])
    try:
        opened = declared.open(arm.judging(), machine)
    except FsrbenchError as error:
        raise type(error)(f"Arm {name}: {error}") from None
    return heard(arm.judge["name"], declared, opened, look)


def heard(
    judge: str,
    declared: Judge,
    opened: Callable[[Contest], Ranking],
    look: Callable[[Image, Image], Evidence] | None,
) -> Callable[[Contest], Ranking]:
    """An opened judge that is given what it was declared to need and no more, and whose answers are looked at."""

    def answered(contest: Contest) -> Ranking:
        """Its answer, if it is one to this contest. It sees a reference only where it is declared privileged."""
        reference = contest.reference if declared.privileged else None
        answer = opened(replace(contest, reference=reference, look=look if declared.looks else None))
        if not isinstance(answer, Ranking):
            raise BadOutput(f"The judge {judge} answered with no ranking.")
        if wrong := coherence.of_ranking(answer, len(contest.pictures)):
            raise BadOutput(f"The judge {judge} answered with {wrong}.")
        scores = tuple(None if score is None else float(score) for score in answer.scores)
        return replace(answer, scores=scores, order=tuple(map(int, answer.order)))

    return answered
