"""How much could any auditor gain with the knobs there are? The oracle's arm, measured: the upper bound.

An oracle bounds the metric that it goes by and no other. So for each family and each set of knobs (the paper's, and
with the deeper hooks) one oracle for each metric runs as an arm of an ordinary study, into a folder of its own, and is
measured as any arm is; what one of them measured of a setting, the others take over. What comes out is the paired gain
of each in its own metric with its interval, the knobs that carry it, and, beside a finished run, which share of it
each of that run's arms caught. It saw the reference: none of this is a contender's result. How it looks is in
`overviews.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from fsrbench.core import execute, plugins
from fsrbench.core.contracts import Machine, Metric
from fsrbench.core.errors import FsrbenchError, InputError
from fsrbench.core.values import KnobValue, Score, Trail, to_json
from fsrbench.experiments import preview
from fsrbench.files import atomic
from fsrbench.measure import evaluate, stats, subjects
from fsrbench.measure import scores as scorefile
from fsrbench.measure import summary as summarising
from fsrbench.measure.results import Numbers
from fsrbench.measure.subjects import Evaluation
from fsrbench.measure.summary_values import Summary
from fsrbench.study import config
from fsrbench.study.config import Settings
from fsrbench.study.run import run_study
from fsrbench.study.store import RunFolder, as_json

ARM = "oracle"
SETS = ("paper", "deep")
GAIN = ("delta", "low", "high")
"""What is kept of an oracle's effect, beside the number of cases."""
PRIVILEGED = (
    "An oracle saw the reference and chose the knobs by one metric, each metric by an oracle of its own. This is an "
    "upper bound for any auditor with these knobs and this budget, not a contender's result."
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What headroom is measured on."""

    settings: Settings
    """Settings, the oracle's own among them."""
    lr: Path
    """Folder of inputs."""
    hr: Path | None
    """Folder of references."""
    beside: RunFolder | None = None
    """A finished run, whose arms are compared with the oracle."""


@dataclass(frozen=True, slots=True)
class _Beside:
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
    def read(cls, folder: RunFolder) -> _Beside:
        """All of it."""
        what = subjects.of_run(folder, _stored(folder))
        return cls(folder, what, Numbers(scorefile.read(folder.scores_file)), tuple(folder.trails()))

    def measured(self, metric: str) -> bool:
        """Has it scores for a metric?"""
        return any(score.metric == metric for score in self.numbers.scores)

    def floor(self, family: str, metric: str) -> float:
        """By how much a single case moves when nothing is done; 0 where no arm shows it."""
        arms = [arm for arm, role in self.what.roles.items() if role == "floor"]
        return stats.floor([abs(d) for arm in arms for d in self.numbers.deltas(family, metric, arm).values()])


def beside(run: Path) -> Plan:
    """A plan on the inputs and with the settings of a finished run."""
    folder = RunFolder(run)
    record = folder.study()
    hr = record["inputs"]["hr"]
    settings = config.stored(record["settings"], folder.study_file)
    return Plan(settings, Path(record["inputs"]["lr"]), Path(hr) if hr else None, folder)


def run(
    plan: Plan,
    machine: Machine,
    out: Path,
    *,
    limit: int | None = None,
    workers: int = 1,
    track: execute.Track = execute.untracked,
) -> dict[str, Any]:
    """Run what is missing, measure, and write `headroom.json`; returns what is in it."""
    if plan.hr is None:
        raise InputError("Headroom is measured against references: name their folder with --hr.")
    atomic.guard(out)
    notes: list[str] = []
    objectives = _objectives(plan.settings, machine, notes)
    result: dict[str, Any] = {
        "format": 2,
        "privileged": PRIVILEGED,
        "objectives": list(objectives),
        "metrics": {},
        "models": {},
        "families": {family: {} for family in plan.settings.families},
        "failures": [],
        "notes": notes,
    }
    for name in SETS:
        settings = _settings(plan.settings, name, objectives)
        if settings.families:
            outcome = run_study(
                settings, machine, plan.lr, plan.hr, out / name, limit=limit, workers=workers, track=track
            )
            result["failures"] += [f"{f.family} {f.case} {f.arm}: {f.why}" for f in outcome.failures]
            what = subjects.of_run(outcome.folder, _stored(outcome.folder, settings))
            scores = evaluate.measure(what, machine, workers, track, outcome.folder.journal)
            scorefile.write(outcome.folder.scores_file, scores)
            _add(result, name, plan, outcome.folder, settings, what, scores)
    atomic.write_bytes(out / "headroom.json", as_json(to_json(result)))
    return result


def _stored(folder: RunFolder, own: Settings | None = None) -> Settings:
    """A finished run's settings, with our own metrics if there are any."""
    stored = config.stored(folder.study()["settings"], folder.study_file)
    return stored.model_copy(update={"metrics": own.metrics}) if own else stored


def _add(
    result: dict[str, Any],
    name: str,
    plan: Plan,
    folder: RunFolder,
    settings: Settings,
    what: Evaluation,
    scores: Sequence[Score],
) -> None:
    """Put what one set of knobs showed into the result."""
    numbers = Numbers(scores)
    summary = summarising.summarise(what, numbers)
    result["metrics"] |= summary.metrics
    result["models"] |= summary.models
    result["notes"] = list(dict.fromkeys([*result["notes"], *what.notes, *_unavailable(summary)]))
    beside = _Beside.read(plan.beside) if plan.beside is not None else None
    if beside is not None and not any(map(beside.measured, result["objectives"])):
        lacking = ",".join(result["objectives"])
        raise InputError(
            f"{beside.folder.root} has no scores for {lacking}. Measure them: "
            f"fsrbench evaluate {beside.folder.root} --set metrics={lacking}"
        )
    for family in summary.families.keys() & settings.families.keys():  # the folder may hold others, from before
        found = {}
        for objective in result["objectives"]:
            found[objective] = _bound(family, folder, what, numbers, summary, objective)
            if beside is not None and beside.measured(objective):
                found[objective]["caught"] = _caught(family, beside, what, numbers, objective)
        cases = max(entry["cases"] for entry in found.values())
        result["families"][family][name] = {
            "cases": cases, "knobs": list(settings.offered(family)), "objectives": found
        }  # fmt: skip


# ------------------------------------------------------------------- the runs


def arm(objective: str) -> str:
    """The arm of the oracle that goes by this metric."""
    return f"{ARM}-{objective}".replace(":", "-")


def _objectives(settings: Settings, machine: Machine, notes: list[str]) -> tuple[str, ...]:
    """The oracle's own objective and the run's metrics, as far as they can be computed; why others cannot is noted."""
    own = config.with_arms(settings, [ARM]).arms[ARM]
    if own.auditor != "oracle":
        raise InputError(f"The settings define the arm {ARM} with the auditor {own.auditor}: headroom needs oracle.")
    found = []
    for name in dict.fromkeys([str(own.settings.get("objective", "psnr")), *settings.metrics]):
        metric: Metric = plugins.load("metrics", name)
        try:
            metric.open(machine)
            found.append(name)
        except FsrbenchError as error:
            notes.append(f"{metric.label}: {error}")
    if not found:
        raise InputError("No metric of these settings can be computed here: " + "; ".join(notes))
    return tuple(found)


def _settings(settings: Settings, name: str, objectives: Sequence[str]) -> Settings:
    """The oracles' arms alone, with the knobs of one set; families in which the set adds nothing are left out."""
    own = config.with_arms(settings, [ARM]).arms[ARM].model_dump()
    arms = {
        arm(one): config.Arm.model_validate({**own, "objective": one, "beside": list(objectives)}) for one in objectives
    }
    kept = {}
    for family in settings.families:
        every = preview.known(settings, family)
        plain = [knob for knob, declared in every.items() if not declared.deep]
        if name == "paper" and plain:
            kept[family] = config.with_knobs(settings, family, plain).families[family]
        elif name == "deep" and len(every) > len(plain):
            kept[family] = config.with_knobs(settings, family, every).families[family]
    metrics = tuple(dict.fromkeys([*settings.metrics, *objectives]))
    return settings.model_copy(update={"families": kept, "arms": arms, "metrics": metrics})


def _unavailable(summary: Summary) -> list[str]:
    return [
        f"{summary.metrics[name].label}: {why}"
        for metrics in summary.families.values()
        for name, entry in metrics.items()
        for why in entry.why_na
    ]


# --------------------------------------------------------------- what it shows


def _bound(
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


def _caught(family: str, beside: _Beside, what: Evaluation, numbers: Numbers, objective: str) -> dict[str, Any]:
    """Which share of an oracle's gain each arm of a finished run caught, on the cases that both restored alike."""
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
    for name in sorted({name for trail in trails for name in trail.arms}):
        own = beside.numbers.deltas(family, objective, name)
        both = sorted(own.keys() & best.keys() & alike)
        members = [persons[case] for case in both] if persons else None
        effect = stats.paired([own[case] for case in both], metric.better, clusters=members)
        upper = stats.paired([best[case] for case in both], metric.better, clusters=members)
        ends = {end: None if (value := getattr(effect, end)) is None else round(value, 6) for end in ("low", "high")}
        delta, gain = _mean([own[case] for case in both]), _mean([best[case] for case in both])
        worth = gain is not None and _worth_a_share(gain, upper.low, upper.high, metric, floor)
        share = round(delta / gain, 4) if worth and delta is not None and gain else None
        mark = beside.what.marks.get(name, "")
        caught[name] = {"n": effect.n, "delta": delta, **ends, "oracle": gain, "share": share, "mark": mark}
    return caught


def _worth_a_share(gain: float, low: float | None, high: float | None, metric: Metric, floor: float) -> bool:
    """Is an oracle's gain enough to take a share of? It shows in print, exceeds what a single case moves by without
    any cause, and its interval leaves zero."""
    if low is None or high is None:
        return False
    shown = round(gain, metric.digits) and abs(gain) > floor
    return bool(shown) and (low > 0 if metric.better == "higher" else high < 0)
