"""What certificates promised of harm, as a run recorded it, and whether what was seen can be chance.

A promise with a δ says that harm is at most α, but for a share δ of certificates: so much harm is tested against α
itself. One without holds on average over certificates: by the luck of those n persons who calibrated it, a single
one may do more. The true harm of a split-conformal certificate is then at most a draw from Beta(n + 1 − k, k),
where k = ⌈(n + 1)(1 − α)⌉, whose mean is at most α; the chance of what was seen is the mean over such draws.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from fsrbench.core.errors import StoreError
from fsrbench.files import jsonfile
from fsrbench.measure import conformal, thresholds
from fsrbench.measure.harm_values import Promise

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pydantic import TypeAdapter

    Array = NDArray[np.float64]

DRAWS = 10_000
"""Evenly spaced quantiles that stand for the distribution of a certificate's true harm."""


def of_study(study: Mapping[str, Any]) -> dict[str, dict[str, Promise]]:
    """Family → arm → what was promised; nothing of a run without certificates. StoreError where it cannot be read."""
    try:
        return _shape().validate_python(study.get("promises") or {})
    except ValueError as error:
        raise StoreError(
            f"The promises in study.yaml cannot be read ({jsonfile.why(error)}). Run fsrbench run into another folder."
        ) from None


@cache
def _shape() -> TypeAdapter[dict[str, dict[str, Promise]]]:
    from pydantic import TypeAdapter

    return TypeAdapter(dict[str, dict[str, Promise]])


def chance(promise: Promise, losses: Array) -> float:
    """How likely so much harm is, or more, if the promise holds: one loss from 0 to 1 for each person.

    Exact where all are 0 or 1, of persons' shares a bound.
    """
    return float(thresholds.p_values(1 - losses, 1 - _true(promise)).mean())


def _true(promise: Promise) -> Array:
    """What the true harm may be, as far as the promise goes."""
    from scipy.special import betaincinv

    if promise.delta is not None:
        return np.array([promise.alpha])
    rank = conformal.rank(promise.persons, promise.alpha)
    if rank > promise.persons:
        return np.zeros(1)
    middles = (np.arange(DRAWS) + 0.5) / DRAWS
    return np.asarray(betaincinv(promise.persons + 1 - rank, rank, middles))
