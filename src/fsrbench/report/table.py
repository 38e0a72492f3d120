"""The list of all cases, column by column: small to load, quick to sort and to filter in the browser.

A row is one arm of one case in one family; a case without any arm has one row, of pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from fsrbench.report.cases import Entry, outcome, title
from fsrbench.results import Results
from fsrbench.values import PURE

FAILED = "failed"


class _Codes:
    """Values as small numbers: each stands once in a list."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._places: dict[Any, int] = {}

    def __call__(self, value: Any) -> int:
        if value not in self._places:
            self._places[value] = len(self.values)
            self.values.append(value)
        return self._places[value]


def columns(results: Results, entries: Sequence[Entry], told: Sequence[dict[str, Any]], chunk: int) -> dict[str, Any]:
    """What `data.js` hands to the page."""
    families, arms, outcomes, tags = _Codes(), _Codes(), _Codes(), _Codes()
    rows: dict[str, list[Any]] = {
        name: [] for name in ("entry", "arm", "outcome", "tags", "score", "confidence", "picture")
    }
    deltas: dict[str, list[float | None]] = {metric: [] for metric in results.what.metrics}
    for place, (entry, one) in enumerate(zip(entries, told, strict=True)):
        for arm in entry.arms or (PURE,):
            audit, decided = _said(entry, arm)
            rows["entry"].append(place)
            rows["arm"].append(arms(arm))
            rows["outcome"].append(outcomes(decided))
            rows["tags"].append(tags(audit.tags if audit else ()))
            rows["score"].append(audit.score if audit else None)
            rows["confidence"].append(audit.confidence if audit else None)
            rows["picture"].append(one["pictures"].get(f"{arm}:", {}).get("file", ""))
            for metric, column in deltas.items():
                column.append(one["numbers"].get(arm, {}).get(metric, (None, None))[1])
    summary = results.summary
    return {
        "chunk": chunk,
        "metrics": [{"name": name, **about} for name, about in summary["metrics"].items()],
        "floors": _floors(summary),
        "family": [families(entry.family) for entry in entries],
        "case": [entry.case for entry in entries],
        "families": families.values,
        "standins": [standin(results.what.labels.get(family, ())) for family in families.values],
        "arms": [_about(results, arm) for arm in arms.values],
        "outcomes": outcomes.values,
        "tagsets": [list(found) for found in tags.values],
        "rows": rows,
        "deltas": deltas,
    }


def standin(models: Iterable[str]) -> str:
    """What must be said of a family's networks where they are not the real ones."""
    return next((word for word in ("embedded", "stand-in") for model in models if word in model), "")


def _said(entry: Entry, arm: str) -> tuple[Any, str]:
    """An arm's first audit, which is the one of pure, and what was decided over all its rounds."""
    trail = entry.subject.trail if entry.subject else None
    if trail is not None and arm in trail.arms:
        rounds = trail.arms[arm]
        return rounds[0].audit, outcome(rounds)
    return None, FAILED if arm in entry.failed else ""


def _about(results: Results, arm: str) -> dict[str, str]:
    """What must be said of an arm wherever it shows."""
    what = results.what
    role = what.roles.get(arm, "")
    return {"name": arm, "title": title(arm), "role": role, "mark": what.marks.get(arm, "")}


def _floors(summary: Any) -> dict[str, dict[str, float]]:
    """Family → metric → what a case moves by when nothing is done."""
    return {
        family: {
            metric: max((effect.get("floor") or 0.0 for effect in entry["arms"].values()), default=0.0)
            for metric, entry in metrics.items()
        }
        for family, metrics in summary["families"].items()
    }
