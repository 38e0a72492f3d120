"""A control that asks the case itself: its restoration is degraded as the input was, to see what helps there.

No model is trained and no reference is seen. Noise, blur and JPEG quality are estimated from the input
(`imaging/damage.py`). The restoration that stands is taken for a face that is known, degraded in that way a few times,
each time with other noise, and restored with each setting on its own. A setting is asked for if it came nearer to the
known face than no change did, by more than one standard deviation over those times: the one with the most to spare.

It is a control and no contender, for it is biased in a known way: the face that it knows is a restoration, smoother
than any true one, so what smooths looks better than it is. Its estimates are made for aligned faces under recipe
`paper`.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from fsrbench.auditors import _search, _settings
from fsrbench.auditors._search import KnobChange, Scorer
from fsrbench.core import knobgrid, plugins
from fsrbench.core.auditing import Auditor
from fsrbench.core.contracts import Damage, Metric, Recipe
from fsrbench.core.errors import SettingsError
from fsrbench.core.questions import Answer, Question, Rehearsal
from fsrbench.core.values import Audit, Image, derive_seed
from fsrbench.imaging import damage, images

if TYPE_CHECKING:
    from fsrbench.core.contracts import Machine

SETTINGS: dict[str, tuple[type, ...]] = {
    "objective": (str,), "recipe": (str,), "times": (int,), "budget": (int,), "levels": (int,),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class RehearsedSetting:
    """One setting, as it did on the inputs that were made up."""

    change: KnobChange
    """Knobs that differ from where they stand."""
    gains: tuple[float, ...]
    """By how much it was better than no change, one for each input; negative is worse."""

    @property
    def spare(self) -> float:
        """Mean gain less one standard deviation; what cannot be told is no gain."""
        if not all(map(math.isfinite, self.gains)):
            return -math.inf
        return statistics.fmean(self.gains) - statistics.stdev(self.gains)


@dataclass(frozen=True, slots=True)
class Internal:
    """Rehearses settings, within a budget, on inputs like the one in hand."""

    objective: str
    """Name of the metric that says how near a picture comes to the known face."""
    metric: Metric
    """That metric, for its direction."""
    score: Scorer
    """That metric, opened."""
    recipe: Recipe
    """Degrades the known face."""
    rehearses: int
    """Inputs that are made up."""
    restores: int
    """Restorations of them, at most; one takes several passes where a setting asks for several views."""
    levels: int
    """Steps into which the band of a number is divided."""

    def __call__(self, question: Question) -> Answer:
        """The best change in the first round; later, what stands is what was asked for, and is accepted."""
        if question.round > 1:
            return self._answer(None, (), "What it asked for stands.")
        if question.rehearsal is None:
            return self._answer(None, (), "It cannot rehearse: it was not given the pipeline.")
        found = damage.estimate(question.rehearsal.lr)
        if found is None:
            return self._answer(None, (), "The input is too small to show how it was degraded.")
        tried = self._rehearse(question, question.rehearsal, found)
        if not tried:
            return self._answer(found, (), "There was no room to rehearse any setting.")
        best = max(tried, key=lambda setting: setting.spare)  # of equals the first
        if not best.spare > 0:
            return self._answer(
                found, tried, f"No setting clearly improved {self.metric.label} on inputs made like this one."
            )
        gain = statistics.fmean(best.gains)
        unit = f" {self.metric.unit}" if self.metric.unit else ""
        reason = f"On {len(best.gains)} inputs made like this one, it changed {self.metric.label} by {gain:+.4f}{unit}."
        return self._answer(found, tried, reason, best.change)

    def _rehearse(self, question: Question, rehearsal: Rehearsal, found: Damage) -> list[RehearsedSetting]:
        """Every single change, while the budget lasts; one that was not tried on all inputs says nothing."""
        if question.max_changes is not None and question.max_changes < 1:
            return []
        known = question.evidence.sr
        made_up = [self._degraded(known, rehearsal.lr, found, question, number) for number in range(self.rehearses)]
        plain = self._scores(rehearsal, made_up, question.knobs, known)
        if plain is None:
            return []
        tried = []
        for change in knobgrid.singles(question.offered, question.knobs, self.levels)[
            : self.restores // self.rehearses - 1
        ]:
            scores = self._scores(rehearsal, made_up, {**question.knobs, **change}, known)
            if scores is not None:
                sign = 1 if self.metric.better == "higher" else -1
                gains = tuple(sign * (score - before) for score, before in zip(scores, plain, strict=True))
                tried.append(RehearsedSetting(change, gains))
        return tried

    def _degraded(self, known: Image, lr: Image, found: Damage, question: Question, number: int) -> Image:
        """The known face as an input, with noise of its own."""
        if self.recipe.like is None:
            raise TypeError("a recipe that cannot be fitted to an input is refused when the auditor is opened")
        values = self.recipe.like(found, derive_seed(question.seed, "internal", str(number)))
        return images.as_stored(images.check(self.recipe.apply(known, values, known.shape[0] // lr.shape[0])))

    def _scores(
        self, rehearsal: Rehearsal, made_up: Sequence[Image], knobs: Mapping[str, Any], known: Image
    ) -> list[float] | None:
        """The objective of each restoration; None where the budget has no room for all of them."""
        scores = []
        for lr in made_up:
            restored = rehearsal.restore(lr, knobs)
            if restored is None:
                return None
            scores.append(self.score(restored, known))
        return scores

    def _answer(
        self, found: Damage | None, tried: Sequence[RehearsedSetting], reason: str, change: KnobChange | None = None
    ) -> Answer:
        """What follows, and the whole rehearsal, JSON-ready."""
        said = Audit("ok", score=0 if change else 100, confidence=100, hints=dict(change or {}), reason=reason)
        record = {
            "auditor": "internal",
            "control": "took its own restoration for the truth, which is too smooth: what smooths looks too good",
            "objective": {"metric": self.objective, "better": self.metric.better},
            "estimated": None if found is None else asdict(found),
            "rehearsed": [
                {"knobs": one.change, "gains": [_search.finite(gain) for gain in one.gains]} for one in tried
            ],
            "chosen": dict(change or {}),
        }
        return Answer(said, record)


def _open(settings: Mapping[str, Any], machine: Machine) -> Internal:
    chosen = _settings.check(settings, SETTINGS)
    objective, name = chosen.get("objective", "psnr"), chosen.get("recipe", "paper")
    metric: Metric = plugins.load("metrics", objective)
    if not metric.reference:
        raise SettingsError(
            f"The auditor internal compares with a face that it knows, and {objective} takes none. Take psnr or ssim."
        )
    recipe: Recipe = plugins.load("recipes", name)
    if recipe.like is None:
        able = [one for one in plugins.names("recipes") if plugins.load("recipes", one).like is not None]
        raise SettingsError(f"Recipe {name} cannot be fitted to an input. Set recipe to {' or '.join(able)}.")
    times = round(_settings.bounded(chosen, "times", 2, 2, 100))
    return Internal(
        objective=objective,
        metric=metric,
        score=_search.scorer(objective, machine),
        recipe=recipe,
        rehearses=times,
        restores=round(_settings.bounded(chosen, "budget", 32, 2 * times, 10_000)),
        levels=round(_settings.bounded(chosen, "levels", 3, 1, 100)),
    )


AUDITOR = Auditor(
    "Control: degrades its own restoration as the input was, and asks for what helped there; needs no model.",
    _open,
    control=True,
)
