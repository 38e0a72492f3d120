"""A finished run as it was last evaluated: opened again, its numbers taken as they stand. Nothing is measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fsrbench.core.errors import InputError, SettingsError, StoreError
from fsrbench.measure import scores, subjects, summary_file
from fsrbench.measure.results import Numbers
from fsrbench.measure.subjects import Evaluation
from fsrbench.measure.summary_values import Summary
from fsrbench.study import config
from fsrbench.study.schema import Settings
from fsrbench.study.store import RunFolder


@dataclass(frozen=True)
class EvaluatedRun:
    """A run whose numbers are read back."""

    name: str
    """What it is called beside other runs."""
    folder: RunFolder
    """Its files."""
    study: Mapping[str, Any]
    """What `study.yaml` says of it."""
    settings: Settings
    """Its settings, as it was last evaluated."""
    what: Evaluation
    """Its cases, metrics and arms."""
    numbers: Numbers
    """Its scores."""
    summary: Summary
    """What its last evaluation came to."""


def settings(folder: RunFolder, changes: Iterable[str] = ()) -> Settings:
    """A run's settings with the metrics and references of its last evaluation, and `changes` over them.

    Where the last evaluation is not known, the run's own hold. Which table of persons it used is not kept: where it
    used one, it must be said again.
    """
    given, file = list(changes), folder.summary_file
    if file.is_file() and not folder.study_file.is_file():
        raise SettingsError(
            f"{folder.root} was evaluated from plain folders, which it does not know: its report is made again by the "
            "same fsrbench evaluate --arm pure=DIR …"
        )
    try:
        found = summary_file.read(file)
    except (FileNotFoundError, StoreError):
        return config.load(None, given, folder.study()["settings"])[0]
    measured = [f"metrics={','.join(found.metrics)}", f"hr_size={found.inputs.hr_size}"]
    chosen, _ = config.load(None, [*measured, *given], folder.study()["settings"])
    if found.statistics.clusters and chosen.clusters is None and not any(one.startswith("clusters=") for one in given):
        raise SettingsError(
            "The last evaluation counted persons. Say again who is who, --set clusters=FILE, or count cases: "
            "--set clusters=null."
        )
    return chosen


def evaluated(root: Path, name: str, hr: Path | None = None, changes: Iterable[str] = ()) -> EvaluatedRun:
    """A run with the numbers of its last evaluation; `hr` says where its references are now."""
    folder = RunFolder(root)
    if not root.is_dir():
        raise InputError(f"There is no run {root}. Name a run's folder; fsrbench runs lists them.")
    if folder.summary_file.is_file() and not folder.study_file.is_file():
        raise InputError(
            f"{root} was evaluated from plain folders: nothing is known of its inputs, so its cases cannot be paired "
            "with those of a run. Compare folders with each other: fsrbench evaluate --arm pure=DIR --arm other=DIR"
        )
    study = folder.study()
    if not folder.summary_file.is_file() or not folder.scores_file.is_file():
        raise InputError(f"{root} was not evaluated yet: fsrbench evaluate {root}")
    summary = summary_file.read(folder.summary_file)
    chosen = settings(folder, changes)
    what = subjects.of_run(folder, chosen, hr)
    return EvaluatedRun(name, folder, study, chosen, what, Numbers(scores.read(folder.scores_file)), summary)
