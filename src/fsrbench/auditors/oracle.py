"""An upper bound: an auditor that tries the allowed knobs and asks a metric, with the reference at hand, which is best.

It is privileged, so what it reaches bounds what any auditor with these knobs can reach on this metric (on no other), as
closely as it searches, and it is never a contender. Under a budget of restorations it tries each knob on several
levels, then pairs of such changes, those first whose parts did best. Several oracles of one case, each with its own
objective, try mostly the same settings: whoever tries one first measures what the others will ask too (`beside`). It
asks for a change only if that beats the picture that stands, and never for more than the policy lets through: an arm
with it is never worse than pure on its objective.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fsrbench.auditors import _search, _settings
from fsrbench.auditors._search import KnobChange, Scorer
from fsrbench.core import knobgrid, plugins
from fsrbench.core.auditing import Auditor
from fsrbench.core.contracts import Metric
from fsrbench.core.errors import AuditorUnreachable, FsrbenchError
from fsrbench.core.questions import Answer, PrivilegedAccess, Question
from fsrbench.core.stored import Knobs
from fsrbench.core.values import Audit, Image

if TYPE_CHECKING:
    from fsrbench.core.contracts import Machine

SETTINGS: dict[str, tuple[type, ...]] = {
    "objective": (str,), "beside": (list, tuple), "budget": (int,), "levels": (int,), "combine": (int,),
}  # fmt: skip


OBJECTIVE = "psnr"
"""The metric that decides where the settings name none."""


@dataclass(frozen=True, slots=True)
class TriedSetting:
    """One setting that was tried."""

    change: KnobChange
    """Knobs that differ from where they stand."""
    value: float
    """What the objective makes of the picture."""
    gain: float
    """By how much that is better than the picture that stands; negative is worse."""


@dataclass(frozen=True, slots=True)
class Oracle:
    """Searches, within a budget, for the change that the objective likes best."""

    objective: str
    """Name of the metric that decides."""
    metric: Metric
    """That metric, for its direction."""
    scorers: Mapping[str, Scorer]
    """That metric, opened, and those that other arms' oracles go by."""
    budget: int
    """Restorations for one case, at most."""
    levels: int
    """Steps into which the band of a number is divided."""
    combine: int
    """Knobs that may be changed together."""

    @property
    def restores(self) -> int:
        """Restorations that a search makes, at most."""
        return self.budget

    def __call__(self, question: Question) -> Answer:
        """The best change in the first round; later, what stands is what was searched for, and is accepted."""
        if question.round > 1:
            said = Audit("ok", score=100, confidence=100, reason="What the search found stands.")
            return Answer(said, self._record(None, [], {}))
        if question.insight is None:
            raise AuditorUnreachable("The oracle searches with the reference at hand, and there is none for this case.")
        current = self._value(question.knobs, lambda: question.evidence.sr, question.insight)
        trials = self._search(question, question.insight, current)
        best = max(trials, key=lambda trial: trial.gain, default=None)  # of equals the first: the smaller change
        if best is None or not best.gain > 0:
            said = Audit("ok", score=100, confidence=100, reason=f"No change improves {self.objective} here.")
            return Answer(said, self._record(current, trials, {}))
        reason = f"{self.objective} {current:.4f} → {best.value:.4f}, the best of {len(trials)} settings (privileged)."
        said = Audit("ok", score=0, confidence=100, hints=dict(best.change), reason=reason)
        return Answer(said, self._record(current, trials, best.change))

    def _search(self, question: Question, insight: PrivilegedAccess, current: float) -> list[TriedSetting]:
        """Each knob alone, then in pairs, while the budget lasts; a setting is tried once."""

        def attempt(change: KnobChange) -> TriedSetting:
            knobs = {**question.knobs, **change}
            value = self._value(knobs, lambda: insight.restore(knobs), insight)
            gain = value - current if self.metric.better == "higher" else current - value
            return TriedSetting(change, value, -math.inf if math.isnan(gain) else gain)

        def attempts(changes: Sequence[KnobChange]) -> list[TriedSetting]:
            return [attempt(change) for change in changes if insight.afford({**question.knobs, **change})]

        room = self.combine if question.max_changes is None else min(self.combine, question.max_changes)
        if room < 1:
            return []
        singles = attempts(knobgrid.singles(question.offered, question.knobs, self.levels)[: self.budget])
        if room < 2:
            return singles
        pairs = [
            sorted(pair, key=lambda trial: -trial.gain)
            for pair in itertools.combinations(singles, 2)
            if pair[0].change.keys() != pair[1].change.keys()
        ]
        pairs.sort(key=lambda pair: -(pair[0].gain + pair[1].gain))
        together = [{**one.change, **other.change} for one, other in pairs]
        return [*singles, *attempts(together[: self.budget - len(singles)])]

    def _value(self, knobs: Knobs, picture: Callable[[], Image], insight: PrivilegedAccess) -> float:
        """What the objective makes of a setting; a picture is made only where nobody measured it yet."""
        known = insight.measured.setdefault(json.dumps(knobs, sort_keys=True), {})
        if self.objective not in known:
            image = picture()
            known[self.objective] = self.scorers[self.objective](image, insight.reference)
            for name, measure in self.scorers.items():
                if name not in known:
                    try:
                        known[name] = measure(image, insight.reference)
                    except FsrbenchError:  # of this picture it cannot be had: the arm that goes by it says so itself
                        continue
        return known[self.objective]

    def _record(self, current: float | None, trials: Sequence[TriedSetting], chosen: KnobChange) -> dict[str, Any]:
        """The whole search, JSON-ready."""
        return {
            "auditor": "oracle",
            "privileged": "saw the reference: an upper bound, not a contender",
            "objective": {"metric": self.objective, "better": self.metric.better},
            "budget": self.budget,
            "current": _search.finite(current),
            "tried": [{"knobs": trial.change, "value": _search.finite(trial.value)} for trial in trials],
            "chosen": chosen,
        }


def _open(settings: Mapping[str, Any], machine: Machine) -> Oracle:
    chosen = _settings.check(settings, SETTINGS)
    objective = chosen.get("objective", OBJECTIVE)
    beside = map(str, chosen.get("beside", ()))
    return Oracle(
        objective=objective,
        metric=plugins.load("metrics", objective),
        scorers={name: _search.scorer(name, machine) for name in dict.fromkeys((objective, *beside))},
        budget=round(_settings.bounded(chosen, "budget", 32, 1, 10_000)),
        levels=round(_settings.bounded(chosen, "levels", 3, 1, 100)),
        combine=round(_settings.bounded(chosen, "combine", 2, 1, 2)),
    )


AUDITOR = Auditor(
    "Upper bound: tries the allowed knobs and picks what a metric likes best, with the reference at hand.",
    _open,
    privileged=True,
    measures=lambda settings: (str(settings.get("objective", OBJECTIVE)),),
    handling=("beside",),
)
