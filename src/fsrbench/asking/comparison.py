"""The blind choice between two restorations, as a task: what is sent, and the strict reading of the reply.

The prompt is one for all families, since nothing can be turned here. Which of the two is the candidate is
known to the caller alone, who asks twice, with the order changed.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from string import Template
from typing import Any, Literal, TypeAlias, cast

from fsrbench.asking import prompts, reply
from fsrbench.asking.prompts import picture_labels, restoration_labels
from fsrbench.asking.task import Labelled, Task
from fsrbench.core.plugins import shipped
from fsrbench.core.questions import Bounds, Comparison, Evidence

FIELDS = ("preferred", "confidence", "reason")
Preferred: TypeAlias = Literal["first", "second", "neither"]
PREFERENCES = ("first", "second", "neither")
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "preferred": {"type": "string", "enum": list(PREFERENCES)},
        "confidence": {"type": "number", "minimum": 0, "maximum": 100},
        "reason": {"type": "string"},
    },
    "required": ["preferred", "confidence", "reason"],
    "additionalProperties": False,
}
"""JSON schema of a reply."""


@dataclass(frozen=True, slots=True)
class ComparisonReply:
    """The checked fields of a reply to a comparison."""

    preferred: Preferred
    """Which one."""
    confidence: float
    """0–100."""
    reason: str
    """One line, as long as the bounds allow."""
    repairs: tuple[str, ...]
    """What was mended, dropped or shortened."""


PLACEHOLDERS = ("pictures", "answer")
"""What its prompt file holds."""


def task(comparison: Comparison, brief: str = "") -> Task[ComparisonReply]:
    """The question in text, with the pictures of both; `brief` is a prompt file of the user's in place of ours."""
    first, second = comparison.first, comparison.second
    told = labels(first, second)
    images = [first.lr, *(one.image for both in (first, second) for one in prompts.pictures(both)[1:])]
    filled = {
        "pictures": prompts.listed(told),
        "answer": json.dumps({"preferred": "first | second | neither", "confidence": "0–100", "reason": "…"}, indent=2),
    }
    return Task(
        kind="comparison",
        family=comparison.family,
        case=comparison.case,
        prompt=Template(brief or _text()).substitute(filled),
        pictures=tuple(Labelled(label, image) for label, image in zip(told, images, strict=True)),
        schema=SCHEMA,
        read=parse,
        words=("reason", "repairs"),
        turn=comparison.order,
        seed=comparison.seed,
    )


def sha256() -> str:
    """Hash of the prompt file: what a run records."""
    return hashlib.sha256(_text().encode()).hexdigest()


@cache
def _text() -> str:
    return (shipped("prompts") / "compare.md").read_text(encoding="utf-8")


def labels(first: Evidence, second: Evidence) -> tuple[str, ...]:
    """One line for each picture in the order in which they are sent: input, first, its patches, second, its patches."""
    return (
        picture_labels(first)[0],
        *restoration_labels(first, "FIRST", "one of the two", "FIRST PATCH"),
        *restoration_labels(second, "SECOND", "one of the two", "SECOND PATCH"),
    )


def parse(text: str, bounds: Bounds) -> ComparisonReply:
    """Read one reply."""
    fields, repairs = reply.fields(text, FIELDS, bounds)
    said = fields["preferred"]
    preferred = said.strip().lower() if isinstance(said, str) else said
    if preferred not in PREFERENCES:
        raise reply.Unusable("preferred is not first, second or neither")
    if preferred != said:
        repairs.append("letter case")
    confidence = reply.percent("confidence", fields["confidence"], repairs)
    reason = reply.reason(fields["reason"], repairs, bounds)
    return ComparisonReply(cast("Preferred", preferred), confidence, reason, tuple(dict.fromkeys(repairs)))
