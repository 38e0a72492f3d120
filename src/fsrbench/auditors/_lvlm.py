"""A vision-language model as an auditor: what it is shown, how often, and the record of the whole exchange.

One question becomes one dialogue, or several where its spread is asked for; on a sample of cases canaries
follow. Settings are read in `openai.py`; a dialogue with the server is in `_dialogue.py`.
"""

from __future__ import annotations

import dataclasses
import json
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from fsrbench.asking import comparison, prompts, reply
from fsrbench.auditors import _canary
from fsrbench.auditors._cache import Ledger
from fsrbench.auditors._dialogue import Asked, Dialogue, again, repairing
from fsrbench.auditors._price import estimate
from fsrbench.auditors._purse import Account, Need
from fsrbench.auditors._wire import PICTURES
from fsrbench.core.contracts import Scope
from fsrbench.core.errors import AuditorUnreachable, CostLimitReached
from fsrbench.core.values import Answer, Audit, Comparison, Evidence, Image, Preference, Question, Usage, derive_seed
from fsrbench.imaging import images

SEEDS = 2**31
"""Servers take seeds below this."""
FREE = Usage(cost=0.0)
SOON = 30.0
"""Seconds for the question before the first case; a server that is not done by then may be loading its model."""
PATCH = 64
"""Side of the picture of that question: models exist that take none below 28 pixels."""
BLIND = "no picture"
COLOUR = (
    "Before pictures of faces are sent, a test. What colour is the picture below? Answer with one JSON object, "
    f'{{"colour": …}}: red, green or blue; or "{BLIND}" if none came with this text.'
)
COLOURS = {
    "type": "object",
    "properties": {"colour": {"type": "string", "enum": ["red", "green", "blue", BLIND]}},
    "required": ["colour"],
    "additionalProperties": False,
}
"""The schema of its reply."""
Shown = list[tuple[str, Image]]
"""Label and picture, in the order that the prompt announces."""


@dataclass(frozen=True, slots=True)
class Lvlm:
    """An opened auditor; satisfies `plugins.Comparer`, `plugins.Remote` and `plugins.Paid`."""

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
        """Ask for the colour of a small picture. What is answered hardly matters, that anything is does."""
        if not self.tried_out:
            return
        picture = np.zeros((PATCH, PATCH, 3), np.float32)
        picture[..., 0] = 1
        shown = [("The picture:", picture)]
        need = Need("preflight", estimate((COLOUR, json.dumps(COLOURS), shown[0][0]), [picture.shape]), typical=False)
        account = Account(self.dialogue.chat.purse, {need: 1})
        try:
            bill = account.bill(need.kind)
            found = self.dialogue.preflight(_content(COLOUR, shown), COLOURS, SOON, bill, kept)
        except CostLimitReached:
            return  # the run comes to that itself, and goes on without this arm's next case
        finally:
            account.close()
        said = found.text.lower() if found is not None else ""
        if BLIND in said and "red" not in said:
            raise AuditorUnreachable(f"{self.whom}, was sent a picture and says that there is none", cure=PICTURES)

    def check(self) -> None:
        """AuditorUnreachable, before anything is prepared, where nothing more is asked."""
        self.dialogue.chat.patience.check()

    @contextmanager
    def begin(self, question: Question, scope: Scope) -> Iterator[Lvlm]:
        """For one case: money for all of it is reserved before its first request, and what it pays for is kept."""
        canaries = 2 if _canary.sampled(question.case, self.canary) else 0
        one = comparison.ask(question.case, question.family, 1, 0, question.evidence, question.evidence)
        most = {
            _need("judge", question, _pictures(question.evidence)): scope.rounds * self.repeat + canaries,
            _need("compare", one, _both(one)): scope.comparisons,
        }
        with self._charged(most, scope) as own:
            yield own

    def patient(self, yes: bool) -> None:
        """May cases wait for money?"""
        self.dialogue.chat.purse.patient(yes)

    def __call__(self, question: Question) -> Answer:
        """Judge one restoration, by the reply of median score where it is asked for several times."""
        if self.dialogue.account is None:
            with self.begin(question, Scope(rounds=1)) as own:
                return own(question)
        until = self._until()
        shown = _pictures(question.evidence)
        rounds = [self._judge(question, shown, number, until) for number in range(self.repeat)]
        chosen = _median(rounds)
        spent = sum((asked.usage for asked in rounds), FREE)
        record = {**self._record(question, shown), "replies": _replies(rounds), "chosen": chosen}
        if self.repeat > 1:
            record["spread"] = _spread(rounds)
        asked = rounds[chosen if chosen is not None else -1]
        if asked.said is not None and question.round == 1 and _canary.sampled(question.case, self.canary):
            record["canary"], more = self._show_canaries(question, asked.said.score)
            spent = dataclasses.replace(spent + more, seconds=spent.seconds)
        spent = dataclasses.replace(spent, seconds=round(spent.seconds, 3))
        return Answer(self._audit(asked, spent), record)

    def compare(self, comparison: Comparison) -> Preference:
        """Choose between two; a reply that could not be used prefers neither."""
        shown = _both(comparison)
        if self.dialogue.account is None:
            with self._charged({_need("compare", comparison, shown): 1}, Scope(rounds=0)) as own:
                return own.compare(comparison)
        content = _content(comparison.prompt, shown)
        read = partial(reply.parse_choice, bounds=self.dialogue.bounds)
        seed, until = self._seed(comparison, 0), self._until()
        asked = self.dialogue.ask("compare", content, comparison.schema, read, seed, 0, until)
        record = {**self._record(comparison, shown), "replies": asked.replies}
        chosen = asked.said.preferred if asked.said is not None else "neither"
        return Preference(chosen, asked.usage, record)

    @contextmanager
    def _charged(self, most: Mapping[Need, int], scope: Scope) -> Iterator[Lvlm]:
        """This auditor with an account for so many questions of each kind, every one of which may need a repair."""
        chat = self.dialogue.chat
        longer = repairing(chat.server.max_tokens)
        repairs = {Need(again(one.kind), one.estimate + longer, one): number for one, number in most.items()}
        account = Account(chat.purse, {**most, **repairs}, scope.excuse)
        try:
            yield dataclasses.replace(
                self, dialogue=dataclasses.replace(self.dialogue, ledger=Ledger(scope.kept), account=account)
            )
        finally:
            account.close()

    def _until(self) -> float:
        """When a question that is begun now is given up; what is waited for money from now on comes on top of it."""
        account = self.dialogue.account
        return time.monotonic() + self.dialogue.chat.server.deadline - (account.waited if account else 0.0)

    def _judge(self, question: Question, shown: Shown, number: int, until: float) -> Asked[reply.AuditReply]:
        seed, read = self._seed(question, number), partial(reply.parse, bounds=self.dialogue.bounds)
        content = _content(question.prompt, shown)
        return self.dialogue.ask("judge", content, question.schema, read, seed, number, until)

    def _seed(self, asked: Question | Comparison, number: int) -> int:
        first = asked.seed if self.seed is None else self.seed
        return (derive_seed(first, "repeat", str(number)) if number else first) % SEEDS

    def _show_canaries(self, question: Question, real: float) -> tuple[dict[str, Any], Usage]:
        """Ask about each canary. What a server fails to answer is recorded, and does not touch the audit."""
        scores: dict[str, float | None] = {}
        exchanges: dict[str, Any] = {}
        spent = FREE
        for name, evidence in _canary.spoilt(question.evidence).items():
            shown = _pictures(evidence)
            scores[name], exchanges[name] = None, {"pictures": _hashes(shown)}
            try:
                asked = self._judge(question, shown, 0, self._until())
            except AuditorUnreachable as error:
                exchanges[name] |= {"failed": str(error), "replies": list(error.exchanges)}
            else:
                scores[name] = asked.said.score if asked.said is not None else None
                exchanges[name]["replies"] = asked.replies
            spent += _taken(exchanges[name]["replies"])
        return {"real": real, **scores, "looking": _canary.looking(real, scores), "exchanges": exchanges}, spent

    def _audit(self, asked: Asked[reply.AuditReply], usage: Usage) -> Audit:
        said = asked.said
        if said is None:
            return Audit("invalid", reason=asked.problem, usage=usage, fault=asked.fault)
        repairs = (*("asked again",) * (len(asked.replies) > 1), *said.repairs)
        return Audit("ok", said.score, said.confidence, said.tags, said.hints, said.reason, repairs, usage)

    def _record(self, asked: Question | Comparison, shown: Shown) -> dict[str, Any]:
        """What was asked of whom, JSON-ready; pictures by the hash of their pixels."""
        server = self.dialogue.chat.server
        return {
            "auditor": "openai",
            "server": server.shown,
            "model": server.model,
            "sampling": {
                "temperature": server.temperature,
                "seed": self._seed(asked, 0),
                "max_tokens": server.max_tokens,
            },
            "prompt": asked.prompt,
            "pictures": _hashes(shown),
            "schema": asked.schema,
        }


def _pictures(evidence: Evidence) -> Shown:
    pictures = (evidence.lr, evidence.sr, *(patch.image for patch in evidence.patches))
    return list(zip(prompts.picture_labels(evidence), pictures, strict=True))


def _content(prompt: str, shown: Shown) -> list[dict[str, Any]]:
    """The prompt, then each picture after its label."""
    parts: list[dict[str, Any]] = [{"type": "text", "text": prompt}]
    for label, picture in shown:
        parts.append({"type": "text", "text": label})
        parts.append({"type": "image_url", "image_url": {"url": images.data_url(picture)}})
    return parts


def _both(compared: Comparison) -> Shown:
    """The input, then both restorations with their patches."""
    pairs = (compared.first, compared.second)
    pictures = [compared.first.lr, *(picture for one in pairs for _, picture in _pictures(one)[1:])]
    return list(zip(comparison.labels(*pairs), pictures, strict=True))


def _need(kind: str, asked: Question | Comparison, shown: Shown) -> Need:
    """What a request with these pictures will take."""
    texts = (asked.prompt, json.dumps(asked.schema), *(label for label, _ in shown))
    return Need(kind, estimate(texts, [picture.shape for _, picture in shown]))


def _taken(replies: Sequence[Mapping[str, Any]]) -> Usage:
    """What recorded replies took; those that were remembered took nothing."""
    names = ("requests", "prompt_tokens", "completion_tokens", "cost")
    return sum((Usage(*(one[name] for name in names)) for one in replies if not one["cached"]), FREE)


def _hashes(shown: Shown) -> list[dict[str, str]]:
    return [{"label": label, "sha256": images.pixel_hash(picture)} for label, picture in shown]


def _replies(rounds: Sequence[Asked[reply.AuditReply]]) -> list[dict[str, Any]]:
    """All replies in the order in which they came, with the number of the repeat where there are several."""
    numbered = [{**one, "repeat": number} for number, asked in enumerate(rounds) for one in asked.replies]
    return numbered if len(rounds) > 1 else list(rounds[0].replies)


def _median(rounds: Sequence[Asked[reply.AuditReply]]) -> int | None:
    """Which repeat the audit is made from: the usable one of median score, the lower of two, the first of equals.

    One whole reply, not a mean: score, tags and hints of different replies do not belong together.
    """
    scores = sorted((asked.said.score, number) for number, asked in enumerate(rounds) if asked.said is not None)
    return scores[(len(scores) - 1) // 2][1] if scores else None


def _spread(rounds: Sequence[Asked[reply.AuditReply]]) -> dict[str, Any]:
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
