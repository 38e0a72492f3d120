"""The summary of an evaluation as one value: what `summary.json` holds, field by field and in that order.

Nothing is worked out here but how numbers are rounded to be kept. None is unknown, never zero.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from fsrbench.measure.choosing_values import ArmChoices
from fsrbench.measure.compute_values import Took
from fsrbench.measure.harm_values import ObservedHarm, TakenShare
from fsrbench.measure.preference_values import People
from fsrbench.measure.provenance import Provenance
from fsrbench.measure.standings import Standing

FORMAT = 3
DIGITS = 6
"""To which numbers are kept: behind the point, or of a p, which must not become zero, significant ones."""


@dataclass(frozen=True, slots=True)
class MetricFacts:
    """How a metric's numbers are written and read."""

    label: str
    """Its name as it is printed."""
    better: Literal["higher", "lower"]
    """Its direction."""
    digits: int
    """Digits behind the point that are shown."""
    unit: str
    """Its unit; empty where it has none."""


@dataclass(frozen=True, slots=True)
class InputFacts:
    """What decides whether two summaries may be compared. Nothing of it depends on where the files lie."""

    cases: int
    """How many."""
    sha256: str
    """Hash of their names, of the bytes of their LR, and of which have a reference."""
    recipe: tuple[str, ...]
    """How they were degraded; empty where that is not known."""
    hr_size: int
    """Size of the references."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """What holds for all intervals and tests."""

    level: float
    """Of every interval."""
    alpha: float
    """Below which adjusted p a difference is shown."""
    power: float
    """At which the cases needed are given."""
    tests: int
    """Over how many tests p is adjusted."""
    clusters: int | None
    """Persons, where it is known who is who; None where every case is its own."""


@dataclass(frozen=True, slots=True)
class Outlier:
    """The one case that makes a mean."""

    case: str
    """Its id."""
    delta: float | None
    """Its difference."""
    without: float | None
    """The mean difference without it, or without its person."""


@dataclass(frozen=True, slots=True)
class ArmEffect:
    """What one arm changed in one metric, against pure, over the cases that have both numbers."""

    n: int
    """Cases with both numbers."""
    pure: float | None
    """Mean of pure over these cases."""
    mean: float | None
    """Mean of the arm over them."""
    delta: float | None
    """Mean difference, arm − pure."""
    median: float | None
    """Median difference."""
    delta_changed: float | None
    """Mean difference of the cases that have one."""
    low: float | None
    """Lower end of the mean difference's interval, which is not adjusted."""
    high: float | None
    """Its upper end."""
    units: int
    """What a claim counts: cases, or persons."""
    changed: int
    """Those of them whose number is another one."""
    improved: int
    """Those of the changed ones that became better."""
    effect: float | None
    """Mean over standard deviation of the differences (d_z)."""
    wins: int
    """Cases that became better."""
    losses: int
    """Cases that became worse."""
    ties: int
    """Cases without a difference."""
    floor: float
    """What a case moves by when nothing is done; 0 also where that was not measured."""
    benefit: float | None
    """Share of the cases that became better by more than the floor."""
    harm: float | None
    """Share of the cases that became worse by more than the floor."""
    p: float | None
    """Exact sign test of `improved` among `changed`; None where nothing may be claimed."""
    chose: bool = False
    """Were the arm's pictures chosen by this metric? Then it is no evidence for them, and nothing is claimed of it."""
    p_adjusted: float | None = None
    """The same, adjusted over all tests; None for what is not tested."""
    shown: bool = False
    """Whether the adjusted p is small enough for a claim."""
    least: int | None = None
    """Fewest changed units with which anything could be shown here."""
    majority: int | None = None
    """Fewest of the changed units that must go one way; None where too few changed."""
    needed: int | None = None
    """Cases with which the majority seen would be shown; None where that is no number to plan with."""
    outlier: Outlier | None = None
    """The case that makes the mean, if one does."""
    void: bool = False
    """Whether the arm's replies were mostly unusable, so that nothing is claimed of it."""


@dataclass(frozen=True, slots=True)
class RivalEffect:
    """What sets a contender apart from a control, or an arm from that of another run, in one metric, case by case.

    Fields mean what they mean of an arm.
    """

    n: int
    """Cases with both numbers."""
    delta: float | None
    """Mean difference, contender − control."""
    low: float | None
    """Lower end of its interval."""
    high: float | None
    """Its upper end."""
    units: int
    """Cases, or persons."""
    changed: int
    """Those whose number is another one."""
    improved: int
    """Those of them in which the contender is better."""
    p: float | None
    """Exact sign test; None where one of the two is void."""
    p_adjusted: float | None = None
    """The same, adjusted over all tests."""
    shown: bool = False
    """Whether it is small enough for a claim."""
    least: int | None = None
    """Fewest changed units with which anything could be shown."""
    majority: int | None = None
    """Fewest of them that must go one way."""
    needed: int | None = None
    """Cases with which the majority seen would be shown."""


PairedComparison: TypeAlias = ArmEffect | RivalEffect
"""What can be tested."""


@dataclass(frozen=True, slots=True)
class MetricResults:
    """One metric in one family."""

    n: int
    """Cases whose pure picture has a number."""
    na: int
    """Cases whose pure picture has none."""
    why_na: tuple[str, ...]
    """Why numbers are missing, of pure and of arms."""
    pure: float | None
    """Mean of pure."""
    pure_low: float | None
    """Lower end of its interval."""
    pure_high: float | None
    """Its upper end."""
    arms: dict[str, ArmEffect]
    """Arm → what it changed."""
    against: dict[str, dict[str, RivalEffect]]
    """Contender → control → what sets them apart."""


@dataclass(frozen=True, slots=True)
class ArmOutcome:
    """What became of an arm's cases, and what they took."""

    done: int
    """Cases with its picture."""
    invalid: int
    """Cases in which a reply could not be used."""
    replies: int
    """Audits, whoever made them."""
    unusable: dict[str, int]
    """What was wrong → audits that could not be used for it, the most frequent first."""
    void: bool
    """Whether so many could not be used that nothing is claimed of the arm."""
    changed: int
    """Cases that ended with another picture than pure's."""
    unfinished: int
    """Cases without a result for which something was sent already."""
    requests: int
    """Requests that were sent, those of unfinished cases included."""
    tokens: int
    """Tokens that they took, in and out."""
    cost: float | None
    """What they cost; None where nothing was sent or a price is unknown."""
    failed: int
    """Cases for which the arm failed."""
    took: Took | None = None
    """What each finished case took; None where there is none, or nothing is known of it."""


@dataclass(frozen=True, slots=True)
class FamilyOutcome:
    """What became of a family's cases."""

    cases: int
    """Cases that are finished."""
    failed: int
    """Cases that could not be restored at all."""
    arms: dict[str, ArmOutcome]
    """Arm → what became of its cases."""
    took: Took | None = None
    """What pure took of each finished case; None where there is none, or nothing is known of it."""


@dataclass(frozen=True, slots=True)
class Canaries:
    """Whether an arm's auditor looks at the pictures."""

    shown: int
    """Samples in which it was shown spoilt pictures."""
    looked: int
    """Those in which it told them from real ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Everything that an evaluation came to."""

    format: int = FORMAT
    """Version of `summary.json`."""
    metrics: dict[str, MetricFacts]
    """Metric → how it is written, in the order of tables."""
    run: Provenance | None
    """What was run; None for plain folders, of which nothing is known."""
    models: dict[str, tuple[str, ...]]
    """Family → models that made its pictures."""
    inputs: InputFacts
    """What was restored."""
    statistics: Statistics
    """What holds for all intervals and tests."""
    families: dict[str, dict[str, MetricResults]]
    """Family → metric → what was found."""
    roles: dict[str, Standing]
    """Arm → what it is there for."""
    marks: dict[str, str]
    """Arm → what must be said wherever it shows."""
    notes: tuple[str, ...]
    """What a reader of the numbers must know."""
    canaries: dict[str, Canaries]
    """Arm → whether its auditor looks."""
    dead_knobs: dict[str, tuple[str, ...]]
    """Family → knobs that move no pixel there."""
    counts: dict[str, FamilyOutcome]
    """Family → what became of its cases."""
    failures: tuple[str, ...]
    """What failed, a line for each reason."""
    harm: dict[str, dict[str, ObservedHarm]] = field(default_factory=dict)
    """Family → arm → whom it harmed; empty in a summary from before that was counted."""
    shares: dict[str, tuple[TakenShare, ...]] = field(default_factory=dict)
    """Family → how much of what oracles gained others took."""
    choosing: dict[str, dict[str, ArmChoices]] = field(default_factory=dict)
    """Family → arm → what choosing among candidates gained, and what averaging did."""
    findings: dict[str, str] = field(default_factory=dict)
    """Family → what it all comes to, in sentences."""
    people: People | None = None
    """What people chose, blind; None where nobody was asked."""


def rounded(value: float | None) -> float | None:
    """A number as it is kept; no negative zero."""
    return None if value is None else round(value, DIGITS) + 0.0


def probability(p: float | None) -> float | None:
    """A p as it is kept."""
    return None if p is None else float(f"{p:.{DIGITS}g}")
