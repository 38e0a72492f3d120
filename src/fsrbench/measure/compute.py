"""What finished cases took, told from their trails: passes, questions, requests, tokens, money, seconds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fsrbench.core import tally
from fsrbench.core.operations import Blend, Mean
from fsrbench.core.values import PURE, Candidate, Restoration, Round, Trail, Usage
from fsrbench.measure.compute_values import Spread, Took
from fsrbench.measure.summary_values import DIGITS


@dataclass(frozen=True, slots=True)
class CaseCompute:
    """What one case took."""

    passes: int | None
    """Passes through a network; None where an earlier version did not count them."""
    questions: int
    """Audits, comparisons and rankings."""
    usage: Usage
    """What was sent for them, together; its seconds are those of every answer, whoever gave it."""
    seconds: float | None
    """Seconds that making the pictures took, and waiting for answers; None where a picture was not recorded."""


def of_case(trail: Trail, arm: str) -> CaseCompute:
    """What an arm took, or pure. What pure took is not in an arm's: every arm begins with it."""
    rounds = trail.rounds[:1] if arm == PURE else trail.arms[arm]
    passes = [step.passes for step in rounds if step.passes is not None]
    usage = sum(tally.usages(rounds), Usage(cost=0.0))
    making = trail.pure.seconds if arm == PURE else _making(trail.pure, rounds)
    return CaseCompute(
        passes=sum(passes) if len(passes) == len(rounds) else None,
        questions=sum(_questions(step) for step in rounds),
        usage=usage,
        seconds=None if making is None else making + usage.seconds,
    )


def _questions(step: Round) -> int:
    comparisons = len(step.verdict.preferences) if step.verdict else 0
    return (step.audit is not None) + comparisons + (step.ranking is not None)


def _making(pure: Restoration, rounds: Sequence[Round]) -> float | None:
    """Seconds of every step that an arm's pictures are made of, each counted once, pure's not at all.

    A picture that is made of others was stored with the seconds of all its parts: what is known of them is taken
    off, so that a mean of pictures that were candidates themselves takes nothing more. None where a picture was taken
    back and an earlier version kept nothing of it.
    """
    if any(step.verdict and not step.verdict.kept and not step.candidates for step in rounds):
        return None
    made: list[Restoration | Candidate] = [step.restoration for step in rounds]
    made += [one for step in rounds for one in step.candidates]
    known = dict.fromkeys(_steps(pure), pure.seconds)
    total = 0.0
    for picture in sorted(made, key=lambda one: len(one.operations)):
        steps = _steps(picture)
        new = [step for step in steps if step not in known]
        if new:
            rest = max(0.0, picture.seconds - sum(known.get(step, 0.0) for step in steps))
            known |= dict.fromkeys(new, rest / len(new))
            total += rest
    return total


def _steps(picture: Restoration | Candidate) -> list[str]:
    """Its passes through networks and tools, each told from any other by what it does and by all that goes into it."""
    told: dict[int | None, str] = {None: "the input"}
    found = []
    for place, step in enumerate(picture.operations):
        if isinstance(step, Blend):
            told[place] = f"blend {step.share} of {told.get(step.first)} and {told.get(step.second)}"
        elif isinstance(step, Mean):
            told[place] = f"mean of {[told.get(part) for part in step.of]}"
        else:
            told[place] = f"{replace(step, of=None)} of {told.get(step.of)}"
            found.append(told[place])
    return found


def told(cases: Sequence[CaseCompute]) -> Took | None:
    """As the summary has it; None where nothing is known of any case. What is unknown of one case is unknown of all."""
    if not cases:
        return None
    sent = any(case.usage.requests for case in cases)
    return Took(
        passes=_spread(case.passes for case in cases),
        questions=_spread(case.questions for case in cases),
        requests=_spread(case.usage.requests for case in cases),
        tokens=_spread(case.usage.prompt_tokens + case.usage.completion_tokens for case in cases),
        cost=_spread(case.usage.cost for case in cases) if sent else None,
        seconds=_spread(case.seconds for case in cases),
    )


def _spread(values: Iterable[float | None]) -> Spread | None:
    found = list(values)
    known = [value for value in found if value is not None]
    if len(known) < len(found):
        return None
    median, most = (round(float(value), DIGITS) for value in np.quantile(known, [0.5, 0.95]))
    return Spread(median, most)
