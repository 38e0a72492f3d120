"""Ridge regression whose penalty is chosen by cross-validation over persons: no person predicts themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

PENALTIES = tuple(float(10.0**power) for power in range(-4, 5))
"""Those that are tried, as shares of the number of rows."""
FOLDS = 10
"""Groups of persons; each person is a group where there are no more than these."""


@dataclass(frozen=True, slots=True)
class Predictor:
    """A linear predictor."""

    intercept: float
    """What it says where every feature is zero."""
    weights: tuple[float, ...]
    """What each feature adds for each of its units."""

    def __call__(self, features: Array) -> Array:
        """A prediction for each row."""
        said: Array = self.intercept + np.asarray(features, np.float64) @ np.array(self.weights)
        return said


@dataclass(frozen=True, slots=True)
class Fit:
    """A predictor, and how it did on persons that it had not seen."""

    predictor: Predictor
    """Fitted to all rows."""
    penalty: float
    """The one that did best."""
    unseen: tuple[float, ...]
    """For each row, what was predicted by those persons who are not in its group."""


def fit(features: Array, true: Array, persons: Sequence[str], penalties: Sequence[float] = PENALTIES) -> Fit:
    """Take the penalty with the least squared error on unseen persons; of equals the largest, which trusts least."""
    if not (np.isfinite(features).all() and np.isfinite(true).all()):
        raise ValueError("A number that is missing or infinite must not arrive here: leave its row out.")
    names = sorted(set(persons))
    if len(names) < 2:
        raise ValueError("Cross-validation over persons needs two of them at least.")
    group = np.array([names.index(person) % FOLDS for person in persons])
    found = {penalty: _unseen(features, true, group, penalty) for penalty in sorted(penalties, reverse=True)}
    best = min(found, key=lambda penalty: float(np.square(found[penalty] - true).sum()))
    return Fit(_ridge(features, true, best), best, tuple(map(float, found[best])))


def _unseen(features: Array, true: Array, group: NDArray[np.int64], penalty: float) -> Array:
    """Each row as the rows of all other groups predict it."""
    said = np.empty(true.size)
    for own in np.unique(group):
        out = group == own
        said[out] = _ridge(features[~out], true[~out], penalty)(features[out])
    return said


def _ridge(features: Array, true: Array, penalty: float) -> Predictor:
    """Least squares over standardised features, drawn towards their mean's prediction; what never varies has no say."""
    mean, spread = features.mean(axis=0), features.std(axis=0)
    varies = spread > 1e-12 * np.maximum(np.abs(mean), 1)
    scaled = np.where(varies, (features - mean) / np.where(varies, spread, 1), 0)
    held = scaled.T @ scaled + penalty * len(true) * np.eye(scaled.shape[1])
    weights = np.linalg.solve(held, scaled.T @ (true - true.mean()))
    weights = np.where(varies, weights / np.where(varies, spread, 1), 0)
    return Predictor(float(true.mean() - mean @ weights), tuple(map(float, weights)))
