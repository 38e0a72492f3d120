"""The list of all cases, column by column: small to load, quick to sort and to filter in the browser.

A row is one arm of one case in one family; a case without any arm has one row, of pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from fsrbench.core.values import PURE, Audit, to_json
from fsrbench.measure.results import Results
from fsrbench.measure.summary_values import Summary
from fsrbench.show.report.cases import Entry, Told, outcome, title

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


class Rows:
    """The rows, added case by case."""

    def __init__(self, metrics: Iterable[str]) -> None:
        self.arms, self.outcomes, self.tags = _Codes(), _Codes(), _Codes()
        names = ("entry", "arm", "outcome", "tags", "score", "confidence", "picture")
        self.columns: dict[str, list[Any]] = {name: [] for name in names}
        self.deltas: dict[str, list[float | None]] = {metric: [] for metric in metrics}
        self._cases = 0

    def add(self, one: Told) -> None:
        """The next case."""
        columns, pictures, numbers = self.columns, one.details["pictures"], one.details["numbers"]
        for arm in one.entry.arms or (PURE,):
            audit, decided = _said(one, arm)
            columns["entry"].append(self._cases)
            columns["arm"].append(self.arms(arm))
            columns["outcome"].append(self.outcomes(decided))
            columns["tags"].append(self.tags(audit.tags if audit else ()))
            columns["score"].append(audit.score if audit else None)
            columns["confidence"].append(audit.confidence if audit else None)
            columns["picture"].append(pictures.get(f"{arm}:", {}).get("file", ""))
            for metric, column in self.deltas.items():
                column.append(numbers.get(arm, {}).get(metric, (None, None))[1])
        self._cases += 1


def data(results: Results, entries: Sequence[Entry], rows: Rows, chunk: int) -> dict[str, Any]:
    """What `data.js` hands to the page."""
    families, summary = _Codes(), results.summary
    return {
        "chunk": chunk,
        "metrics": [{"name": name, **to_json(about)} for name, about in summary.metrics.items()],
        "floors": _floors(summary),
        "family": [families(entry.family) for entry in entries],
        "case": [entry.case for entry in entries],
        "families": families.values,
        "standins": [standin(results.what.labels.get(family, ())) for family in families.values],
        "arms": [_about(results, arm) for arm in rows.arms.values],
        "outcomes": rows.outcomes.values,
        "tagsets": [list(found) for found in rows.tags.values],
        "rows": rows.columns,
        "deltas": rows.deltas,
    }


def standin(models: Iterable[str]) -> str:
    """What must be said of a family's networks where they are not the real ones."""
    return next((word for word in ("embedded", "stand-in") for model in models if word in model), "")


def _said(one: Told, arm: str) -> tuple[Audit | None, str]:
    """An arm's first audit, which is the one of pure, and what was decided over all its rounds."""
    if one.trail is not None and arm in one.trail.arms:
        rounds = one.trail.arms[arm]
        return rounds[0].audit, outcome(rounds)
    return None, FAILED if arm in one.entry.failed else ""


def _about(results: Results, arm: str) -> dict[str, str]:
    """What must be said of an arm wherever it shows."""
    what = results.what
    role = what.roles.get(arm, "")
    return {"name": arm, "title": title(arm), "role": role, "mark": what.marks.get(arm, "")}


def _floors(summary: Summary) -> dict[str, dict[str, float]]:
    """Family → metric → what a case moves by when nothing is done."""
    return {
        family: {
            metric: max((effect.floor for effect in entry.arms.values()), default=0.0)
            for metric, entry in metrics.items()
        }
        for family, metrics in summary.families.items()
    }
