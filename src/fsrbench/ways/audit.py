"""The bounded audit loop of the paper: look, ask, decide, restore again, while retries last.

It knows pictures and an auditor, not files. A reference passes through it only for an auditor that is
declared privileged, and only as that auditor's `Insight`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace

from fsrbench.asking import prompts
from fsrbench.case import policy
from fsrbench.case.context import CaseContext, RoundDraft
from fsrbench.case.restore import Restored
from fsrbench.core import contracts
from fsrbench.core.contracts import Comparer, Paid, Remote, Scope
from fsrbench.core.errors import AuditorUnreachable, TookTooLong
from fsrbench.core.values import Answer, Comparison, Evidence, Image, Knobs, PrivilegedAccess, Question, derive_seed


@dataclass(frozen=True, slots=True)
class Supervisor:
    """An arm of this way, opened: an auditor, the limits on it, and what it looks through."""

    arm: str
    """The arm's name."""
    ask: Callable[[Question], Answer]
    """The opened auditor."""
    look: Callable[[Image, Image], Evidence]
    """From (LR, SR) to evidence."""
    limits: policy.PolicyLimits
    """How far it is followed."""
    prompt: prompts.Prompt
    """The family's prompt."""
    guards: policy.GuardLimits | None = None
    """Set under policy `guarded`: a candidate must be preferred blindly and trip none of them."""
    seeds: str = ""
    """Name that its questions are seeded from: of the arm that it is a variant of, else its own."""

    def __call__(self, situation: CaseContext) -> list[RoundDraft]:
        """Run the arm on one case, from its pure restoration to the picture it ends with.

        Raises AuditorUnreachable when nothing was answered, TookTooLong when the case's time is up: the arm has then
        failed for this case.
        """
        steps: list[RoundDraft] = []
        try:
            with ExitStack() as ending:
                self._run(situation, steps, ending)
        except (AuditorUnreachable, TookTooLong) as error:
            raise type(error)(str(error), [step.exchange for step in steps]) from error
        return steps

    def _run(self, situation: CaseContext, steps: list[RoundDraft], ending: ExitStack) -> None:
        """Add the arm's rounds, one after another. An auditor that is paid is told of the case, and of its end."""
        if isinstance(self.ask, Remote):
            self.ask.check()  # what was given up need not be shown evidence
        current = situation.pure
        retries = self.limits.retries
        ask = self.ask
        while True:
            situation.pipeline.clock.check()
            seen = self.look(situation.lr, current.image)
            question = self._question(situation, current, seen, len(steps) + 1)
            if not steps and isinstance(ask, Paid):
                ask = ending.enter_context(ask.begin(question, self._scope(situation)))
            answer = ask(question)
            decision = policy.decide(answer.audit, current.knobs, situation.pipeline.offered, self.limits, retries)
            steps.append(RoundDraft(current, answer.audit, decision, exchange=answer.exchange))
            if decision.action != "retry":
                return
            retries -= 1
            knobs = {**current.knobs, **decision.applied}
            candidate = situation.pipeline.restore(situation.lr, knobs, situation.pure.seed)
            steps[-1] = replace(steps[-1], picture=candidate)
            if self.guards is not None or contracts.takes_back(ask):
                steps[-1] = self._validate(ask, situation, current, seen, steps[-1])
                if steps[-1].verdict is not None and not steps[-1].verdict.kept:
                    return
            current = candidate

    def _scope(self, situation: CaseContext) -> Scope:
        """The most that this arm asks about a case."""
        retries = self.limits.retries
        comparisons = 0 if self.guards is None else 2 * retries
        return Scope(retries + 1, comparisons, situation.kept, situation.pipeline.clock.excuse)

    def _validate(
        self,
        ask: Callable[[Question], Answer],
        situation: CaseContext,
        current: Restored,
        seen: Evidence,
        step: RoundDraft,
    ) -> RoundDraft:
        """Let the auditor choose blindly, in both orders under guards; what is not kept leaves what stood."""
        if not isinstance(ask, Comparer):
            raise TypeError(f"arm {self.arm}: its auditor cannot compare")  # refused when the arm was opened
        after = self.look(situation.lr, step.picture.image)
        seed = derive_seed(current.seed, self.seeds or self.arm, "compare")
        told = [ask.compare(Comparison(situation.case, situation.family, 1, seed, seen, after))]
        if self.guards is not None:
            told.append(ask.compare(Comparison(situation.case, situation.family, 2, seed, after, seen)))
        named = {"first": ("current", "candidate"), "second": ("candidate", "current"), "neither": ("neither",) * 2}
        preferences = tuple(named[one.chosen][order] for order, one in enumerate(told))
        verdict = policy.judge(preferences, seen.qa, after.qa, self.guards)
        return replace(
            step,
            picture=step.picture if verdict.kept else current,
            audit=step.audit and replace(step.audit, usage=sum((one.usage for one in told), step.audit.usage)),
            verdict=verdict,
            exchange={**step.exchange, "comparisons": [one.exchange for one in told]},
        )

    def _question(self, situation: CaseContext, current: Restored, evidence: Evidence, number: int) -> Question:
        return Question(
            case=situation.case,
            family=situation.family,
            round=number,
            seed=derive_seed(current.seed, self.seeds or self.arm, str(number)),
            evidence=evidence,
            knobs=current.knobs,
            offered=situation.pipeline.offered,
            brief=self.prompt.text,
            insight=_insight(situation),
            max_changes=self.limits.max_changes,
            dead=situation.dead,
        )


def _insight(situation: CaseContext) -> PrivilegedAccess | None:
    reference = situation.reference
    if reference is None:
        return None

    def restore(knobs: Knobs) -> Image:
        return situation.pipeline.restore(situation.lr, knobs, situation.pure.seed).image

    return PrivilegedAccess(reference, restore, situation.measured)
