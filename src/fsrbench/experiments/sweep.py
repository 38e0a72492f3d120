"""A sweep: one study in which every point of a grid is an arm, so that pure is made once and questions are asked once.

Variants of an arm take its seeds, so that where they see the same picture they ask the same question; what an
LVLM answered is kept in the sweep's folder and given to every point that asks it again. What each point came to
is gathered here from the run and its summary; how it looks is in `sweep_views.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from fsrbench.core import auditing, execute, plugins
from fsrbench.core.contracts import Machine
from fsrbench.core.errors import FsrbenchError, SettingsError
from fsrbench.core.stored import to_json
from fsrbench.experiments.grid import SweepGrid
from fsrbench.experiments.gridpoints import Axis, Point
from fsrbench.measure import ahead
from fsrbench.measure.summary_values import ArmEffect, MetricResults, Summary
from fsrbench.study import ledger
from fsrbench.study.ledger import Unfinished
from fsrbench.study.run import RunOutcome, run_study
from fsrbench.study.schema import Arm, Settings
from fsrbench.study.store import RunFolder

FORMAT = 2
CACHE = "audits-cache"
"""Folder of a sweep in which answers are kept, unless an arm names one of its own."""


@dataclass(frozen=True, slots=True)
class PointEffect:
    """What a point shows of its effect on a metric. Fields mean what they mean of an arm; unset, nothing is known."""

    n: int = 0
    pure: float | None = None
    mean: float | None = None
    delta: float | None = None
    delta_changed: float | None = None
    low: float | None = None
    high: float | None = None
    units: int = 0
    changed: int = 0
    improved: int = 0
    p: float | None = None
    p_adjusted: float | None = None
    shown: bool = False
    harm: float | None = None
    benefit: float | None = None

    @classmethod
    def of(cls, effect: ArmEffect) -> PointEffect:
        """The part of an arm's effect that a point shows."""
        return cls(**{field.name: getattr(effect, field.name) for field in fields(cls)})


def run(
    grid: SweepGrid,
    machine: Machine,
    lr: Path,
    hr: Path | None,
    out: Path,
    *,
    limit: int | None = None,
    workers: int = 1,
    track: execute.Track = execute.untracked,
) -> RunOutcome:
    """Run what is missing of the whole grid in `out`, as a run does."""
    settings = _remembering(grid.settings, out)
    _open_all(grid, settings, machine)
    with ahead.measuring(machine) as finished:
        return run_study(settings, machine, lr, hr, out, limit=limit, workers=workers, track=track, finished=finished)


def _remembering(settings: Settings, out: Path) -> Settings:
    """With a place for answers where the arms whose auditor can use one name none; a useless reply is kept as well.

    If it were asked for again, one point could have more luck than another with the same question.
    """
    kept: dict[auditing.Common, Any] = {"cache": (out / CACHE).absolute().as_posix(), "cache_unusable": True}
    arms = {}
    for name, arm in settings.arms.items():
        taken = {key: value for key, value in kept.items() if arm.takes(key)}
        arms[name] = Arm.model_validate({**taken, **_given(arm)}) if taken else arm
    return settings.model_copy(update={"arms": arms})


def _given(arm: Arm) -> dict[str, Any]:
    return {key: value for key, value in arm.model_dump().items() if value is not None}


def _open_all(grid: SweepGrid, settings: Settings, machine: Machine) -> None:
    """Open every point's auditor before any work: what it cannot take is said with its line in the grid."""
    tried = set()
    for point in grid.arms:
        arm = settings.arms[point.name]
        key = json.dumps([arm.auditor, arm.settings], sort_keys=True, default=str)
        why = _refused(arm.auditor, arm.settings, machine) if key not in tried else None
        tried.add(key)
        if why is not None:
            raise SettingsError(_blamed(grid, point, arm, why, machine))


def _blamed(grid: SweepGrid, point: Point, arm: Arm, why: str, machine: Machine) -> str:
    """The axis without whose value the auditor does not say the same."""
    for axis in grid.axes:
        if point.base not in axis.of or axis.place[0] not in arm.settings:
            continue
        others = {key: value for key, value in arm.settings.items() if key != axis.place[0]}
        if _refused(arm.auditor, others, machine) != why:
            line = axis.lines[axis.values.index(point.values[axis.name])]
            return f"{grid.path}, line {line}, {axis.key}: {why}"
    return f"Arm {point.name}: {why}"


def _refused(auditor: str | None, settings: Mapping[str, Any], machine: Machine) -> str | None:
    """What an auditor says against its settings; None if it opens."""
    if auditor is None:
        return None
    try:
        plugins.load("auditors", auditor).open(settings, machine)
    except FsrbenchError as error:
        return str(error)
    return None


# ---------------------------------------------------------------- what came out


def gather(grid: SweepGrid, folder: RunFolder, summary: Summary) -> dict[str, Any]:
    """Every point with its effects and what it took: what `sweep.json` holds."""
    rows = list(_rows(grid, folder, summary))
    points = [row for row in rows if row["arm"] not in grid.beside]
    return {
        "format": FORMAT,
        "grid": grid.path.name,
        "axes": [_axis(axis) for axis in grid.axes],
        "metrics": summary.metrics,
        "models": summary.models,
        "statistics": summary.statistics,
        "points": points,
        "beside": [row for row in rows if row["arm"] in grid.beside],
        "spent": _sum([row["spent"] for row in rows]),
        "alone": _sum([row["alone"] for row in rows]),
        "notes": [*summary.notes, *_lacking(grid, summary)],
    }


def _lacking(grid: SweepGrid, summary: Summary) -> list[str]:
    """Why metrics have no number, each reason once."""
    own = [summary.families.get(family.name, {}) for family in grid.families]
    labels = {name: about.label for name, about in summary.metrics.items()}
    return list(dict.fromkeys(f"{labels[name]}: {why}" for f in own for name, e in f.items() for why in e.why_na))


def _axis(axis: Axis) -> dict[str, Any]:
    return {"name": axis.name, "key": axis.key, "values": list(axis.values), "of": list(axis.of)}


def _rows(grid: SweepGrid, folder: RunFolder, summary: Summary) -> Iterator[dict[str, Any]]:
    arms = [*grid.arms, *(Point(name, name, {}) for name in grid.beside)]
    again, unfinished = _again(folder), ledger.unfinished(folder)
    for family in grid.families:
        measured, counts = summary.families.get(family.name, {}), summary.counts.get(family.name)
        for arm in arms:
            own = counts.arms.get(arm.name) if counts is not None else None
            yield {
                "family": family.name,
                "family_of": family.base,
                "arm": arm.name,
                "arm_of": arm.base,
                "mark": summary.marks.get(arm.name, ""),
                "values": {**family.values, **arm.values},
                **{key: getattr(own, key, 0) for key in ("done", "failed", "invalid", "changed")},
                "again": again.get((family.name, arm.name), 0),
                "metrics": {m: _effect(measured.get(m), arm.name) for m in summary.metrics},
                **_usage(folder, family.name, arm.name, unfinished),
            }


def _effect(found: MetricResults | None, arm: str) -> PointEffect:
    effect = found.arms.get(arm) if found is not None else None
    return PointEffect.of(effect) if effect is not None else PointEffect()


def _again(folder: RunFolder) -> dict[tuple[str, str], int]:
    """How often a restoration was made again, by family and arm: the retries that were used."""
    found: dict[tuple[str, str], int] = {}
    for trail in folder.trails():
        for step in trail.rounds[1:]:
            retried = step.decision is not None and step.decision.action == "retry"
            found[trail.family, step.arm] = found.get((trail.family, step.arm), 0) + retried
    return found


# ----------------------------------------------------------------------- usage


def _usage(folder: RunFolder, family: str, arm: str, unfinished: Iterable[Unfinished]) -> dict[str, Any]:
    """What a point would have taken alone, and what was spent on it here, where answers were reused."""
    replies = [one for exchange in folder.exchanges(arm, family) for one in _replies(exchange)]
    kept = [to_json(one.usage) for one in unfinished if (one.family, one.arm) == (family, arm)]
    spent = [one for one in replies if not one.get("cached")]
    return {"alone": _counted([*replies, *kept]), "spent": _counted([*spent, *kept])}


def _replies(exchange: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """All replies of a model in an exchange: to the question, to comparisons, to canaries."""
    canaries = exchange.get("canary", {}).get("exchanges", {}).values()
    for part in (exchange, *exchange.get("comparisons", ()), *canaries):
        yield from part.get("replies", ())


def _counted(replies: list[Mapping[str, Any]]) -> dict[str, Any]:
    costs: list[float | None] = [one.get("cost") for one in replies]
    known = [cost for cost in costs if cost is not None]
    return {  # a record is read as it is, and may lack what it was not asked for
        "requests": sum(one.get("requests", 0) for one in replies),
        "tokens": sum(one.get("prompt_tokens", 0) + one.get("completion_tokens", 0) for one in replies),
        "cost": round(sum(known), 6) if costs and len(known) == len(costs) else None,
    }


def _sum(parts: list[Mapping[str, Any]]) -> dict[str, Any]:
    asked = [part for part in parts if part["requests"]]
    costs = [part["cost"] for part in asked]
    return {
        **{key: sum(part[key] for part in parts) for key in ("requests", "tokens")},
        "cost": round(sum(costs), 6) if costs and None not in costs else None,
    }
