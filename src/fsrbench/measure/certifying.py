"""From measured radii to a certificate's numbers: a prediction fitted to some persons, an offset found on others.

Harm is to be followed further than a case's safe radius. What an offset must be for a person decides who is harmed, so
three kinds of case have a place of their own: where the whole way is safe no offset does harm; where the prediction
cannot be made the arm abstains, which does none; where the arm failed nothing is known, and it counts as harm whatever
the offset: what was not seen is not safe.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from fsrbench.case.certificate import RadiusPrediction, SeenHarm, last_step, lowered
from fsrbench.core.errors import InputError
from fsrbench.measure import conformal, ridge, thresholds

OFFSETS = tuple(step / 16 for step in range(32, -33, -1))
"""Those that Learn then Test tries, the strictest first: at 2 hardly anybody is followed, at -2 nearly everybody."""


@dataclass(frozen=True, slots=True)
class MeasuredPath:
    """What was found of one input: how far it is safe to follow the arm there."""

    person: str
    """Who is on it."""
    radius: float | None
    """The safe radius: the last step where the whole way is safe; None where the arm failed."""
    proposed: bool = True
    """Did the arm propose another picture than pure's?"""
    features: Mapping[str, float] = field(default_factory=dict)
    """What is known of it without the reference."""


def fit(paths: Iterable[MeasuredPath]) -> RadiusPrediction:
    """A prediction of the safe radius, from those features that every input has for which something was proposed."""
    rows = [(path.features, path.radius, path.person) for path in paths if path.proposed and path.radius is not None]
    features, radii, persons = zip(*rows, strict=True) if rows else ((), (), ())
    if len(set(persons)) < 2:
        raise InputError(
            "The prediction is fitted to persons for whom the arm proposes a picture: it takes 2, dozens are better, "
            f"and there are {len(set(persons))}. Name more faces, or an arm that does more."
        )
    shared = [name for name in features[0] if all(name in own for own in features)]
    table = np.array([[own[name] for name in shared] for own in features]).reshape(len(rows), len(shared))
    found = ridge.fit(table, np.array(radii), persons).predictor
    return RadiusPrediction(found.intercept, dict(zip(shared, found.weights, strict=True)))


def score(path: MeasuredPath, prediction: RadiusPrediction, steps: Sequence[float]) -> float:
    """Above which offset an input comes to no harm; infinite where none is enough, minus infinity where each is."""
    said = prediction(path.features)
    if path.radius is None:
        return math.inf
    if path.radius >= steps[-1] or said is None:
        return -math.inf
    return lowered(said, path.radius)


def harmed(path: MeasuredPath, prediction: RadiusPrediction, offset: float | None, steps: Sequence[float]) -> bool:
    """Would following it so far do harm?"""
    return path.radius is None or share(path, prediction, offset, steps) > path.radius


def share(path: MeasuredPath, prediction: RadiusPrediction, offset: float | None, steps: Sequence[float]) -> float:
    """How far it would be followed."""
    said = prediction(path.features) if path.proposed else None
    return 0.0 if said is None else last_step(lowered(said, offset), steps)


def first_draws(paths: Iterable[MeasuredPath]) -> list[MeasuredPath]:
    """One input for each person, the first of theirs: several of one are not exchangeable with those of another."""
    found: dict[str, MeasuredPath] = {}
    for path in paths:
        found.setdefault(path.person, path)
    return list(found.values())


def conformal_offset(
    paths: Sequence[MeasuredPath], prediction: RadiusPrediction, steps: Sequence[float], alpha: float
) -> float | None:
    """What must be taken off so that the next person is harmed with a chance of at most alpha; None where nothing
    need be. InputError where no offset is enough."""
    found = conformal.offset([score(path, prediction, steps) for path in paths], alpha)
    if found == math.inf:
        failed = sum(path.radius is None for path in paths)
        raise InputError(
            f"The arm failed on {failed} of {len(paths)} calibration persons, and what it would have done to them is "
            "not known: no offset keeps the promise. Mend what failed; the same command goes on with them."
        )
    return None if found == -math.inf else found


def tested_offset(
    paths: Sequence[MeasuredPath], prediction: RadiusPrediction, steps: Sequence[float], alpha: float, delta: float
) -> float:
    """The least offset that Learn then Test permits, over persons' shares of harmed draws."""
    persons = [path.person for path in paths]
    losses = np.array([
        thresholds.person_means([harmed(path, prediction, offset, steps) for path in paths], persons)
        for offset in OFFSETS
    ])  # fmt: skip
    permitted = thresholds.permitted(losses, alpha, delta)
    if not permitted:
        raise InputError(
            f"With {len(set(persons))} calibration persons, not even the strictest offset is shown to harm at most "
            f"{alpha:g} of persons at delta {delta:g}. Name more persons (--hr), or raise --alpha or --delta."
        )
    return OFFSETS[permitted - 1]


def needed(alpha: float, delta: float | None) -> int:
    """The fewest calibration persons with whom anything may act, if none of them is harmed."""
    if delta is None:
        return conformal.needed(alpha)
    return math.ceil(math.log(delta) / math.log1p(-alpha) - 1e-9)


def seen(
    paths: Sequence[MeasuredPath], prediction: RadiusPrediction, offset: float | None, steps: Sequence[float]
) -> SeenHarm:
    """What following them so far does."""
    return SeenHarm(
        draws=len(paths),
        proposed=sum(path.proposed for path in paths),
        followed=sum(share(path, prediction, offset, steps) > 0 for path in paths),
        harmed=sum(path.radius is not None and harmed(path, prediction, offset, steps) for path in paths),
    )
