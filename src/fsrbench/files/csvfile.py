"""Tables as CSV: written whole, read back as text.

Words of an auditor end up in tables, and a spreadsheet must not take them for a formula: a text that begins
like one gets a leading apostrophe, but for names, by which other tables are joined. Nor may a terminal in which a
table is looked at obey them: control characters are replaced.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from fsrbench.core import foreign
from fsrbench.core.errors import StoreError
from fsrbench.files import atomic, opening

NAMES = ("family", "case", "arm", "metric", "picture")
"""Columns that are written as they are."""
MAX_BYTES = 200_000_000
"""Bytes of a table: some million rows."""
MAX_HEADER = 100_000
"""Bytes of its first line."""
UNREADABLE = (OSError, UnicodeDecodeError, csv.Error)
"""What reading a table raises where it is damaged or may not be read."""
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]], *, exact: bool = False) -> None:
    """Write a table whole, row by row as they come. None becomes an empty field.

    An `exact` table is for programs: its cells are written as they are, and come back so from `lines`.
    """
    plain = [name in NAMES for name in header]
    with atomic.replacing(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(header)
        for row in rows:
            writer.writerow(row if exact else [_written(v, keep) for keep, v in zip(plain, row, strict=True)])
        text.detach()


def columns(path: Path) -> tuple[str, ...]:
    """Names of a table's columns; none if it is not there."""
    try:
        with opening.plain(path) as file:
            return tuple(next(csv.reader([file.readline(MAX_HEADER).decode("utf-8-sig")]), ()))
    except FileNotFoundError:
        return ()
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise StoreError(f"{path} cannot be read: {error}. Delete it: it is made again.") from None


def read(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """These columns of a table that `write` made; no rows if it is not there."""
    try:
        reader = csv.DictReader(io.StringIO(atomic.read_bytes(path, MAX_BYTES).decode("utf-8-sig"), newline=""))
        header = columns if reader.fieldnames is None else reader.fieldnames  # an empty file has no rows, either
        missing = [name for name in columns if name not in header]
        rows = list(reader)
    except FileNotFoundError:
        return []
    except UNREADABLE as error:
        raise StoreError(f"{path} cannot be read: {error}. Delete it: it is made again.") from None
    if missing:
        raise StoreError(f"{path} has no column {missing[0]}: it was changed. Delete it: it is made again.")
    return [{name: _arm(name, row[name] or "") for name in columns} for row in rows]


def lines(path: Path) -> Iterator[list[str]]:
    """Every line of an exact table, its header first, one by one.

    FileNotFoundError where there is none; UNREADABLE, also later on, where it is no table.
    """
    text = io.TextIOWrapper(io.BytesIO(atomic.read_bytes(path, MAX_BYTES)), "utf-8-sig", newline="\n")
    return csv.reader(text, strict=True)


def _written(value: object, plain: bool) -> object:
    """A cell; a text holds nothing that a terminal obeys, and unless it is a name nothing that a spreadsheet does."""
    if not isinstance(value, str):
        return value
    text = foreign.harmless(value)
    return "'" + text if text.startswith(FORMULA) and not plain else text


def _arm(column: str, text: str) -> str:
    return text[1:] if column not in NAMES and text.startswith("'") and text[1:].startswith(FORMULA) else text
