"""How numbers and names of a summary are written, wherever they show: tables, sentences, panels, plots, report.

The rules are here and nowhere else: digits and signs, n/a, which differences stand out, what an arm is called, what
must be said of it, and the order in which arms stand.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fsrbench.core import foreign

Summary = Mapping[str, Any]
ARROWS = {"higher": "↑", "lower": "↓"}
ORDER = ("contender", "control", "floor", "headroom")
"""Roles of arms, in the order of rows."""
STAND_INS = ("embedded", "stand-in")
"""Words of which a network's name holds one where it is not the real one: see `Restoration.model`."""


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


def claimed(entry: Mapping[str, Any]) -> int:
    """Which way most of the changed units went, if that is shown: 1 better, -1 worse; 0 where nothing is."""
    return 0 if not entry["shown"] else 1 if 2 * entry["improved"] > entry["changed"] else -1


def standing_out(summary: Summary, metric: str, entry: Mapping[str, Any]) -> int:
    """How a mean stands out, wherever it shows (bold, star, filled, coloured): 1 better, -1 worse, 0 not at all.

    It does where a difference is shown and the mean goes the way of the majority by more than its digits hide.
    """
    way = claimed(entry)
    return way if way == better(summary, metric, entry["delta"]) else 0


def outlier(entry: Mapping[str, Any]) -> str:
    """The mark beside a mean that one case makes."""
    return " ‡" if entry["outlier"] else ""


def units(summary: Summary, n: int) -> str:
    """`3 pictures`: what a claim counts; persons where it is known who is who."""
    return count(n, unit(summary))


def unit(summary: Summary) -> str:
    """`picture`, or `person` where it is known who is who: one of what a claim counts."""
    return "person" if summary["statistics"]["clusters"] else "picture"


def shares(entry: Mapping[str, Any]) -> str:
    """`17 better, 2 worse`: how many units went which way; nothing where none changed."""
    worse = entry["changed"] - entry["improved"]
    return f"{entry['improved']:,} better, {worse:,} worse" if entry["changed"] else ""


def to_show(entry: Mapping[str, Any]) -> str:
    """`17 of 19`: what a claim takes; `≥10 changed` where too few changed for any; n/a where nothing is tested."""
    if entry["least"] is None:
        return "n/a"
    most = entry["majority"]
    return f"≥{entry['least']:,} changed" if most is None else f"{most:,} of {entry['changed']:,}"


def interval(summary: Summary, metric: str, entry: Mapping[str, Any]) -> tuple[str, str] | None:
    """`+0.01` and `+0.20`; None for a single case."""
    if entry["low"] is None:
        return None
    return number(summary, metric, entry["low"], signed=True), number(summary, metric, entry["high"], signed=True)


def floor(summary: Summary, metric: str, entry: Mapping[str, Any]) -> str:
    """An effect's noise floor; n/a where no arm measured it."""
    return number(summary, metric, entry["floor"] if "floor" in summary["roles"].values() else None)


def chance(p: float | None) -> str:
    """A p value, without a false zero: `0.031`, `<0.001`."""
    if p is None:
        return "n/a"
    return "<0.001" if p < 0.001 else f"{p:.2g}" if p < 0.995 else "1"


def p_value(p: float | None) -> str:
    """`p = 0.031`; nothing where nothing was tested."""
    return "" if p is None else f"p = {chance(p)}".replace("= <", "< ")


def cost(counts: Mapping[str, Any]) -> str:
    """What requests cost; nothing where none was sent, and `unknown` where no price is."""
    return "" if not counts["requests"] else "unknown" if counts["cost"] is None else f"{counts['cost']:.4f}"


def family_name(summary: Summary, family: str) -> str:
    """The family with the models that made its pictures, so that what is embedded says so."""
    models = summary["models"].get(family)
    return f"{family} · {', '.join(models)}" if models else family


def arm_name(summary: Summary, arm: str, *, marked: bool = True) -> str:
    """`FSR+LVLM`, with what must be said of it: privileged, noise floor."""
    mark = summary["marks"].get(arm) if marked else None
    return f"FSR{arm_title(arm)}" + (f" ({mark})" if mark else "")


def arm_title(arm: str) -> str:
    """`+LVLM`: an arm where it stands beside pure."""
    return "+LVLM" if arm == "lvlm" else f"+{arm}"


def arms(summary: Summary, family: str) -> list[str]:
    """A family's arms in the order of rows."""
    names = list(next(iter(summary["families"][family].values()))["arms"]) if summary["families"][family] else []
    return ordered(names, summary["roles"])


def ordered(names: Iterable[str], roles: Mapping[str, str]) -> list[str]:
    """Contenders first, then what they are compared with."""
    return sorted(names, key=lambda arm: (ORDER.index(roles[arm]), arm))


def escape(text: str) -> str:
    """Text from outside, inside a Markdown table: one line, and nothing that Markdown or a terminal obeys."""
    text = foreign.harmless(text)
    for mark in "\\|`*_[]":
        text = text.replace(mark, "\\" + mark)
    return text.replace("<", "&lt;").replace("\n", " ")


def standin(models: Iterable[str]) -> str:
    """`embedded` or `stand-in`, which a network's own name holds where it is not the real one; empty where all are."""
    return next((word for word in STAND_INS for model in models if word in model), "")


def count(n: int, word: str) -> str:
    """`3 cases`."""
    return f"{n:,} {word}{'s' * (n != 1)}"
