"""What a summary comes to, in plain words: a few sentences for each family.

A difference is *shown* where its interval leaves zero and its adjusted p is below 5 %; where only the
interval does, that is a hint. Nothing is called better or worse on the strength of a mean alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fsrbench import tables
from fsrbench.tables import Summary

ALPHA = 0.05
VERBS = {1: "better", -1: "worse"}


def tell(summary: Summary) -> dict[str, str]:
    """Family → what was found."""
    return {family: " ".join(_sentences(summary, family)) for family in summary["families"]}


def _sentences(summary: Summary, family: str) -> Iterator[str]:
    arms = tables.arms(summary, family)
    role = {arm: summary["roles"].get(arm, "contender") for arm in arms}
    tested = [arm for arm in arms if role[arm] == "contender"] or [arm for arm in arms if role[arm] == "control"]
    if not tested:
        yield "Nothing was set against the pipeline alone; run an arm, e.g. --lvlm or --arm heuristic."
    for arm in tested:
        yield from _arm(summary, family, arm)
    metrics = summary["families"][family]
    first = next((name for name, entry in metrics.items() if entry["n"]), None)
    if first is None or not tested:
        return
    yield from _beside(summary, first, metrics[first]["arms"], tested, role)


def _arm(summary: Summary, family: str, arm: str) -> Iterator[str]:
    """What one arm did to each metric."""
    name = tables.arm_name(summary, arm, marked=False)
    counts = summary["counts"][family]["arms"][arm]
    entries = {m: e["arms"][arm] for m, e in summary["families"][family].items() if e["arms"][arm]["n"]}
    if not entries:
        yield f"{name}: nothing could be measured."
        return
    cases = max(entry["n"] for entry in entries.values())
    if all(entry["ties"] == entry["n"] for entry in entries.values()):
        left = "changed no number" if counts["changed"] else "left every picture as it was"
        yield f"{name} {left}, in {_count(cases, 'case')}."
        return
    strong = {m: e for m, e in entries.items() if tables.shown(summary, m, e) and (e["p_adjusted"] or 0) < ALPHA}
    weak = {m: e for m, e in entries.items() if tables.shown(summary, m, e) and m not in strong}
    open_ = {m: e for m, e in entries.items() if m not in strong and m not in weak}
    changed = f", having changed {counts['changed']} pictures" if counts["changed"] else ""
    where = f"on {_count(cases, 'case')}{changed}"
    if strong:
        yield f"{name} made {_list(_moved(summary, strong))} {where}."
    if weak:
        whom, end = ("it", "") if strong else (name, f" {where}")
        tests = _count(summary["statistics"]["tests"], "test")
        moved = _list(_moved(summary, weak))
        yield f"For {whom} there are hints, not proof after correction for {tests}, of {moved}{end}."
    if open_:
        lead = "No difference could be shown" if strong or weak else f"{name} showed no difference"
        labels = _list([summary["metrics"][m]["label"] for m in open_])
        yield f"{lead} in {labels}{'' if strong or weak else ' ' + where}{_power(summary, open_)}."


def _moved(summary: Summary, entries: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """`PSNR better by 0.10 dB (+0.02 to +0.19)`."""
    found = []
    for metric, entry in entries.items():
        about = summary["metrics"][metric]
        way = 1 if (entry["delta"] > 0) == (about["better"] == "higher") else -1
        size = tables.number(summary, metric, abs(entry["delta"]))
        unit = f" {about['unit']}" if about["unit"] else ""
        band = tables.interval(summary, metric, entry)
        found.append(f"{about['label']} {VERBS[way]} by {size}{unit}" + (f" ({band[0]} to {band[1]})" if band else ""))
    return found


def _power(summary: Summary, entries: Mapping[str, Mapping[str, Any]]) -> str:
    """What the sample would have found, so that "no difference" is not read as "none exists"."""
    known = [(m, e["detectable"]) for m, e in entries.items() if e["detectable"]]
    if not known:
        return ""
    metric, size = known[0]
    about = summary["metrics"][metric]
    unit = f" {about['unit']}" if about["unit"] else ""
    text = tables.number(summary, metric, size)
    return f"; this sample would have found {text}{unit} of {about['label']} or more"


def _beside(
    summary: Summary,
    metric: str,
    entries: Mapping[str, Mapping[str, Any]],
    tested: Sequence[str],
    role: Mapping[str, str],
) -> Iterator[str]:
    """The first metric beside what it must be compared with: controls, noise floor, headroom."""
    about = summary["metrics"][metric]
    sign = 1 if about["better"] == "higher" else -1
    others = [a for a in entries if role[a] == "control" and a not in tested and entries[a]["delta"] is not None]
    parts = [f"{tables.arm_name(summary, a)} {_signed(summary, metric, entries[a]['delta'])}" for a in others]
    best = [a for a in entries if role[a] == "headroom" and entries[a]["delta"] is not None]
    parts += [f"{tables.arm_name(summary, a)} {_signed(summary, metric, entries[a]['delta'])}" for a in best]
    if parts:
        yield f"Beside it, in {about['label']}: {_list(parts)}."
    own = next((entries[a]["delta"] for a in tested if entries[a]["delta"] is not None), None)
    if own is not None and best and sign * entries[best[0]]["delta"] > 0:
        share = own / entries[best[0]]["delta"]
        if share > 0:
            yield f"{tables.arm_name(summary, tested[0], marked=False)} caught {share:.0%} of what was to be had."
    if any(r == "floor" for r in role.values()):
        floor = next(entry["floor"] for entry in entries.values())
        size = tables.number(summary, metric, floor)
        moves = round(floor, about["digits"])
        yield f"A case moves by up to {size} when nothing is done." if moves else "When nothing is done, nothing moves."


def _signed(summary: Summary, metric: str, delta: float) -> str:
    return tables.number(summary, metric, delta, signed=True)


def _count(n: int, word: str) -> str:
    return f"{n:,} {word}{'s' * (n != 1)}"


def _list(items: Sequence[str]) -> str:
    """`a, b and c`."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"
