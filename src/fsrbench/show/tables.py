"""The numbers of a summary as people read them: `summary.md` and a table for the terminal.

Layout follows the paper's tables 4 and 5: a family's pure row, under it one row for each arm, with the
paired difference, its interval, how many pictures went which way and the adjusted p of that below every mean. What is
missing is shown as n/a, and why stands below. What the numbers come to in words is `findings.py`'s.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from fsrbench.measure.summary_values import ArmEffect, ArmOutcome, MetricFacts, MetricResults, Summary
from fsrbench.show import harm, imprint, md, numbers, people, side_tables, wording

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

DISTORTION = ("psnr", "ssim", "psnr_y", "ssim_y")


@dataclass(frozen=True, slots=True)
class Cell:
    """One number of a table with everything that stands below it; empty where there is nothing."""

    mean: str
    """The mean, with the cases it rests on where they are fewer than the row's."""
    best: bool = False
    """The better of the two, and that is shown."""
    delta: str = ""
    """The paired difference."""
    low: str = ""
    """Lower end of its interval."""
    high: str = ""
    """Upper end of it."""
    shares: str = ""
    """`17 better, 2 worse`."""
    p: str = ""
    """`p = 0.031`."""


READING = (
    "Below an arm's mean stands Δ, the mean paired difference arm − pure over the cases that have both numbers, with "
    "its {level:.0%} t-interval, an estimate that is not adjusted; then how many pictures (persons, where it is known "
    "who is who) became better and worse, and p of the exact sign test of these two numbers, adjusted by Holm over the "
    "{tests} tests of this run. A difference is *shown* where that p is below {alpha:.0%}; the same rule makes a mean "
    "bold, fills a sign in a plot and calls something better in a sentence. Bold is the better of the two means where "
    "that is shown and the mean goes the same way as the majority. A noise floor and an arm that saw the reference are "
    "yardsticks and are not tested. n counts the finished cases of a row; a cell that rests on fewer of them says so: "
    "[n=…]."
)
OUTLIER = (
    "‡ One case makes this mean: without it (or its person), the mean lies outside the interval that all others give."
)


def markdown(summary: Summary) -> str:
    """The whole of `summary.md`."""
    first, second = parted(summary)
    parts = ["# Summary", _cases(summary)]
    if summary.findings:
        parts.append("\n".join(f"- **{md.escape(f)}**: {md.escape(text)}" for f, text in summary.findings.items()))
    if run := [f"- {md.escape(what)}: {md.escape(text)}" for what, text in imprint.lines(summary)]:
        parts += ["## What was run", "\n".join(run)]
    if first:
        parts += ["## Distortion metrics", _table(summary, first)]
    if second:
        parts += ["## Perceptual and identity metrics", _table(summary, second)]
    parts.append(READING.format(**asdict(summary.statistics)))
    if made := md.points(outliers(summary)):
        parts.append(f"{OUTLIER}\n\n{made}")
    if wording.any_chosen(summary):
        parts.append(wording.CHOSEN_MEANS)
    parts += people.markdown(summary)
    parts += [*harm.markdown(summary), *side_tables.against(summary), *side_tables.chosen(summary)]
    parts += side_tables.evidence(summary)
    parts += side_tables.counts(summary)
    if lacking := md.points(missing(summary)):
        parts += ["## Not available", lacking]
    parts += [md.escape(note) for note in summary.notes]
    return "\n\n".join(parts) + "\n"


def parted(summary: Summary) -> tuple[list[str], list[str]]:
    """The metrics of the first table, distortion, and of the second, perception and identity."""
    names = list(summary.metrics)
    return [n for n in names if n in DISTORTION], [n for n in names if n not in DISTORTION]


def terminal(summary: Summary) -> Table:
    """The same rows for a terminal: narrow, with each difference and its interval below its mean."""
    from rich.table import Table
    from rich.text import Text

    table = Table(header_style="bold")
    table.add_column("")
    table.add_column("n", justify="right")
    for metric in summary.metrics.values():
        table.add_column(wording.heading(metric), justify="right")
    for family, own in rows(summary, list(summary.metrics)):
        table.add_row(Text(family, style="bold", overflow="fold"))
        for label, n, cells in own:
            table.add_row(Text(label, overflow="fold"), str(n), *(_printed(cell) for cell in cells))
        table.add_section()
    return table


def _printed(cell: Cell) -> Text:
    """A cell for the terminal: without p, which stands in `summary.md`."""
    from rich.text import Text

    text = Text(cell.mean, "bold" if cell.best else "")
    text.append(f"\n{cell.delta}" if cell.delta else "", "")
    return text.append(f"\n{cell.low} … {cell.high}" if cell.low else "", "dim")


def _table(summary: Summary, names: Sequence[str]) -> str:
    head = ["Method group", "Variant", "n", *(wording.heading(summary.metrics[name]) for name in names)]
    lines = (
        [md.escape(family), md.escape(label), str(n), *map(_written, cells)]
        for family, own in rows(summary, names)
        for label, n, cells in own
    )
    return md.table(head, lines, "lll" + "r" * len(names))


def _written(cell: Cell) -> str:
    """A cell for Markdown."""
    parts = [f"**{cell.mean}**" if cell.best else cell.mean, cell.delta]
    parts += [f"[{cell.low}, {cell.high}]" if cell.low else "", cell.shares, cell.p]
    return "<br>".join(part for part in parts if part)


def rows(summary: Summary, names: Sequence[str]) -> Iterator[tuple[str, list[tuple[str, int, list[Cell]]]]]:
    """Family by family: (label, cases, cells)."""
    for family, metrics in summary.families.items():
        counts = summary.counts[family]
        pure = [_pure_cell(summary.metrics[name], metrics[name], counts.cases) for name in names]
        found = [("Pure FSR", counts.cases, pure)]
        for arm in wording.arms(summary, family):
            own = counts.arms[arm]
            cells = [_arm_cell(summary.metrics[name], metrics[name].arms[arm], own.done) for name in names]
            found.append((wording.arm_name(summary, arm) + _unusable(own), own.done, cells))
        yield wording.family_name(summary.models, family), found


def _pure_cell(metric: MetricFacts, entry: MetricResults, cases: int) -> Cell:
    """Pure is the better one only where there is one arm to be better than."""
    others = list(entry.arms.values())
    best = len(others) == 1 and wording.standing_out(metric, others[0]) == -1
    return Cell(wording.number(metric, entry.pure) + fewer(entry.n, cases), best)


def _arm_cell(metric: MetricFacts, effect: ArmEffect, done: int) -> Cell:
    if effect.mean is None:
        return Cell(numbers.MISSING)
    mean = wording.number(metric, effect.mean) + fewer(effect.n, done)
    delta = f"Δ {wording.number(metric, effect.delta, signed=True)}"
    if effect.void:
        return Cell(mean, delta="no finding")
    if effect.ties == effect.n:
        return Cell(mean, delta=f"{delta}, equal")
    best = wording.standing_out(metric, effect) == 1
    low, high = wording.interval(metric, effect.low, effect.high) or ("", "")
    chance = wording.p_value(effect.p_adjusted)
    return Cell(mean, best, delta + wording.marks(effect), low, high, wording.shares(effect), chance)


def _unusable(counts: ArmOutcome) -> str:
    """What is said beside an arm's name where some of its replies could not be used."""
    bad = sum(counts.unusable.values())
    return f" ({bad:,} of {counts.replies:,} replies unusable)" if bad else ""


def fewer(n: int, row: int) -> str:
    """The number of cases behind a cell, where it is another one than the row's."""
    return f" [n={n}]" if n not in (0, row) else ""


def _cases(summary: Summary) -> str:
    total = ", ".join(f"{family}: {counts.cases}" for family, counts in summary.counts.items())
    parts = [f"Finished cases: {total}."]
    if recipe := ", ".join(summary.inputs.recipe):
        parts.append(f"Degraded by recipe {md.escape(recipe)}.")
    if persons := summary.statistics.clusters:
        parts.append(f"They show {numbers.count(persons, 'person')}, the units of every interval and test.")
    return " ".join(parts)


def outliers(summary: Summary) -> Iterator[str]:
    """A line for each mean that one case makes: which case, and the mean without it."""
    for family, metrics in summary.families.items():
        for name, entry in metrics.items():
            metric = summary.metrics[name]
            for arm in wording.arms(summary, family):
                if made := entry.arms[arm].outlier:
                    label = f"{family}, {wording.arm_name(summary, arm, marked=False)}"
                    own, rest = (wording.number(metric, one, signed=True) for one in (made.delta, made.without))
                    yield f"{label}: {made.case} makes Δ {metric.label} ({own}); {rest} without it"


def missing(summary: Summary) -> Iterator[str]:
    """One line for each reason why numbers are missing, with what it concerns."""
    reasons: dict[str, list[str]] = {}
    for family, metrics in summary.families.items():
        for name, entry in metrics.items():
            for why in entry.why_na:
                reasons.setdefault(why, []).append(f"{family} {summary.metrics[name].label}")
    for why, places in reasons.items():
        yield f"{', '.join(places)}: {why}"
