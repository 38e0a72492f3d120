"""`scores.csv`: every number of an evaluation, written, read back, and held on to by who only shows them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

from fsrbench import csvfile
from fsrbench.errors import SettingsError, StoreError
from fsrbench.values import Score

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


def hold(path: Path, scores: Iterable[Score]) -> None:
    """Refuse scores in which a stored number of the same metric is another one, or missing, for whatever reason.

    Who only shows a run changes no number of it; what the last evaluation was told besides is not remembered.
    """
    stored = {(s.family, s.case, s.arm, s.metric): s.value for s in read(path) if s.value is not None}
    others = []
    for s in scores:
        before = stored.get((s.family, s.case, s.arm, s.metric))
        if before is not None and (s.value is None or not math.isclose(s.value, before, rel_tol=SAME, abs_tol=SAME)):
            now = s.note if s.value is None else f"{s.value:g}"
            others.append(f"{s.metric} of {s.case} ({s.family}, {s.arm}) is {before:g} and would be {now}")
    if others:
        raise SettingsError(
            f"{path} holds {len(others)} numbers that are not found again: {others[0]}. Say again what the evaluation "
            "was told (--hr DIR, --device …, --set …), or measure anew: fsrbench evaluate RUN."
        )
