"""The list of all cases, column by column: small to load, quick to sort and to filter in the browser.

A row is one arm of one case in one family; a case without any arm has one row, of pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fsrbench.core.values import PURE, Audit
from fsrbench.measure import changes
from fsrbench.measure.results import Results
from fsrbench.measure.summary_values import MetricFacts, Summary
from fsrbench.show import numbers, wording
from fsrbench.show.report import places
from fsrbench.show.report.cases import Entry, Told, difference, title
from fsrbench.show.report.rounds import outcome

FAILED = "failed"
NOTHING = "—"
"""Stands in the list where there is no score."""


class _Codes:
    """Values as small numbers: each stands once in a list, those of `first` at its beginning."""

    def __init__(self, first: Iterable[Any] = ()) -> None:
        self.values: list[Any] = list(first)
        self._places: dict[Any, int] = {value: place for place, value in enumerate(self.values)}

    def __call__(self, value: Any) -> int:
        if value not in self._places:
            self._places[value] = len(self.values)
            self.values.append(value)
        return self._places[value]


class Rows:
    """The rows, added case by case."""

    def __init__(self, metrics: Mapping[str, wording.MetricLike], arms: Iterable[str]) -> None:
        self.arms, self.outcomes, self.tags = _Codes(arms), _Codes(), _Codes()
        self.texts = _Codes()
        names = ("entry", "arm", "outcome", "tags", "score", "scored", "picture")
        self.columns: dict[str, list[Any]] = {name: [] for name in names}
        self.metrics = dict(metrics)
        self.deltas: dict[str, list[float | None]] = {metric: [] for metric in metrics}
        self.shown: dict[str, list[int]] = {metric: [] for metric in metrics}
        self._cases = 0

    def add(self, one: Told) -> None:
        """The next case."""
        columns, pictures = self.columns, one.details["pictures"]
        for arm in one.entry.arms or (PURE,):
            audit, decided = _said(one, arm)
            score = audit.score if audit else None
            columns["entry"].append(self._cases)
            columns["arm"].append(self.arms(arm))
            columns["outcome"].append(self.outcomes(decided))
            columns["tags"].append(self.tags(audit.tags if audit else ()))
            columns["score"].append(score)
            columns["scored"].append(self.texts((NOTHING if score is None else numbers.short(score), 0)))
            columns["picture"].append(pictures.get(f"{arm}:", {}).get("file", ""))
            for metric, column in self.deltas.items():
                column.append(delta := one.deltas.get((arm, metric)))
                self.shown[metric].append(self.texts(difference(self.metrics[metric], delta)))
        self._cases += 1


def data(results: Results, entries: Sequence[Entry], rows: Rows, chunk: int) -> dict[str, Any]:
    """What `data.js` hands to the page."""
    families, summary = _Codes(), results.summary
    return {
        "chunk": chunk,
        "chunks": [f"{places.CASES}/{places.chunk(number)}" for number in range(-(-len(entries) // chunk))],
        "pictures": f"{places.PICTURES}/",
        "metrics": [_metric(name, about) for name, about in summary.metrics.items()],
        "floors": _floors(summary),
        "by": changes.metric(results.what, results.numbers) or "",
        "family": [families(entry.family) for entry in entries],
        "case": [entry.case for entry in entries],
        "families": families.values,
        "standins": [wording.standin(results.what.labels.get(family, ())) for family in families.values],
        "arms": [_about(results, arm) for arm in rows.arms.values],
        "titles": {arm: title(arm) for arm in (PURE, *rows.arms.values)},
        "outcomes": rows.outcomes.values,
        "tagsets": [list(found) for found in rows.tags.values],
        "rows": rows.columns,
        "deltas": rows.deltas,
        "shown": rows.shown,
        "texts": rows.texts.values,
    }


def _metric(name: str, about: MetricFacts) -> dict[str, str]:
    """What the page must know of a metric: how numbers are written is not among it."""
    return {"name": name, "label": about.label, "heading": wording.heading(about), "better": about.better}


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
