"""The constant: the same knob values for every picture, and nobody looks. Whoever looks must beat it.

Several settings may be named; then a judge says for each picture which of them it ends with, or whether pure stands.
A setting may also be taken from the file that `fsrbench tune` wrote.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from fsrbench.case import tuned
from fsrbench.core import passes
from fsrbench.core.contracts import Knob
from fsrbench.core.errors import SettingsError
from fsrbench.core.forecasts import Demand
from fsrbench.core.stored import KnobValue
from fsrbench.core.ways import ArmSetup, CaseContext, Intervention, Proposal, RoundDraft, Way
from fsrbench.ways import _judged


class Constant(BaseModel):
    """What is turned, and how far."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    knobs: tuple[dict[str, KnobValue], ...] = Field(default=(), max_length=64)
    """Knob values; those that are not named stand at their defaults. One setting, or a list of them for a judge."""
    file: str = Field(default="", alias="from")
    """In their place: a file of `fsrbench tune`, a folder with FAMILY.json for each family, or `shipped`."""

    @field_validator("knobs", mode="before")
    @classmethod
    def _one_or_several(cls, given: Any) -> Any:
        return [given] if isinstance(given, dict) else given

    @model_validator(mode="after")
    def _one_of_the_two(self) -> Self:
        if bool(self.knobs) == bool(self.file):
            raise ValueError("name one of the two: knobs, or a file that has them (from: FILE)")
        return self

    def settings(self, family: str) -> tuple[dict[str, KnobValue], ...]:
        """The settings that a family is restored with."""
        return (tuned.read(self.file, family).knobs,) if self.file else self.knobs


def open_constant(setup: ArmSetup) -> Intervention:
    """Check that there is somebody to choose where there is a choice."""
    settings = setup.settings.settings(setup.kind)
    if wrong := _unfit(settings, setup.offered):
        raise SettingsError(f"Arm {setup.arm}: {setup.settings.file or 'it'} asks for what cannot be: {wrong}")
    if len(settings) > 1 and setup.judge is None:
        raise SettingsError(
            f"Arm {setup.arm}: with {len(settings)} settings somebody must choose: add a judge (judge: metric), or "
            "name one setting."
        )

    def intervene(case: CaseContext) -> list[RoundDraft]:
        """Restore with each setting, and end with the only one or with the judge's choice."""
        proposals, bound = [Proposal(case.pure, "pure")], ""
        for number, knobs in enumerate(settings, start=1):
            case.clock.check()
            if bound := case.spending.bound(passes=case.make.extra(knobs)):
                break
            origin = "constant" if len(settings) == 1 else f"constant {number}"
            proposals.append(Proposal(case.make.restore(knobs), origin))
        chosen, ranking = len(proposals) - 1, None
        if setup.judge is not None and len(proposals) > 1:
            if over := case.spending.bound(calls=1):
                chosen, bound = 0, over
            else:
                ranking = _judged.ranking(setup, case, proposals)
                chosen = ranking.order[0]
        return [RoundDraft(proposals[chosen].picture, candidates=tuple(proposals), ranking=ranking, bound=bound)]

    return intervene


def _unfit(settings: Sequence[Mapping[str, KnobValue]], offered: Mapping[str, Knob]) -> str:
    """Only knobs that the family offers, within their bounds: a wrong one is not silently another."""
    for name, value in (pair for knobs in settings for pair in knobs.items()):
        if name not in offered:
            known = ", ".join(offered) or "none"
            return (
                f"{name} is no knob of the family, which has {known}. Run it on those that have it, --family NAME, or "
                f"offer it: --set families.NAME.knobs={','.join([*offered, name])}"
            )
        try:
            given = offered[name].clamp(value)
        except ValueError as error:
            return f"{name}: {error}."
        if given != value:
            return f"{name} cannot be {value:g}; the nearest is {given:g}."
    return ""


def _demand(setup: ArmSetup) -> Demand:
    """Each pass that pure did not take, once: settings that differ only after the network share theirs."""
    asked = [passes.of(setup.offered, knobs) for knobs in setup.settings.settings(setup.kind)]
    fresh = len(frozenset().union(*asked) - passes.of(setup.offered, {}))
    return Demand(passes=(fresh, fresh))


WAY = Way(
    "The same knob values for every picture; nobody looks.",
    open=open_constant,
    role="control",
    settings=Constant,
    takes=("judge",),
    misfit=lambda settings, offered: _unfit(settings.knobs, offered),
    basis=lambda settings, family: tuned.basis(settings.file, family) if settings.file else None,
    demand=_demand,
)
