"""The page itself, and on it what was found: a sentence for each family, the tables, costs, notes, what is missing.

Everything here is told from the summary. Jinja escapes whatever it is given.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Sequence
from importlib import resources
from typing import TYPE_CHECKING, Any

from fsrbench import __version__
from fsrbench.core import order
from fsrbench.core.values import PURE
from fsrbench.measure.results import Results
from fsrbench.measure.summary_values import ArmEffect, MetricFacts, MetricResults, Summary
from fsrbench.show import choosing, compute, harm, imprint, numbers, people, tables, wording
from fsrbench.show.report import places
from fsrbench.show.report.cases import Entry, title
from fsrbench.show.report.pictures import Plot
from fsrbench.show.report.strip import Strip

if TYPE_CHECKING:
    from jinja2 import Template

HALF = 54
"""Half the width of the little picture of an interval, in its own units; a little room stays at each end."""
ROLES = {
    "control": "control: what a contender must beat",
    "floor": "noise floor: nothing was done",
    "headroom": "upper bound: it saw the reference",
}
FEW = 5
"""Cases from which on the interval of a pure mean is shown."""


def page(
    results: Results,
    entries: Sequence[Entry],
    strip: Strip,
    plots: Sequence[Plot],
    scripts: Sequence[str],
    *,
    judged: bool = False,
) -> str:
    """`index.html`. `judged`: a page on judges lies beside it."""
    summary = results.summary
    return _template().render(
        name=results.root.resolve().name,
        version=__version__,
        scripts=scripts,
        strip=strip,
        plots=plots,
        places=places,
        judged=judged,
        cases=len(entries),
        families=[_family(summary, family) for family in summary.families],
        metrics=[{"label": wording.heading(about), "unit": about.unit} for about in summary.metrics.values()],
        counts=list(_counts(summary)),
        took=list(_side(summary, compute.rows(summary))),
        compute=compute,
        people=people,
        chose=_chose(summary),
        harmed=list(_harmed(summary)),
        shares=list(harm.shares(summary)),
        harm=harm,
        harm_reading=list(harm.reading(summary)),
        chosen_rows=list(_side(summary, choosing.rows(summary))),
        choosing=choosing,
        summary=summary,
        statistics=summary.statistics,
        inputs=summary.inputs,
        imprint=imprint.short(summary),
        run=list(imprint.lines(summary)),
        notes=summary.notes,
        missing=list(tables.missing(summary)),
        outliers=list(tables.outliers(summary)),
        chosen=wording.CHOSEN_MEANS if wording.any_chosen(summary) else "",
        failed=[(e.family, e.case, title(arm), why) for e in entries for arm, why in e.failed.items()],
    )


@functools.cache
def _template() -> Template:
    """Made once: it takes longer than filling it in."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(
        resources.files(__package__).joinpath("page", "index.html").read_text(encoding="utf-8")
    )


def _family(summary: Summary, family: str) -> dict[str, Any]:
    """One family's card."""
    metrics = summary.families[family]
    return {
        "name": family,
        "models": [(model, bool(wording.standin([model]))) for model in summary.models.get(family, ())],
        "finding": summary.findings.get(family, ""),
        "n": summary.counts[family].cases,
        "pure": [_pure(summary.metrics[metric], entry) for metric, entry in metrics.items()],
        "arms": [_arm(summary, family, arm) for arm in wording.arms(summary, family)],
    }


def _pure(metric: MetricFacts, entry: MetricResults) -> dict[str, str]:
    """A t-interval of a few cases is wider than what can be: it would say less than nothing."""
    ends = (entry.pure_low, entry.pure_high) if entry.n >= FEW else (None, None)
    return {
        "mean": wording.number(metric, entry.pure),
        "interval": _between(metric, *ends),
        "n": f"n={entry.n}" if entry.na and entry.n else "",
    }


def _arm(summary: Summary, family: str, arm: str) -> dict[str, Any]:
    """One arm's row, and below it all that is known of its effects."""
    role = summary.roles.get(arm, "")
    mark = summary.marks.get(arm, "")
    effects = {metric: entry.arms[arm] for metric, entry in summary.families[family].items()}
    done = summary.counts[family].arms[arm].done
    return {
        "name": wording.arm_name(summary, arm, marked=False),
        "key": arm,
        "role": role,
        "mark": mark or ("control" if role == "control" else ""),
        "about": ROLES.get(role, ""),
        "n": done,
        "cells": [_cell(summary, family, metric, effect, done) for metric, effect in effects.items()],
        "details": [_detail(summary, summary.metrics[metric], effect) for metric, effect in effects.items()],
    }


def _cell(summary: Summary, family: str, name: str, effect: ArmEffect, done: int) -> dict[str, Any]:
    metric, equal = summary.metrics[name], effect.n > 0 and effect.ties == effect.n
    return {
        "known": effect.delta is not None,
        "mean": wording.number(metric, effect.mean),
        "delta": wording.number(metric, effect.delta, signed=True) + wording.marks(effect),
        "interval": _spread(metric, effect, equal),
        "shares": wording.shares(effect),
        "p": "" if equal or effect.void else wording.p_value(effect.p_adjusted),
        "n": f"n={effect.n}" if effect.n not in (0, done) else "",
        "found": found(metric, effect),
        "drawn": None if equal or effect.void else _drawn(metric, summary.families[family][name], effect),
    }


def found(metric: MetricFacts, effect: ArmEffect) -> str:
    """`better` or `worse` where a mean stands out; empty where nothing can be said."""
    return {1: "better", 0: "", -1: "worse"}[wording.standing_out(metric, effect)]


def _drawn(metric: MetricFacts, beside: MetricResults, effect: ArmEffect) -> dict[str, float] | None:
    """Places of the interval's little picture: better is always to the right, all arms of a family on one scale."""
    if effect.delta is None or effect.low is None or effect.high is None:
        return None
    ends = ((e.low, e.high, e.floor) for e in beside.arms.values() if e.low is not None)
    widest = max(abs(value) for own in ends for value in own if value is not None) or 1.0
    at, low, high = (wording.gain(metric, value) / widest * HALF for value in (effect.delta, effect.low, effect.high))
    return {
        "left": round(min(low, high), 2),
        "right": round(max(low, high), 2),
        "at": round(at, 2),
        "floor": round(effect.floor / widest * HALF, 2),
    }


def _detail(summary: Summary, metric: MetricFacts, effect: ArmEffect) -> list[str]:
    """One line of the table of all statistics."""
    return [
        wording.heading(metric),
        str(effect.n),
        f"{effect.changed} of {effect.units}",
        *(wording.number(metric, one, signed=True) for one in (effect.delta, effect.delta_changed, effect.median)),
        _between(metric, effect.low, effect.high, signed=True) or numbers.MISSING,
        wording.chance(effect.p),
        wording.chance(effect.p_adjusted),
        numbers.fixed(effect.effect, 2),
        f"{effect.wins} / {effect.ties} / {effect.losses}",
        wording.floor(summary, metric, effect),
        numbers.share(effect.benefit),
        numbers.share(effect.harm),
        wording.to_show(effect),
        numbers.MISSING if effect.needed is None else str(effect.needed),
    ]


def _spread(metric: MetricFacts, effect: ArmEffect, equal: bool) -> str:
    """What stands below a difference: its interval, or why there is none."""
    if effect.void:
        return "no finding"
    return "equal" if equal else _between(metric, effect.low, effect.high, signed=True)


def _between(metric: MetricFacts, low: float | None, high: float | None, *, signed: bool = False) -> str:
    if low is None or high is None:
        return ""
    return " … ".join(wording.number(metric, end, signed=signed) for end in (low, high))


def _chose(summary: Summary) -> dict[str, Any] | None:
    """What people chose; None where nobody was asked."""
    found = summary.people
    if found is None:
        return None
    return {
        "arms": list(people.arms(summary, found)),
        "raters": list(people.raters(found)),
        "sentences": people.sentences(found),
    }


def _counts(summary: Summary) -> Iterator[dict[str, Any]]:
    """What became of the cases, and what it cost."""
    for family, counts in summary.counts.items():
        blank = [""] * 5
        yield {"family": family, "arm": "Pure FSR", "mark": "", "numbers": [counts.cases, counts.failed, *blank]}
        for arm in order.arms(counts.arms, summary.roles):
            c = counts.arms[arm]
            whole = (c.done, c.failed, c.invalid, c.changed, c.requests, c.tokens)
            yield {
                "family": family,
                "arm": wording.arm_name(summary, arm, marked=False),
                "mark": summary.marks.get(arm, ""),
                "numbers": [*(f"{n:,}" for n in whole), wording.cost(c.requests, c.cost)],
            }


def _side(summary: Summary, rows: Iterable[tuple[str, str, list[str]]]) -> Iterator[dict[str, Any]]:
    """The lines of a side table: family, arm and cells."""
    for family, arm, cells in rows:
        name = "Pure FSR" if arm == PURE else wording.arm_name(summary, arm, marked=False)
        yield {"family": family, "arm": name, "mark": summary.marks.get(arm, ""), "numbers": cells}


def _harmed(summary: Summary) -> Iterator[dict[str, Any]]:
    """Whom each arm harmed."""
    for family, arm, cells in harm.rows(summary):
        name = wording.arm_name(summary, arm, marked=False)
        yield {"family": family, "arm": name, "mark": summary.marks.get(arm, ""), "numbers": cells}
