"""A sweep as people read it: one table (`sweep.md`, `sweep.csv`, the terminal) and `sweep.json`, which holds all of it.

A row is a point of the grid. What it says is gathered in `sweep.py`; the plot is `plots/sweep.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, astuple, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fsrbench.core.stored import to_json
from fsrbench.experiments.sweep import PointEffect
from fsrbench.files import atomic, csvfile
from fsrbench.show import md, numbers, wording
from fsrbench.study.store import as_json

if TYPE_CHECKING:
    from rich.table import Table

Found = Mapping[str, Any]
COUNTS = ("done", "failed", "invalid", "changed", "again")
USAGE = ("requests", "tokens", "cost")
READING = (
    "Δ is the mean paired difference, point − pure, with its {level:.0%} t-interval, which is not adjusted; then how "
    "many pictures (persons) became better and worse, and p of the exact sign test of that, adjusted by Holm over the "
    "{tests} tests of this sweep: the best of many points is partly luck, and the adjustment allows for that. Bold: p "
    "is below {alpha:.0%}, and the mean goes the way of the majority. "
    "Helped and harmed are the shares of cases that moved by more than the noise floor (by anything at all, where no "
    "rerun stands beside). Again: restorations made again. Requests, tokens and cost are what a point takes when it is "
    "run alone."
)


def write(found: Found, out: Path) -> None:
    """Store `sweep.json`, `sweep.csv` and `sweep.md`."""
    atomic.write_bytes(out / "sweep.json", as_json(to_json(found)))
    atomic.write_bytes(out / "sweep.md", markdown(found).encode())
    names = _axes(found)
    kept = [field.name for field in fields(PointEffect)]
    head = ["family", "arm", *names, "metric", *kept, *COUNTS, *USAGE, *(f"{key}_spent" for key in USAGE)]
    csvfile.write(out / "sweep.csv", head, _records(found, names))


def _records(found: Found, names: Sequence[str]) -> Iterator[list[Any]]:
    """A line for each point and metric."""
    for row in (*found["points"], *found["beside"]):
        left = [row["family"], row["arm"], *(_plain(row["values"].get(name, "")) for name in names)]
        right = [*(row[key] for key in COUNTS), *(row[part][key] for part in ("alone", "spent") for key in USAGE)]
        for metric, effect in row["metrics"].items():
            yield [*left, metric, *astuple(effect), *right]


def _plain(value: Any) -> Any:
    """Numbers as numbers."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) else said(value)


def said(value: Any) -> str:
    """A value as it stands in the grid."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return ", ".join(map(said, value))
    return f"{value:.12g}" if isinstance(value, float) else json.dumps(value, ensure_ascii=False)


def _axes(found: Found) -> list[str]:
    return list(dict.fromkeys(axis["name"] for axis in found["axes"]))


# ---------------------------------------------------------------------- tables


def markdown(found: Found) -> str:
    """The whole of `sweep.md`."""
    names, metrics = _axes(found), list(found["metrics"])
    head = ["Family", *names, "n", *map(wording.heading, found["metrics"].values()), "again", *USAGE, "arm"]
    lines = []
    for row in (*found["points"], *found["beside"]):
        left = [wording.family_name(found["models"], row["family"]), *(_at(row, name) for name in names), _cases(row)]
        cells = [_cell(found, metric, row) for metric in metrics]
        right = [str(row["again"]), *_usage(row["alone"]), _arm(row)]
        lines.append([*map(md.escape, left), *cells, *map(md.escape, right)])
    table = md.table([*map(md.escape, head)], lines, "l" * (1 + len(names)) + "r" * (len(metrics) + 5) + "l")
    parts = ["# Sweep", _heading(found), table, READING.format(**asdict(found["statistics"]))]
    parts += [md.points(lines_below(found))]
    return "\n\n".join(parts) + "\n"


def terminal(found: Found) -> Table:
    """The same rows for a terminal, a line each: differences, starred where the difference is shown."""
    from rich.table import Table
    from rich.text import Text

    metrics, asked = list(found["metrics"]), bool(found["alone"]["requests"])
    alike = _alike(found)
    table = Table(title="Sweep: point − pure (* shown)", header_style="bold")
    table.add_column(", ".join(alike))
    for title in ("n", *map(wording.heading, found["metrics"].values()), "again", *(["asked"] if asked else [])):
        table.add_column(title, justify="right")
    last = None
    for row in (*found["points"], *found["beside"]):
        if row["family"] != last:
            table.add_section()
            table.add_row(Text(wording.family_name(found["models"], row["family"]), style="bold", overflow="fold"))
        last = row["family"]
        cells = [_difference(found, metric, row)[0] + _star(found, metric, row) for metric in metrics]
        right = [str(row["again"]), *(_usage(row["alone"])[:1] if asked else [])]
        name = ", ".join(said(row["values"][axis]) for axis in alike) if row["values"] else ""
        table.add_row(*map(Text, [name or label(found, row), _cases(row), *cells, *right]))
    return table


def _star(found: Found, metric: str, row: Found) -> str:
    return "*" if wording.standing_out(found["metrics"][metric], row["metrics"][metric]) else " "


def lines_below(found: Found) -> Iterator[str]:
    """What stands below the table: what was spent, and what a reader must know."""
    alone, spent = found["alone"], found["spent"]
    if alone["requests"]:
        price = "" if spent["cost"] is None else f" for {numbers.money(spent['cost'])}"
        yield (
            f"{spent['requests']} requests were sent{price}; one point after another would have taken "
            f"{alone['requests']}: equal questions are asked once."
        )
    failed = sum(row["failed"] for row in (*found["points"], *found["beside"]))
    if failed:
        yield f"{failed} arms failed on a case (failures.csv says why); the same command takes them up again."
    invalid = sum(row["invalid"] for row in (*found["points"], *found["beside"]))
    if invalid:
        yield f"{invalid} times a case's reply could not be used: its picture stands."
    yield from found["notes"]


def _heading(found: Found) -> str:
    axes = ", ".join(f"{axis['key']} ({', '.join(map(said, axis['values']))})" for axis in found["axes"])
    return f"Varied: {md.escape(axes)}."


def label(found: Found, row: Found) -> str:
    """A point by what is varied: `min_confidence 60, retries 0`; the arm too, where several are, or none else."""
    moving = _moving(found)
    parts = [f"{name} {said(value)}" for name, value in row["values"].items() if name in moving]
    return ", ".join([*([_arm(row, base=True)] if _several(found) or not parts else []), *parts])


def _moving(found: Found) -> list[str]:
    """Axes with more than one value."""
    return list(dict.fromkeys(axis["name"] for axis in found["axes"] if len(axis["values"]) > 1))


def _several(found: Found) -> bool:
    return len({row["arm_of"] for row in found["points"]}) > 1


def _alike(found: Found) -> list[str]:
    """What every point differs by, so that a heading can name it once; nothing where points differ by other things."""
    moving = _moving(found)
    same = all({*moving} <= row["values"].keys() for row in found["points"])
    return moving if same and not _several(found) else []


def _at(row: Found, name: str) -> str:
    """Where a point stands on an axis; nothing, if that axis is not its own."""
    return said(row["values"][name]) if name in row["values"] else ""


def _arm(row: Found, *, base: bool = False) -> str:
    return str(row["arm_of" if base else "arm"]) + (f" ({row['mark']})" if row["mark"] else "")


def _cases(row: Found) -> str:
    return f"{row['done']} ({row['failed']} failed)" if row["failed"] else str(row["done"])


def _difference(found: Found, metric: str, row: Found) -> list[str]:
    """A point's mean difference, and its interval; `n/a` where nothing could be measured."""
    about, effect = found["metrics"][metric], row["metrics"][metric]
    if effect.delta is None:
        return [numbers.MISSING]
    ends = wording.interval(about, effect.low, effect.high)
    delta = wording.number(about, effect.delta, signed=True)
    return [delta, f"[{ends[0]}, {ends[1]}]"] if ends else [delta]


def _cell(found: Found, metric: str, row: Found) -> str:
    """All of a point's effect on a metric, for Markdown."""
    delta, *parts = _difference(found, metric, row)
    effect = row["metrics"][metric]
    if effect.delta is None:
        return delta
    parts += [wording.shares(effect), wording.p_value(effect.p_adjusted)]
    parts.append(f"helped {numbers.share(effect.benefit)}, harmed {numbers.share(effect.harm)}")
    parts.append(f"n = {effect.n}" if effect.n != row["done"] else "")
    bold = "**" if wording.standing_out(found["metrics"][metric], effect) else ""
    return "<br>".join([f"{bold}{delta}{bold}", *filter(None, parts)])


def _usage(part: Found) -> list[str]:
    """Requests, tokens and cost; nothing, where nobody was asked."""
    if not part["requests"]:
        return ["", "", ""]
    return [str(part["requests"]), str(part["tokens"]), wording.cost(part["requests"], part["cost"])]
