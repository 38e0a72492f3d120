"""Answers from a script: for tests, and for reproducing what a certain reply leads to.

`replies` is a list (round after round, from the start again at its end) or a mapping from `CASE/ROUND`,
`CASE` or `*` to one reply or such a list. `file` names a YAML or JSON file that holds the same. One reply is

- a mapping of fields; those left out are confidence 100, no tags, no hints;
- a text, taken as a model's raw reply;
- `{unreachable: true}` or `{unreachable: WHY}`: nothing came back.

Everything passes through the same reader as a model's reply, so that a scripted reply can be unusable too.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fsrbench import reply
from fsrbench.auditors import _settings
from fsrbench.errors import AuditorUnreachable, SettingsError
from fsrbench.plugins import Auditor
from fsrbench.values import Answer, Audit, Question

if TYPE_CHECKING:
    from fsrbench.plugins import Machine

LEFT_OUT = {"confidence": 100, "tags": [], "hints": {}, "reason": "scripted"}


def _open(settings: Mapping[str, Any], _machine: Machine) -> Callable[[Question], Answer]:
    chosen = _settings.check(settings, {"replies": (list, dict), "file": (str,)})
    if len(chosen) != 1:
        raise SettingsError("The auditor scripted needs one of its settings replies and file.")
    replies = chosen["replies"] if "replies" in chosen else _read(Path(chosen["file"]))
    if not replies or not isinstance(replies, list | dict):
        raise SettingsError("The auditor scripted has no replies: give a list, or a mapping from case to reply.")
    return lambda question: _answer(question, replies)


def _read(path: Path) -> Any:
    import yaml

    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingsError(f"The script {path} cannot be read: {error}.") from None


def _answer(question: Question, replies: list[Any] | dict[str, Any]) -> Answer:
    entry = _select(question, replies)
    if isinstance(entry, dict) and entry.get("unreachable"):
        why = entry["unreachable"]
        raise AuditorUnreachable(why if isinstance(why, str) else "The script says: unreachable.")
    text = entry if isinstance(entry, str) else json.dumps({**LEFT_OUT, **entry})
    exchange = {"auditor": "scripted", "prompt": question.prompt, "schema": question.schema, "reply": text}
    try:
        said = reply.parse(text, question.schema)
    except reply.Unusable as error:
        return Answer(Audit("invalid", reason=f"unusable: {error}"), exchange)
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


AUDITOR = Auditor("answers from a script in its settings: for tests and for reproducing", _open)
