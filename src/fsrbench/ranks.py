"""Rank statistics: Wilcoxon's signed-rank test for paired differences, and Spearman's correlation.

Pure functions over numbers, exact where there are few: what a sample of six can say is not left to an approximation.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

EXACT = 50
"""Up to so many differences that are not zero, the signed-rank test's p is exact; above, normal."""
EXACT_ORDERS = 7
"""Up to so many pairs all orders are tried for a correlation's p."""


def signed_rank(differences: Array, rounding: float) -> float:
    """Two-sided p of Wilcoxon's signed-rank test with Pratt's zeros, by symmetry under no effect.

    Sizes that differ by less than `rounding` (0 where all are 0) are tied.

    Exact, given the sizes of the differences, while at most EXACT of them are not zero, ties and zeros or not; that
    is what scipy's exact and exhaustive tests give, where it has them. Above, the normal approximation with the
    variance of the ranks there are and no correction for continuity, as scipy. An arm that leaves most cases alone
    is why zeros do not count towards EXACT: few differences among many zeros are anything but normal.
    All zero: 1. All equal and not zero: the test is as good as any other (six of six alike: p = 1/32).
    """
    from scipy.special import ndtr

    if rounding == 0:
        return 1.0
    steps = np.rint(differences / rounding)
    _, member, counts = np.unique(np.abs(steps), return_inverse=True, return_counts=True)
    doubled = (2 * np.cumsum(counts) - counts + 1)[member]  # twice the mean rank of what is tied: whole numbers
    ranks, positive = doubled[steps != 0], steps[steps != 0] > 0
    if ranks.size == 0:
        return 1.0
    if ranks.size <= EXACT:
        return _exact(ranks - 2 * (steps.size - ranks.size), positive, steps.size - ranks.size)
    signed = np.where(positive, ranks, -ranks).astype(np.float64)
    p = 2 * float(ndtr(-abs(signed.sum()) / np.linalg.norm(signed)))
    return max(p, sys.float_info.min)  # too small for a number is still not zero


def _exact(doubled: NDArray[np.int64], positive: NDArray[np.bool_], zeros: int) -> float:
    """Twice the share of all patterns of signs whose sum of positive ranks is as far out as this one's.

    `doubled` are twice the ranks above the zeros. Patterns are counted by how many signs are positive and by the
    sum of those ranks, so that many zeros, which lift every rank by as much, cost nothing.
    """
    unit = int(np.gcd.reduce(doubled))
    ways = np.zeros((doubled.size + 1, int(doubled.sum()) // unit + 1))  # whole numbers below 2**53
    ways[0, 0], top = 1, 0
    for number, step in enumerate((doubled // unit).tolist()):
        ways[1 : number + 2, step : top + step + 1] += ways[: number + 1, : top + 1].copy()
        top += step
    lift = 2 * zeros
    sums = np.arange(doubled.size + 1)[:, None] * lift + np.arange(top + 1) * unit
    seen, total = int((doubled[positive] + lift).sum()), int((doubled + lift).sum())
    return min(1.0, float(ways[sums >= max(seen, total - seen)].sum()) * 2.0 ** (1 - doubled.size))


def spearman(x: Sequence[float], y: Sequence[float]) -> tuple[float, float] | None:
    """Rank correlation and its two-sided p; None for fewer than three pairs or where one side does not vary.

    With few pairs p counts all orders, which holds with ties too; beyond it is Student's approximation.
    """
    from scipy import stats as reference

    if len(x) < 3 or len(set(x)) < 2 or len(set(y)) < 2:
        return None
    rho, p = (float(v) for v in reference.spearmanr(x, y))
    if len(x) <= EXACT_ORDERS:
        a, b = (reference.rankdata(v) - (len(x) + 1) / 2 for v in (x, y))
        sums = np.array(list(itertools.permutations(b))) @ a
        p = float(np.mean(np.abs(sums) >= abs(float(a @ b)) - 1e-9))
    return rho, p
