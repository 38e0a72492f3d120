"""What a summary comes to, in plain words: a few sentences for each family.

A difference is called better or worse only where the summary says that it is *shown*, and what is called so is what was
tested: the share of the changed pictures (persons) that went one way. The mean stands beside it, and where it goes the
other way the sentence says so. What could not be shown has no direction, is not called absent, and is told with what
it would take.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fsrbench.show import caveats, wording
from fsrbench.show.wording import Summary

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
    for arm in tested:
        yield from _against(summary, arm, {m: e["against"].get(arm, {}) for m, e in metrics.items()})
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
    shown = {m: e for m, e in entries.items() if e["shown"]}
    changed = f", having changed {wording.count(counts['changed'], 'picture')}" if counts["changed"] else ""
    where = f"on {wording.count(cases, 'case')}{changed}"
    if shown:
        made = "; ".join(_claim(summary, metric, entry) for metric, entry in shown.items())
        tests = wording.count(summary["statistics"]["tests"], "test")
        yield f"{name} made {made}. p is corrected for {tests}, intervals are not."
    yield from _not_shown(summary, name, entries, "" if shown else f" {where}")


def _claim(summary: Summary, metric: str, entry: Mapping[str, Any], rival: str = "") -> str:
    """`PSNR better in 17 of 19 changed pictures (20 in all), p = 0.002, on average by +0.10 dB (95 % interval …)`."""
    way = wording.claimed(entry)
    most = entry["improved"] if way > 0 else entry["changed"] - entry["improved"]
    label, verb = summary["metrics"][metric]["label"], VERBS[way] + (f" than {rival}" if rival else "")
    whole = entry["changed"] == entry["units"]
    among = wording.units(summary, entry["changed"])
    if not whole:
        among = f"{among.replace(' ', ' changed ', 1)} ({entry['units']:,} in all)"
    chance = wording.p_value(entry["p_adjusted"])
    return f"{label} {verb} in {most:,} of {among}, {chance}, {_average(summary, metric, entry, way)}"


def _average(summary: Summary, metric: str, entry: Mapping[str, Any], way: int) -> str:
    """The mean beside a claim about shares; they may go opposite ways."""
    band = _band(summary, metric, entry, f"{summary['statistics']['level']:.0%} interval ".replace("%", " %"))
    if wording.better(summary, metric, entry["delta"]) == -way:
        few = "since a few lost much" if way > 0 else "since a few gained much"
        return f"but on average {VERBS[-way]} by {_size(summary, metric, abs(entry['delta']))}{band}, {few}"
    return f"on average by {_size(summary, metric, entry['delta'], signed=True)}{band}"


def _not_shown(summary: Summary, name: str, entries: Mapping[str, Mapping[str, Any]], where: str) -> Iterator[str]:
    """What could not be shown, and what it would have taken: "no difference" is not read as "none exists"."""
    label = {m: summary["metrics"][m]["label"] for m in entries}
    open_ = {m: e for m, e in entries.items() if not e["shown"]}
    enough = [m for m, e in open_.items() if e["majority"] is not None]
    if enough:
        takes = _list(list(dict.fromkeys(f"{open_[m]['majority']:,} of {open_[m]['changed']:,}" for m in enough)))
        things = f"{wording.unit(summary)}s"
        between = f" between {name} and pure" if where else ""
        yield (
            f"No difference{between} could be shown in {_list([label[m] for m in enough])}{where}: "
            f"that takes {takes} changed {things} going one way."
        )
    few: dict[tuple[int, int, int], list[str]] = {}
    for metric in open_.keys() - set(enough):
        few.setdefault((open_[metric]["changed"], open_[metric]["units"], open_[metric]["least"]), []).append(metric)
    for (changed, n, least), metrics in sorted(few.items()):
        place = "" if len(metrics) == len(entries) else f" in {_list([label[m] for m in entries if m in metrics])}"
        if n < least:
            tests = wording.count(summary["statistics"]["tests"], "test")
            yield (
                f"With {wording.units(summary, n)} and {tests} no difference between {name} and pure can be "
                f"shown{place}: it takes at least {least:,}."
            )
        else:
            only = wording.units(summary, changed)
            yield f"{name}: only {only} changed{place}: no difference can be shown, it takes at least {least:,}."


def _against(summary: Summary, arm: str, found: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> Iterator[str]:
    """A contender beside the controls, pair by pair."""
    rivals = dict.fromkeys(rival for entries in found.values() for rival in entries)
    parts, open_ = [], []
    for rival in wording.ordered(rivals, summary["roles"]):
        name = wording.arm_name(summary, rival, marked=False)
        shown = {metric: e[rival] for metric, e in found.items() if rival in e and e[rival]["shown"]}
        parts += [_claim(summary, metric, entry, name) for metric, entry in shown.items()]
        open_ += [] if shown else [name]
    if open_:
        parts.append(f"no difference from {_list(open_, 'or')} could be shown")
    if parts:
        yield f"{wording.arm_name(summary, arm, marked=False)} beside the controls: {'; '.join(parts)}."


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


def _band(summary: Summary, metric: str, entry: Mapping[str, Any], what: str = "") -> str:
    """` (+0.02 to +0.19)`; nothing for a single case."""
    band = wording.interval(summary, metric, entry)
    return f" ({what}{band[0]} to {band[1]})" if band else ""


def _size(summary: Summary, metric: str, value: float, *, signed: bool = False) -> str:
    """`0.10 dB`."""
    return f"{wording.number(summary, metric, value, signed=signed)} {summary['metrics'][metric]['unit']}".rstrip()


def _list(items: Sequence[str], last: str = "and") -> str:
    """`a, b and c`."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {last} {items[-1]}"
