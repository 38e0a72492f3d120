"""What a predictor gains that knows of a picture only what may be seen of it, measured on those it has not seen.

For each setting a ridge regression predicts its gain from the features, and whoever is measured gets the setting of
which most is predicted. Persons are parted into groups, and each group is predicted by the regressions of all others,
penalties included, so that nobody has a part in what is chosen for them. Where features say nothing the penalty grows,
every picture is predicted the mean, and what is left is about the best constant.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from fsrbench.measure import ridge

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

LEAST = 3
"""Persons: one to be measured, and two of whom each checks the other's penalty."""


def chosen(gains: Array, features: Array, persons: Sequence[str]) -> NDArray[np.int64]:
    """For each case (a row) the place of the setting (a column of `gains`) that others' regressions choose for it."""
    names = sorted(set(persons))
    if len(names) < LEAST:
        raise ValueError(f"A predictor is measured on {LEAST} persons at least.")
    group = np.array([names.index(person) % ridge.FOLDS for person in persons])
    picked = np.empty(len(persons), np.int64)
    for own in np.unique(group):
        out = group == own
        others = [person for person, apart in zip(persons, out, strict=True) if not apart]
        said = [ridge.fit(features[~out], column[~out], others).predictor(features[out]) for column in gains.T]
        picked[out] = np.argmax(said, axis=0)
    return picked
