"""What each oracle gained in its own metric, which knobs carry it, and how much of it others take.

Those others are the arms of a finished run; what could be had without the reference is `reachable.py`'s."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from fsrbench.core import order
from fsrbench.core.errors import InputError
from fsrbench.core.stored import KnobValue
from fsrbench.core.values import Trail
from fsrbench.experiments.reachable import Reachable
from fsrbench.measure import scores as scorefile
from fsrbench.measure import shares, stats, subjects
from fsrbench.measure import summary as summarising
from fsrbench.measure.captured import CapturedShare
from fsrbench.measure.results import Numbers
from fsrbench.measure.subjects import Evaluation
from fsrbench.measure.summary_values import Summary, rounded
from fsrbench.study import config
from fsrbench.study.store import RunFolder

ARM = "oracle"
GAIN = ("delta", "low", "high")
"""What is kept of an oracle's effect, beside the number of cases."""


@dataclass(frozen=True, slots=True)
class Beside:
    """A finished run beside the oracles, read once."""

    folder: RunFolder
    """Where it is."""
    what: Evaluation
    """What it holds."""
    numbers: Numbers
    """Its scores."""
    trails: tuple[Trail, ...]
    """All its trails."""

    @classmethod
    def read(cls, folder: RunFolder) -> Beside:
        """All of it."""
        settings = config.stored(folder.study()["settings"], folder.study_file)
        what = subjects.of_run(folder, settings)
        return cls(folder, what, Numbers(scorefile.read(folder.scores_file)), tuple(folder.trails()))

    def measured(self, metric: str) -> bool:
        """Has it scores for a metric?"""
        return any(score.metric == metric for score in self.numbers.scores)

    def floor(self, family: str, metric: str) -> float:
        """By how much a single case moves when nothing is done; 0 where no arm shows it."""
        arms = [arm for arm, role in self.what.roles.items() if role == "floor"]
        return stats.floor([abs(d) for arm in arms for d in self.numbers.deltas(family, metric, arm).values()])


def arm(objective: str) -> str:
    """The arm of the oracle that goes by this metric."""
    return f"{ARM}-{objective}".replace(":", "-")


def bound(
    family: str, folder: RunFolder, what: Evaluation, numbers: Numbers, summary: Summary, objective: str
) -> dict[str, Any]:
    """The gain in one metric of the oracle that goes by it, and the knobs that carry it."""
    own = arm(objective)
    effect = summary.families[family][objective].arms.get(own)
    deltas = numbers.deltas(family, objective, own)
    done = [trail for s in what.subjects if s.family == family and (trail := s.trail) and own in trail.arms]
    chosen = {trail.case: _applied(trail, own) for trail in done}
    sign = 1 if what.metrics[objective].better == "higher" else -1
    carriers: dict[str, dict[str, Any]] = {}
    for knob in sorted({knob for knobs in chosen.values() for knob in knobs}):
        cases = [case for case, knobs in chosen.items() if knob in knobs]
        gains = [sign * deltas[case] for case in cases if case in deltas]
        alone = [
            sign * gain for case in cases if (gain := _alone(folder, family, own, case, knob, chosen[case])) is not None
        ]
        share = round(len(cases) / len(done), 4)
        carriers[knob] = {"cases": len(cases), "share": share, "gain": _mean(gains), "alone": _mean(alone)}
    return {
        "cases": len(done),
        "changed": sum(bool(knobs) for knobs in chosen.values()),
        "gain": {"n": effect.n if effect is not None else 0, **{end: getattr(effect, end, None) for end in GAIN}},
        "carriers": dict(sorted(carriers.items(), key=lambda item: -int(item[1]["cases"]))),
    }


def _applied(trail: Trail, oracle: str) -> dict[str, KnobValue]:
    """What an oracle turned, and where to."""
    steps = [step.decision.applied for step in trail.arms[oracle] if step.decision]
    return {knob: value for applied in steps for knob, value in applied.items()}


def _alone(
    folder: RunFolder, family: str, oracle: str, case: str, knob: str, chosen: Mapping[str, KnobValue]
) -> float | None:
    """What one knob of the chosen setting changed the objective by when the oracle tried it by itself."""
    record = folder.exchange(family, oracle, case, 1) or {}
    tried = next((trial["value"] for trial in record.get("tried", ()) if trial["knobs"] == {knob: chosen[knob]}), None)
    return None if tried is None or record.get("current") is None else float(tried - record["current"])


def _mean(values: Sequence[float]) -> float | None:
    return round(fmean(values), 6) if values else None


def caught(
    family: str, beside: Beside, what: Evaluation, numbers: Numbers, objective: str, predictable: Reachable | None
) -> dict[str, Any]:
    """Which share of an oracle's gain, and of the predictable one, each arm of a finished run caught.

    On the cases that both restored alike.
    """
    metric, floor = what.metrics[objective], beside.floor(family, objective)
    best = numbers.deltas(family, objective, arm(objective))
    pure = {s.case: trail.pure.sha256 for s in what.subjects if s.family == family and (trail := s.trail)}
    persons = summarising.persons_of(what)
    trails = [trail for trail in beside.trails if trail.family == family]
    alike = {trail.case for trail in trails if pure.get(trail.case) == trail.pure.sha256}
    if trails and not alike:
        raise InputError(
            f"{beside.folder.root} has no case in family {family} whose pure restoration is the one made here: its "
            "inputs, networks or seed differ. Leave out --config and --set, so that the run's own settings are used."
        )
    caught = {}
    for name in order.arms({name for trail in trails for name in trail.arms}, beside.what.roles):
        own = {case: d for case, d in beside.numbers.deltas(family, objective, name).items() if case in alike}
        both = sorted(own.keys() & best.keys())
        members = [persons[case] for case in both] if persons else None
        effect = stats.paired([own[case] for case in both], metric.better, clusters=members)
        caught[name] = {
            "n": effect.n,
            "delta": _mean([own[case] for case in both]),
            "low": rounded(effect.low),
            "high": rounded(effect.high),
            "oracle": _mean([best[case] for case in both]),
            **_share(shares.of_bound(metric, own, best, persons, floor)),
            "predictable": predictable and _share(shares.of_bound(metric, own, predictable.deltas, persons, floor)),
            "mark": beside.what.marks.get(name, ""),
        }
    return caught


def _share(found: CapturedShare) -> dict[str, float | None]:
    """A share with its interval, as it is kept."""
    ends = {"share": found.share, "share_low": found.low, "share_high": found.high}
    return {end: None if value is None else round(value, 4) for end, value in ends.items()}
