"""What a constant is tuned with: faces degraded in memory, restored with some settings, measured against themselves."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fsrbench.case import degrade
from fsrbench.case.restore import Pipeline
from fsrbench.core import plugins
from fsrbench.core.contracts import Machine, Metric, Recipe
from fsrbench.core.errors import FsrbenchError, InputError
from fsrbench.core.values import Image, derive_seed
from fsrbench.experiments.tunegrid import Setting
from fsrbench.imaging import images
from fsrbench.measure import case_tables
from fsrbench.measure.scorers import Scorer
from fsrbench.study import networks
from fsrbench.study.schema import Settings

METRICS = ("psnr", "ssim", "niqe", "arcface")
"""What is measured of the constant, beside the objective."""
TOGETHER = 8
"""Pictures that are measured at once: what belongs to the reference is computed once for them."""


@dataclass(frozen=True, slots=True)
class TuningPlan:
    """What is tuned, and on what."""

    settings: Settings
    """Settings, in which the family offers the knobs that are tuned, and no others."""
    family: str
    """The family."""
    hr: Path
    """Folder of faces."""
    recipe: str = "paper"
    """How they are degraded."""
    draws: int = 5
    """How often each of them is."""
    objective: str = "psnr"
    """The metric that decides."""
    steps: int | None = None
    """Steps into which a knob's band is divided; None for as many as fit."""
    limit: int | None = None
    """Only the first so many pictures."""


@dataclass(frozen=True, slots=True)
class FaceDraw:
    """One degraded input: a face, and which degradation of it."""

    path: Path
    """The HR picture."""
    sha256: str
    """What is in its file."""
    person: str
    """Who is on it."""
    draw: int
    """Which degradation."""

    def key(self, setting: Setting) -> str:
        """What tells a restoration of it from all others of one tuning."""
        return f"{self.sha256} {self.draw} {json.dumps(setting, sort_keys=True)}"


@dataclass(frozen=True, slots=True)
class TuningJob:
    """What is to be measured of one input."""

    face: FaceDraw
    """The input."""
    settings: Sequence[Setting]
    """Settings that it is restored with."""
    metrics: Sequence[str]
    """What is measured of each."""

    def numbers(self) -> Iterator[tuple[str, str]]:
        """(metric, key of the picture) of every number."""
        return ((name, self.face.key(setting)) for name in self.metrics for setting in self.settings)


@dataclass(frozen=True, slots=True)
class Bench:
    """Everything that is opened. Many threads may measure."""

    plan: TuningPlan
    """What is tuned."""
    pipeline: Pipeline
    """The family's networks, with the knobs that are tuned."""
    recipe: Recipe
    """How inputs are made."""
    metrics: Mapping[str, Metric]
    """What is measured, the objective first."""
    scorers: Mapping[str, Scorer]
    """The same, opened."""

    def measure(self, job: TuningJob) -> tuple[dict[str, dict[str, float]], dict[str, str]]:
        """Metric → key → number; and what could not be had → why. What is not finite is no number."""
        found: dict[str, dict[str, float]] = {name: {} for name in job.metrics}
        lacking: dict[str, str] = {}
        try:
            reference, lr, seed = self._made(job.face)
            pipeline = self.pipeline.for_case()
            for start in range(0, len(job.settings), TOGETHER):
                some = job.settings[start : start + TOGETHER]
                pictures = [pipeline.restore(lr, setting, seed).image for setting in some]
                keys = [job.face.key(setting) for setting in some]
                for name in job.metrics:
                    try:
                        values = self.scorers[name](pictures, reference if self.metrics[name].reference else None)
                    except FsrbenchError as error:  # of this face it cannot be had
                        lacking[self.metrics[name].label] = f"{job.face.path.name} among them: {error}"
                        continue
                    found[name] |= {k: float(v) for k, v in zip(keys, values, strict=True) if math.isfinite(v)}
        except FsrbenchError as error:
            lacking["A number"] = f"{job.face.path.name} among them: {error}"
        return found, lacking

    def _made(self, face: FaceDraw) -> tuple[Image, Image, int]:
        """Reference, input and seed. They belong to the picture's content, whatever it is called."""
        settings = self.plan.settings
        seed = derive_seed(settings.seed, settings.kind(self.plan.family), face.sha256, str(face.draw))
        rng = np.random.default_rng(derive_seed(settings.seed, "degrade", face.sha256, str(face.draw)))
        reference = degrade.standardise(images.read(face.path, **settings.limits.of_pictures()), settings.hr_size)
        lr = self.recipe.apply(reference, self.recipe.draw(rng), settings.scale)
        return reference, images.as_stored(images.check(lr, face.path.name)), seed


def open_bench(plan: TuningPlan, machine: Machine, notes: list[str]) -> Bench:
    """Load the networks and the metrics; which metric cannot be had here, and why, is noted."""
    degrade.check_sizes(plan.settings.scale, plan.settings.hr_size)
    metrics: dict[str, Metric] = {}
    scorers: dict[str, Scorer] = {}
    for name in dict.fromkeys((plan.objective, *METRICS)):
        metric: Metric = plugins.load("metrics", name)
        try:
            scorers[name] = metric.open(machine)
        except FsrbenchError as error:
            if name == plan.objective:
                raise
            notes.append(f"{metric.label}: {error}")
        else:
            metrics[name] = metric
    recipe: Recipe = plugins.load("recipes", plan.recipe)
    return Bench(plan, networks.pipeline(plan.family, plan.settings, machine), recipe, metrics, scorers)


def faces(hr: Path, clusters: Path | None, draws: int, limit: int | None) -> list[FaceDraw]:
    """Every input: each face in each draw. A person is whom the table of clusters names so, or one picture's bytes."""
    found = dict(list(images.find(hr, below=True).items())[:limit])
    if not found:
        raise InputError(f"{hr} holds no pictures ({', '.join(images.SUFFIXES)}). Name a folder of faces: --hr.")
    named = case_tables.clusters(clusters, found) or {}
    hashes = {case: hashlib.sha256(path.read_bytes()).hexdigest() for case, path in found.items()}
    once = {digest: case for case, digest in sorted(hashes.items(), reverse=True)}  # the same bytes are one face
    return [
        FaceDraw(found[case], digest, named.get(case, "").strip() or digest, draw)
        for digest, case in sorted(once.items(), key=lambda item: item[1])
        for draw in range(draws)
    ]
