"""What a reader of a run's numbers must be told of how they came about, beside the numbers themselves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from fsrbench.case import liveness
from fsrbench.study.schema import Settings


def of_study(study: Mapping[str, Any]) -> Iterator[str]:
    """What was taken for granted while it ran, and knobs that move nothing."""
    for family, assumption in study.get("assumptions", {}).items():
        yield f"{family}: {assumption}"
    for family, names in study["dead_knobs"].items():
        if trials := liveness.recorded(study, family):
            yield from liveness.notes(family, trials)
        elif names:  # a record from before it was said on how many pictures knobs were tried
            yield f"Dead knobs, which move no pixel on the {family} backend: {', '.join(names)}."


def of_canaries(canaries: Mapping[str, tuple[int, int]]) -> Iterator[str]:
    """Whether the auditors looked at the pictures that they were shown."""
    for arm, (shown, looked) in canaries.items():
        verdict = ": it is not looking at the pictures" if shown and looked * 2 < shown else ""
        yield f"{arm} scored spoilt pictures clearly below the real one in {looked} of {shown} samples{verdict}."


def of_budgets(ended: Mapping[tuple[str, str], int], arms: Iterable[str]) -> Iterator[str]:
    """Those of the arms whose budget ended them in some cases. `ended`: arm and bound (empty for none) → cases."""
    for arm in arms:
        bounds = {bound: count for (of, bound), count in sorted(ended.items()) if of == arm}
        if not any(bounds):
            continue
        cases, free = sum(bounds.values()), bounds.pop("", 0)
        told = ", ".join(f"{bound} {count:,}" for bound, count in bounds.items())
        drift = " Time is not the same twice: neither is what this arm ends with." if "seconds" in bounds else ""
        yield f"{arm}: its budget was spent in {cases - free:,} of {cases:,} cases ({told}).{drift}"


def of_metrics(settings: Settings) -> dict[str, str]:
    """Metric → what stands in for the official network that it is measured with."""
    recogniser = settings.faces.recogniser
    if recogniser is None or "arcface" not in settings.metrics:
        return {}
    told = f"ArcFace was computed with {recogniser.name}, which the settings name, not with the official recogniser."
    return {"arcface": told}
