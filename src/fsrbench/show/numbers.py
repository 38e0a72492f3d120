"""How a number is written, wherever it shows: digits, signs, n/a, shares. The page of the report gets these texts too.

A minus is a minus and no hyphen. What a number belongs to, and whether it stands out, is `wording.py`'s.
"""

from __future__ import annotations

import json

from fsrbench.core.tally import Tally

MISSING = "n/a"
"""Stands where there is no number."""


def fixed(value: float | None, digits: int, *, signed: bool = False) -> str:
    """A value with so many digits behind the point. What rounds to zero has no sign."""
    if value is None:
        return MISSING
    sign = "+" if signed and round(value, digits) else ""
    return minus(f"{value:{sign}z.{digits}f}")


def short(value: float | None, digits: int = 6, *, signed: bool = False) -> str:
    """A value with so many digits in all at most, and no zeros at its end. Zero has no sign."""
    if value is None:
        return MISSING
    return minus(f"{value + 0.0:{'+' if signed and value else ''}.{digits}g}")


def plain(value: object) -> str:
    """The value of a knob or a setting: true, 0.5, a text, or JSON for whatever else there is."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return short(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def share(value: float | None) -> str:
    """`12%`."""
    return MISSING if value is None else minus(f"{value:z.0%}")


def banded(value: float | None, low: float | None, high: float | None) -> str:
    """`62% [40%, 80%]`: a share with its interval, where it has one."""
    return share(value) + ("" if low is None else f" [{share(low)}, {share(high)}]")


def spaced(value: float | None) -> str:
    """`12 %`: a share within a sentence or a caption."""
    return share(value).replace("%", " %")


def money(cost: float) -> str:
    """What requests cost, in whatever money their price is given in."""
    return f"{cost:.4f}"


def whole(n: int) -> str:
    """`1,050`."""
    return f"{n:,}"


def duration(seconds: float) -> str:
    """How long something takes, in the two largest units: `45 s`, `3 min 20 s`, `2 h 5 min`."""
    whole = round(seconds)
    for unit, name, below, lesser in ((3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= unit:
            rest = whole % unit // below
            return f"{whole // unit} {name}" + (f" {rest} {lesser}" if rest else "")
    return f"{whole} s"


def amount(value: float) -> str:
    """How much something took, short: `0.0123`, `2.5`, `1,050`; what there was of it is never shown as nothing."""
    if value >= 100:
        return f"{value:,.0f}"
    return "<0.001" if 0 < value < 0.001 else short(value, 3)


def count(n: int, word: str) -> str:
    """`3 cases`."""
    return f"{n:,} {word}{'s' * (n != 1)}"


def took(tally: Tally) -> str:
    """`41 requests, 165,000 tokens, 0.0212 spent, 1 failed, 2 replies of no use`: what there is to say of it."""
    usage = tally.usage
    tokens = usage.prompt_tokens + usage.completion_tokens
    parts = (
        count(usage.requests, "request") if usage.requests else "",
        count(tokens, "token") if tokens else "",
        f"{money(usage.cost)} spent" if usage.cost else "",
        f"{tally.failures:,} failed" if tally.failures else "",
        f"{'1 reply' if tally.invalid == 1 else f'{tally.invalid:,} replies'} of no use" if tally.invalid else "",
    )
    return ", ".join(filter(None, parts))


def minus(text: str) -> str:
    """The same with real minus signs."""
    return text.replace("-", "−")
