"""Records that an earlier fsrbench wrote, brought to the form that this one reads: one step a number, in turn.

A step takes what a record of its number holds and gives what one of the next number would have held. Nothing is
written: a record that is only read stays as it was. What the last step gives is then checked like any other record.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

Record: TypeAlias = dict[str, Any]
Step: TypeAlias = Callable[[Record], Record]


@dataclass(frozen=True, slots=True)
class Format:
    """One kind of stored record."""

    number: int
    """What is written today; raised when a reader of the old one would misread the new one."""
    steps: Mapping[int, Step]
    """Number of an earlier format → what makes the next one of it. Every earlier number has one."""

    def upgraded(self, record: Any) -> Record:
        """A record in today's format; ValueError if it has none that is known."""
        known = range(1, self.number + 1)
        number = record.get("format") if isinstance(record, dict) else None
        if type(number) is not int or number not in known:
            raise ValueError(f"it has another format than {', '.join(map(str, known))}: use the fsrbench that made it")
        for old in range(number, self.number):
            try:
                record = {**self.steps[old](record), "format": old + 1}
            except (LookupError, TypeError, AttributeError):
                raise ValueError(f"it says that it has format {old}, and has not") from None
        return dict(record)


# ---------------------------------------------------------------------- trails


_DECISIONS = {
    ("stop", "the reply could not be used"): "unusable",
    ("accept", "score "): "score reached",
    ("stop", "confidence "): "low confidence",
    ("stop", "no confidence given"): "low confidence",
    ("accept", "no hint that would change anything"): "no effective hint",
    ("stop", "no retry is left"): "no retry left",
    ("retry", "score "): "hints followed",
}
"""What followed, and how the sentence on it began in format 1 → the rule."""


def _decision_rule(decision: Record) -> str:
    action, why = decision["action"], decision["why"]
    for (followed, beginning), rule in _DECISIONS.items():
        if action == followed and why.startswith(beginning):
            return rule
    raise ValueError(f"a decision to {action:.20} is for no reason that format 1 knows: {why:.80}")


def _verdict_rule(verdict: Record) -> str:
    """Told by what was preferred: a guard was only asked where nothing else was against the candidate."""
    preferences = verdict["preferences"]
    if len(set(preferences)) > 1:
        return "orders disagree"
    if preferences[0] != "candidate":
        return "not preferred"
    return "preferred" if verdict["kept"] else "guard tripped"


_FAULTS = {
    "refused": "refused",
    "empty reply": "empty",
    "cut off at the token limit": "cut off at the token limit",
}
"""How the sentence on an unusable reply began in format 1 → what was wrong with it."""


def _fault(audit: Record) -> str | None:
    if audit["status"] != "invalid":
        return None
    reason = audit["reason"]
    found = next((fault for beginning, fault in _FAULTS.items() if reason.startswith(beginning)), None)
    return found or ("not JSON" if "JSON" in reason else "not in the form that was asked for")


def _facts_beside_words(trail: Record) -> Record:
    """1 to 2: names of rules and faults, which format 1 said in sentences alone; and how each picture was made."""
    return {**trail, "rounds": [_round(step) for step in trail["rounds"]]}


_NAMED: Mapping[str, tuple[str, Callable[[Record], str | None]]] = {
    "audit": ("fault", _fault),
    "decision": ("rule", _decision_rule),
    "verdict": ("rule", _verdict_rule),
}
"""Part of a round → the key that format 2 adds to it, and what tells its value."""


def _round(step: Record) -> Record:
    said = {part: step[part] for part in _NAMED if step.get(part) is not None}
    named = {part: {**one, _NAMED[part][0]: _NAMED[part][1](one)} for part, one in said.items()}
    return {**step, **named, "restoration": {**step["restoration"], "operations": [_operation(step["restoration"])]}}


def _operation(restoration: Record) -> Record:
    """A picture of format 1 is one pass through the family's network. Its weights stand in `study.yaml` alone."""
    return {"kind": "restore", **{key: restoration[key] for key in ("backend", "model", "knobs", "seed")}}


TRAIL = Format(2, {1: _facts_beside_words})
"""What became of one case: `trails/`."""
STUDY = Format(1, {})
"""What a run was asked for: `study.yaml`."""
EXCHANGE = Format(1, {})
"""What was said between a run and an auditor: `audits/`."""
