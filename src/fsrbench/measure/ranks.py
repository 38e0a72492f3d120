"""Rank correlations, Spearman's and Kendall's: pure functions over numbers.

The p of the first is exact where there are few: what a sample of six can say is not left to an approximation.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

EXACT_ORDERS = 7
"""Up to so many pairs all orders are tried for a correlation's p."""


def spearman(x: Sequence[float], y: Sequence[float]) -> tuple[float, float] | None:
    """Rank correlation and its two-sided p; None for fewer than three pairs or where one side does not vary.

    With few pairs p counts all orders, which holds with ties too; beyond it is Student's approximation.
    """
    if len(x) < 3 or len(set(x)) < 2 or len(set(y)) < 2:
        return None
    a, b = _ranks(x), _ranks(y)
    rho = float(np.asarray(np.corrcoef(np.column_stack((a, b)), rowvar=False))[1, 0])
    return rho, _exact(a, b) if len(x) <= EXACT_ORDERS else _approximate(rho, len(x))


def kendall(x: Sequence[float], y: Sequence[float]) -> float | None:
    """Kendall's tau-b, which makes room for ties; None where one side does not vary, or for fewer than two pairs."""
    signs = [np.sign(np.subtract.outer(values, values)) for values in (x, y)]
    varying = [float((one != 0).sum()) for one in signs]
    return float((signs[0] * signs[1]).sum() / math.sqrt(varying[0] * varying[1])) if all(varying) else None


def _ranks(values: Sequence[float]) -> Array:
    """From 1; those that are equal share the mean of theirs."""
    _, place, counts = np.unique(np.asarray(values, np.float64), return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[place])


def _exact(a: Array, b: Array) -> float:
    """The share of all orders in which the ranks go together as much as here, or more."""
    middle = (len(a) + 1) / 2
    a, b = a - middle, b - middle
    sums = np.array(list(itertools.permutations(b))) @ a
    return float(np.mean(np.abs(sums) >= abs(float(a @ b)) - 1e-9))


def _approximate(rho: float, count: int) -> float:
    """By Student's distribution."""
    from scipy.special import stdtr

    off = (1 + rho) * (1 - rho)
    t = rho * math.sqrt((count - 2) / off) if off > 0 else math.inf
    return float(2 * stdtr(count - 2, -abs(t)))
