"""From scores to a ranking, alike for all judges."""

from __future__ import annotations

import math
from collections.abc import Sequence

from fsrbench.core.values import Ranking, Usage

PERFECT = 1e9
"""What stands for an infinite score: that of a picture which is the reference, by PSNR."""


def ranking(
    judge: str,
    scores: Sequence[float | None],
    parts: Sequence[dict[str, float]] = (),
    usage: Usage | None = None,
) -> Ranking:
    """Order by score, the highest first; of equal ones the earlier, so that pure stands. No number comes last."""
    usable = [None if score is None or math.isnan(score) else min(max(score, -PERFECT), PERFECT) for score in scores]
    order = sorted(range(len(usable)), key=lambda place: (usable[place] is None, -(usable[place] or 0.0), place))
    return Ranking(judge, tuple(usable), tuple(order), tuple(parts), usage or Usage())
