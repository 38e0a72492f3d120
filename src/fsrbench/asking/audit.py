"""The audit of one restoration, as a task: what is sent, and the strict reading of score, tags and hints.

Whether a hint is allowed, and what it is clamped to, is the policy's business: here a hint is a name and a plain value.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fsrbench.asking import prompts, reply
from fsrbench.asking.task import Task
from fsrbench.core.contracts import Knob
from fsrbench.core.questions import MAX_REASON, Bounds, Question
from fsrbench.core.values import TAGS

FIELDS = ("score", "confidence", "tags", "hints", "reason")
MAX_HINTS = 32
"""Hints that are kept."""


@dataclass(frozen=True, slots=True)
class AuditReply:
    """The checked fields of a reply."""

    score: float
    """0–100."""
    confidence: float
    """0–100."""
    tags: tuple[str, ...]
    """Out of TAGS, each once."""
    hints: dict[str, Any]
    """Knob name → number, flag or short text, as asked; null hints are left out."""
    reason: str
    """One line, as long as the bounds allow."""
    repairs: tuple[str, ...]
    """What was mended, dropped or shortened."""


def task(question: Question) -> Task[AuditReply]:
    """The question in text, with its pictures."""
    text = prompts.render(question.brief, question.offered, question.knobs, question.evidence, question.max_changes)
    form = schema(question.offered)
    return Task(
        kind="audit",
        family=question.family,
        case=question.case,
        prompt=text,
        pictures=prompts.pictures(question.evidence),
        schema=form,
        read=lambda said, bounds: parse(said, form, bounds),
        words=("hints", "reason", "repairs"),
        turn=question.round,
        seed=question.seed,
    )


def schema(knobs: Mapping[str, Knob]) -> dict[str, Any]:
    """JSON schema of a valid reply, in the subset that strict structured output takes.

    That subset wants every property required; a knob that is to stay gets null. It takes no length of
    strings, so the reason's limit is said in words and held when the reply is read.
    """
    return _object(
        score=_number(0, 100, "Quality of the restoration, 100 is best."),
        confidence=_number(0, 100, "How sure you are of score, tags and hints."),
        tags={
            "type": "array",
            "items": {"type": "string", "enum": list(TAGS)},
            "description": "Artifacts that are visible in the restoration.",
        },
        hints={
            **_object(**{name: _hint(knob) for name, knob in knobs.items()}),
            "description": "New value for a knob, null where it should stay.",
        },
        reason={"type": "string", "description": f"What was seen and where, at most {MAX_REASON} characters."},
    )


def _object(**properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _number(low: float, high: float, description: str) -> dict[str, Any]:
    return {"type": "number", "minimum": low, "maximum": high, "description": description}


def _hint(knob: Knob) -> dict[str, Any]:
    """A knob's values, or null."""
    if knob.choices and isinstance(knob.default, bool):
        return {"type": ["boolean", "null"], "description": knob.meaning}
    if knob.choices:
        return {"type": ["number", "null"], "enum": [*knob.choices, None], "description": knob.meaning}
    return {"type": ["number", "null"], "minimum": knob.low, "maximum": knob.high, "description": knob.meaning}


# ------------------------------------------------------------ reading a reply


def parse(text: str, schema: Mapping[str, Any], bounds: Bounds) -> AuditReply:
    """Read one reply. `schema` is the question's; it says which hints are numbers."""
    fields, repairs = reply.fields(text, FIELDS, bounds)
    score, confidence = (reply.percent(name, fields[name], repairs) for name in ("score", "confidence"))
    tags = _tags(fields["tags"], repairs)
    hints = _hints(fields["hints"], schema, repairs)
    reason = reply.reason(fields["reason"], repairs, bounds)
    return AuditReply(score, confidence, tags, hints, reason, tuple(dict.fromkeys(repairs)))


def _tags(value: Any, repairs: list[str]) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(tag, str) for tag in value):
        raise reply.Unusable("tags is not a list of texts")
    unknown = [tag for tag in value if tag not in TAGS]
    repairs += [f"dropped tag {reply.clean(tag, reply.MAX_TEXT)!r}" for tag in unknown[: reply.MAX_NAMED]]
    return tuple(dict.fromkeys(tag for tag in value if tag in TAGS))


def _hints(value: Any, schema: Mapping[str, Any], repairs: list[str]) -> dict[str, Any]:
    """Names with plain values, in the order of the reply."""
    if not isinstance(value, dict):
        raise reply.Unusable("hints is not an object")
    offered = schema["properties"]["hints"]["properties"]
    hints: dict[str, Any] = {}
    for raw, asked in value.items():
        name = reply.clean(raw, reply.MAX_TEXT)
        if asked is None:
            continue
        if len(hints) >= MAX_HINTS:
            repairs.append(f"dropped hints after the first {MAX_HINTS}")
            break
        if isinstance(asked, str):
            if "number" in offered.get(name, {}).get("type", ()) and reply.NUMBER.fullmatch(asked[: reply.MAX_TEXT]):
                repairs.append("number as string")
                asked = float(asked)
            else:
                asked = reply.clean(asked, reply.MAX_TEXT)
        elif isinstance(asked, dict | list):
            asked = reply.clean(json.dumps(asked), reply.MAX_TEXT)
        hints[name] = asked
    return hints
