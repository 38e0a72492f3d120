"""Bradley–Terry strengths: one number for each of several things that were compared two by two.

The model: i is chosen before j with probability p_i / (p_i + p_j). A tie counts as half a choice of each. Strengths
are the logarithms of p, so that a difference of strengths is the log odds of being chosen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

ENOUGH = 1e-9
"""Change of every strength in one step below which they stand."""
STEPS = 20_000
"""Most steps; strengths that are still not settled then are those of the last one."""
VIRTUAL = 0.5
"""Choices added to each side of every pair that was compared, where strengths would be infinite without them."""


def strengths(wins: Array, pairs: Array | None = None) -> Array:
    """Strengths for matrices of wins, their mean 0: `wins[…, i, j]` says how often i was chosen before j.

    Everything must be connected by comparisons: `pairs`, where `wins` is a sample of those that were made. Finite
    strengths exist only where no group lost every comparison with all others (Ford 1957); matrices of which that does
    not hold get VIRTUAL choices.
    """
    compared = (wins + wins.swapaxes(-1, -2) > 0) if pairs is None else pairs
    added = np.where(bounded(wins)[..., None, None], 0.0, VIRTUAL) * compared
    return _maximised(wins + added)


def bounded(wins: Array) -> NDArray[np.bool_]:
    """Do finite strengths exist? From everything a chain of wins must lead to everything else."""
    return np.asarray(_reached(wins > 0).all(axis=(-1, -2)))


def connected(wins: Array) -> NDArray[np.bool_]:
    """Which things a chain of comparisons leads to from which, for one matrix."""
    return _reached(wins + wins.T > 0)


def _reached(steps: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Where chains of these steps lead."""
    size = steps.shape[-1]
    found = (steps | np.eye(size, dtype=bool)).astype(np.float64)
    for _ in range(size.bit_length()):
        found = (found @ found > 0).astype(np.float64)
    return found > 0


def _maximised(wins: Array) -> Array:
    """The maximum of the likelihood by Hunter's MM steps (2004), which never lower it."""
    games = wins + wins.swapaxes(-1, -2)
    own = wins.sum(axis=-1)
    found = np.zeros(own.shape)
    for _ in range(STEPS):
        p = np.exp(found)
        after = np.log(own) - np.log((games / (p[..., :, None] + p[..., None, :])).sum(axis=-1))
        after -= after.mean(axis=-1, keepdims=True)
        moved = float(np.abs(after - found).max(initial=0.0))
        found = after
        if moved < ENOUGH:
            break
    return found
