"""A judge chooses among settings of the knobs: pure, and each knob alone at several of its values.

What the judge likes best is kept only if its score is above pure's by more than a margin; else pure stands.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from fsrbench.core import knobgrid, passes
from fsrbench.core.forecasts import Demand
from fsrbench.core.stored import KnobValue
from fsrbench.core.values import Ranking
from fsrbench.core.ways import ArmSetup, CaseContext, Intervention, Proposal, RoundDraft, Way
from fsrbench.ways import _judged


class Choosing(BaseModel):
    """What is tried, and by how much it must be better."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    levels: int = Field(default=3, ge=1, le=100)
    """Steps into which a knob's band is divided; of a choice, all values are tried."""
    margin: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """By how much a score must be above pure's, on the judge's own scale; more than 0 is asked for in any case."""


def best(ranking: Ranking, margin: float) -> int:
    """The judge's first candidate, if its score is above pure's by more than the margin; else 0, which is pure.

    Where one of the two scores is missing, nothing says that it is better, and pure stands.
    """
    first = ranking.order[0]
    score, pure = ranking.scores[first], ranking.scores[0]
    return first if score is not None and pure is not None and score - pure > margin else 0


def open_choose(setup: ArmSetup) -> Intervention:
    """An arm of this way in one family."""
    levels, margin = setup.settings.levels, setup.settings.margin

    def intervene(case: CaseContext) -> list[RoundDraft]:
        """Restore with each setting that the budget allows, and ask the judge once."""
        proposals, bound = [Proposal(case.pure, "pure")], ""
        for knobs in knobgrid.singles(setup.offered, case.pure.knobs, levels):
            case.clock.check()
            if over := case.spending.bound(passes=case.make.extra(knobs)):
                bound = over  # a later setting may take no pass of its own
                continue
            proposals.append(Proposal(case.make.restore(knobs), _origin(knobs)))
        if len(proposals) == 1:
            return [RoundDraft(case.pure, candidates=tuple(proposals), bound=bound)]
        if over := case.spending.bound(calls=1):
            return [RoundDraft(case.pure, candidates=tuple(proposals), bound=over)]
        ranking = _judged.ranking(setup, case, proposals)
        kept = proposals[best(ranking, margin)].picture
        return [RoundDraft(kept, candidates=tuple(proposals), ranking=ranking, bound=bound)]

    return intervene


def _origin(knobs: dict[str, KnobValue]) -> str:
    """`dehalo 0.5`."""
    return ", ".join(f"{name} {value}" for name, value in knobs.items())


def _demand(setup: ArmSetup) -> Demand:
    """Each pass that pure did not take, once."""
    pure = {name: knob.default for name, knob in setup.offered.items()}
    tried = knobgrid.singles(setup.offered, pure, setup.settings.levels)
    fresh = len(frozenset().union(*(passes.of(setup.offered, one) for one in tried)) - passes.of(setup.offered, {}))
    return Demand(passes=(fresh, fresh))


WAY = Way(
    "A judge chooses among pure and the settings of each knob alone, and must be surer than a margin.",
    open=open_choose,
    settings=Choosing,
    needs=("judge",),
    demand=_demand,
)
