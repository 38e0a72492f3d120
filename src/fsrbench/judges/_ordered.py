"""From scores to a ranking, alike for all judges."""

from __future__ import annotations

import math
from collections.abc import Sequence

from fsrbench.core.values import Ranking


def ranking(judge: str, scores: Sequence[float | None]) -> Ranking:
    """Order by score, the highest first; of equal ones the earlier, so that pure stands. No number comes last."""
    usable = [score if score is not None and math.isfinite(score) else None for score in scores]
    order = sorted(range(len(usable)), key=lambda place: (usable[place] is None, -(usable[place] or 0.0), place))
    return Ranking(judge, tuple(usable), tuple(order))
