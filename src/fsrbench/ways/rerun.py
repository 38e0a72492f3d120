"""The noise floor: the pure restoration once more, with other noise. Nobody is asked, no knob is turned.

What differs between the two is what a delta can be made of without anything having been improved. A
backend that draws no noise has a floor of exactly zero.
"""

from __future__ import annotations

from fsrbench.case.context import CaseContext, RoundDraft
from fsrbench.core.values import derive_seed


def intervene(situation: CaseContext) -> list[RoundDraft]:
    """Restore again, seeded differently."""
    other = derive_seed(situation.pure.seed, "rerun")
    return [RoundDraft(situation.pipeline.restore(situation.lr, {}, other))]
