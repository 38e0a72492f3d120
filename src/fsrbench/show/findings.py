"""What a summary comes to, in plain words: a few sentences for each family.

A difference is called better or worse only where the summary says that it is *shown*, and what is called so is what was
tested: the share of the changed pictures (persons) that went one way. The mean stands beside it, and where it goes the
other way the sentence says so. What could not be shown has no direction, is not called absent, and is told with what
it would take.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from fsrbench.core import order
from fsrbench.core.values import PURE
from fsrbench.measure.summary_values import (
    MetricFacts,
    MetricResults,
    PairedComparison,
    RivalEffect,
    Summary,
)
from fsrbench.show import caveats, harm, numbers, wording
from fsrbench.show.wording import Tellable

VERBS = {1: "better", -1: "worse"}


def tell(summary: Summary) -> dict[str, str]:
    """Family → what was found."""
    return {family: " ".join(_sentences(summary, family)) for family in summary.families}


def _sentences(summary: Summary, family: str) -> Iterator[str]:
    arms, counts, metrics = wording.arms(summary, family), summary.counts[family], summary.families[family]
    tested = _of_role(summary, arms, "contender") or _of_role(summary, arms, "control")
    failed = [arm for arm, told in counts.arms.items() if told.failed and not told.done]
    for arm in failed:
        yield f"{wording.arm_name(summary, arm, marked=False)} failed on every case."
    if not tested and not failed:
        yield "Nothing was set against the pipeline alone; run an arm, e.g. --lvlm or --arm heuristic."
    claimed_of = [arm for arm in tested if not caveats.void(summary, family, arm)]
    for arm in claimed_of:
        yield from _arm(summary, family, arm)
    for arm in counts.arms:
        yield from caveats.of_arm(summary, family, arm)
    yield from caveats.of_family(summary, family)
    for arm in claimed_of:
        yield from _against(summary, arm, {m: entry.against.get(arm, {}) for m, entry in metrics.items()})
    yield from harm.sentences(summary, family)
    first = next((name for name, entry in metrics.items() if entry.n), None)
    if first is not None and claimed_of:
        yield from _beside(summary, arms, claimed_of, summary.metrics[first], metrics[first])


def _of_role(summary: Summary, arms: Sequence[str], role: str) -> list[str]:
    return [arm for arm in arms if summary.roles[arm] == role]


def _arm(summary: Summary, family: str, arm: str) -> Iterator[str]:
    """What one arm did to each metric."""
    name = wording.arm_name(summary, arm, marked=False)
    changed = summary.counts[family].arms[arm].changed
    measured = {m: entry.arms[arm] for m, entry in summary.families[family].items() if entry.arms[arm].n}
    if not measured:
        yield f"{name}: nothing could be measured."
        return
    cases = max(effect.n for effect in measured.values())
    if all(effect.ties == effect.n for effect in measured.values()):
        compared = family in summary.models  # of plain folders, nobody has compared the pictures themselves
        left = "left every picture as it was" if compared and not changed else "changed no number"
        yield f"{name} {left}, in {numbers.count(cases, 'case')}."
        return
    effects = {m: effect for m, effect in measured.items() if effect.p is not None}
    shown = {m: effect for m, effect in effects.items() if effect.shown}
    where = f"on {numbers.count(cases, 'case')}"
    where += f", having changed {numbers.count(changed, 'picture')}" if changed else ""
    if shown:
        made = "; ".join(claim(summary, metric, effect) for metric, effect in shown.items())
        yield f"{name} made {made}. p is corrected for {_tests(summary)}, intervals are not."
    if chose := [summary.metrics[m].label for m, effect in measured.items() if effect.chose]:
        yield f"{name} chose its pictures by {wording.listed(chose)}, which is therefore no evidence for it."
    yield from not_shown(summary, name, effects, "" if shown else f" {where}")


def claim(summary: Tellable, metric: str, effect: PairedComparison, rival: str = "") -> str:
    """`PSNR better in 17 of 19 changed pictures (20 in all), p = 0.002, on average by +0.10 dB (95 % interval …)`."""
    way = wording.claimed(effect)
    most = effect.improved if way > 0 else effect.changed - effect.improved
    label, verb = summary.metrics[metric].label, VERBS[way] + (f" than {rival}" if rival else "")
    among = wording.units(summary, effect.changed)
    if effect.changed != effect.units:
        among = f"{among.replace(' ', ' changed ', 1)} ({effect.units:,} in all)"
    chance = wording.p_value(effect.p_adjusted)
    return f"{label} {verb} in {most:,} of {among}, {chance}, {_average(summary, metric, effect, way)}"


def _average(summary: Tellable, metric: str, effect: PairedComparison, way: int) -> str:
    """The mean beside a claim about shares; they may go opposite ways."""
    about, delta = summary.metrics[metric], effect.delta or 0.0
    band = _band(about, effect, f"{numbers.spaced(summary.statistics.level)} interval ")
    if wording.better(about, delta) == -way:
        few = "since a few lost much" if way > 0 else "since a few gained much"
        return f"but on average {VERBS[-way]} by {wording.size(about, abs(delta))}{band}, {few}"
    return f"on average by {wording.size(about, delta, signed=True)}{band}"


def not_shown(
    summary: Tellable, name: str, effects: Mapping[str, PairedComparison], where: str, base: str = PURE
) -> Iterator[str]:
    """What could not be shown, and what it would have taken: "no difference" is not read as "none exists"."""
    label = {m: summary.metrics[m].label for m in effects}
    open_ = {m: effect for m, effect in effects.items() if not effect.shown}
    enough = {m: effect.majority for m, effect in open_.items() if effect.majority is not None}
    if enough:
        takes = wording.listed(list(dict.fromkeys(f"{most:,} of {open_[m].changed:,}" for m, most in enough.items())))
        things = f"{wording.unit(summary)}s"
        between = f" between {name} and {base}" if where else ""
        yield (
            f"No difference{between} could be shown in {wording.listed([label[m] for m in enough])}{where}: "
            f"that takes {takes} changed {things} going one way."
        )
    few: dict[tuple[int, int, int], list[str]] = {}
    for metric in open_.keys() - enough.keys():
        effect = open_[metric]
        few.setdefault((effect.changed, effect.units, effect.least or 0), []).append(metric)
    for (changed, n, least), metrics in sorted(few.items()):
        some = wording.listed([label[m] for m in effects if m in metrics])
        place = "" if len(metrics) == len(effects) else f" in {some}"
        if n < least:
            yield (
                f"With {wording.units(summary, n)} and {_tests(summary)} no difference between {name} and {base} can "
                f"be shown{place}: it takes at least {least:,}."
            )
        else:
            only = wording.units(summary, changed)
            yield f"{name}: only {only} changed{place}: no difference can be shown, it takes at least {least:,}."


def _against(summary: Summary, arm: str, found: Mapping[str, Mapping[str, RivalEffect]]) -> Iterator[str]:
    """A contender beside the controls, pair by pair."""
    rivals = dict.fromkeys(rival for effects in found.values() for rival in effects)
    parts, open_ = [], []
    for rival in order.arms(rivals, summary.roles):
        name = wording.arm_name(summary, rival, marked=False)
        tested = {
            m: effects[rival] for m, effects in found.items() if rival in effects and effects[rival].p is not None
        }
        shown = {m: effect for m, effect in tested.items() if effect.shown}
        parts += [claim(summary, metric, effect, name) for metric, effect in shown.items()]
        open_ += [name] if tested and not shown else []
    if open_:
        parts.append(f"no difference from {wording.listed(open_, 'or')} could be shown")
    if parts:
        yield f"{wording.arm_name(summary, arm, marked=False)} beside the controls: {'; '.join(parts)}."


def _beside(
    summary: Summary, arms: Sequence[str], tested: Sequence[str], metric: MetricFacts, found: MetricResults
) -> Iterator[str]:
    """The first metric beside what it must be compared with: controls, noise floor, headroom."""
    known = {arm: found.arms[arm] for arm in arms if found.arms[arm].delta is not None}
    parts = [
        f"{wording.arm_name(summary, arm)} {wording.number(metric, effect.delta, signed=True)}{_band(metric, effect)}"
        for arm, effect in known.items()
        if summary.roles[arm] in ("control", "headroom") and arm not in tested
    ]
    if parts:
        yield f"Beside it, in {metric.label}: {wording.listed(parts)}."
    if _of_role(summary, arms, "floor"):
        yield unmoved(summary, metric, next(effect.floor for effect in found.arms.values()))


def unmoved(summary: Tellable, metric: MetricFacts, floor: float) -> str:
    """What single cases move by when nothing is done."""
    if not round(floor, metric.digits):
        return f"When nothing is done, {metric.label} does not move."
    level, size = numbers.share(summary.statistics.level), wording.size(metric, floor)
    return f"When nothing is done, {level} of the cases move by less than {size} in {metric.label}."


def _tests(summary: Tellable) -> str:
    return numbers.count(summary.statistics.tests, "test")


def _band(metric: MetricFacts, effect: PairedComparison, what: str = "") -> str:
    """` (+0.02 to +0.19)`; nothing for a single case."""
    band = wording.interval(metric, effect.low, effect.high)
    return f" ({what}{band[0]} to {band[1]})" if band else ""
