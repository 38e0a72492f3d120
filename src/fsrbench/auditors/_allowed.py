"""What a question lets an auditor turn, read from the reply's schema, where the bounds stand. No plugin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fsrbench.core.values import KnobValue, Question


def knobs(question: Question) -> dict[str, Mapping[str, Any]]:
    """Knob → its part of the schema, in the order in which they are offered."""
    offered: dict[str, Mapping[str, Any]] = question.schema["properties"]["hints"]["properties"]
    return offered


def choices(knob: Mapping[str, Any]) -> list[KnobValue]:
    """All values of a choice or a flag; none for a number between bounds."""
    if "boolean" in knob["type"]:
        return [False, True]
    return [choice for choice in knob.get("enum", ()) if choice is not None]
