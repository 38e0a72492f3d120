"""A study, from settings to a finished folder: pure and every arm, on every case, in every family.

The whole of it fits this screen; each step is one call into the module that does it. Evaluation comes
after, from what is stored.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from fsrbench import execute, inputs, ledger, record, unit, workshop
from fsrbench.config import Settings
from fsrbench.errors import CostLimitReached, WeightsError
from fsrbench.plugins import Machine
from fsrbench.store import RunFolder
from fsrbench.values import PURE, Case, Failure
from fsrbench.workshop import Crew, Executor

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
    """What was tried now and did not work out."""
    stopped: str = ""
    """Why the run ended before its end (the cost limit); the next one goes on."""


def run(settings: Settings, machine: Machine, lr: Path, hr: Path | None, out: Path, *,
        limit: int | None = None, workers: int = 1, track: execute.Track = execute.untracked,
        executor: Executor = workshop.local) -> Outcome:  # fmt: skip
    """Run what is missing in `out`; what is there already is left as it is."""
    folder = RunFolder(out)
    cases, notes = inputs.pair(lr, hr)
    for note in notes:
        log.warning(note)
    audited = any(arm.auditor for arm in settings.arms.values())
    done: set[tuple[str, str]] = set()
    failures: list[Failure] = []
    unopened: list[WeightsError] = []
    stopped = ""
    with executor(settings, machine, folder, workers) as crew, folder.locked():
        described = record.describe(settings, machine, (lr, hr), unit.asked(settings) if audited else {})
        study = folder.write_study(record.join(folder.started(), described, out))
        try:
            for family in settings.families:
                todo = [case for case in cases[:limit] if unit.missing(folder, family, case, settings.arms)]
                if not todo:
                    continue
                try:
                    opened = crew.open(family)
                except WeightsError as error:  # it costs this family alone
                    unopened.append(error)
                    failures += [Failure(family, case.id, PURE, str(error)) for case in todo]
                    continue
                known = {"weights": {family: opened.weights}, "evidence": opened.evidence}
                if audited and family not in study["dead_knobs"]:
                    known["dead_knobs"] = _dead_knobs(crew, family, todo)
                study = folder.write_study(record.join(study, {**study, **known}, out))
                for case, failed in track(family, crew.run(family, todo), len(todo)):
                    done.add((family, case))
                    failures.extend(failed)
                study = folder.write_study(
                    record.join(study, {**study, "weights": {family: crew.weights(family)}}, out)
                )
        except CostLimitReached as error:
            stopped = str(error)
        finally:
            tried = done | {(failure.family, failure.case) for failure in failures}
            folder.write_failures(failures, partial(_settled, settings, {case.id for case in cases}, tried))
            folder.write_run_config()
            ledger.settle(folder)
    if unopened and not done:
        raise unopened[0]
    return Outcome(folder, len(cases[:limit]), len(done), failures, stopped)


def _dead_knobs(crew: Crew, family: str, todo: Sequence[Case]) -> dict[str, list[str]]:
    """Which offered knobs are dead; nothing is known where no case could be read."""
    found = crew.dead_knobs(family, todo)
    for knob in found or ():
        log.warning(f"{family}: {knob} moves no pixel on this backend; asking for it is asking for nothing.")
    return {} if found is None else {family: found}


def _settled(settings: Settings, cases: set[str], tried: set[tuple[str, str]], earlier: Failure) -> bool:
    """Was an earlier failure taken up again now, or is its case gone?"""
    if earlier.family not in settings.families:
        return False
    taken_up = (earlier.family, earlier.case) in tried and earlier.arm in (PURE, *settings.arms)
    return taken_up or earlier.case not in cases
