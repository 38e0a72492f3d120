"""Has a run become worse than a baseline? A pure comparison of two summaries; showing it is `verdicts.py`'s.

Compared are every pure mean, every arm's mean and delta, and how many cases failed or got no usable reply. A
number may move inside its tolerance; outside it, the metric's direction says whether that is worse or better.
Noise floor and headroom are yardsticks: they are compared and shown, and cannot fail a check. Numbers that do not
rest on the same cases, metrics and arms are not compared at all: that is an obstacle, with its cure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from fsrbench.core.errors import InputError, SettingsError
from fsrbench.core.values import PURE
from fsrbench.files import jsonfile
from fsrbench.measure import baseline
from fsrbench.measure.baseline import About, Baseline, BaselineEntry, Figure, ScorePlace
from fsrbench.measure.claims import TESTED
from fsrbench.measure.tolerances import EVERY, Tolerance, band, judge

CASES = "cases"
"""What a count has in the place of a metric."""
ANEW = "or save a new baseline (--save-baseline FILE)"
NOTHING = BaselineEntry(0, Figure(None, None, None), None)


@dataclass(frozen=True, slots=True)
class Change:
    """One number beside what it was."""

    family: str
    """Family."""
    metric: str
    """Metric, or `cases` for a count."""
    arm: str
    """`pure` or an arm's name."""
    quantity: Literal["mean", "delta", "failed", "invalid"]
    """What is compared."""
    before: float
    """In the baseline."""
    now: float
    """In the run."""
    low: float
    """The least that is within tolerance."""
    high: float
    """The most."""
    verdict: Literal["worse", "better", "within"]
    """What it came to."""
    decides: bool
    """False for noise floor and headroom, which are reported only."""
    tolerance: Tolerance
    """By which it was judged."""


@dataclass(frozen=True, slots=True)
class Check:
    """What a comparison came to."""

    changes: tuple[Change, ...] = ()
    """All that was compared; nothing where there is an obstacle."""
    obstacles: tuple[str, ...] = ()
    """What prevents the comparison, each with its cure."""
    new: tuple[str, ...] = ()
    """What the baseline does not have."""
    notes: tuple[str, ...] = ()
    """What a reader must know: other models, numbers that failures kept from being compared."""
    metrics: Mapping[str, About] = field(default_factory=dict)
    """Metric → what it is, for showing."""
    models: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Family → models that made the run's pictures, for showing."""
    marks: Mapping[str, str] = field(default_factory=dict)
    """Arm → what must be said wherever it shows."""

    @property
    def status(self) -> int:
        """0: no regression. 1: a regression. 2: no comparison."""
        return 2 if self.obstacles else 1 if self.count("worse") else 0

    def count(self, verdict: str) -> int:
        """How many numbers that decide came to this."""
        return sum(change.decides and change.verdict == verdict for change in self.changes)


def check(run: Path, before: Path, tolerances: Mapping[str, Tolerance]) -> Check:
    """Compare a run's folder or summary with a baseline file. One that cannot be read is an obstacle."""
    other = before.exists() and before.suffix != ".json"  # what lies there is something else, perhaps of value
    file = "FILE" if other else before
    try:
        was = baseline.read(before, f"Make a baseline from a run you trust: fsrbench check RUN --save-baseline {file}")
        return compare(read_run(run), was, tolerances)
    except InputError as error:
        return Check(obstacles=(str(error),))


def read_run(run: Path) -> Baseline:
    """What of a run is compared."""
    if not run.exists():
        raise InputError(f"There is no run {run}. Name a run's folder, or a summary.json.")
    return baseline.read(run, f"Measure the run first: fsrbench evaluate {run}")


def trusted(run: Path) -> Baseline:
    """What of a run becomes a baseline. One without any number would stop every later comparison."""
    found = read_run(run)
    if _empty(found):
        raise InputError(f"{run} holds no number to compare with later. Its summary.md says why.")
    return found


def _empty(found: Baseline) -> bool:
    return all(entry.mean.value is None for entry in found.entries().values())


def compare(now: Baseline, was: Baseline, tolerances: Mapping[str, Tolerance]) -> Check:
    """Everything of the baseline beside the same of the run."""
    unknown = sorted(set(tolerances) - {EVERY, *was.metrics})
    if unknown:
        known = ", ".join(was.metrics)
        raise SettingsError(f"--tolerance {unknown[0]}=…: the baseline has no such metric; it has {known}.")
    chosen = {m: tolerances.get(m) or tolerances.get(EVERY) or Tolerance("shown") for m in was.metrics}
    obstacles = [*_other_inputs(now, was), *_absent(now, was)] or [*_unequal(now, was), *_no_interval(was, chosen)]
    if obstacles:
        return Check(obstacles=tuple(obstacles))
    changes = (*_numbers(now, was, chosen), *_counts(now, was))
    notes = (*_other_models(now, was), *dict.fromkeys(_uncompared(now, was)))
    return Check(changes, (), tuple(_new(now, was)), notes, now.metrics, now.models, now.marks)


# ------------------------------------------------------------------- obstacles


def _other_inputs(now: Baseline, was: Baseline) -> Iterator[str]:
    """Two runs are compared on the same pictures only."""
    one, other = now.inputs, was.inputs
    if one.recipe != other.recipe:
        names = [" and ".join(found.recipe) or "unknown" for found in (one, other)]
        yield f"Another recipe: {names[0]}, in the baseline {names[1]}. Degrade as it did, {ANEW}."
    if one.hr_size != other.hr_size:
        yield (
            f"Other references: brought to {one.hr_size} pixels, in the baseline to {other.hr_size}. "
            f"Use --set hr_size={other.hr_size}, {ANEW}."
        )
    if (one.cases, one.sha256) != (other.cases, other.sha256):
        number = f"{one.cases}, in the baseline {other.cases}" if one.cases != other.cases else "as many, but others"
        failed = [f"{family}: {found.failed}" for family, found in now.counts.items() if found.failed]
        why = f" Some failed ({', '.join(failed)}), failures.csv says why." if failed else ""
        yield f"Other cases: {number}.{why} Use the baseline's pictures and references, {ANEW}."


def _absent(now: Baseline, was: Baseline) -> Iterator[str]:
    """What the baseline has, the run must have, and it must mean the same."""
    if _empty(was):
        yield f"The baseline holds no number to compare with. Use another, {ANEW}."
    for metric, about in was.metrics.items():
        if metric not in now.metrics:
            metrics = ",".join({**was.metrics, **now.metrics})
            yield f"{about.label} was not measured. Use fsrbench evaluate RUN --set metrics={metrics}, {ANEW}."
        elif now.metrics[metric].better != about.better:
            directions = f"{now.metrics[metric].better} is better, in the baseline {about.better}"
            yield f"{about.label} has changed its direction: {directions}. Mend the metric, {ANEW}."
    for family in was.families:
        if family not in now.families:
            yield f"The family {family} was not run. Use fsrbench run --family {family} on it, {ANEW}."
            continue
        for arm in was.arms(family):
            if arm not in now.arms(family) and arm not in now.counts[family].arms:
                yield f"{family}: the arm {arm} was not run. Use fsrbench run --arm {arm} on it, {ANEW}."
    for arm, role in was.roles.items():
        if now.roles.get(arm, role) != role:
            roles = f"{now.roles[arm]}, in the baseline {role}"
            yield f"The arm {arm} has changed its role: {roles}. Give it another name, {ANEW}."


def _entries(now: Baseline, was: Baseline) -> Iterator[tuple[ScorePlace, BaselineEntry, BaselineEntry, bool]]:
    """Every place of the baseline that has a number: what is there now, what was, and whether failures took cases.

    If there are fewer cases because more of them failed, the failures are the regression, and the numbers, which
    rest on other cases, are not compared.
    """
    mine, its = now.entries(), was.entries()
    for place in {**mine, **its}:
        if place not in its or its[place].mean.value is None:
            continue
        family, _, arm = place
        own = mine.get(place, NOTHING)
        failed = sum(now.failed(family, a) - was.failed(family, a) for a in {PURE, arm})
        yield place, own, its[place], 0 < its[place].n - own.n <= failed


def _unequal(now: Baseline, was: Baseline) -> Iterator[str]:
    """A number that is gone, or rests on other cases although nothing failed, cannot be judged."""
    for (family, metric, arm), mine, its, failed in _entries(now, was):
        entry = now.families[family].get(metric)
        why = jsonfile.one_line("; ".join(entry.why_na if entry else ())) or "scores.csv has every number"
        where = f"{family} {arm}: {was.metrics[metric].label}"
        if failed:
            continue
        if any(figure.value is None for _, figure in mine.figures()):
            yield f"{where} is n/a and was a number ({why}). Mend that, {ANEW}."
        elif mine.n != its.n:
            yield f"{where} rests on {mine.n} cases, in the baseline on {its.n} ({why}). Mend that, {ANEW}."


def _no_interval(was: Baseline, chosen: Mapping[str, Tolerance]) -> Iterator[str]:
    for (family, metric, arm), its in was.entries().items():
        lacking = any(f.value is not None and (f.low is None or f.high is None) for _, f in its.figures())
        if chosen[metric].kind == "interval" and lacking:
            label = was.metrics[metric].label
            yield f"{family} {arm}: {label} has no interval in the baseline. Use a number: --tolerance {metric}=0.05."


# -------------------------------------------------------------------- judgement


def _numbers(now: Baseline, was: Baseline, chosen: Mapping[str, Tolerance]) -> Iterator[Change]:
    for (family, metric, arm), mine, its, failed in _entries(now, was):
        if failed:
            continue
        about, tolerance = was.metrics[metric], chosen[metric]
        decides = arm == PURE or now.roles[arm] in TESTED
        own = dict(mine.figures())
        for quantity, figure in its.figures():
            value = own[quantity].value
            if figure.value is None or value is None:
                continue
            low, high = band(figure, tolerance, about.digits, was.families[family][metric].pure or 0.0)
            verdict = judge(value, low, high, about.better)
            yield Change(family, metric, arm, quantity, figure.value, value, low, high, verdict, decides, tolerance)


def _counts(now: Baseline, was: Baseline) -> Iterator[Change]:
    """Failed cases and unusable replies: none may be added."""
    for family, its in was.counts.items():
        mine = now.counts.get(family)
        if mine is None:
            continue
        yield _count(family, PURE, "failed", its.failed, mine.failed, decides=True)
        for arm, counted in its.arms.items():
            if arm in mine.arms:
                decides = now.roles.get(arm) in TESTED
                yield _count(family, arm, "failed", counted.failed, mine.arms[arm].failed, decides)
                yield _count(family, arm, "invalid", counted.invalid, mine.arms[arm].invalid, decides)


def _count(family: str, arm: str, quantity: Literal["failed", "invalid"], was: int, now: int, decides: bool) -> Change:
    verdict = judge(now, was, was, "lower")
    return Change(family, CASES, arm, quantity, was, now, was, was, verdict, decides, Tolerance("absolute"))


# ------------------------------------------------------------------------ notes


def _new(now: Baseline, was: Baseline) -> Iterator[str]:
    """What was not compared because the baseline does not have it."""
    yield from (f"metric {metric}" for metric in now.metrics if metric not in was.metrics)
    for family in now.families:
        if family not in was.families:
            yield f"family {family}"
            continue
        yield from (f"arm {arm} of {family}" for arm in now.arms(family) if arm not in was.arms(family))
    its = was.entries()
    for (family, metric, arm), mine in now.entries().items():
        before = its.get((family, metric, arm))
        if before and before.mean.value is None and mine.mean.value is not None:
            yield f"{now.metrics[metric].label} of {family} {arm}"


def _other_models(now: Baseline, was: Baseline) -> Iterator[str]:
    for family, models in was.models.items():
        other = now.models.get(family, models)
        if other != models:
            yield f"{family} was restored by {', '.join(other)}, in the baseline by {', '.join(models)}."


def _uncompared(now: Baseline, was: Baseline) -> Iterator[str]:
    for (family, _, arm), _, _, failed in _entries(now, was):
        if failed:
            yield f"{family} {arm}: its numbers rest on fewer cases, since some failed, and are not compared."
