"""How a number is written, wherever it shows: digits, signs, n/a, shares. The page of the report gets these texts too.

A minus is a minus and no hyphen. What a number belongs to, and whether it stands out, is `wording.py`'s.
"""

from __future__ import annotations

import json

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


def spaced(value: float | None) -> str:
    """`12 %`: a share within a sentence or a caption."""
    return share(value).replace("%", " %")


def money(cost: float) -> str:
    """What requests cost, in whatever money their price is given in."""
    return f"{cost:.4f}"


def amount(value: float) -> str:
    """How much something took, short: `0.0123`, `2.5`, `1,050`; what there was of it is never shown as nothing."""
    if value >= 100:
        return f"{value:,.0f}"
    return "<0.001" if 0 < value < 0.001 else short(value, 3)


def minus(text: str) -> str:
    """The same with real minus signs."""
    return text.replace("-", "−")
