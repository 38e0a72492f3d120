"""The numbers of a summary as people read them: `summary.md` and a table for the terminal.

Layout follows the paper's tables 4 and 5: a family's pure row, under it one row for each arm, with the
paired difference, its interval and its adjusted p below every mean. What is missing is shown as n/a, and why
stands below. What the numbers come to in words is `findings.py`'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fsrbench.summary import TESTED

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

Summary = Mapping[str, Any]
DISTORTION = ("psnr", "ssim", "psnr_y", "ssim_y")
ARROWS = {"higher": "↑", "lower": "↓"}
ORDER = ("contender", "control", "floor", "headroom")
"""Roles of arms, in the order of rows."""


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
        parts += ["\n".join(f"- **{escape(family)}**: {escape(text)}" for family, text in found.items())]
    if first:
        parts += ["## Distortion metrics", _table(summary, first)]
    if second:
        parts += ["## Perceptual and identity metrics", _table(summary, second)]
    parts.append(READING.format(**summary["statistics"]))
    if evidence := _evidence(summary):
        parts += ["## How sure", evidence, _EVIDENCE.format(power=summary["statistics"]["power"])]
    parts += ["## What happened to the cases", _counts(summary)]
    lacking = [escape(line) for line in missing(summary)]
    if lacking:
        parts += ["## Not available", "\n".join(f"- {line}" for line in lacking)]
    parts += [escape(note) for note in summary["notes"]]
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
        table.add_column(heading(summary, name), justify="right")
    for family, rows in _rows(summary, names):
        table.add_row(Text(family, style="bold", overflow="fold"))
        for label, n, cells in rows:
            table.add_row(Text(label), str(n), *(_printed(cell) for cell in cells))
        table.add_section()
    return table


def _printed(cell: Cell) -> Text:
    """A cell for the terminal: without p, which stands in `summary.md`."""
    from rich.text import Text

    text = Text(cell.mean, "bold" if cell.best else "")
    text.append(f"\n{cell.delta}" if cell.delta else "", "")
    return text.append(f"\n{cell.low}…{cell.high}" if cell.low else "", "dim")


def heading(summary: Summary, metric: str) -> str:
    """`PSNR ↑`."""
    about = summary["metrics"][metric]
    return f"{about['label']} {ARROWS[about['better']]}"


def number(summary: Summary, metric: str, value: float | None, *, signed: bool = False) -> str:
    """A value with the metric's own digits; `n/a` where there is none. What rounds to zero has no sign."""
    if value is None:
        return "n/a"
    digits = summary["metrics"][metric]["digits"]
    sign = "+" if signed and round(value, digits) else ""
    return f"{value:{sign}z.{digits}f}".replace("-", "−")


def better(summary: Summary, metric: str, delta: float | None) -> int:
    """1 if the arm is better than pure, -1 if worse, 0 if that is unknown or rounds to zero."""
    about = summary["metrics"][metric]
    if delta is None or not round(delta, about["digits"]):
        return 0
    return 1 if (delta > 0) == (about["better"] == "higher") else -1


def shown(summary: Summary, metric: str, entry: Mapping[str, Any]) -> bool:
    """Do an effect's intervals leave zero, by more than what the printed digits hide?

    Both of them: with few cases the bootstrap's is too narrow, and with skewed ones the t-interval may be.
    """
    if entry["low"] is None:
        return False
    digits = summary["metrics"][metric]["digits"]
    low, high, t_low, t_high = (round(entry[end], digits) for end in ("low", "high", "t_low", "t_high"))
    return bool(min(low, t_low) > 0 or max(high, t_high) < 0)


def interval(summary: Summary, metric: str, entry: Mapping[str, Any]) -> tuple[str, str] | None:
    """`+0.01` and `+0.20`; None for a single case."""
    if entry["low"] is None:
        return None
    return number(summary, metric, entry["low"], signed=True), number(summary, metric, entry["high"], signed=True)


def chance(p: float | None) -> str:
    """A p value, without a false zero: `0.031`, `<0.001`."""
    if p is None:
        return "n/a"
    return "<0.001" if p < 0.001 else f"{p:.2g}" if p < 0.995 else "1"


def p_value(p: float | None) -> str:
    """`p = 0.031`; nothing where nothing was tested."""
    return "" if p is None else f"p = {chance(p)}".replace("= <", "< ")


def cost(counts: Mapping[str, Any]) -> str:
    """What requests cost; nothing where none was sent, and `unknown` where no price is."""
    return "" if not counts["requests"] else "unknown" if counts["cost"] is None else f"{counts['cost']:.4f}"


def family_name(summary: Summary, family: str) -> str:
    """The family with the models that made its pictures, so that what is embedded says so."""
    models = summary["models"].get(family)
    return f"{family} · {', '.join(models)}" if models else family


def arm_name(summary: Summary, arm: str, *, marked: bool = True) -> str:
    """`FSR+LVLM`, with what must be said of it: privileged, noise floor."""
    mark = summary["marks"].get(arm) if marked else None
    return f"FSR{arm_title(arm)}" + (f" ({mark})" if mark else "")


def arm_title(arm: str) -> str:
    """`+LVLM`: an arm where it stands beside pure."""
    return "+LVLM" if arm == "lvlm" else f"+{arm}"


def arms(summary: Summary, family: str) -> list[str]:
    """A family's arms in the order of rows."""
    names = list(next(iter(summary["families"][family].values()))["arms"]) if summary["families"][family] else []
    return ordered(names, summary["roles"])


def ordered(names: Iterable[str], roles: Mapping[str, str]) -> list[str]:
    """Contenders first, then what they are compared with."""
    return sorted(names, key=lambda arm: (ORDER.index(roles[arm]), arm))


def _table(summary: Summary, names: Sequence[str]) -> str:
    header = ["Method group", "Variant", "n", *(heading(summary, name) for name in names)]
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * 3 + "---:|" * len(names)]
    for family, rows in _rows(summary, names):
        for label, n, cells in rows:
            lines.append("| " + " | ".join([escape(family), escape(label), str(n), *map(_written, cells)]) + " |")
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
        for arm in arms(summary, family):
            done = counts["arms"][arm]["done"]
            cells = [_arm_cell(summary, name, metrics[name]["arms"][arm], done) for name in names]
            rows.append((arm_name(summary, arm), done, cells))
        yield family_name(summary, family), rows


def _pure_cell(summary: Summary, metric: str, entry: Mapping[str, Any], cases: int) -> Cell:
    """Pure is the better one only where there is one arm to be better than."""
    others = list(entry["arms"].values())
    worse = len(others) == 1 and better(summary, metric, others[0]["delta"]) == -1
    best = worse and shown(summary, metric, others[0])
    return Cell(number(summary, metric, entry["pure"]) + _fewer(entry["n"], cases), best)


def _arm_cell(summary: Summary, metric: str, entry: Mapping[str, Any], done: int) -> Cell:
    if entry["mean"] is None:
        return Cell("n/a")
    mean = number(summary, metric, entry["mean"]) + _fewer(entry["n"], done)
    delta = f"Δ {number(summary, metric, entry['delta'], signed=True)}"
    if entry["ties"] == entry["n"]:
        return Cell(mean, delta=f"{delta}, equal")
    best = shown(summary, metric, entry) and better(summary, metric, entry["delta"]) == 1
    low, high = interval(summary, metric, entry) or ("", "")
    return Cell(mean, best, delta, low, high, p_value(entry["p_adjusted"]))


def _fewer(n: int, row: int) -> str:
    """The number of cases behind a cell, where it is another one than the row's."""
    return f" [n={n}]" if n not in (0, row) else ""


def _cases(summary: Summary) -> str:
    total = ", ".join(f"{family}: {c['cases']}" for family, c in summary["counts"].items())
    recipe = ", ".join(summary["inputs"]["recipe"])
    clusters = summary["statistics"]["clusters"]
    parts = [f"Finished cases: {total}."]
    parts += [f"Degraded by recipe {escape(recipe)}."] if recipe else []
    parts += [f"They show {clusters} persons, who are the units of every interval and test."] if clusters else []
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
        for arm in arms(summary, family):
            for name, entry in metrics.items():
                found = entry["arms"][arm]
                if summary["roles"][arm] in TESTED and found["ties"] < found["n"]:
                    label = arm_name(summary, arm, marked=False)
                    cells = _evidence_cells(summary, name, found)
                    lines.append("| " + " | ".join([escape(family), escape(label), *cells]) + " |")
    return "\n".join(lines) if len(lines) > 2 else ""


def _evidence_cells(summary: Summary, metric: str, found: Mapping[str, Any]) -> list[str]:
    effect = "" if found["effect"] is None else f"{found['effect']:+.2f}".replace("-", "−")
    return [
        summary["metrics"][metric]["label"],
        str(found["n"]),
        number(summary, metric, found["median"], signed=True),
        f"{found['benefit']:.0%}",
        f"{found['harm']:.0%}",
        number(summary, metric, found["floor"] if "floor" in summary["roles"].values() else None),
        effect,
        "" if found["detectable"] is None else number(summary, metric, found["detectable"]),
        "" if found["needed"] is None else f"{found['needed']:,}",
    ]


def _counts(summary: Summary) -> str:
    lines = [
        "| Family | Arm | done | failed | invalid replies | picture changed | requests | tokens | cost |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for family, counts in summary["counts"].items():
        lines.append(f"| {escape(family)} | pure | {counts['cases']} | {counts['failed']} | | | | | |")
        for arm in ordered(counts["arms"], summary["roles"]):
            c = counts["arms"][arm]
            numbers = (c["done"], c["failed"], c["invalid"], c["changed"], c["requests"], c["tokens"], cost(c))
            lines.append(f"| {escape(family)} | {escape(arm)} | " + " | ".join(map(str, numbers)) + " |")
    return "\n".join(lines)


def missing(summary: Summary) -> Iterator[str]:
    """One line for each reason, with what it concerns."""
    reasons: dict[str, list[str]] = {}
    for family, metrics in summary["families"].items():
        for name, entry in metrics.items():
            for why in entry["why_na"]:
                reasons.setdefault(why, []).append(f"{family} {summary['metrics'][name]['label']}")
    for why, places in reasons.items():
        yield f"{', '.join(places)}: {why}"


def escape(text: str) -> str:
    """Text from outside, inside a Markdown table."""
    for mark in "\\|`*_[]":
        text = text.replace(mark, "\\" + mark)
    return text.replace("<", "&lt;").replace("\n", " ")
