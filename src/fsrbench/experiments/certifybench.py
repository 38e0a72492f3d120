"""What an arm is certified on: faces degraded into a folder, the arm run there, and points on its way measured."""

from __future__ import annotations

import hashlib
import math
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fsrbench.case.making import between
from fsrbench.case.pathfeatures import NAMES, PathFeatures
from fsrbench.core import plugins
from fsrbench.core.contracts import Machine, Metric
from fsrbench.core.errors import FsrbenchError, InputError, SettingsError
from fsrbench.core.near import among
from fsrbench.core.values import Trail
from fsrbench.experiments import tunebench
from fsrbench.experiments.tunebench import FaceDraw
from fsrbench.imaging import images
from fsrbench.measure import certifying, harm
from fsrbench.measure.scorers import Scorer
from fsrbench.study import inputs
from fsrbench.study.schema import Settings
from fsrbench.study.store import RunFolder

STEPS = tuple(step / 8 for step in range(1, 9))
"""How far an arm may be followed: shares of the way from pure to its picture."""
METRICS = ("psnr", "ssim", "arcface")
"""In which nobody may come to harm, where nothing else is said and as far as they can be had."""


@dataclass(frozen=True, slots=True)
class CertifyPlan:
    """What is certified, on whom, and what is promised."""

    settings: Settings
    """Settings with this family and this arm alone; its policy is the one by which it proposes."""
    family: str
    """The family."""
    arm: str
    """The arm."""
    hr: Path
    """Folder of the calibration persons' faces."""
    fit: Path | None = None
    """Folder of the faces that the prediction is fitted to; None to take half of the persons of `hr`."""
    recipe: str = "paper"
    """How faces are degraded."""
    draws: int = 5
    """How often each of them is, where more than one draw counts."""
    alpha: float = 0.1
    """The share of persons that may be harmed."""
    delta: float | None = None
    """The chance that more are; None for the conformal method."""
    metrics: tuple[str, ...] = ()
    """In which nobody may come to harm; none for METRICS."""
    allowed: Mapping[str, float] = field(default_factory=dict)
    """Metric → by how much it may be worse, where that is not what is usual."""
    limit: int | None = None
    """Only the first so many pictures of a folder."""


@dataclass(frozen=True, slots=True)
class Groups:
    """Who is fitted to, and who is calibrated on."""

    fit: tuple[FaceDraw, ...]
    """Inputs of the first."""
    calibration: tuple[FaceDraw, ...]
    """Inputs of the others."""

    def cases(self) -> dict[str, FaceDraw]:
        """Every input by its case id."""
        named = {"fit": self.fit, "calibration": self.calibration}
        return {f"{group}-{images.case_id(f.path)}-{f.draw}": f for group, faces in named.items() for f in faces}


@dataclass(frozen=True, slots=True)
class PathJob:
    """What is to be measured of one input: pure, every step of the way, and the features."""

    case: str
    """Case id."""
    face: FaceDraw
    """The face it shows."""
    trail: Trail
    """What the arm did."""
    arm: str
    """The arm."""
    metrics: Sequence[str]
    """Metrics and features."""

    def key(self, step: float) -> str:
        """What tells a picture of the way from all others."""
        made = self.trail.pure.sha256, self.trail.final(self.arm).sha256
        return f"{self.face.sha256} {self.trail.lr_sha256} {' '.join(made)} {step:g}"

    def numbers(self) -> Iterator[tuple[str, str]]:
        """(metric, key of the picture) of every number."""
        for name in self.metrics:
            yield from ((name, self.key(step)) for step in ((0,) if name in NAMES else (0, *STEPS)))


@dataclass(frozen=True, slots=True)
class PathBench:
    """Everything that is opened. Many threads may measure."""

    folder: RunFolder
    """The run of the arm."""
    settings: Settings
    """Its settings."""
    lr: Path
    """Its inputs."""
    metrics: Mapping[str, Metric]
    """In which nobody may come to harm."""
    scorers: Mapping[str, Scorer]
    """The same, opened."""
    features: PathFeatures
    """What a prediction may rest on."""

    def measure(self, job: PathJob) -> tuple[dict[str, dict[str, float]], dict[str, str]]:
        """Metric → key → number; and what could not be had → why. A feature that cannot be had is no number (NaN)."""
        found: dict[str, dict[str, float]] = {}
        lacking: dict[str, str] = {}
        try:
            bounds = self.settings.limits.of_pictures()
            lr = images.read(self.lr / f"{job.case}.png", **bounds)
            pure, proposed = map(self.folder.picture, (job.trail.pure, job.trail.final(job.arm)))
            reference = inputs.reference(job.face.path, pure.shape[:2], self.settings.hr_size, **bounds)
            pictures = [pure, *(images.as_stored(between(pure, proposed, step)) for step in STEPS)]
            for name, metric in self.metrics.items():
                try:
                    values = self.scorers[name](pictures, reference if metric.reference else None)
                except FsrbenchError as error:  # of this face it cannot be had
                    lacking[metric.label] = f"{job.face.path.name} among them: {error}"
                    continue
                steps = zip((0, *STEPS), values, strict=True)
                found[name] = {job.key(step): float(value) for step, value in steps if math.isfinite(value)}
            told = self.features(lr, pure, proposed, job.trail.arms[job.arm][0].audit)
            found |= {name: {job.key(0): told.get(name, math.nan)} for name in NAMES}
        except FsrbenchError as error:
            lacking["A number"] = f"{job.face.path.name} among them: {error}"
        return found, lacking


def open_metrics(plan: CertifyPlan, machine: Machine, notes: list[str]) -> dict[str, tuple[Metric, Scorer]]:
    """The metrics in which nobody may come to harm, opened; which of the usual ones cannot be had here is noted."""
    found: dict[str, tuple[Metric, Scorer]] = {}
    for name in plan.metrics or METRICS:
        if name.partition(":")[0] not in plugins.names("metrics"):
            raise SettingsError(f"There is no metric {name!r}.{among(name, plugins.names('metrics'))}")
        metric: Metric = plugins.load("metrics", name)
        try:
            found[name] = metric, metric.open(machine)
        except FsrbenchError as error:
            if plan.metrics:
                raise
            notes.append(f"{metric.label} is not promised: {error}")
    if unknown := sorted(set(plan.allowed) - set(found)):
        raise SettingsError(f"--allow {unknown[0]}: that is no metric of the promise.{among(unknown[0], found)}")
    return found


def losses(given: Sequence[str]) -> dict[str, float]:
    """Metric → by how much it may be worse, from METRIC=LOSS."""
    found: dict[str, float] = {}
    for text in given:
        name, _, loss = text.partition("=")
        try:
            found[name] = float(loss)
        except ValueError:
            raise SettingsError(f"--allow {text}: write it as METRIC=LOSS, e.g. psnr=0.01.") from None
    return found


def allowed(plan: CertifyPlan, metrics: Mapping[str, Metric]) -> dict[str, float]:
    """Metric → by how much it may be worse than pure before that is harm."""
    return {name: plan.allowed.get(name, harm.allowed(metric)) for name, metric in metrics.items()}


def groups(plan: CertifyPlan, notes: list[str]) -> Groups:
    """Who is fitted to and who is calibrated on: refused where there are too few, or somebody is on both sides."""
    counting = plan.draws if plan.delta is not None else 1
    faces = tunebench.faces(plan.hr, plan.settings.clusters, plan.draws, plan.limit)
    least, persons = certifying.needed(plan.alpha, plan.delta), sorted({face.person for face in faces}, key=_shuffled)
    if plan.fit is not None:
        fit = tuple(tunebench.faces(plan.fit, plan.settings.clusters, plan.draws, plan.limit))
        _apart(plan, fit, faces)
        known, halves = set(persons), ""
    else:
        fit = tuple(face for face in faces if face.person in persons[: len(persons) // 2])
        known, halves = set(persons[len(persons) // 2 :]), f", which are half of the {len(persons)} persons there"
        notes.append(f"The prediction was fitted to half of the persons of {plan.hr}, by their hashes.")
    if len(known) < least:
        risk = f"alpha {plan.alpha:g}" + ("" if plan.delta is None else f" at delta {plan.delta:g}")
        raise InputError(
            f"{risk[0].upper()}{risk[1:]} takes {least} calibration persons at least, and {plan.hr} has {len(known)}"
            f"{halves}. Name more faces (--hr), others to fit on (--fit), or a larger --alpha."
        )
    calibration = tuple(face for face in faces if face.person in known and face.draw < counting)
    return Groups(fit, calibration)


def linked(cases: Mapping[str, FaceDraw], folder: Path) -> None:
    """Put every face where `degrade` finds it under the name of its case: as a link where that can be, else a copy."""
    folder.mkdir(parents=True, exist_ok=True)
    for case, face in cases.items():
        place = folder / f"{case}{face.path.suffix}"
        if place.is_file() and hashlib.sha256(place.read_bytes()).hexdigest() == face.sha256:
            continue
        place.unlink(missing_ok=True)
        try:
            os.link(face.path, place)
        except OSError:
            shutil.copyfile(face.path, place)


def _shuffled(person: str) -> str:
    return hashlib.sha256(person.encode()).hexdigest()


def _apart(plan: CertifyPlan, fit: Sequence[FaceDraw], calibration: Sequence[FaceDraw]) -> None:
    """Refuse a face, or a person, on both sides."""
    persons, faces = {face.person for face in calibration}, {face.sha256 for face in calibration}
    if both := sorted({face.path.name for face in fit if face.person in persons or face.sha256 in faces}):
        raise InputError(
            f"{', '.join(both[:3])}{', …' * (len(both) > 3)} of {plan.fit} shows somebody who is in {plan.hr}, too: "
            "whoever is calibrated on must have no part in the prediction. Take them out of one of the folders."
        )
