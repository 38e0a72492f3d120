"""Reads an auditor's reply: text in, checked fields out, or one sentence on why it cannot be used.

The reply is data from outside. It is parsed as JSON and nothing else; what is repaired is in REPAIRS, each
named in the record; what is superfluous is dropped and recorded; all else is `Unusable`. Here stands what all kinds of
question share; which fields a kind has is in its own file.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from fsrbench.core import foreign
from fsrbench.core.questions import Bounds
from fsrbench.core.values import Fault

MAX_DEPTH = 8
"""Nesting of braces and brackets; a valid reply has two."""
MAX_NAMED = 32
"""Superfluous things that are named in a record."""
MAX_TEXT = 80
"""Characters kept of a name or of a value that is no number."""

REPAIRS = (
    "fenced block",
    "prose around the object",
    "single quotes",
    "trailing comma",
    "number as string",
    "score out of 10",
    "score out of 1",
    "score out of 100",
    "letter case",
)
"""All that is ever mended. Other entries in a record begin with `dropped` or `shortened`: nothing was guessed."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a reply cannot be used."""

    fault: Fault
    """What is wrong with it."""
    told: str
    """The same in words, with what else is known; kept in the record."""


class Unusable(ValueError):
    """The reply cannot be used; the text says why, in words that also go to the model with the request to repair."""

    fault: ClassVar[Fault] = "not in the form that was asked for"
    """What is wrong with it."""


class NotJson(Unusable):
    """The reply is not the one JSON object that was asked for."""

    fault = "not JSON"


def fields(text: str, wanted: Sequence[str], bounds: Bounds) -> tuple[dict[str, Any], list[str]]:
    """The fields of the one object in the text, none of those wanted missing, and what was mended or dropped."""
    if len(text) > bounds.max_reply:
        raise Unusable(f"the reply has {len(text):,} characters; the limit is {bounds.max_reply:,} (limits.max_reply)")
    if not text.strip():
        raise Unusable("the reply is empty")
    repairs: list[str] = []
    found = _find_object(text, repairs)
    absent = [name for name in wanted if name not in found]
    if absent:
        raise Unusable(f"the object has no {' and no '.join(absent)}")
    repairs += [f"dropped field {clean(name, MAX_TEXT)!r}" for name in found if name not in wanted][:MAX_NAMED]
    return found, repairs


def reason(value: Any, repairs: list[str], bounds: Bounds) -> str:
    """One line, as long as the bounds allow."""
    if not isinstance(value, str):
        raise Unusable("reason is not a text")
    said = clean(value, bounds.max_reply)
    if len(said) > bounds.max_reason:
        said = said[: bounds.max_reason - 1].rstrip() + "…"
        repairs.append("shortened reason")
    return said


# ---------------------------------------------------------- finding the object


def _find_object(text: str, repairs: list[str]) -> dict[str, Any]:
    """The one JSON object in the text."""
    stripped = text.strip().removeprefix("\ufeff")
    fences = re.findall(r"```[a-zA-Z0-9]{0,10}[ \t]*\r?\n(.*?)```", stripped, re.DOTALL)
    if len(fences) == 1 and "{" in fences[0]:
        repairs.append("fenced block")
        outside = stripped.replace(fences[0], "", 1)
        if outside.strip("` \t\r\n").lower() not in ("", "json"):
            repairs.append("prose around the object")
        stripped = fences[0].strip()
    candidates = _balanced(stripped)
    usable: list[tuple[str, dict[str, Any], list[str]]] = []
    problem: Unusable | None = None
    for candidate in candidates:
        try:
            usable.append((candidate, *_decode(candidate)))
        except Unusable as error:
            problem = problem or error
    if not usable:
        raise problem or NotJson("there is no complete JSON object in the reply")
    if len(usable) > 1:
        raise NotJson(f"there are {len(usable)} JSON objects in the reply, and one was asked for")
    candidate, fields, mended = usable[0]
    if candidate != stripped:
        repairs.append("prose around the object")
    repairs += mended
    return fields


def _balanced(text: str) -> list[str]:
    """Top-level {…} stretches, found in one pass; braces in strings do not count."""
    found: list[str] = []
    depth, start, quote, escaped = 0, 0, "", False
    for index, char in enumerate(text):
        if quote:
            if escaped:
                escaped = False
            elif char == "\\":
                escaped = True
            elif char == quote:
                quote = ""
        elif depth and (char == '"' or (char == "'" and _opens(text, index))):
            quote = char
        elif char in "{[" and (depth or char == "{"):
            if depth == 0:
                start = index
            depth += 1
            if depth > MAX_DEPTH:
                raise Unusable(f"the reply is nested more than {MAX_DEPTH} deep")
        elif char in "}]" and depth:
            depth -= 1
            if depth == 0:
                found.append(text[start : index + 1])
    return found


def _opens(text: str, index: int) -> bool:
    """A single quote opens a string only where a name or value may begin."""
    before = text[max(0, index - 20) : index].rstrip()
    return before[-1:] in ("{", "[", ",", ":")


def _decode(text: str) -> tuple[dict[str, Any], list[str]]:
    """Strictly, then with single quotes and trailing commas mended."""
    try:
        return _load(text), []
    except json.JSONDecodeError as error:
        first = f"it is not JSON ({error.msg} at character {error.pos})"
    mended, repairs = _mend(text)
    if not repairs:
        raise NotJson(first)
    try:
        return _load(mended), repairs
    except json.JSONDecodeError:
        raise NotJson(first) from None


_CLOSES = re.compile(r"\s*[}\]]")


def _mend(text: str) -> tuple[str, list[str]]:
    """Rewrite '…' as "…" and leave out commas before a closing bracket; nothing inside strings changes its meaning."""
    out: list[str] = []
    repairs: list[str] = []
    index = 0
    while index < len(text):
        char = text[index]
        if char in "\"'" and (char == '"' or _opens(text, index)):
            end = _end_of_string(text, index)
            body = text[index + 1 : end]
            if char == "'":
                repairs.append("single quotes")
                body = re.sub(r"\\.|\"", lambda m: {"\\'": "'", '"': '\\"'}.get(m[0], m[0]), body, flags=re.DOTALL)
            out.append(f'"{body}"')
            index = end + 1
            continue
        if char == "," and _CLOSES.match(text, index + 1):
            repairs.append("trailing comma")
        else:
            out.append(char)
        index += 1
    return "".join(out), list(dict.fromkeys(repairs))


def _end_of_string(text: str, start: int) -> int:
    """Index of the quote that closes the string opened at `start` (or the end of the text)."""
    index = start + 1
    while index < len(text) and text[index] != text[start]:
        index += 2 if text[index] == "\\" else 1
    return min(index, len(text))


def _load(text: str) -> dict[str, Any]:
    """JSON without its three traps: doubled names, NaN and Infinity, numbers beyond a float."""

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in items:
            if name in found:
                raise Unusable(f"it names {clean(name, MAX_TEXT)!r} more than once")
            found[name] = value
        return found

    def number(digits: str) -> float | int:
        value = float(digits)
        if not math.isfinite(value):
            raise Unusable("it holds a number that is not finite")
        return int(digits) if len(digits) < 16 and digits.lstrip("-").isdigit() else value

    def constant(name: str) -> Any:
        raise Unusable(f"it holds {name}, which is no number")

    value = json.loads(text, object_pairs_hook=pairs, parse_constant=constant, parse_float=number, parse_int=number)
    if not isinstance(value, dict):  # pragma: no cover - a balanced {…} is an object
        raise NotJson("it is not a JSON object")
    return value


# ------------------------------------------------------------ checking fields

_OUT_OF = re.compile(r"\s*(-?\d{1,6}(?:\.\d{1,12})?)\s*(?:/|out of)\s*(100|10|1)(?:\.0)?\s*", re.IGNORECASE)
NUMBER = re.compile(r"\s*[-+]?\d{1,15}(?:\.\d{1,15})?(?:[eE][-+]?\d{1,3})?\s*")


def percent(name: str, value: Any, repairs: list[str]) -> float:
    """A number from 0 to 100; out of 10 or 1 only where the text says so itself."""
    if isinstance(value, str):
        said = _OUT_OF.fullmatch(value[:MAX_TEXT])
        if said:
            whole = int(said[2])
            repairs.append(f"score out of {whole}")
            value = round(float(said[1]) * 100 / whole, 6)
        elif NUMBER.fullmatch(value[:MAX_TEXT]):
            repairs.append("number as string")
            value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Unusable(f"{name} is not a number")
    if not 0 <= value <= 100:
        raise Unusable(f"{name} is {value:g}, outside 0 to 100")
    return float(value)


def clean(text: str, limit: int) -> str:
    """One printable line: no control or direction characters, no halves of surrogate pairs, cut at the limit."""
    printable = "".join(char for char in text if char.isspace() or foreign.printable(char))
    return " ".join(printable.split())[:limit]
