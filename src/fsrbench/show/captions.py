"""The numbers below pictures: pure's, what each arm changed in them, and what was said and decided in its rounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fsrbench.core.values import PURE, Score
from fsrbench.measure.subjects import Subject
from fsrbench.measure.summary_values import Summary
from fsrbench.show import drawing, wording
from fsrbench.show.drawing import BETTER, FAINT, GAP, INK, WORSE, Page, Span


def write(page: Page, y: int, wide: float, subject: Subject, scores: Sequence[Score], summary: Summary) -> int:
    """Pure's numbers and every arm's differences in columns, each arm's rounds below it; returns where they end."""
    values = {(s.metric, s.arm): s.value for s in scores}
    labels = {arm: "Pure" if arm == PURE else f"Δ {wording.arm_title(arm)}" for arm in subject.variants}
    labels = {arm: drawing.shorten(label, 200, 16) for arm, label in labels.items()}
    rows = {arm: [spans for _, spans in figures(values, summary, arm)] for arm in labels}
    first = GAP + max(drawing.length(label, 16) for label in labels.values()) + 24
    pitch = 24 + max((drawing.length("".join(t for t, _ in s), 16) for row in rows.values() for s in row), default=0)
    for arm, row in rows.items():
        page.write(GAP, y, labels[arm], 16)
        for number, spans in enumerate(row):
            page.spans(first + number * pitch, y, spans, 16)
        y += 26
        for step in subject.trail.arms.get(arm, ()) if subject.trail else ():
            for number, line in enumerate(drawing.wrap(wording.round_told(step), wide - 40, 14, 3)):
                page.write(GAP + (20 if number == 0 else 40), y, line, 14, FAINT)
                y += 22
    return y


def known(summary: Summary, metric: str) -> bool:
    """Whether a metric could be measured anywhere; where it could not, the tables say why."""
    return any(metrics[metric].n for metrics in summary.families.values())


def figures(
    values: Mapping[tuple[str, str], float | None], summary: Summary, arm: str
) -> list[tuple[str, tuple[Span, ...]]]:
    """Pure's numbers, or an arm's differences from them, by metric."""
    found: list[tuple[str, tuple[Span, ...]]] = []
    for metric, about in summary.metrics.items():
        pure, value = values.get((metric, PURE)), values.get((metric, arm))
        if arm == PURE or value is None or pure is None:
            shown = value if pure is not None else None
            text, colour = wording.number(about, shown), INK if shown is not None else FAINT
        else:
            text = wording.number(about, value - pure, signed=True)
            colour = {1: BETTER, 0: INK, -1: WORSE}[wording.better(about, value - pure)]
        found.append((metric, ((f"{about.label} ", FAINT), (text, colour))))
    return found
