"""What is compared: the cases of a run's folder, or of plain folders, with everything a reader must be told of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from fsrbench import csvfile, degrade, images, plugins
from fsrbench.config import Limits, Settings
from fsrbench.errors import FsrbenchError, InputError, SettingsError, StoreError
from fsrbench.plugins import Metric
from fsrbench.store import RunFolder
from fsrbench.values import PURE, Trail

FREE = ("metrics", "faces", "hr_size", "limits", "clusters")
"""Settings of a finished run that an evaluation may change: they decide what is measured, not what was made."""


Role = Literal["contender", "control", "floor", "headroom"]
"""contender: what is tested. control: what it must beat. floor: nothing was done. headroom: it saw the reference."""
CONTROLS = ("heuristic", "random")
"""Auditors that are there to be compared with."""


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
    roles: dict[str, Role] = field(default_factory=dict)
    """Arm → what it is there for."""
    degraded: dict[str, dict[str, str]] = field(default_factory=dict)
    """Case → the row of the LR folder's `degradations.csv` that made its input; empty where nothing is known."""
    clusters: dict[str, str] | None = None
    """Case → the person it shows, where several pictures show one; None where every case is its own."""
    hr_size: int = 512
    """Size to which references are standardised."""
    limits: Limits = field(default_factory=Limits)
    """Bounds on what is read."""


def of_run(folder: RunFolder, settings: Settings, hr: Path | None = None) -> Evaluation:
    """What a run's folder holds. `settings` are the run's own, but for those in FREE; `hr` is where its HR are now."""
    study = folder.study()
    made_with = Settings.model_validate(study["settings"])
    for key in sorted(set(Settings.model_fields) - set(FREE)):
        if getattr(settings, key) != getattr(made_with, key):
            raise SettingsError(f"{key} belongs to the finished run and cannot be changed now; {', '.join(FREE)} can.")
    trails = list(folder.trails())
    if not trails:
        raise InputError(f"{folder.root} holds no finished case. Run fsrbench run --out {folder.root} again.")
    lr = Path(study["inputs"]["lr"])
    inputs = images.find(lr) if lr.is_dir() else {}
    references = _references(study["inputs"]["hr"], hr)
    degraded, unknown = _degraded(lr)
    subjects = []
    labels: dict[str, list[str]] = {}
    for trail in trails:
        variants = {arm: folder.root / trail.final(arm).path for arm in (PURE, *trail.arms)}
        subjects.append(
            Subject(trail.family, trail.case, inputs.get(trail.case), references.get(trail.case), variants, trail)
        )
        models = labels.setdefault(trail.family, [])
        if trail.pure.model not in models:
            models.append(trail.pure.model)
    return Evaluation(
        subjects,
        load_metrics(settings.metrics),
        labels,
        marks={arm: mark for arm in settings.arms if (mark := _mark(settings, arm))},
        notes=(*_notes(settings), *_dead(study["dead_knobs"]), *_canaries(folder, settings), *unknown),
        roles={arm: _role(settings, arm) for arm in settings.arms},
        degraded=degraded,
        clusters=read_clusters(settings.clusters),
        hr_size=settings.hr_size,
        limits=settings.limits,
    )


def of_folders(hr: Path | None, arms: Mapping[str, Path], name: str, settings: Settings) -> Evaluation:
    """What plain folders hold: one picture a case in each, matched by file name; `pure` is the baseline."""
    if PURE not in arms:
        raise InputError("One of the folders must be the baseline: --arm pure=DIR.")
    found = {arm: images.find(folder) for arm, folder in arms.items()}
    references = images.find(hr) if hr else {}
    if not found[PURE]:
        raise InputError(f"{arms[PURE]} holds no pictures.")
    order = [PURE, *(arm for arm in arms if arm != PURE)]
    subjects = [
        Subject(name, case, None, references.get(case), {a: found[a][case] for a in order if case in found[a]})
        for case in found[PURE]
    ]
    alone = [
        f"{arm}: {len(set(f) - set(found[PURE]))} pictures without a pure one are left out."
        for arm, f in found.items()
        if set(f) - set(found[PURE])
    ]
    metrics = load_metrics(settings.metrics)
    return Evaluation(
        subjects,
        metrics,
        notes=(*_notes(settings), *alone),
        roles=dict.fromkeys(order[1:], "contender"),
        clusters=read_clusters(settings.clusters),
        hr_size=settings.hr_size,
        limits=settings.limits,
    )


def load_metrics(names: Sequence[str]) -> dict[str, Metric]:
    """Declared metrics by name."""
    return {name: plugins.load("metrics", name) for name in names}


def read_clusters(table: Path | None) -> dict[str, str] | None:
    """Case → person, from a table with the columns `case` and `cluster`."""
    if table is None:
        return None
    if not table.is_file():
        raise InputError(
            f"Setting clusters: {table} is not there. It is a CSV table with the columns case and cluster."
        )
    try:
        rows = csvfile.read(table, ("case", "cluster"))
    except StoreError:
        raise InputError(
            f"Setting clusters: {table} cannot be used. It is a CSV table in UTF-8 with the columns case and cluster."
        ) from None
    found: dict[str, str] = {}
    for row in rows:
        if found.setdefault(row["case"], row["cluster"]) != row["cluster"]:
            raise InputError(f"Setting clusters: {table} puts {row['case']} into two clusters. Leave one of its rows.")
    return found


def _degraded(lr: Path) -> tuple[dict[str, dict[str, str]], tuple[str, ...]]:
    """How the inputs were made, by the table that `degrade` left beside them, and a note where it cannot be read."""
    table = lr / degrade.TABLE
    try:
        return (degrade.read_table(table), ()) if table.is_file() else ({}, ())
    except FsrbenchError as error:  # nothing is measured by it: only the plot of strength needs it
        return {}, (f"How the inputs were degraded is not known: {error}",)


def _role(settings: Settings, arm: str) -> Role:
    if settings.arms[arm].way == "rerun":
        return "floor"
    if settings.privileged(arm):
        return "headroom"
    return "control" if settings.arms[arm].auditor in CONTROLS else "contender"


def _references(recorded: str | None, given: Path | None) -> dict[str, Path]:
    """Case → HR. A folder that is gone is an error: its numbers would all go missing in silence."""
    if given is not None:
        return images.find(given)
    if recorded is None:
        return {}
    if not Path(recorded).is_dir():
        raise InputError(f"The run's references were in {recorded}, which is not there any more. Say where: --hr DIR.")
    return images.find(Path(recorded))


def _dead(knobs: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for family, names in knobs.items():
        if names:
            yield f"Dead knobs, which move no pixel on the {family} backend: {', '.join(names)}."


def _canaries(folder: RunFolder, settings: Settings) -> Iterator[str]:
    """Did an LVLM that was shown spoilt pictures among the real ones look at them?"""
    for arm, chosen in settings.arms.items():
        if not chosen.settings.get("canary"):
            continue
        shown = [e["canary"] for e in folder.exchanges(arm) if e.get("canary", {}).get("looking") is not None]
        looked = sum(canary["looking"] for canary in shown)
        verdict = ": it is not looking at the pictures" if shown and looked * 2 < len(shown) else ""
        yield f"{arm} scored spoilt pictures clearly below the real one in {looked} of {len(shown)} samples{verdict}."


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
