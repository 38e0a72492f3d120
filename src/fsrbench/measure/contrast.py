"""What two runs were made with that is not the same: settings, prompts, weights, who answered, versions."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from fsrbench.measure.between_values import SettingDifference
from fsrbench.measure.reopen import EvaluatedRun
from fsrbench.study import record

HASH = 12
"""Characters of a hash that are told."""
HASHES = ("prompts.", "weights.")
"""Keys below which hashes stand."""


def settings(first: EvaluatedRun, other: EvaluatedRun) -> tuple[SettingDifference, ...]:
    """Everything that decided results and is otherwise in the other run; where inputs lie decides nothing."""
    told = [
        SettingDifference(what, _told(what, one), _told(what, two))
        for what, one, two in record.differences(first.study, other.study)
        if not what.startswith("inputs")
    ]
    apart = [_beside(run) for run in (first, other)]
    more = [
        SettingDifference(what, one, two)
        for what, one in apart[0].items()
        if (two := apart[1].get(what)) is not None and one != two
    ]
    return (*told, *more)


def _beside(run: EvaluatedRun) -> dict[str, str]:
    """What is no setting and may decide all the same."""
    return dict(_facts(run))


def _facts(run: EvaluatedRun) -> Iterator[tuple[str, str]]:
    for family, models in run.what.labels.items():
        yield f"network of {family}", ", ".join(models)
    for arm, asked in run.what.run.arms.items() if run.what.run is not None else ():
        yield f"model asked by {arm}", ", ".join(asked.models) or "none"
        yield f"model that answered {arm}", ", ".join(asked.answered or asked.models) or "none"
    yield "fsrbench", str(run.study.get("fsrbench", "unknown"))
    versions: Mapping[str, Any] = run.study["versions"]
    for package in sorted(versions):
        yield f"version of {package}", str(versions[package] or "not installed")


def _told(what: str, value: object) -> str:
    """A value in short."""
    if value is None:
        return "not set"
    if isinstance(value, str):
        return value[:HASH] if what.startswith(HASHES) else value
    return json.dumps(value, ensure_ascii=False)
