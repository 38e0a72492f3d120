"""The bounded audit loop of the paper: look, ask, decide, restore again, while retries last.

It knows pictures and an auditor, not files. A reference passes through it only for an auditor that is
declared privileged, and only as that auditor's `PrivilegedAccess`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

from fsrbench.asking import prompts
from fsrbench.case import policy
from fsrbench.core import auditing, passes
from fsrbench.core.auditing import Comparer, Paid, Remote, Scope
from fsrbench.core.errors import AuditorUnreachable, SettingsError, TookTooLong
from fsrbench.core.forecasts import Demand
from fsrbench.core.questions import (
    Answer,
    Comparison,
    Evidence,
    GuardLimits,
    PolicyLimits,
    PrivilegedAccess,
    Question,
    Rehearsal,
)
from fsrbench.core.stored import Knobs
from fsrbench.core.values import Image, derive_seed
from fsrbench.core.ways import ArmSetup, CaseContext, Intervention, Proposal, Restored, RoundDraft, Way


@dataclass(frozen=True, slots=True)
class Supervisor:
    """An arm of this way, opened: an auditor, the limits on it, and what it looks through."""

    arm: str
    """The arm's name."""
    ask: Callable[[Question], Answer]
    """The opened auditor."""
    look: Callable[[Image, Image], Evidence]
    """From (LR, SR) to evidence."""
    limits: PolicyLimits
    """How far it is followed."""
    brief: str
    """The family's prompt file."""
    guards: GuardLimits | None = None
    """Set under policy `guarded`: a candidate must be preferred blindly and trip none of them."""
    seeds: str = ""
    """Name that its questions are seeded from: of the arm that it is a variant of, else its own."""

    def __call__(self, case: CaseContext) -> list[RoundDraft]:
        """Run the arm on one case, from its pure restoration to the picture it ends with.

        Raises AuditorUnreachable when nothing was answered, TookTooLong when the case's time is up: the arm has then
        failed for this case.
        """
        steps: list[RoundDraft] = []
        try:
            with ExitStack() as ending:
                self._run(case, steps, ending)
        except (AuditorUnreachable, TookTooLong) as error:
            raise type(error)(str(error), [step.exchange for step in steps]) from error
        return steps

    def _run(self, case: CaseContext, steps: list[RoundDraft], ending: ExitStack) -> None:
        """Add the arm's rounds, one after another. An auditor that is paid is told of the case, and of its end."""
        if isinstance(self.ask, Remote):
            self.ask.check()  # what was given up need not be shown evidence
        current = case.pure
        retries = self.limits.retries
        ask = self.ask
        while True:
            case.clock.check()
            if bound := case.spending.bound(calls=1):
                steps.append(RoundDraft(current, bound=bound))
                return
            seen = self.look(case.lr, current.image)
            cut: list[str] = []
            question = self._question(case, current, seen, len(steps) + 1, cut)
            if not steps and isinstance(ask, Paid):
                ask = ending.enter_context(ask.begin(question, self._scope(case)))
            before = case.spending.passes
            answer = ask(question)
            case.spending.called(1, answer.audit.usage.cost)
            decision = policy.decide(answer.audit, current.knobs, case.make.offered, self.limits, retries)
            tried = case.spending.passes - before
            over = cut[0] if cut else ""
            steps.append(
                RoundDraft(
                    current,
                    answer.audit,
                    decision,
                    exchange={**answer.exchange, **_found(seen)},
                    passes=tried,
                    bound=over,
                )
            )
            if decision.action != "retry":
                return
            retries -= 1
            knobs = {**current.knobs, **decision.applied}
            if bound := case.spending.bound(passes=case.make.extra(knobs)):
                steps[-1] = replace(steps[-1], bound=bound)
                return
            candidate = case.make.restore(knobs)
            steps[-1] = replace(steps[-1], picture=candidate, passes=case.spending.passes - before)
            if self.guards is not None or auditing.takes_back(ask):
                if bound := case.spending.bound(calls=1 if self.guards is None else 2):
                    steps[-1] = replace(steps[-1], picture=current, bound=bound)
                    return
                steps[-1] = self._validate(ask, case, current, seen, steps[-1])
                if steps[-1].verdict is not None and not steps[-1].verdict.kept:
                    return
            current = candidate

    def _scope(self, case: CaseContext) -> Scope:
        """The most that this arm asks about a case."""
        audits, comparisons = _most(self.limits, self.guards)
        return Scope(audits, comparisons, case.kept, case.clock.excuse)

    def _validate(
        self,
        ask: Callable[[Question], Answer],
        case: CaseContext,
        current: Restored,
        seen: Evidence,
        step: RoundDraft,
    ) -> RoundDraft:
        """Let the auditor choose blindly, in both orders under guards; what is not kept leaves what stood."""
        if not isinstance(ask, Comparer):
            raise TypeError(f"arm {self.arm}: its auditor cannot compare")  # refused when the arm was opened
        after = self.look(case.lr, step.picture.image)
        seed = derive_seed(current.seed, self.seeds or self.arm, "compare")
        told = [ask.compare(Comparison(case.case, case.family, 1, seed, seen, after))]
        if self.guards is not None:
            told.append(ask.compare(Comparison(case.case, case.family, 2, seed, after, seen)))
        named = {"first": ("current", "candidate"), "second": ("candidate", "current"), "neither": ("neither",) * 2}
        preferences = tuple(named[one.chosen][order] for order, one in enumerate(told))
        verdict = policy.judge(preferences, seen.qa, after.qa, self.guards)
        case.spending.called(len(told), sum(one.usage.cost or 0.0 for one in told))
        proposals = [Proposal(case.pure, "pure")]
        if current is not case.pure:
            proposals.append(Proposal(current, "stood before", parent=0))
        proposals.append(Proposal(step.picture, "retry", parent=len(proposals) - 1))
        return replace(
            step,
            candidates=tuple(proposals),
            picture=step.picture if verdict.kept else current,
            audit=step.audit and replace(step.audit, usage=sum((one.usage for one in told), step.audit.usage)),
            verdict=verdict,
            exchange={**step.exchange, "comparisons": [one.exchange for one in told]},
        )

    def _question(
        self, case: CaseContext, current: Restored, evidence: Evidence, number: int, cut: list[str]
    ) -> Question:
        """What is asked in a round; `cut` is told of the bounds that end an auditor's own search."""
        return Question(
            case=case.case,
            family=case.family,
            round=number,
            seed=derive_seed(current.seed, self.seeds or self.arm, str(number)),
            evidence=evidence,
            knobs=current.knobs,
            offered=case.make.offered,
            brief=self.brief,
            insight=_insight(case, cut),
            rehearsal=_rehearsal(case, cut) if auditing.rehearses(self.ask) else None,
            max_changes=self.limits.max_changes,
            dead=case.dead,
        )


def _found(seen: Evidence) -> dict[str, Any]:
    """Where landmarks put the patches that were shown; those at the usual places need no record."""
    return {"patches": {one.name: list(one.box) for one in seen.patches}} if seen.places == "landmarks" else {}


def _insight(case: CaseContext, cut: list[str]) -> PrivilegedAccess | None:
    reference = case.reference
    if reference is None:
        return None

    def restore(knobs: Knobs) -> Image:
        return case.make.restore(knobs).image

    def afford(knobs: Knobs) -> bool:
        if bound := case.spending.bound(passes=case.make.extra(knobs)):
            cut.append(bound)
            return False
        case.make.count(knobs)
        return True

    return PrivilegedAccess(reference, restore, case.measured, afford)


def _rehearsal(case: CaseContext, cut: list[str]) -> Rehearsal:
    def restore(lr: Image, knobs: Knobs) -> Image | None:
        made = case.make.rehearse(lr, knobs)
        if isinstance(made, str):
            cut.append(made)
            return None
        return made

    return Rehearsal(case.lr, restore)


def _most(limits: PolicyLimits, guards: GuardLimits | None) -> tuple[int, int]:
    """Audits and comparisons about a case, at most, where the auditor takes nothing back himself."""
    return limits.retries + 1, 0 if guards is None else 2 * limits.retries


def _demand(setup: ArmSetup) -> Demand:
    """One audit, and what retries may add; they take passes where a knob acts before, in or around the network.

    Each input that an auditor makes up takes a pass as it is, and what its settings take.
    """
    if setup.limits is None:
        raise TypeError(f"arm {setup.arm} is set up without limits")
    audits, comparisons = _most(setup.limits, setup.guards)
    if auditing.takes_back(setup.ask):
        comparisons = max(comparisons, setup.limits.retries)
    restored, made_up = auditing.restores(setup.ask), auditing.rehearses(setup.ask)
    if made_up:
        each = 1 + passes.most(setup.offered, restored // made_up - 1)
        most = made_up * each + passes.most(setup.offered, setup.limits.retries)
    else:
        most = passes.most(setup.offered, setup.limits.retries + restored)
    return Demand((made_up, most), (1, audits), (0, comparisons))


def open_audit(setup: ArmSetup) -> Intervention:
    """An arm of this way in one family."""
    if setup.ask is None or setup.look is None or setup.limits is None:
        raise TypeError(f"arm {setup.arm} was opened without an auditor")
    if setup.guards is not None and not isinstance(setup.ask, Comparer):
        raise SettingsError(f"Arm {setup.arm}: its auditor cannot compare two pictures, which policy guarded asks for.")
    brief = prompts.read(setup.kind, setup.prompt).text
    return Supervisor(setup.arm, setup.ask, setup.look, setup.limits, brief, setup.guards, setup.seeds)


WAY = Way(
    "The paper's bounded loop: look, ask, decide, restore again.", open=open_audit, needs=("auditor",), demand=_demand
)
