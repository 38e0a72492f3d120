"""The rating of one restoration, as a task: what is sent, and the strict reading of one number.

Reward models that are served have a form of their own: a prompt file without `${answer}` leaves the form of the reply
to the model, and a number alone, or one between `<answer>` tags, is read too.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from functools import cache
from string import Template
from typing import Any

from fsrbench.asking import prompts, reply
from fsrbench.asking.task import Task
from fsrbench.core.plugins import shipped
from fsrbench.core.questions import Bounds, Evidence

PLACEHOLDERS = ("pictures", "answer")
"""What its prompt file may hold."""
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"score": {"type": "number"}},
    "required": ["score"],
    "additionalProperties": False,
}
"""JSON schema of a reply."""
_TAGGED = re.compile(r"<answer>\s*([^<>]{1,2000}?)\s*</answer>\s*$")


@dataclass(frozen=True, slots=True)
class Rating:
    """The checked field of a reply to it."""

    score: float
    """Any finite number; higher is better."""
    repairs: tuple[str, ...]
    """What was mended or dropped."""


def task(case: str, family: str, place: int, seed: int, evidence: Evidence, brief: str = "") -> Task[Rating]:
    """The question in text, with its pictures; `brief` is a prompt file of the user's in place of ours.

    `place` tells the restorations of one case apart in records. It is never sent.
    """
    template = Template(brief or _text())
    shown = prompts.pictures(evidence)
    filled = {
        "pictures": prompts.listed([one.label for one in shown]),
        "answer": json.dumps({"score": "<number>"}, indent=2),
    }
    return Task(
        kind="rating",
        family=family,
        case=case,
        prompt=template.substitute(filled),
        pictures=shown,
        schema=SCHEMA if "answer" in template.get_identifiers() else {},
        read=parse,
        words=("repairs",),
        turn=place + 1,
        seed=seed,
    )


@cache
def _text() -> str:
    return (shipped("prompts") / "rate.md").read_text(encoding="utf-8")


def parse(text: str, bounds: Bounds) -> Rating:
    """Read one reply: an object with a score, or the number itself."""
    if len(text) > bounds.max_reply:
        raise reply.Unusable(f"the reply has {len(text):,} characters; the limit is {bounds.max_reply:,}")
    said, repairs = text.strip(), list[str]()
    if tagged := _TAGGED.search(said[-4000:]):
        said = tagged[1]
        repairs.append("answer tags")
    if reply.NUMBER.fullmatch(said[: reply.MAX_TEXT]) and len(said) <= reply.MAX_TEXT:
        return Rating(_finite(float(said)), (*repairs, "bare number"))
    found, mended = reply.fields(said, ("score",), bounds)
    value = found["score"]
    if isinstance(value, str) and reply.NUMBER.fullmatch(value[: reply.MAX_TEXT]):
        mended.append("number as string")
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise reply.Unusable("score is not a number")
    return Rating(_finite(float(value)), tuple(dict.fromkeys((*repairs, *mended))))


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise reply.Unusable("score is not a finite number")
    return value
