"""Somebody in an auditor's place who hears what would be asked, and asks nobody."""

from __future__ import annotations

from fsrbench.case.making import Making, Parts
from fsrbench.core import auditing
from fsrbench.core.budget import Spending
from fsrbench.core.questions import Answer, Comparison, Preference, Question
from fsrbench.core.values import Audit, Case, Image
from fsrbench.core.ways import CaseContext, Restored
from fsrbench.study.families import OpenFamily


class Listener:
    """Accepts every picture, so that an arm asks it once, and keeps that question."""

    def __init__(self, place_of: object = None) -> None:
        """`place_of` is the auditor that will be asked in earnest, where there is one."""
        self.restores = auditing.restores(place_of)
        self.takes_back = auditing.takes_back(place_of)
        self.question: Question | None = None

    def __call__(self, question: Question) -> Answer:
        """Hear a question."""
        self.question = question
        return Answer(Audit("ok", score=100, confidence=100))

    def compare(self, _comparison: Comparison) -> Preference:
        """Nothing is compared where everything is accepted."""
        raise TypeError("a picture was compared that had been accepted")

    def heard(self, opened: OpenFamily, arm: str, case: Case, lr: Image, pure: Restored) -> Question:
        """What the arm would ask first about a case."""
        maker = Making(lr, pure, opened.pipeline, opened, Parts(), Spending())
        opened.arms[arm](CaseContext(opened.family, case.id, lr, pure, maker))
        if self.question is None:
            raise TypeError(f"the arm {arm} asked nothing")
        return self.question
