"""What choosing gained, and what averaging did: measured from candidates whose pictures a run has kept.

All follows from one table a case: the mean product of the errors of every two candidates. Its diagonal holds their own
errors, and the mean of a part of it is the error of the mean of those candidates.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from fsrbench.core import execute
from fsrbench.core.errors import FsrbenchError
from fsrbench.core.operations import Mean
from fsrbench.core.values import Round
from fsrbench.imaging import images
from fsrbench.measure import crossfit, stats
from fsrbench.measure.choosing_values import ArmChoices, Gained, MeasuredChoice
from fsrbench.measure.subjects import Evaluation, Subject
from fsrbench.study import inputs
from fsrbench.study.store import RunFolder, read_made

if TYPE_CHECKING:
    from numpy.typing import NDArray

Products: TypeAlias = "NDArray[np.float64]"
"""Candidates × candidates: the mean product of two candidates' errors, over all pixels and colours."""


def measure(what: Evaluation, folder: RunFolder, workers: int = 1) -> list[MeasuredChoice]:
    """Every choice that can be measured: the candidates' pictures are kept, and there is a reference."""
    if not what.judged:
        return []
    places = {(one.family, one.case): place for place, one in enumerate(what.subjects)}
    found = execute.run(partial(_of_case, what, folder), what.subjects, workers)
    return sorted((one for own in found for one in own), key=lambda one: places[one.family, one.case])


def _of_case(what: Evaluation, folder: RunFolder, subject: Subject) -> list[MeasuredChoice]:
    trail = subject.trail
    if trail is None or subject.hr is None:
        return []
    kept = folder.kept(trail)
    known: dict[tuple[str, ...], Products] = {}
    found = []
    for arm in subject.variants:
        step, chosen = _choice(trail.arms.get(arm, ()))
        hashes = tuple(one.sha256 for one in step.candidates) if step is not None else ()
        if step is None or step.ranking is None or not chosen or not set(hashes) <= kept.keys():
            continue
        try:
            if hashes not in known:
                known[hashes] = _products(what, subject.hr, [(kept[one], one) for one in hashes])
        except FsrbenchError:  # a picture was changed, or the reference is gone: scores.csv says so
            continue
        found.append(told(subject, arm, chosen, step.ranking.order, known[hashes]))
    return found


def told(subject: Subject, arm: str, kept: Sequence[int], order: Sequence[int], products: Products) -> MeasuredChoice:
    """One choice, from the table of its candidates."""
    each = np.diag(products)
    return MeasuredChoice(
        subject.family,
        subject.case,
        arm,
        tuple(kept),
        tuple(map(float, each)),
        float(each[list(kept)].mean() - _error_of_mean(products, kept)),
        judged=_in_order(products, order),
        luck=_by_luck(products),
        oracle=_in_order(products, np.argsort(each, kind="stable")),
    )


def _choice(steps: Sequence[Round]) -> tuple[Round | None, Sequence[int]]:
    """The round in which a judge ordered candidates, and those that the arm ended with: the chosen one, or the best
    ones where it ended with their mean. None where it ended with something else."""
    step = next((one for one in reversed(steps) if one.ranking is not None and len(one.candidates) > 1), None)
    if step is None or step.ranking is None:
        return None, ()
    final = steps[-1].restoration
    if final.sha256 == step.restoration.sha256:
        return step, [place for place, one in enumerate(step.candidates) if one.chosen]
    last = final.operations[-1]
    best = step.ranking.order[: len(last.of)] if isinstance(last, Mean) else ()
    parts = [final.operations[place] for place in last.of] if isinstance(last, Mean) else []
    return step, best if parts == [step.candidates[place].operations[-1] for place in best] else ()


def _products(what: Evaluation, hr: Path, pictures: Sequence[tuple[Path, str]]) -> Products:
    """The table of a case's candidates."""
    read = [read_made(path, sha256) for path, sha256 in pictures]
    reference = inputs.reference(hr, read[0].shape[:2], what.hr_size, **what.limits.of_pictures())
    true = 255 * np.asarray(reference, np.float64).ravel()
    errors = np.stack([images.to_8bit(one).ravel() - true for one in read])
    return np.asarray(errors @ errors.T / true.size)


def _error_of_mean(products: Products, chosen: Sequence[int]) -> float:
    return float(products[np.ix_(chosen, chosen)].mean())


def _in_order(products: Products, order: Iterable[int]) -> tuple[float, ...]:
    """Error of the mean of the first one, two, … of an order."""
    places = list(order)
    return tuple(_error_of_mean(products, places[:count]) for count in range(1, len(places) + 1))


def _by_luck(products: Products) -> tuple[float, ...]:
    """Error of the mean of one, two, … that are drawn blindly, in the mean over all draws."""
    count = len(products)
    own = float(np.diag(products).mean())
    two = (float(products.sum()) - count * own) / max(1, count * (count - 1))
    return tuple((own + (k - 1) * two) / k for k in range(1, count + 1))


# ------------------------------------------------------------------ all cases


def of_arms(choices: Sequence[MeasuredChoice], persons: Mapping[str, str] | None) -> dict[str, dict[str, ArmChoices]]:
    """Family → arm → what its choices came to."""
    found: dict[str, dict[str, ArmChoices]] = {}
    for family, arm, own in _grouped(choices):
        members = None if persons is None else [persons[one.case] for one in own]
        found.setdefault(family, {})[arm] = ArmChoices(
            n=len(own),
            candidates=max(len(one.each) for one in own),
            kept=max(len(one.kept) for one in own),
            skill=_gained([one.skill for one in own], members),
            averaging=_gained([one.averaging for one in own], members),
            fixed=_fixed(own, members),
        )
    return found


def _grouped(choices: Sequence[MeasuredChoice]) -> Iterator[tuple[str, str, list[MeasuredChoice]]]:
    for family, arm in dict.fromkeys((one.family, one.arm) for one in choices):
        yield family, arm, [one for one in choices if (one.family, one.arm) == (family, arm)]


def _gained(values: Sequence[float], members: Sequence[str] | None) -> Gained:
    return Gained(fmean(values), *stats.mean_interval(values, members))


def _fixed(choices: Sequence[MeasuredChoice], members: Sequence[str] | None) -> Gained | None:
    """The best fixed candidate, found on all other persons."""
    whose = list(members or (one.case for one in choices))
    if len({len(one.each) for one in choices}) > 1 or len(set(whose)) < 2:
        return None
    gains = {one: np.subtract(np.mean(one.each), one.each) for one in choices}
    of = {name: [gains[one] for one, own in zip(choices, whose, strict=True) if own == name] for name in whose}
    best = crossfit.without({name: list(np.mean(own, axis=0)) for name, own in of.items()})
    return _gained([float(gains[one][best[own]]) for one, own in zip(choices, whose, strict=True)], members)
