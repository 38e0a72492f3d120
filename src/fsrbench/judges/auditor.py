"""An auditor that can compare two pictures, as a judge: every candidate against every other, blind, in both orders."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, ConfigDict

from fsrbench.core import auditing, plugins
from fsrbench.core.contracts import Machine
from fsrbench.core.errors import SettingsError
from fsrbench.core.judging import Contest, Judge
from fsrbench.core.values import Ranking, Usage
from fsrbench.judges import _duels, _ordered


class ByAuditor(BaseModel):
    """Which auditor chooses. Keys that are not named here are the auditor's own settings."""

    model_config = ConfigDict(extra="allow", frozen=True)

    auditor: str = "heuristic"
    """Its name."""

    @property
    def own(self) -> dict[str, Any]:
        """What the auditor is opened with."""
        return dict(self.model_extra or {})


def _open(settings: ByAuditor, machine: Machine) -> Callable[[Contest], Ranking]:
    declared: auditing.Auditor = plugins.load("auditors", settings.auditor)
    if not declared.compares or declared.privileged:
        able = [name for name in plugins.names("auditors") if plugins.load("auditors", name).compares]
        raise SettingsError(
            f"The auditor {settings.auditor} cannot choose between two pictures. Those that can: {', '.join(able)}."
        )
    ask = declared.open(settings.own, machine)
    if not isinstance(ask, auditing.Comparer):
        raise SettingsError(f"The auditor {settings.auditor} cannot choose between two pictures with these settings.")

    def judge(contest: Contest) -> Ranking:
        duels = _duels.duels(contest)
        said = [ask.compare(one.asked) for one in duels]
        usage = sum((one.usage for one in said), Usage(cost=0.0))
        scores = _duels.scores(contest, duels, [one.chosen for one in said])
        return _ordered.ranking(f"auditor {settings.auditor}", scores, usage=usage)

    return judge


JUDGE = Judge(
    "An auditor that can compare two pictures (heuristic, random), in duels, each in both orders.",
    open=_open,
    settings=ByAuditor,
    looks=True,
)
