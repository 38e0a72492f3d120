"""A study, from settings to a finished folder: pure and every arm, on every case, in every family.

The whole of it fits this screen; each step is one call into the module that does it. Evaluation comes
after, from what is stored.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from fsrbench import evidence, execute, inputs, prompts, record, unit
from fsrbench.config import Settings
from fsrbench.errors import CostLimitReached
from fsrbench.plugins import Machine
from fsrbench.store import RunFolder
from fsrbench.unit import Bench
from fsrbench.values import Case, Failure

log = logging.getLogger("fsrbench")


@dataclass(frozen=True)
class Outcome:
    """What a run came to."""

    folder: RunFolder
    """Where it is."""
    cases: int
    """Cases in the study."""
    done: int
    """Units (case × family) that were worked on now; the others were finished before."""
    failures: list[Failure]
    """What is still missing, now and from before."""
    stopped: str = ""
    """Why the run ended before its end (the cost limit); the next one goes on."""


def run(settings: Settings, machine: Machine, lr: Path, hr: Path | None, out: Path, *,
        limit: int | None = None, workers: int = 1, track: execute.Track = execute.untracked) -> Outcome:  # fmt: skip
    """Run what is missing in `out`; what is there already is left as it is."""
    folder = RunFolder(out)
    cases, notes = inputs.pair(lr, hr, limit)
    for note in notes:
        log.warning(note)
    auditors = unit.open_auditors(settings, machine)
    asked = {family: prompts.read(family, f.prompt).sha256 for family, f in settings.families.items() if auditors}
    attempted: set[tuple[str, str]] = set()
    failures: list[Failure] = []
    look: evidence.Tools | None = None
    stopped = ""
    with folder.locked():
        study = record.describe(settings, machine, (lr, hr), asked)
        study = record.join(folder.study() if folder.study_file.is_file() else None, study, out)
        folder.write_study(study)
        try:
            for family in settings.families:
                todo = [case for case in cases if unit.missing(folder, family, case, settings.arms)]
                if not todo:
                    continue
                look = look or (evidence.open_tools(machine) if auditors else None)
                bench = unit.open_family(family, settings, machine, auditors, look, folder)
                opened = {
                    "weights": {family: dict(bench.pipeline.restorer.weights)},
                    "evidence": look.available if look else {},
                }
                study = record.join(study, {**study, **opened}, out)
                folder.write_study(study)
                if auditors and family not in study["dead_knobs"]:
                    study = _warn_of_dead_knobs(folder, study, bench, todo)
                outcomes = execute.run(partial(unit.run_case, bench), todo, workers)
                for case, failed in track(family, outcomes, len(todo)):
                    attempted.add((family, case))
                    failures.extend(failed)
        except CostLimitReached as error:
            stopped = str(error)
        finally:
            failures = folder.write_failures(failures, attempted)
            folder.write_run_config()
    return Outcome(folder, len(cases), len(attempted), failures, stopped)


def _warn_of_dead_knobs(
    folder: RunFolder, study: Mapping[str, Any], bench: Bench, cases: Sequence[Case]
) -> dict[str, Any]:
    """Before an auditor is offered a knob: does it move anything? Said now, recorded, and said in the summary."""
    dead = unit.dead_knobs(bench, cases[:2])
    if dead:
        log.warning(
            f"{bench.family}: {', '.join(dead)} moves no pixel on this backend; asking for it asks for nothing."
        )
    joined = record.join(study, {**study, "dead_knobs": {bench.family: dead}}, folder.root)
    folder.write_study(joined)
    return joined
