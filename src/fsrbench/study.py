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

from fsrbench import evidence, execute, inputs, record, unit
from fsrbench.config import Settings
from fsrbench.errors import CostLimitReached
from fsrbench.plugins import Machine
from fsrbench.store import RunFolder
from fsrbench.unit import Bench
from fsrbench.values import PURE, Case, Failure

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
        limit: int | None = None, workers: int = 1, track: execute.Track = execute.untracked) -> Outcome:  # fmt: skip
    """Run what is missing in `out`; what is there already is left as it is."""
    folder = RunFolder(out)
    cases, notes = inputs.pair(lr, hr)
    for note in notes:
        log.warning(note)
    auditors = unit.open_auditors(settings, machine)
    asked = unit.asked(settings) if auditors else {}
    look: evidence.Tools | None = None
    done: set[tuple[str, str]] = set()
    failures: list[Failure] = []
    stopped = ""
    with folder.locked():
        described = record.describe(settings, machine, (lr, hr), asked)
        study = folder.write_study(record.join(folder.started(), described, out))
        try:
            for family in settings.families:
                todo = [case for case in cases[:limit] if unit.missing(folder, family, case, settings.arms)]
                if not todo:
                    continue
                look = look or (evidence.open_tools(machine) if auditors else None)
                bench = unit.open_family(family, settings, machine, auditors, look, folder)
                study = folder.write_study(record.join(study, {**study, **_opened(bench, look, study, todo)}, out))
                outcomes = execute.run(partial(unit.run_case, bench), todo, workers)
                for case, failed in track(family, outcomes, len(todo)):
                    done.add((family, case))
                    failures.extend(failed)
                study = folder.write_study(record.join(study, {**study, "weights": _weights(bench)}, out))
        except CostLimitReached as error:
            stopped = str(error)
        finally:
            settled = partial(_settled, settings, {case.id for case in cases}, done)
            folder.write_failures(failures, settled)
            folder.write_run_config()
    return Outcome(folder, len(cases[:limit]), len(done), failures, stopped)


def _opened(
    bench: Bench, look: evidence.Tools | None, study: Mapping[str, Any], todo: Sequence[Case]
) -> dict[str, dict[str, Any]]:
    """What is known of a family once it is open: its weights, the instruments, and which offered knobs are dead."""
    dead: dict[str, list[str]] = {}
    if look is not None and bench.family not in study["dead_knobs"]:
        found = unit.dead_knobs(bench, todo)
        dead = {} if found is None else {bench.family: found}
        for knob in found or ():
            log.warning(f"{bench.family}: {knob} moves no pixel on this backend; asking for it is asking for nothing.")
    return {"weights": _weights(bench), "evidence": look.available if look else {}, "dead_knobs": dead}


def _weights(bench: Bench) -> dict[str, Any]:
    return {bench.family: dict(sorted(bench.pipeline.restorer.weights.items()))}


def _settled(settings: Settings, cases: set[str], done: set[tuple[str, str]], earlier: Failure) -> bool:
    """Was an earlier failure taken up again now, or is its case gone?"""
    if earlier.family not in settings.families:
        return False
    taken_up = (earlier.family, earlier.case) in done and earlier.arm in (PURE, *settings.arms)
    return taken_up or earlier.case not in cases
