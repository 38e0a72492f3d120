"""How good judges are: pure functions over what they answered, what people chose and what metrics say.

A pair is two pictures of one case with different pixels. A judge that prefers the better one has 1, the other one 0, no
preference has a half, and both orders count alike: who always takes the first has a half of everything. A pair between
which metric or person sees no difference is left out and counted; so is one to which there is no usable answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from fsrbench.core.values import Usage
from fsrbench.measure.choices import Choice
from fsrbench.measure.hearings import AGAIN, OTHER_INPUT, SHOWN, TURNED, HeardCase, Hearing
from fsrbench.measure.intervals import PersonMean, PersonShare, mean, share
from fsrbench.measure.judged_values import JudgedFamily, JudgeResult
from fsrbench.measure.ranks import kendall


def family(cases: Sequence[HeardCase], choices: Sequence[Choice], floors: Mapping[str, float]) -> JudgedFamily:
    """What there was to be judged."""
    able = [case for case in cases if case.pairs]
    return JudgedFamily(
        cases=len(able),
        persons=len({case.person for case in able}),
        pictures=sum(len(case.pictures) for case in able),
        pairs=sum(len(case.pairs) for case in able),
        choices=sum(1 for _ in _chosen(able, choices)),
        floors=dict(floors),
    )


def result(
    judge: str,
    family: str,
    cases: Sequence[HeardCase],
    choices: Sequence[Choice],
    floors: Mapping[str, float],
    better: Mapping[str, str],
) -> JudgeResult:
    """How good one judge was. `better` says of every metric whether `higher` or `lower` is."""
    able = [case for case in cases if case.pairs]
    heard = [case for case in able if judge in case.answers]
    every = [one for case in heard for one in (*case.answers[judge].values(), *case.spoilt.get(judge, {}).values())]
    shown = [case for case in heard if SHOWN in case.answers[judge]]
    pairs = sum(len(case.pairs) for case in shown)
    taken = sum(case.answers[judge][SHOWN].seconds for case in shown)
    signs = {name: 1 if better[name] == "higher" else -1 for name in floors}
    return JudgeResult(
        judge=judge,
        family=family,
        people=_people(judge, heard, choices),
        agreement={name: _agreement(judge, heard, name, signs[name], floors[name]) for name in floors},
        tau={name: _tau(judge, heard, name, signs[name]) for name in floors},
        drop={name: _drop(judge, heard, name, signs[name], floors[name]) for name in floors},
        turned=_same(judge, heard, TURNED),
        again=_same(judge, heard, AGAIN),
        first=_first(judge, heard),
        undecided=_undecided(judge, heard),
        spoilt=_spoilt(judge, heard),
        hearings=len(every),
        failed=sum(judge in case.failures for case in able),
        usage=sum((one.usage for one in every), Usage(cost=0.0)),
        seconds=taken / pairs if pairs else None,
    )


@dataclass(slots=True)
class _Tally:
    """Credits, pair by pair."""

    credits: list[float] = field(default_factory=list)
    """From 0 to 1."""
    persons: list[str] = field(default_factory=list)
    """Whom each pair shows."""
    left_out: int = 0
    """Pairs without a right answer."""
    unjudged: int = 0
    """Pairs without a usable answer."""

    def add(self, person: str, credit: float | None) -> None:
        """Count a pair; None where there is no usable answer."""
        if credit is None:
            self.unjudged += 1
        else:
            self.credits.append(credit)
            self.persons.append(person)

    def share(self) -> PersonShare:
        """What it comes to."""
        return share(self.credits, self.persons, self.left_out, self.unjudged)


def _both(case: HeardCase, judge: str, one: int, other: int) -> float | None:
    """How much of both orders prefers the first of two pictures; None where one of them has no usable answer."""
    said = [case.answers[judge][asked].prefers(one, other) for asked in (SHOWN, TURNED) if asked in case.answers[judge]]
    known = [value for value in said if value is not None]
    return sum(known) / 2 if len(known) == 2 else None


def _right(case: HeardCase, metric: str, sign: int, floor: float, one: int, other: int) -> float | None:
    """1 where the first of two pictures is better in a metric, 0 where the other is; 0.5 inside the noise floor; None
    where a number is missing."""
    first, second = case.values[metric][one], case.values[metric][other]
    if first is None or second is None:
        return None
    if abs(first - second) <= floor:
        return 0.5
    return float(sign * (first - second) > 0)


def _decided(cases: Iterable[HeardCase], metric: str, sign: int, floor: float) -> Iterator[tuple[HeardCase, int, int]]:
    """Pairs that a metric decides, the better picture first."""
    for case in cases:
        for one, other in case.pairs:
            right = _right(case, metric, sign, floor, one, other)
            if right in (0.0, 1.0):
                yield case, *((one, other) if right else (other, one))


def _agreement(judge: str, cases: Sequence[HeardCase], metric: str, sign: int, floor: float) -> PersonShare:
    tally = _Tally()
    for case, good, bad in _decided(cases, metric, sign, floor):
        tally.add(case.person, _both(case, judge, good, bad))
    tally.left_out = sum(_right(case, metric, sign, floor, *pair) == 0.5 for case in cases for pair in case.pairs)
    return tally.share()


def _drop(judge: str, cases: Sequence[HeardCase], metric: str, sign: int, floor: float) -> PersonMean:
    """Agreement with the case's own LR less that with another's: on the same pairs, in the same order and seed."""
    values, persons = list[float](), list[str]()
    for case, good, bad in _decided(cases, metric, sign, floor):
        both = [case.answers[judge].get(asked) for asked in (SHOWN, OTHER_INPUT)]
        own, other = (hearing.prefers(good, bad) if hearing is not None else None for hearing in both)
        if own is not None and other is not None:
            values.append(own - other)
            persons.append(case.person)
    return mean(values, persons)


def _tau(judge: str, cases: Sequence[HeardCase], metric: str, sign: int) -> PersonMean:
    """Within each case, the mean of both orders; a case in which one side does not vary says nothing."""
    values, persons = list[float](), list[str]()
    for case in cases:
        found = [_correlated(case, case.answers[judge][asked], metric, sign) for asked in (SHOWN, TURNED)
                 if asked in case.answers[judge]]  # fmt: skip
        known = [one for one in found if one is not None]
        if known:
            values.append(sum(known) / len(known))
            persons.append(case.person)
    return mean(values, persons)


def _correlated(case: HeardCase, hearing: Hearing, metric: str, sign: int) -> float | None:
    both = [(hearing.score(place), value) for place, value in enumerate(case.values[metric])]
    known = [(score, sign * value) for score, value in both if score is not None and value is not None]
    return kendall([score for score, _ in known], [value for _, value in known])


def _chosen(cases: Iterable[HeardCase], choices: Iterable[Choice]) -> Iterator[tuple[HeardCase, Choice, int, int]]:
    """Choices between two pictures that differ, with the places of the first and the second."""
    known = {(case.family, case.case): case for case in cases}
    for choice in choices:
        case = known.get((choice.family, choice.case))
        if case is None or choice.repeat or choice.check:
            continue
        first, second = case.arms.get(choice.first), case.arms.get(choice.second)
        if first is not None and second is not None and first != second:
            yield case, choice, first, second


def _people(judge: str, cases: Sequence[HeardCase], choices: Sequence[Choice]) -> PersonShare:
    tally = _Tally()
    for case, choice, first, second in _chosen(cases, choices):
        if choice.chosen == "tie":
            tally.left_out += 1
        else:
            liked, other = (first, second) if choice.chosen == "first" else (second, first)
            tally.add(case.person, _both(case, judge, liked, other))
    return tally.share()


def _each(
    judge: str, cases: Sequence[HeardCase], credit: Callable[[Mapping[str, Hearing], int, int], float | None]
) -> PersonShare:
    tally = _Tally()
    for case in cases:
        for one, other in case.pairs:
            tally.add(case.person, credit(case.answers[judge], one, other))
    return tally.share()


def _same(judge: str, cases: Sequence[HeardCase], asked: str) -> PersonShare:
    """Pairs of which the same is said as when they were first shown: the same picture, or neither."""

    def credit(answers: Mapping[str, Hearing], one: int, other: int) -> float | None:
        said = [answers[name].prefers(one, other) if name in answers else None for name in (SHOWN, asked)]
        return None if None in said else float(said[0] == said[1])

    return _each(judge, cases, credit)


def _undecided(judge: str, cases: Sequence[HeardCase]) -> PersonShare:
    def credit(answers: Mapping[str, Hearing], one: int, other: int) -> float | None:
        said = answers[SHOWN].prefers(one, other) if SHOWN in answers else None
        return None if said is None else float(said == 0.5)

    return _each(judge, cases, credit)


def _first(judge: str, cases: Sequence[HeardCase]) -> PersonShare:
    """Of the pairs between which it chose, in both orders: those where the choice fell on the one that stood first."""
    tally = _Tally()
    for case in cases:
        for hearing in (case.answers[judge][asked] for asked in (SHOWN, TURNED) if asked in case.answers[judge]):
            for one, other in case.pairs:
                ahead = hearing.places.index(one) < hearing.places.index(other)
                said = hearing.prefers(one, other) if ahead else hearing.prefers(other, one)
                if said == 0.5:
                    tally.left_out += 1
                else:
                    tally.add(case.person, said)
    return tally.share()


def _spoilt(judge: str, cases: Sequence[HeardCase]) -> dict[str, PersonShare]:
    tallies: dict[str, _Tally] = {}
    for case in cases:
        for fault, hearing in case.spoilt.get(judge, {}).items():
            tallies.setdefault(fault, _Tally()).add(case.person, hearing.prefers(0, 1))
    return {fault: tally.share() for fault, tally in tallies.items()}
