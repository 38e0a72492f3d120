"""From saved pictures to everything that people look at: scores, summary, tables, panels.

`run`, `evaluate` and `demo` end here. Measuring is `evaluate.py`'s, drawing `panels.py`'s.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fsrbench import evaluate, execute, images, panels, subjects, tables
from fsrbench import summary as summarising
from fsrbench.config import Settings
from fsrbench.errors import FsrbenchError
from fsrbench.execute import Track
from fsrbench.plugins import Machine
from fsrbench.results import Numbers
from fsrbench.store import RunFolder
from fsrbench.subjects import Evaluation, Subject
from fsrbench.values import Score


def run(folder: RunFolder, machine: Machine, workers: int, track: Track) -> dict[str, Any]:
    """Evaluate a run's folder as its settings say, and write all of it; returns the summary."""
    settings = Settings.model_validate(folder.study()["settings"])
    return publish(subjects.of_run(folder, settings), folder, machine, workers, track)


def publish(what: Evaluation, folder: RunFolder, machine: Machine, workers: int, track: Track) -> dict[str, Any]:
    """Measure, then write scores.csv, summary.json, summary.md, a panel for each case and the contact sheet."""
    with folder.locked():
        return _publish(what, folder, machine, workers, track)


def _publish(what: Evaluation, folder: RunFolder, machine: Machine, workers: int, track: Track) -> dict[str, Any]:
    scores = evaluate.measure(what, machine, workers, track)
    summary = summarising.summarise(what, Numbers(scores), folder.failures())
    evaluate.write_scores(folder.root / "scores.csv", scores)
    write_summary(folder.root, summary)
    draw_panels(what, scores, summary, folder.root, workers, track)
    sheet = folder.root / "contact_sheet.png"
    try:
        images.write(sheet, panels.sheet(what, scores, summary))
    except FsrbenchError:
        sheet.unlink(missing_ok=True)  # a picture is gone or damaged: scores.csv says which and why
    return summary


def write_summary(out: Path, summary: Mapping[str, Any]) -> None:
    """Store the summary for programs and for people."""
    text = json.dumps(summary, ensure_ascii=False, indent=1, allow_nan=False) + "\n"
    images.write_bytes(out / "summary.json", text.encode())
    images.write_bytes(out / "summary.md", tables.markdown(summary).encode())


def draw_panels(
    what: Evaluation, scores: Sequence[Score], summary: Mapping[str, Any], out: Path, workers: int, track: Track
) -> None:
    """Draw every case's panel."""
    by_case: dict[tuple[str, str], list[Score]] = {}
    for score in scores:
        by_case.setdefault((score.family, score.case), []).append(score)

    def one(subject: Subject) -> None:
        own = by_case.get((subject.family, subject.case), [])
        path = out / subject.family / "panels" / f"{subject.case}.png"
        try:
            panel = panels.draw(subject, own, what, summary)
        except FsrbenchError:
            path.unlink(missing_ok=True)  # a picture is gone or damaged: scores.csv says which and why
            return
        images.write(path, panel)

    for _ in track("panels", execute.run(one, what.subjects, workers), len(what.subjects)):
        pass
