"""A vision-language model as an auditor: one task, or several where its spread is asked for, and canaries on a sample.

Settings are read in `openai.py`; what a task is stands in `asking/task.py`; a dialogue with the server is in
`_dialogue.py`.
"""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fsrbench.asking import audit, prompts
from fsrbench.asking.audit import AuditReply
from fsrbench.asking.comparison import task as comparison_task
from fsrbench.asking.task import Exchange, Said, Task, taken
from fsrbench.auditors import _canary, _forecast, _preflight
from fsrbench.auditors._dialogue import Dialogue
from fsrbench.auditors._wire import PICTURES
from fsrbench.core.auditing import Scope
from fsrbench.core.errors import AuditorUnreachable
from fsrbench.core.forecasts import Forecast
from fsrbench.core.questions import Answer, Comparison, Evidence, Preference, Question
from fsrbench.core.values import Audit, Usage, derive_seed

SEEDS = 2**31
"""Servers take seeds below this."""
FREE = Usage(cost=0.0)


@dataclass(frozen=True, slots=True)
class Lvlm:
    """An opened auditor; satisfies `Comparer`, `Remote`, `Paid` and `Foreseeing`, and `Asker` for all other tasks."""

    dialogue: Dialogue
    """The server, and what it once said."""
    seed: int | None
    """Sampling seed for every question; None takes the question's own."""
    repeat: int
    """How often each question is asked."""
    canary: int
    """One case in so many is also shown canaries; 0 for none."""
    tried_out: bool
    """Is it asked one small question before a run's first case?"""

    @property
    def whom(self) -> str:
        """The server and the model."""
        server = self.dialogue.chat.server
        return f"{server.shown}, model {server.model}"

    def preflight(self, kept: Path | None) -> None:
        """Ask whether a small picture is seen, where the settings do not forbid it."""
        if self.tried_out and _preflight.sees_nothing(self.dialogue, kept):
            raise AuditorUnreachable(f"{self.whom}, was sent a picture and says that there is none", cure=PICTURES)

    def foresee(self, question: Question, scope: Scope, cases: Sequence[str]) -> Forecast:
        """What cases like this one will be sent."""
        return _forecast.of_cases(self.dialogue, question, scope, cases, self.repeat, self.canary)

    def foresee_preflight(self) -> Forecast:
        """What the small question before them will send."""
        return _forecast.of_preflight(self.dialogue) if self.tried_out else Forecast()

    def check(self) -> None:
        """AuditorUnreachable, before anything is prepared, where nothing more is asked."""
        self.dialogue.chat.patience.check()

    def patient(self, yes: bool) -> None:
        """May cases wait for money?"""
        self.dialogue.chat.purse.patient(yes)

    @contextmanager
    def reserving(
        self,
        most: Sequence[tuple[Task[Any], int]],
        kept: Path | None = None,
        excuse: Callable[[float], None] = lambda _seconds: None,
    ) -> Iterator[Lvlm]:
        """For one case: money for all of it is reserved before its first request, and what it pays for is kept."""
        with self.dialogue.reserving(most, kept, excuse) as own:
            yield dataclasses.replace(self, dialogue=own)

    def ask(self, task: Task[Said]) -> Exchange[Said]:
        """Ask anything, once."""
        return self._ask(task, 0, self.dialogue.until())

    @contextmanager
    def begin(self, question: Question, scope: Scope) -> Iterator[Lvlm]:
        """The same for a case of audits, of which this is the first question."""
        canaries = _forecast.CANARIES if _canary.sampled(question.case, self.canary) else 0
        both = Comparison(question.case, question.family, 1, 0, question.evidence, question.evidence)
        most: list[tuple[Task[Any], int]] = [
            (audit.task(question), scope.rounds * self.repeat + canaries),
            (comparison_task(both), scope.comparisons),
        ]
        with self.reserving(most, scope.kept, scope.excuse) as own:
            yield own

    def __call__(self, question: Question) -> Answer:
        """Judge one restoration, by the reply of median score where it is asked for several times."""
        if self.dialogue.account is None:
            with self.begin(question, Scope(rounds=1)) as own:
                return own(question)
        until = self.dialogue.until()
        task = audit.task(question)
        rounds = [self._ask(task, number, until) for number in range(self.repeat)]
        chosen = _median(rounds)
        spent = sum((asked.usage for asked in rounds), FREE)
        record = {**rounds[0].record(), "replies": _replies(rounds), "chosen": chosen}
        if self.repeat > 1:
            record["spread"] = _spread(rounds)
        asked = rounds[chosen if chosen is not None else -1]
        if asked.said is not None and question.round == 1 and _canary.sampled(question.case, self.canary):
            record["canary"], more = self._show_canaries(task, question.evidence, asked.said.score)
            spent = dataclasses.replace(spent + more, seconds=spent.seconds)
        spent = dataclasses.replace(spent, seconds=round(spent.seconds, 3))
        return Answer(_audit(asked, spent), record)

    def compare(self, comparison: Comparison) -> Preference:
        """Choose between two; a reply that could not be used prefers neither."""
        asked = self.ask(comparison_task(comparison))
        chosen = asked.said.preferred if asked.said is not None else "neither"
        return Preference(chosen, asked.usage, asked.record())

    def _ask(self, task: Task[Said], number: int, until: float) -> Exchange[Said]:
        """Ask, as the repeat of this number; a question outside any case is a case of its own."""
        if self.dialogue.account is None:
            with self.reserving([(task, 1)]) as own:
                return own._ask(task, number, until)
        first = task.seed if self.seed is None else self.seed
        seed = (derive_seed(first, "repeat", str(number)) if number else first) % SEEDS
        return self.dialogue.ask(task, seed, number, until)

    def _show_canaries(self, task: Task[AuditReply], evidence: Evidence, real: float) -> tuple[dict[str, Any], Usage]:
        """Ask about each canary. What a server fails to answer is recorded, and does not touch the audit."""
        scores: dict[str, float | None] = {}
        exchanges: dict[str, Any] = {}
        spent = FREE
        for name, spoilt in _canary.spoilt(evidence).items():
            shown = dataclasses.replace(task, pictures=prompts.pictures(spoilt))
            scores[name], exchanges[name] = None, {"pictures": shown.asked().record()["pictures"]}
            try:
                asked = self._ask(shown, 0, self.dialogue.until())
            except AuditorUnreachable as error:
                exchanges[name] |= {"failed": str(error), "replies": list(error.exchanges)}
            else:
                scores[name] = asked.said.score if asked.said is not None else None
                exchanges[name]["replies"] = list(asked.replies)
            spent += taken(exchanges[name]["replies"])
        return {"real": real, **scores, "looking": _canary.looking(real, scores), "exchanges": exchanges}, spent


def _audit(asked: Exchange[AuditReply], usage: Usage) -> Audit:
    said, problem = asked.said, asked.problem
    if problem is not None:
        return Audit("invalid", reason=problem.told, usage=usage, fault=problem.fault)
    if said is None:
        raise TypeError("an exchange came to neither fields nor a problem")
    return Audit("ok", said.score, said.confidence, said.tags, said.hints, said.reason, asked.repairs, usage)


def _replies(rounds: Sequence[Exchange[AuditReply]]) -> list[dict[str, Any]]:
    """All replies in the order in which they came, with the number of the repeat where there are several."""
    numbered = [{**one, "repeat": number} for number, asked in enumerate(rounds) for one in asked.replies]
    return numbered if len(rounds) > 1 else list(rounds[0].replies)


def _median(rounds: Sequence[Exchange[AuditReply]]) -> int | None:
    """Which repeat the audit is made from: the usable one of median score, the lower of two, the first of equals.

    One whole reply, not a mean: score, tags and hints of different replies do not belong together.
    """
    scores = sorted((asked.said.score, number) for number, asked in enumerate(rounds) if asked.said is not None)
    return scores[(len(scores) - 1) // 2][1] if scores else None


def _spread(rounds: Sequence[Exchange[AuditReply]]) -> dict[str, Any]:
    """Mean and sample standard deviation over the usable replies; None where there are too few."""
    usable = [asked.said for asked in rounds if asked.said is not None]

    def told(values: list[float]) -> dict[str, float | None]:
        return {
            "mean": statistics.fmean(values) if values else None,
            "sd": statistics.stdev(values) if len(values) > 1 else None,
        }

    return {
        "asked": len(rounds),
        "usable": len(usable),
        "score": told([said.score for said in usable]),
        "confidence": told([said.confidence for said in usable]),
    }
