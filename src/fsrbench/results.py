"""A finished evaluation as one value: what was compared, its numbers, its summary. Plots and the report take it.

A paired difference is arm − pure for the cases that have both numbers; this is the only place that forms it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from fsrbench.subjects import Evaluation
from fsrbench.values import PURE, Score


@dataclass(frozen=True)
class Numbers:
    """Scores, found by what they belong to."""

    scores: Sequence[Score]
    """All of them."""

    @cached_property
    def _values(self) -> dict[tuple[str, str, str], dict[str, float]]:
        found: dict[tuple[str, str, str], dict[str, float]] = {}
        for s in self.scores:
            if s.value is not None:
                found.setdefault((s.family, s.metric, s.arm), {})[s.case] = s.value
        return found

    def values(self, family: str, metric: str, arm: str) -> dict[str, float]:
        """Case → number; a case without one is absent."""
        return self._values.get((family, metric, arm), {})

    def deltas(self, family: str, metric: str, arm: str) -> dict[str, float]:
        """Case → arm − pure."""
        pure = self.values(family, metric, PURE)
        return {
            case: round(value - pure[case], 6)
            for case, value in self.values(family, metric, arm).items()
            if case in pure
        }


@dataclass(frozen=True)
class Results:
    """Everything that is shown of an evaluation."""

    root: Path
    """Folder that everything is written into."""
    what: Evaluation
    """What was compared."""
    numbers: Numbers
    """Its scores."""
    summary: Mapping[str, Any]
    """Means, effects and counts: what `summary.json` holds."""
