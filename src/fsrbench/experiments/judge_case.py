"""One case before the judges: what each is asked, and what is remembered of its answers."""

from __future__ import annotations

import hashlib
import json
import math
import random
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from fsrbench.core.errors import CostLimitReached, FsrbenchError, InputError
from fsrbench.core.judging import Contest
from fsrbench.core.stored import to_json
from fsrbench.core.values import Image, derive_seed
from fsrbench.experiments.judge_pictures import CasePictures, Developer, input_of
from fsrbench.experiments.judges import OpenJudge
from fsrbench.files import jsonfile, lines, names
from fsrbench.imaging import images, spoiling
from fsrbench.measure.hearings import AGAIN, ASKED, OTHER_INPUT, SHOWN, TURNED, HeardCase, Hearing
from fsrbench.measure.scorers import Scorers
from fsrbench.measure.subjects import Subject
from fsrbench.study import inputs
from fsrbench.study.paths import RunPaths

MAX_HEARD = 500_000_000
"""Bytes of all that is remembered: some million answers."""
DIGITS = 6
"""Digits after the point that are kept of a number, as in `scores.csv`."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """Answers and numbers of earlier commands, by a hash over all that decides them. Nothing is asked twice."""

    path: Path
    """A file that only grows."""
    known: dict[str, Any]
    """Key → JSON."""

    @classmethod
    def of(cls, folder: RunPaths) -> Remembered:
        """What a run's folder holds; a line that was damaged is no line."""
        known: dict[str, Any] = {}
        for line in lines.read(folder.heard_file, MAX_HEARD):
            try:
                entry = jsonfile.parse(line)
                known[entry["key"]] = entry["value"]
            except (ValueError, KeyError, TypeError):
                continue
        return cls(folder.heard_file, known)

    def add(self, new: Mapping[str, Any]) -> None:
        """Store more, at once."""
        if new:
            lines.append(self.path, [json.dumps({"key": key, "value": value}).encode() for key, value in new.items()])
            self.known.update(new)


@dataclass(frozen=True, slots=True)
class Bench:
    """What every case is judged with."""

    judges: Mapping[str, OpenJudge]
    """Who is asked, by the names of tables."""
    scorers: Scorers
    """Measure pictures that the run has no number of."""
    develop: Developer
    """Reads pictures, or makes them again."""
    remembered: Remembered
    """What was asked before."""
    kept: Path
    """Where replies are kept that were paid for."""
    seed: int
    """Of the run."""

    def reference(self, subject: Subject) -> tuple[str | None, int]:
        """What decides what a reference looks like: its file's content, and the size at which it is compared."""
        digest = self.scorers.journal.sha256(subject.hr) if subject.hr is not None else None
        return digest, self.scorers.what.hr_size


@dataclass(frozen=True)
class CaseFile:
    """One case that is to be judged."""

    subject: Subject
    """The case, as it was evaluated."""
    person: str
    """Whom it shows."""
    lr_sha256: str
    """Hash of its input's file."""
    shown: CasePictures
    """The pictures."""
    values: Mapping[str, Mapping[str, float]]
    """Metric → arm → number, for metrics with a reference."""
    other: tuple[Path, str] | None
    """The input of another person, and the hash of that file where it is known; None where there is no other person."""

    @property
    def place(self) -> tuple[str, str]:
        """Family and case."""
        return self.subject.family, self.subject.case


@dataclass(frozen=True, slots=True)
class JudgeQuestion:
    """One order that a judge is asked for."""

    asked: str
    """Under what it is asked, or the fault."""
    places: tuple[int, ...]
    """Which picture stands where; of a fault, 0 is the clean one and 1 the spoilt."""
    seed: int
    """For judges that draw."""
    key: str
    """By this the answer is found again."""
    fault: str = ""
    """What is planted; empty where nothing is."""


@dataclass(frozen=True, slots=True)
class JudgedOutcome:
    """What came of one case."""

    heard: HeardCase
    """All that is known of it."""
    new: dict[str, Any]
    """What is to be remembered."""
    stopped: str = ""
    """Why nothing further may be asked; empty where it may."""


def ask(bench: Bench, file: CaseFile) -> JudgedOutcome:
    """Ask every judge all that is missing of a case. What fails costs the case that judge alone."""
    work = _CaseWork(bench, file)
    answers: dict[str, dict[str, Hearing]] = {}
    spoilt: dict[str, dict[str, Hearing]] = {}
    failures: dict[str, str] = {}
    stopped = ""
    for label, judge in bench.judges.items():
        try:
            heard = [(one, work.hear(label, judge, one)) for one in questions(bench, file, judge)]
        except CostLimitReached as error:
            stopped = failures[label] = str(error)
        except FsrbenchError as error:
            failures[label] = str(error)
        else:
            answers[label] = {one.asked: said for one, said in heard if not one.fault}
            spoilt[label] = {one.asked: said for one, said in heard if one.fault}
    shown = file.shown
    pictures = tuple(one.name for one in shown.pictures)
    return JudgedOutcome(
        HeardCase(*file.place, file.person, pictures, shown.arms, work.numbers(), answers, spoilt, failures),
        work.new,
        stopped,
    )


def questions(bench: Bench, file: CaseFile, judge: OpenJudge) -> Iterator[JudgeQuestion]:
    """What a judge is asked about a case: all pictures under everything that is asked of them, then the pure one beside
    itself, spoilt, in an order that is drawn. Nothing where there is only one picture."""
    shown = [one.sha256 for one in file.shown.pictures]
    if len(shown) < 2:
        return
    base = derive_seed(bench.seed, "judge", *file.place)
    seen = bench.reference(file.subject) if judge.privileged else ()
    places = list(range(len(shown)))
    random.Random(derive_seed(base, "places")).shuffle(places)
    for asked in ASKED:
        if asked == OTHER_INPUT and file.other is None:
            continue
        own = tuple(places[::-1] if asked == TURNED else places)
        seed = derive_seed(base, asked if asked in (TURNED, AGAIN) else SHOWN)
        other = file.other[1] if asked == OTHER_INPUT and file.other else ""
        key = _key(judge.identity, file.lr_sha256, other, [shown[place] for place in own], seed, *seen)
        yield JudgeQuestion(asked, own, seed, key)
    for fault in spoiling.FAULTS:
        seed = derive_seed(base, "spoilt", fault)
        own = (0, 1) if seed % 2 else (1, 0)
        key = _key(judge.identity, file.lr_sha256, fault, shown[0], own, seed, *seen)
        yield JudgeQuestion(fault, own, seed, key, fault)


@dataclass
class _CaseWork:
    """A case in work. Pixels are read when the first question needs them."""

    bench: Bench
    file: CaseFile
    new: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def lr(self) -> Image:
        subject = self.file.subject
        if subject.lr is None:
            raise InputError(f"The input of {subject.case} is not there any more. Put it back.")
        return input_of(subject.lr, self.file.lr_sha256, self._bounds)

    @cached_property
    def pictures(self) -> tuple[Image, ...]:
        return tuple(self.bench.develop(self.file.subject.family, one, self.lr) for one in self.file.shown.pictures)

    @cached_property
    def reference(self) -> Image:
        subject, size = self.file.subject, self.bench.scorers.what.hr_size
        if subject.hr is None:
            raise InputError(f"{subject.case} has no reference, which a privileged judge needs.")
        return inputs.reference(subject.hr, self.pictures[0].shape[:2], size, **self._bounds)

    @cached_property
    def other(self) -> Image:
        """The input of another person, at the size of this one."""
        if self.file.other is None:
            raise InputError("there is no other person")
        found = images.read(self.file.other[0], **self._bounds)
        height, width = self.lr.shape[:2]
        return found if found.shape == self.lr.shape else images.resize(found, width, height)

    @property
    def _bounds(self) -> dict[str, int]:
        return self.bench.scorers.what.limits.of_pictures()

    def hear(self, label: str, judge: OpenJudge, one: JudgeQuestion) -> Hearing:
        """One answer, remembered or new."""
        if one.key in self.bench.remembered.known:
            return _hearing(self.bench.remembered.known[one.key])
        both = (self.pictures[0], spoiling.FAULTS[one.fault](self.pictures[0])) if one.fault else self.pictures
        family, case = self.file.place
        contest = Contest(
            case=case,
            family=family,
            seed=one.seed,
            lr=self.other if one.asked == OTHER_INPUT else self.lr,
            pictures=tuple(both[place] for place in one.places),
            reference=self.reference if judge.privileged else None,
            as_shown=True,
            kept=self.bench.kept / label / family / names.of(case, "") / one.asked.replace(" ", "-"),
        )
        started = time.perf_counter()
        ranking = judge.judge(contest)
        seconds = round(time.perf_counter() - started, 4)
        found = Hearing(one.places, ranking.scores, ranking.usage, seconds)
        self.new[one.key] = to_json(found)
        return found

    def numbers(self) -> dict[str, tuple[float | None, ...]]:
        """Metric → the number of each picture: the run's own, and measured now for those that it has none of."""
        count, arms = len(self.file.shown.pictures), self.file.shown.arms
        found: dict[str, list[float | None]] = {name: [None] * count for name in self.file.values}
        for name, own in self.file.values.items():
            for arm, place in arms.items():
                found[name][place] = own.get(arm, found[name][place])
        finals = len(set(arms.values()))
        if count > finals and self.file.subject.hr is not None:
            for name, values in self._measured(finals).items():
                found[name][finals:] = values
        return {name: tuple(values) for name, values in found.items()}

    def _measured(self, finals: int) -> Mapping[str, list[float | None]]:
        """Metric → numbers of the pictures that no arm ended with."""
        shown = [one.sha256 for one in self.file.shown.pictures]
        found: dict[str, list[float | None]] = {}
        for name in self.file.values:
            key = _key(self.bench.scorers.identities[name], shown, *self.bench.reference(self.file.subject))
            if key not in self.bench.remembered.known:
                scorer = self.bench.scorers.scorer(name)
                if isinstance(scorer, str):
                    found[name] = [None] * (len(shown) - finals)
                    continue
                try:
                    values = scorer([self.pictures[0], *self.pictures[finals:]], self.reference)[1:]
                except FsrbenchError:
                    found[name] = [None] * (len(shown) - finals)
                    continue
                self.new[key] = [round(float(one), DIGITS) if math.isfinite(one) else None for one in values]
            found[name] = list(self.new.get(key) or self.bench.remembered.known[key])
        return found


def _key(*decisive: object) -> str:
    return hashlib.sha256(json.dumps(decisive).encode()).hexdigest()


def _hearing(stored: Any) -> Hearing:
    from pydantic import TypeAdapter

    found: Hearing = TypeAdapter(Hearing).validate_python(stored)
    return found
