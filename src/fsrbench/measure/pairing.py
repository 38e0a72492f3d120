"""Which cases several runs have in common, and what forbids setting the runs against each other.

A case is the same where its name, the bytes of its LR and those of its reference are. Numbers of one metric are
comparable where it is declared alike and references are brought to one size. Everything else is refused, with the cure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from fsrbench.core import order
from fsrbench.core.errors import InputError
from fsrbench.files.journal import Journal
from fsrbench.measure.reopen import EvaluatedRun
from fsrbench.measure.subjects import Subject
from fsrbench.measure.summary import persons_of

CasePlace: TypeAlias = tuple[str, str]
"""Family and case."""
NAMED = 3
"""Cases that a sentence names."""
INSTRUMENTS: Mapping[str, str] = {"arcface": "recogniser"}
"""Metric → the setting below `faces` that names the file which it is measured with."""


@dataclass(frozen=True)
class Paired:
    """What several runs have in common."""

    runs: tuple[EvaluatedRun, ...]
    """The runs; the first is what the others are set against."""
    families: dict[str, list[str]]
    """Family → its cases that all runs have."""
    subjects: Mapping[tuple[str, str, str], Subject]
    """Run, family and case → that case there."""
    left_out: dict[str, dict[str, int]]
    """Run → family → finished cases that not all runs have."""
    metrics: tuple[str, ...]
    """Metrics that all runs were measured in, in the order of the first run's tables."""
    persons: dict[str, str] | None
    """Case → person, where a run knows who is who; None where every case is its own."""


def pair(runs: Sequence[EvaluatedRun]) -> Paired:
    """The cases that all runs have; InputError where runs cannot be compared."""
    first = runs[0]
    for other in runs[1:]:
        for obstacle in _other_metrics(first, other):
            raise InputError(obstacle)
    subjects = {run.name: {(s.family, s.case): s for s in run.what.subjects} for run in runs}
    common = set.intersection(*(set(own) for own in subjects.values()))
    both = sorted(common, key=lambda place: (order.family(place[0]), place[1]))
    if not both:
        raise InputError(_nothing(runs, subjects))
    journal = Journal(None)
    for other in runs[1:]:
        for obstacle in _other_pictures(first, other, subjects, both, journal):
            raise InputError(obstacle)
    families: dict[str, list[str]] = {}
    for family, case in both:
        families.setdefault(family, []).append(case)
    left_out = {name: _left_out(own, families) for name, own in subjects.items()}
    shown = {(name, *place): subjects[name][place] for name in subjects for place in both}
    return Paired(tuple(runs), families, shown, left_out, _metrics(runs), _persons(runs, both))


def _left_out(own: Mapping[CasePlace, Subject], families: Mapping[str, list[str]]) -> dict[str, int]:
    """Family → cases of a run that are not among the common ones."""
    common = {(family, case) for family, cases in families.items() for case in cases}
    return dict(Counter(family for family, _ in sorted(own.keys() - common)))


def _nothing(runs: Sequence[EvaluatedRun], subjects: Mapping[str, Mapping[CasePlace, Subject]]) -> str:
    """Why there is no case that all runs have."""
    families = [order.families(family for family, _ in subjects[run.name]) for run in runs]
    told = "; ".join(f"{run.name}: {', '.join(own)}" for run, own in zip(runs, families, strict=True))
    if not set.intersection(*map(set, families)):
        return f"The runs have no family in common ({told}). Run one of them again with the other's --family."
    some = "; ".join(f"{name}: {_named(sorted({case for _, case in own}))}" for name, own in subjects.items())
    return (
        f"The runs have no case in common ({some}). Only runs on the same pictures are compared: fsrbench run "
        f"--lr {runs[0].study['inputs']['lr']}"
    )


def _other_metrics(first: EvaluatedRun, other: EvaluatedRun) -> Iterator[str]:
    """What makes numbers of one metric mean something else in the two runs."""
    one, two = first.summary, other.summary
    if one.inputs.hr_size != two.inputs.hr_size:
        yield (
            f"{first.name} was measured with references of {one.inputs.hr_size} pixels, {other.name} of "
            f"{two.inputs.hr_size}. Measure both alike: fsrbench evaluate {other.folder.root} "
            f"--set hr_size={one.inputs.hr_size}"
        )
    both = [metric for metric in one.metrics if metric in two.metrics]
    if not both:
        yield (
            f"{first.name} and {other.name} were measured in no metric alike. Measure both in the same: "
            f"fsrbench evaluate {other.folder.root} --set metrics={','.join(one.metrics)}"
        )
    for metric in both:
        if one.metrics[metric] != two.metrics[metric]:
            yield (
                f"{one.metrics[metric].label} is declared otherwise in {other.name} than in {first.name}. Measure both "
                "again with the same plugin: fsrbench evaluate RUN"
            )
        setting = INSTRUMENTS.get(metric)
        own = [_file(getattr(run.settings.faces, setting)) if setting else None for run in (first, other)]
        if own[0] != own[1]:
            yield (
                f"{one.metrics[metric].label} was measured with another file in {other.name} than in {first.name} "
                f"(faces.{setting}). Measure both with one: fsrbench evaluate RUN --set faces.{setting}=FILE"
            )


def _file(path: Path | None) -> str | None:
    """What a file holds; its name where it is gone, and None for the published one."""
    return None if path is None else Journal(None).sha256(path) or path.name


def _other_pictures(
    first: EvaluatedRun,
    other: EvaluatedRun,
    subjects: Mapping[str, Mapping[CasePlace, Subject]],
    both: Sequence[CasePlace],
    journal: Journal,
) -> Iterator[str]:
    """Cases of one name that are not the same case."""
    pairs = [(case, subjects[first.name][family, case], subjects[other.name][family, case]) for family, case in both]
    inputs = sorted({case for case, one, two in pairs if _lr(one) != _lr(two)})
    if inputs:
        recipes = [" and ".join(run.summary.inputs.recipe) or "unknown" for run in (first, other)]
        how = f"; degraded by {recipes[0]} there, {recipes[1]} here" if recipes[0] != recipes[1] else ""
        yield (
            f"{other.name} has other inputs than {first.name}: the LR of {_named(inputs)} are not the same files{how}. "
            f"Restore the same pictures in both: fsrbench run --lr {first.study['inputs']['lr']}"
        )
    references = sorted({case for case, one, two in pairs if _hr(one, journal) != _hr(two, journal)})
    if references:
        yield (
            f"{other.name} has other references than {first.name}: {_named(references)}. Measure both with the same, "
            "fsrbench evaluate RUN --hr DIR, and say it here too: --hr DIR"
        )


def _lr(subject: Subject) -> str | None:
    return None if subject.trail is None else subject.trail.lr_sha256


def _hr(subject: Subject, journal: Journal) -> str | None:
    return None if subject.hr is None else journal.sha256(subject.hr)


def _metrics(runs: Sequence[EvaluatedRun]) -> tuple[str, ...]:
    return tuple(m for m in runs[0].summary.metrics if all(m in run.summary.metrics for run in runs))


def _persons(runs: Sequence[EvaluatedRun], both: Sequence[CasePlace]) -> dict[str, str] | None:
    """Who is on a picture does not depend on the run: one table is enough, and two must agree."""
    tables = [(run, table) for run in runs if (table := persons_of(run.what)) is not None]
    if not tables:
        return None
    cases = sorted({case for _, case in both})
    named = [{case: table[case] for case in cases} for _, table in tables]
    for (run, _), own in zip(tables, named, strict=True):
        if own != named[0]:
            other = next(case for case in cases if own[case] != named[0][case])
            raise InputError(
                f"{run.name} and {tables[0][0].name} have different persons on {other}. Say who is who: "
                "--set clusters=FILE"
            )
    return named[0]


def _named(cases: Sequence[str]) -> str:
    """`anna, ben, carl, … (12 cases)`."""
    more = f", … ({len(cases):,} cases)" if len(cases) > NAMED else ""
    return ", ".join(cases[:NAMED]) + more
