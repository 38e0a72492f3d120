"""Measure saved pictures: a run's folder, or plain folders. Nothing is restored or asked here.

What is needed is measured and nothing else: a number is taken over from the journal while its picture, the case's
pure picture, the reference and the metric are what they were, and, in a run, while the picture is the one that the
trail recorded. All that is missing of a case is measured together, from one decode of each picture, so that what
belongs to the reference is found once and every variant gets the same crop. A number that cannot be had is missing
with its reason, never zero, never filled, and is tried again each time.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import TypeAlias

from fsrbench.case.degrade import CROPPING_CURE
from fsrbench.core import execute, order
from fsrbench.core.contracts import Machine
from fsrbench.core.errors import FsrbenchError
from fsrbench.core.values import PURE, Image, Score
from fsrbench.files.journal import Journal
from fsrbench.imaging import images
from fsrbench.measure.scorers import CROPPED, ENLARGED, Scorer, Scorers
from fsrbench.measure.subjects import Evaluation, Subject
from fsrbench.study import inputs
from fsrbench.study.store import read_made

DIGITS = 6
"""Digits after the point that are kept of a number."""
SAVED = 20.0
"""Seconds between two writings of the journal: what an interrupt, or a power cut, may cost."""
Measured: TypeAlias = tuple[float | None, str]
"""A number, or why there is none."""


# -------------------------------------------------------------------- measuring


@dataclass(frozen=True)
class MeasuredCase:
    """One case, with what is already known of it."""

    subject: Subject
    """The case."""
    keys: dict[tuple[str, str], str | None]
    """(arm, metric) → the content that its number belongs to; None where a file cannot be read."""
    found: dict[tuple[str, str], Measured]
    """(arm, metric) → number or reason, as far as no pixel is needed."""
    new: dict[str, dict[str, float]] = field(default_factory=dict)
    """Metric → content → number: what was measured now."""

    def missing(self, metric: str) -> list[str]:
        """Arms that have neither a number nor a reason."""
        return [arm for arm in self.subject.variants if (arm, metric) not in self.found]


def measure(
    what: Evaluation,
    machine: Machine,
    workers: int = 1,
    track: execute.Track = execute.untracked,
    journal: Journal | None = None,
) -> list[Score]:
    """Scores of every variant of every subject; sorted, so that order and workers change nothing.

    What is measured now is kept in `journal`, also when this is interrupted.
    """
    journal = journal or Journal(None)
    tools = Scorers.of(what, machine, journal)
    scores: list[Score] = []
    current: set[str] = set()
    to_do: list[int] = []
    for number, subject in enumerate(what.subjects):
        case = _look_up(tools, subject, journal.recalled)
        if any(map(case.missing, what.metrics)):
            to_do.append(number)
        else:
            scores += _settled(case, what, current)
    if to_do:
        tools.share_cores()
    outcomes = execute.run(partial(measured, tools), (what.subjects[number] for number in to_do), workers)
    saved = time.monotonic()
    try:
        for case in track("evaluate", outcomes, len(to_do)) if to_do else ():
            scores += _settled(case, what, current)
            tools.keep(case.new)
            if time.monotonic() - saved > SAVED:
                journal.save()
                saved = time.monotonic()
        for name, one in tools.identities.items():
            journal.forget_values(name, one, current)
    finally:
        journal.save()
    scores.sort(key=attrgetter("case"))
    scores.sort(key=lambda score: order.family(score.family))
    return scores


def _settled(case: MeasuredCase, what: Evaluation, current: set[str]) -> list[Score]:
    """A case's scores, arms and metrics in their order; what its numbers belong to is current."""
    current.update(key for key in case.keys.values() if key is not None)
    arms = order.arms((arm for arm, _ in case.found), what.roles)
    places = [(arm, metric) for arm in arms for metric in what.metrics if (arm, metric) in case.found]
    return [_score(case.subject, *place, *case.found[place]) for place in places]


def _look_up(tools: Scorers, subject: Subject, sha256: Callable[[Path], str | None]) -> MeasuredCase:
    """What is known of a case by its files' hashes, and what cannot be had at all. No pixel is looked at."""
    pictures = {arm: _picture(subject, arm, sha256) for arm in subject.variants}
    reference = sha256(subject.hr) if subject.hr is not None else None
    compared = {arm: _content(one, pictures[PURE], reference) for arm, one in pictures.items()}
    case = MeasuredCase(subject, {(PURE, ENLARGED): reference}, {})
    for name, metric in tools.what.metrics.items():
        keys, known = compared if metric.reference else pictures, tools.known(name)
        case.keys.update({(arm, name): key for arm, key in keys.items()})
        case.found.update({(arm, name): (known[key], "") for arm, key in keys.items() if key and key in known})
        missing = case.missing(name)
        why: Scorer | str = ""
        if missing and metric.reference and subject.hr is None:
            why = "no reference for this case"
        elif missing and None not in keys.values():  # else it may be known, once the files have been hashed
            why = tools.scorer(name)
        if why and isinstance(why, str):
            case.found.update({(arm, name): (None, why) for arm in missing})
    return case


def _picture(subject: Subject, arm: str, sha256: Callable[[Path], str | None]) -> str | None:
    """What a picture's number belongs to: the file and, of a run, the pixels that it is to hold.

    A file that lies where another one was made has no number until it is decoded, and then it is refused.
    """
    file, made = sha256(subject.variants[arm]), subject.made.get(arm)
    return file if made is None else _content(file, made)


def _content(*hashes: str | None) -> str | None:
    """What a comparison is made of, in short; None where one of the files cannot be read."""
    known = [one for one in hashes if one is not None]
    return hashlib.blake2b("".join(known).encode(), digest_size=16).hexdigest() if len(known) == len(hashes) else None


def measured(tools: Scorers, subject: Subject) -> MeasuredCase:
    """All that is missing of one case. A picture that cannot be read costs only its own arm."""
    case = _look_up(tools, subject, tools.journal.sha256)
    pictures: dict[str, Image | str] = {}
    reference: tuple[Image | None, str] | None = None
    for name, metric in tools.what.metrics.items():
        wanted = {arm: _read(subject, arm, pictures) for arm in case.missing(name)}
        case.found.update({(arm, name): (None, why) for arm, why in wanted.items() if isinstance(why, str)})
        readable = {arm: image for arm, image in wanted.items() if not isinstance(image, str)}
        if not readable:
            continue
        scorer = tools.scorer(name)
        if metric.reference and reference is None and not isinstance(scorer, str):
            reference = _reference(tools.what, case, pictures)
        target, lacking = reference if metric.reference and reference is not None else (None, "")
        first: dict[str, str] = {}  # arms that ended with the same picture are measured once: no difference, exactly
        for arm in readable:
            first.setdefault(case.keys[arm, name] or arm, arm)
        found = _values(scorer, {arm: readable[arm] for arm in first.values()}, target, lacking)
        case.found.update({(arm, name): found[first[case.keys[arm, name] or arm]] for arm in readable})
        if metric.reference and isinstance(pictures.get(PURE), str):
            continue  # the reference has the size of another picture now, and what it was is not in the key
        numbers = {_unchanged(tools, case, arm, name): value for arm, (value, _) in found.items()}
        case.new[name] = {key: value for key, value in numbers.items() if key is not None and value is not None}
    return case


def _read(subject: Subject, arm: str, pictures: dict[str, Image | str]) -> Image | str:
    """A picture, decoded once, or why it cannot be."""
    if arm not in pictures:
        try:
            pictures[arm] = _own(subject, arm)
        except FsrbenchError as error:
            pictures[arm] = str(error)
    return pictures[arm]


def _own(subject: Subject, arm: str) -> Image:
    """The picture; of a run, only the one that it made."""
    path, made = subject.variants[arm], subject.made.get(arm)
    return images.read_stored(path) if made is None else read_made(path, made)


def _unchanged(tools: Scorers, case: MeasuredCase, arm: str, metric: str) -> str | None:
    """The content that a number belongs to, if the files still are what they were before they were decoded."""
    sha256, subject = tools.journal.sha256, case.subject
    now = _picture(subject, arm, sha256)
    if tools.what.metrics[metric].reference:
        now = _content(now, _picture(subject, PURE, sha256), sha256(subject.hr) if subject.hr is not None else None)
    known = case.keys[arm, metric]  # not `now`, which is as long: one text is held, not one for each metric
    return known if now == known else None


def _reference(what: Evaluation, case: MeasuredCase, pictures: dict[str, Image | str]) -> tuple[Image | None, str]:
    """The HR as it is compared, or why there is none. It has the size of the first picture that can be read."""
    subject = case.subject
    if subject.hr is None:
        return None, "no reference for this case"
    first = next(image for arm in subject.variants if not isinstance(image := _read(subject, arm, pictures), str))
    try:
        hr = images.read(subject.hr, **what.limits.of_pictures())
        reference = inputs.fitted(hr, subject.hr, first.shape[:2], what.hr_size)
    except FsrbenchError as error:
        return None, str(error)
    side, content = min(hr.shape[:2]), case.keys[PURE, ENLARGED]
    if reference is not hr and side < what.hr_size and content is not None:
        case.new[ENLARGED] = {content: float(side)}
    if reference is not hr and hr.shape[0] != hr.shape[1] and content is not None:
        case.new[CROPPED] = {content: hr.shape[1] / hr.shape[0]}
    return reference, ""


def notes(what: Evaluation, journal: Journal) -> tuple[str, ...]:
    """What a reader must know of the references, once everything has been measured."""
    size, told = what.hr_size, list[str]()
    small, cropped = (journal.values(kind, str(size)) for kind in (ENLARGED, CROPPED))
    files = sorted({s.hr for s in what.subjects if s.hr is not None}) if small or cropped else []
    if number := sum(journal.sha256(file) in small for file in files):
        told.append(
            f"{number} of {len(files)} references have less than {size} pixels a side and were enlarged to {size}."
        )
    if oblong := [file.stem for file in files if journal.sha256(file) in cropped]:
        told.append(
            f"{len(oblong)} of {len(files)} references are not square: only their centre square is compared "
            f"({', '.join(oblong[:3])}{', …' * (len(oblong) > 3)}). {CROPPING_CURE}"
        )
    return tuple(told)


def _values(
    scorer: Scorer | str, pictures: Mapping[str, Image], reference: Image | None, note: str
) -> dict[str, Measured]:
    """Arm → number, or why there is none. Where they cannot be scored together, one does not cost the others theirs."""
    if note or isinstance(scorer, str):
        return dict.fromkeys(pictures, (None, note or str(scorer)))
    try:
        together = scorer(list(pictures.values()), reference)
        return {arm: (round(float(value), DIGITS), "") for arm, value in zip(pictures, together, strict=True)}
    except FsrbenchError as error:
        if len(pictures) == 1:
            return {arm: (None, str(error)) for arm in pictures}
        alone = [_values(scorer, {arm: image}, reference, "") for arm, image in pictures.items()]
        return {arm: value for found in alone for arm, value in found.items()}


def _score(subject: Subject, arm: str, metric: str, value: float | None, note: str) -> Score:
    """A number that is no number (PSNR of identical pictures is infinite) cannot enter a mean: it is missing."""
    if value is not None and not math.isfinite(value):
        value, note = None, f"the value is {value}"
    return Score(subject.case, subject.family, arm, metric, value, note)
