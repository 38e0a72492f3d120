"""A certificate for an arm: how far it may be followed so that the chance of harm is bounded, found on others' faces.

The faces are degraded into a folder beside the certificate, and the arm is run there as in any study: what failed is
taken up again, what was paid for is kept. Then points on the way from pure to its pictures are measured against the
faces. The prediction of how far it is safe is fitted to some persons, and its offset found on others.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fsrbench import __version__
from fsrbench.case import degrade, pathfeatures
from fsrbench.case.certificate import FORMAT, Certificate, RadiusPrediction, SeenHarm, sealed
from fsrbench.case.restore import Pipeline
from fsrbench.core import execute
from fsrbench.core.contracts import Machine, Metric
from fsrbench.core.errors import CostLimitReached, InputError, SettingsError
from fsrbench.core.stored import to_json
from fsrbench.core.values import PURE
from fsrbench.experiments import certifybench
from fsrbench.experiments.certifybench import STEPS, CertifyPlan, Groups, PathBench, PathJob
from fsrbench.experiments.measuring import Measuring, PictureNumbers
from fsrbench.experiments.tunebench import FaceDraw
from fsrbench.files import atomic
from fsrbench.files.journal import Journal
from fsrbench.measure import certifying
from fsrbench.measure.certifying import MeasuredPath
from fsrbench.measure.radius import safe_radius
from fsrbench.study import certificates, config, families, networks, record
from fsrbench.study.run import run_study
from fsrbench.study.store import RunFolder, as_json


def working(out: Path) -> Path:
    """The folder beside a certificate in which its arm was run."""
    return out.with_name(f"{out.name}.work")


def run(
    plan: CertifyPlan, machine: Machine, out: Path, *, workers: int = 1, track: execute.Track = execute.untracked
) -> Certificate:
    """Certify the arm and write the certificate to `out`; what was done before an interrupt is taken over."""
    plan = _alone(plan)
    notes: list[str] = []
    opened = certifybench.open_metrics(plan, machine, notes)
    metrics = {name: metric for name, (metric, _) in opened.items()}
    groups = certifybench.groups(plan, notes)
    pipeline = networks.pipeline(plan.family, plan.settings, machine)
    cases = groups.cases()
    folder, lr, failed = _restored(plan, machine, cases, working(out), workers, track, notes)
    features, scorers = pathfeatures.open_features(machine), {name: scorer for name, (_, scorer) in opened.items()}
    bench = PathBench(folder, plan.settings, lr, metrics, scorers, features)
    work = Measuring(bench.measure, Journal(working(out)), _identity(plan, machine), workers, track)
    allowed = certifybench.allowed(plan, metrics)
    found = _measured(plan, bench, work, cases, failed, allowed)
    paths = {name: _of(group, found) for name, group in (("fit", groups.fit), ("calibration", groups.calibration))}
    notes += [*work.notes(), *_left_out(groups, paths)]
    bound = _bound(plan, paths["fit"], paths["calibration"], notes)
    result = _certificate(plan, pipeline, groups, bound, allowed, notes)
    atomic.write_named(out, as_json(to_json(result)))
    return result


def _alone(plan: CertifyPlan) -> CertifyPlan:
    """The plan with its arm under no certificate; what cannot be certified is refused before any work is done."""
    for name, value in (("--alpha", plan.alpha), ("--delta", plan.delta)):
        if value is not None and not 0 < value < 1:
            raise SettingsError(f"{name} is {value:g}; a chance is between 0 and 1.")
    if plan.draws < 1:
        raise SettingsError(f"--draws is {plan.draws}; it must be at least 1.")
    if not all(math.isfinite(loss) and loss >= 0 for loss in plan.allowed.values()):
        raise SettingsError("--allow: what a metric may lose is a number from 0 on, e.g. psnr=0.01.")
    arm = plan.settings.arms[plan.arm]
    if not arm.follows("certified"):
        raise SettingsError(
            f"Arm {plan.arm} sees the reference, or is there to show noise, and cannot be certified. Name another one."
        )
    if arm.takes("model") and not arm.settings.get("model"):
        raise SettingsError(
            f"Arm {plan.arm} does not say which model it asks, and a certificate holds for one: add --set "
            f"arms.{plan.arm}.model=NAME."
        )
    settings = config.without_certificate(plan.settings, plan.arm)
    families.check(settings)
    return replace(plan, settings=settings)


def _restored(
    plan: CertifyPlan,
    machine: Machine,
    cases: Mapping[str, FaceDraw],
    work: Path,
    workers: int,
    track: execute.Track,
    notes: list[str],
) -> tuple[RunFolder, Path, dict[str, str]]:
    """The arm's run on every input, where those are, and case → arm for what failed."""
    settings = plan.settings
    faces, lr = work / "hr", work / f"lr-{plan.recipe}"
    certifybench.linked(cases, faces)
    made = degrade.degrade(
        faces, lr, recipe=plan.recipe, scale=settings.scale, hr_size=settings.hr_size, seed=settings.seed,
        workers=workers, max_pixels=settings.limits.max_pixels, max_bytes=settings.limits.max_bytes, track=track,
    )  # fmt: skip
    if made.failed:
        case, why = made.failed[0]
        notes.append(f"{len(made.failed)} inputs could not be made, {case} among them: {why}")
    outcome = run_study(settings, machine, lr, faces, work / "run", workers=workers, track=track)
    if outcome.stopped:
        raise CostLimitReached(f"{outcome.stopped} Nothing is certified before the arm has seen everybody.")
    failed = {failure.case: failure for failure in outcome.failures if failure.case in cases}
    if failed:
        first = min(failed.values(), key=lambda failure: failure.case)
        notes.append(
            f"The arm failed on {len(failed)} of {len(cases)} inputs, {first.case} among them: {first.why} A "
            "calibration person on whom it failed counts as harmed, however far it would be followed."
        )
    return outcome.folder, lr, {case: failure.arm for case, failure in failed.items()}


@dataclass(frozen=True, slots=True)
class FoundBound:
    """What bounds an arm."""

    prediction: RadiusPrediction
    """How far a case may be followed."""
    offset: float | None
    """What is taken off that; None where nothing need be."""
    persons: int
    """Calibration persons that counted."""
    seen: SeenHarm
    """What it does to them."""


def _bound(
    plan: CertifyPlan, fit: Sequence[MeasuredPath], calibration: Sequence[MeasuredPath], notes: Sequence[str]
) -> FoundBound:
    """Fit the prediction to some persons, and find its offset on the others."""
    counted = list(calibration) if plan.delta is not None else certifying.first_draws(calibration)
    persons, least = len({path.person for path in counted}), certifying.needed(plan.alpha, plan.delta)
    if persons < least:
        raise InputError(
            f"Only {persons} calibration persons could be measured, and {least} are needed. {'. '.join(notes)}. "
            "Name more faces: --hr."
        )
    prediction = certifying.fit(fit)
    offset: float | None
    if plan.delta is None:
        offset = certifying.conformal_offset(counted, prediction, STEPS, plan.alpha)
    else:
        offset = certifying.tested_offset(counted, prediction, STEPS, plan.alpha, plan.delta)
    return FoundBound(prediction, offset, persons, certifying.seen(counted, prediction, offset, STEPS))


def _certificate(
    plan: CertifyPlan,
    pipeline: Pipeline,
    groups: Groups,
    bound: FoundBound,
    allowed: dict[str, float],
    notes: Sequence[str],
) -> Certificate:
    """All of it, sealed."""
    settings = plan.settings
    return sealed(
        Certificate(
            format=FORMAT,
            family=settings.kind(plan.family),
            arm=certificates.deciding(settings, plan.family, plan.arm, settings.arms[plan.arm].policy),
            knobs=tuple(settings.offered(plan.family)),
            prompt=certificates.prompt(settings, plan.family, plan.arm),
            model=", second ".join(net.model for net in (pipeline.restorer, pipeline.second) if net),
            weights=pipeline.weights,
            recipe=plan.recipe,
            scale=settings.scale,
            hr_size=settings.hr_size,
            seed=settings.seed,
            method="conformal" if plan.delta is None else "learn-then-test",
            alpha=plan.alpha,
            delta=plan.delta,
            persons=bound.persons,
            offset=bound.offset,
            steps=STEPS,
            metrics=allowed,
            prediction=bound.prediction,
            fitted=_hashes(groups.fit),
            calibrated=_hashes(groups.calibration),
            seen=bound.seen,
            versions={"fsrbench": __version__, **{name: record.version(name) for name in record.PACKAGES}},
            notes=tuple(notes),
        )
    )


def _measured(
    plan: CertifyPlan,
    bench: PathBench,
    work: Measuring[PathJob],
    cases: Mapping[str, FaceDraw],
    failed: Mapping[str, str],
    allowed: Mapping[str, float],
) -> dict[FaceDraw, MeasuredPath]:
    """What was found of every input of which all could be measured that must be, and of those where the arm failed."""
    found = {cases[case]: MeasuredPath(cases[case].person, None) for case, arm in failed.items() if arm != PURE}
    jobs = []
    for case, face in cases.items():
        trail = bench.folder.trail(plan.family, case)
        if trail is None or plan.arm not in trail.arms:
            continue
        if trail.final(plan.arm).sha256 == trail.pure.sha256:  # nothing follows, so every step is pure itself
            found[face] = MeasuredPath(face.person, STEPS[-1], proposed=False)
        else:
            jobs.append(PathJob(case, face, trail, plan.arm, (*bench.metrics, *pathfeatures.NAMES)))
    numbers = work.measured("measure", jobs)
    for job in jobs:
        if all(job.key(0) in numbers[name] for name in bench.metrics):
            features = {name: numbers[name].get(job.key(0), math.nan) for name in pathfeatures.NAMES}
            known = {name: value for name, value in features.items() if math.isfinite(value)}
            radius = safe_radius(STEPS, _losses(bench.metrics, numbers, job), allowed)
            found[job.face] = MeasuredPath(job.face.person, radius, features=known)
    return found


def _losses(
    metrics: Mapping[str, Metric], numbers: Mapping[str, PictureNumbers], job: PathJob
) -> dict[str, list[float | None]]:
    """Metric → by how much each step is worse than pure."""
    losses: dict[str, list[float | None]] = {}
    for name, metric in metrics.items():
        sign, own = (1 if metric.better == "higher" else -1), numbers[name]
        there = [own.get(job.key(step)) for step in STEPS]
        losses[name] = [None if value is None else sign * (own[job.key(0)] - value) for value in there]
    return losses


def _of(group: Sequence[FaceDraw], found: Mapping[FaceDraw, MeasuredPath]) -> list[MeasuredPath]:
    return [found[face] for face in group if face in found]


def _left_out(groups: Groups, paths: Mapping[str, Sequence[MeasuredPath]]) -> list[str]:
    """How many persons nothing is known of; nothing where that is nobody."""
    told = []
    for name, group in (("fit", groups.fit), ("calibration", groups.calibration)):
        lost = {face.person: face.path.name for face in group}
        for path in paths[name]:
            lost.pop(path.person, None)
        if lost:
            names = ", ".join(lost.values())
            told.append(f"{len(lost)} persons of the {name} could not be measured and are left out: {names}")
    return told


def _hashes(group: Sequence[FaceDraw]) -> tuple[str, ...]:
    return tuple(sorted({face.sha256 for face in group}))


def _identity(plan: CertifyPlan, machine: Machine) -> str:
    """What decides every number beside the pictures."""
    chosen = plan.settings.model_dump(mode="json", include={"scale", "hr_size", "faces", "limits"})
    where = [machine.device.partition(":")[0], machine.precision]
    told = [__version__, chosen, where, {name: record.version(name) for name in record.PACKAGES}]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
