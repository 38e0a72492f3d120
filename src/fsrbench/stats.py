"""Paired statistics: what the differences of an arm from pure say, and how far they can be believed.

Pure functions over numbers: nothing is read, and nothing is missing here (a case without both numbers never
arrives). The same numbers in any order give the same answer.

The unit is the case. Where several pictures show one person they are not independent, and the cluster becomes
the unit of everything that says how sure we are: every formula below is that of clusters (a sum and a size
each), and without a table of clusters every case is its own, which makes them the ordinary ones.

- Mean, median, wins, losses, benefit, harm and d_z are those of the cases.
- BCa resamples whole clusters; the statistic is sum over number of cases, so a cluster weighs what it holds.
- The t-interval takes the cluster-robust error (CR1: G/(G−1)) with G−1 degrees of freedom.
- The rank test takes one mean a cluster.
- Power takes the cluster-robust error too: `detectable` is for as many clusters again, and `needed` counts cases,
  as many to a cluster as here.

How often the intervals cover the truth, by simulation (95 % is what they promise; t / BCa):
normal differences: 95 / 90 % at n=10, 95 / 93 % at 20, 95 / 94 % at 50, 95 / 95 % at 200; skewed ones (exponential):
91 / 90 % at 20, 94 / 93 % at 100; heavy tails (t with 3 degrees of freedom): 96 / 85 % at 10, 95 / 88 % at 20,
96 / 92 % at 100; seven of ten cases left alone: 92 / 84 % at 20, 95 / 92 % at 100. Clusters of unequal size: 93 / 88 %
with 8 of them, 95 / 92 % with 20, where cases taken as independent reach 70 %. So BCa, which assumes least, is too
narrow in small samples: below about 100 cases (or clusters), look at the t-interval beside it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from fsrbench import ranks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

LEVEL = 0.95
"""Of every interval; 1 − LEVEL is the size of every test that power is worked out for."""
POWER = 0.80
"""At which the smallest effect that could be found, and the cases needed, are given."""
RESAMPLES = 10_000
"""Of the bootstrap: half of them drawn, the other half their mirror images."""
MOST_NEEDED = 10_000_000
"""More cases than this are not a number to plan with."""
SAME = 1e-12
"""Means of clusters that differ by less than this share of the largest difference are equal but for rounding."""
CHUNK = 2**16
"""Draws made at once: memory stays bounded whatever the number of cases, the numbers stay in the processor's cache, and
their product is too small for a BLAS to start threads, which wait for each other on a busy machine."""
KEPT = 2**22
"""Draws that are kept, one byte each, because all effects over as many cases take the same. More are drawn each time:
memory stays bounded."""


@dataclass(frozen=True, slots=True)
class Effect:
    """What is known of one arm's paired differences (arm − pure) in one metric. None is unknown, never zero."""

    n: int
    """Cases with both numbers."""
    delta: float | None = None
    """Mean difference."""
    median: float | None = None
    """Median difference."""
    low: float | None = None
    """Lower end of the 95 % BCa bootstrap interval of the mean; None below two cases (or clusters)."""
    high: float | None = None
    """Its upper end. Differences that are all equal give an interval without width."""
    t_low: float | None = None
    """Lower end of the 95 % t-interval of the mean."""
    t_high: float | None = None
    """Its upper end."""
    p: float | None = None
    """Wilcoxon signed-rank test, two-sided, zeros by Pratt's way: ranked, then left out of the sums. See `ranks.py`."""
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
    detectable: float | None = None
    """The smallest mean difference that a sample of this size and spread finds with 80 % power, by a two-sided t-test
    at 5 %; None where the differences do not vary."""
    needed: int | None = None
    """Cases that the mean difference seen would need for 80 % power by that test; None where there is no difference,
    where the differences do not vary, and above ten million."""


def paired(
    differences: Sequence[float],
    better: Literal["higher", "lower"],
    *,
    clusters: Sequence[str] | None = None,
    floor: float = 0.0,
    seed: int = 0,
) -> Effect:
    """Everything about one arm's differences from pure. `clusters` names each case's person."""
    d = _finite(differences)
    if d.size == 0:
        return Effect(0, floor=floor)
    groups = _group(d, clusters)
    d = np.sort(d)
    gain = d if better == "higher" else -d
    return Effect(
        n=d.size,
        delta=groups.mean,
        median=float(np.median(d)),
        effect=_standardised(d, groups.mean),
        wins=int((gain > 0).sum()),
        losses=int((gain < 0).sum()),
        ties=int((gain == 0).sum()),
        floor=floor,
        benefit=float((gain > floor).mean()),
        harm=float((gain < -floor).mean()),
        **(_uncertainty(groups, seed) if groups.sums.size > 1 else {}),
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


def mean_interval(
    values: Sequence[float], clusters: Sequence[str] | None = None
) -> tuple[float, float] | tuple[None, None]:
    """The 95 % t-interval of a mean, cluster-robust as above; None for fewer than two values (or clusters)."""
    x = _finite(values)
    groups = _group(x, clusters) if x.size else None
    return _t_interval(groups) if groups and groups.sums.size > 1 else (None, None)


def share_interval(successes: int, n: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share of `n` > 0 independent cases."""
    from scipy.special import ndtri

    z = float(ndtri((1 + LEVEL) / 2))
    share, weight = successes / n, z * z / n
    middle, half = share + weight / 2, z * math.sqrt(share * (1 - share) / n + weight / (4 * n))
    return max(0.0, (middle - half) / (1 + weight)), min(1.0, (middle + half) / (1 + weight))


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


def _uncertainty(groups: _Groups, seed: int) -> dict[str, Any]:
    """The fields of an effect that say how sure it is. Needs two clusters."""
    count = groups.sums.size
    t_low, t_high = _t_interval(groups)
    p = ranks.signed_rank(groups.sums / groups.sizes, SAME * groups.scale)
    known = {"p": p, "t_low": t_low, "t_high": t_high}
    if groups.error == 0:
        return known | {"low": t_low, "high": t_high}
    low, high = _bca(groups, _resampled(groups, seed))
    detectable = _noncentrality(count - 1) * groups.error
    return known | {"low": low, "high": high, "detectable": detectable, "needed": _needed(groups)}


def _t_interval(groups: _Groups) -> tuple[float, float]:
    from scipy.special import stdtrit

    half = float(stdtrit(groups.sums.size - 1, (1 + LEVEL) / 2)) * groups.error
    return groups.mean - half, groups.mean + half


# ------------------------------------------------------------------ bootstrap


def _resampled(groups: _Groups, seed: int) -> Array:
    """The mean in every resample of whole clusters.

    Clusters are sorted, so the second half, where each drawn cluster is exchanged for the one at the same place
    from the other end, is what the differences with the opposite sign would have drawn: turning a metric round
    turns its interval round, exactly.
    """
    count, half = groups.sums.size, RESAMPLES // 2
    columns = np.stack((groups.sums, groups.sizes, groups.sums[::-1], groups.sizes[::-1]), axis=1)
    rows = max(1, CHUNK // count)
    draw = _kept if half * count <= KEPT else _drawn
    chunks = (draw(count, min(rows, half - start), seed, start) for start in range(0, half, rows))
    found = np.concatenate([chunk.astype(np.float64) @ columns for chunk in chunks])
    return np.concatenate((found[:, 0] / found[:, 1], found[:, 2] / found[:, 3]))


def _drawn(count: int, rows: int, seed: int, start: int) -> NDArray[np.uint8]:
    """How often each cluster is in each resample.

    A byte is enough: a cluster that is drawn 256 times in as many draws as there are clusters does not happen.
    """
    rng = np.random.default_rng((seed, count, start))
    places = rng.integers(count, size=(rows, count)) + np.arange(rows)[:, None] * count
    return np.bincount(places.ravel(), minlength=rows * count).astype(np.uint8).reshape(rows, count)


_kept = lru_cache(maxsize=KEPT // CHUNK)(_drawn)


def _bca(groups: _Groups, resampled: Array) -> tuple[float, float]:
    """Efron's bias-corrected and accelerated interval of the mean; the jackknife leaves out one cluster at a time."""
    from scipy.special import ndtr, ndtri

    rounding = SAME * groups.scale
    below = (resampled < groups.mean - rounding).mean() + (resampled <= groups.mean + rounding).mean()
    # Half a resample from either end at most: z stays below 6, and |a| below 1/6, so nothing divides by zero.
    bias = ndtri(np.clip(below / 2, 0.5 / RESAMPLES, 1 - 0.5 / RESAMPLES))
    total, n = groups.sums.sum(), groups.sizes.sum()
    left_out = (total - groups.sums) / (n - groups.sizes)
    off = left_out.mean() - left_out
    off /= np.abs(off).max()
    acceleration = (off**3).sum() / (6 * (off**2).sum() ** 1.5)
    z = bias + ndtri((1 + LEVEL) / 2) * np.array((-1.0, 1.0))
    low, high = np.quantile(resampled, ndtr(bias + z / (1 - acceleration * z)))
    return float(low), float(high)


# ---------------------------------------------------------------------- power


def _power(freedom: int, noncentrality: float) -> float:
    """Of a two-sided t-test at 1 − LEVEL whose statistic is expected at `noncentrality`."""
    from scipy.special import nctdtr, stdtrit

    shift = min(noncentrality, 30.0)  # power is 1 there but for the very first degree of freedom; scipy fails above
    edge = stdtrit(freedom, (1 + LEVEL) / 2)
    wrong_side = 1 - nctdtr(freedom, -shift, edge) if shift < 6 else 0.0  # below 1e-9 there
    return float(1 - nctdtr(freedom, shift, edge) + wrong_side)


@lru_cache(maxsize=1024)
def _noncentrality(freedom: int) -> float:
    """Where the t statistic must be expected for the test to have POWER."""
    from scipy.optimize import brentq

    return float(brentq(lambda shift: _power(freedom, shift) - POWER, 1.0, 30.0, xtol=1e-12))


def _needed(groups: _Groups) -> int | None:
    """Cases for POWER, from the smallest number of clusters like these: each as large on average and as far apart."""
    count, n = groups.sums.size, int(groups.sizes.sum())
    effect = abs(groups.mean) / (groups.error * math.sqrt(count))
    if effect * math.sqrt(MOST_NEEDED) < 1:
        return None
    clusters = max(2, math.floor((_noncentrality(MOST_NEEDED) / effect) ** 2))  # fewer cases need more: never too many
    while _power(clusters - 1, effect * math.sqrt(clusters)) < POWER:
        clusters += 1
    cases = -(-clusters * n // count)
    return cases if cases <= MOST_NEEDED else None
