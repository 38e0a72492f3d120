"""Measure saved pictures: a run's folder, or plain folders. Nothing is restored or asked here.

All variants of a case are scored together, so that what belongs to the reference is found once and every
variant gets the same crop. A number that cannot be had is missing with its reason: never zero, never filled.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

from fsrbench import execute, images, inputs, plugins
from fsrbench.config import Limits, Settings
from fsrbench.errors import FsrbenchError, InputError
from fsrbench.plugins import Machine, Metric
from fsrbench.store import RunFolder, read_csv, write_csv
from fsrbench.values import PURE, Case, Score, Trail

HEADER = ["family", "case", "arm", "metric", "value", "note"]
Scorer = Callable[[Sequence[Any], Any], Sequence[float]]


@dataclass(frozen=True)
class Subject:
    """One case of one family as it lies on disk."""

    family: str
    """Family, or the name given to plain folders."""
    case: str
    """Case id."""
    lr: Path | None
    """The input, for panels."""
    hr: Path | None
    """The reference, or None."""
    variants: dict[str, Path]
    """Arm → picture, `pure` first."""
    trail: Trail | None = None
    """What happened to it; None for plain folders."""


@dataclass(frozen=True)
class Evaluation:
    """What is measured, and on what."""

    subjects: list[Subject]
    """Everything that is compared."""
    metrics: dict[str, Metric]
    """Declared metrics by name, in the order of tables."""
    labels: dict[str, list[str]] = field(default_factory=dict)
    """Family → models that made its pictures, for tables and panels."""
    marks: dict[str, str] = field(default_factory=dict)
    """Arm → what must be said wherever it shows: privileged, noise floor."""
    notes: tuple[str, ...] = ()
    """What a reader of the numbers must know."""
    hr_size: int = 512
    """Size to which references are standardised."""
    limits: Limits = field(default_factory=Limits)
    """Bounds on what is read."""


# ------------------------------------------------------------------- subjects


def of_run(folder: RunFolder, own: Settings | None = None) -> tuple[Evaluation, Settings]:
    """What a run's folder holds, and the run's settings; with `own`, its metrics are measured instead."""
    study = folder.study()
    settings = Settings.model_validate(study["settings"])
    lr, hr = Path(study["inputs"]["lr"]), study["inputs"]["hr"]
    cases = {case.id: case for case in _cases(lr, Path(hr) if hr else None)}
    subjects = [_of_trail(folder, trail, cases) for trail in folder.trails()]
    if not subjects:
        raise InputError(f"{folder.root} holds no finished case. Run fsrbench run --out {folder.root} again.")
    labels: dict[str, list[str]] = {}
    for subject in subjects:
        if subject.trail and (model := subject.trail.pure.model) not in labels.setdefault(subject.family, []):
            labels[subject.family].append(model)
    chosen = load_metrics((own or settings).metrics)
    notes = (*_notes(own or settings), *_dead(study["dead_knobs"]))
    marks = {arm: mark for arm in settings.arms if (mark := _mark(settings, arm))}
    return Evaluation(subjects, chosen, labels, marks, notes, settings.hr_size, settings.limits), settings


def of_folders(hr: Path | None, arms: Mapping[str, Path], name: str, settings: Settings) -> Evaluation:
    """What plain folders hold: one picture a case in each, matched by file name; `pure` is the baseline."""
    if PURE not in arms:
        raise InputError("One of the folders must be the baseline: --arm pure=DIR.")
    found = {arm: images.find(folder) for arm, folder in arms.items()}
    references = images.find(hr) if hr else {}
    if not found[PURE]:
        raise InputError(f"{arms[PURE]} holds no pictures.")
    subjects = [
        Subject(
            name,
            case,
            None,
            references.get(case),
            {arm: found[arm][case] for arm in _pure_first(arms) if case in found[arm]},
        )
        for case in found[PURE]
    ]
    metrics = load_metrics(settings.metrics)
    return Evaluation(subjects, metrics, {}, {}, _notes(settings), settings.hr_size, settings.limits)


def _dead(knobs: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for family, names in knobs.items():
        if names:
            yield f"Dead knobs, which move no pixel on the {family} backend: {', '.join(names)}."


def _mark(settings: Settings, arm: str) -> str:
    if settings.arms[arm].way == "rerun":
        return "noise floor"
    return "privileged: saw the reference" if settings.privileged(arm) else ""


def _notes(settings: Settings) -> tuple[str, ...]:
    """Networks that stand in for the official ones are named."""
    recogniser = settings.faces.recogniser
    if recogniser is None or "arcface" not in settings.metrics:
        return ()
    return (f"ArcFace was computed with {recogniser.name}, which the settings name, not with the official recogniser.",)


def load_metrics(names: Sequence[str]) -> dict[str, Metric]:
    """Declared metrics by name."""
    return {name: plugins.load("metrics", name) for name in names}


def _cases(lr: Path, hr: Path | None) -> Iterable[Case]:
    """The run's inputs as far as they are still there: pictures can be measured without a reference or LR."""
    low = images.find(lr) if lr.is_dir() else {}
    high = images.find(hr) if hr and hr.is_dir() else {}
    return [Case(name, low.get(name, lr / name), high.get(name)) for name in sorted({*low, *high})]


def _of_trail(folder: RunFolder, trail: Trail, cases: Mapping[str, Case]) -> Subject:
    case = cases.get(trail.case)
    variants = {arm: folder.root / trail.final(arm).path for arm in (PURE, *trail.arms)}
    lr = case.lr if case and case.lr.is_file() else None
    return Subject(trail.family, trail.case, lr, case.hr if case else None, variants, trail)


def _pure_first(arms: Iterable[str]) -> list[str]:
    return [PURE, *(arm for arm in arms if arm != PURE)]


# -------------------------------------------------------------------- scoring


def measure(
    what: Evaluation, machine: Machine, workers: int = 1, track: execute.Track = execute.untracked
) -> list[Score]:
    """Score every variant of every subject; sorted, so that order and workers change nothing."""
    scorers = {name: _open(metric, machine) for name, metric in what.metrics.items()}
    outcomes = execute.run(partial(_measure_one, what, scorers), what.subjects, workers)
    scores = [score for found in track("evaluate", outcomes, len(what.subjects)) for score in found]
    order = {name: i for i, name in enumerate(what.metrics)}
    return sorted(scores, key=lambda s: (s.family, s.case, s.arm != PURE, s.arm, order[s.metric]))


def _open(metric: Metric, machine: Machine) -> Scorer | str:
    """The opened metric, or why there is none here."""
    try:
        return metric.open(machine)
    except FsrbenchError as error:
        return str(error)


def _measure_one(what: Evaluation, scorers: Mapping[str, Scorer | str], subject: Subject) -> list[Score]:
    """All metrics of one case, from one decode of each picture."""
    bounds = what.limits.model_dump()
    try:
        pictures = {arm: images.read(path, **bounds) for arm, path in subject.variants.items()}
    except FsrbenchError as error:
        return [Score(subject.case, subject.family, a, m, None, str(error)) for a in subject.variants for m in scorers]
    reference, lacking = None, "no reference for this case"
    if subject.hr is not None:
        try:
            reference = inputs.reference(subject.hr, pictures[PURE].shape[:2], what.hr_size, **bounds)
        except FsrbenchError as error:
            lacking = str(error)
    scores = []
    for name, scorer in scorers.items():
        note = (
            scorer if isinstance(scorer, str) else lacking if what.metrics[name].reference and reference is None else ""
        )
        values: Sequence[float | None] = [None] * len(pictures)
        if not note and not isinstance(scorer, str):
            try:
                values = scorer(list(pictures.values()), reference)
            except FsrbenchError as error:
                note = str(error)
        scores += [_score(subject, arm, name, value, note) for arm, value in zip(pictures, values, strict=True)]
    return scores


def _score(subject: Subject, arm: str, metric: str, value: float | None, note: str) -> Score:
    """A number that is no number (PSNR of identical pictures is infinite) cannot enter a mean: it is missing."""
    if value is not None and not math.isfinite(value):
        value, note = None, f"the value is {value}"
    return Score(subject.case, subject.family, arm, metric, None if value is None else round(float(value), 6), note)


# -------------------------------------------------------------------- summary


def summarise(what: Evaluation, scores: Sequence[Score], failures: Sequence[Mapping[str, str]] = ()) -> dict[str, Any]:
    """Family means and paired deltas. A delta is the mean over the cases that have both numbers."""
    values = {(s.family, s.metric, s.arm, s.case): s.value for s in scores}
    families: dict[str, Any] = {}
    for family in sorted({s.family for s in scores}):
        own = [s for s in what.subjects if s.family == family]
        arms = sorted({arm for s in own for arm in s.variants if arm != PURE})
        families[family] = {}
        for metric in what.metrics:
            pure = {s.case: values.get((family, metric, PURE, s.case)) for s in own}
            entry: dict[str, Any] = _mean(pure.values())
            entry["arms"] = {}
            for arm in arms:
                pairs = [
                    (p, v)
                    for case, p in pure.items()
                    if p is not None and (v := values.get((family, metric, arm, case))) is not None
                ]
                entry["arms"][arm] = {
                    "n": len(pairs),
                    "pure": _fmean(p for p, _ in pairs),
                    "mean": _fmean(v for _, v in pairs),
                    "delta": _fmean(v - p for p, v in pairs),
                }
            reasons = sorted({s.note for s in scores if (s.family, s.metric) == (family, metric) and s.value is None})
            entry["na"] = sum(value is None for value in pure.values())
            entry["why_na"] = reasons
            families[family][metric] = entry
    return {
        "format": 1,
        "metrics": {
            n: {"label": m.label, "better": m.better, "digits": m.digits, "unit": m.unit}
            for n, m in what.metrics.items()
        },
        "models": what.labels,
        "families": families,
        "marks": what.marks,
        "notes": list(what.notes),
        "counts": {family: _counts(family, what.subjects, failures) for family in families},
    }


def _mean(values: Iterable[float | None]) -> dict[str, Any]:
    known = [value for value in values if value is not None]
    return {"n": len(known), "pure": _fmean(known)}


def _fmean(values: Iterable[float]) -> float | None:
    known = list(values)
    return round(fmean(known), 6) if known else None


def _counts(family: str, subjects: Sequence[Subject], failures: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """What became of the cases, arm by arm: nothing that failed or could not be used hides in a mean."""
    own = [s for s in subjects if s.family == family]
    failed = [f for f in failures if f["family"] == family]
    counts: dict[str, Any] = {"cases": len(own), "failed": sum(f["arm"] == PURE for f in failed), "arms": {}}
    for arm in sorted(
        {a for s in own for a in s.variants if a != PURE} | {f["arm"] for f in failed if f["arm"] != PURE}
    ):
        rounds = [s.trail.arms[arm] for s in own if s.trail and arm in s.trail.arms]
        tokens = [step.audit.usage for steps in rounds for step in steps if step.audit]
        counts["arms"][arm] = {
            "done": sum(arm in s.variants for s in own),
            "failed": sum(f["arm"] == arm for f in failed),
            "invalid": sum(any(step.audit and step.audit.status == "invalid" for step in steps) for steps in rounds),
            "changed": sum(
                steps[-1].restoration.sha256 != s.trail.pure.sha256
                for s in own
                if s.trail
                for steps in [s.trail.arms.get(arm)]
                if steps
            ),
            "requests": sum(u.requests for u in tokens),
            "tokens": sum(u.prompt_tokens + u.completion_tokens for u in tokens),
        }
    return counts


# -------------------------------------------------------------------- storing


def write_scores(path: Path, scores: Iterable[Score]) -> None:
    """Store scores as a table."""
    write_csv(path, HEADER, ([s.family, s.case, s.arm, s.metric, s.value, s.note] for s in scores))


def read_scores(path: Path) -> list[Score]:
    """Read them back."""
    return [
        Score(r["case"], r["family"], r["arm"], r["metric"], float(r["value"]) if r["value"] else None, r["note"])
        for r in read_csv(path)
    ]
