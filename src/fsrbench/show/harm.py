"""Harm and what was taken of the headroom, arm by arm: the tables that stand wherever a summary does, and sentences.

What counts as harm is `measure/harm.py`'s, whose gains are set against an oracle's `measure/shares.py`'s.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from fsrbench.core import order
from fsrbench.measure.claims import TESTED
from fsrbench.measure.harm_values import ObservedHarm, Promise, TakenShare
from fsrbench.measure.summary_values import DIGITS, Summary
from fsrbench.show import md, numbers, wording

if TYPE_CHECKING:
    from rich.table import Table

TITLE = "Harm"
HEAD = ("harmed", "interval", "promised", "p", "kept pure", "no number")
READING = (
    "Harmed is the share of {unit}s that came out worse than pure by more than is allowed in any metric of the set; "
    "where one has several cases, the share of these counts. The interval is Clopper's and Pearson's exact one at "
    "{level:.0%}, or, where some have several cases, a bound that holds for any distribution. Promised is the most "
    "that the arm's certificate allows, and p the chance of so much harm if it holds, adjusted by Holm over the "
    "promises of the run. Kept pure are cases that end with pure's own bytes. A case without a number of the set is "
    "neither harmed nor unharmed."
)
SHARES = "What was taken of an oracle's gain"
SHARES_HEAD = ("Family", "Oracle", "Metric", "Variant", "n", "share taken")
SHARES_READING = (
    "All that an arm gained over all that the oracle gained on the same cases, in the metric that the oracle chose by, "
    "with its BCa interval at {level:.0%} over {unit}s; n/a where the oracle's gain does not show in print, stays "
    "within the noise floor or has an interval with zero in it. A row with a minus sets two arms apart that differ by "
    "their auditor alone: what the first one's auditor adds."
)


def rows(summary: Summary) -> Iterator[tuple[str, str, list[str]]]:
    """Family, arm and the cells of its row."""
    for family, arms in summary.harm.items():
        for arm in order.arms(arms, summary.roles):
            yield family, arm, _cells(arms[arm])


def shares(summary: Summary) -> Iterator[list[str]]:
    """A row for each share."""
    for family, found in summary.shares.items():
        for one in found:
            oracle = wording.arm_name(summary, one.oracle, marked=False)
            label = summary.metrics[one.metric].label
            yield [
                family,
                oracle,
                label,
                _who(summary, one),
                numbers.whole(one.n),
                numbers.banded(one.share, one.low, one.high),
            ]


def reading(summary: Summary) -> Iterator[str]:
    """What the tables mean: sentences below them."""
    told = {"unit": wording.unit(summary), "level": summary.statistics.level}
    if any(summary.harm.values()):
        yield READING.format(**told)
        yield f"Allowed: {'; '.join(_sets(summary))}."
    if any(summary.shares.values()):
        yield SHARES_READING.format(**told)


def markdown(summary: Summary) -> list[str]:
    """Both tables, for `summary.md`; empty where there is neither."""
    harmed = [
        [md.escape(family), md.escape(wording.arm_name(summary, arm)), *cells] for family, arm, cells in rows(summary)
    ]
    taken = [[*map(md.escape, row)] for row in shares(summary)]
    parts = [f"## {TITLE}", md.table(("Family", "Variant", *HEAD), harmed, "ll" + "r" * len(HEAD))] if harmed else []
    parts += [f"## {SHARES}", md.table(SHARES_HEAD, taken, "llllrr")] if taken else []
    return [*parts, *map(md.escape, reading(summary))]


def terminal(summary: Summary) -> Table:
    """The same for a terminal: a row for each arm, with its share of each oracle's gain."""
    from rich.table import Table
    from rich.text import Text

    bounds = list(dict.fromkeys((one.oracle, one.metric) for found in summary.shares.values() for one in found))
    table = Table(header_style="bold")
    for title in ("", "harmed", "promised", "kept pure"):
        table.add_column(title, justify="right" if title else "left")
    for oracle, metric in bounds:
        table.add_column(f"of {wording.arm_title(oracle)}'s {summary.metrics[metric].label}", justify="right")
    for family, arms in summary.harm.items():
        table.add_row(Text(family, style="bold", overflow="fold"))
        taken = {
            (one.arm, one.oracle, one.metric): numbers.banded(one.share, one.low, one.high)
            for one in summary.shares[family]
            if not one.less
        }
        for arm in order.arms(arms, summary.roles):
            harmed, interval, promised, _, kept, _ = _cells(arms[arm])
            cells = [Text(f"{harmed} {interval}"), Text(promised), Text(kept)]
            cells += [Text(taken.get((arm, *bound), "")) for bound in bounds]
            table.add_row(Text(wording.arm_name(summary, arm), overflow="fold"), *cells)
        table.add_section()
    return table


def sentences(summary: Summary, family: str) -> Iterator[str]:
    """What became of each promise in a family; and where PSNR rose and NIQE worsened."""
    arms = summary.harm.get(family, {})
    for arm in order.arms(arms, summary.roles):
        promise = arms[arm].promise
        if promise is not None:
            yield _kept_or_broken(summary, wording.arm_name(summary, arm, marked=False), arms[arm], promise)
    yield from _smoother(summary, family)


def _cells(found: ObservedHarm) -> list[str]:
    of = f" of {found.units:,}" if found.rate is not None else ""
    band = "" if found.low is None else f"[{numbers.share(found.low)}, {numbers.share(found.high)}]"
    promised = "" if found.promise is None else _promised(found.promise)
    chance = "" if found.p_adjusted is None else wording.chance(found.p_adjusted)
    missing = numbers.whole(found.missing) if found.missing else ""
    return [numbers.share(found.rate) + of, band, promised, chance, numbers.share(found.kept), missing]


def _promised(promise: Promise) -> str:
    """`≤ 10% (δ 5%)`."""
    return f"≤ {numbers.short(100 * promise.alpha, 3)}%" + (
        "" if promise.delta is None else f" (δ {numbers.short(100 * promise.delta, 3)}%)"
    )


def _sets(summary: Summary) -> Iterator[str]:
    """Each set of metrics with what is allowed in them, and the arms whose set it is where there are several."""
    found: dict[str, list[str]] = {}
    for arms in summary.harm.values():
        for arm, one in arms.items():
            told = ", ".join(_allowed(summary, metric, size) for metric, size in one.allowed.items())
            found.setdefault(told, []).append(wording.arm_name(summary, arm, marked=False))
    for told, names in found.items():
        yield told if len(found) == 1 else f"{', '.join(dict.fromkeys(names))}: {told}"


def _allowed(summary: Summary, metric: str, size: float) -> str:
    about = summary.metrics.get(metric)
    if about is None:
        return f"{metric} {_plain(size)} (not measured)"
    return f"{about.label} {_plain(size)} {about.unit}".rstrip()


def _plain(size: float) -> str:
    """`0.00005`: all digits that are kept, without zeros at the end."""
    return numbers.fixed(size, DIGITS).rstrip("0").rstrip(".")


def _who(summary: Summary, one: TakenShare) -> str:
    name = wording.arm_name(summary, one.arm, marked=False)
    return f"{name} − {wording.arm_name(summary, one.less, marked=False)}" if one.less else name


# ------------------------------------------------------------------- sentences


def _kept_or_broken(summary: Summary, name: str, found: ObservedHarm, promise: Promise) -> str:
    most = f"{numbers.spaced(promise.alpha)} that its certificate allows"
    if found.rate is None:
        lacking = _lacking(summary, promise)
        return f"Whether {name} harmed more than the {most} cannot be told: {lacking}."
    told = f"{name} harmed {numbers.spaced(found.rate)} of {wording.units(summary, found.units)}"
    if found.low is not None and found.high is not None:
        level = numbers.spaced(summary.statistics.level)
        told += f" ({level} interval {numbers.spaced(found.low)} to {numbers.spaced(found.high)})"
    chance = wording.p_value(found.p_adjusted)
    if found.broken:
        failed = f"{told}, more than the {most}, and beyond chance ({chance}): its promise does not hold here"
        return f"{failed}{_may_fail(promise)}."
    if found.rate > promise.alpha:
        return f"{told}, more than the {most}, but not beyond chance ({chance})."
    return f"{told}, within the {most}."


def _may_fail(promise: Promise) -> str:
    return "" if promise.delta is None else f", as it may not for {numbers.spaced(promise.delta)} of certificates"


def _lacking(summary: Summary, promise: Promise) -> str:
    """Why nothing counts, with the cure where there is one."""
    unmeasured = [metric for metric in promise.metrics if metric not in summary.metrics]
    if unmeasured:
        metrics = ",".join([*summary.metrics, *unmeasured])
        return f"{', '.join(unmeasured)} was not measured (fsrbench evaluate RUN --set metrics={metrics})"
    return "no case has every number of its set"


def _smoother(summary: Summary, family: str) -> Iterator[str]:
    """Arms whose PSNR rose while NIQE became worse, both shown."""
    metrics = summary.families[family]
    if not {"psnr", "niqe"} <= metrics.keys():
        return
    names = [
        wording.arm_name(summary, arm, marked=False)
        for arm in wording.arms(summary, family)
        if summary.roles[arm] in TESTED
        and wording.standing_out(summary.metrics["psnr"], metrics["psnr"].arms[arm]) > 0
        and wording.standing_out(summary.metrics["niqe"], metrics["niqe"].arms[arm]) < 0
    ]
    if names:
        yield (
            f"PSNR rose and NIQE worsened with {wording.listed(names)}: averaging smooths, which brings a picture "
            "nearer to its reference and further from what photographs look like."
        )
