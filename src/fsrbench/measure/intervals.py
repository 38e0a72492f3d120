"""Shares and means over persons, with their 95 % intervals: how often somebody agrees, and by how much less."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fsrbench.core.stored import Stored
from fsrbench.measure import captured, stats, thresholds

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEW = 10
"""Below so many persons nothing is resampled."""


@dataclass(frozen=True, slots=True)
class PersonShare(Stored):
    """A share of pairs, from 0 to 1; a pair may count in part."""

    share: float | None
    """The share; None where no pair counts."""
    low: float | None = None
    """Lower end of its interval; None below two persons."""
    high: float | None = None
    """Its upper end."""
    n: int = 0
    """Pairs that count."""
    persons: int = 0
    """Persons that they show."""
    left_out: int = 0
    """Pairs that were left out since nobody could be right: a tie, or a difference inside the noise floor."""
    unjudged: int = 0
    """Pairs to which there is no usable answer."""


@dataclass(frozen=True, slots=True)
class PersonMean(Stored):
    """A mean over cases or pairs."""

    mean: float | None
    """The mean; None where there is nothing to take it of."""
    low: float | None = None
    """Lower end of its t-interval, cluster-robust over persons; None below two persons."""
    high: float | None = None
    """Its upper end."""
    n: int = 0
    """What it is taken of."""


def share(points: Sequence[float], persons: Sequence[str], left_out: int = 0, unjudged: int = 0) -> PersonShare:
    """The mean of points from 0 to 1, with its interval over persons.

    BCa; where all points are the same end, Clopper's and Pearson's exact interval of so many persons, since resamples
    would have no width; and of FEW persons the bound that holds for any number of them, since resamples say too much.
    """
    beside = {"left_out": left_out, "unjudged": unjudged}
    if not points:
        return PersonShare(None, **beside)
    found = float(np.mean(points))
    count = len(set(persons))
    if count < 2:
        return PersonShare(found, None, None, len(points), count, **beside)
    if min(points) == max(points) and found in (0.0, 1.0):
        low, high = captured.harm_interval(round(found * count), count)
    elif count < FEW:
        low, high = thresholds.mean_bounds(_person_means(points, persons))
        low, high = min(low, found), max(high, found)
    else:
        one = captured.captured(points, [1.0] * len(points), persons)
        if one.low is None or one.high is None:
            raise TypeError("every resample of persons holds a pair")
        low, high = one.low, one.high
    return PersonShare(found, low, high, len(points), count, **beside)


def _person_means(points: Sequence[float], persons: Sequence[str]) -> NDArray[np.float64]:
    member = np.unique(np.asarray(persons), return_inverse=True)[1]
    return np.bincount(member, weights=np.asarray(points, np.float64)) / np.bincount(member)


def mean(values: Sequence[float], persons: Sequence[str]) -> PersonMean:
    """A mean with its interval over persons."""
    if not values:
        return PersonMean(None)
    low, high = stats.mean_interval(values, persons)
    return PersonMean(float(np.mean(values)), low, high, len(values))
