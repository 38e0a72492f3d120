"""What a vision-language model will be sent, before anything is: requests, tokens and money of cases like one."""

from __future__ import annotations

from collections.abc import Sequence

from fsrbench.asking import audit
from fsrbench.asking.comparison import task as comparison_task
from fsrbench.auditors import _canary, _preflight, _price
from fsrbench.auditors._dialogue import Dialogue, repairing, tokens_of
from fsrbench.core.auditing import Scope
from fsrbench.core.forecasts import Forecast
from fsrbench.core.questions import Comparison, Question
from fsrbench.core.values import Usage

CANARIES = 2
"""Questions that a sampled case is asked besides."""
REPLY = 200
"""Tokens of a usual reply: its fields and a short reason. A model that thinks before it answers takes more."""


def of_cases(
    dialogue: Dialogue, question: Question, scope: Scope, cases: Sequence[str], repeat: int, canary: int
) -> Forecast:
    """For cases whose questions are all as long as this one, and their pictures as large."""
    both = Comparison(question.case, question.family, 1, 0, question.evidence, question.evidence)
    one, two = tokens_of(audit.task(question)), tokens_of(comparison_task(both))
    canaries = CANARIES * sum(_canary.sampled(case, canary) for case in cases) if scope.rounds else 0
    once = len(cases) * min(scope.rounds, 1) * repeat + canaries
    audits, comparisons = len(cases) * scope.rounds * repeat + canaries, len(cases) * scope.comparisons
    asked, most = audits + comparisons, dialogue.chat.server.max_tokens
    sent = 2 * (audits * one + comparisons * two) + asked * repairing(most)
    least = _usage(dialogue, once, once * one, once * min(REPLY, most))
    return Forecast(least, _usage(dialogue, 2 * asked, sent, 2 * asked * most), _notes(dialogue))


def of_preflight(dialogue: Dialogue) -> Forecast:
    """For the small question before a run's first case."""
    task, most = _preflight.task(), dialogue.chat.server.max_tokens
    if dialogue.knows(task):
        return Forecast()
    sent = tokens_of(task)
    return Forecast(_usage(dialogue, 1, sent, min(REPLY, most)), _usage(dialogue, 1, sent, most))


def _usage(dialogue: Dialogue, requests: int, sent: int, received: int) -> Usage:
    price = dialogue.chat.purse.price
    return Usage(requests, sent, received, price.of(sent, received) if price is not None else None)


def _notes(dialogue: Dialogue) -> tuple[str, ...]:
    """What the numbers leave out."""
    server, purse = dialogue.chat.server, dialogue.chat.purse
    notes = [f"A request that fails is sent again, up to {server.attempts} times in all: that is not counted."]
    if purse.price is None:
        notes.append(_price.unknown(server.model))
    if purse.limit is not None:
        notes.append(f"No case is begun that could bring what this command spends above {purse.limit:g} (max_cost).")
    if dialogue.cache is not None:
        notes.append("What its cache holds is not asked again: where it holds any of it, less is sent.")
    return tuple(notes)
