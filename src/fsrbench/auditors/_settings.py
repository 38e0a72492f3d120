"""Reads an arm's own settings, for all auditors: known names and right types, or a sentence with the nearest name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fsrbench.core.errors import SettingsError
from fsrbench.core.near import near


def check(settings: Mapping[str, Any], known: Mapping[str, tuple[type, ...]]) -> dict[str, Any]:
    """The settings that are not null. `known` maps each name to the types that it may have."""
    for name, value in settings.items():
        if name not in known:
            hint = near(name, known)
            has = f"Known: {', '.join(sorted(known))}." if known else "This auditor has none."
            raise SettingsError(f"The auditor's setting {name!r} is unknown.{hint} {has}")
        wrong_flag = isinstance(value, bool) and bool not in known[name]
        if value is not None and (wrong_flag or not isinstance(value, known[name])):
            wanted = " or ".join(kind.__name__ for kind in known[name])
            raise SettingsError(f"The auditor's setting {name} must be {wanted}, not {value!r:.60}.")
    return {name: value for name, value in settings.items() if value is not None}


def bounded(settings: Mapping[str, Any], name: str, default: float, low: float, high: float) -> float:
    """A number within its bounds."""
    value = float(settings.get(name, default))
    if not low <= value <= high:
        raise SettingsError(f"The auditor's setting {name} is {value:g}; it must be from {low:g} to {high:g}.")
    return value
