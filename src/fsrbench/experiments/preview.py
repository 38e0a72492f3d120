"""What would be turned and what would be sent, without a run: the work behind `fsrbench knobs` and `fsrbench prompt`.

Both use the pipeline and the loop that a run uses, so what they say is what a run does. Nothing is sent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from fsrbench.asking import audit
from fsrbench.case import evidence, liveness
from fsrbench.case.restore import Pipeline
from fsrbench.core import contracts, execute, passes, plugins
from fsrbench.core.contracts import Knob, Machine
from fsrbench.core.errors import FsrbenchError, InputError
from fsrbench.core.near import near
from fsrbench.core.values import Case, Image, derive_seed
from fsrbench.experiments.listener import Listener
from fsrbench.imaging import images
from fsrbench.study import config, families, inputs, networks, schema
from fsrbench.study.schema import Settings
from fsrbench.study.store import RunFolder

MEASURES = ("psnr", "niqe", "arcface")
"""Metrics whose movement is told beside that of the pixels."""


# ---------------------------------------------------------------------- knobs


def knobs(
    settings: Settings,
    machine: Machine,
    lr: Path | None,
    hr: Path | None,
    limit: int = liveness.PICTURES,
    track: execute.Track = execute.untracked,
) -> dict[str, Any]:
    """Every knob of every family with its bounds and meaning and, where there are pictures, what it moves on them."""
    every = inputs.pair(lr, hr)[0] if lr is not None else []
    cases = every[:limit]
    notes: list[str] = [] if cases else ["No pictures were given, so no knob was tried. Name a folder with --lr."]
    measures = _measures(replace(machine, offline=True), notes) if cases else {}  # no download to list knobs
    families = {}
    for family in track("knobs", settings.families, len(settings.families)):
        own = known(settings, family)
        offered = settings.offered(family)
        told: dict[str, Any] = {"backend": settings.families[family].backend, "cases": [case.id for case in cases]}
        moved: dict[str, liveness.Movement] = {}
        if cases:
            acting = able(settings, family)
            pipeline = open_pipeline(settings, family, acting, machine)
            told["model"] = pipeline.restorer.model
            specimens = [_specimen(settings, family, case) for case in cases]
            special = _special(settings, family, machine, acting, every)
            untried = liveness.Movement((), liveness.Trial(0, 0, passes.no_second(family).removesuffix(".")))
            moved = {**dict.fromkeys(own, untried), **liveness.probe(pipeline, specimens, measures, special)}
        told["knobs"] = {name: _told(knob, name in offered, moved.get(name)) for name, knob in own.items()}
        families[family] = told
    labels = {name: plugins.load("metrics", name).label for name in measures}
    return {"families": families, "metrics": labels, "notes": notes}


def known(settings: Settings, family: str) -> dict[str, Knob]:
    """All knobs of a family, the deeper hooks too, and those that the settings offer in it."""
    every = {name: settings.knob(family, name) for name in plugins.names("knobs")}
    offered = settings.offered(family)
    return {name: knob for name, knob in every.items() if settings.kind(family) in knob.families or name in offered}


def able(settings: Settings, family: str) -> dict[str, Knob]:
    """Those of them that can be offered: without a second network, nobody has an opinion."""
    lacking = {passes.SECOND_OPINION} if settings.families[family].second is None else set()
    return {name: knob for name, knob in known(settings, family).items() if name not in lacking}


def _told(knob: Knob, offered: bool, movement: liveness.Movement | None) -> dict[str, Any]:
    """One knob, JSON-ready."""
    about = {
        "stage": knob.stage,
        "families": list(knob.families),
        "default": knob.default,
        "low": knob.low,
        "high": knob.high,
        "choices": list(knob.choices),
        "deep": knob.deep,
        "offered": offered,
        "meaning": knob.meaning,
    }
    if movement is None:
        return {**about, "dead": None, "why": "", "pictures": 0, "told": "", "ends": []}
    ends, trial = [asdict(end) for end in movement.ends], movement.trial
    dead = movement.dead if trial.pictures else None
    return {**about, "dead": dead, "why": trial.why, "pictures": trial.pictures, "told": trial.told("it"), "ends": ends}


def _measures(machine: Machine, notes: list[str]) -> dict[str, liveness.Measure]:
    """The metrics; one that cannot run here is None for every picture, and why is noted."""
    return {name: _measure(plugins.load("metrics", name), machine, notes) for name in MEASURES}


def _measure(metric: contracts.Metric, machine: Machine, notes: list[str]) -> liveness.Measure:
    try:
        scorer = metric.open(machine)
    except FsrbenchError as error:
        notes.append(f"{metric.label}: {error}")
        return lambda _image, _reference: None

    def measure(image: Image, reference: Image | None) -> float | None:
        if metric.reference and reference is None:
            return None
        try:
            return float(scorer([image], reference)[0])
        except FsrbenchError as error:  # of this picture it cannot be had: too small, no face
            if (note := f"{metric.label}: {error}") not in notes:
                notes.append(note)
            return None

    return measure


def open_pipeline(settings: Settings, family: str, own: Mapping[str, Knob], machine: Machine) -> Pipeline:
    """A family's network with these knobs, for one picture after another."""
    backend: contracts.Backend = plugins.load("backends", settings.families[family].backend)
    restorer = backend.open(settings.backend_settings(family), machine)
    second = networks.second(family, settings, machine)
    return Pipeline(restorer, own, settings.scale, machine.precision, second=second)


def _special(
    settings: Settings, family: str, machine: Machine, own: Mapping[str, Knob], cases: list[Case]
) -> dict[str, list[liveness.Specimen] | str]:
    """Pictures for knobs that need pictures of a kind, or why there are none."""
    names = liveness.choosy(own, plugins.load("backends", settings.families[family].backend))
    if not names:
        return {}
    bounds = settings.limits.of_pictures()
    found = liveness.several_faces(cases, lambda case: images.read(case.lr, **bounds), settings.scale, machine)
    return dict.fromkeys(names, found if isinstance(found, str) else [_specimen(settings, family, found[0])])


def _specimen(settings: Settings, family: str, case: Case) -> liveness.Specimen:
    bounds = settings.limits.of_pictures()
    lr = images.read(case.lr, **bounds)
    target = (lr.shape[0] * settings.scale, lr.shape[1] * settings.scale)
    reference = inputs.reference(case.hr, target, settings.hr_size, **bounds) if case.hr else None
    return liveness.Specimen(lr, derive_seed(settings.seed, settings.kind(family), case.id), reference)


# --------------------------------------------------------------------- prompt


def question(settings: Settings, machine: Machine, family: str, lr: Path, case: str | None = None) -> dict[str, Any]:
    """What an LVLM would be sent in its first round about one case (the first where none is named), JSON-ready.

    Nothing is downloaded for it: what a run would measure with files that are not here stands in `missing`.
    """
    machine = replace(machine, offline=True)
    settings = config.with_families(settings, [family])
    settings = settings.model_copy(update={"arms": {"lvlm": schema.Arm(auditor="openai")}})
    chosen = _choose(inputs.pair(lr, None)[0], case, lr)
    listener = Listener()
    tools = evidence.open_tools(machine)
    opened = families.open_family(family, settings, machine, {"lvlm": listener}, tools, RunFolder(Path()))
    image = images.read(chosen.lr, **settings.limits.of_pictures())
    pure = opened.pipeline.restore(image, {}, derive_seed(settings.seed, settings.kind(family), chosen.id))
    sent = audit.task(listener.heard(opened, "lvlm", chosen, image, pure))
    return {
        "family": family,
        "case": chosen.id,
        "model": opened.pipeline.restorer.model,
        "prompt": sent.prompt,
        "pictures": [
            {"label": one.label, "width": one.image.shape[1], "height": one.image.shape[0], **_png(one.image)}
            for one in sent.pictures
        ],
        "schema": sent.schema,
        "missing": tools.missing,
    }


def _choose(cases: list[Case], name: str | None, lr: Path) -> Case:
    if name is None:
        return cases[0]
    found = next((case for case in cases if case.id == name), None)
    if found is None:
        hint = near(name, (case.id for case in cases))
        raise InputError(f"There is no picture {name!r} in {lr}.{hint}")
    return found


def _png(picture: Image) -> dict[str, Any]:
    """Size and hash of the file that is sent."""
    data = images.encode(picture)
    return {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
