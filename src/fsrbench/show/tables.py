"""The numbers of a summary as people read them: `summary.md` and a table for the terminal.

Layout follows the paper's tables 4 and 5: a family's pure row, under it one row for each arm, with the
paired difference, its interval, how many pictures went which way and the adjusted p of that below every mean. What is
missing is shown as n/a, and why stands below. What the numbers come to in words is `findings.py`'s.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fsrbench.measure.summary import TESTED
from fsrbench.show import caveats, imprint, wording
from fsrbench.show.wording import Summary

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
_OUTLIER = (
    "‡ One case makes this mean: without it (or its person), the mean lies outside the interval that all others give."
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
    if run := [f"- {wording.escape(what)}: {wording.escape(text)}" for what, text in imprint.lines(summary)]:
        parts += ["## What was run", "\n".join(run)]
    if first:
        parts += ["## Distortion metrics", _table(summary, first)]
    if second:
        parts += ["## Perceptual and identity metrics", _table(summary, second)]
    parts.append(READING.format(**summary["statistics"]))
    if made := list(outliers(summary)):
        parts.append("\n".join([_OUTLIER, "", *(f"- {wording.escape(line)}" for line in made)]))
    if rivals := _against(summary):
        parts += ["## Against the controls", rivals, _AGAINST]
    if evidence := _evidence(summary):
        parts += ["## How sure", evidence, _EVIDENCE.format(**summary["statistics"])]
    parts += ["## What happened to the cases", _counts(summary), *_unfinished(summary), *_mishaps(summary)]
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
    parts += [f"[{cell.low}, {cell.high}]" if cell.low else "", cell.shares, cell.p]
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
            unusable = _unusable(counts["arms"][arm])
            rows.append((wording.arm_name(summary, arm) + unusable, done, cells))
        yield wording.family_name(summary, family), rows


def _pure_cell(summary: Summary, metric: str, entry: Mapping[str, Any], cases: int) -> Cell:
    """Pure is the better one only where there is one arm to be better than."""
    others = list(entry["arms"].values())
    best = len(others) == 1 and wording.standing_out(summary, metric, others[0]) == -1
    return Cell(wording.number(summary, metric, entry["pure"]) + _fewer(entry["n"], cases), best)


def _arm_cell(summary: Summary, metric: str, entry: Mapping[str, Any], done: int) -> Cell:
    if entry["mean"] is None:
        return Cell("n/a")
    mean = wording.number(summary, metric, entry["mean"]) + _fewer(entry["n"], done)
    delta = f"Δ {wording.number(summary, metric, entry['delta'], signed=True)}"
    if entry.get("void"):
        return Cell(mean, delta="no finding")
    if entry["ties"] == entry["n"]:
        return Cell(mean, delta=f"{delta}, equal")
    best = wording.standing_out(summary, metric, entry) == 1
    low, high = wording.interval(summary, metric, entry) or ("", "")
    chance = wording.p_value(entry["p_adjusted"])
    return Cell(mean, best, delta + wording.outlier(entry), low, high, wording.shares(entry), chance)


def _unusable(counts: Mapping[str, Any]) -> str:
    """What is said beside an arm's name where some of its replies could not be used."""
    bad = sum(counts.get("unusable", {}).values())
    return f" ({bad:,} of {counts['replies']:,} replies unusable)" if bad else ""


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


def outliers(summary: Summary) -> Iterator[str]:
    """A line for each mean that one case makes: which case, and the mean without it."""
    for family, metrics in summary["families"].items():
        for name, entry in metrics.items():
            for arm in wording.arms(summary, family):
                if made := entry["arms"][arm]["outlier"]:
                    label = f"{family}, {wording.arm_name(summary, arm, marked=False)}"
                    own, rest = (wording.number(summary, name, made[key], signed=True) for key in ("delta", "without"))
                    what = f"Δ {summary['metrics'][name]['label']}"
                    yield f"{label}: {made['case']} makes {what} ({own}); {rest} without it"


_AGAINST = (
    "Δ is the mean paired difference between the contender and a control, case by case, with its interval; p as above. "
    "Bold is a difference that is shown. A control that changed nothing is pure, and stands above."
)


def _against(summary: Summary) -> str:
    """A row for each pair of a contender and a control."""
    names = list(summary["metrics"])
    lines = [
        "| "
        + " | ".join(["Family", "Contender", "Control", *(wording.heading(summary, name) for name in names)])
        + " |",
        "|" + "---|" * 3 + "---:|" * len(names),
    ]
    for family, metrics in summary["families"].items():
        pairs = dict.fromkeys((a, r) for e in metrics.values() for a, own in e["against"].items() for r in own)
        for arm, rival in pairs:
            cells = [_rival_cell(summary, name, metrics[name]["against"][arm].get(rival)) for name in names]
            left = [family, *(wording.arm_name(summary, one, marked=False) for one in (arm, rival))]
            lines.append("| " + " | ".join([*map(wording.escape, left), *cells]) + " |")
    return "\n".join(lines) if len(lines) > 2 else ""


def _rival_cell(summary: Summary, metric: str, entry: Mapping[str, Any] | None) -> str:
    if entry is None or entry["delta"] is None:
        return "n/a" if entry else ""
    bold = "**" if wording.standing_out(summary, metric, entry) else ""
    band = wording.interval(summary, metric, entry)
    parts = [f"{bold}{wording.number(summary, metric, entry['delta'], signed=True)}{bold}"]
    parts += [f"[{band[0]}, {band[1]}]" if band else "", wording.shares(entry), wording.p_value(entry["p_adjusted"])]
    return "<br>".join(part for part in parts if part)


_EVIDENCE = (
    "Changed are the pictures (persons) whose number is another one, and Δ changed is the mean over those cases. "
    "Better and worse are shares of the cases that moved by more than the noise floor: what 95 % of the cases of the "
    "arm `rerun` stay below; where it was not run (n/a), any move counts. Effect is the mean difference over its "
    "standard deviation (d_z). To show is how many of the changed would have to go one way for p below {alpha:.0%} "
    "here, or the fewest changed with which that could be; needed are the cases with which the majority seen would be "
    "shown with {power:.0%} power, if it is the true one, by the sign test at {alpha:.0%} ÷ {tests} tests."
)
_HEAD = (
    "Family", "Variant", "Metric", "n", "changed", "Δ changed", "median Δ", "better", "worse", "floor", "effect",
    "to show", "needed",
)  # fmt: skip


def _evidence(summary: Summary) -> str:
    """A row for each family, arm and metric that was tested and moved."""
    lines = ["| " + " | ".join(_HEAD) + " |", "|" + "---|" * 3 + "---:|" * (len(_HEAD) - 3)]
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
    return [
        summary["metrics"][metric]["label"],
        str(found["n"]),
        f"{found['changed']} of {found['units']}",
        wording.number(summary, metric, found["delta_changed"], signed=True),
        wording.number(summary, metric, found["median"], signed=True),
        f"{found['benefit']:.0%}",
        f"{found['harm']:.0%}",
        wording.floor(summary, metric, found),
        "" if found["effect"] is None else f"{found['effect']:+.2f}".replace("-", "−"),
        wording.to_show(found),
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


def _mishaps(summary: Summary) -> Iterator[str]:
    """Below the counts: which replies could not be used, and what failed for which reason."""
    lines = [*caveats.lines(summary), *(f"failed: {group}" for group in summary.get("failures", ()))]
    if lines:
        yield "\n".join(f"- {wording.escape(line)}" for line in lines)


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
