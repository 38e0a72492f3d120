"""What a summary comes to, in plain words: a few sentences for each family.

A difference is *shown* where its intervals leave zero and its adjusted p is below 5 %; where only the
intervals do, that is a hint. Nothing is called better or worse on the strength of a mean alone, and what could not
be shown is not called absent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fsrbench import caveats, wording
from fsrbench.wording import Summary

ALPHA = 0.05
VERBS = {1: "better", -1: "worse"}


def tell(summary: Summary) -> dict[str, str]:
    """Family → what was found."""
    return {family: " ".join(_sentences(summary, family)) for family in summary["families"]}


def _sentences(summary: Summary, family: str) -> Iterator[str]:
    arms = wording.arms(summary, family)
    role = {arm: summary["roles"][arm] for arm in arms}
    tested = [arm for arm in arms if role[arm] == "contender"] or [arm for arm in arms if role[arm] == "control"]
    failed = [arm for arm, told in summary["counts"][family]["arms"].items() if told["failed"] and not told["done"]]
    for arm in failed:
        yield f"{wording.arm_name(summary, arm, marked=False)} failed on every case."
    if not tested and not failed:
        yield "Nothing was set against the pipeline alone; run an arm, e.g. --lvlm or --arm heuristic."
    for arm in tested:
        if not caveats.void(summary, family, arm):
            yield from _arm(summary, family, arm)
    for arm in summary["counts"][family]["arms"]:
        yield from caveats.of_arm(summary, family, arm)
    yield from caveats.of_family(summary, family)
    tested = [arm for arm in tested if not caveats.void(summary, family, arm)]
    metrics = summary["families"][family]
    first = next((name for name, entry in metrics.items() if entry["n"]), None)
    if first is None or not tested:
        return
    yield from _beside(summary, first, metrics[first]["arms"], tested, role)


def _arm(summary: Summary, family: str, arm: str) -> Iterator[str]:
    """What one arm did to each metric."""
    name = wording.arm_name(summary, arm, marked=False)
    counts = summary["counts"][family]["arms"][arm]
    entries = {m: e["arms"][arm] for m, e in summary["families"][family].items() if e["arms"][arm]["n"]}
    if not entries:
        yield f"{name}: nothing could be measured."
        return
    cases = max(entry["n"] for entry in entries.values())
    if all(entry["ties"] == entry["n"] for entry in entries.values()):
        compared = family in summary["models"]  # of plain folders, nobody has compared the pictures themselves
        left = "left every picture as it was" if compared and not counts["changed"] else "changed no number"
        yield f"{name} {left}, in {wording.count(cases, 'case')}."
        return
    strong = {m: e for m, e in entries.items() if wording.shown(summary, m, e) and e["p_adjusted"] < ALPHA}
    weak = {m: e for m, e in entries.items() if wording.shown(summary, m, e) and m not in strong}
    open_ = {m: e for m, e in entries.items() if m not in strong and m not in weak}
    changed = f", having changed {wording.count(counts['changed'], 'picture')}" if counts["changed"] else ""
    where = f"on {wording.count(cases, 'case')}{changed}"
    if strong:
        yield f"{name} made {_list(_moved(summary, strong))} {where}."
    if weak:
        whom, end = ("it", "") if strong else (name, f" {where}")
        tests = wording.count(summary["statistics"]["tests"], "test")
        moved = _list(_moved(summary, weak))
        yield f"For {whom} there are hints, not proof after correction for {tests}, of {moved}{end}."
    if open_:
        whom, end = ("", "") if strong or weak else (f" between {name} and pure", f" {where}")
        labels = _list([summary["metrics"][m]["label"] for m in open_])
        yield f"No difference{whom} could be shown in {labels}{end}."
        yield from _power(summary, open_)


def _moved(summary: Summary, entries: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """`PSNR better by 0.10 dB (+0.02 to +0.19)`."""
    found = []
    for metric, entry in entries.items():
        about = summary["metrics"][metric]
        way = 1 if (entry["delta"] > 0) == (about["better"] == "higher") else -1
        size = _size(summary, metric, abs(entry["delta"]))
        found.append(f"{about['label']} {VERBS[way]} by {size}{_band(summary, metric, entry)}")
    return found


def _power(summary: Summary, entries: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """What the sample could have found, so that "no difference" is not read as "none exists"."""
    metric = next((m for m, e in entries.items() if e["detectable"]), None)
    if metric is not None:
        size, label = _size(summary, metric, entries[metric]["detectable"]), summary["metrics"][metric]["label"]
        power = f"{summary['statistics']['power']:.0%}"
        yield f"In such a sample, a single unadjusted test has {power} power for a difference of {size} in {label}."


def _beside(
    summary: Summary,
    metric: str,
    entries: Mapping[str, Mapping[str, Any]],
    tested: Sequence[str],
    role: Mapping[str, str],
) -> Iterator[str]:
    """The first metric beside what it must be compared with: controls, noise floor, headroom."""
    known = {arm: entries[arm] for arm in role if entries[arm]["delta"] is not None}
    parts = [
        f"{wording.arm_name(summary, arm)} {wording.number(summary, metric, entry['delta'], signed=True)}"
        f"{_band(summary, metric, entry)}"
        for arm, entry in known.items()
        if role[arm] in ("control", "headroom") and arm not in tested
    ]
    label = summary["metrics"][metric]["label"]
    if parts:
        yield f"Beside it, in {label}: {_list(parts)}."
    if "floor" in role.values():
        floor = next(entry["floor"] for entry in entries.values())
        if round(floor, summary["metrics"][metric]["digits"]):
            level = f"{summary['statistics']['level']:.0%}"
            size = _size(summary, metric, floor)
            yield f"When nothing is done, {level} of the cases move by less than {size} in {label}."
        else:
            yield f"When nothing is done, {label} does not move."


def _band(summary: Summary, metric: str, entry: Mapping[str, Any]) -> str:
    """` (+0.02 to +0.19)`; nothing for a single case."""
    band = wording.interval(summary, metric, entry)
    return f" ({band[0]} to {band[1]})" if band else ""


def _size(summary: Summary, metric: str, value: float) -> str:
    """`0.10 dB`."""
    return f"{wording.number(summary, metric, value)} {summary['metrics'][metric]['unit']}".rstrip()


def _list(items: Sequence[str]) -> str:
    """`a, b and c`."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"
