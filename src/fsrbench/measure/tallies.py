"""What became of the cases, arm by arm: nothing that failed or could not be used hides in a mean."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from fsrbench.core import order
from fsrbench.core.values import PURE, Failure, Trail, Usage
from fsrbench.measure import compute, mishaps
from fsrbench.measure.compute import CaseCompute
from fsrbench.measure.subjects import Evaluation
from fsrbench.measure.summary_values import ArmOutcome, FamilyOutcome


def of_family(family: str, what: Evaluation, failures: Sequence[Failure]) -> FamilyOutcome:
    """A family's counts.

    Requests, tokens and cost are those of all cases, `unfinished` ones too: these were paid, and have no result yet.
    """
    failed = Counter(f.arm for f in failures if f.family == family)
    cases, pure, arms = 0, list[CaseCompute](), {arm: _Tally() for arm in failed if arm != PURE}
    for one in what.unfinished:
        if one.family == family:
            arms.setdefault(one.arm, _Tally()).leave(one.usage)
    for subject in what.subjects:
        if subject.family == family:
            cases += 1
            trail = subject.trail
            pure += [] if trail is None else [compute.of_case(trail, PURE)]
            for arm in subject.variants:
                if arm != PURE:
                    arms.setdefault(arm, _Tally()).add(arm, trail)
    share = what.limits.max_invalid
    told = {arm: arms[arm].told(share, failed[arm]) for arm in order.arms(arms, what.roles)}
    return FamilyOutcome(cases, failed[PURE], told, compute.told(pure))


def void_arms(trails: Iterable[Trail], share: float) -> list[str]:
    """`blind lvlm`, of each arm whose replies were mostly unusable, told from trails alone."""
    replies, unusable = Counter[str](), dict[str, Counter[str]]()
    for trail in trails:
        for arm, steps in trail.arms.items():
            if audits := [step.audit for step in steps if step.audit]:
                name = f"{trail.family} {arm}"
                replies[name] += len(audits)
                unusable.setdefault(name, Counter()).update(mishaps.unusable(audits))
    return [name for name, number in replies.items() if mishaps.mostly_unusable(number, unusable[name], share)]


@dataclass(slots=True)
class _Tally:
    """What became of an arm's cases, counted case by case."""

    done: int = 0
    """Cases with its picture."""
    invalid: int = 0
    """Cases in which a reply could not be used."""
    changed: int = 0
    """Cases that ended with another picture than pure's."""
    unfinished: int = 0
    """Cases without a result for which something was sent already."""
    sent: int = 0
    """Cases for which something was sent."""
    replies: int = 0
    """Audits, whoever made them."""
    unusable: Counter[str] = field(default_factory=Counter)
    """Those of them that could not be used, by what was wrong."""
    usage: Usage = field(default_factory=lambda: Usage(cost=0.0))
    """What all questions cost together; the money is unknown where that of one is."""
    took: list[CaseCompute] = field(default_factory=list)
    """What each case with a picture took."""

    def add(self, arm: str, trail: Trail | None) -> None:
        """One more case."""
        self.done += 1
        if trail is None or arm not in trail.arms:
            return
        audits = [step.audit for step in trail.arms[arm] if step.audit]
        took = compute.of_case(trail, arm)
        self.invalid += any(audit.status == "invalid" for audit in audits)
        self.changed += trail.final(arm).sha256 != trail.pure.sha256
        self.sent += took.usage.requests > 0
        self.replies += len(audits)
        self.unusable += mishaps.unusable(audits)
        self.usage += took.usage
        self.took.append(took)

    def leave(self, usage: Usage) -> None:
        """One more case that is not finished."""
        self.unfinished += 1
        self.sent += 1
        self.usage += usage

    def told(self, share: float, failed: int = 0) -> ArmOutcome:
        """As the summary has it; void is an arm of whose replies this share or more could not be used."""
        cost = self.usage.cost if self.sent else None
        return ArmOutcome(
            done=self.done,
            invalid=self.invalid,
            replies=self.replies,
            unusable=dict(self.unusable.most_common()),
            void=mishaps.mostly_unusable(self.replies, self.unusable, share),
            changed=self.changed,
            unfinished=self.unfinished,
            requests=self.usage.requests,
            tokens=self.usage.prompt_tokens + self.usage.completion_tokens,
            cost=None if cost is None else round(cost, 6),
            failed=failed,
            took=compute.told(self.took),
        )
