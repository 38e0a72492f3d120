"""How much could any auditor gain with the knobs there are? The oracle's arm, measured: the upper bound.

An oracle bounds the metric that it goes by and no other. So for each family and each set of knobs (the paper's, and
with the deeper hooks) one oracle for each metric runs as an arm of an ordinary study, into a folder of its own, and is
measured as any arm is; what one of them measured of a setting, the others take over. What comes out is the paired gain
of each in its own metric with its interval, the knobs that carry it, and, beside a finished run, which share of it
each of that run's arms caught: that is worked out in `gains.py`. An oracle saw the reference: none of this is a
contender's result. How it looks is in `overviews.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fsrbench.case import evidence
from fsrbench.core import execute, order, plugins
from fsrbench.core.contracts import Machine, Metric
from fsrbench.core.errors import FsrbenchError, InputError
from fsrbench.core.stored import to_json
from fsrbench.core.values import Score
from fsrbench.experiments import gains, preview, reachable
from fsrbench.experiments.reachable import Features
from fsrbench.files import atomic
from fsrbench.measure import evaluate, subjects
from fsrbench.measure import scores as scorefile
from fsrbench.measure import summary as summarising
from fsrbench.measure.results import Numbers
from fsrbench.measure.subjects import Evaluation
from fsrbench.measure.summary_values import Summary
from fsrbench.study import config, schema
from fsrbench.study.run import run_study
from fsrbench.study.schema import Settings
from fsrbench.study.store import RunFolder, as_json

SETS = ("paper", "deep")
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
    tools = evidence.open_tools(machine)

    def look(folder: RunFolder, family: str, what: Evaluation) -> Features:
        return reachable.seen(folder, family, what, tools, workers, track)

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
            _add(result, name, plan, outcome.folder, settings, what, scores, look)
    atomic.write_bytes(out / "headroom.json", as_json(to_json(result)))
    return result


def _stored(folder: RunFolder, own: Settings) -> Settings:
    """A finished run's settings, with our own metrics."""
    stored = config.stored(folder.study()["settings"], folder.study_file)
    return stored.model_copy(update={"metrics": own.metrics})


def _add(
    result: dict[str, Any],
    name: str,
    plan: Plan,
    folder: RunFolder,
    settings: Settings,
    what: Evaluation,
    scores: Sequence[Score],
    look: Callable[[RunFolder, str, Evaluation], Features],
) -> None:
    """Put what one set of knobs showed into the result."""
    numbers = Numbers(scores)
    summary = summarising.summarise(what, numbers)
    result["metrics"] |= summary.metrics
    result["models"] |= summary.models
    told = (*what.about_metrics.values(), *what.notes, *_unavailable(summary))
    result["notes"] = list(dict.fromkeys([*result["notes"], *told]))
    beside = gains.Beside.read(plan.beside) if plan.beside is not None else None
    if beside is not None and not any(map(beside.measured, result["objectives"])):
        lacking = ",".join(result["objectives"])
        raise InputError(
            f"{beside.folder.root} has no scores for {lacking}. Measure them: "
            f"fsrbench evaluate {beside.folder.root} --set metrics={lacking}"
        )
    for family in order.families(
        summary.families.keys() & settings.families.keys()
    ):  # of a run before there may be others
        found, features, persons = {}, look(folder, family, what), summarising.persons_of(what)
        for objective in result["objectives"]:
            own, metric = gains.arm(objective), what.metrics[objective]
            best = numbers.deltas(family, objective, own)
            could = reachable.of(reachable.Tried.read(folder, family, own, metric, best, persons), features)
            found[objective] = gains.bound(family, folder, what, numbers, summary, objective)
            found[objective] |= {name: one and one.told for name, one in could.items()}
            if beside is not None and beside.measured(objective):
                most = reachable.predictable(metric, could)
                found[objective]["caught"] = gains.caught(family, beside, what, numbers, objective, most)
        cases = max(entry["cases"] for entry in found.values())
        result["families"][family][name] = {
            "cases": cases, "knobs": list(settings.offered(family)), "objectives": found
        }  # fmt: skip


# ------------------------------------------------------------------- the runs


def _objectives(settings: Settings, machine: Machine, notes: list[str]) -> tuple[str, ...]:
    """The oracle's own objective and the run's metrics, as far as they can be computed; why others cannot is noted."""
    own = config.with_arms(settings, [gains.ARM]).arms[gains.ARM]
    if own.auditor != "oracle":
        raise InputError(
            f"The settings define the arm {gains.ARM} with the auditor {own.auditor}: headroom needs oracle."
        )
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
    own = config.with_arms(settings, [gains.ARM]).arms[gains.ARM].model_dump()
    arms = {
        gains.arm(one): schema.Arm.model_validate({**own, "objective": one, "beside": list(objectives)})
        for one in objectives
    }
    kept = {}
    for family in settings.families:
        every = preview.able(settings, family)
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
