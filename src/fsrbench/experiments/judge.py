"""How good judges are: every one orders the pictures of a finished run, under several conditions, and is held against
what people chose and what metrics say.

What a judge is asked about a case is in `judge_case.py`, which pictures there are in `judge_pictures.py`, and what the
answers come to in `measure/judging.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from operator import attrgetter

from fsrbench.core import execute, order
from fsrbench.core.contracts import Machine
from fsrbench.core.errors import InputError
from fsrbench.core.stored import to_json
from fsrbench.experiments import judge_case, judge_pictures
from fsrbench.experiments.judge_case import Bench, CaseFile, Remembered
from fsrbench.experiments.judge_pictures import Developer
from fsrbench.experiments.judges import OpenJudge, try_out
from fsrbench.files import atomic
from fsrbench.files.journal import Journal
from fsrbench.measure import choices, judging
from fsrbench.measure.hearings import HeardCase
from fsrbench.measure.judged_values import JudgedMetric, JudgingReport
from fsrbench.measure.reopen import EvaluatedRun
from fsrbench.measure.scorers import Scorers
from fsrbench.measure.subjects import Subject
from fsrbench.study.store import as_json

CANDIDATES = 4
"""Pictures of a case at most that no arm ended with, where nothing else is said."""


def run(
    evaluated: EvaluatedRun,
    judges: Mapping[str, OpenJudge],
    machine: Machine,
    *,
    candidates: int = CANDIDATES,
    limit: int | None = None,
    notes: Sequence[str] = (),
    workers: int = 1,
    track: execute.Track = execute.untracked,
) -> JudgingReport:
    """Ask what is missing and write `judge.json`; returns what is in it. What was answered is kept at once."""
    folder = evaluated.folder
    with folder.locked():
        atomic.guard(folder.judged)
        scorers = Scorers.of(evaluated.what, machine, Journal(None))
        develop = Developer(folder, evaluated.settings, machine)
        remembered = Remembered.of(folder)
        bench = Bench(judges, scorers, develop, remembered, folder.judged / "asked", evaluated.settings.seed)
        files = _files(evaluated, candidates, limit)
        try_out(_waiting(bench, files), bench.kept / "preflight")
        heard, stopped = list[HeardCase](), ""
        asked = execute.run(partial(judge_case.ask, bench), files, workers, partial(_leave, judges))
        for outcome in track("judge", asked, len(files)):
            remembered.add(outcome.new)
            stopped = stopped or outcome.stopped
            heard.append(outcome.heard)
        report = _report(evaluated, judges, heard, [*notes, *_notes(heard)], stopped)
        atomic.write_bytes(folder.judged_file, as_json(to_json(report)))
    return report


def _waiting(bench: Bench, files: Sequence[CaseFile]) -> dict[str, OpenJudge]:
    """The judges that have something before them which they were not asked."""
    known = bench.remembered.known
    return {
        label: judge
        for label, judge in bench.judges.items()
        if any(one.key not in known for file in files for one in judge_case.questions(bench, file, judge))
    }


def _leave(judges: Mapping[str, OpenJudge]) -> None:
    """Let go whoever waits for money: the command is being ended."""
    for one in judges.values():
        one.patient(False)


def _files(evaluated: EvaluatedRun, candidates: int, limit: int | None) -> list[CaseFile]:
    """The cases that can be judged, each with another person's input beside it."""
    what, found = evaluated.what, list[CaseFile]()
    persons = what.clusters or {}
    for family in order.families(subject.family for subject in what.subjects):
        own = sorted((one for one in what.subjects if one.family == family), key=attrgetter("case"))
        for place, subject in enumerate(own[:limit]):
            trail = subject.trail
            if trail is None:
                continue
            person = persons.get(subject.case, subject.case)
            others = (one for one in (*own[place + 1 :], *own[:place]) if persons.get(one.case, one.case) != person)
            arms = list(subject.variants)
            seed = evaluated.settings.seed
            found.append(
                CaseFile(
                    subject,
                    person,
                    trail.lr_sha256,
                    judge_pictures.of_case(evaluated.folder, trail, arms, candidates, seed),
                    {name: _numbers(evaluated, name, subject) for name, one in what.metrics.items() if one.reference},
                    next(((one.lr, _lr_sha256(one)) for one in others if one.lr is not None), None),
                )
            )
    if not any(len(one.shown.pictures) > 1 for one in found):
        raise InputError(
            f"{evaluated.folder.root} has no case in which two pictures differ: there is nothing to judge. Run it with "
            "an arm that changes something: fsrbench run --arm heuristic --arm constant"
        )
    return found


def _numbers(evaluated: EvaluatedRun, metric: str, subject: Subject) -> dict[str, float]:
    """Arm → number of one case."""
    found = {arm: evaluated.numbers.values(subject.family, metric, arm) for arm in subject.variants}
    return {arm: cases[subject.case] for arm, cases in found.items() if subject.case in cases}


def _lr_sha256(subject: Subject) -> str:
    """Hash of the file of a case's input, as its run recorded it."""
    trail = subject.trail
    return trail.lr_sha256 if trail is not None else ""


def _report(
    evaluated: EvaluatedRun,
    judges: Mapping[str, OpenJudge],
    heard: Sequence[HeardCase],
    notes: Sequence[str],
    stopped: str,
) -> JudgingReport:
    """What the answers come to."""
    metrics = {name: metric for name, metric in evaluated.what.metrics.items() if metric.reference}
    better = {name: metric.better for name, metric in metrics.items()}
    chosen = choices.read(evaluated.folder)
    families, results = {}, []
    for family in order.families(case.family for case in heard):
        own = sorted((case for case in heard if case.family == family), key=lambda case: case.case)
        people = [choice for choice in chosen if choice.family == family]
        floors = {name: _floor(evaluated, family, name) for name in metrics}
        families[family] = judging.family(own, people, floors)
        results += [judging.result(label, family, own, people, floors, better) for label in judges]
    return JudgingReport(
        run=evaluated.name,
        judges={label: one.facts for label, one in judges.items()},
        metrics={name: JudgedMetric(metric.label) for name, metric in metrics.items()},
        families=families,
        results=tuple(results),
        notes=tuple(dict.fromkeys(notes)),
        stopped=stopped,
    )


def _floor(evaluated: EvaluatedRun, family: str, metric: str) -> float:
    """The run's noise floor of a single case; 0 where it has none."""
    entry = evaluated.summary.families.get(family, {}).get(metric)
    return max((effect.floor for effect in entry.arms.values()), default=0.0) if entry is not None else 0.0


def _notes(heard: Sequence[HeardCase]) -> Iterator[str]:
    """What failed, once for each reason."""
    counts: dict[tuple[str, str], int] = {}
    for case in heard:
        for label, why in case.failures.items():
            counts[label, why] = counts.get((label, why), 0) + 1
    for (label, why), number in counts.items():
        yield f"{label} could not be asked about {number} case{'s' * (number != 1)}: {why}"
