"""What an arm did of what it promised: persons harmed, and its share of what could have been gained, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fsrbench.core.contracts import Metric
from fsrbench.measure.stats import LEVEL
from fsrbench.measure.summary_values import MetricFacts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

RESAMPLES = 10_000
"""Of persons, with replacement."""
SEED = 0
"""Of the resamples: the same numbers give the same interval."""


@dataclass(frozen=True, slots=True)
class CapturedShare:
    """An arm's gains over those of an upper bound, both summed over all cases."""

    share: float | None
    """The ratio of the sums; None where there was nothing to gain."""
    low: float | None = None
    """Lower end of the 95 % BCa interval over persons; None where some resample of them has nothing to gain."""
    high: float | None = None
    """Its upper end."""


def harm_interval(harmed: int, persons: int, level: float = LEVEL) -> tuple[float, float]:
    """Clopper and Pearson's exact interval of the share of persons harmed, one draw of each."""
    from scipy.special import betaincinv

    tail = (1 - level) / 2
    low = float(betaincinv(harmed, persons - harmed + 1, tail)) if harmed else 0.0
    high = float(betaincinv(harmed + 1, persons - harmed, 1 - tail)) if harmed < persons else 1.0
    return low, high


def captured(arm: Sequence[float], bound: Sequence[float], persons: Sequence[str]) -> CapturedShare:
    """The share of what `bound` gained that `arm` gained, on the same cases in the same order."""
    member = np.unique(np.asarray(persons), return_inverse=True)[1]
    own, whole = (np.bincount(member, weights=np.asarray(gains, np.float64)) for gains in (arm, bound))
    if not whole.sum() > 0:
        return CapturedShare(None)
    order = np.lexsort((own, whole))
    own, whole = own[order], whole[order]
    share = float(own.sum() / whole.sum())
    if own.size < 2:
        return CapturedShare(share)
    drawn = np.random.default_rng(SEED).integers(own.size, size=(RESAMPLES, own.size))
    sums = whole[drawn].sum(axis=1)
    left = whole.sum() - whole
    if not (sums > 0).all() or not (left > 0).all():
        return CapturedShare(share)
    low, high = _bca(share, own[drawn].sum(axis=1) / sums, (own.sum() - own) / left)
    return CapturedShare(share, low, high)


def worth_a_share(
    gain: float, low: float | None, high: float | None, metric: Metric | MetricFacts, floor: float
) -> bool:
    """Is an oracle's gain enough to take a share of?

    It shows in print, exceeds what a single case moves by without any cause, and its interval leaves zero.
    """
    if low is None or high is None:
        return False
    shown = round(gain, metric.digits) and abs(gain) > floor
    return bool(shown) and (low > 0 if metric.better == "higher" else high < 0)


def _bca(found: float, resampled: Array, without: Array) -> tuple[float, float]:
    """Efron's bias-corrected and accelerated interval, from resamples and from what is found without each person."""
    from scipy.special import ndtr, ndtri

    pull = without.mean() - without
    scale = float(np.square(pull).sum()) ** 1.5
    if scale == 0 or np.ptp(resampled) == 0:
        return found, found
    acceleration = float((pull**3).sum()) / (6 * scale)
    below = float(((resampled < found).mean() + (resampled <= found).mean()) / 2)
    bias = float(ndtri(below))
    ends = []
    for z in (ndtri((1 - LEVEL) / 2), ndtri((1 + LEVEL) / 2)):
        at = ndtr(bias + (bias + z) / (1 - acceleration * (bias + z)))
        ends.append(float(np.quantile(resampled, at)))
    return ends[0], ends[1]
