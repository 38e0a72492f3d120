"""What all stored values share: plain knob values, strict reading, and the way to JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

KnobValue: TypeAlias = float | int | bool
Knobs: TypeAlias = Mapping[str, KnobValue]
"""Checked name → value. A knob that is absent stands at its default."""


class Stored:
    """Of what a trail is made: where one is read back, a key that it does not know is an error."""

    __slots__ = ()
    __pydantic_config__: ClassVar = {"extra": "forbid"}


def to_json(value: Any) -> Any:
    """Turn a value of this module into what `json` can write."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_json(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(k): to_json(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(v) for v in value]
    return value.as_posix() if isinstance(value, Path) else value
