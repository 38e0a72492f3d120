"""The best unchanging setting of a family's knobs, found on other people's faces: what whoever looks must beat.

Each picture is degraded in memory a few times, restored with every setting of a grid, and measured against itself. The
setting that is best for all together is the constant. What it gains is not read off where it was chosen: each person is
measured with the setting that all the others chose (`measure/crossfit.py`), in the objective and in what it may cost
elsewhere. What was measured is kept beside the file that will be written, until it is, so that the same command goes on
after an interrupt.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean

from fsrbench import __version__
from fsrbench.case.tuned import FORMAT, TunedConstant, TunedGain
from fsrbench.core import execute
from fsrbench.core.contracts import Machine, Metric
from fsrbench.core.errors import InputError, SettingsError
from fsrbench.core.stored import to_json
from fsrbench.experiments import tunebench, tunegrid
from fsrbench.experiments.measuring import Measuring, PictureNumbers
from fsrbench.experiments.tunebench import FaceDraw, TuningJob, TuningPlan
from fsrbench.experiments.tunegrid import Setting
from fsrbench.files import atomic
from fsrbench.files.journal import Journal
from fsrbench.measure import crossfit, stats
from fsrbench.measure.summary_values import rounded
from fsrbench.study import record
from fsrbench.study.store import as_json

LEAST = 2
"""Persons, at least."""


def run(
    plan: TuningPlan, machine: Machine, out: Path, *, workers: int = 1, track: execute.Track = execute.untracked
) -> TunedConstant:
    """Find the constant and write it to `out`; what was measured before an interrupt is taken over."""
    if plan.draws < 1:
        raise SettingsError(f"--draws is {plan.draws}; it must be at least 1.")
    notes: list[str] = []
    bench = tunebench.open_bench(plan, machine, notes)
    offered = {name: knob for name, knob in bench.pipeline.offered.items() if not knob.needs}
    objective = bench.metrics[plan.objective]
    steps = tunegrid.steps(offered, plan.steps)
    grid = tunegrid.settings(offered, steps)
    weights = bench.pipeline.weights
    parts = out.with_name(f"{out.name}.parts")
    work = Measuring(bench.measure, Journal(parts), _identity(plan, machine, weights), workers, track)
    faces = tunebench.faces(plan.hr, plan.settings.clusters, plan.draws, plan.limit)
    found = work.measured("tune", [TuningJob(face, grid, (plan.objective,)) for face in faces])[plan.objective]
    known = [face for face in faces if all(face.key(setting) in found for setting in grid)]
    gains = _gains(objective, found, known, grid)
    if len(gains) < LEAST:
        raise InputError(
            f"A constant is tuned on {LEAST} persons at least, and {plan.hr} has {len(gains)} that could be measured"
            f"{'. '.join(['', *work.notes()])}. Name a folder with more faces: --hr."
        )
    if len(gains) < crossfit.FEW:
        notes.append(f"{len(gains)} persons are few: another {len(gains)} may choose another setting.")
    best, chosen = crossfit.best(gains), crossfit.without(gains)
    own = {face: grid[chosen[face.person]] for face in known}
    every = work.measured(
        "measure", [TuningJob(face, [{}, setting], [*bench.metrics]) for face, setting in own.items()]
    )
    result = TunedConstant(
        format=FORMAT,
        family=plan.settings.kind(plan.family),
        model=", second ".join(net.model for net in (bench.pipeline.restorer, bench.pipeline.second) if net),
        weights=weights,
        recipe=plan.recipe,
        scale=plan.settings.scale,
        hr_size=plan.settings.hr_size,
        draws=plan.draws,
        seed=plan.settings.seed,
        objective=plan.objective,
        knobs=grid[best],
        searched={name: tunegrid.values(knob, steps) for name, knob in offered.items()},
        gains={name: _gained(metric, every[name], own) for name, metric in bench.metrics.items()},
        agreed=round(fmean(place == best for place in chosen.values()), 4),
        persons=tuple(sorted({face.sha256 for face in known})),
        versions={"fsrbench": __version__, **{name: record.version(name) for name in record.PACKAGES}},
        notes=(*notes, *work.notes()),
    )
    atomic.write_named(out, as_json(to_json(result)))
    shutil.rmtree(parts, ignore_errors=True)
    return result


def _identity(plan: TuningPlan, machine: Machine, weights: Mapping[str, str]) -> str:
    """What decides every number beside the face, the draw and the setting."""
    chosen = plan.settings.model_dump(mode="json", include={"seed", "scale", "hr_size", "models", "faces"})
    family = plan.settings.families[plan.family].model_dump(mode="json", exclude={"knobs"})
    where = [machine.device.partition(":")[0], machine.precision]
    told = [__version__, chosen, family, where, plan.recipe, dict(weights)]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _gains(
    metric: Metric, found: PictureNumbers, faces: Sequence[FaceDraw], grid: Sequence[Setting]
) -> dict[str, list[float]]:
    """Person → how much better than pure each setting is, in the mean over the person's inputs."""
    sign = 1 if metric.better == "higher" else -1
    rows: dict[str, list[list[float]]] = defaultdict(list)
    for face in faces:
        pure = found[face.key({})]
        rows[face.person].append([sign * (found[face.key(setting)] - pure) for setting in grid])
    return {person: [fmean(column) for column in zip(*own, strict=True)] for person, own in rows.items()}


def _gained(metric: Metric, found: PictureNumbers, own: Mapping[FaceDraw, Setting]) -> TunedGain:
    """What one metric says of each input under the setting that was chosen without its person."""
    both = [face for face, setting in own.items() if face.key({}) in found and face.key(setting) in found]
    deltas = [found[face.key(own[face])] - found[face.key({})] for face in both]
    effect = stats.paired(deltas, metric.better, clusters=[face.person for face in both])
    delta, low, high = map(rounded, (effect.delta, effect.low, effect.high))
    harmed = round((effect.changed - effect.improved) / effect.units, 4) if effect.units else None
    return TunedGain(metric.better, effect.units, delta, low, high, harmed)
