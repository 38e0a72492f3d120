"""Everything about a comparison, written into one folder: compare.json, .md, .csv, .tex, the plot, the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from fsrbench.core.errors import SettingsError, StoreError
from fsrbench.core.stored import to_json
from fsrbench.files import atomic, csvfile, names
from fsrbench.measure import between, pairing, reopen
from fsrbench.measure.between_values import RunComparison
from fsrbench.show.between import forms, page, words
from fsrbench.show.plots import between as plot
from fsrbench.study.store import as_json

STEM = "compare"
"""What its files are called."""


def build(
    runs: Sequence[Path], out: Path | None, arms: Sequence[str], hr: Path | None, changes: Sequence[str], outputs: Path
) -> tuple[RunComparison, Path]:
    """Compare finished runs and write what it came to; returns that, and the folder."""
    if any(not one.startswith("clusters=") for one in changes):
        raise SettingsError(
            "A comparison takes runs as they were measured: --set can only say who is who, clusters=FILE."
        )
    named = called(runs)
    folder = out if out is not None else outputs / names.of(f"{STEM}-{'-'.join(named)}", "")
    _free(folder)
    paired = pairing.pair([reopen.evaluated(root, name, hr, changes) for name, root in named.items()])
    found = between.compare(paired, arms)
    found = replace(found, findings=words.tell(found))
    atomic.write_bytes(folder / f"{STEM}.json", as_json(to_json(found)))
    atomic.write_bytes(folder / f"{STEM}.md", forms.markdown(found).encode())
    atomic.write_bytes(folder / f"{STEM}.tex", forms.tex(found).encode())
    csvfile.write(folder / f"{STEM}.csv", forms.HEADER, forms.csv_rows(found))
    drawn = plot.draw(found, folder)
    atomic.write_bytes(folder / "index.html", page.page(found, paired, drawn).encode("utf-8", errors="replace"))
    return found, folder


def called(runs: Sequence[Path]) -> dict[str, Path]:
    """Short name → run: the folder's name, with as many folders above it as tell the runs apart."""
    if len(runs) < 2:
        raise SettingsError("Name two runs or more: fsrbench compare outputs/one outputs/other")
    whole = [run.resolve() for run in runs]
    if len(set(whole)) < len(whole):
        raise SettingsError("A run cannot be set against itself: name each run once.")
    for depth in range(1, max(len(path.parts) for path in whole) + 1):
        short = ["/".join(path.parts[-depth:]) for path in whole]
        if len(set(short)) == len(short):
            break
    return dict(zip(short, runs, strict=True))


def _free(folder: Path) -> None:
    """A folder may be a comparison's that is made anew, or an empty one: nothing of a run is written over."""
    if folder.is_dir() and any(folder.iterdir()) and not (folder / f"{STEM}.json").is_file():
        raise StoreError(f"{folder} holds something else than a comparison. Use another --out.")
