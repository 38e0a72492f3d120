"""The noise floor: the pure restoration once more, with other noise. Nobody is asked, no knob is turned.

What differs between the two is what a delta can be made of without anything having been improved. A
backend that draws no noise has a floor of exactly zero.
"""

from __future__ import annotations

from fsrbench.core.forecasts import Demand
from fsrbench.core.values import derive_seed
from fsrbench.core.ways import ArmSetup, CaseContext, Intervention, RoundDraft, Way


def open_rerun(_setup: ArmSetup) -> Intervention:
    """Nothing is to be opened."""

    def intervene(case: CaseContext) -> list[RoundDraft]:
        """Restore again, seeded differently."""
        if bound := case.spending.bound(passes=1):
            return [RoundDraft(case.pure, bound=bound)]
        again = case.make.restore({}, seed=derive_seed(case.pure.seed, "rerun"))
        return [RoundDraft(again)]

    return intervene


def _demand(_setup: ArmSetup) -> Demand:
    return Demand(passes=(1, 1))


WAY = Way(
    "Pure once more, with other noise: the noise floor.", open=open_rerun, role="floor", draws=True, demand=_demand
)
