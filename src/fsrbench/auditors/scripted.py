"""Answers from a script: for tests, and for reproducing what a certain reply leads to.

`replies` is a list (round after round, from the start again at its end) or a mapping from `CASE/ROUND`,
`CASE` or `*` to one reply or such a list. `file` names a YAML or JSON file that holds the same. One reply is

- a mapping of fields; those left out are confidence 100, no tags, no hints;
- a text, taken as a model's raw reply;
- `{unreachable: true}` or `{unreachable: WHY}`: nothing came back.

`preferences` are its two answers under policy `guarded`: which of the pair it prefers in the first order and
in the second (`first`, `second` or `neither`), e.g. `[second, first]` for a candidate that it always prefers.

Everything passes through the same reader as a model's reply, so that a scripted reply can be unusable too.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fsrbench.asking import audit, reply
from fsrbench.asking.comparison import task as comparison_task
from fsrbench.auditors import _settings
from fsrbench.core.auditing import Auditor
from fsrbench.core.errors import AuditorUnreachable, SettingsError
from fsrbench.core.questions import Answer, Bounds, Comparison, Preference, Question
from fsrbench.core.values import Audit, Usage
from fsrbench.files import atomic, yamlfile

if TYPE_CHECKING:
    from fsrbench.core.contracts import Machine

MAX_SCRIPT = 5_000_000
"""Bytes of a script's file: some ten thousand replies."""
LEFT_OUT = {"confidence": 100, "tags": [], "hints": {}, "reason": "scripted"}


@dataclass(frozen=True, slots=True)
class Script:
    """Scripted replies, and scripted preferences between two pictures."""

    replies: list[Any] | dict[str, Any]
    """As in the settings."""
    preferences: tuple[Any, Any]
    """What is preferred in the first order, and in the second."""
    bounds: Bounds
    """How much of a reply is read."""

    def __call__(self, question: Question) -> Answer:
        """The scripted reply."""
        return _answer(question, self.replies, self.bounds)

    def compare(self, comparison: Comparison) -> Preference:
        """The scripted preference."""
        preferred, asked = self.preferences[comparison.order - 1], comparison_task(comparison).asked()
        return Preference(preferred, Usage(), {"auditor": "scripted", **asked.record(), "reply": preferred})


def _open(settings: Mapping[str, Any], machine: Machine) -> Callable[[Question], Answer]:
    chosen = _settings.check(settings, {"replies": (list, dict), "file": (str,), "preferences": (list,)})
    preferences = chosen.pop("preferences", None)
    if len(chosen) != 1:
        raise SettingsError("The auditor scripted needs one of its settings replies and file.")
    replies = chosen["replies"] if "replies" in chosen else _read(Path(chosen["file"]))
    if not replies or not isinstance(replies, list | dict):
        raise SettingsError("The auditor scripted has no replies: give a list, or a mapping from case to reply.")
    if preferences is None:
        return lambda question: _answer(question, replies, machine.bounds)
    if len(preferences) != 2 or not set(preferences) <= {"first", "second", "neither"}:
        raise SettingsError("The auditor scripted's preferences are two of first, second and neither, one an order.")
    return Script(replies, (preferences[0], preferences[1]), machine.bounds)


def _read(path: Path) -> Any:
    import yaml

    try:
        text = atomic.read_bytes(path, MAX_SCRIPT).decode()
        if why := yamlfile.unfit(text):
            raise SettingsError(f"The script {path} {why}.")
        return yamlfile.load(text)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise SettingsError(f"The script {path} cannot be read: {error}.") from None


def _answer(question: Question, replies: list[Any] | dict[str, Any], bounds: Bounds) -> Answer:
    entry = _select(question, replies)
    if isinstance(entry, dict) and entry.get("unreachable"):
        why = entry["unreachable"]
        raise AuditorUnreachable(why if isinstance(why, str) else "The script says: unreachable.")
    text = entry if isinstance(entry, str) else json.dumps({**LEFT_OUT, **entry}, default=str)
    task = audit.task(question)
    exchange = {"auditor": "scripted", **task.asked().record(), "reply": text}
    try:
        said = task.read(text, bounds)
    except reply.Unusable as error:
        return Answer(Audit("invalid", reason=f"unusable: {error}", fault=error.fault), exchange)
    return Answer(Audit("ok", said.score, said.confidence, said.tags, said.hints, said.reason, said.repairs), exchange)


def _select(question: Question, replies: list[Any] | dict[str, Any]) -> str | dict[str, Any]:
    entry: Any = replies
    if isinstance(replies, dict):
        names = (f"{question.case}/{question.round}", question.case, "*")
        name = next((name for name in names if name in replies), None)
        if name is None:
            raise AuditorUnreachable(f"The script has no reply for {names[0]}, {names[1]} or *.")
        entry = replies[name]
    if isinstance(entry, list) and entry:
        entry = entry[(question.round - 1) % len(entry)]
    if not isinstance(entry, str | dict):
        raise AuditorUnreachable(
            f"The script's reply for {question.case} is neither a text nor a mapping: {entry!r:.60}"
        )
    return entry


AUDITOR = Auditor("Answers from a script in its settings: for tests and for reproducing.", _open, compares=True)
