"""Many candidates, one picture: a judge orders them, and the mean of the best stands.

Candidates differ by the network's own noise, or by how the network is shown the input: mirrored or turned, shifted by
half a pixel, with a little noise. Those are perturbations and no draws from a posterior, and they are called what they
are. Arms of this way propose the same candidates, so that a control differs from a contender by its judge alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from fsrbench.core.errors import SettingsError
from fsrbench.core.forecasts import Demand
from fsrbench.core.operations import NOISIEST, TURNS, View
from fsrbench.core.values import derive_seed
from fsrbench.core.ways import ArmSetup, CaseContext, Control, Intervention, Proposal, RoundDraft, Way
from fsrbench.ways import _judged

SHIFTS = ((0.0, 0.0), (0.5, 0.0), (0.0, 0.5), (0.5, 0.5))
"""Pixels of the input by which views are shifted."""


class Select(BaseModel):
    """How many candidates, how they come to differ, and how many of them are kept."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    candidates: int = Field(default=8, ge=2, le=64)
    """Pictures to choose among, pure with them."""
    keep: int = Field(default=3, ge=1, le=64)
    """The mean of so many stands, the best ones by the judge's order; with 1 the best one as it is."""
    vary: Literal["auto", "noise", "view"] = "auto"
    """By what candidates differ: the network's own noise, or how it is shown the input. auto: noise where it draws."""
    noise: float = Field(default=2.0, ge=0, le=NOISIEST)
    """Standard deviation of the noise in a view, on the 0–255 scale."""

    @model_validator(mode="after")
    def _no_more_than_there_are(self) -> Self:
        if self.keep > self.candidates:
            raise ValueError(f"keep is {self.keep}, and there are {self.candidates} candidates")
        return self


def open_select(setup: ArmSetup) -> Intervention:
    """Check that so many candidates differ."""
    settings: Select = setup.settings
    varies = _varies(setup)
    if varies == "noise" and not setup.draws:
        raise SettingsError(
            f"Arm {setup.arm}: the network of this family draws no noise, so that all candidates would be one picture. "
            "Say vary: view, or leave it out."
        )
    distinct = len(SHIFTS) * len(_turns(setup))
    if varies == "view" and not settings.noise and settings.candidates > distinct:
        raise SettingsError(
            f"Arm {setup.arm}: without noise there are {distinct} different views, and it asks for "
            f"{settings.candidates} candidates. Ask for fewer, or give views some noise (noise: 2)."
        )

    def propose(case: CaseContext) -> Iterator[Proposal | str]:
        """Pure, then the others one by one; or which bound of the budget forbids the next."""
        yield Proposal(case.pure, "pure")
        for number in range(1, settings.candidates):
            case.clock.check()
            seed, view, origin = derive_seed(case.pure.seed, "sample", str(number)), None, f"seed {number}"
            if varies == "view":
                seed, view = case.pure.seed, _view(number, seed, setup)
                origin = view.told
            if bound := case.spending.bound(passes=case.make.extra({}, seed=seed, view=view)):
                yield bound
                return
            yield Proposal(case.make.restore({}, seed=seed, view=view), origin)

    def intervene(case: CaseContext) -> list[RoundDraft]:
        """Propose, ask the judge, and end with the mean of the best; pure stands where nobody could be asked."""
        made = list(propose(case))
        proposals = tuple(one for one in made if isinstance(one, Proposal))
        bound = next((one for one in made if isinstance(one, str)), "")
        unheard = case.spending.bound(calls=1)
        if len(proposals) == 1 or unheard:
            return [RoundDraft(case.pure, candidates=proposals, bound=bound or unheard)]
        ranking = _judged.ranking(setup, case, proposals)
        best = [place for place in ranking.order if ranking.scores[place] is not None][: settings.keep]
        first = proposals[best[0]].picture if best else case.pure
        chosen = RoundDraft(first, candidates=proposals, ranking=ranking, bound=bound)
        if len(best) < 2:
            return [chosen]
        return [chosen, RoundDraft(case.make.mean([proposals[place].picture for place in best]), passes=0)]

    return intervene


def _varies(setup: ArmSetup) -> Literal["noise", "view"]:
    """By what the candidates of a family differ."""
    asked: Literal["auto", "noise", "view"] = setup.settings.vary
    if asked == "auto":
        return "noise" if setup.draws else "view"
    return asked


def _turns(setup: ArmSetup) -> range:
    """The ways to lie in which a network can be shown a picture."""
    return range(2 if setup.upright else len(TURNS))


def _view(number: int, seed: int, setup: ArmSetup) -> View:
    """A candidate's view: every pair of a turn and a shift comes once before any comes again."""
    turns = _turns(setup)
    right, down = SHIFTS[(number + number // len(turns)) % len(SHIFTS)]
    noise = setup.settings.noise
    return View(turns[number % len(turns)], right, down, noise, seed if noise else 0)


def _controls(settings: Select) -> Mapping[str, Control]:
    """Luck, the mean without a choice, and the bound: one picture and, where several are kept, their mean."""
    one = {"random": {"name": "random"}, "oracle": {"name": "oracle"}}
    found = {name: Control(judge, {"keep": 1}) for name, judge in one.items()}
    if settings.keep > 1:
        found |= {f"{name}-mean": Control(judge) for name, judge in one.items()}
    return {**found, "mean-of-all": Control({"name": "fixed"}, {"keep": settings.candidates})}


def _demand(setup: ArmSetup) -> Demand:
    """A pass for each candidate but pure."""
    passes = setup.settings.candidates - 1
    return Demand(passes=(passes, passes))


WAY = Way(
    "Many candidates: a judge orders them, and the mean of the best stands.",
    open=open_select,
    settings=Select,
    needs=("judge",),
    draws=True,
    demand=_demand,
    controls=_controls,
    shares=True,
)
