"""The exact sign test, by which every difference is claimed: which share of the changed units became better?

Pure functions over counts. A unit is a case, or a person where it is known who is who; one that did not change says
nothing about which way changes go and is left out. What is tested, and denied where a claim is made, is that a changed
unit becomes better as often as worse. Nothing is assumed of how large changes are, so the level holds for skewed and
heavy-tailed differences, whatever their number.

Power is that of this test, at the level that is left for one of many tests.
"""

from __future__ import annotations

import bisect
import math
import sys
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

POWER = 0.80
"""At which the cases needed are given."""
MOST_NEEDED = 1_000_000
"""More cases than this are not a number to plan with."""
TAIL = 8.0
"""Standard deviations beyond which a binomial count does not happen."""


def p_value(improved: int, changed: int) -> float:
    """Two-sided p of `improved` among `changed` units, by the binomial with a half; 1 where nothing changed."""
    from scipy.special import bdtrc

    if changed == 0:
        return 1.0
    p = 2 * float(bdtrc(max(improved, changed - improved) - 1, changed, 0.5))
    return min(1.0, max(p, sys.float_info.min))  # too small for a number is still not zero


def least(level: float) -> int:
    """The fewest changed units that can have p below `level`: all of them must go one way."""
    changed = 1
    while 2.0 ** (1 - changed) >= level:
        changed += 1
    return changed


def majority(changed: int, level: float) -> int | None:
    """The fewest of `changed` units that must go one way for p below `level`; None where all are too few."""
    ways = range(changed // 2 + 1, changed + 1)
    place = bisect.bisect_left(ways, True, key=lambda way: p_value(way, changed) < level)
    return ways[place] if place < len(ways) else None


def power(units: int, change: float, win: float, level: float) -> float:
    """Chance that `units` show a majority at `level`: each changes with chance `change`, and then wins with `win`."""
    from scipy.special import bdtr, bdtrc

    spread = TAIL * math.sqrt(units * change * (1 - change)) + 1
    counts = np.arange(max(0, math.floor(units * change - spread)), min(units, math.ceil(units * change + spread)) + 1)
    below = np.where(counts > 0, bdtr(np.maximum(counts - 1, 0), units, change), 0.0)
    chances = bdtr(counts, units, change) - below
    ways = _majorities(counts, level)
    return float(chances @ np.where(ways <= counts, bdtrc(np.maximum(ways, 1) - 1, counts, win), 0.0))


@lru_cache(maxsize=1024)
def needed(units: int, changed: int, improved: int, level: float) -> int | None:
    """Units that show the majority seen with POWER, if as many as here change and go its way.

    Power is no smooth line, since counts are whole: at this number it is reached, and one unit less misses it. None
    where there is no majority, and above MOST_NEEDED.
    """
    most = max(improved, changed - improved)
    if 2 * most == changed:
        return None
    change, win = changed / units, most / changed
    low, high = 0, least(level)
    while power(high, change, win, level) < POWER:
        low, high = high, 2 * high
        if low > MOST_NEEDED:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power(middle, change, win, level) >= POWER else (middle, high)
    return high


def _majorities(changed: NDArray[np.int64], level: float) -> NDArray[np.int64]:
    """`majority` of many numbers at once, one more than all where there is none."""
    from scipy.special import bdtrc, ndtri

    near = np.rint((changed - ndtri(level / 2) * np.sqrt(changed)) / 2)  # the normal approximation: one off at most
    ways: NDArray[np.int64] = np.clip(near, changed // 2 + 1, changed + 1).astype(np.int64)

    def enough(ways: NDArray[np.int64]) -> NDArray[np.bool_]:
        p = 2 * bdtrc(np.clip(ways - 1, 0, np.maximum(changed - 1, 0)), np.maximum(changed, 1), 0.5)
        return np.asarray((ways > changed) | (p < level))

    while not (done := enough(ways)).all():
        ways = ways + ~done
    while (fewer := (ways - 1 > changed // 2) & enough(ways - 1)).any():
        ways = ways - fewer
    return ways
