"""Which cases are looked at first, in words: those that an arm changed most."""

from __future__ import annotations

from collections.abc import Sequence

from fsrbench.measure import changes
from fsrbench.measure.changes import CaseChange
from fsrbench.measure.results import Numbers
from fsrbench.measure.subjects import Evaluation
from fsrbench.show import numbers


def sentence(what: Evaluation, known: Numbers, found: Sequence[CaseChange], most: int, who: str = "an arm") -> str:
    """What is said where the first `most` of `changes.cases` stand, which `who` changed."""
    total, changed = len({subject.case for subject in what.subjects}), len({change.case for change in found})
    shown = min(most, total)
    all_of_them = numbers.count(total, "case")
    by = changes.metric(what, known)
    label = what.metrics[by].label if by is not None else "a number"
    if not changed:
        which = f"the first {shown} of {all_of_them}, by name" if shown < total else "all cases, by name"
        return f"No arm changed {label} anywhere: {which}."
    if changed < shown:
        those = numbers.count(changed, "case")
        return f"The {those} in which {who} changed {label}, the largest change first; then others, by name."
    which = f"{shown} of {all_of_them}" if shown < total else all_of_them
    return f"The {which} in which {who} changed {label} most, the largest change first."
