"""What of an oracle's gain could be had without the reference: by the best constant, and by the best predictor.

An oracle takes the best of many settings for each picture, and part of that is luck which nobody could foresee. Both
bounds here are told from what it measured of the settings that it tried on every case, so no picture is made for them,
and both are read off on persons who had no part in what was chosen for them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean
from typing import Any, TypeAlias

import numpy as np

from fsrbench.case.evidence import Tools
from fsrbench.core import execute
from fsrbench.core.contracts import Metric
from fsrbench.imaging import damage, images
from fsrbench.measure import captured, crossfit, predicted, stats
from fsrbench.measure.subjects import Evaluation, Subject
from fsrbench.measure.summary_values import rounded
from fsrbench.study.store import RunFolder

Features: TypeAlias = Mapping[str, Mapping[str, float]]
"""Case → what may be seen of it, in numbers by name; what could not be measured of it is absent."""
UNTOUCHED = 100
"""Stands for the quality of a JPEG that nothing shows of."""


@dataclass(frozen=True, slots=True)
class Tried:
    """What one oracle measured of the settings that it tried on every case."""

    metric: Metric
    """The metric that it goes by."""
    settings: tuple[str, ...]
    """Each as JSON; the first is pure."""
    deltas: Mapping[str, Sequence[float]]
    """Case → by how much the metric differs from pure's under each setting."""
    best: Mapping[str, float]
    """Case → by how much it differs under the setting that the oracle chose."""
    persons: Mapping[str, str]
    """Case → whom it shows."""

    @classmethod
    def read(
        cls, folder: RunFolder, family: str, oracle: str, metric: Metric, best: Mapping[str, float],
        persons: Mapping[str, str] | None,
    ) -> Tried:  # fmt: skip
        """From its records, for the cases in `best`."""
        tables = {case: table for case in sorted(best) if (table := _tried(folder, family, oracle, case))}
        shared = [one for one in next(iter(tables.values()), {}) if all(one in table for table in tables.values())]
        return cls(
            metric,
            tuple(shared),
            {case: [table[one] for one in shared] for case, table in tables.items()},
            {case: best[case] for case in tables},
            {case: case if persons is None else persons[case] for case in tables},
        )

    def gains(self, case: str) -> list[float]:
        """By how much each setting is better than pure."""
        sign = 1 if self.metric.better == "higher" else -1
        return [sign * delta for delta in self.deltas[case]]


@dataclass(frozen=True, slots=True)
class Reachable:
    """What can be had without the reference."""

    deltas: Mapping[str, float]
    """Case → by how much the metric differs from pure's."""
    told: dict[str, Any]
    """What is said of it, JSON-ready."""


def of(tried: Tried, seen: Features) -> dict[str, Reachable | None]:
    """Both, by name; None where there are too few persons."""
    return {"constant": constant(tried), "predictor": predictor(tried, seen)}


def predictable(metric: Metric, found: Mapping[str, Reachable | None]) -> Reachable | None:
    """The one of them that gains more: what somebody who looks can be expected to reach."""
    sign = 1 if metric.better == "higher" else -1
    known = [one for one in found.values() if one is not None]
    return max(known, key=lambda one: sign * fmean(one.deltas.values()), default=None)


def constant(tried: Tried) -> Reachable | None:
    """The best unchanging setting; None for one person alone.

    Each person is measured with the setting that all others chose.
    """
    rows: dict[str, list[list[float]]] = {}
    for case in tried.deltas:
        rows.setdefault(tried.persons[case], []).append(tried.gains(case))
    if len(rows) < 2:
        return None
    gains = {person: [fmean(column) for column in zip(*own, strict=True)] for person, own in rows.items()}
    chosen = crossfit.without(gains)
    deltas = {case: own[chosen[tried.persons[case]]] for case, own in tried.deltas.items()}
    knobs = json.loads(tried.settings[crossfit.best(gains)])
    return _reachable(tried, deltas, {"settings": len(tried.settings), "knobs": knobs})


def predictor(tried: Tried, seen: Features) -> Reachable | None:
    """The setting that ridge regressions choose from what may be seen of each case; None for too few persons.

    What cannot be measured of some case has no say.
    """
    cases = [case for case in tried.deltas if case in seen]
    persons = [tried.persons[case] for case in cases]
    if len(set(persons)) < predicted.LEAST:
        return None
    names = sorted(set.intersection(*(set(seen[case]) for case in cases)))
    features = np.array([[seen[case][name] for name in names] for case in cases], np.float64)
    chosen = predicted.chosen(np.array([tried.gains(case) for case in cases]), features, persons)
    deltas = {case: tried.deltas[case][place] for case, place in zip(cases, chosen, strict=True)}
    return _reachable(tried, deltas, {"settings": len(tried.settings), "features": names, "persons": len(set(persons))})


def _reachable(tried: Tried, deltas: dict[str, float], told: dict[str, Any]) -> Reachable:
    """With its interval, and with its share of the oracle's gain where that is worth one."""
    better, members = tried.metric.better, [tried.persons[case] for case in deltas]
    effect = stats.paired(list(deltas.values()), better, clusters=members)
    upper = stats.paired([tried.best[case] for case in deltas], better, clusters=members)
    worth = upper.delta is not None and captured.worth_a_share(upper.delta, upper.low, upper.high, tried.metric, 0.0)
    share = round(effect.delta / upper.delta, 4) if worth and effect.delta is not None and upper.delta else None
    ends = {"n": effect.n, "delta": rounded(effect.delta), "low": rounded(effect.low), "high": rounded(effect.high)}
    return Reachable(deltas, {**told, **ends, "share": share})


def _tried(folder: RunFolder, family: str, oracle: str, case: str) -> dict[str, float]:
    """Setting, as JSON → by how much the objective differed from pure under it; pure is the first."""
    record = folder.exchange(family, oracle, case, 1) or {}
    current = record.get("current")
    if current is None:
        return {}
    trials = {json.dumps(one["knobs"], sort_keys=True): one["value"] for one in record.get("tried", ())}
    return {"{}": 0.0, **{setting: value - current for setting, value in trials.items() if value is not None}}


# ------------------------------------------------------------ what may be seen


def seen(
    folder: RunFolder, family: str, what: Evaluation, tools: Tools, workers: int, track: execute.Track
) -> Features:
    """Case → what an auditor may see of input and pure restoration, in numbers: evidence, and the input's damage."""
    subjects = [subject for subject in what.subjects if subject.family == family and subject.lr is not None]
    found = execute.run(partial(_seen, folder, what, tools), subjects, workers)
    return dict(track(f"evidence of {family}", found, len(subjects)))


def _seen(folder: RunFolder, what: Evaluation, tools: Tools, subject: Subject) -> tuple[str, dict[str, float]]:
    trail = subject.trail
    if trail is None or subject.lr is None:
        return subject.case, {}
    lr = images.read(subject.lr, **what.limits.of_pictures())
    numbers = {name: value for name, value in tools(lr, folder.picture(trail.pure)).qa.items() if value is not None}
    shown = damage.estimate(lr)
    if shown is not None:
        quality = UNTOUCHED if shown.quality is None else shown.quality
        numbers |= {"damage noise": shown.noise, "damage blur": shown.blur, "damage quality": float(quality)}
    return subject.case, numbers
