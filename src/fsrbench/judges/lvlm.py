"""A vision-language model, or a reward model, behind any OpenAI-compatible server: in duels, or one picture at a time.

Whom it asks and how, what is paid and what is remembered is the auditor `openai`'s: its settings stand beside those
that are named here, and nothing of it is written a second time.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from fsrbench.asking import comparison, prompts, rating
from fsrbench.asking.task import Task
from fsrbench.core import auditing, plugins
from fsrbench.core.contracts import Machine
from fsrbench.core.judging import Contest, Judge
from fsrbench.core.values import Ranking, Usage
from fsrbench.judges import _duels, _ordered


class ByModel(BaseModel):
    """How a model is asked. Keys that are not named here are settings of the auditor openai: base_url, model, …"""

    model_config = ConfigDict(extra="allow", frozen=True)

    pointwise: bool = False
    """Every picture is rated by itself; otherwise every two are compared, blind, in both orders."""
    prompt: Path | None = None
    """A prompt file in place of ours. For ratings it may leave out `${answer}`: then no form of reply is asked for."""

    def brief(self) -> str:
        """Its prompt's text, checked; empty where ours is taken."""
        if self.prompt is None:
            return ""
        known = rating.PLACEHOLDERS if self.pointwise else comparison.PLACEHOLDERS
        required = ("pictures",) if self.pointwise else comparison.PLACEHOLDERS
        return prompts.read_own(self.prompt.expanduser(), known, required).text


@dataclass(frozen=True, slots=True)
class AskedJudge:
    """The opened judge; satisfies `auditing.Remote` as far as it is tried out before any work."""

    client: Any
    """The opened auditor `openai`: an `Asker`, `Remote` and `Paid`."""
    pointwise: bool
    """As in its settings."""
    brief: str
    """Its prompt; empty for ours."""

    @property
    def whom(self) -> str:
        """The server and the model."""
        return str(self.client.whom)

    def preflight(self, kept: Path | None) -> None:
        """One small question before any work is done."""
        self.client.preflight(kept)

    def check(self) -> None:
        """AuditorUnreachable where it was given up."""
        self.client.check()

    def patient(self, yes: bool) -> None:
        """May cases wait until money is free?"""
        self.client.patient(yes)

    def __call__(self, contest: Contest) -> Ranking:
        """Order the candidates; what is paid for is kept in the contest's folder, reply by reply."""
        return self._rated(contest) if self.pointwise else self._compared(contest)

    def _compared(self, contest: Contest) -> Ranking:
        duels = _duels.duels(contest)
        tasks = [comparison.task(one.asked, self.brief) for one in duels]
        with self.client.reserving([(task, 1) for task in tasks], contest.kept) as own:
            exchanges = [own.ask(task) for task in tasks]
        chosen = [one.said.preferred if one.said is not None else None for one in exchanges]
        usage = sum((one.usage for one in exchanges), Usage(cost=0.0))
        return _ordered.ranking(self.whom, _duels.scores(contest, duels, chosen), usage=usage)

    def _rated(self, contest: Contest) -> Ranking:
        if contest.look is None:
            raise TypeError("a judge that looks was asked with nothing to look through")
        tasks: list[Task[rating.Rating]] = [
            rating.task(contest.case, contest.family, place, contest.seed, contest.look(contest.lr, one), self.brief)
            for place, one in enumerate(contest.pictures)
        ]
        with self.client.reserving([(task, 1) for task in tasks], contest.kept) as own:
            exchanges = [own.ask(task) for task in tasks]
        scores = [one.said.score if one.said is not None else None for one in exchanges]
        usage = sum((one.usage for one in exchanges), Usage(cost=0.0))
        return _ordered.ranking(self.whom, scores, usage=usage)


def _open(settings: ByModel, machine: Machine) -> AskedJudge:
    declared: auditing.Auditor = plugins.load("auditors", "openai")
    client = declared.open(dict(settings.model_extra or {}), machine)
    return AskedJudge(client, settings.pointwise, settings.brief())


JUDGE = Judge(
    "A vision-language or reward model behind any OpenAI-compatible server: in duels, or rating one by one.",
    open=_open,
    settings=ByModel,
    looks=True,
    remote=True,
)
