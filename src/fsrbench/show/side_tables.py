"""The further tables of `summary.md`: contenders beside controls, how sure it all is, what became of the cases.

Each part is a list of paragraphs, empty where there is nothing to tell. The main tables are `tables.py`'s.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from fsrbench.core import order
from fsrbench.measure.claims import TESTED
from fsrbench.measure.summary_values import ArmEffect, MetricFacts, RivalEffect, Summary
from fsrbench.show import caveats, choosing, compute, md, numbers, wording

_AGAINST = (
    "Δ is the mean paired difference between the contender and a control, case by case, with its interval; p as above. "
    "Bold is a difference that is shown. A control that changed nothing is pure, and stands above."
)
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


def against(summary: Summary) -> list[str]:
    """A row for each pair of a contender and a control."""
    rows = list(_rivals(summary))
    head = ["Family", "Contender", "Control", *map(wording.heading, summary.metrics.values())]
    table = md.table(head, rows, "lll" + "r" * len(summary.metrics))
    return ["## Against the controls", table, _AGAINST] if rows else []


def _rivals(summary: Summary) -> Iterator[list[str]]:
    for family, metrics in summary.families.items():
        pairs = dict.fromkeys((a, r) for e in metrics.values() for a, own in e.against.items() for r in own)
        for arm, rival in pairs:
            left = [family, *(wording.arm_name(summary, one, marked=False) for one in (arm, rival))]
            cells = (_rival_cell(about, metrics[m].against[arm].get(rival)) for m, about in summary.metrics.items())
            yield [*map(md.escape, left), *cells]


def _rival_cell(metric: MetricFacts, effect: RivalEffect | None) -> str:
    if effect is None or effect.delta is None:
        return numbers.MISSING if effect is not None else ""
    bold = "**" if wording.standing_out(metric, effect) else ""
    band = wording.interval(metric, effect.low, effect.high)
    parts = [f"{bold}{wording.number(metric, effect.delta, signed=True)}{bold}"]
    parts += [f"[{band[0]}, {band[1]}]" if band else "", wording.shares(effect), wording.p_value(effect.p_adjusted)]
    return "<br>".join(part for part in parts if part)


def chosen(summary: Summary) -> list[str]:
    """A row for each arm that chose among candidates whose pictures are kept."""
    rows = [
        [md.escape(family), md.escape(wording.arm_name(summary, arm)), *cells]
        for family, arm, cells in choosing.rows(summary)
    ]
    table = md.table(("Family", "Arm", *choosing.HEAD), rows, "ll" + "r" * len(choosing.HEAD))
    return [f"## {choosing.TITLE}", table, choosing.reading(summary)] if rows else []


def evidence(summary: Summary) -> list[str]:
    """A row for each family, arm and metric that was tested and moved."""
    rows = list(_moved(summary))
    table = md.table(_HEAD, rows, "lll" + "r" * (len(_HEAD) - 3))
    return ["## How sure", table, _EVIDENCE.format(**asdict(summary.statistics))] if rows else []


def _moved(summary: Summary) -> Iterator[list[str]]:
    for family, metrics in summary.families.items():
        for arm in wording.arms(summary, family):
            label = wording.arm_name(summary, arm, marked=False)
            for name, entry in metrics.items():
                found = entry.arms[arm]
                if summary.roles[arm] in TESTED and found.ties < found.n:
                    cells = _evidence_cells(summary, summary.metrics[name], found)
                    yield [md.escape(family), md.escape(label), *cells]


def _evidence_cells(summary: Summary, metric: MetricFacts, found: ArmEffect) -> list[str]:
    return [
        metric.label,
        str(found.n),
        f"{found.changed} of {found.units}",
        wording.number(metric, found.delta_changed, signed=True),
        wording.number(metric, found.median, signed=True),
        numbers.share(found.benefit),
        numbers.share(found.harm),
        wording.floor(summary, metric, found),
        "" if found.effect is None else numbers.minus(f"{found.effect:+.2f}"),
        wording.to_show(found),
        "" if found.needed is None else f"{found.needed:,}",
    ]


def counts(summary: Summary) -> list[str]:
    """What became of the cases, what was paid without a result so far, and what went wrong."""
    head = ("Family", "Arm", "done", "failed", "invalid replies", "picture changed", "requests", "tokens", "cost")
    parts = ["## What happened to the cases", md.table(head, _counted(summary), "ll" + "r" * (len(head) - 2))]
    wrong = md.points([*caveats.lines(summary), *(f"failed: {group}" for group in summary.failures)])
    return [*parts, *_unfinished(summary), *_took(summary), *([wrong] if wrong else [])]


def _took(summary: Summary) -> list[str]:
    rows = [[md.escape(family), md.escape(arm), *cells] for family, arm, cells in compute.rows(summary)]
    table = md.table(("Family", "Arm", *compute.HEAD), rows, "ll" + "r" * len(compute.HEAD))
    return [f"### {compute.TITLE}", table, compute.READING] if rows else []


def _counted(summary: Summary) -> Iterator[list[str]]:
    for family, counts in summary.counts.items():
        yield [md.escape(family), "pure", str(counts.cases), str(counts.failed), "", "", "", "", ""]
        for arm in order.arms(counts.arms, summary.roles):
            c = counts.arms[arm]
            whole = (c.done, c.failed, c.invalid, c.changed, c.requests, c.tokens, wording.cost(c.requests, c.cost))
            yield [md.escape(family), md.escape(arm), *map(str, whole)]


def _unfinished(summary: Summary) -> Iterator[str]:
    for family, counts in summary.counts.items():
        for arm, c in counts.arms.items():
            if c.unfinished:
                yield (
                    f"What {md.escape(arm)} took in {md.escape(family)} includes "
                    f"{numbers.count(c.unfinished, 'case')} that it has not finished: what was paid for them is "
                    "kept, and the run's command goes on from there."
                )
