"""Learn then Test: how far down a fixed order of thresholds one may go so that harm above α is rare.

Thresholds are ordered from the strictest before any calibration person is looked at. Each is tested in turn: were its
true harm above α, so little harm as was seen would be no likelier than p. The first that fails ends the search, so no
correction is needed, and the chance that any threshold is permitted whose true harm is above α is at most δ.

Persons are the unit. One draw of each is harmed or not, and p is exact. Of several draws the person's mean counts,
which is between 0 and 1, and p is Hoeffding's and Bentkus's bound (Angelopoulos and others, Learn then Test, 2021).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from fsrbench.measure.stats import LEVEL

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

PRECISION = 1e-9
"""To which a bound on a mean is found."""


def permitted(losses: Array, alpha: float, delta: float) -> int:
    """How many thresholds, from the strictest, may be used; 0 where none may.

    `losses` has a row for each threshold and a column for each person: the share of their draws that it would harm.
    """
    if not ((losses >= 0) & (losses <= 1)).all():
        raise ValueError("A person's loss is a share of their draws, from 0 to 1, and never missing: leave them out.")
    p = p_values(losses, alpha)
    return int((p <= delta).cumprod().sum())


def p_values(losses: Array, alpha: Array | float) -> Array:
    """For each threshold, the p of its harm being above α: exact where everybody has 0 or 1, else a bound."""
    totals, persons = losses.sum(axis=-1), losses.shape[-1]
    if np.isin(losses, (0, 1)).all():
        return binomial(totals, persons, alpha)
    return hoeffding_bentkus(totals, persons, alpha)


def binomial(harmed: Array | float, persons: int, alpha: Array | float) -> Array:
    """The chance of so few persons harmed, or fewer, if each is with chance α."""
    from scipy.special import bdtr

    return np.asarray(bdtr(np.asarray(harmed), persons, alpha))


def hoeffding_bentkus(total: Array | float, persons: int, alpha: Array | float) -> Array:
    """A bound on the chance of so small a total of losses between 0 and 1, if their mean is α."""
    from scipy.special import rel_entr

    total = np.asarray(total, np.float64)
    mean = np.minimum(total / persons, alpha)
    hoeffding = np.exp(-persons * (rel_entr(mean, alpha) + rel_entr(1 - mean, 1 - alpha)))
    bentkus = math.e * binomial(np.ceil(total), persons, alpha)
    return np.asarray(np.minimum(np.minimum(hoeffding, bentkus), 1.0))


def person_means(harmed: Sequence[bool], persons: Sequence[str]) -> Array:
    """The share of each person's draws that were harmed, in the order of their names."""
    member = np.unique(np.asarray(persons), return_inverse=True)[1]
    return np.bincount(member, weights=np.asarray(harmed, np.float64)) / np.bincount(member)


def mean_bounds(losses: Array, level: float = LEVEL) -> tuple[float, float]:
    """An interval of the mean loss of persons, from the same bound on either side: valid for any number of them."""

    def upper(total: float) -> float:
        low, high = total / losses.size, 1.0
        while high - low > PRECISION:
            middle = (low + high) / 2
            if hoeffding_bentkus(total, losses.size, middle) > (1 - level) / 2:
                low = middle
            else:
                high = middle
        return high

    total = float(losses.sum())
    return 1 - upper(losses.size - total), upper(total)
