"""The report: one folder, `report/`, that opens from disk with no network and stands alone when it is copied.

`build` lays it out. What a case says is `cases.py`'s, the list of all cases `table.py`'s, the tables on the first
page `overview.py`'s, the pictures `pictures.py`'s; `page/` holds what the browser runs, as it is. Nothing is
measured here, and no restoration is decoded. A second build writes only what has changed.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Collection, Sequence
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any

from fsrbench import execute, images
from fsrbench.report import cases, overview, pictures, table
from fsrbench.report.cases import Entry
from fsrbench.results import Results

FOLDER = "report"
CHUNK = 50
"""Cases whose details lie in one file: few files to write, little to load for one look."""
SCRIPTS = ("base.js", "list.js", "viewer.js", "case.js", "main.js")
"""In the order in which the page loads them: classic scripts, since modules do not load from disk."""


def build(results: Results, stale: Collection[str] = ()) -> Path:
    """Write the report of an evaluation, or bring it up to date; returns the page to open.

    `stale` names plots of the folder that show other numbers than this evaluation's; they are left out.
    """
    root = results.root / FOLDER
    entries = cases.entries(results)
    gallery = pictures.Gallery(root / "pictures")
    told = _tell(results, entries, gallery)
    _write_chunks(root / "cases", told)
    plots = pictures.plots(results.root / "plots", root / "plots", stale)
    _write(root / "data.js", _script("fsr.setData", _json(table.columns(results, entries, told, CHUNK))))
    for name in ("style.css", *SCRIPTS):
        _write(root / name, resources.files(__package__).joinpath("page", name).read_text(encoding="utf-8"))
    _write(root / "index.html", overview.page(results, entries, plots, SCRIPTS))
    gallery.sweep()
    return root / "index.html"


def _tell(results: Results, entries: list[Entry], gallery: pictures.Gallery) -> list[dict[str, Any]]:
    """Everything about each case, in the order of `entries`."""
    teller = cases.Teller(results, gallery)
    numbered = execute.run(partial(_numbered, teller), list(enumerate(entries)), min(4, os.cpu_count() or 1))
    return [told for _, told in sorted(numbered, key=lambda pair: pair[0])]


def _numbered(teller: cases.Teller, entry: tuple[int, Entry]) -> tuple[int, dict[str, Any]]:
    return entry[0], teller.tell(entry[1])


def _write_chunks(folder: Path, told: list[dict[str, Any]]) -> None:
    """The details of all cases, CHUNK to a file; files of an earlier, longer report go."""
    starts = range(0, len(told), CHUNK)
    names = [f"{number:03}.js" for number in range(len(starts))]
    for number, (start, name) in enumerate(zip(starts, names, strict=True)):
        _write(folder / name, _cases(number, told[start : start + CHUNK]))
    for path in folder.glob("*.js"):
        if path.name not in names and re.fullmatch(r"\d{3,}\.js", path.name):
            path.unlink()


def _cases(number: int, told: Sequence[dict[str, Any]]) -> str:
    """The script of one chunk. Long texts become numbers of lines that stand once: prompts differ in few of them."""
    lines: dict[str, int] = {}

    def shared(value: object) -> list[int]:
        if not isinstance(value, cases.Text):
            raise TypeError(f"{type(value).__name__} does not go into a report")
        return [lines.setdefault(line, len(lines)) for line in value.words.split("\n")]

    details = _json(told, shared)  # before the lines, which it finds
    return _script("fsr.setCases", str(number), _json(list(lines)), details)


def _json(value: Any, other: Callable[[object], object] | None = None) -> str:
    """JSON that cannot end its script, nor be markup: what could stands escaped."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=other)
    for mark in "<>&\u2028\u2029":
        text = text.replace(mark, f"\\u{ord(mark):04x}")
    return text


def _script(function: str, *values: str) -> str:
    """A script that hands values, given as JSON, to a function of the page."""
    return f"{function}({','.join(values)});\n"


def _write(path: Path, text: str) -> None:
    """Write a file whole, unless it says the same already."""
    data = text.encode("utf-8", errors="replace")
    if not path.is_file() or path.read_bytes() != data:
        images.write_bytes(path, data)
