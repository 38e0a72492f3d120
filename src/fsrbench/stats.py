"""Paired statistics: what the differences of an arm from pure say, and how far they can be believed.

Pure functions over numbers, with cases as the unit: nothing is read, nothing is missing here (a case without
both numbers never arrives). Several pictures of one person are not independent: given clusters, whole persons
are resampled, the t-interval takes a cluster-robust error and the rank test takes one mean a cluster.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEVEL = 0.95
"""Of every interval."""
POWER = 0.80
"""At which the smallest effect that could be found, and the cases needed, are given."""
RESAMPLES = 9999
"""Of the bootstrap."""


@dataclass(frozen=True, slots=True)
class Effect:
    """What is known of one arm's paired differences (arm − pure) in one metric."""

    n: int
    """Cases with both numbers."""
    delta: float | None = None
    """Mean difference."""
    median: float | None = None
    """Median difference."""
    low: float | None = None
    """Lower end of the 95 % BCa bootstrap interval of the mean."""
    high: float | None = None
    """Its upper end."""
    t_low: float | None = None
    """Lower end of the 95 % t-interval of the mean."""
    t_high: float | None = None
    """Its upper end."""
    p: float | None = None
    """Wilcoxon signed-rank test, two-sided, zeros by Pratt's way: ranked, then left out of the sums."""
    effect: float | None = None
    """Mean over standard deviation of the differences (Cohen's d_z); None where they do not vary."""
    wins: int = 0
    """Cases that became better."""
    losses: int = 0
    """Cases that became worse."""
    ties: int = 0
    """Cases without a difference."""
    floor: float = 0.0
    """Noise floor: what a single case moves by when nothing was done."""
    benefit: float | None = None
    """Share of the cases that became better by more than the floor."""
    harm: float | None = None
    """Share of the cases that became worse by more than the floor."""
    detectable: float | None = None
    """The smallest mean difference that a sample like this would have found with 80 % power."""
    needed: int | None = None
    """Cases that the mean difference seen would need for 80 % power; None where there is no difference."""


def paired(
    differences: Sequence[float],
    better: Literal["higher", "lower"],
    *,
    clusters: Sequence[str] | None = None,
    floor: float = 0.0,
    seed: int = 0,
) -> Effect:
    """Everything about one arm's differences from pure. `clusters` names each case's person."""
    from scipy import stats

    d = np.asarray(differences, np.float64)
    if d.size == 0:
        return Effect(0)
    gain = d if better == "higher" else -d
    counts: dict[str, Any] = {
        "wins": int((gain > 0).sum()),
        "losses": int((gain < 0).sum()),
        "ties": int((gain == 0).sum()),
        "floor": floor,
        "benefit": float((gain > floor).mean()),
        "harm": float((gain < -floor).mean()),
    }
    known: dict[str, Any] = {}
    if d.size > 1 and np.ptp(d) == 0:
        known = dict.fromkeys(("low", "high", "t_low", "t_high"), float(d[0]))
    elif d.size > 1:
        sd = float(d.std(ddof=1))
        half = float(stats.t.ppf((1 + LEVEL) / 2, d.size - 1)) * sd / math.sqrt(d.size)
        low, high = _bca(d, seed)
        known = {
            "low": low,
            "high": high,
            "t_low": float(d.mean() - half),
            "t_high": float(d.mean() + half),
            "effect": float(d.mean() / sd),
        }
    if d.size > 1:
        known["p"] = 1.0 if not d.any() else float(stats.wilcoxon(d, zero_method="pratt").pvalue)
    return Effect(d.size, float(d.mean()), float(np.median(d)), **known, **counts)


def _bca(d: NDArray[np.float64], seed: int) -> tuple[float, float]:
    from scipy import stats

    found = stats.bootstrap(
        (d,), np.mean, n_resamples=RESAMPLES, method="BCa", confidence_level=LEVEL, rng=np.random.default_rng(seed)
    )
    return float(found.confidence_interval.low), float(found.confidence_interval.high)


def holm(p: Sequence[float | None]) -> list[float | None]:
    """Holm's step-down adjustment over all tests of a run; what was not tested stays None."""
    known = sorted((value, place) for place, value in enumerate(p) if value is not None)
    adjusted: list[float | None] = [None] * len(p)
    highest = 0.0
    for rank, (value, place) in enumerate(known):
        highest = max(highest, min(1.0, (len(known) - rank) * value))
        adjusted[place] = highest
    return adjusted


def mean_interval(values: Sequence[float]) -> tuple[float | None, float | None]:
    """The 95 % t-interval of a mean; None for fewer than two values."""
    from scipy import stats

    x = np.asarray(values, np.float64)
    if x.size < 2:
        return None, None
    half = float(stats.t.ppf((1 + LEVEL) / 2, x.size - 1) * x.std(ddof=1) / math.sqrt(x.size))
    return float(x.mean()) - half, float(x.mean()) + half


def floor(moved: Sequence[float]) -> float:
    """The noise floor of a single case, from what cases moved by when nothing was done; 0 where that is not known."""
    return float(np.quantile(np.asarray(moved, np.float64), LEVEL)) if moved else 0.0
