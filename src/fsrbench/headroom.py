"""How much could any auditor gain with the knobs there are? The oracle's arm, measured: the upper bound.

For each family and each set of knobs (the paper's, and with the deeper hooks) the oracle runs as an arm of an
ordinary study, into a folder of its own, and is measured as any arm is. What comes out is its paired gain for
each metric with its interval, the knobs that carry it, and, beside a finished run, which share of it each of
that run's arms caught. It saw the reference: none of this is a contender's result. How it looks is in
`overviews.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from fsrbench import config, evaluate, execute, images, preview, stats, study, subjects
from fsrbench import scores as scorefile
from fsrbench import summary as summarising
from fsrbench.config import Settings
from fsrbench.errors import InputError
from fsrbench.plugins import Machine
from fsrbench.results import Numbers
from fsrbench.store import RunFolder, as_json
from fsrbench.subjects import Evaluation
from fsrbench.values import KnobValue, Score, Trail

ARM = "oracle"
SETS = ("paper", "deep")
PRIVILEGED = (
    "The oracle saw the reference and chose the knobs by it. This is an upper bound for any auditor with these knobs "
    "and this budget, not a contender's result."
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
    objective = _objective(plan.settings)
    images.guard(out)
    result: dict[str, Any] = {
        "format": 1,
        "privileged": PRIVILEGED,
        "objective": objective,
        "metrics": {},
        "models": {},
        "families": {family: {} for family in plan.settings.families},
        "failures": [],
        "notes": [],
    }
    for name in SETS:
        settings = _settings(plan.settings, name, objective)
        if settings.families:
            outcome = study.run(
                settings, machine, plan.lr, plan.hr, out / name, limit=limit, workers=workers, track=track
            )
            result["failures"] += [f"{f.family} {f.case} {f.arm}: {f.why}" for f in outcome.failures]
            what = subjects.of_run(outcome.folder, _stored(outcome.folder, settings))
            scores = evaluate.measure(what, machine, workers, track, outcome.folder.journal)
            scorefile.write(outcome.folder.root / "scores.csv", scores)
            _add(result, name, plan, outcome.folder, settings, what, scores)
    images.write_bytes(out / "headroom.json", as_json(result))
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
    result["metrics"] |= summary["metrics"]
    result["models"] |= summary["models"]
    result["notes"] = list(dict.fromkeys([*result["notes"], *what.notes, *_unavailable(summary)]))
    for family in summary["families"].keys() & settings.families.keys():  # the folder may hold others, from before
        found = _family(family, folder, what, numbers, summary, result["objective"])
        found["knobs"] = list(settings.offered(family))
        if plan.beside is not None:
            found["caught"] = _caught(family, plan.beside, what, numbers, result["objective"])
        result["families"][family][name] = found


# ------------------------------------------------------------------- the runs


def _objective(settings: Settings) -> str:
    own = config.with_arms(settings, [ARM]).arms[ARM]
    if own.auditor != "oracle":
        raise InputError(f"The settings define the arm {ARM} with the auditor {own.auditor}: headroom needs oracle.")
    return str(own.settings.get("objective", "psnr"))


def _settings(settings: Settings, name: str, objective: str) -> Settings:
    """The oracle's arm alone, with the knobs of one set; families in which the set adds nothing are left out."""
    settings = config.with_arms(settings, [ARM])
    kept = {}
    for family in settings.families:
        every = preview.known(settings, family)
        plain = [knob for knob, declared in every.items() if not declared.deep]
        if name == "paper" and plain:
            kept[family] = config.with_knobs(settings, family, plain).families[family]
        elif name == "deep" and len(every) > len(plain):
            kept[family] = config.with_knobs(settings, family, every).families[family]
    metrics = tuple(dict.fromkeys([*settings.metrics, objective]))
    return settings.model_copy(update={"families": kept, "metrics": metrics})


def _unavailable(summary: Mapping[str, Any]) -> list[str]:
    return [
        f"{summary['metrics'][name]['label']}: {why}"
        for metrics in summary["families"].values()
        for name, entry in metrics.items()
        for why in entry["why_na"]
    ]


# --------------------------------------------------------------- what it shows


def _family(
    family: str, folder: RunFolder, what: Evaluation, numbers: Numbers, summary: Mapping[str, Any], objective: str
) -> dict[str, Any]:
    """Gains for each metric, and the knobs that carry the gain of the objective."""
    effects = {name: entry["arms"].get(ARM, {"n": 0}) for name, entry in summary["families"][family].items()}
    deltas = numbers.deltas(family, objective, ARM)
    done = [trail for s in what.subjects if s.family == family and (trail := s.trail) and ARM in trail.arms]
    chosen = {trail.case: _applied(trail) for trail in done}
    sign = 1 if what.metrics[objective].better == "higher" else -1
    carriers: dict[str, dict[str, Any]] = {}
    for knob in sorted({knob for knobs in chosen.values() for knob in knobs}):
        cases = [case for case, knobs in chosen.items() if knob in knobs]
        gains = [sign * deltas[case] for case in cases if case in deltas]
        alone = [
            sign * gain for case in cases if (gain := _alone(folder, family, case, knob, chosen[case])) is not None
        ]
        share = round(len(cases) / len(done), 4)
        carriers[knob] = {"cases": len(cases), "share": share, "gain": _mean(gains), "alone": _mean(alone)}
    return {
        "cases": len(done),
        "changed": sum(bool(knobs) for knobs in chosen.values()),
        "gains": {m: {key: e.get(key) for key in ("n", "delta", "low", "high")} for m, e in effects.items()},
        "carriers": dict(sorted(carriers.items(), key=lambda item: -int(item[1]["cases"]))),
    }


def _applied(trail: Trail) -> dict[str, KnobValue]:
    """What the oracle turned, and where to."""
    steps = [step.decision.applied for step in trail.arms[ARM] if step.decision]
    return {knob: value for applied in steps for knob, value in applied.items()}


def _alone(folder: RunFolder, family: str, case: str, knob: str, chosen: Mapping[str, KnobValue]) -> float | None:
    """What one knob of the chosen setting changed the objective by when the oracle tried it by itself."""
    record = folder.exchange(family, ARM, case, 1) or {}
    tried = next((trial["value"] for trial in record.get("tried", ()) if trial["knobs"] == {knob: chosen[knob]}), None)
    return None if tried is None or record.get("current") is None else float(tried - record["current"])


def _mean(values: Sequence[float]) -> float | None:
    return round(fmean(values), 6) if values else None


def _caught(family: str, beside: RunFolder, what: Evaluation, numbers: Numbers, objective: str) -> dict[str, Any]:
    """Which share of the oracle's gain each arm of a finished run caught, on the cases that both restored alike."""
    theirs = Numbers(scorefile.read(beside.root / "scores.csv"))
    if not any(s.metric == objective for s in theirs.scores):
        raise InputError(
            f"{beside.root} has no scores for {objective}. Measure them: "
            f"fsrbench evaluate {beside.root} --set metrics={objective}"
        )
    marks = subjects.of_run(beside, _stored(beside)).marks
    best = numbers.deltas(family, objective, ARM)
    pure = {s.case: trail.pure.sha256 for s in what.subjects if s.family == family and (trail := s.trail)}
    persons = summarising.persons_of(what)
    trails = [trail for trail in beside.trails() if trail.family == family]
    alike = {trail.case for trail in trails if pure.get(trail.case) == trail.pure.sha256}
    if trails and not alike:
        raise InputError(
            f"{beside.root} has no case in family {family} whose pure restoration is the one made here: its inputs, "
            "networks or seed differ. Leave out --config and --set, so that the run's own settings are used."
        )
    caught = {}
    for arm in sorted({arm for trail in trails for arm in trail.arms}):
        own = theirs.deltas(family, objective, arm)
        both = sorted(own.keys() & best.keys() & alike)
        members = [persons[case] for case in both] if persons else None
        effect = stats.paired([own[case] for case in both], what.metrics[objective].better, clusters=members)
        ends = {end: None if (value := getattr(effect, end)) is None else round(value, 6) for end in ("low", "high")}
        delta, upper = _mean([own[case] for case in both]), _mean([best[case] for case in both])
        share = round(delta / upper, 4) if delta is not None and upper else None
        mark = marks.get(arm, "")
        caught[arm] = {"n": effect.n, "delta": delta, **ends, "oracle": upper, "share": share, "mark": mark}
    return caught
