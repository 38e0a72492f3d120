"""What an arm did beside the mean, as `summary.json` holds it: harm, what was promised of it, what it took of a bound.

None is unknown, never zero.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Promise:
    """What an arm's certificate says of its harm in one family, as `study.yaml` keeps it."""

    alpha: float
    """The share of persons that it may harm."""
    delta: float | None
    """In what share of certificates that may be exceeded; None where α holds on average over certificates."""
    method: str
    """How it was certified."""
    persons: int
    """Persons with whom it was calibrated."""
    metrics: dict[str, float]
    """Metric → by how much a picture may be worse in it than pure, before that is harm."""


@dataclass(frozen=True, slots=True)
class ObservedHarm:
    """Whom an arm harmed in one family, and how often it kept pure."""

    allowed: dict[str, float]
    """Metric of the set → by how much it may be worse than pure's before that is harm."""
    cases: int
    """Cases that have every number of the set, which are the only ones that count."""
    missing: int
    """Finished cases that lack a number of the set: neither harmed nor unharmed."""
    harmed: int
    """Cases in which a metric of the set is worse by more than is allowed."""
    units: int
    """Persons (cases, where every case is its own) that have a case that counts."""
    rate: float | None
    """Mean over units of the share of their cases that were harmed."""
    low: float | None
    """Lower end of its interval."""
    high: float | None
    """Its upper end."""
    exact: bool
    """Whether each unit has one case: then the interval is Clopper's and Pearson's, else a bound that always holds."""
    kept: float | None
    """Share of the finished cases that end with pure's own bytes; None where nobody compared the pictures."""
    promise: Promise | None = None
    """What was promised of it; None where nothing was."""
    p: float | None = None
    """The chance of so much harm if the promise holds; None where nothing was promised or nothing counts."""
    p_adjusted: float | None = None
    """The same, adjusted over all promises of the run."""
    broken: bool = False
    """Whether that is too small to go on believing the promise on these cases."""


@dataclass(frozen=True, slots=True)
class TakenShare:
    """How much of an oracle's gain, in the metric that it chose by, an arm took on the cases that both have."""

    arm: str
    """The arm."""
    oracle: str
    """The oracle's arm."""
    metric: str
    """The metric."""
    n: int
    """Cases with both differences."""
    share: float | None
    """The arm's gains over the oracle's, summed; None where the oracle gained next to nothing."""
    low: float | None
    """Lower end of the share's BCa interval over persons (cases, where every case is its own)."""
    high: float | None
    """Its upper end."""
    less: str = ""
    """The arm whose share is taken off, which differs by its auditor alone; empty for the share itself."""
