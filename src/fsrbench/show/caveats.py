"""What a reader must know beside a finding: what failed, what could not be used, who did not look, what moves nothing.

Each is a sentence that stands with the family's finding, so that no number is read without it.
"""

from __future__ import annotations

from collections.abc import Iterator

from fsrbench.measure import mishaps
from fsrbench.measure.summary_values import Summary
from fsrbench.show import numbers, wording


def void(summary: Summary, family: str, arm: str) -> bool:
    """Were an arm's replies mostly unusable? Then nothing is claimed of it."""
    counts = summary.counts[family].arms.get(arm)
    return counts is not None and counts.void


def of_arm(summary: Summary, family: str, arm: str) -> Iterator[str]:
    """Sentences on one arm."""
    name, counts = wording.arm_name(summary, arm, marked=False), summary.counts[family].arms.get(arm)
    if counts is None:
        return
    if unusable := replies(summary, family, arm):
        end = f"nothing can be said of {name}" if void(summary, family, arm) else "there the picture stood as it was"
        yield f"{unusable}: {end}."
    if counts.failed and counts.done:
        cases = counts.failed + counts.done
        yield f"{name} failed on {counts.failed:,} of {cases:,} cases, which are not in these numbers."
    canaries = summary.canaries.get(arm)
    if canaries is not None and 2 * canaries.looked < canaries.shown:
        yield (
            f"{name} told spoilt pictures from real ones in {canaries.looked} of {canaries.shown} samples only: "
            "it is not looking at the pictures."
        )


def of_family(summary: Summary, family: str) -> Iterator[str]:
    """Sentences on the family itself."""
    failed = summary.counts[family].failed
    if failed:
        yield f"{numbers.count(failed, 'case')} could not be restored at all."
    if dead := summary.dead_knobs.get(family):
        them, they = ("it moves", "that") if len(dead) == 1 else ("they move", "them")
        yield f"Asking for {' or '.join(dead)} is asking for nothing: {them} no pixel, so no arm gained by {they}."


def replies(summary: Summary, family: str, arm: str) -> str:
    """How many of an arm's replies could not be used, and why; empty where all could be."""
    counts = summary.counts[family].arms.get(arm)
    return mishaps.told(counts.replies, counts.unusable) if counts is not None else ""


def lines(summary: Summary) -> Iterator[str]:
    """All of them on replies, a line for each family and arm, for below a table."""
    for family, counts in summary.counts.items():
        for arm in counts.arms:
            if unusable := replies(summary, family, arm):
                end = ": no finding" if void(summary, family, arm) else ""
                yield f"{family}, {wording.arm_name(summary, arm, marked=False)}: {unusable}{end}"
