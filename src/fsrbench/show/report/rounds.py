"""One round of an arm as the page shows it: what was made, what was said of it, what was decided, what was exchanged.

Every number is a text already.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from fsrbench.core.stored import to_json
from fsrbench.core.values import Round, Usage
from fsrbench.show import numbers, wording

MEASURED = re.compile(r"^## Measure.*?(?=^## |\Z)", re.DOTALL | re.MULTILINE)
"""The part of a prompt that tells the auditor what was measured."""
APART = ("format", "auditor", "prompt", "pictures", "replies", "reply", "comparisons", "patches")
"""Parts of an exchange that have a place of their own; the rest is shown as it was kept."""


def outcome(rounds: tuple[Round, ...]) -> str:
    """What was decided, round by round: `retry → accept`."""
    return " → ".join(_decided(step) for step in rounds)


def _decided(step: Round) -> str:
    if step.ranking is not None:
        return f"chose {wording.origin(step)}"
    if step.audit is None or step.decision is None:
        if step.verdict is not None:
            return step.verdict.rule
        return wording.averaged(step) or "not audited"
    if step.audit.status == "invalid":
        return "unusable reply"
    rejected = step.verdict is not None and not step.verdict.kept
    return f"{step.decision.action}, not kept" if rejected else step.decision.action


def shown(step: Round, pictures: Mapping[str, str]) -> dict[str, Any]:
    """A round with every number as it is written. `pictures`: hash → the key under which the page has that picture."""
    told, done = to_json(step), step.restoration
    told["restoration"] |= {
        "seed": str(done.seed),  # more digits than a browser's numbers have
        "seconds": f"{numbers.fixed(done.seconds, 2)} s",
        "knobs": _texts(done.knobs),
    }
    told["choice"] = wording.choice(step)
    told["bound"] = wording.spent(step)
    ranked = () if step.ranking is None else step.ranking.order
    told["ranked"] = [_ranked(step, place, pictures) for place in ranked]
    if step.audit is not None:
        told["audit"] |= {
            "hints": _texts(step.audit.hints),
            "score": _mark(step.audit.score),
            "confidence": _mark(step.audit.confidence),
            "spent": _spent(step.audit.usage),
        }
    if step.decision is not None:
        told["decision"]["applied"] = _texts(step.decision.applied)
    return dict(told)


def _ranked(step: Round, place: int, pictures: Mapping[str, str]) -> dict[str, Any]:
    """One candidate as a judge saw it."""
    one, score = step.candidates[place], step.ranking.scores[place] if step.ranking is not None else None
    about = {"origin": one.origin, "score": numbers.short(score), "chosen": one.chosen, "note": one.note}
    return {**about, "picture": pictures.get(one.sha256, "")}


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    return {name: numbers.plain(value) for name, value in values.items()}


def _mark(value: float | None) -> dict[str, Any] | None:
    """Out of 100: as it is written, and as long as its bar is."""
    return None if value is None else {"text": numbers.short(value), "length": min(100, max(0, value))}


def _spent(usage: Usage) -> str:
    """What an audit took; empty where nobody was asked."""
    if not usage.requests:
        return ""
    cost = "cost unknown" if usage.cost is None else f"cost {numbers.short(usage.cost)}"
    counted = usage.prompt_tokens or usage.completion_tokens
    tokens = f"{usage.prompt_tokens} + {usage.completion_tokens} tokens" if counted else "tokens not counted"
    return f"{numbers.count(usage.requests, 'request')}, {tokens}, {cost}, {numbers.fixed(usage.seconds, 1)} s"


def exchanged(exchange: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """A kept exchange, part by part, with what matters most first."""
    prompt = exchange.get("prompt")
    if isinstance(prompt, str):
        measured = MEASURED.search(prompt)
        if measured:
            yield "Numbers that it was given", measured[0].partition("\n")[2].strip()
        yield "The whole prompt", prompt
    if "pictures" in exchange:
        lines = [f"{one.get('label', '?')}: {one.get('sha256', '?')}" for one in exchange["pictures"]]
        yield "Pictures that it was shown, with the hash of their pixels", "\n".join(lines)
    if "patches" in exchange:
        boxes = (f"{name}: {x0}, {y0}, {x1}, {y1}" for name, (x0, y0, x1, y1) in exchange["patches"].items())
        yield "Where its face patches were cut: left, top, right and bottom, in pixels", "\n".join(boxes)
    if "reply" in exchange:
        yield "Reply, as it came", str(exchange["reply"])
    for number, one in enumerate(exchange.get("replies", ()), start=1):
        yield f"Reply {number}, as it came", str(one.get("text") or one.get("refusal") or "(empty)")
        yield f"About reply {number}", _json({k: v for k, v in one.items() if k not in ("text", "refusal")})
    for number, one in enumerate(exchange.get("comparisons", ()), start=1):
        for title, words in exchanged(one):
            yield f"Blind comparison {number}: {title[0].lower()}{title[1:]}", words
    for name, value in exchange.items():
        if name not in APART:
            yield name.replace("_", " ").capitalize(), value if isinstance(value, str) else _json(value)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1)
