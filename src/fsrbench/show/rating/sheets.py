"""What a person is shown: which pairs of pictures, in which order, which of them left. All of it drawn from a seed.

Which pairs are drawn depends on the seed alone, so that several persons judge the same ones; order, sides, repeats and
attention checks also on the person's name.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, combinations, zip_longest

from fsrbench.core.values import derive_seed
from fsrbench.measure.choices import SPOILT, Choice, Key
from fsrbench.measure.subjects import Evaluation, Subject
from fsrbench.show.rating.spoiling import FAULTS


@dataclass(frozen=True, slots=True)
class RatedPair:
    """Two pictures of one case that are not the same."""

    family: str
    """Family of both."""
    case: str
    """Case id."""
    arms: tuple[str, str]
    """Who made them, in the order of rows."""


@dataclass(frozen=True, slots=True)
class Showing:
    """One look at two pictures, side by side."""

    family: str
    """Family of both."""
    case: str
    """Case id."""
    first: str
    """Arm of the left one; SPOILT for the spoilt one of an attention check."""
    second: str
    """Arm of the right one."""
    repeat: bool = False
    """Is the pair shown once more, in the other order?"""
    check: str = ""
    """The fault that is planted in the spoilt one; empty where none is."""

    def key(self, rater: str) -> Key:
        """What a choice of this person between these two replaces, whichever of the two stood left."""
        return Choice(rater, *self.parts(), "tie", self.repeat, self.check).key

    def parts(self) -> tuple[str, str, str, str]:
        """Family, case and both arms."""
        return self.family, self.case, self.first, self.second


@dataclass(frozen=True, slots=True)
class SheetPlan:
    """How much a person is asked."""

    pairs: int = 100
    """Pairs, at most."""
    repeats: int = 10
    """How many of them are shown once more; at most half of the pairs."""
    checks: int = 5
    """Pairs with a spoilt picture, in addition."""
    seed: int = 0
    """Of everything that is drawn."""


def pairs_of(subject: Subject, arms: Collection[str]) -> Iterator[RatedPair]:
    """The pairs of one case, but for those whose two pictures are the same: between them there is nothing to choose."""
    for one, other in combinations([arm for arm in subject.variants if arm in arms], 2):
        if subject.made.get(one) is None or subject.made[one] != subject.made[other]:
            yield RatedPair(subject.family, subject.case, (one, other))


def drawn(what: Evaluation, arms: Collection[str], families: Collection[str], plan: SheetPlan) -> list[RatedPair]:
    """The pairs that are asked about: of each two arms of each family as many as of any others, as far as they go."""
    groups: dict[tuple[str, tuple[str, str]], list[RatedPair]] = {}
    for subject in what.subjects:
        if subject.family in families:
            for pair in pairs_of(subject, arms):
                groups.setdefault((pair.family, pair.arms), []).append(pair)
    for (family, both), group in groups.items():
        random.Random(derive_seed(plan.seed, "pairs", family, *both)).shuffle(group)
    turns: Iterable[RatedPair | None] = chain.from_iterable(zip_longest(*groups.values()))
    return [pair for pair in turns if pair is not None][: plan.pairs]


def sheet(pairs: Collection[RatedPair], plan: SheetPlan, rater: str) -> list[Showing]:
    """What one person is shown, in this order: half of the pairs turned around, repeats in the second half alone."""
    rng = random.Random(derive_seed(plan.seed, "sheet", rater))
    order = list(pairs)
    rng.shuffle(order)
    turned = [place % 2 == 1 for place in range(len(order))]
    rng.shuffle(turned)
    shown = [_shown(pair, turn) for pair, turn in zip(order, turned, strict=True)]
    half = len(shown) // 2
    again = [_again(one) for one in rng.sample(shown[:half], min(plan.repeats, half))]
    later = shown[half:]
    for one in again:
        later.insert(rng.randint(1, len(later)), one)
    whole = shown[:half] + later
    for number in range(plan.checks if order else 0):
        part = len(whole) // plan.checks
        whole.insert(number * (part + 1) + rng.randint(0, part), _spoilt(rng, rng.choice(order), number))
    return whole


def every(subject: Subject) -> Iterator[Showing]:
    """Whatever anybody may have been shown of one case."""
    arms = list(subject.variants)
    for one, other in combinations(arms, 2):
        for turned in (False, True):
            shown = _shown(RatedPair(subject.family, subject.case, (one, other)), turned)
            yield from (shown, _again(shown))
    for arm in arms:
        for fault in FAULTS:
            yield Showing(subject.family, subject.case, arm, SPOILT, check=fault)
            yield Showing(subject.family, subject.case, SPOILT, arm, check=fault)


def _shown(pair: RatedPair, turned: bool) -> Showing:
    first, second = reversed(pair.arms) if turned else pair.arms
    return Showing(pair.family, pair.case, first, second)


def _again(one: Showing) -> Showing:
    return Showing(one.family, one.case, one.second, one.first, repeat=True)


def _spoilt(rng: random.Random, pair: RatedPair, number: int) -> Showing:
    arm, fault = rng.choice(pair.arms), list(FAULTS)[number % len(FAULTS)]
    first, second = (arm, SPOILT) if rng.random() < 0.5 else (SPOILT, arm)
    return Showing(pair.family, pair.case, first, second, check=fault)
