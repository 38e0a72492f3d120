"""The bounded audit loop of the paper: look, ask, decide, restore again, while retries last.

It knows pictures and an auditor, not files and not the reference: nothing that is passed in here can hold
an HR. Other ways to intervene stand beside this file.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fsrbench import policy, prompts
from fsrbench.restore import Picture, Pipeline
from fsrbench.values import Answer, Audit, Decision, Evidence, Image, Question, derive_seed


@dataclass(frozen=True, slots=True)
class Step:
    """One round of an arm, in memory."""

    picture: Picture
    """What stands after it."""
    audit: Audit
    """What was said about what stood before."""
    decision: Decision
    """What followed."""
    exchange: dict[str, Any]
    """What was asked and what came back."""


@dataclass(frozen=True, slots=True)
class Supervisor:
    """An arm, opened: an auditor, the limits on it, and what it looks through."""

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


def intervene(
    supervisor: Supervisor, pipeline: Pipeline, family: str, case: str, lr: Image, pure: Picture
) -> list[Step]:
    """Run one arm on one case, from its pure restoration to the picture it ends with.

    Raises AuditorUnreachable when nothing was answered: the arm has then failed for this case.
    """
    current, steps = pure, list[Step]()
    while True:
        answer = supervisor.ask(_question(supervisor, pipeline, family, case, lr, current, len(steps) + 1))
        used = sum(step.decision.action == "retry" for step in steps)
        left = supervisor.limits.retries - used
        decision = policy.decide(answer.audit, current.knobs, pipeline.offered, supervisor.limits, left)
        if decision.action == "retry":
            current = pipeline.restore(lr, {**current.knobs, **decision.applied}, pure.seed)
        steps.append(Step(current, answer.audit, decision, answer.exchange))
        if decision.action != "retry":
            return steps


def _question(
    supervisor: Supervisor, pipeline: Pipeline, family: str, case: str, lr: Image, current: Picture, number: int
) -> Question:
    evidence = supervisor.look(lr, current.image)
    return Question(
        case=case,
        family=family,
        round=number,
        seed=derive_seed(current.seed, supervisor.arm, str(number)),
        evidence=evidence,
        knobs=current.knobs,
        prompt=supervisor.prompt.render(pipeline.offered, current.knobs, evidence, supervisor.limits.max_changes),
        schema=prompts.schema(pipeline.offered),
    )
