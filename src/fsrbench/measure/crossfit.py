"""The best unchanging setting, and what it gains on somebody who had no part in choosing it.

Pure functions over a table: a row for each person, a column for each setting, in it by how much the setting is better
than pure there (0 for pure itself, which is a setting too). Each person's gain is read off at the setting that all
others together like best, so that who chose is never who is measured: where nothing helps, nothing seems to. With every
other person's vote weighing the same, a setting that only one person likes is chosen for nobody else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEW = 8
"""Persons below whom it is said that they are few to choose by."""
Gains: TypeAlias = Mapping[str, Sequence[float]]
"""Person → the gain of each setting there, all persons' in one order. Every number is finite."""


def best(gains: Gains) -> int:
    """The place of the setting that gains most in the mean over persons; of equals the first."""
    return int(np.argmax(_table(gains).sum(axis=0)))


def without(gains: Gains) -> dict[str, int]:
    """Person → the place of the setting that gains most in the mean over all others. It takes two persons at least."""
    if len(gains) < 2:
        raise ValueError("a setting cannot be chosen without the only person there is")
    table = _table(gains)
    others = table.sum(axis=0) - table
    return {person: int(np.argmax(row)) for person, row in zip(sorted(gains), others, strict=True)}


def _table(gains: Gains) -> NDArray[np.float64]:
    return np.array([gains[person] for person in sorted(gains)], np.float64)
