"""The page as a folder that opens from disk on anyone's machine, with no network: `index.html` and the pictures.

It asks for a name, keeps the choices in the browser, and gives them back as a file. Whose name it will be is not known
here: several sheets are drawn, and a name decides which of them its bearer has.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from fsrbench.core.errors import SettingsError
from fsrbench.core.execute import Track
from fsrbench.files import atomic
from fsrbench.measure.subjects import Evaluation
from fsrbench.show.rating import document, sheets
from fsrbench.show.rating.sheets import RatedPair, SheetPlan, Showing
from fsrbench.show.rating.shots import BlindNames, Shots
from fsrbench.study.paths import RunPaths

SHEETS = 12
"""Orders that are drawn: persons whose names lead to different ones see the pairs in different orders."""


def write(
    folder: RunPaths,
    what: Evaluation,
    pairs: Sequence[RatedPair],
    plan: SheetPlan,
    target: Path,
    track: Track,
    *,
    reference: bool,
) -> Path:
    """Write the folder; returns the page to open."""
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise SettingsError(f"--export {target}: there is something already. Name a folder that is not there yet.")
    drawn = [sheets.sheet(pairs, plan, f"sheet {number}") for number in range(SHEETS)]
    shown = [Showing(pair.family, pair.case, *pair.arms) for pair in pairs]
    shots = Shots(what, shown, BlindNames.of(folder), reference=reference)
    told = [[shots.told(one) for one in sheet] for sheet in drawn]
    names = shots.names()
    for name in track("export", names, len(names)):
        atomic.write_bytes(target / "pictures" / f"{name}.png", shots.png(name) or b"")
    known = hashlib.sha256("".join(names).encode()).hexdigest()[:16]
    html = document.html({"export": known, "sheets": told}, reference=reference)
    atomic.write_bytes(target / "index.html", html.encode())
    return target / "index.html"
