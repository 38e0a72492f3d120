"""The safe radius: how far along a path of settings no metric of a set is worse than pure by more than it may be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def safe_radius(
    steps: Sequence[float], losses: Mapping[str, Sequence[float | None]], allowed: Mapping[str, float]
) -> float:
    """The last step before the first at which any metric is worse by more than is allowed; 0 where the first one is.

    `losses` says, metric by metric, by how much each step is worse than pure (negative is better). A number that is
    missing is not safe. Between two steps nothing is known, so only settings that are steps may rest on the radius.
    """
    if list(steps) != sorted(set(steps)) or (steps and steps[0] <= 0):
        raise ValueError(f"Steps of a path lead away from pure, which is at 0: {', '.join(map(str, steps))} do not.")
    if losses.keys() != allowed.keys():
        raise ValueError("Every metric needs its own bound, and every bound its metric.")
    reached = 0.0
    for number, step in enumerate(steps):
        for metric, worse in losses.items():
            loss = worse[number]
            if loss is None or not loss <= allowed[metric]:
                return reached
        reached = step
    return reached
