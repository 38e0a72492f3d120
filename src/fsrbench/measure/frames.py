"""The tables of a finished run as pandas DataFrames: numbers are numbers, what is missing is NaN, names are text."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fsrbench.core.errors import StoreError
from fsrbench.core.values import PURE
from fsrbench.files import atomic, csvfile, jsonfile
from fsrbench.measure import baseline
from fsrbench.measure import scores as scorefile
from fsrbench.study import sheets, store

if TYPE_CHECKING:
    import pandas as pd

SUMMARY = (
    "family", "arm", "role", "metric", "better", "n", "pure", "mean", "delta", "low", "high", "units", "changed",
    "improved", "p", "p_adjusted", "shown", "void",
)  # fmt: skip
"""Columns of the summary: what each means stands at `measure/stats.py`'s `Effect`."""
ROUNDS = ("family", "case", "arm", "round")
"""What a row of `run_config.csv` belongs to."""
WHOLE = ("round", "candidate", "seed", "n", "units", "changed", "improved")
"""Columns of whole numbers, of which none is ever missing."""
FLAGS = ("chosen", "shown", "void")
"""Columns of yes or no."""
NUMBERS = (
    "value", "score", "confidence", "seconds", "audit_seconds", "requests", "prompt_tokens", "completion_tokens",
    "cost", "parent", "rank", "passes", "pure", "mean", "delta", "low", "high", "p", "p_adjusted",
)  # fmt: skip
"""Columns of numbers, any of which may be missing."""
TEXT = (
    "family", "case", "arm", "metric", "note", "why", "backend", "model", "precision", "tags", "asked", "applied",
    "clamped", "dropped", "decision", "audit", "repairs", "reason", "verdict", "lr_sha256", "sr_sha256", "picture",
    "notes", "origin", "operations", "judge", "parts", "sha256", "role", "better", "rule", "verdict_rule", "bound",
)  # fmt: skip
"""Columns of text, also where a text looks like a number. A column that stands in no list is a knob's, or newer than
this list: it holds numbers where all that is in it is one."""


def scores(root: Path) -> pd.DataFrame:
    """`scores.csv`: a row for each family, case, arm and metric."""
    return _table(root / "scores.csv", scorefile.HEADER)


def rounds(root: Path) -> pd.DataFrame:
    """`run_config.csv`: a row for each family, case, arm and round, with every knob; a flag is 1 or 0."""
    return _table(root / "run_config.csv", ROUNDS)


def candidates(root: Path) -> pd.DataFrame:
    """`candidates.csv`: a row for each picture that an arm could have ended with; no row where no arm chose."""
    return _table(root / "candidates.csv", sheets.CANDIDATES)


def failures(root: Path) -> pd.DataFrame:
    """`failures.csv`: what failed, and why."""
    return _table(root / "failures.csv", store.FAILURES)


def summary(root: Path) -> pd.DataFrame:
    """`summary.json`, a row for each family, arm and metric; the rows of pure have its mean and no difference."""
    rows = list(_effects(details(root)))
    return _frame({name: [row[name] for row in rows] for name in SUMMARY})


def details(root: Path) -> dict[str, Any]:
    """All of `summary.json`, as it is stored."""
    path = root / "summary.json"
    try:
        found: dict[str, Any] = jsonfile.parse(atomic.read_bytes(path, baseline.MAX_BYTES))
    except FileNotFoundError:
        raise StoreError(f"{root} was not evaluated yet: fsrbench evaluate {root}.") from None
    except (OSError, ValueError) as error:
        raise StoreError(
            f"{path} cannot be read ({jsonfile.why(error)}). fsrbench evaluate {root} makes it again."
        ) from None
    return found


def _effects(found: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Every effect of a summary beside what it belongs to."""
    for family, metrics in found["families"].items():
        for metric, entry in metrics.items():
            place = {"family": family, "metric": metric, "better": found["metrics"][metric]["better"]}
            alone = {"arm": PURE, "role": "baseline", "n": entry["n"], "pure": entry["pure"], "mean": entry["pure"]}
            yield dict.fromkeys(SUMMARY) | dict.fromkeys(WHOLE, 0) | place | alone
            for arm, effect in entry["arms"].items():
                yield dict.fromkeys(SUMMARY) | effect | place | {"arm": arm, "role": found["roles"].get(arm, "")}


def _table(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """A stored table; where it is not there, these columns without a row."""
    header = csvfile.columns(path) or tuple(columns)
    rows = csvfile.read(path, header)
    try:
        return _frame({name: [row[name] for row in rows] for name in header})
    except ValueError as error:
        raise StoreError(f"{path} was changed: {error}. Delete it: it is made again.") from None


def _frame(cells: Mapping[str, Sequence[Any]]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame({name: _column(name, column) for name, column in cells.items()})


def _column(name: str, cells: Sequence[Any]) -> pd.Series:
    """One column, typed by its name."""
    import pandas as pd

    if name in WHOLE:
        return pd.Series([int(cell) for cell in cells], dtype="int64")
    if name in FLAGS:
        return pd.Series([cell in (True, "True") for cell in cells], dtype="bool")
    if name in NUMBERS:
        return pd.Series([_number(cell) for cell in cells], dtype="float64")
    if name not in TEXT:
        try:
            return pd.Series([_number(cell) for cell in cells], dtype="float64")
        except ValueError:  # a column of text that came later
            pass
    return pd.Series(cells, dtype="str")


def _number(cell: Any) -> float:
    """A cell as a number: NaN where it is empty."""
    if cell is None or cell == "":
        return math.nan
    return float(cell == "True") if cell in ("True", "False") else float(cell)
