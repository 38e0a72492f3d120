"""Measure saved pictures: a run's folder, or plain folders. Nothing is restored or asked here.

All variants of a case are scored together, so that what belongs to the reference is found once and every
variant gets the same crop. A number that cannot be had is missing with its reason: never zero, never filled.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from fsrbench import csvfile, execute, images, inputs
from fsrbench.errors import FsrbenchError
from fsrbench.plugins import Machine, Metric
from fsrbench.subjects import Evaluation, Subject
from fsrbench.values import PURE, Image, Score

HEADER = ["family", "case", "arm", "metric", "value", "note"]
Scorer = Callable[[Sequence[Any], Any], Sequence[float]]


# -------------------------------------------------------------------- scoring


def measure(
    what: Evaluation, machine: Machine, workers: int = 1, track: execute.Track = execute.untracked
) -> list[Score]:
    """Score every variant of every subject; sorted, so that order and workers change nothing."""
    scorers = {name: _open(metric, machine) for name, metric in what.metrics.items()}
    outcomes = execute.run(partial(_measure_one, what, scorers), what.subjects, workers)
    scores = [score for found in track("evaluate", outcomes, len(what.subjects)) for score in found]
    order = {name: i for i, name in enumerate(what.metrics)}
    return sorted(scores, key=lambda s: (s.family, s.case, s.arm != PURE, s.arm, order[s.metric]))


def _open(metric: Metric, machine: Machine) -> Scorer | str:
    """The opened metric, or why there is none here."""
    try:
        return metric.open(machine)
    except FsrbenchError as error:
        return str(error)


def _measure_one(what: Evaluation, scorers: Mapping[str, Scorer | str], subject: Subject) -> list[Score]:
    """All metrics of one case, from one decode of each picture. One that cannot be read costs only its own arm."""
    pictures: dict[str, Image] = {}
    unreadable: dict[str, str] = {}
    for arm, path in subject.variants.items():
        try:
            pictures[arm] = images.read_stored(path)
        except FsrbenchError as error:
            unreadable[arm] = str(error)
    reference, lacking = _reference(what, subject, pictures)
    scores = [Score(subject.case, subject.family, a, m, None, why) for a, why in unreadable.items() for m in scorers]
    for name, scorer in scorers.items():
        note = scorer if isinstance(scorer, str) else lacking if what.metrics[name].reference else ""
        for arm, (value, why) in _values(scorer, pictures, reference, note).items():
            scores.append(_score(subject, arm, name, value, why))
    return scores


def _reference(what: Evaluation, subject: Subject, pictures: Mapping[str, Image]) -> tuple[Image | None, str]:
    """The HR as it is compared, or why there is none."""
    if subject.hr is None:
        return None, "no reference for this case"
    if not pictures:
        return None, "no picture of this case can be read"
    size = next(iter(pictures.values())).shape[:2]
    try:
        return inputs.reference(subject.hr, size, what.hr_size, **what.limits.model_dump()), ""
    except FsrbenchError as error:
        return None, str(error)


def _values(
    scorer: Scorer | str, pictures: Mapping[str, Image], reference: Image | None, note: str
) -> dict[str, tuple[float | None, str]]:
    """Arm → number, or why there is none. Where they cannot be scored together, one does not cost the others theirs."""
    if note or isinstance(scorer, str):
        return dict.fromkeys(pictures, (None, note))
    try:
        together = scorer(list(pictures.values()), reference)
        return {arm: (value, "") for arm, value in zip(pictures, together, strict=True)}
    except FsrbenchError as error:
        if len(pictures) == 1:
            return {arm: (None, str(error)) for arm in pictures}
        alone = [_values(scorer, {arm: image}, reference, "") for arm, image in pictures.items()]
        return {arm: value for found in alone for arm, value in found.items()}


def _score(subject: Subject, arm: str, metric: str, value: float | None, note: str) -> Score:
    """A number that is no number (PSNR of identical pictures is infinite) cannot enter a mean: it is missing."""
    if value is not None and not math.isfinite(value):
        value, note = None, f"the value is {value}"
    return Score(subject.case, subject.family, arm, metric, None if value is None else round(float(value), 6), note)


# -------------------------------------------------------------------- storing


def write_scores(path: Path, scores: Iterable[Score]) -> None:
    """Store scores as a table."""
    csvfile.write(path, HEADER, ([s.family, s.case, s.arm, s.metric, s.value, s.note] for s in scores))


def read_scores(path: Path) -> list[Score]:
    """Read them back."""
    return [
        Score(r["case"], r["family"], r["arm"], r["metric"], float(r["value"]) if r["value"] else None, r["note"])
        for r in csvfile.read(path, HEADER)
    ]
