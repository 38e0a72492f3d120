"""The page itself, and on it what was found: a sentence for each family, the tables, costs, notes, what is missing.

Everything here is told from the summary. Jinja escapes whatever it is given.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from typing import TYPE_CHECKING, Any

from fsrbench import __version__
from fsrbench.measure.results import Results
from fsrbench.show import imprint, tables, wording
from fsrbench.show.report.cases import Entry, title
from fsrbench.show.report.pictures import Plot
from fsrbench.show.report.table import standin

if TYPE_CHECKING:
    from jinja2 import Template

Summary = Mapping[str, Any]
HALF = 54
"""Half the width of the little picture of an interval, in its own units; a little room stays at each end."""
ROLES = {
    "control": "control: what a contender must beat",
    "floor": "noise floor: nothing was done",
    "headroom": "upper bound: it saw the reference",
}
FEW = 5
"""Cases from which on the interval of a pure mean is shown."""


def page(results: Results, entries: Sequence[Entry], plots: Sequence[Plot], scripts: Sequence[str]) -> str:
    """`index.html`."""
    summary = results.summary
    return _template().render(
        name=results.root.resolve().name,
        version=__version__,
        scripts=scripts,
        plots=plots,
        cases=len(entries),
        families=[_family(summary, family) for family in summary["families"]],
        metrics=[{**about, "label": wording.heading(summary, name)} for name, about in summary["metrics"].items()],
        counts=list(_counts(summary)),
        statistics=summary["statistics"],
        inputs=summary["inputs"],
        imprint=imprint.short(summary),
        run=list(imprint.lines(summary)),
        notes=summary["notes"],
        missing=list(tables.missing(summary)),
        outliers=list(tables.outliers(summary)),
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
    metrics = summary["families"][family]
    return {
        "name": family,
        "models": [(model, bool(standin([model]))) for model in summary["models"].get(family, [])],
        "finding": summary.get("findings", {}).get(family, ""),
        "n": summary["counts"][family]["cases"],
        "pure": [_pure(summary, metric, entry) for metric, entry in metrics.items()],
        "arms": [_arm(summary, family, arm) for arm in wording.arms(summary, family)],
    }


def _pure(summary: Summary, metric: str, entry: Mapping[str, Any]) -> dict[str, str]:
    """A t-interval of a few cases is wider than what can be: it would say less than nothing."""
    ends = (entry["pure_low"], entry["pure_high"]) if entry["n"] >= FEW else (None, None)
    return {
        "mean": wording.number(summary, metric, entry["pure"]),
        "interval": _between(summary, metric, *ends),
        "n": f"n={entry['n']}" if entry["na"] and entry["n"] else "",
    }


def _arm(summary: Summary, family: str, arm: str) -> dict[str, Any]:
    """One arm's row, and below it all that is known of its effects."""
    role = summary["roles"].get(arm, "")
    mark = summary["marks"].get(arm, "")
    effects = {metric: entry["arms"][arm] for metric, entry in summary["families"][family].items()}
    done = summary["counts"][family]["arms"][arm]["done"]
    return {
        "name": wording.arm_name(summary, arm, marked=False),
        "key": arm,
        "role": role,
        "mark": mark or ("control" if role == "control" else ""),
        "about": ROLES.get(role, ""),
        "n": done,
        "cells": [_cell(summary, family, metric, effect, done) for metric, effect in effects.items()],
        "details": [_detail(summary, metric, effect) for metric, effect in effects.items()],
    }


def _cell(summary: Summary, family: str, metric: str, effect: Mapping[str, Any], done: int) -> dict[str, Any]:
    equal = effect["n"] > 0 and effect["ties"] == effect["n"]
    return {
        "known": effect["delta"] is not None,
        "mean": wording.number(summary, metric, effect["mean"]),
        "delta": wording.number(summary, metric, effect["delta"], signed=True) + wording.outlier(effect),
        "interval": _spread(summary, metric, effect, equal),
        "shares": wording.shares(effect),
        "p": "" if equal or effect.get("void") else wording.p_value(effect["p_adjusted"]),
        "n": f"n={effect['n']}" if effect["n"] not in (0, done) else "",
        "found": found(summary, metric, effect),
        "drawn": None if equal or effect.get("void") else _drawn(summary, family, metric, effect),
    }


def found(summary: Summary, metric: str, effect: Mapping[str, Any]) -> str:
    """`better` or `worse` where a mean stands out; empty where nothing can be said."""
    return {1: "better", 0: "", -1: "worse"}[wording.standing_out(summary, metric, effect)]


def _drawn(summary: Summary, family: str, metric: str, effect: Mapping[str, Any]) -> dict[str, float] | None:
    """Places of the interval's little picture: better is always to the right, all arms of a family on one scale."""
    if effect["low"] is None:
        return None
    shown = [e for e in summary["families"][family][metric]["arms"].values() if e["low"] is not None]
    widest = max(abs(value) for e in shown for value in (e["low"], e["high"], e["floor"])) or 1.0
    sign = 1 if summary["metrics"][metric]["better"] == "higher" else -1
    left, right = sorted(sign * effect[end] / widest * HALF for end in ("low", "high"))
    return {
        "left": round(left, 2),
        "right": round(right, 2),
        "at": round(sign * effect["delta"] / widest * HALF, 2),
        "floor": round(effect["floor"] / widest * HALF, 2),
    }


def _detail(summary: Summary, metric: str, effect: Mapping[str, Any]) -> list[str]:
    """One line of the table of all statistics."""

    def told(name: str, *, signed: bool = False) -> str:
        return wording.number(summary, metric, effect[name], signed=signed)

    def plain(name: str, form: str) -> str:
        return "n/a" if effect[name] is None else f"{effect[name]:{form}}".replace("-", "−")

    return [
        wording.heading(summary, metric),
        str(effect["n"]),
        f"{effect['changed']} of {effect['units']}",
        told("delta", signed=True),
        told("delta_changed", signed=True),
        told("median", signed=True),
        _between(summary, metric, effect["low"], effect["high"], signed=True) or "n/a",
        wording.chance(effect["p"]),
        wording.chance(effect["p_adjusted"]),
        plain("effect", ".2f"),
        f"{effect['wins']} / {effect['ties']} / {effect['losses']}",
        wording.floor(summary, metric, effect),
        plain("benefit", ".0%"),
        plain("harm", ".0%"),
        wording.to_show(effect),
        "n/a" if effect["needed"] is None else str(effect["needed"]),
    ]


def _spread(summary: Summary, metric: str, effect: Mapping[str, Any], equal: bool) -> str:
    """What stands below a difference: its interval, or why there is none."""
    if effect.get("void"):
        return "no finding"
    return "equal" if equal else _between(summary, metric, effect["low"], effect["high"], signed=True)


def _between(summary: Summary, metric: str, low: float | None, high: float | None, *, signed: bool = False) -> str:
    if low is None or high is None:
        return ""
    return " … ".join(wording.number(summary, metric, end, signed=signed) for end in (low, high))


def _counts(summary: Summary) -> Iterator[dict[str, Any]]:
    """What became of the cases, and what it cost."""
    for family, counts in summary["counts"].items():
        blank = [""] * 5
        yield {"family": family, "arm": "Pure FSR", "mark": "", "numbers": [counts["cases"], counts["failed"], *blank]}
        for arm in wording.ordered(counts["arms"], summary["roles"]):
            c = counts["arms"][arm]
            numbers = (c["done"], c["failed"], c["invalid"], c["changed"], c["requests"], c["tokens"])
            mark = summary["marks"].get(arm, "")
            yield {
                "family": family,
                "arm": wording.arm_name(summary, arm, marked=False),
                "mark": mark,
                "numbers": [*(f"{n:,}" for n in numbers), wording.cost(c)],
            }
