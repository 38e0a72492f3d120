"""The report: one folder, `report/`, that opens from disk with no network and stands alone when it is copied.

`build` lays it out. What a case says is `cases.py`'s, the list of all cases `table.py`'s, the tables on the first
page `overview.py`'s, the strip of pictures above them `strip.py`'s, the pictures `pictures.py`'s; `page/` holds what
the browser runs, as it is. Nothing is measured here, and no restoration is decoded but those few whose difference from
pure opens the first page. A second build writes only what has changed.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from importlib import resources
from operator import itemgetter
from pathlib import Path
from typing import Any

from fsrbench.core import execute, order
from fsrbench.core.execute import Track, untracked
from fsrbench.core.values import PURE
from fsrbench.files import atomic
from fsrbench.measure.results import Results
from fsrbench.show import inline
from fsrbench.show.report import cases, overview, pictures, places, strip, table
from fsrbench.show.report.cases import Entry, Told
from fsrbench.study.store import RunFolder

CHUNK = 50
"""Cases whose details lie in one file: few files to write, little to load for one look."""
SCRIPTS = ("base.js", "list.js", "viewer.js", "case.js", "main.js")
"""In the order in which the page loads them: classic scripts, since modules do not load from disk."""


def build(results: Results, stale: Collection[str] = (), track: Track = untracked) -> Path:
    """Write the report of an evaluation, or bring it up to date; returns the page to open.

    `stale` names plots of the folder that show other numbers than this evaluation's; they are left out.
    """
    folder = RunFolder(results.root)
    root = folder.report
    entries = cases.entries(results)
    gallery = pictures.Gallery(root / places.PICTURES)
    teller = cases.Teller(results, gallery)
    picked = strip.pick(results, entries)
    shown = {(entry.family, entry.case): dict[str, Any]() for entry, _ in picked.cases}
    rows = _write_cases(root / places.CASES, entries, teller, shown, track)
    opening = strip.tell(results, picked, shown, gallery)
    plots = pictures.plots(folder.plots, root / places.PLOTS, stale)
    _write(root / places.DATA, _script("fsr.setData", inline.as_json(table.data(results, entries, rows, CHUNK))))
    for name in (places.STYLE, *SCRIPTS):
        _write(root / name, _asset(name))
    judged = folder.judged_page.is_file()
    if judged:
        _write(root / places.JUDGES, folder.judged_page.read_text(encoding="utf-8"))
    else:
        atomic.remove(root / places.JUDGES)
    _write(folder.report_page, overview.page(results, entries, opening, plots, SCRIPTS, judged=judged))
    gallery.sweep()
    return folder.report_page


def _write_cases(
    folder: Path,
    entries: Sequence[Entry],
    teller: cases.Teller,
    shown: dict[tuple[str, str], dict[str, Any]],
    track: Track,
) -> table.Rows:
    """The details of all cases, CHUNK to a file, and their rows; files of an earlier, longer report go.

    One file is told at a time: what is told of a case takes many times the room of its row. What is told of the
    pictures of those (family, case) that `shown` names is kept there.
    """
    what = teller.results.what
    arms = order.arms((arm for entry in entries for arm in entry.arms or (PURE,)), what.roles)
    rows, names = table.Rows(what.metrics, arms), set()
    starts = range(0, len(entries), CHUNK)
    for number, start in enumerate(track("report", starts, len(starts))):
        told = _tell(teller, entries[start : start + CHUNK])
        names.add(places.chunk(number))
        _write(folder / places.chunk(number), _cases(number, [one.details for one in told]))
        for entry, one in zip(entries[start : start + CHUNK], told, strict=True):
            rows.add(one)
            if (entry.family, entry.case) in shown:
                shown[entry.family, entry.case] = one.details["pictures"]
    for path in folder.glob("*.js"):
        if path.name not in names and places.CHUNK.fullmatch(path.name):
            atomic.remove(path)
    return rows


def style() -> str:
    """How the report looks: colours, type and controls, for other pages of the house too."""
    return _asset(places.STYLE)


def _asset(name: str) -> str:
    return resources.files(__package__).joinpath("page", name).read_text(encoding="utf-8")


def _tell(teller: cases.Teller, entries: Sequence[Entry]) -> list[Told]:
    """Everything about each case, in the order of `entries`."""

    def tell(place: int) -> tuple[int, Told]:
        return place, teller.tell(entries[place])

    numbered = execute.run(tell, range(len(entries)), min(4, execute.cores()))
    return [told for _, told in sorted(numbered, key=itemgetter(0))]


def _cases(number: int, told: Sequence[dict[str, Any]]) -> str:
    """The script of one chunk. Long texts become numbers of lines that stand once: prompts differ in few of them."""
    lines: dict[str, int] = {}

    def shared(value: object) -> list[int]:
        if not isinstance(value, cases.NumberedText):
            raise TypeError(f"{type(value).__name__} does not go into a report")
        return [lines.setdefault(line, len(lines)) for line in value.words.split("\n")]

    details = inline.as_json(told, shared)  # before the lines, which it finds
    return _script("fsr.setCases", str(number), inline.as_json(list(lines)), details)


def _script(function: str, *values: str) -> str:
    """A script that hands values, given as JSON, to a function of the page."""
    return f"{function}({','.join(values)});\n"


def _write(path: Path, text: str) -> None:
    """Write a file whole, unless it says the same already."""
    data = text.encode("utf-8", errors="replace")
    if not path.is_file() or path.read_bytes() != data:
        atomic.write_bytes(path, data)
