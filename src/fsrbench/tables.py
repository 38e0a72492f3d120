"""The numbers of a summary as people read them: `summary.md` and a table for the terminal.

Layout follows the paper's tables 4 and 5: a family's pure row, under it one row for each arm, with the
delta beside every mean. What is missing is shown as n/a, and why stands below.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

Summary = Mapping[str, Any]
DISTORTION = ("psnr", "ssim", "psnr_y", "ssim_y")
ARROWS = {"higher": "↑", "lower": "↓"}


def markdown(summary: Summary) -> str:
    """The whole of `summary.md`."""
    names = list(summary["metrics"])
    first = [n for n in names if n in DISTORTION]
    second = [n for n in names if n not in DISTORTION]
    parts = ["# Summary", _cases(summary)]
    if first:
        parts += ["## Distortion metrics", _table(summary, first)]
    if second:
        parts += ["## Perceptual and identity metrics", _table(summary, second)]
    parts.append(
        "Δ is the mean paired difference, arm − pure, over the cases that have both numbers. Bold is the better mean "
        "of a pair; it is not evidence that the difference is real. n counts the finished cases of a row; a cell that "
        "rests on fewer of them says so: [n=…]."
    )
    parts += ["## What happened to the cases", _counts(summary)]
    lacking = [escape(line) for line in missing(summary)]
    if lacking:
        parts += ["## Not available", "\n".join(f"- {line}" for line in lacking)]
    parts += [escape(note) for note in summary["notes"]]
    return "\n\n".join(parts) + "\n"


def terminal(summary: Summary) -> Table:
    """The same rows for a terminal: narrow, with each delta below its mean."""
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
            table.add_row(Text(label), str(n), *map(Text, map(_narrow, cells)))
        table.add_section()
    return table


def _narrow(cell: str) -> str:
    """A cell for the terminal: its parts below each other."""
    return cell.replace("**", "").replace(" (", "\n(").replace(" [", "\n[")


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


def family_name(summary: Summary, family: str) -> str:
    """The family with the models that made its pictures, so that what is embedded says so."""
    models = summary["models"].get(family)
    return f"{family} · {', '.join(models)}" if models else family


def _table(summary: Summary, names: Sequence[str]) -> str:
    header = ["Method group", "Variant", "n", *(heading(summary, name) for name in names)]
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * 3 + "---:|" * len(names)]
    for family, rows in _rows(summary, names):
        for label, n, cells in rows:
            lines.append("| " + " | ".join([escape(family), escape(label), str(n), *cells]) + " |")
    return "\n".join(lines)


def _rows(summary: Summary, names: Sequence[str]) -> Iterator[tuple[str, list[tuple[str, int, list[str]]]]]:
    """Family by family: (label, cases, cells)."""
    for family, metrics in summary["families"].items():
        arms = list(next(iter(metrics.values()))["arms"]) if metrics else []
        counts = summary["counts"][family]
        pure = [_pure_cell(summary, name, metrics[name], counts["cases"]) for name in names]
        rows = [("Pure FSR", counts["cases"], pure)]
        for arm in arms:
            mark = summary["marks"].get(arm)
            label = ("FSR+LVLM" if arm == "lvlm" else f"FSR+{arm}") + (f" ({mark})" if mark else "")
            done = counts["arms"][arm]["done"]
            cells = [_arm_cell(summary, name, metrics[name]["arms"][arm], done) for name in names]
            rows.append((label, done, cells))
        yield family_name(summary, family), rows


def _pure_cell(summary: Summary, metric: str, entry: Mapping[str, Any], cases: int) -> str:
    text = number(summary, metric, entry["pure"])
    arms = list(entry["arms"].values())
    if len(arms) == 1 and better(summary, metric, arms[0]["delta"]) == -1:
        text = f"**{text}**"
    return text + _fewer(entry["n"], cases)


def _arm_cell(summary: Summary, metric: str, entry: Mapping[str, Any], done: int) -> str:
    if entry["mean"] is None:
        return "n/a"
    text = number(summary, metric, entry["mean"])
    if better(summary, metric, entry["delta"]) == 1:
        text = f"**{text}**"
    return f"{text} ({number(summary, metric, entry['delta'], signed=True)})" + _fewer(entry["n"], done)


def _fewer(n: int, row: int) -> str:
    """The number of cases behind a cell, where it is another one than the row's."""
    return f" [n={n}]" if n not in (0, row) else ""


def _cases(summary: Summary) -> str:
    total = ", ".join(f"{family}: {c['cases']}" for family, c in summary["counts"].items())
    return f"Finished cases: {total}."


def _counts(summary: Summary) -> str:
    lines = [
        "| Family | Arm | done | failed | invalid replies | picture changed | requests | tokens | cost |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for family, counts in summary["counts"].items():
        lines.append(f"| {escape(family)} | pure | {counts['cases']} | {counts['failed']} | | | | | |")
        for arm, c in counts["arms"].items():
            cost = "" if not c["requests"] else "unknown" if c["cost"] is None else f"{c['cost']:.4f}"
            numbers = (c["done"], c["failed"], c["invalid"], c["changed"], c["requests"], c["tokens"], cost)
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
