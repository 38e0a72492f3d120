"""Stored pictures held against how they were made: each is made again from its operations, and nothing is written."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from fsrbench.core import execute
from fsrbench.core.contracts import Machine
from fsrbench.core.errors import InputError
from fsrbench.core.values import PURE, Case, Failure
from fsrbench.imaging import images
from fsrbench.study import config, families, unit
from fsrbench.study.store import RunFolder


def remake(
    root: Path, device: str = "cpu", offline: bool = False, workers: int = 1, track: execute.Track = execute.untracked
) -> tuple[int, list[Failure]]:
    """How many pictures of a run were made again, and which are not what they were, or cannot be made."""
    folder = RunFolder(root)
    study = folder.study()
    settings = config.stored(study["settings"], folder.study_file)
    alone = settings.model_copy(update={"arms": {}})
    machine = Machine(
        device, study["machine"]["precision"], offline, settings.faces.detector, settings.faces.recogniser
    )
    lr = Path(study["inputs"]["lr"])
    if not lr.is_dir():
        raise InputError(f"The run's inputs were in {lr}, which is not there any more: its pictures cannot be made.")
    found = images.find(lr)
    wrong = [Failure(path.parent.name, path.stem, PURE, why) for path, why in folder.damaged()]
    made = len(wrong)
    for family in settings.families:
        cases = [trail.case for trail in folder.trails() if trail.family == family]
        if not cases:
            continue
        opened = families.open_family(family, alone, machine, {}, None, folder)
        todo = [Case(name, found.get(name, lr / f"{name}.png"), None) for name in cases]
        again = execute.run(partial(unit.remade, opened), todo, workers)
        for number, failures in track(family, again, len(todo)):
            made += number
            wrong += failures
    if not made:
        raise InputError(f"{root} holds no finished case: there is nothing to make again.")
    return made, sorted(wrong, key=lambda failure: (failure.family, failure.case, failure.arm))
