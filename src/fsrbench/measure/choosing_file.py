"""`choosing.csv`: what every choice among candidates did, a row for each case and arm; written, and read back."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from statistics import fmean

from fsrbench.core.errors import StoreError
from fsrbench.files import csvfile
from fsrbench.measure.choosing_values import MeasuredChoice

HEADER = (
    "family", "case", "arm", "candidates", "kept", "mse_all", "mse_kept", "mse_mean", "selection_skill", "averaging",
    "numbers", "each", "judge_order", "random_order", "oracle_order",
)  # fmt: skip
"""Its columns. Errors are on the 0–255 scale; the last four hold one for each candidate, or each number kept."""


def write(path: Path, choices: Iterable[MeasuredChoice]) -> None:
    """Store them as a table."""
    csvfile.write(path, HEADER, map(_row, choices))


def read(path: Path) -> list[MeasuredChoice]:
    """Read them back; none where there is no table."""
    try:
        return [
            MeasuredChoice(
                row["family"],
                row["case"],
                row["arm"],
                tuple(map(int, row["numbers"].split())),
                _many(row["each"]),
                float(row["averaging"]),
                *(_many(row[name]) for name in HEADER[-3:]),
            )
            for row in csvfile.read(path, HEADER)
        ]
    except ValueError as error:
        raise StoreError(f"{path} was changed: {error}. Delete it: fsrbench evaluate makes it again.") from None


def _row(one: MeasuredChoice) -> list[object]:
    kept = fmean(one.each[place] for place in one.kept)
    left = [one.family, one.case, one.arm, len(one.each), len(one.kept)]
    told = [fmean(one.each), kept, kept - one.averaging, one.skill, one.averaging]
    lists = (one.each, one.judged, one.luck, one.oracle)
    return [*left, *told, " ".join(map(str, one.kept)), *(" ".join(map(repr, many)) for many in lists)]


def _many(text: str) -> tuple[float, ...]:
    return tuple(map(float, text.split()))
