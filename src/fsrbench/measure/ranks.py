"""Spearman's rank correlation: a pure function over numbers.

Its p is exact where there are few: what a sample of six can say is not left to an approximation.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

EXACT_ORDERS = 7
"""Up to so many pairs all orders are tried for a correlation's p."""


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
