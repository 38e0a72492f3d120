"""How the numbers and names of a summary are told, wherever they show: tables, sentences, panels, plots, report.

The rules are here and nowhere else: which differences stand out and what marks them, what an arm is called, and what
must be said of it. How a number is written is `numbers.py`'s; in which order arms stand, `core/order.py`'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, Protocol

from fsrbench.core import order
from fsrbench.core.operations import Mean
from fsrbench.core.values import Round
from fsrbench.measure.subjects import Evaluation
from fsrbench.measure.summary_values import ArmEffect, MetricFacts, PairedComparison, Statistics, Summary
from fsrbench.show import numbers

ARROWS = {"higher": "↑", "lower": "↓"}
STAND_INS = ("embedded", "stand-in")
"""Words of which a network's name holds one where it is not the real one: see `Restoration.model`."""
OUTLIER = " ‡"
"""Marks a mean that one case makes."""
CHOSEN = " ◊"
"""Marks a number by which the arm's pictures were chosen."""
CHOSEN_MEANS = "◊ The arm's pictures were chosen by this metric, which is no evidence for them and is not tested."


class MetricLike(Protocol):
    """What must be known of a metric to write its numbers: a summary, a baseline and a plugin know it."""

    @property
    def label(self) -> str:
        """Its name as it is printed."""

    @property
    def better(self) -> Literal["higher", "lower"]:
        """Its direction."""

    @property
    def digits(self) -> int:
        """Digits behind the point."""


class Tellable(Protocol):
    """What must be known to tell differences in words: a summary, and a comparison of runs, know it."""

    @property
    def metrics(self) -> Mapping[str, MetricFacts]:
        """Metric → how it is written, in the order of tables."""

    @property
    def statistics(self) -> Statistics:
        """What holds for all intervals and tests."""

    @property
    def marks(self) -> Mapping[str, str]:
        """Arm → what must be said wherever it shows."""


class Judged(Protocol):
    """What must be known of a difference to tell whether it is shown, and how many units went which way."""

    @property
    def delta(self) -> float | None:
        """Mean difference."""

    @property
    def changed(self) -> int:
        """Units whose number is another one."""

    @property
    def improved(self) -> int:
        """Those of them that became better."""

    @property
    def shown(self) -> bool:
        """Whether the difference is shown."""


def heading(metric: MetricLike) -> str:
    """`PSNR ↑`."""
    return f"{metric.label} {ARROWS[metric.better]}"


def number(metric: MetricLike, value: float | None, *, signed: bool = False) -> str:
    """A value with the metric's own digits."""
    return numbers.fixed(value, metric.digits, signed=signed)


def size(metric: MetricFacts, value: float, *, signed: bool = False) -> str:
    """`0.10 dB`."""
    return f"{number(metric, value, signed=signed)} {metric.unit}".rstrip()


def gain(metric: MetricLike, delta: float) -> float:
    """A difference with its sign turned where lower is better: above zero is better."""
    return delta if metric.better == "higher" else -delta


def better(metric: MetricLike, delta: float | None) -> int:
    """1 if a difference is better, -1 if worse, 0 if that is unknown or it rounds to zero."""
    if delta is None or not round(delta, metric.digits):
        return 0
    return 1 if gain(metric, delta) > 0 else -1


# ---------------------------------------------------- what a round ended with, and why


def origin(step: Round) -> str:
    """Where the picture comes from that a round chose; empty where there was no choice."""
    return next((one.origin for one in step.candidates if one.chosen), "")


def averaged(step: Round) -> str:
    """`the mean of 3 pictures stands`, of a round that did nothing else; empty for any other."""
    last = next(reversed(step.restoration.operations), None)
    if step.candidates or not isinstance(last, Mean):
        return ""
    return f"the mean of {numbers.count(len(last.of), 'picture')} stands"


def choice(step: Round) -> str:
    """Who chose in a round that was not audited, and what: `of 3 candidates, metric niqe chose constant 1`.

    Or how far a certificate reaches: `followed to 0.5: the certificate reaches 0.534`.
    """
    if step.ranking is None:
        if step.verdict is not None:
            return step.verdict.why
        return averaged(step) or "nobody was asked"
    return f"of {numbers.count(len(step.candidates), 'candidate')}, {step.ranking.judge} chose {origin(step)}"


def spent(step: Round) -> str:
    """`its limit of passes was reached`; empty where the budget had room."""
    return f"its limit of {step.bound} was reached" if step.bound else ""


def round_told(step: Round) -> str:
    """One round of an arm in words."""
    audit, decision = step.audit, step.decision
    if audit is None or decision is None:
        spoke = step.ranking is not None or step.verdict is not None or averaged(step)
        told = [choice(step)] if spoke else []
        told += [spent(step)] if step.bound else []
        return f"round {step.number}: {'; '.join(told)}" if told else ""
    if audit.status == "invalid":
        return f"round {step.number}: unusable reply ({audit.reason}); {decision.why}"
    tags = f", sees {', '.join(audit.tags)}" if audit.tags else ""
    verdict = f"; {step.verdict.why}" if step.verdict else ""
    score, sure = map(numbers.short, (audit.score, audit.confidence))
    said = f"score {score}, confidence {sure}{tags}"
    bound = f"; {spent(step)}" if step.bound else ""
    return f"round {step.number}: {said} → {decision.action}: {decision.why}{verdict}{bound}"


# ------------------------------------------------------- what stands out, and what marks it


def claimed(effect: Judged) -> int:
    """Which way most of the changed units went, if that is shown: 1 better, -1 worse; 0 where nothing is."""
    return 0 if not effect.shown else 1 if 2 * effect.improved > effect.changed else -1


def standing_out(metric: MetricLike, effect: Judged) -> int:
    """How a mean stands out, wherever it shows (bold, star, filled, coloured): 1 better, -1 worse, 0 not at all.

    It does where a difference is shown and the mean goes the way of the majority by more than its digits hide.
    """
    way = claimed(effect)
    return way if way == better(metric, effect.delta) else 0


def marks(effect: ArmEffect) -> str:
    """Every mark beside a difference of an arm from pure."""
    return marked(outlier=effect.outlier is not None, chose=effect.chose)


def marked(*, outlier: bool, chose: bool) -> str:
    """The marks beside a difference: ‡ where one case makes the mean, ◊ where the metric chose the pictures."""
    return OUTLIER * outlier + CHOSEN * chose


def any_chosen(summary: Summary) -> bool:
    """Is there a number with the mark ◊?"""
    metrics = (entry for found in summary.families.values() for entry in found.values())
    return any(effect.chose for entry in metrics for effect in entry.arms.values())


# ------------------------------------------------------------------ parts of an effect


def units(summary: Tellable, n: int) -> str:
    """`3 pictures`: what a claim counts; persons where it is known who is who."""
    return numbers.count(n, unit(summary))


def unit(summary: Tellable) -> str:
    """`picture`, or `person` where it is known who is who: one of what a claim counts."""
    return "person" if summary.statistics.clusters else "picture"


def shares(effect: Judged) -> str:
    """`17 better, 2 worse`: how many units went which way; nothing where none changed."""
    worse = effect.changed - effect.improved
    return f"{effect.improved:,} better, {worse:,} worse" if effect.changed else ""


def to_show(effect: PairedComparison) -> str:
    """`17 of 19`: what a claim takes; `≥10 changed` where too few changed for any; n/a where nothing is tested."""
    if effect.least is None:
        return numbers.MISSING
    most = effect.majority
    return f"≥{effect.least:,} changed" if most is None else f"{most:,} of {effect.changed:,}"


def interval(metric: MetricLike, low: float | None, high: float | None) -> tuple[str, str] | None:
    """`+0.01` and `+0.20`; None for a single case."""
    if low is None or high is None:
        return None
    return number(metric, low, signed=True), number(metric, high, signed=True)


def floor(summary: Summary, metric: MetricLike, effect: ArmEffect) -> str:
    """An effect's noise floor; n/a where no arm measured it."""
    return number(metric, effect.floor if "floor" in summary.roles.values() else None)


def chance(p: float | None) -> str:
    """A p value, without a false zero: `0.031`, `<0.001`."""
    if p is None:
        return numbers.MISSING
    return "<0.001" if p < 0.001 else f"{p:.2g}" if p < 0.995 else "1"


def p_value(p: float | None) -> str:
    """`p = 0.031`; nothing where nothing was tested."""
    return "" if p is None else f"p = {chance(p)}".replace("= <", "< ")


def cost(requests: int, cost: float | None) -> str:
    """What requests cost; nothing where none was sent, and `unknown` where no price is."""
    return "" if not requests else "unknown" if cost is None else numbers.money(cost)


# -------------------------------------------------------------------- names


def family_name(models: Mapping[str, Sequence[str]], family: str) -> str:
    """The family with the models that made its pictures, so that what is embedded says so."""
    return f"{family} · {', '.join(models[family])}" if models.get(family) else family


def arm_name(summary: Tellable, arm: str, *, marked: bool = True) -> str:
    """`FSR+LVLM`, with what must be said of it: privileged, noise floor."""
    mark = summary.marks.get(arm) if marked else None
    return f"FSR{arm_title(arm)}" + (f" ({mark})" if mark else "")


def arm_title(arm: str) -> str:
    """`+LVLM`: an arm where it stands beside pure."""
    return "+LVLM" if arm == "lvlm" else f"+{arm}"


def standing(what: Evaluation, arm: str) -> str:
    """What must be said of an arm wherever its picture shows: privileged, noise floor, control; empty otherwise."""
    return what.marks.get(arm) or ("control" if what.roles.get(arm) == "control" else "")


def arms(summary: Summary, family: str) -> list[str]:
    """A family's arms in the order of rows."""
    measured = next(iter(summary.families[family].values()), None)
    return order.arms(measured.arms if measured is not None else (), summary.roles)


def standin(models: Iterable[str]) -> str:
    """`embedded` or `stand-in`, which a network's own name holds where it is not the real one; empty where all are."""
    return next((word for word in STAND_INS for model in models if word in model), "")


def listed(items: Sequence[str], last: str = "and") -> str:
    """`a, b and c`."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {last} {items[-1]}"
