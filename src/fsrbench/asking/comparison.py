"""The blind choice between two restorations: what is sent, and what a reply must look like.

The prompt is one for all families, since nothing can be turned here. Which of the two is the candidate is
known to the caller alone, who asks twice, with the order changed.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from string import Template
from typing import Any

from fsrbench.asking.prompts import picture_labels, restoration_labels
from fsrbench.core.plugins import shipped
from fsrbench.core.values import Comparison, Evidence

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


def ask(case: str, family: str, order: int, seed: int, first: Evidence, second: Evidence) -> Comparison:
    """The question, in one of its two orders."""
    filled = {
        "pictures": "\n".join(f"{i}. {label}" for i, label in enumerate(labels(first, second), start=1)),
        "answer": json.dumps({"preferred": "first | second | neither", "confidence": "0–100", "reason": "…"}, indent=2),
    }
    return Comparison(case, family, order, seed, first, second, Template(_text()).substitute(filled), SCHEMA)


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
