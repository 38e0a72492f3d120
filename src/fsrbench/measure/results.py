"""A finished evaluation as one value: what was compared, its numbers, its summary. Plots and the report take it.

A paired difference is arm − pure (or − another arm, or − the arm of another run) for the cases that have both numbers;
this is the only place that forms it. What plots ask of trails is here in short, from one reading.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from fsrbench.core.values import PURE, DecisionRule, Round, Score, Trail
from fsrbench.measure.choosing_values import MeasuredChoice
from fsrbench.measure.subjects import Evaluation
from fsrbench.measure.summary_values import Summary


@dataclass(frozen=True)
class Numbers:
    """Scores, found by what they belong to."""

    scores: Sequence[Score]
    """All of them."""

    @cached_property
    def _values(self) -> dict[tuple[str, str, str], dict[str, float]]:
        found: dict[tuple[str, str, str], dict[str, float]] = {}
        for s in self.scores:
            if s.value is not None:
                found.setdefault((s.family, s.metric, s.arm), {})[s.case] = s.value
        return found

    def values(self, family: str, metric: str, arm: str) -> dict[str, float]:
        """Case → number; a case without one is absent."""
        return self._values.get((family, metric, arm), {})

    def deltas(self, family: str, metric: str, arm: str, base: str = PURE) -> dict[str, float]:
        """Case → arm − pure, or − another arm."""
        pure, own = self.values(family, metric, base), self.values(family, metric, arm)
        return {case: difference(value, pure[case]) for case, value in own.items() if case in pure}

    def delta(self, family: str, metric: str, arm: str, case: str) -> float | None:
        """That of one case; None where a number is missing."""
        pure, own = self.values(family, metric, PURE), self.values(family, metric, arm)
        return difference(own[case], pure[case]) if case in own and case in pure else None


def difference(value: float, pure: float) -> float:
    """One case's paired difference, as it is kept."""
    return round(value - pure, 6)


LED_TO: Mapping[DecisionRule, str] = {
    "hints followed": "retry",
    "score reached": "accepted",
    "no effective hint": "no effective hint",
    "low confidence": "low confidence",
    "no retry left": "no retry allowed",
    "unusable": "invalid reply",
}
"""What a first audit led to, by the rule that decided."""


@dataclass(frozen=True, slots=True)
class Course:
    """What became of one case under one arm, in short: of thousands of trails, this is held."""

    audited: bool
    """Whether anything was said of the pure picture."""
    score: float | None
    """What its first audit gave it; None where that could not be used."""
    confidence: float | None
    """How sure that audit was."""
    retried: bool
    """Whether another restoration followed from it."""
    decided: str
    """What it led to, in the words of LED_TO."""
    ended: str
    """Which picture stood at the end, in words."""
    offered: tuple[str, ...]
    """Knobs that could be turned."""
    turned: tuple[tuple[str, float], ...]
    """Knobs that stood at the end where pure's do not, with their values."""

    @classmethod
    def of(cls, trail: Trail, steps: Sequence[Round]) -> Course:
        """Told from the rounds of an arm."""
        first, pure, final = steps[0], trail.pure.knobs, steps[-1].restoration.knobs
        audit, decision = first.audit, first.decision
        usable = audit is not None and audit.status == "ok"
        return cls(
            audited=audit is not None,
            score=audit.score if audit is not None and usable else None,
            confidence=audit.confidence if audit is not None else None,
            retried=decision is not None and decision.action == "retry",
            decided=LED_TO[decision.rule if decision is not None else "unusable"],
            ended=_ended(trail, steps),
            offered=tuple(pure),
            turned=tuple((name, float(final[name])) for name in pure if final.get(name, pure[name]) != pure[name]),
        )


def _ended(trail: Trail, steps: Sequence[Round]) -> str:
    """Which picture stood at the end."""
    if steps[-1].restoration.sha256 != trail.pure.sha256:
        return "changed"
    if any(step.verdict is not None and not step.verdict.kept for step in steps):
        return "not kept"
    retried = any(step.decision is not None and step.decision.action == "retry" for step in steps)
    return "changed, no pixel" if retried else "pure stands"


@dataclass(frozen=True)
class Results:
    """Everything that is shown of an evaluation."""

    root: Path
    """Folder that everything is written into."""
    what: Evaluation
    """What was compared."""
    numbers: Numbers
    """Its scores."""
    summary: Summary
    """Means, effects and counts: what `summary.json` holds."""
    choices: Sequence[MeasuredChoice] = ()
    """What every choice among candidates did."""

    @cached_property
    def courses(self) -> Mapping[tuple[str, str], Mapping[str, Course]]:
        """(family, arm) → case → what became of it, where the arm was finished. Every trail is read for it once."""
        found: dict[tuple[str, str], dict[str, Course]] = {}
        alike: dict[Course, Course] = {}
        for subject in self.what.subjects:
            trail = subject.trail
            if trail is None:
                continue
            for arm, steps in trail.arms.items():
                course = Course.of(trail, steps)
                found.setdefault((subject.family, arm), {})[subject.case] = alike.setdefault(course, course)
        return found
