"""`scores.csv`: every number of an evaluation, written and read back; `report` takes it as it stands."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from fsrbench.core.errors import SettingsError, StoreError
from fsrbench.core.values import Score
from fsrbench.files import csvfile

HEADER = ["family", "case", "arm", "metric", "value", "note"]
SAME = 1e-4
"""By how much, or by what share, a number may differ between devices."""


def write(path: Path, scores: Iterable[Score]) -> None:
    """Store scores as a table."""
    csvfile.write(path, HEADER, ([s.family, s.case, s.arm, s.metric, s.value, s.note] for s in scores))


def read(path: Path) -> list[Score]:
    """Read them back."""
    try:
        return [
            Score(r["case"], r["family"], r["arm"], r["metric"], float(r["value"]) if r["value"] else None, r["note"])
            for r in csvfile.read(path, HEADER)
        ]
    except ValueError as error:
        raise StoreError(f"{path} was changed: {error}. Delete it: fsrbench evaluate makes it again.") from None


def hold(path: Path, scores: Sequence[Score]) -> list[Score]:
    """The stored numbers, if measuring finds the same ones and no others; refused if not, for whatever reason.

    A metric of which nothing is stored may come in addition. Who only shows a run changes no number of it; what the
    last evaluation was told besides is not remembered.
    """
    if not path.is_file():
        return list(scores)
    stored = {_place(s): s for s in read(path)}
    metrics = {s.metric for s in stored.values()}
    found = {_place(s): s for s in scores if s.metric in metrics}
    others = [
        f"{metric} of {case} ({family}, {arm}) is {_told(before)} and would be {_told(now)}"
        for family, case, arm, metric in {**stored, **found}
        if not _same(before := stored.get((family, case, arm, metric)), now := found.get((family, case, arm, metric)))
    ]
    if others:
        raise SettingsError(
            f"{path} holds other numbers ({len(others)}): {others[0].rstrip('.')}. Say again what the evaluation was "
            "told (--hr DIR, --device …, --set …), or measure anew: fsrbench evaluate RUN."
        )
    return [replace(s, value=stored[_place(s)].value) if _place(s) in stored else s for s in scores]


def _place(score: Score) -> tuple[str, str, str, str]:
    return score.family, score.case, score.arm, score.metric


def _same(one: Score | None, other: Score | None) -> bool:
    """Both are missing, or both are there and differ by no more than devices do."""
    first, second = (score.value if score is not None else None for score in (one, other))
    if first is None or second is None:
        return first is second
    return math.isclose(first, second, rel_tol=SAME, abs_tol=SAME)


def _told(score: Score | None) -> str:
    if score is None or score.value is None:
        return score.note if score is not None and score.note else "missing"
    return f"{score.value:g}"
