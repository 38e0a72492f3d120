"""What of a choice must fit together: an order names every candidate once, a step only earlier ones.

Asked of what a judge answers, of what a way gives back, and of every trail that is read. Each function says what is
wrong, in words; it says nothing where all is well.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from fsrbench.core.operations import FARTHEST, NOISIEST, TURNS, Blend, Mean, Operation, Restore, Treat, View
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
        if isinstance(step, Restore) and step.view is not None and not _possible(step.view):
            return f"step {place} of a picture shows a network its input as nothing can be shown"
    return ""


def _possible(view: View) -> bool:
    """Is it one of the ways to lie, shifted and with noise within bounds?"""
    near = all(-FARTHEST <= by <= FARTHEST for by in (view.right, view.down))
    return 0 <= view.turn < len(TURNS) and near and 0 <= view.noise <= NOISIEST and view.seed >= 0


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
