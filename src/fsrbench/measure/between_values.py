"""Several runs set against each other, as one value: what `compare.json` holds, field by field and in that order.

The first run is the base: every difference is another run − the first. None is unknown, never zero.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from fsrbench.measure.standings import Standing
from fsrbench.measure.summary_values import MetricFacts, Outlier, RivalEffect, Statistics

FORMAT = 1


@dataclass(frozen=True, slots=True)
class RunColumn:
    """One run's numbers of an arm in one metric, over the cases that all compared runs have a number for."""

    mean: float | None
    """Mean of the arm."""
    delta: float | None
    """Mean difference from the run's own pure; None for pure itself."""
    low: float | None
    """Lower end of that difference's interval, which is not adjusted."""
    high: float | None
    """Its upper end."""


@dataclass(frozen=True, slots=True)
class RunDifference:
    """What sets one run's arm apart from the same arm of the first run, in one metric."""

    effect: RivalEffect
    """The paired differences, this run − the first, and what may be claimed of them."""
    beyond_better: float | None
    """Share of the cases that are better by more than the noise floor."""
    beyond_worse: float | None
    """Share of the cases that are worse by more than the noise floor."""
    outlier: Outlier | None
    """The case that makes the mean, if one does."""


@dataclass(frozen=True, slots=True)
class ComparedMetric:
    """One metric of one arm in one family."""

    n: int
    """Cases with all numbers: of the arm and of pure, in every run that has the arm."""
    lacking: int
    """Common cases that lack one of them, because the arm failed there or the metric could not be had."""
    chose: tuple[str, ...]
    """Runs in which the arm's pictures were chosen by this metric: then it is no evidence, and nothing is tested."""
    floor: float | None
    """What 95 % of the cases stay below when nothing is done; None where no run measured it."""
    columns: dict[str, RunColumn]
    """Run → its numbers."""
    differences: dict[str, RunDifference]
    """Each further run → what sets it apart from the first."""


@dataclass(frozen=True, slots=True)
class ComparedArm:
    """One arm of one family, in all runs that have it."""

    role: Standing | None
    """What it is there for; None for pure."""
    alike: dict[str, int]
    """Each further run → common cases that ended with the very picture of the first run."""
    both: dict[str, int]
    """Each further run → common cases in which both have a picture."""
    void: tuple[str, ...]
    """Runs in which so many replies could not be used that nothing is claimed of the arm."""
    metrics: dict[str, ComparedMetric]
    """Metric → what was found."""


@dataclass(frozen=True, slots=True)
class ComparedRun:
    """One of the runs, and what became of it."""

    path: str
    """Its folder."""
    started: str
    """Day on which it was begun; empty where that is not known."""
    fingerprint: str
    """Hash of everything that decides its results."""
    models: dict[str, tuple[str, ...]]
    """Family → networks that made its pictures."""
    left_out: dict[str, int]
    """Family → its finished cases that not all runs have."""
    failed: dict[str, int]
    """Family and arm (`general lvlm`) → cases that failed there."""


@dataclass(frozen=True, slots=True)
class SettingDifference:
    """One thing in which a run was made otherwise than the first."""

    what: str
    """The setting's key, or what it is."""
    first: str
    """There, in the first run."""
    here: str
    """In this one."""


@dataclass(frozen=True, slots=True)
class StrikingCase:
    """A case in which two runs differ much."""

    family: str
    """Its family."""
    arm: str
    """The arm, or pure."""
    case: str
    """Its id."""
    run: str
    """The run that differs from the first."""
    metric: str
    """The metric by which it was found."""
    delta: float
    """The difference there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunComparison:
    """Everything that setting runs against each other came to."""

    format: int = FORMAT
    """Version of `compare.json`."""
    first: str
    """The run that the others are set against."""
    runs: dict[str, ComparedRun]
    """Name → run, in the order in which they were named."""
    metrics: dict[str, MetricFacts]
    """Metric → how it is written, in the order of tables."""
    statistics: Statistics
    """What holds for all intervals and tests."""
    cases: dict[str, int]
    """Family → cases that all runs have."""
    marks: dict[str, str]
    """Arm → what must be said wherever it shows."""
    families: dict[str, dict[str, ComparedArm]]
    """Family → pure and every arm that the first run and another have → what was found."""
    differing: dict[str, tuple[SettingDifference, ...]]
    """Each further run → what was otherwise than in the first."""
    striking: tuple[StrikingCase, ...]
    """The cases that differ most, in turn of families and arms."""
    notes: tuple[str, ...]
    """What a reader must know."""
    findings: dict[str, str] = field(default_factory=dict)
    """Family → what it all comes to, in sentences."""
