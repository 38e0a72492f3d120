"""From saved pictures to everything that people look at: scores, summary, tables, panels.

`run`, `evaluate` and `demo` end here. Measuring is `evaluate.py`'s, drawing `panels.py`'s.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fsrbench import evaluate, execute, images, panels, tables
from fsrbench.errors import FsrbenchError
from fsrbench.evaluate import Evaluation, Subject
from fsrbench.execute import Track
from fsrbench.plugins import Machine
from fsrbench.store import RunFolder, read_csv
from fsrbench.values import Score


def run(folder: RunFolder, machine: Machine, workers: int, track: Track) -> dict[str, Any]:
    """Evaluate a run's folder as its settings say, and write all of it; returns the summary."""
    what, _ = evaluate.of_run(folder)
    return publish(what, folder.root, machine, workers, track)


def publish(what: Evaluation, out: Path, machine: Machine, workers: int, track: Track) -> dict[str, Any]:
    """Measure, then write scores.csv, summary.json, summary.md and a panel for each case."""
    scores = evaluate.measure(what, machine, workers, track)
    summary = evaluate.summarise(what, scores, read_csv(out / "failures.csv"))
    evaluate.write_scores(out / "scores.csv", scores)
    write_summary(out, summary)
    draw_panels(what, scores, summary, out, workers, track)
    with contextlib.suppress(FsrbenchError):  # a picture is gone or damaged: scores.csv says which and why
        images.write(out / "contact_sheet.png", panels.sheet(what, scores, summary))
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
        try:
            panel = panels.draw(subject, own, what, summary)
        except FsrbenchError:
            return  # a picture is gone or damaged: scores.csv says which and why
        images.write(out / subject.family / "panels" / f"{subject.case}.png", panel)

    for _ in track("panels", execute.run(one, what.subjects, workers), len(what.subjects)):
        pass
