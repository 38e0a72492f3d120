"""Points of a grid as arms and families of one study: spread, named, and laid over what they are variants of.

What is varied comes from a sweep's file, which `grid.py` reads. That a point's settings are valid is checked by
`config.py`, with the line in the file on which the value stands.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fsrbench.core.errors import SettingsError
from fsrbench.files import yamlfile
from fsrbench.study import config, schema
from fsrbench.study.schema import Settings

FIXED = "fixed"
"""Name of the arm that `hints` makes: no auditor, the same strengths for every case."""
SUFFIXES = (".yaml", ".csv", ".json", ".md")
"""Ends that no name in a study may have."""


@dataclass(frozen=True, slots=True)
class Axis:
    """One setting that is varied."""

    key: str
    """As it stands in the file, e.g. `policy.min_confidence`."""
    name: str
    """What it is called in tables and in names: the last part of the key, or all of it where that is not enough."""
    values: tuple[Any, ...]
    """What it is set to."""
    place: tuple[str, ...]
    """Where that is inside the arm or the family."""
    lines: tuple[int, ...]
    """On which lines of the file the values stand."""
    of: tuple[str, ...]
    """The arms that it varies, or the one family."""


@dataclass(frozen=True, slots=True)
class Point:
    """One variant of an arm or of a family."""

    name: str
    """What it is called in the study."""
    base: str
    """Of what it is a variant."""
    values: dict[str, Any]
    """Axis → value."""


def canonical(value: Any) -> str:
    """Equal values as equal text: 60 and 60.0 are one, 1 and true are two."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        if not math.isfinite(value):
            raise ValueError("not finite")
        return repr(int(value) if value == int(value) and abs(value) < 2**53 else value)
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def count(axes: Sequence[Axis], bases: Iterable[str]) -> int:
    """How many points `spread` would make."""
    return sum(math.prod(len(axis.values) for axis in axes if base in axis.of) for base in bases)


def spread(axes: Sequence[Axis], bases: Iterable[str]) -> list[Point]:
    """Every combination of values, for each arm or family the axes that vary it; those without any as they are."""
    raw = []
    for base in bases:
        own = [axis for axis in axes if base in axis.of]
        raw += [
            (base, dict(zip([axis.name for axis in own], values, strict=True)))
            for values in itertools.product(*(axis.values for axis in own))
        ]
    often = Counter(_name(base, values).casefold() for base, values in raw)
    points = []
    for base, values in raw:
        name = _name(base, values)
        unfit = often[name.casefold()] > 1 or not re.fullmatch(schema.NAME, name) or name.endswith(SUFFIXES)
        points.append(Point(_short(base, values) if unfit else name, base, values))
    return points


def _name(base: str, values: Mapping[str, Any]) -> str:
    """`lvlm-min_confidence60-retries0`: what can be read, and can be a folder."""
    parts = [base]
    for axis, value in values.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        text = value if isinstance(value, str) else canonical(value)
        parts.append(f"{axis}{text}" if number else f"{axis}_{text}")
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", "-".join(parts)).rstrip("._")


def _short(base: str, values: Mapping[str, Any]) -> str:
    """Where the readable name is too long, or another point has it too."""
    text = json.dumps({name: canonical(value) for name, value in values.items()}, sort_keys=True)
    return f"{base[:50]}-{hashlib.sha256(text.encode()).hexdigest()[:10]}"


def study(
    path: Path,
    settings: Settings,
    points: tuple[Sequence[Point], Sequence[Point]],
    axes: tuple[Sequence[Axis], Sequence[Axis]],
    beside: Sequence[str],
) -> Settings:
    """One study with every point in it; a wrong value is answered with its line in the grid."""
    laid: dict[str, dict[str, Any]] = {"arms": {}, "families": {}}
    lines: dict[yamlfile.Place, int] = {}
    for kind, own_points, own_axes in zip(laid, points, axes, strict=True):
        for point in own_points:
            data = getattr(settings, kind)[point.base].model_dump(mode="json")
            if point.values:
                data["variant_of"] = data["variant_of"] or point.base
            if point.base == FIXED and kind == "arms":
                data["replies"] = [{"score": 0, "confidence": 100, "hints": dict(point.values)}]
            for axis in own_axes:
                if point.base in axis.of:
                    value = point.values[axis.name]
                    line = axis.lines[axis.values.index(value)]
                    if axis.place[0] != "replies" and (single := _put(data, axis.place, value)):
                        raise SettingsError(
                            f"{path}, line {line}, {axis.key}: {single} of the arm {point.base} holds no keys of which "
                            "one could be varied. Vary it whole."
                        )
                    lines[(kind, point.name, *axis.place)] = line
            laid[kind][point.name] = data
    base = settings.model_dump(mode="json")
    kept = {name: base["arms"][name] for name in beside}
    whole = {**base, "arms": {**kept, **laid["arms"]}, "families": laid["families"]}
    return config.lay({}, (), whole, path, lines)


def _put(data: dict[str, Any], place: Sequence[str], value: Any) -> str:
    """Set one value. Returns what on the way to it holds something else than keys; nothing where it is set."""
    *way, last = place
    for key in way:
        below: Any = data.setdefault(key, {})
        if not isinstance(below, dict):
            return key
        data = below
    data[last] = value
    return ""
