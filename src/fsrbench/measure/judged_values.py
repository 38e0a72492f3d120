"""How good judges are, as one value: what `judge.json` holds, field by field and in that order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fsrbench.core.stored import Stored
from fsrbench.core.values import Usage
from fsrbench.measure.intervals import PersonMean, PersonShare
from fsrbench.measure.standings import Standing

FORMAT = 1
"""Version of `judge.json`."""


@dataclass(frozen=True, slots=True)
class JudgeFacts(Stored):
    """Who was judged."""

    name: str
    """The judge's plugin."""
    settings: dict[str, Any]
    """What it was opened with; never a key."""
    role: Standing
    """contender, control, or headroom where it saw the reference."""
    measures: tuple[str, ...]
    """Metrics that it goes by: its agreement with them is no finding."""


@dataclass(frozen=True, slots=True)
class JudgedFamily(Stored):
    """What judges were asked about in one family."""

    cases: int
    """Cases with two pictures or more."""
    persons: int
    """Whom they show."""
    pictures: int
    """Pictures that differ, over all cases."""
    pairs: int
    """Pairs of them."""
    choices: int
    """Choices of people between two of them, repeats and attention checks left out."""
    floors: dict[str, float]
    """Metric → difference up to which a pair is a tie: the noise floor of a single case, 0 where none is known."""


@dataclass(frozen=True, slots=True)
class JudgeResult(Stored):
    """How good one judge was in one family."""

    judge: str
    """What it is called here."""
    family: str
    """The family."""
    people: PersonShare
    """Agreement with what people chose."""
    agreement: dict[str, PersonShare]
    """Metric → agreement with it, over both orders."""
    tau: dict[str, PersonMean]
    """Metric → Kendall's tau-b within a case between its numbers and the judge's scores."""
    drop: dict[str, PersonMean]
    """Metric → by how much its agreement falls when it is shown another person's LR."""
    turned: PersonShare
    """Pairs of which it says the same in the other order."""
    again: PersonShare
    """Pairs of which it says the same with another seed."""
    first: PersonShare
    """Choices that fell on the picture that stood first; half is without a leaning."""
    undecided: PersonShare
    """Pairs between which it did not choose."""
    spoilt: dict[str, PersonShare]
    """Fault → how often it preferred the picture without it."""
    hearings: int
    """Times that it was asked to order pictures."""
    failed: int
    """Cases about which it could not be asked."""
    usage: Usage
    """What it cost in all."""
    seconds: float | None
    """Seconds that it took for a pair, as part of a whole case; None where it judged none."""


@dataclass(frozen=True, slots=True)
class JudgedMetric(Stored):
    """A metric that judges are held against."""

    label: str
    """As it is printed."""


@dataclass(frozen=True, slots=True)
class JudgingReport(Stored):
    """All of it."""

    run: str
    """The run's name."""
    judges: dict[str, JudgeFacts]
    """Who was judged, in the order of rows."""
    metrics: dict[str, JudgedMetric]
    """What they are held against beside people, in the order of columns."""
    families: dict[str, JudgedFamily]
    """What they were asked about."""
    results: tuple[JudgeResult, ...]
    """Family by family, judge by judge."""
    notes: tuple[str, ...] = ()
    """What a reader must know."""
    stopped: str = ""
    """Why not all was asked; empty where it was."""
    format: int = field(default=FORMAT, kw_only=True)
    """Version of the file."""
