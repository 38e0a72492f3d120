"""The numbers of a summary as people read them: `summary.md` and a table for the terminal.

Layout follows the paper's tables 4 and 5: a family's pure row, under it one row for each arm, with the
paired difference, its interval and its adjusted p below every mean. What is missing is shown as n/a, and why
stands below. What the numbers come to in words is `findings.py`'s.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fsrbench import wording
from fsrbench.summary import TESTED
from fsrbench.wording import Summary

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
    """The better of the two, and the interval leaves zero."""
    delta: str = ""
    """The paired difference."""
    low: str = ""
    """Lower end of its interval."""
    high: str = ""
    """Upper end of it."""
    p: str = ""
    """`p = 0.031`."""


READING = (
    "Below an arm's mean stands Δ, the mean paired difference arm − pure over the cases that have both numbers, with "
    "its {level:.0%} interval (BCa bootstrap) and p, the Wilcoxon signed-rank test adjusted by Holm over the {tests} "
    "tests of this run; a noise floor and an arm that saw the reference are yardsticks and are not tested. Bold is the "
    "better of the two only where this interval and the t-interval, which are not adjusted, leave zero. n counts the "
    "finished cases of a row; a cell that rests on fewer of them says so: [n=…]."
)


def markdown(summary: Summary) -> str:
    """The whole of `summary.md`."""
    names = list(summary["metrics"])
    first = [n for n in names if n in DISTORTION]
    second = [n for n in names if n not in DISTORTION]
    parts = ["# Summary", _cases(summary)]
    if found := summary.get("findings"):
        parts += [
            "\n".join(f"- **{wording.escape(family)}**: {wording.escape(text)}" for family, text in found.items())
        ]
    if first:
        parts += ["## Distortion metrics", _table(summary, first)]
    if second:
        parts += ["## Perceptual and identity metrics", _table(summary, second)]
    parts.append(READING.format(**summary["statistics"]))
    if evidence := _evidence(summary):
        parts += ["## How sure", evidence, _EVIDENCE.format(power=summary["statistics"]["power"])]
    parts += ["## What happened to the cases", _counts(summary), *_unfinished(summary)]
    lacking = [wording.escape(line) for line in missing(summary)]
    if lacking:
        parts += ["## Not available", "\n".join(f"- {line}" for line in lacking)]
    parts += [wording.escape(note) for note in summary["notes"]]
    return "\n\n".join(parts) + "\n"


def terminal(summary: Summary) -> Table:
    """The same rows for a terminal: narrow, with each difference and its interval below its mean."""
    from rich.table import Table
    from rich.text import Text

    names = list(summary["metrics"])
    table = Table(header_style="bold")
    table.add_column("")
    table.add_column("n", justify="right")
    for name in names:
        table.add_column(wording.heading(summary, name), justify="right")
    for family, rows in _rows(summary, names):
        table.add_row(Text(family, style="bold", overflow="fold"))
        for label, n, cells in rows:
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
    header = ["Method group", "Variant", "n", *(wording.heading(summary, name) for name in names)]
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * 3 + "---:|" * len(names)]
    for family, rows in _rows(summary, names):
        for label, n, cells in rows:
            lines.append(
                "| " + " | ".join([wording.escape(family), wording.escape(label), str(n), *map(_written, cells)]) + " |"
            )
    return "\n".join(lines)


def _written(cell: Cell) -> str:
    """A cell for Markdown."""
    parts = [f"**{cell.mean}**" if cell.best else cell.mean, cell.delta]
    parts += [f"[{cell.low}, {cell.high}]" if cell.low else "", cell.p]
    return "<br>".join(part for part in parts if part)


def _rows(summary: Summary, names: Sequence[str]) -> Iterator[tuple[str, list[tuple[str, int, list[Cell]]]]]:
    """Family by family: (label, cases, cells)."""
    for family, metrics in summary["families"].items():
        counts = summary["counts"][family]
        pure = [_pure_cell(summary, name, metrics[name], counts["cases"]) for name in names]
        rows = [("Pure FSR", counts["cases"], pure)]
        for arm in wording.arms(summary, family):
            done = counts["arms"][arm]["done"]
            cells = [_arm_cell(summary, name, metrics[name]["arms"][arm], done) for name in names]
            rows.append((wording.arm_name(summary, arm), done, cells))
        yield wording.family_name(summary, family), rows


def _pure_cell(summary: Summary, metric: str, entry: Mapping[str, Any], cases: int) -> Cell:
    """Pure is the better one only where there is one arm to be better than."""
    others = list(entry["arms"].values())
    worse = len(others) == 1 and wording.better(summary, metric, others[0]["delta"]) == -1
    best = worse and wording.shown(summary, metric, others[0])
    return Cell(wording.number(summary, metric, entry["pure"]) + _fewer(entry["n"], cases), best)


def _arm_cell(summary: Summary, metric: str, entry: Mapping[str, Any], done: int) -> Cell:
    if entry["mean"] is None:
        return Cell("n/a")
    mean = wording.number(summary, metric, entry["mean"]) + _fewer(entry["n"], done)
    delta = f"Δ {wording.number(summary, metric, entry['delta'], signed=True)}"
    if entry["ties"] == entry["n"]:
        return Cell(mean, delta=f"{delta}, equal")
    best = wording.shown(summary, metric, entry) and wording.better(summary, metric, entry["delta"]) == 1
    low, high = wording.interval(summary, metric, entry) or ("", "")
    return Cell(mean, best, delta, low, high, wording.p_value(entry["p_adjusted"]))


def _fewer(n: int, row: int) -> str:
    """The number of cases behind a cell, where it is another one than the row's."""
    return f" [n={n}]" if n not in (0, row) else ""


def _cases(summary: Summary) -> str:
    total = ", ".join(f"{family}: {c['cases']}" for family, c in summary["counts"].items())
    recipe = ", ".join(summary["inputs"]["recipe"])
    clusters = summary["statistics"]["clusters"]
    parts = [f"Finished cases: {total}."]
    parts += [f"Degraded by recipe {wording.escape(recipe)}."] if recipe else []
    parts += (
        [f"They show {wording.count(clusters, 'person')}, the units of every interval and test."] if clusters else []
    )
    return " ".join(parts)


_EVIDENCE = (
    "Better and worse are shares of the cases that moved by more than the noise floor: what 95 % of the cases of the "
    "arm `rerun` stay below; where it was not run (n/a), any move counts. Effect is the mean difference over its "
    "standard deviation (d_z). Detectable is the smallest mean difference that one t-test at 5 %, not adjusted for the "
    "others, finds with {power:.0%} power in a sample of this size and spread; needed are the cases that it takes if "
    "the difference seen is the true one."
)


def _evidence(summary: Summary) -> str:
    """A row for each family, arm and metric that was tested and moved."""
    head = [
        "Family",
        "Variant",
        "Metric",
        "n",
        "median Δ",
        "better",
        "worse",
        "floor",
        "effect",
        "detectable",
        "needed",
    ]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * 3 + "---:|" * (len(head) - 3)]
    for family, metrics in summary["families"].items():
        for arm in wording.arms(summary, family):
            for name, entry in metrics.items():
                found = entry["arms"][arm]
                if summary["roles"][arm] in TESTED and found["ties"] < found["n"]:
                    label = wording.arm_name(summary, arm, marked=False)
                    cells = _evidence_cells(summary, name, found)
                    lines.append("| " + " | ".join([wording.escape(family), wording.escape(label), *cells]) + " |")
    return "\n".join(lines) if len(lines) > 2 else ""


def _evidence_cells(summary: Summary, metric: str, found: Mapping[str, Any]) -> list[str]:
    effect = "" if found["effect"] is None else f"{found['effect']:+.2f}".replace("-", "−")
    return [
        summary["metrics"][metric]["label"],
        str(found["n"]),
        wording.number(summary, metric, found["median"], signed=True),
        f"{found['benefit']:.0%}",
        f"{found['harm']:.0%}",
        wording.floor(summary, metric, found),
        effect,
        "" if found["detectable"] is None else wording.number(summary, metric, found["detectable"]),
        "" if found["needed"] is None else f"{found['needed']:,}",
    ]


def _counts(summary: Summary) -> str:
    lines = [
        "| Family | Arm | done | failed | invalid replies | picture changed | requests | tokens | cost |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for family, counts in summary["counts"].items():
        lines.append(f"| {wording.escape(family)} | pure | {counts['cases']} | {counts['failed']} | | | | | |")
        for arm in wording.ordered(counts["arms"], summary["roles"]):
            c = counts["arms"][arm]
            numbers = (c["done"], c["failed"], c["invalid"], c["changed"], c["requests"], c["tokens"], wording.cost(c))
            lines.append(
                f"| {wording.escape(family)} | {wording.escape(arm)} | " + " | ".join(map(str, numbers)) + " |"
            )
    return "\n".join(lines)


def _unfinished(summary: Summary) -> Iterator[str]:
    """What was paid without a result so far, where there is any."""
    for family, counts in summary["counts"].items():
        for arm, c in counts["arms"].items():
            if c["unfinished"]:
                yield (
                    f"What {wording.escape(arm)} took in {wording.escape(family)} includes "
                    f"{wording.count(c['unfinished'], 'case')} that it has not finished: what was paid for them is "
                    "kept, and the run's command goes on from there."
                )


def missing(summary: Summary) -> Iterator[str]:
    """One line for each reason, with what it concerns."""
    reasons: dict[str, list[str]] = {}
    for family, metrics in summary["families"].items():
        for name, entry in metrics.items():
            for why in entry["why_na"]:
                reasons.setdefault(why, []).append(f"{family} {summary['metrics'][name]['label']}")
    for why, places in reasons.items():
        yield f"{', '.join(places)}: {why}"
