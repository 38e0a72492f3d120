"""What of a summary is compared: read strictly from a run, a summary or a baseline file, and written small.

A baseline is a `summary.json` with everything left out that is not compared, so one reader serves both. What
differs between two of them, and whether that matters, is `check.py`'s.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, TypeAdapter, ValidationError

from fsrbench.core.errors import InputError
from fsrbench.core.stored import to_json
from fsrbench.core.values import PURE
from fsrbench.files import atomic, jsonfile
from fsrbench.measure.standings import Standing
from fsrbench.measure.summary_file import MAX_BYTES
from fsrbench.measure.summary_values import FORMAT
from fsrbench.study.store import RunFolder

READ = (2, FORMAT)
"""Formats that can be compared: what is compared means the same in all of them, but that the interval of a delta was a
bootstrap's in format 2. It matters where that is the tolerance, and nowhere else."""
PRINTABLE = r"^[^\p{Cc}\x{FFFE}\x{FFFF}]*$"
"""Text that may go to a terminal and into XML as it is."""
Number: TypeAlias = Annotated[float, Field(ge=-1e12, le=1e12, allow_inf_nan=False)]
Count: TypeAlias = Annotated[int, Field(ge=0, le=10**12)]
Digits: TypeAlias = Annotated[int, Field(ge=0, le=12)]
BoundedText: TypeAlias = Annotated[str, Field(max_length=2000, pattern=PRINTABLE)]
ScorePlace: TypeAlias = tuple[str, str, str]
"""Family, metric, arm."""
Name: TypeAlias = Annotated[str, Field(min_length=1, max_length=300, pattern=PRINTABLE)]


@dataclass(frozen=True, slots=True)
class About:
    """What a metric is."""

    label: Name
    """As it is printed."""
    better: Literal["higher", "lower"]
    """Its direction."""
    digits: Digits
    """Shown behind the point."""


@dataclass(frozen=True, slots=True)
class ArmNumbers:
    """One arm in one metric."""

    n: Count
    """Cases with both numbers."""
    mean: Number | None
    """The arm's mean."""
    delta: Number | None
    """Mean paired difference, arm − pure."""
    low: Number | None
    """Lower end of the delta's 95 % interval."""
    high: Number | None
    """Its upper end."""


@dataclass(frozen=True, slots=True)
class MetricNumbers:
    """One family in one metric."""

    n: Count
    """Cases with a pure number."""
    pure: Number | None
    """Their mean."""
    pure_low: Number | None
    """Lower end of its 95 % interval."""
    pure_high: Number | None
    """Its upper end."""
    arms: dict[Name, ArmNumbers]
    """Arm → its numbers."""
    why_na: tuple[str, ...] = ()
    """Why numbers are missing, in whatever words an error had; not kept in a baseline."""


@dataclass(frozen=True, slots=True)
class ArmCounts:
    """What became of an arm's cases."""

    failed: Count
    """Cases for which it failed."""
    invalid: Count
    """Cases with a reply that could not be used."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of a family's cases."""

    failed: Count
    """Cases that could not be restored."""
    arms: dict[Name, ArmCounts]
    """Arm → its counts."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """What was restored, and what it was measured against."""

    cases: Count
    """How many."""
    sha256: BoundedText
    """Of their names, of their files, and of which have a reference."""
    recipe: tuple[Name, ...]
    """How they were degraded; empty where that is not known."""
    hr_size: Count
    """Size of the references."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One number with its 95 % interval."""

    value: float | None
    """The number; None is missing."""
    low: float | None
    """Lower end; None where there are too few cases for an interval."""
    high: float | None
    """Upper end."""


@dataclass(frozen=True, slots=True)
class BaselineEntry:
    """What is compared at one place."""

    n: int
    """Cases behind it."""
    mean: Figure
    """The mean. That of an arm is the pure mean and the delta together, and so is its interval."""
    delta: Figure | None
    """Mean paired difference, arm − pure; None for pure."""

    def figures(self) -> Iterator[tuple[Literal["mean", "delta"], Figure]]:
        """Those that there are."""
        yield "mean", self.mean
        if self.delta is not None:
            yield "delta", self.delta


@dataclass(frozen=True, slots=True)
class Baseline:
    """All of a summary that is compared."""

    metrics: dict[Name, About]
    """Metric → what it is."""
    inputs: Inputs
    """What was restored."""
    families: dict[Name, dict[Name, MetricNumbers]]
    """Family → metric → its numbers."""
    counts: dict[Name, Counts]
    """Family → what became of its cases."""
    roles: dict[Name, Standing]
    """Arm → what it is there for."""
    marks: dict[Name, BoundedText]
    """Arm → what must be said wherever it shows."""
    models: dict[Name, tuple[Name, ...]]
    """Family → models that made its pictures."""

    def arms(self, family: str) -> list[str]:
        """Arms of a family, in the order of the summary."""
        return list(dict.fromkeys(arm for entry in self.families[family].values() for arm in entry.arms))

    def failed(self, family: str, arm: str) -> int:
        """Cases for which an arm failed; pure is one too."""
        counts = self.counts[family]
        return counts.failed if arm == PURE else counts.arms[arm].failed

    def entries(self) -> dict[ScorePlace, BaselineEntry]:
        """All that is compared, by where it stands."""
        found = {}
        for family, metrics in self.families.items():
            for metric, entry in metrics.items():
                pure = Figure(entry.pure, entry.pure_low, entry.pure_high)
                found[family, metric, PURE] = BaselineEntry(entry.n, pure, None)
                for arm, own in entry.arms.items():
                    delta = Figure(own.delta, own.low, own.high)
                    mean = Figure(own.mean, _sum(pure.low, delta.low), _sum(pure.high, delta.high))
                    found[family, metric, arm] = BaselineEntry(own.n, mean, delta)
        return found


def read(path: Path, cure: str) -> Baseline:
    """A run's folder, a `summary.json` or a baseline file. `cure` ends the sentence about one that cannot be read."""
    file = RunFolder(path).summary_file if path.is_dir() else path
    try:
        raw = atomic.read_bytes(file, MAX_BYTES)
    except FileNotFoundError:
        raise InputError(f"{file} is not there. {cure}") from None
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror or error}. {cure}") from None
    try:
        head = TypeAdapter(dict[str, Any]).validate_json(raw)
    except ValidationError as error:
        raise InputError(f"{file} is not a summary ({jsonfile.why(error)}). {cure}") from None
    if "families" not in head:
        raise InputError(f"{file} is not a summary: it holds no families. {cure}")
    if head.get("format") not in READ:
        known = " and ".join(map(str, READ))
        raise InputError(f"{file} has format {head.get('format')!r:.40}; {known} can be compared. {cure}")
    try:
        found = _shape().validate_json(raw, strict=True)
    except ValidationError as error:
        raise InputError(f"{file} was edited or cut off: {jsonfile.why(error)}. {cure}") from None
    lacking = _lacking(found)
    if lacking:
        raise InputError(f"{file} was edited or cut off: {lacking}. {cure}")
    return found


@cache
def _shape() -> TypeAdapter[Baseline]:
    return TypeAdapter(Baseline)


def write(path: Path, found: Baseline) -> None:
    """Store a baseline: sorted, with what belongs together on one line, so that a change reads well in a diff."""
    data = {"format": FORMAT, **to_json(found)}
    for entries in data["families"].values():
        for entry in entries.values():
            del entry["why_na"]  # not compared, and it may name paths of this machine
    atomic.write_named(path, (_laid_out(data, "") + "\n").encode())


def _laid_out(value: Any, margin: str) -> str:
    if not isinstance(value, dict) or not any(isinstance(part, dict) for part in value.values()):
        return json.dumps(value, ensure_ascii=False, sort_keys=True, allow_nan=False)
    deeper = margin + " "
    lines = [f"{deeper}{json.dumps(k, ensure_ascii=False)}: {_laid_out(value[k], deeper)}" for k in sorted(value)]
    return "{\n" + ",\n".join(lines) + f"\n{margin}}}"


def _sum(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one + other


def _lacking(found: Baseline) -> str:
    """What one part names and another does not know; empty for a whole summary."""
    for family, entries in found.families.items():
        for metric, entry in entries.items():
            if metric not in found.metrics:
                return f"families.{family}.{metric} is not among its metrics"
            if not set(entry.arms) <= set(found.roles):
                return f"roles lacks an arm of families.{family}.{metric}"
        if family not in found.counts or not set(found.arms(family)) <= set(found.counts[family].arms):
            return f"counts lacks {family} or one of its arms"
    return ""
