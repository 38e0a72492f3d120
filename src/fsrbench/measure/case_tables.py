"""Tables that lie beside pictures and say more of each case: which person it shows, and how its input was made."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from pathlib import Path

from fsrbench.case import degradations
from fsrbench.core.errors import FsrbenchError, InputError, StoreError
from fsrbench.files import csvfile


def clusters(table: Path | None, cases: Iterable[str]) -> dict[str, str] | None:
    """Case → person, from a table with the columns `case` and `cluster`; a table of other cases is refused."""
    if table is None:
        return None
    if not table.is_file():
        raise InputError(
            f"Setting clusters: {table} is not there. It is a CSV table with the columns case and cluster."
        )
    try:
        rows = csvfile.read(table, ("case", "cluster"))
    except StoreError:
        raise InputError(
            f"Setting clusters: {table} cannot be used. It is a CSV table in UTF-8 with the columns case and cluster."
        ) from None
    found: dict[str, str] = {}
    for row in rows:
        if found.setdefault(row["case"], row["cluster"]) != row["cluster"]:
            raise InputError(f"Setting clusters: {table} puts {row['case']} into two clusters. Leave one of its rows.")
    if found.keys().isdisjoint(cases):
        raise InputError(
            f"Setting clusters: {table} names no case of this evaluation. Its column case holds case ids: names of "
            "pictures without their suffix."
        )
    return found


@dataclass(frozen=True)
class Degraded(Mapping[str, Mapping[str, str]]):
    """Rows of `degradations.csv`, each put together when its turn comes: packed, it takes an eighth of the room."""

    columns: tuple[str, ...]
    """What its cells are."""
    cells: dict[str, bytes]
    """Case → its cells, as compressed JSON."""

    def __getitem__(self, case: str) -> Mapping[str, str]:
        return dict(zip(self.columns, json.loads(zlib.decompress(self.cells[case])), strict=True))

    def __iter__(self) -> Iterator[str]:
        return iter(self.cells)

    def __len__(self) -> int:
        return len(self.cells)


def degraded(lr: Path, cases: Set[str]) -> tuple[Mapping[str, Mapping[str, str]], tuple[str, ...]]:
    """How these inputs were made, by the table that `degrade` left beside them, and a note where it cannot be read."""
    table, columns = lr / degradations.TABLE, tuple[str, ...]()
    cells: dict[str, bytes] = {}
    try:
        for row in degradations.read_rows(table) if table.is_file() else ():
            if row["case"] in cases:
                columns, cells[row["case"]] = tuple(row), zlib.compress(json.dumps(list(row.values())).encode(), 1)
    except FsrbenchError as error:  # nothing is measured by it: only the plot of strength needs it
        return {}, (f"How the inputs were degraded is not known: {error}",)
    return Degraded(columns, {case: cells[case] for case in sorted(cases) if case in cells}), ()
