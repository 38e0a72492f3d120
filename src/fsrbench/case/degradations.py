"""`degradations.csv`: every value that was drawn for every picture, written so that it comes back to the last bit.

The table lies beside the LR. It is read strictly: what `degrade` cannot have written is refused with its row.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING, Any

from fsrbench.core.errors import InputError
from fsrbench.files import csvfile

if TYPE_CHECKING:
    from fsrbench.core.stored import KnobValue

TABLE = "degradations.csv"
FORMAT = 3
"""Goes up when the same values would give other pixels, too, or when columns are added."""
READABLE = ("2", "3")
"""Formats of rows that are read: for those of 2, a recipe says what stood in columns that came later."""
HEAD = ("format", "case", "source", "hr_sha256", "recipe", "scale", "hr_size", "seed")
TAIL = ("crop", "lr_sha256", "note")


def read(table: Path) -> dict[str, dict[str, str]]:
    """Raw rows by case, in the table's order."""
    return {row["case"]: row for row in read_rows(table)}


def read_rows(table: Path) -> Iterator[dict[str, str]]:
    """Raw rows one by one: in a large study, all of them fill more memory than their file by far."""
    try:
        yield from _rows(table, csvfile.lines(table))
    except FileNotFoundError:
        raise InputError(f"{table} is not there.") from None
    except csvfile.UNREADABLE as error:
        raise InputError(f"{table} cannot be read as a table ({error}). Restore it, or move it away.") from None


def _rows(table: Path, lines: Iterator[list[str]]) -> Iterator[dict[str, str]]:
    """What stands in a table, if `degrade` can have written it."""
    header = next(lines, [])
    if missing := [name for name in (*HEAD, "lr_sha256") if name not in header]:
        raise InputError(f"{table} has no column {missing[0]}: it was not written by `fsrbench degrade`.")
    if len({*header}) < len(header):
        raise InputError(f"{table} names a column twice.")
    seen: set[str] = set()
    for number, cells in enumerate(lines, 2):
        if len(cells) != len(header):
            raise InputError(f"{table} row {number}: {len(cells)} cells under {len(header)} columns.")
        row = dict(zip(header, cells, strict=True))
        if row["format"] not in READABLE:
            known = " and ".join(READABLE)
            raise InputError(f"{table} row {number}: column format is {row['format']!r}; this version reads {known}.")
        if row["case"] in seen:
            raise InputError(f"{table} row {number}: column case {row['case']!r} stands there twice.")
        seen.add(row["case"])
        yield row


def write(table: Path, rows: Mapping[str, Mapping[str, str]]) -> None:
    """Write all rows by case; a recipe's columns stay in its own order."""
    ordered = [row for _, row in sorted(rows.items())]
    drawn = dict.fromkeys(name for row in ordered for name in row if name not in HEAD and name not in TAIL)
    header = (*HEAD, *drawn, *TAIL)
    csvfile.write(table, header, ([row.get(name, "") for name in header] for row in ordered), exact=True)


def check_source(row: Mapping[str, str], where: str) -> None:
    """Refuse a source that is no picture of this case inside the folder of the HR."""
    path = Path(row["source"])
    inside = path.name == row["source"] or not ({".."} & {*path.parts} or PureWindowsPath(row["source"]).anchor)
    if not inside or path.stem != row["case"]:
        case = row["case"]
        raise InputError(f"{where}: column source {row['source']!r} is not the file name of case {case!r}.")


def text(value: KnobValue | str) -> str:
    """What a cell holds: a float by its repr, so that it comes back to the last bit."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def parse(row: Mapping[str, str], name: str, sample: KnobValue | str, where: str) -> Any:
    """A cell back into a value of the sample's type."""
    if name not in row:
        raise InputError(f"{where}: column {name} is missing, which recipe {row['recipe']} needs.")
    text = row[name]
    try:
        if isinstance(sample, bool):
            return {"true": True, "false": False}[text.lower()]
        if isinstance(sample, int):
            return int(text)
        if isinstance(sample, float):
            return _finite(text)
    except (ValueError, KeyError):
        kind = {bool: "true or false", int: "a whole number", float: "a number"}[type(sample)]
        raise InputError(f"{where}: column {name} {text!r} is not {kind}.") from None
    return text


def _finite(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError(text)
    return number
