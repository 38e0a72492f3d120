"""A study, from settings to a finished folder: pure and every arm, on every case, in every family.

The whole of it fits this screen; each step is one call into the module that does it. Evaluation comes
after, from what is stored.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from fsrbench.case import liveness
from fsrbench.core import execute
from fsrbench.core.contracts import Machine
from fsrbench.core.errors import CostLimitReached, StoreError, WeightsError
from fsrbench.core.values import PURE, Case, Failure
from fsrbench.study import families, inputs, ledger, record, sheets, unit, workers
from fsrbench.study.schema import Settings
from fsrbench.study.store import RunFolder
from fsrbench.study.workers import Executor, WorkerPool

log = logging.getLogger("fsrbench")
Finished: TypeAlias = Callable[[RunFolder, str, str], None]
"""Is told at once, in the loop of the run, that a case of a family has been worked on; its files are stored."""


def unheeded(_folder: RunFolder, _family: str, _case: str) -> None:
    """Nobody is told."""


@dataclass(frozen=True)
class RunOutcome:
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


def run_study(settings: Settings, machine: Machine, lr: Path, hr: Path | None, out: Path, *,
        limit: int | None = None, workers: int = 1, track: execute.Track = execute.untracked,
        executor: Executor = workers.local, finished: Finished = unheeded) -> RunOutcome:  # fmt: skip
    """Run what is missing in `out`; what is there already is left as it is. `finished` is told of each case."""
    families.check(settings)
    folder = RunFolder(out)
    cases, notes = inputs.pair(lr, hr)
    for note in notes:
        log.warning(note)
    audited = bool(_audited(settings))
    done: set[tuple[str, str]] = set()
    failures: list[Failure] = []
    unopened: list[WeightsError] = []
    stopped = ""
    with executor(settings, machine, folder, workers) as pool, folder.locked():
        study, waiting = recorded(settings, machine, folder, lr, hr), missing(settings, folder, cases[:limit])
        if unasked := families.unasked(folder, waiting, _audited(settings)):
            pool.preflight(unasked)
        folder.write_study(study)
        try:
            for family, todo in waiting.items():
                if not todo:
                    continue
                try:
                    opened = pool.open(family)
                except WeightsError as error:  # it costs this family alone
                    unopened.append(error)
                    failures += [Failure(family, case.id, PURE, str(error)) for case in todo]
                    continue
                known: dict[str, Any] = {"weights": {family: opened.weights}, "evidence": opened.evidence}
                known |= {"promises": {family: dict(opened.promises)}} if opened.promises else {}
                if opened.assumption:
                    log.warning(f"{family}: {opened.assumption}")
                    known["assumptions"] = {family: opened.assumption}
                if audited and family not in study["dead_knobs"]:
                    known |= _tried(pool, family, cases[:limit])
                study = folder.write_study(record.join(study, {**study, **known}, out))
                for outcome in track(family, pool.run(family, todo), len(todo)):
                    done.add((family, outcome.case))
                    failures.extend(outcome.failures)
                    finished(folder, family, outcome.case)
                study = folder.write_study(
                    record.join(study, {**study, "weights": {family: pool.weights(family)}}, out)
                )
        except CostLimitReached as error:
            stopped = str(error)
        finally:
            tried = done | {(failure.family, failure.case) for failure in failures}
            folder.write_failures(failures, partial(_settled, settings, {case.id for case in cases}, tried))
            folder.write_study(record.join(study, _taken_back(folder, study, done), out))
            sheets.write(folder)
            ledger.settle(folder)
    if unopened and not done:
        raise unopened[0]
    return RunOutcome(folder, len(cases[:limit]), len(done), failures, stopped)


def recorded(settings: Settings, machine: Machine, folder: RunFolder, lr: Path, hr: Path | None) -> dict[str, Any]:
    """The study's record before its first case; StoreError where the folder holds another study."""
    prompts = families.asked(settings) if _audited(settings) else {}
    return record.join(folder.started(), record.describe(settings, machine, (lr, hr), prompts), folder.root)


def missing(settings: Settings, folder: RunFolder, cases: Sequence[Case]) -> dict[str, list[Case]]:
    """Family → the cases of which something is still to be done."""
    return {f: [case for case in cases if unit.missing(folder, f, case, settings.arms)] for f in settings.families}


def _audited(settings: Settings) -> list[str]:
    """The arms that have an auditor."""
    return [name for name, arm in settings.arms.items() if arm.auditor]


def _tried(pool: WorkerPool, family: str, cases: Sequence[Case]) -> dict[str, Any]:
    """What offered knobs move, for the record; nothing is known where no case could be read."""
    trials = pool.try_knobs(family, cases)
    if trials is None:
        return {}
    for note in liveness.notes(family, trials):
        log.warning(note)
    dead = [name for name, trial in sorted(trials.items()) if trial.dead]
    return {"dead_knobs": {family: dead}, "knob_trials": {family: liveness.stored(trials)}}


def _taken_back(folder: RunFolder, study: Mapping[str, Any], done: Set[tuple[str, str]]) -> dict[str, Any]:
    """The record, once what was said of a knob has been held against the cases that were done now."""
    dead, stored = dict(study["dead_knobs"]), dict(study.get("knob_trials", {}))
    for family in stored:
        trials = liveness.recorded(study, family)
        for case in sorted(case for of, case in done if of == family):
            suspects = {name for name, trial in trials.items() if not trial.largest and not trial.moved}
            if not suspects:
                break
            try:
                trail = folder.trail(family, case)
            except StoreError:  # it is reported when somebody asks for this case
                continue
            for name in sorted(liveness.disproved(trail, suspects)) if trail else ():
                trials[name] = replace(trials[name], moved=case)
                log.warning(f"{family}: {trials[name].told(name)}.")
        stored[family] = liveness.stored(trials)
        dead[family] = [name for name, trial in sorted(trials.items()) if trial.dead and not trial.moved]
    return {**study, "dead_knobs": dead, "knob_trials": stored}


def _settled(settings: Settings, cases: set[str], tried: set[tuple[str, str]], earlier: Failure) -> bool:
    """Was an earlier failure taken up again now, or is its case gone?"""
    if earlier.family not in settings.families:
        return False
    taken_up = (earlier.family, earlier.case) in tried and earlier.arm in (PURE, *settings.arms)
    return taken_up or earlier.case not in cases
