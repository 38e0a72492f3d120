"""The bounded audit loop of the paper: look, ask, decide, restore again, while retries last.

It knows pictures and an auditor, not files. A reference passes through it only for an auditor that is
declared privileged, and only as that auditor's `Insight`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fsrbench import policy, prompts
from fsrbench.restore import Picture
from fsrbench.supervise.steps import Situation, Step
from fsrbench.values import Answer, Evidence, Image, Insight, Knobs, Question, derive_seed


@dataclass(frozen=True, slots=True)
class Supervisor:
    """An arm of this way, opened: an auditor, the limits on it, and what it looks through."""

    arm: str
    """The arm's name."""
    ask: Callable[[Question], Answer]
    """The opened auditor."""
    look: Callable[[Image, Image], Evidence]
    """From (LR, SR) to evidence."""
    limits: policy.Limits
    """How far it is followed."""
    prompt: prompts.Prompt
    """The family's prompt."""

    def __call__(self, situation: Situation) -> list[Step]:
        """Run the arm on one case, from its pure restoration to the picture it ends with.

        Raises AuditorUnreachable when nothing was answered: the arm has then failed for this case.
        """
        current, steps = situation.pure, list[Step]()
        retries = self.limits.retries
        while True:
            answer = self.ask(self._question(situation, current, len(steps) + 1))
            decision = policy.decide(answer.audit, current.knobs, situation.pipeline.offered, self.limits, retries)
            if decision.action == "retry":
                retries -= 1
                knobs = {**current.knobs, **decision.applied}
                current = situation.pipeline.restore(situation.lr, knobs, situation.pure.seed)
            steps.append(Step(current, answer.audit, decision, exchange=answer.exchange))
            if decision.action != "retry":
                return steps

    def _question(self, situation: Situation, current: Picture, number: int) -> Question:
        evidence = self.look(situation.lr, current.image)
        offered = situation.pipeline.offered
        return Question(
            case=situation.case,
            family=situation.family,
            round=number,
            seed=derive_seed(current.seed, self.arm, str(number)),
            evidence=evidence,
            knobs=current.knobs,
            prompt=self.prompt.render(offered, current.knobs, evidence, self.limits.max_changes),
            schema=prompts.schema(offered),
            insight=_insight(situation),
        )


def _insight(situation: Situation) -> Insight | None:
    reference = situation.reference
    if reference is None:
        return None

    def restore(knobs: Knobs) -> Image:
        return situation.pipeline.restore(situation.lr, knobs, situation.pure.seed).image

    return Insight(reference, restore)
