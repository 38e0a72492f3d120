"""From scores to the summary of an evaluation: effects, what may be claimed of them, and what became of the cases.

Effects are worked out in `effects.py` and judged in `claims.py`; cases are counted in `tallies.py`. How it is all told
is `wording.py`'s, `tables.py`'s and `findings.py`'s.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from fsrbench.core import order
from fsrbench.core.values import Failure
from fsrbench.measure import choosing, claims, effects, harm, mishaps, preferences, shares, signs, stats, tallies
from fsrbench.measure.choices import SPOILT
from fsrbench.measure.choosing_values import MeasuredChoice
from fsrbench.measure.preference_values import People
from fsrbench.measure.results import Numbers
from fsrbench.measure.subjects import Evaluation, Subject
from fsrbench.measure.summary_values import Canaries, FamilyOutcome, InputFacts, MetricFacts, Statistics, Summary


def summarise(
    what: Evaluation, numbers: Numbers, failures: Sequence[Failure] = (), choices: Sequence[MeasuredChoice] = ()
) -> Summary:
    """Family means, paired effects and counts. An effect rests on the cases that have both numbers."""
    beside = {f.family for f in failures} | {one.family for one in what.unfinished}
    names = order.families({s.family for s in what.subjects} | beside)
    persons = persons_of(what)
    counts = {family: tallies.of_family(family, what, failures) for family in names}
    measured = {family: effects.of_family(family, what, numbers, persons, _void(counts[family])) for family in names}
    families, tests = claims.judged(measured, what.roles)
    harmed = {
        family: harm.of_family(family, what, numbers, persons, measured[family], counts[family]) for family in names
    }
    return Summary(
        metrics={name: MetricFacts(m.label, m.better, m.digits, m.unit) for name, m in what.metrics.items()},
        run=what.run,
        models={family: tuple(models) for family, models in what.labels.items()},
        inputs=_inputs(what),
        statistics=Statistics(
            level=stats.LEVEL,
            alpha=stats.ALPHA,
            power=signs.POWER,
            tests=tests,
            clusters=len(set(persons.values())) if persons else None,
        ),
        families=families,
        roles=what.roles,
        marks=what.marks,
        notes=(*what.about_metrics.values(), *what.notes, *_alone(what)),
        canaries={arm: Canaries(shown, looked) for arm, (shown, looked) in what.canaries.items()},
        dead_knobs={family: tuple(knobs) for family, knobs in what.dead_knobs.items()},
        counts=counts,
        failures=tuple(str(group) for group in mishaps.grouped(failures)),
        harm=harm.judged(harmed),
        shares={family: shares.of_family(family, what, numbers, persons, measured[family]) for family in names},
        choosing=choosing.of_arms(choices, persons),
        people=_people(what, persons),
    )


def _people(what: Evaluation, persons: Mapping[str, str] | None) -> People | None:
    """What people chose; a choice whose case or arm is not compared here is counted and left out."""
    if not what.choices:
        return None
    compared = {(s.family, s.case): {SPOILT, *s.variants} for s in what.subjects}
    return preferences.told(
        what.choices, lambda c: compared.get((c.family, c.case), set()).issuperset(c.pair), what.roles, persons
    )


def _void(counts: FamilyOutcome) -> list[str]:
    """Arms whose replies were mostly unusable: nothing is claimed of them, and none is tested."""
    return [arm for arm, counted in counts.arms.items() if counted.void]


def persons_of(what: Evaluation) -> dict[str, str] | None:
    """Case → cluster. A case that the table does not name is its own, under a name that no table can hold."""
    if what.clusters is None:
        return None
    return {s.case: what.clusters.get(s.case, "").strip() or f"\n{s.case}" for s in what.subjects}


def _alone(what: Evaluation, most: int = 5) -> Iterator[str]:
    """Said where the table of clusters leaves cases out: too many clusters make everything look surer than it is."""
    clusters = what.clusters
    cases = sorted({s.case for s in what.subjects})
    left = [] if clusters is None else [case for case in cases if not clusters.get(case, "").strip()]
    if left:
        named = ", ".join(left[:most]) + (", …" if len(left) > most else "")
        yield f"{len(left)} of {len(cases)} cases have no cluster in the table and count as one each: {named}."


def _inputs(what: Evaluation) -> InputFacts:
    """What was restored. Plain folders have no LR: there the hash covers names and references alone.

    The recipe is empty where no `degradations.csv` was found beside the LR: unknown, not none.
    """
    cases, recipes, digest, separator = 0, set(), hashlib.sha256(), "["
    for case, own in _by_case(what.subjects):
        cases += 1
        if case in what.degraded:
            recipes.add(what.degraded[case]["recipe"])
        for one in sorted({(s.case, trail.lr_sha256 if (trail := s.trail) else "", s.hr is not None) for s in own}):
            digest.update(f"{separator}{json.dumps(one)}".encode())  # the JSON of a whole list, piece by piece
            separator = ", "
    digest.update(b"]" if cases else b"[]")
    return InputFacts(cases, digest.hexdigest(), tuple(sorted(recipes)), what.hr_size)


def _by_case(subjects: Sequence[Subject]) -> Iterator[tuple[str, Iterator[Subject]]]:
    """Cases by name, each with its subjects, which are put together when their turn comes."""
    cases = [subject.case for subject in subjects]
    for case, places in groupby(sorted(range(len(cases)), key=cases.__getitem__), cases.__getitem__):
        yield case, (subjects[place] for place in places)
