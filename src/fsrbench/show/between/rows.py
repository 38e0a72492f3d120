"""The rows of a comparison, made once for every form that it is shown in: terminal, Markdown, LaTeX, the page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from fsrbench.measure.between_values import ComparedArm, ComparedMetric, RunComparison, RunDifference
from fsrbench.measure.summary_values import MetricFacts
from fsrbench.show import numbers, tables, wording
from fsrbench.show.between import words


@dataclass(frozen=True, slots=True)
class PairedCell:
    """One number with what stands below it."""

    parts: tuple[str, ...]
    """Its lines, the number first."""
    way: int = 0
    """1 where it stands out as better, −1 as worse, 0 where nothing is shown."""


@dataclass(frozen=True, slots=True)
class PairedRow:
    """One row: a run's numbers of an arm, or the difference between two runs."""

    family: str
    """Its family."""
    arm: str
    """The arm as rows name it."""
    label: str
    """The run, or `run − first`."""
    kind: Literal["run", "difference"]
    """Which of the two."""
    n: int
    """Cases that it rests on."""
    cells: tuple[PairedCell, ...]
    """A cell for each metric."""


def rows(found: RunComparison) -> Iterator[PairedRow]:
    """Family by family, pure first: a row for each run, then one for each difference."""
    for family in found.families:
        for arm in words.ordered(found, family):
            side = found.families[family][arm]
            n = max((entry.n for entry in side.metrics.values()), default=0)
            label = words.name(found, arm)
            for run in (found.first, *side.alike):
                means = tuple(_mean(found.metrics[m], entry, run, n) for m, entry in side.metrics.items())
                yield PairedRow(family, label, run, "run", n, means)
            for run in side.alike:
                cells = tuple(_difference(found.metrics[m], side, entry, run) for m, entry in side.metrics.items())
                yield PairedRow(family, label, f"{run} − {found.first}", "difference", n, cells)


def heading(found: RunComparison, family: str) -> str:
    """The family with its networks, run by run where they are not the same."""
    models = {run: about.models.get(family, ()) for run, about in found.runs.items()}
    if len(set(models.values())) == 1:
        return wording.family_name({family: models[found.first]}, family)
    return f"{family} · " + "; ".join(f"{run}: {', '.join(own)}" for run, own in models.items())


def _mean(metric: MetricFacts, entry: ComparedMetric, run: str, n: int) -> PairedCell:
    column = entry.columns[run]
    if column.mean is None:
        return PairedCell((numbers.MISSING,))
    mean = wording.number(metric, column.mean) + tables.fewer(entry.n, n)
    if column.delta is None:
        return PairedCell((mean,))
    ends = wording.interval(metric, column.low, column.high)
    between = (f"[{ends[0]}, {ends[1]}]",) if ends and column.low != column.high else ()
    return PairedCell((mean, f"Δ {wording.number(metric, column.delta, signed=True)}", *between))


def _difference(metric: MetricFacts, side: ComparedArm, entry: ComparedMetric, run: str) -> PairedCell:
    told = entry.differences[run]
    effect = told.effect
    if effect.delta is None:
        return PairedCell((numbers.MISSING,))
    if words.same(side, run):
        return PairedCell(("same pictures",))
    delta = wording.number(metric, effect.delta, signed=True) + marks(entry, told)
    if side.void:
        return PairedCell((delta, "no finding"))
    ends = wording.interval(metric, effect.low, effect.high)
    below = (f"[{ends[0]}, {ends[1]}]" if ends else "", wording.shares(effect), wording.p_value(effect.p_adjusted))
    return PairedCell((delta, *filter(None, below)), wording.standing_out(metric, effect))


def marks(entry: ComparedMetric, told: RunDifference) -> str:
    """Every mark beside a difference between runs."""
    return wording.marked(outlier=told.outlier is not None, chose=bool(entry.chose))
