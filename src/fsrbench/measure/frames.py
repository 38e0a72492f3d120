"""The tables of a finished run as pandas DataFrames: numbers are numbers, what is missing is NaN, names are text."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fsrbench.core.errors import StoreError
from fsrbench.core.values import PURE
from fsrbench.files import csvfile
from fsrbench.measure import scores as scorefile
from fsrbench.measure import summary_file
from fsrbench.measure.summary_values import Summary
from fsrbench.study import sheets, store
from fsrbench.study.store import RunFolder

if TYPE_CHECKING:
    import pandas as pd

SUMMARY = (
    "family", "arm", "role", "metric", "better", "n", "pure", "mean", "delta", "low", "high", "units", "changed",
    "improved", "p", "p_adjusted", "shown", "void", "chose",
)  # fmt: skip
"""Columns of the summary: what each means stands at `summary_values.py`'s `ArmEffect`."""
HARM = (
    "family", "arm", "role", "rate", "low", "high", "units", "cases", "harmed", "missing", "kept", "alpha", "delta",
    "p", "p_adjusted", "broken",
)  # fmt: skip
"""Columns of harm: what each means stands at `harm_values.py`'s `ObservedHarm` and `Promise`."""
WHOLE = ("round", "candidate", "seed", "n", "units", "changed", "improved", "cases", "harmed", "missing")
"""Columns of whole numbers, of which none is ever missing."""
FLAGS = ("chosen", "shown", "void", "chose", "broken")
"""Columns of yes or no."""
NUMBERS = (
    "value", "score", "confidence", "seconds", "audit_seconds", "requests", "prompt_tokens", "completion_tokens",
    "cost", "parent", "rank", "passes", "pure", "mean", "delta", "low", "high", "p", "p_adjusted",
    "rate", "kept", "alpha",
)  # fmt: skip
"""Columns of numbers, any of which may be missing. So are those of knobs; all other columns are text."""


def scores(folder: RunFolder) -> pd.DataFrame:
    """`scores.csv`: a row for each family, case, arm and metric."""
    return _table(folder.scores_file, scorefile.HEADER)


def rounds(folder: RunFolder) -> pd.DataFrame:
    """`run_config.csv`: a row for each family, case, arm and round, with every knob; a flag is 1 or 0."""
    known = (*sheets.LEFT, *sheets.RIGHT)
    path = folder.run_config_file
    return _table(path, known, {*csvfile.columns(path)} - {*known})


def candidates(folder: RunFolder) -> pd.DataFrame:
    """`candidates.csv`: a row for each picture that an arm could have ended with; no row where no arm chose."""
    return _table(folder.candidates_file, sheets.CANDIDATES)


def failures(folder: RunFolder) -> pd.DataFrame:
    """`failures.csv`: what failed, and why."""
    return _table(folder.failures_file, store.FAILURES)


def summary(folder: RunFolder) -> pd.DataFrame:
    """`summary.json`, a row for each family, arm and metric; the rows of pure have its mean and no difference."""
    rows = list(_effects(details(folder)))
    return _frame({name: [row[name] for row in rows] for name in SUMMARY})


def harm(folder: RunFolder) -> pd.DataFrame:
    """Whom each arm harmed, a row for each family and arm; what nothing was promised of has no alpha and no p."""
    found = details(folder)
    rows = [
        {"alpha": None, "delta": None, **asdict(one), **({} if one.promise is None else asdict(one.promise))}
        | {"family": family, "arm": arm, "role": found.roles.get(arm, "")}
        for family, arms in found.harm.items()
        for arm, one in arms.items()
    ]
    return _frame({name: [row[name] for row in rows] for name in HARM})


def details(folder: RunFolder) -> Summary:
    """All of `summary.json`."""
    try:
        return summary_file.read(folder.summary_file)
    except FileNotFoundError:
        raise StoreError(f"{folder.root} was not evaluated yet: fsrbench evaluate {folder.root}.") from None


def _effects(found: Summary) -> Iterator[dict[str, Any]]:
    """Every effect of a summary beside what it belongs to."""
    for family, metrics in found.families.items():
        for metric, entry in metrics.items():
            place = {"family": family, "metric": metric, "better": found.metrics[metric].better}
            alone = {"arm": PURE, "role": "baseline", "n": entry.n, "pure": entry.pure, "mean": entry.pure}
            yield dict.fromkeys(SUMMARY) | dict.fromkeys(WHOLE, 0) | place | alone
            for arm, effect in entry.arms.items():
                yield asdict(effect) | place | {"arm": arm, "role": found.roles.get(arm, "")}


def _table(path: Path, columns: Sequence[str], knobs: Set[str] = frozenset()) -> pd.DataFrame:
    """A stored table; where it is not there, these columns without a row."""
    header = csvfile.columns(path) or columns
    rows = csvfile.read(path, header)
    try:
        return _frame({name: [row[name] for row in rows] for name in header}, knobs)
    except ValueError as error:
        raise StoreError(f"{path} was changed: {error}. Delete it: it is made again.") from None


def _frame(cells: Mapping[str, Sequence[Any]], knobs: Set[str] = frozenset()) -> pd.DataFrame:
    """Columns, each typed by its name."""
    import pandas as pd

    found = {}
    for name, column in cells.items():
        if name in WHOLE:
            found[name] = pd.Series([int(cell) for cell in column], dtype="int64")
        elif name in FLAGS:
            found[name] = pd.Series([cell in (True, "True") for cell in column], dtype="bool")
        elif name in NUMBERS or name in knobs:
            found[name] = pd.Series([_number(cell) for cell in column], dtype="float64")
        else:
            found[name] = pd.Series(column, dtype="str")
    return pd.DataFrame(found)


def _number(cell: Any) -> float:
    """A cell as a number: NaN where it is empty."""
    if cell is None or cell == "":
        return math.nan
    return float(cell == "True") if cell in ("True", "False") else float(cell)
