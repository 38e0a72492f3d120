"""From scores to `summary.json`: means, paired effects with their statistics, and what became of the cases.

How an effect is worked out is `stats.py`'s; how it is told, `tables.py`'s and `findings.py`'s.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from statistics import fmean
from typing import Any

from fsrbench import stats
from fsrbench.results import Numbers
from fsrbench.subjects import Evaluation, Subject
from fsrbench.values import PURE, Failure

FORMAT = 2
TESTED = ("contender", "control")
"""Roles whose tests are adjusted together. Noise floor and headroom are yardsticks: nothing is claimed of them."""


def summarise(what: Evaluation, numbers: Numbers, failures: Sequence[Failure] = ()) -> dict[str, Any]:
    """Family means, paired effects and counts. An effect rests on the cases that have both numbers."""
    names = sorted({s.family for s in what.subjects} | {f.family for f in failures})
    families = {family: _family(family, what, numbers) for family in names}
    tests = [entry for _, arm, entry in _entries(families) if what.roles.get(arm) in TESTED]
    for entry, p in zip(tests, stats.holm([entry["p"] for entry in tests]), strict=True):
        entry["p_adjusted"] = _rounded(p)
    clusters = set(what.clusters.values()) if what.clusters else None
    return {
        "format": FORMAT,
        "metrics": {
            n: {"label": m.label, "better": m.better, "digits": m.digits, "unit": m.unit}
            for n, m in what.metrics.items()
        },
        "models": what.labels,
        "inputs": _inputs(what),
        "statistics": {
            "level": stats.LEVEL,
            "power": stats.POWER,
            "resamples": stats.RESAMPLES,
            "tests": sum(entry["p"] is not None for entry in tests),
            "clusters": len(clusters) if clusters else None,
        },
        "families": families,
        "roles": what.roles,
        "marks": what.marks,
        "notes": list(what.notes),
        "counts": {family: _counts(family, what.subjects, failures) for family in families},
    }


def _entries(families: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for metrics in families.values():
        for metric, entry in metrics.items():
            for arm, found in entry["arms"].items():
                yield metric, arm, found


def _family(family: str, what: Evaluation, numbers: Numbers) -> dict[str, Any]:
    own = [s for s in what.subjects if s.family == family]
    arms = sorted({arm for s in own for arm in s.variants if arm != PURE})
    missing: dict[str, set[str]] = {}
    for s in numbers.scores:
        if s.family == family and s.value is None:
            missing.setdefault(s.metric, set()).add(s.note)
    found = {}
    for metric in what.metrics:
        pure = numbers.values(family, metric, PURE)
        floor = _floor(family, metric, what, numbers)
        low, high = stats.mean_interval(list(pure.values()))
        found[metric] = {
            "n": len(pure),
            "na": len(own) - len(pure),
            "why_na": sorted(missing.get(metric, ())),
            "pure": _fmean(pure.values()),
            "pure_low": _rounded(low),
            "pure_high": _rounded(high),
            "arms": {arm: _arm(family, metric, arm, what, numbers, floor) for arm in arms},
        }
    return found


def _arm(family: str, metric: str, arm: str, what: Evaluation, numbers: Numbers, floor: float) -> dict[str, Any]:
    pure, mine = numbers.values(family, metric, PURE), numbers.values(family, metric, arm)
    deltas = dict(sorted(numbers.deltas(family, metric, arm).items()))
    clusters = [what.clusters.get(case, case) for case in deltas] if what.clusters else None
    effect = stats.paired(list(deltas.values()), what.metrics[metric].better, clusters=clusters, floor=floor)
    found = {name: _rounded(value) if isinstance(value, float) else value for name, value in asdict(effect).items()}
    means = {"pure": _fmean(pure[case] for case in deltas), "mean": _fmean(mine[case] for case in deltas)}
    return {"n": found.pop("n"), **means, **found, "p_adjusted": None}


def _floor(family: str, metric: str, what: Evaluation, numbers: Numbers) -> float:
    """What a case moves by when nothing is done: 95 % of the cases of the rerun stay below it. 0 without a rerun."""
    moved = [
        abs(delta)
        for arm, role in what.roles.items()
        if role == "floor"
        for delta in numbers.deltas(family, metric, arm).values()
    ]
    return stats.floor(moved)


def _inputs(what: Evaluation) -> dict[str, Any]:
    """What decides whether two summaries may be compared: which cases, how they were degraded, with what reference."""
    found = sorted({(s.case, s.trail.lr_sha256 if s.trail else "", s.hr is not None) for s in what.subjects})
    return {
        "cases": len(found),
        "sha256": hashlib.sha256(repr(found).encode()).hexdigest(),
        "recipe": sorted({row["recipe"] for row in what.degraded.values()}),
        "hr_size": what.hr_size,
    }


def _fmean(values: Iterable[float]) -> float | None:
    known = list(values)
    return round(fmean(known), 6) if known else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)


# --------------------------------------------------------------------- counts


def _counts(family: str, subjects: Sequence[Subject], failures: Sequence[Failure]) -> dict[str, Any]:
    """What became of the cases, arm by arm: nothing that failed or could not be used hides in a mean."""
    own = [s for s in subjects if s.family == family]
    failed = Counter(f.arm for f in failures if f.family == family)
    arms = sorted({arm for s in own for arm in s.variants} | set(failed) - {PURE})
    return {
        "cases": len(own),
        "failed": failed[PURE],
        "arms": {arm: {**_arm_counts(arm, own), "failed": failed[arm]} for arm in arms if arm != PURE},
    }


def _arm_counts(arm: str, subjects: Sequence[Subject]) -> dict[str, Any]:
    trails = [s.trail for s in subjects if s.trail and arm in s.trail.arms]
    audits = [[step.audit for step in trail.arms[arm] if step.audit] for trail in trails]
    usage = [audit.usage for said in audits for audit in said if audit.usage.requests]
    costs = [u.cost for u in usage if u.cost is not None]
    return {
        "done": sum(arm in s.variants for s in subjects),
        "invalid": sum(any(audit.status == "invalid" for audit in said) for said in audits),
        "changed": sum(trail.final(arm).sha256 != trail.pure.sha256 for trail in trails),
        "requests": sum(u.requests for u in usage),
        "tokens": sum(u.prompt_tokens + u.completion_tokens for u in usage),
        "cost": round(sum(costs), 6) if costs and len(costs) == len(usage) else None,
    }
