"""What plots read from a `Results`: rows and their names, gains, courses, captions, correlations."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TypeVar

from fsrbench.measure import ranks, stats
from fsrbench.measure.claims import TESTED
from fsrbench.measure.results import Course, Results
from fsrbench.measure.summary import persons_of
from fsrbench.measure.summary_values import ArmEffect, MetricFacts
from fsrbench.show import numbers, wording

T = TypeVar("T")
WORDS = {"contender": "", "control": "control", "floor": "noise floor", "headroom": "privileged"}
"""What a row's name says of its role."""


@dataclass(frozen=True, slots=True)
class Row:
    """One arm of one family."""

    family: str
    """Family."""
    arm: str
    """The arm's name."""
    role: str
    """What it is there for."""
    name: str
    """As tables name it."""

    @property
    def label(self) -> str:
        """The name, and its role in brackets on a second line."""
        word = WORDS[self.role]
        return f"{self.name}\n({word})" if word else self.name


def families(results: Results) -> dict[str, str]:
    """Family → its name with the models that made its pictures."""
    return {family: wording.family_name(results.summary.models, family) for family in results.summary.families}


def rows(results: Results, roles: Sequence[str] = TESTED) -> list[Row]:
    """Arms of all families, family by family, contenders first."""
    summary = results.summary
    found = [
        Row(family, arm, summary.roles[arm], wording.arm_name(summary, arm, marked=False))
        for family in summary.families
        for arm in wording.arms(summary, family)
    ]
    return [row for row in found if row.role in roles]


def grouped(results: Results, shown: Sequence[Row]) -> list[tuple[str, list[str]]]:
    """Family headings with the labels of their rows."""
    names = families(results)
    return [(names[f], [r.label for r in own]) for f, own in itertools.groupby(shown, key=lambda r: r.family)]


def headed(rows: Iterable[T], family: Callable[[T], str]) -> list[T | str]:
    """A family's name above its rows, which come family by family."""
    lines: list[T | str] = []
    for name, own in itertools.groupby(rows, family):
        lines += [name, *own]
    return lines


def metrics(results: Results) -> dict[str, MetricFacts]:
    """Name → label, direction, digits and unit, for the metrics in which there is a difference to show."""
    measured = {
        name
        for entries in results.summary.families.values()
        for name, entry in entries.items()
        if any(arm.n for arm in entry.arms.values())
    }
    return {name: about for name, about in results.summary.metrics.items() if name in measured}


def heading(results: Results, metric: str) -> str:
    """`Δ PSNR (dB)`: a difference's name on an axis."""
    about = results.summary.metrics[metric]
    return f"Δ {about.label}" + (f" ({about.unit})" if about.unit else "")


def gain(results: Results, metric: str, delta: float) -> float:
    """The difference with its sign turned, where lower is better: above zero is better."""
    return wording.gain(results.summary.metrics[metric], delta)


def effect(results: Results, row: Row, metric: str) -> ArmEffect:
    """What a row's arm changed in one metric."""
    return results.summary.families[row.family][metric].arms[row.arm]


def noise_floor(results: Results, row: Row, metric: str) -> float:
    """What a single case of the family moves by when nothing is done; 0 where that was not measured."""
    return effect(results, row, metric).floor


def outcome(gained: float, floor: float) -> str:
    """Better or worse only beyond the noise floor."""
    return "better" if gained > floor else "worse" if gained < -floor else "same"


def courses(results: Results, row: Row) -> Mapping[str, Course]:
    """Case → what became of it, for the cases in which the arm was finished."""
    return results.courses.get((row.family, row.arm), {})


def audited(results: Results, row: Row) -> dict[str, Course]:
    """Those of them in which something was audited."""
    return {case: course for case, course in courses(results, row).items() if course.audited}


# ------------------------------------------------------------------- captions


def caption(results: Results, shown: Sequence[Row], *sentences: str) -> list[str]:
    """A plot's own sentences, and what must be said wherever numbers show."""
    counts = {f: results.summary.counts[f].cases for f in dict.fromkeys(r.family for r in shown)}
    if len(set(counts.values())) == 1:
        n = next(iter(counts.values()))
        cases = f"n = {n:,} finished case{'s' * (n != 1)}" + (" a family." if len(counts) > 1 else ".")
    else:
        cases = "n: " + ", ".join(f"{family} {n:,}" for family, n in counts.items()) + " finished cases."
    said = [cases, *sentences]
    if any(r.role == "headroom" for r in shown):
        said.append("Privileged: it saw the reference, an upper bound and no contender.")
    models = [m for family in counts for m in results.summary.models.get(family, ())]
    if wording.standin(models) == "embedded":
        said.append("Embedded: a small network that ships with fsrbench in place of the official one.")
    measured = metrics(results)
    lacking = [about.label for name, about in results.summary.metrics.items() if name not in measured]
    if lacking:
        said.append(f"Not available here: {', '.join(lacking)}.")
    return [*said, *(told for name, told in results.what.about_metrics.items() if name in measured)]


def floor_sentence(results: Results) -> str:
    """What the noise floor is, or that there is none."""
    if "floor" in results.summary.roles.values():
        return "Noise floor: 95 % of the cases move by less when pure is only run again with other noise."
    return "No noise floor was measured (no rerun arm): it is taken as zero."


# --------------------------------------------------------------- correlations


@dataclass(frozen=True, slots=True)
class Cloud:
    """Cases with two numbers each."""

    cases: Sequence[str]
    """Their names."""
    x: Sequence[float]
    """What lies across."""
    y: Sequence[float]
    """What lies upward."""

    @classmethod
    def of(cls, x: Mapping[str, float], y: Mapping[str, float]) -> Cloud:
        """The cases that have both."""
        both = sorted(x.keys() & y.keys())
        return cls(both, [x[case] for case in both], [y[case] for case in both])

    def by_person(self, persons: Mapping[str, str]) -> tuple[list[float], list[float]]:
        """One mean a person: what is left to correlate where several cases show one."""
        own: dict[str, list[tuple[float, float]]] = {}
        for case, x, y in zip(self.cases, self.x, self.y, strict=True):
            own.setdefault(persons[case], []).append((x, y))
        means = [tuple(map(fmean, zip(*pairs, strict=True))) for pairs in own.values()]
        return [x for x, _ in means], [y for _, y in means]


def correlations(results: Results, clouds: Sequence[tuple[Cloud, str]]) -> Iterator[list[str]]:
    """Two lines to say above each cloud: the correlation of its x with the gain, by the metric that its y is of.

    p is adjusted over all clouds by Holm's way. Persons, not their pictures, are correlated where it is known who is
    who: pictures of one person are not independent.
    """
    persons, found, counts = persons_of(results.what), [], []
    for cloud, metric in clouds:
        x, y = (cloud.x, cloud.y) if persons is None else cloud.by_person(persons)
        found.append(ranks.spearman(x, [gain(results, metric, value) for value in y]))
        counts.append(f"n {len(cloud.x):,}" + ("" if persons is None else f" ({len(x):,} persons)"))
    adjusted = stats.holm([f[1] if f else None for f in found])
    for known, p, count in zip(found, adjusted, counts, strict=True):
        rho = "ρ n/a" if known is None else f"ρ {numbers.minus(f'{known[0]:+z.2f}')}, p {wording.chance(p)}"
        yield [rho, count]


def correlation_sentence(results: Results, meaning: str) -> str:
    """What ρ and p above the panels are."""
    own = "" if results.what.clusters is None else " of one mean a person"
    return (
        f"ρ: Spearman's rank correlation{own}, {meaning}; p adjusted by Holm over the panels shown, exact up to "
        f"{ranks.EXACT_ORDERS} cases."
    )
