"""What lies in a folder of outputs: runs, evaluations of plain folders, comparisons; and what is none of them.

Nothing is opened that takes long: trails are counted, not read. What is broken or foreign is told in a word.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypeAlias

from fsrbench.core.errors import FsrbenchError, InputError
from fsrbench.core.values import PURE
from fsrbench.files import locks
from fsrbench.imaging import images
from fsrbench.measure import summary_file
from fsrbench.measure.summary_values import Summary
from fsrbench.study.store import RunFolder

Kind: TypeAlias = Literal["run", "sweep", "headroom", "evaluation", "comparison", "broken", "foreign"]
State: TypeAlias = Literal["running", "interrupted", "not evaluated", "evaluated before it went on", "evaluated", ""]
MARKS: Mapping[str, Kind] = {"compare.json": "comparison", "sweep.json": "sweep", "headroom.json": "headroom"}
"""A file that says what a folder is."""


@dataclass(frozen=True, slots=True)
class FamilyProgress:
    """How far a family of a run is."""

    finished: int
    """Cases with a trail: pure is there, and every arm that did not fail."""
    failed: int
    """Cases in which something failed, pure or an arm; the run's command takes them up again."""
    waiting: int | None
    """Inputs that were not tried, as those beyond --limit; None where the folder of inputs is gone."""


@dataclass(frozen=True, slots=True)
class Shelved:
    """One folder among the outputs."""

    name: str
    """Its name."""
    path: str
    """Where it lies."""
    kind: Kind
    """What it is."""
    changed: str
    """When something in it last changed, in UTC, to the second."""
    bytes: int
    """What it takes on the disk; a file with two names counts once."""
    why: str = ""
    """What is wrong with it, or why it is none of ours."""
    started: str = ""
    """Day on which it was begun, in UTC."""
    families: dict[str, str] = field(default_factory=dict)
    """Family → its backend, and whose weights."""
    arms: dict[str, str] = field(default_factory=dict)
    """Arm → who looked, with which model; or how it intervened."""
    progress: dict[str, FamilyProgress] = field(default_factory=dict)
    """Family → how far it is."""
    state: State = ""
    """How far the whole is; empty where it is no run."""


def shelf(folder: Path) -> list[Shelved]:
    """Everything in a folder, newest first; a run's own folder is told alone."""
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder}. Runs lie where --out said, usually in outputs/.")
    if RunFolder(folder).study_file.is_file():
        return [_told(folder)]
    found = [_told(path) for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")]
    return sorted(found, key=lambda one: (one.changed, one.name), reverse=True)


def _told(path: Path) -> Shelved:
    """One folder, whatever it holds."""
    changed, size = "", 0
    try:
        times, size = _weighed(path)
        changed = datetime.fromtimestamp(times, UTC).isoformat(timespec="seconds").removesuffix("+00:00")
        kind, told = _contents(RunFolder(path))
    except (FsrbenchError, OSError) as error:
        kind, told = "broken", {"why": str(error)}
    return Shelved(path.resolve().name, str(path), kind, changed, size, **told)


def _weighed(root: Path) -> tuple[float, int]:
    """When something below last changed, and how much it takes. No link is followed."""
    newest, seen, size = root.stat().st_mtime, set[tuple[int, int]](), 0
    for folder, _, files in os.walk(root):
        for name in files:
            found = os.lstat(os.path.join(folder, name))
            newest = max(newest, found.st_mtime)
            if (found.st_dev, found.st_ino) not in seen:
                seen.add((found.st_dev, found.st_ino))
                size += found.st_size
    return newest, size


def _contents(folder: RunFolder) -> tuple[Kind, dict[str, Any]]:
    """What a folder is, and what there is to say of it."""
    mark = next((kind for name, kind in MARKS.items() if (folder.root / name).is_file()), None)
    if folder.study_file.is_file():
        return mark or "run", _run(folder)
    if mark is not None:
        return mark, {}
    if folder.summary_file.is_file():
        summary = summary_file.read(folder.summary_file)
        return "evaluation", {"arms": dict.fromkeys(summary.roles, "pictures from elsewhere"), "state": "evaluated"}
    return "foreign", {"why": "no run: it holds no study.yaml"}


def _run(folder: RunFolder) -> dict[str, Any]:
    study, summary = folder.study(), _summary(folder)
    settings = study["settings"]
    progress = dict(_progress(folder, study))
    return {
        "started": str(study.get("started", ""))[:10],
        "families": {family: _network(study, family) for family in settings["families"]},
        "arms": {arm: _who(own, summary, arm) for arm, own in settings["arms"].items()},
        "progress": progress,
        "state": _state(folder, any(one.waiting for one in progress.values())),
    }


def _summary(folder: RunFolder) -> Summary | None:
    """What the last evaluation came to; a summary that cannot be read makes the folder broken."""
    try:
        return summary_file.read(folder.summary_file)
    except FileNotFoundError:
        return None


def _network(study: Mapping[str, Any], family: str) -> str:
    """`realesrgan (embedded)`, `bsrgan (mine.pth)`, `bicubic`."""
    chosen = study["settings"]["families"][family]
    whose = chosen.get("model") or study["settings"]["models"]
    return f"{chosen['backend']} ({whose})" if study["weights"].get(family) else str(chosen["backend"])


def _who(arm: Mapping[str, Any], summary: Summary | None, name: str) -> str:
    """`openai gpt-4o, guarded`, `heuristic, paper`, `constant`."""
    if arm.get("auditor") is None:
        return str(arm.get("way", "audit"))
    asked = summary.run.arms.get(name) if summary is not None and summary.run is not None else None
    models = asked.models if asked is not None else ()
    model = ", ".join(models) or str(arm.get("model") or "")
    return f"{arm['auditor']} {model}".rstrip() + f", {arm.get('policy', 'paper')}"


def _progress(folder: RunFolder, study: Mapping[str, Any]) -> Iterator[tuple[str, FamilyProgress]]:
    inputs = Path(study["inputs"]["lr"])
    cases = len(images.find(inputs)) if inputs.is_dir() else None
    failures = folder.failures()
    stored = [path.parent.name for path in folder.stored()]
    for family in study["settings"]["families"]:
        finished = stored.count(family)
        failed = {one.case for one in failures if one.family == family}
        lost = {one.case for one in failures if one.family == family and one.arm == PURE}
        waiting = None if cases is None else max(0, cases - finished - len(lost))
        yield family, FamilyProgress(finished, len(failed), waiting)


def _state(folder: RunFolder, waiting: bool) -> State:
    if locks.is_held(folder.lock):
        return "running"
    trails = [one.stat().st_mtime for one in (folder.root / "trails").glob("*")]
    evaluated = folder.summary_file.stat().st_mtime if folder.summary_file.is_file() else None
    if evaluated is not None and evaluated >= max(trails, default=0.0):
        return "evaluated"
    if waiting:
        return "interrupted"
    return "not evaluated" if evaluated is None else "evaluated before it went on"
