"""What of a choice must fit together: an order names every candidate once, a step only earlier ones.

Asked of what a judge answers, of what a way gives back, and of every trail that is read. Each function says what is
wrong, in words; it says nothing where all is well.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from fsrbench.core.operations import Blend, Mean, Operation, Restore, Treat
from fsrbench.core.values import Ranking, Round


def of_ranking(ranking: Ranking, candidates: int) -> str:
    """Has every candidate one score and one place?"""
    if sorted(ranking.order) != list(range(candidates)):
        return f"the order {list(ranking.order)!s:.80} for {candidates} candidates, each of which belongs in it once"
    if len(ranking.scores) != candidates or len(ranking.parts) not in (0, candidates):
        return f"{len(ranking.scores)} scores and {len(ranking.parts)} lists of parts for {candidates} candidates"
    numbers = [score for score in ranking.scores if score is not None]
    if not all(map(math.isfinite, (*numbers, *(part for parts in ranking.parts for part in parts.values())))):
        return "a score that is no finite number (None stands for what could not be judged)"
    return ""


def of_operations(operations: Sequence[Operation]) -> str:
    """Is every step made of earlier ones?"""
    for place, step in enumerate(operations):
        used = _used(step)
        if (not used and not isinstance(step, Restore | Treat)) or not all(0 <= one < place for one in used):
            return f"step {place} of a picture is made of steps {list(used)!s:.80}, which are not before it"
        if isinstance(step, Blend) and not 0 <= step.share <= 1:
            return f"step {place} of a picture takes {step.share:g} of another, which is no share"
    return ""


def _used(step: Operation) -> tuple[int, ...]:
    """Positions of the steps whose pictures it takes; none for the input."""
    if isinstance(step, Blend):
        return step.first, step.second
    if isinstance(step, Mean):
        return step.of
    return () if step.of is None else (step.of,)


def of_round(step: Round) -> str:
    """Do a stored round's pictures, candidates and ranking fit together?"""
    made = (step.restoration.operations, *(one.operations for one in step.candidates))
    if wrong := next(filter(None, map(of_operations, made)), ""):
        return wrong
    return "" if step.ranking is None else of_ranking(step.ranking, len(step.candidates))
