"""Runs on the same cases, set against each other: means side by side, and paired differences with tests between them.

The statistics are those inside a run: units are cases, or persons where it is known who is who; the exact sign test;
Holm over all tests of the comparison. Pure stands against pure, since another network changes it, and is not tested
where its pictures are the same files: that would be no comparison at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, zip_longest

from fsrbench.core import order
from fsrbench.core.errors import SettingsError
from fsrbench.core.near import near
from fsrbench.core.values import PURE
from fsrbench.measure import claims, contrast, effects, signs, stats
from fsrbench.measure.between_values import (
    ComparedArm,
    ComparedMetric,
    ComparedRun,
    RunColumn,
    RunComparison,
    RunDifference,
    StrikingCase,
)
from fsrbench.measure.claims import TESTED
from fsrbench.measure.pairing import Paired
from fsrbench.measure.reopen import EvaluatedRun
from fsrbench.measure.results import difference
from fsrbench.measure.summary_values import Statistics, rounded

STRIKING = 6
"""Cases whose pictures are shown side by side."""


def compare(paired: Paired, arms: Sequence[str] = ()) -> RunComparison:
    """Everything about runs whose cases are paired; `arms` picks some of those that they share, pure among them."""
    shared = _shared(paired, arms)
    found = {
        family: {arm: _Side(paired, family, arm, runs).told() for arm, runs in own.items()}
        for family, own in shared.items()
    }
    judged, tests = _judged(found)
    first = paired.runs[0]
    return RunComparison(
        first=first.name,
        runs={run.name: _about(run, paired) for run in paired.runs},
        metrics={name: first.summary.metrics[name] for name in paired.metrics},
        statistics=Statistics(
            stats.LEVEL, stats.ALPHA, signs.POWER, tests, len(set(paired.persons.values())) if paired.persons else None
        ),
        cases={family: len(cases) for family, cases in paired.families.items()},
        marks={arm: mark for run in reversed(paired.runs) for arm, mark in run.what.marks.items()},
        families=judged,
        differing={run.name: contrast.settings(first, run) for run in paired.runs[1:]},
        striking=tuple(_striking(paired, shared)),
        notes=tuple(_notes(paired, shared)),
    )


def _about(run: EvaluatedRun, paired: Paired) -> ComparedRun:
    failed = {
        f"{family} {arm}": number
        for family, counts in run.summary.counts.items()
        for arm, number in {PURE: counts.failed, **{arm: own.failed for arm, own in counts.arms.items()}}.items()
        if number
    }
    models = {family: tuple(run.what.labels.get(family, ())) for family in paired.families}
    started, fingerprint = (str(run.study.get(key, "")) for key in ("started", "fingerprint"))
    return ComparedRun(str(run.folder.root), started, fingerprint, models, paired.left_out[run.name], failed)


# ------------------------------------------------------------- what is compared


def _shared(paired: Paired, asked: Sequence[str]) -> dict[str, dict[str, list[EvaluatedRun]]]:
    """Family → pure and every arm that the first run and another have → the runs that have it, the first one first."""
    made = {(run, family): arms for run, family, arms in _made(paired)}
    found: dict[str, dict[str, list[EvaluatedRun]]] = {}
    for family in paired.families:
        own = made[paired.runs[0].name, family]
        runs = {arm: [run for run in paired.runs if arm in made[run.name, family]] for arm in own}
        found[family] = {arm: having for arm, having in runs.items() if len(having) > 1}
    known = list(dict.fromkeys(arm for own in found.values() for arm in own))
    for arm in asked:
        if arm not in known:
            raise SettingsError(f"--arm {arm}: the runs share no arm of this name.{near(arm, known)}")
    return {family: {arm: own[arm] for arm in own if not asked or arm in asked} for family, own in found.items()}


def _made(paired: Paired) -> Iterator[tuple[str, str, list[str]]]:
    """Run, family, and what ended with a picture in one of the common cases: pure first."""
    for run in paired.runs:
        for family, cases in paired.families.items():
            arms = dict.fromkeys(arm for case in cases for arm in paired.subjects[run.name, family, case].variants)
            yield run.name, family, order.arms({PURE, *arms}, run.summary.roles)


def _notes(paired: Paired, shared: Mapping[str, Mapping[str, Sequence[EvaluatedRun]]]) -> Iterator[str]:
    """What stands in some of the runs only, and so is not compared."""
    for metric in dict.fromkeys(chain.from_iterable(run.summary.metrics for run in paired.runs)):
        having = [run for run in paired.runs if metric in run.summary.metrics]
        if len(having) < len(paired.runs):
            label, names = having[0].summary.metrics[metric].label, ", ".join(run.name for run in having)
            yield f"{label} was measured in {names} only (fsrbench evaluate RUN --set metrics=… adds it)."
    made: dict[tuple[str, str], list[str]] = {}
    for run, family, arms in _made(paired):
        for arm in arms:
            made.setdefault((family, arm), []).append(run)
    for (family, arm), having_it in made.items():
        if len(having_it) == 1 or having_it[0] != paired.runs[0].name:
            yield f"{family}: the arm {arm} was run in {', '.join(having_it)} only."
    for one in paired.runs:
        lone = order.families(set(one.summary.families) - set(shared))
        if lone:
            yield f"{one.name}: nothing of {', '.join(lone)} is compared, which not all runs have."


@dataclass(frozen=True)
class _Side:
    """One arm of one family, in the runs that have it."""

    paired: Paired
    """What the runs have in common."""
    family: str
    """The family."""
    arm: str
    """The arm, or pure."""
    runs: Sequence[EvaluatedRun]
    """Runs that have it, the first one first."""

    def told(self) -> ComparedArm:
        """Everything about it; nothing is judged yet."""
        first, others = self.runs[0], self.runs[1:]
        pictures = {run.name: self._pictures(run) for run in self.runs}
        both = {run.name: pictures[first.name].keys() & pictures[run.name].keys() for run in others}
        alike = {
            name: sum(pictures[first.name][case] == pictures[name][case] for case in cases)
            for name, cases in both.items()
        }
        void = tuple(run.name for run in self.runs if self._void(run))
        same = {name for name, cases in both.items() if self.arm == PURE and alike[name] == len(cases)}
        role = None if self.arm == PURE else first.what.roles[self.arm]
        roles = {run.what.roles.get(self.arm) for run in self.runs}
        tested = not void and (self.arm == PURE or all(one in TESTED for one in roles))
        return ComparedArm(
            role,
            alike,
            {name: len(cases) for name, cases in both.items()},
            void,
            {metric: self._metric(metric, same, tested) for metric in self.paired.metrics},
        )

    def _void(self, run: EvaluatedRun) -> bool:
        """Could most of its replies not be used there? Of a family added since the last evaluation nothing is known."""
        counts = run.summary.counts.get(self.family)
        own = counts.arms.get(self.arm) if counts is not None else None
        return own is not None and own.void

    def _pictures(self, run: EvaluatedRun) -> dict[str, str]:
        """Case → hash of the picture that the arm ended with."""
        subjects = {case: self.paired.subjects[run.name, self.family, case] for case in self._cases}
        return {case: subject.made[self.arm] for case, subject in subjects.items() if self.arm in subject.made}

    @property
    def _cases(self) -> list[str]:
        return self.paired.families[self.family]

    def cases(self, metric: str) -> list[str]:
        """Those with all numbers: of the arm and of pure, in every run."""
        known = [run.numbers.values(self.family, metric, arm) for run in self.runs for arm in (PURE, self.arm)]
        return [case for case in self._cases if all(case in values for values in known)]

    def deltas(self, metric: str, run: EvaluatedRun) -> dict[str, float]:
        """Case → this run − the first; exactly zero where both ended with one picture, whatever measured it."""
        mine, its = (one.numbers.values(self.family, metric, self.arm) for one in (run, self.runs[0]))
        made, there = self._pictures(run), self._pictures(self.runs[0])
        return {
            case: 0.0 if made[case] == there[case] else difference(mine[case], its[case]) for case in self.cases(metric)
        }

    def _metric(self, metric: str, same: set[str], tested: bool) -> ComparedMetric:
        cases = self.cases(metric)
        chose = tuple(run.name for run in self.runs if metric in run.what.chosen_by.get(self.arm, ()))
        floor = self._floor(metric)
        return ComparedMetric(
            n=len(cases),
            lacking=len(self._cases) - len(cases),
            chose=chose,
            floor=rounded(floor),
            columns={run.name: self._column(metric, run, cases) for run in self.runs},
            differences={
                run.name: self._difference(metric, run, floor or 0.0, tested and not chose and run.name not in same)
                for run in self.runs[1:]
            },
        )

    def _column(self, metric: str, run: EvaluatedRun, cases: Sequence[str]) -> RunColumn:
        values = run.numbers.values(self.family, metric, self.arm)
        mean = effects.mean(values[case] for case in cases)
        if self.arm == PURE:
            return RunColumn(mean, None, None, None)
        own = run.numbers.deltas(self.family, metric, self.arm)
        found = self._paired_up(metric, {case: own[case] for case in cases}, 0.0)
        return RunColumn(mean, rounded(found.delta), rounded(found.low), rounded(found.high))

    def _difference(self, metric: str, run: EvaluatedRun, floor: float, tested: bool) -> RunDifference:
        deltas = self.deltas(metric, run)
        found = self._paired_up(metric, deltas, floor)
        return RunDifference(
            effects.beside(found, tested=tested),
            rounded(found.benefit),
            rounded(found.harm),
            effects.outlier(deltas, self._members(deltas)),
        )

    def _paired_up(self, metric: str, deltas: Mapping[str, float], floor: float) -> stats.Effect:
        better = self.paired.runs[0].summary.metrics[metric].better
        return stats.paired(list(deltas.values()), better, clusters=self._members(deltas), floor=floor)

    def _members(self, deltas: Mapping[str, float]) -> list[str] | None:
        return None if self.paired.persons is None else [self.paired.persons[case] for case in deltas]

    def _floor(self, metric: str) -> float | None:
        """What 95 % of the cases stay below that were run again unchanged, in whichever runs did so."""
        common = set(self._cases)
        moved = [
            abs(delta)
            for run in self.runs
            for arm, role in run.what.roles.items()
            if role == "floor"
            for case, delta in run.numbers.deltas(self.family, metric, arm).items()
            if case in common
        ]
        return stats.floor(moved) if moved else None


# ------------------------------------------------------------ what may be claimed


_Families = dict[str, dict[str, ComparedArm]]


def _judged(found: _Families) -> tuple[_Families, int]:
    """The same with what all tests together show, and the number of tests."""
    together = claims.corrected(
        {
            (family, arm, metric, run): one.effect.p
            for family, arms in found.items()
            for arm, side in arms.items()
            for metric, entry in side.metrics.items()
            for run, one in entry.differences.items()
        }
    )

    def entry(family: str, arm: str, metric: str, told: ComparedMetric) -> ComparedMetric:
        judged = {
            run: replace(one, effect=claims.judge(one.effect, together.get((family, arm, metric, run)), len(together)))
            for run, one in told.differences.items()
        }
        return replace(told, differences=judged)

    def side(family: str, arm: str, told: ComparedArm) -> ComparedArm:
        return replace(told, metrics={m: entry(family, arm, m, own) for m, own in told.metrics.items()})

    judged = {family: {arm: side(family, arm, told) for arm, told in arms.items()} for family, arms in found.items()}
    return judged, len(together)


# --------------------------------------------------------------- which are shown


def _striking(paired: Paired, shared: Mapping[str, Mapping[str, Sequence[EvaluatedRun]]]) -> list[StrikingCase]:
    """The largest differences of every family and arm in the first metric that has any, in turn: the largest of each
    before the second of any. Where arms ended with the same pictures a case is shown once."""
    lists = [
        _largest(_Side(paired, family, arm, runs), run)
        for family, own in shared.items()
        for arm, runs in own.items()
        for run in runs[1:]
    ]
    in_turn = [one for one in chain.from_iterable(zip_longest(*lists)) if one is not None]
    once = {_pictures(paired, one): one for one in reversed(in_turn)}
    return [one for one in in_turn if once[_pictures(paired, one)] is one][:STRIKING]


def _largest(side: _Side, run: EvaluatedRun) -> list[StrikingCase]:
    for metric in side.paired.metrics:
        moved = {case: delta for case, delta in side.deltas(metric, run).items() if delta}
        if moved:
            striking = sorted(moved, key=lambda case: (-abs(moved[case]), case))[:STRIKING]
            return [StrikingCase(side.family, side.arm, case, run.name, metric, moved[case]) for case in striking]
    return []


def _pictures(paired: Paired, one: StrikingCase) -> tuple[str, ...]:
    """What a case shows: the two pictures, by their hashes."""
    first = paired.runs[0].name
    made = (paired.subjects[run, one.family, one.case].made[one.arm] for run in (first, one.run))
    return (one.case, *made)
