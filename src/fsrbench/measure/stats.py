"""Paired statistics: what the differences of an arm from pure say, and how far they can be believed.

Pure functions over numbers: nothing is read, and nothing is missing here (a case without both numbers never
arrives). The same numbers in any order give the same answer.

The unit is the case. Where several pictures show one person they are not independent, and the cluster becomes
the unit of everything that says how sure we are: every formula below is that of clusters (a sum and a size
each), and without a table of clusters every case is its own, which makes them the ordinary ones.

- Mean, median, wins, losses, benefit, harm and d_z are those of the cases.
- What is claimed is claimed of units, by the exact sign test (`signs.py`): each cluster counts by the sign of its mean
  difference. All tests of a run are adjusted together by Holm's way.
- The interval of a mean is an estimate, not a test, and not adjusted: the t-interval with the cluster-robust error
  (CR1: G/(G−1)) and G−1 degrees of freedom.

How often that interval covers the true mean, by simulation (95 % is what it promises; n = 10, 20, 50):
normal differences 95, 95, 95 %; skewed ones 90, 92, 93 % (exponential) and 84, 87, 90 % (lognormal); heavy tails
(t with 3 degrees of freedom) 96, 95, 96 %; seven of ten cases left alone 86, 92, 94 %. A studentised bootstrap has 90,
93, 93 % of the lognormal ones, but only 79, 87, 92 % where most cases are left alone, with ends in the millions, since
a resample may hold none that changed; BCa is narrower than either (82, 86, 92 % of the lognormal ones, 74, 83, 90 %).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from fsrbench.measure import signs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

LEVEL = 0.95
"""Of every interval."""
ALPHA = 0.05
"""The adjusted p below which a difference is claimed: the chance of any false claim in a run that changed nothing."""
SAME = 1e-12
"""Means of clusters that differ by less than this share of the largest difference are equal but for rounding."""


@dataclass(frozen=True, slots=True)
class Effect:
    """What is known of one arm's paired differences (arm − pure) in one metric. None is unknown, never zero."""

    n: int
    """Cases with both numbers."""
    delta: float | None = None
    """Mean difference."""
    median: float | None = None
    """Median difference."""
    delta_changed: float | None = None
    """Mean difference of the cases that have one; None where all are equal."""
    low: float | None = None
    """Lower end of the 95 % t-interval of the mean, not adjusted; None below two cases (or clusters)."""
    high: float | None = None
    """Its upper end. Differences that are all equal give an interval without width."""
    units: int = 0
    """What a claim counts: cases, or clusters."""
    changed: int = 0
    """Those of them whose (mean) difference is not zero."""
    improved: int = 0
    """Those of the changed ones that became better."""
    p: float | None = None
    """Exact sign test of `improved` among `changed`, two-sided."""
    effect: float | None = None
    """Mean over standard deviation of the differences (Cohen's d_z); None where they do not vary."""
    wins: int = 0
    """Cases that became better."""
    losses: int = 0
    """Cases that became worse."""
    ties: int = 0
    """Cases without a difference."""
    floor: float = 0.0
    """Noise floor: what 95 % of the cases stay below when nothing is done; 0 also where that was not measured."""
    benefit: float | None = None
    """Share of the cases that became better by more than the floor."""
    harm: float | None = None
    """Share of the cases that became worse by more than the floor."""


def paired(
    differences: Sequence[float],
    better: Literal["higher", "lower"],
    *,
    clusters: Sequence[str] | None = None,
    floor: float = 0.0,
) -> Effect:
    """Everything about one arm's differences from pure. `clusters` names each case's person."""
    d = _finite(differences)
    if d.size == 0:
        return Effect(0, floor=floor)
    groups = _group(d, clusters)
    d = np.sort(d)
    gain = d if better == "higher" else -d
    low, high = _t_interval(groups)
    moved, rounding = groups.sums / groups.sizes, SAME * groups.scale
    up, down = int((moved > rounding).sum()), int((moved < -rounding).sum())
    improved = up if better == "higher" else down
    return Effect(
        n=d.size,
        delta=groups.mean,
        median=float(np.median(d)),
        delta_changed=float(d[d != 0].mean()) if d.any() else None,
        low=low,
        high=high,
        units=groups.sums.size,
        changed=up + down,
        improved=improved,
        p=signs.p_value(improved, up + down),
        effect=_standardised(d, groups.mean),
        wins=int((gain > 0).sum()),
        losses=int((gain < 0).sum()),
        ties=int((gain == 0).sum()),
        floor=floor,
        benefit=float((gain > floor).mean()),
        harm=float((gain < -floor).mean()),
    )


def holm(p: Sequence[float | None]) -> list[float | None]:
    """Holm's step-down adjustment over all tests of a run; what was not tested stays None.

    It holds however the tests depend on each other, as those of families do that restore the same inputs.
    """
    known = sorted((value, place) for place, value in enumerate(p) if value is not None)
    adjusted: list[float | None] = [None] * len(p)
    highest = 0.0
    for rank, (value, place) in enumerate(known):
        highest = max(highest, min(1.0, (len(known) - rank) * value))
        adjusted[place] = highest
    return adjusted


def levels(p: Sequence[float | None]) -> list[float | None]:
    """Below which p each test is shown, given the p of all others: Holm's adjusted p is below ALPHA just then.

    ALPHA over the number of tests at least, and more where others are shown.
    """
    known = sorted((value, place) for place, value in enumerate(p) if value is not None)
    found: list[float | None] = [None] * len(p)
    for own, (_, place) in enumerate(known):
        others, shown = [value for value, _ in known[:own] + known[own + 1 :]], 0
        while shown < len(others) and others[shown] < ALPHA / (len(known) - shown):
            shown += 1
        found[place] = ALPHA / (len(known) - shown)
    return found


def outlier(differences: Sequence[float], clusters: Sequence[str] | None = None) -> tuple[int, float] | None:
    """The one case that makes the mean, by its place, and the mean without it (without its cluster, where there are).

    Of all units it moves the mean most, and moves it out of the 95 % interval that the others give. Below three units
    nothing can be told.
    """
    d = _finite(differences)
    member = np.arange(d.size) if clusters is None else np.unique(np.asarray(clusters), return_inverse=True)[1]
    if d.size == 0 or member.max() < 2:
        return None
    sizes, mean = np.bincount(member), float(d.mean())
    without = (d.sum() - np.bincount(member, weights=d)) / (d.size - sizes)
    unit = int(np.abs(without - mean).argmax())
    rest = _group(d[member != unit], None if clusters is None else [str(m) for m in member[member != unit]])
    low, high = _t_interval(rest)
    slack = SAME * float(np.abs(d).max())
    if low is None or high is None or low - slack <= mean <= high + slack:
        return None
    own = np.flatnonzero(member == unit)
    return int(own[np.abs(d[own] - rest.mean).argmax()]), rest.mean


def mean_interval(
    values: Sequence[float], clusters: Sequence[str] | None = None
) -> tuple[float, float] | tuple[None, None]:
    """The 95 % t-interval of a mean, cluster-robust as above; None for fewer than two values (or clusters)."""
    x = _finite(values)
    return _t_interval(_group(x, clusters)) if x.size else (None, None)


def share_interval(successes: int, n: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share of `n` > 0 independent cases."""
    from scipy.special import ndtri

    share, z = successes / n, float(ndtri((1 + LEVEL) / 2))
    middle = (2 * n * share + z**2) / (2 * (n + z**2))
    half = z / (2 * (n + z**2)) * math.sqrt(4 * n * share * (1 - share) + z**2)
    return 0.0 if successes == 0 else middle - half, 1.0 if successes == n else middle + half


def floor(moved: Sequence[float]) -> float:
    """The noise floor of a single case: what 95 % of moves without a cause stay below; 0 where none is known."""
    return float(np.quantile(_finite(moved), LEVEL)) if moved else 0.0


def _finite(values: Sequence[float]) -> Array:
    found = np.asarray(values, np.float64) + 0.0  # no negative zero
    if not np.isfinite(found).all():
        raise ValueError("A number that is missing or infinite must not arrive here: leave its case out.")
    return found


def _standardised(d: Array, mean: float) -> float | None:
    spread = float(d.std(ddof=1)) if d.size > 1 else 0.0
    return mean / spread if spread > SAME * float(np.abs(d).max()) else None


# ------------------------------------------------------------------- clusters


@dataclass(frozen=True, slots=True)
class _Groups:
    """Differences as the statistics take them: cluster by cluster, in an order that is the data's own."""

    sums: Array
    """Sum of each cluster's differences."""
    sizes: Array
    """Its number of cases."""
    mean: float
    """Of all cases."""
    error: float
    """Cluster-robust standard error of the mean; exactly 0 where all clusters have the same mean."""
    scale: float
    """The largest difference of any case, against which rounding is told from a difference."""


def _group(d: Array, clusters: Sequence[str] | None) -> _Groups:
    if clusters is None:
        sums, sizes = np.sort(d), np.ones(d.size)
    else:
        if len(clusters) != d.size:
            raise ValueError(f"{d.size} differences and {len(clusters)} clusters: every case needs its own entry.")
        member = np.unique(np.asarray(clusters), return_inverse=True)[1]
        order = np.lexsort((d, member))
        totals = np.bincount(member[order], weights=d[order]).astype(np.float64)
        members = np.bincount(member).astype(np.float64)
        by_mean = np.lexsort((members, totals / members))
        sums, sizes = totals[by_mean], members[by_mean]
    count, scale = sums.size, float(np.abs(d).max())
    mean = float(sums.sum() / d.size)
    error = 0.0
    if count > 1:
        off = sums - sizes * mean
        error = math.sqrt(count / (count - 1)) * math.hypot(*off) / d.size
    return _Groups(sums, sizes, mean, error if error > SAME * scale else 0.0, scale)


def _t_interval(groups: _Groups) -> tuple[float, float] | tuple[None, None]:
    from scipy.special import stdtrit

    if groups.sums.size < 2:
        return None, None
    half = float(stdtrit(groups.sums.size - 1, (1 + LEVEL) / 2)) * groups.error
    return groups.mean - half, groups.mean + half
