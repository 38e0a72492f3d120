"""One unit of work: one case in one family, from the LR's file to its stored trail.

Opening a family (its network, its arms) is here too, since a unit is what uses them. Everything that a
user can mend ends as a `Failure` and lets the other cases go on; a bug keeps its traceback.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from typing import TypeAlias

from fsrbench.asking import comparison, prompts
from fsrbench.case import liveness, policy
from fsrbench.case.context import CaseContext, Intervention
from fsrbench.case.liveness import Trial
from fsrbench.case.restore import BATCH, Pipeline, Restored
from fsrbench.core import contracts, execute, plugins
from fsrbench.core.contracts import Machine
from fsrbench.core.errors import (
    AuditorUnreachable,
    CostLimitReached,
    FsrbenchError,
    SettingsError,
    StoreError,
    sentence,
)
from fsrbench.core.values import (
    PURE,
    Answer,
    Case,
    Evidence,
    Failure,
    Image,
    Question,
    Restoration,
    Round,
    Trail,
    derive_seed,
)
from fsrbench.files.downloads import sha256
from fsrbench.imaging import images, png
from fsrbench.models import devices
from fsrbench.study import inputs, ledger
from fsrbench.study.config import Settings
from fsrbench.study.store import RunFolder
from fsrbench.ways import audit, rerun

log = logging.getLogger("fsrbench")
UnitOutcome: TypeAlias = tuple[str, list[Failure]]
"""What came of one unit: its case's id, and what failed."""


@dataclass(frozen=True)
class OpenFamily:
    """A family, opened and ready for cases."""

    family: str
    """The family's name."""
    pipeline: Pipeline
    """Its network and knobs."""
    arms: Mapping[str, Intervention]
    """Its arms by name."""
    settings: Settings
    """The study's settings."""
    folder: RunFolder
    """Where results go."""
    reentrant: bool = False
    """May many threads restore at once?"""
    machine: Machine = field(default_factory=Machine)
    """Where it runs, for a face detector."""
    probed: dict[str, Pipeline] = field(default_factory=dict)
    """Case id → the pipeline with which its knobs were tried, and which remembers its pure restoration."""

    @cached_property
    def dead(self) -> tuple[str, ...]:
        """Knobs that were dead when they were tried: it stands in the folder before the first case is begun.

        What a run takes back later changes nothing here, so that a resumed run draws as one that was not interrupted.
        """
        study = self.folder.study() if self.folder.study_file.is_file() else {}
        return tuple(name for name, trial in liveness.recorded(study, self.family).items() if trial.dead)


@dataclass(frozen=True, slots=True)
class _Unit:
    """One case in work."""

    bench: OpenFamily
    """Its family."""
    case: Case
    """Its input."""
    lr: Image
    """The input, read."""
    pipeline: Pipeline
    """The family's, with a memory of this case alone."""
    encoded: dict[int, tuple[Image, bytes, str]] = field(default_factory=dict)
    """Pictures that are stored already, by identity, with their PNG and their hash: arms often end with pure's."""
    measured: dict[str, dict[str, float]] = field(default_factory=dict)
    """What privileged arms measured of settings they tried: the next one need not restore them again."""


def open_auditors(settings: Settings, machine: Machine) -> dict[str, Callable[[Question], Answer]]:
    """Open the auditor of every arm that has one. What lacks a key or a server says so before any work is done.

    Variants of an arm that set their auditor alike share one, and with it the limits on requests and money.
    """
    machine = replace(machine, bounds=settings.limits.of_replies())
    opened: dict[str, Callable[[Question], Answer]] = {}
    shared: dict[str, Callable[[Question], Answer]] = {}
    for name, arm in settings.arms.items():
        if arm.auditor is None:
            continue
        key = json.dumps([arm.variant_of or name, arm.auditor, arm.settings], sort_keys=True, default=str)
        try:
            opened[name] = shared.get(key) or plugins.load("auditors", arm.auditor).open(arm.settings, machine)
        except FsrbenchError as error:
            raise type(error)(f"Arm {name}: {error}") from None
        shared[key] = opened[name]
    return opened


def preflight(auditors: Mapping[str, Callable[[Question], Answer]], arms: Iterable[str], folder: RunFolder) -> None:
    """Ask whoever is asked over a network one small question, before any work is done.

    What the user must mend is a SettingsError with the cure; what may pass by itself is said, and the run goes on.
    """
    tried: set[str] = set()
    for name in arms:
        ask = auditors.get(name)
        if not isinstance(ask, contracts.Remote) or ask.whom in tried:
            continue
        tried.add(ask.whom)
        try:
            ask.preflight(ledger.before(folder, name))
        except AuditorUnreachable as error:
            if error.cure:
                raise SettingsError(
                    f"Arm {name}: {error}. {error.cure} Nothing was restored; the arm's setting preflight: false "
                    "leaves this question out."
                ) from None
            log.warning(f"Arm {name}: {error}. That may pass, so the run goes on.")


def unasked(folder: RunFolder, todo: Mapping[str, Sequence[Case]], arms: Iterable[str]) -> list[str]:
    """Those of the arms that have a case before them which they have not done."""
    waiting, found = list(arms), list[str]()
    for family, cases in todo.items():
        for case in cases:
            if not waiting:
                return found
            try:
                trail = folder.trail(family, case.id)
            except StoreError:
                continue
            found += [arm for arm in waiting if trail is None or arm not in trail.arms]
            waiting = [arm for arm in waiting if arm not in found]
    return found


def open_family(
    family: str,
    settings: Settings,
    machine: Machine,
    auditors: Mapping[str, Callable[[Question], Answer]],
    look: Callable[[Image, Image], Evidence] | None,
    folder: RunFolder,
) -> OpenFamily:
    """Load a family's network and put its arms beside it; `look` is what auditors look through."""
    chosen = settings.families[family]
    backend = plugins.load("backends", chosen.backend)
    restorer = backend.open(settings.backend_settings(family), machine)
    lanes = devices.share_cores(machine, backend.reentrant)
    batch = 1 if machine.device.startswith("cpu") else BATCH
    pipeline = Pipeline(restorer, settings.offered(family), settings.scale, machine.precision, batch, lanes)
    arms: dict[str, Intervention] = {name: rerun.intervene for name, arm in settings.arms.items() if arm.way == "rerun"}
    if look is not None:
        prompt = prompts.read(settings.kind(family), chosen.prompt)
        for name, ask in auditors.items():
            limits = policy.PolicyLimits(**settings.limits_of(name).model_dump(), max_changes=chosen.max_changes)
            guards = _guards(settings, name, ask)
            seeds = settings.arms[name].variant_of or name
            arms[name] = audit.Supervisor(name, ask, look, limits, prompt, guards, seeds)
    return OpenFamily(family, pipeline, arms, settings, folder, backend.reentrant, machine)


def _guards(settings: Settings, arm: str, ask: object) -> policy.GuardLimits | None:
    if settings.arms[arm].policy != "guarded":
        return None
    if not isinstance(ask, contracts.Comparer):
        raise SettingsError(f"Arm {arm}: its auditor cannot compare two pictures, which policy guarded asks for.")
    return policy.GuardLimits(**settings.guards.model_dump())


def asked(settings: Settings) -> dict[str, str]:
    """Hashes of the prompts that auditors are asked with, by family; and of the comparison's under policy guarded."""
    found = {
        family: prompts.read(settings.kind(family), chosen.prompt).sha256
        for family, chosen in settings.families.items()
    }
    if any(arm.policy == "guarded" for arm in settings.arms.values()):
        found["compare"] = comparison.sha256()
    return found


def try_knobs(bench: OpenFamily, cases: Sequence[Case]) -> dict[str, Trial] | None:
    """What offered knobs move of the first readable cases; None if there is no such case.

    A knob that needs several faces is tried on the first case that has them.
    """
    offered = bench.pipeline.offered
    special = liveness.choosy(offered, plugins.load("backends", bench.settings.families[bench.family].backend))
    usual = [name for name in offered if name not in special]
    if not offered:
        return {}
    tried: list[dict[str, int]] = []
    waiting = iter(cases)
    while len(tried) < liveness.PICTURES and (some := list(islice(waiting, liveness.PICTURES - len(tried)))):
        tried += _reaches(bench, some, usual)
    if not tried:
        return None
    found = {name: Trial(len(tried), max(reach[name] for reach in tried)) for name in usual}
    if special:
        bounds = bench.settings.limits.of_pictures()
        crowd = liveness.several_faces(
            cases, lambda case: images.read(case.lr, **bounds), bench.settings.scale, bench.machine
        )
        reaches = [] if isinstance(crowd, str) else _reaches(bench, [crowd[0]], special)
        why = crowd if isinstance(crowd, str) else "" if reaches else f"{crowd[0].id} could not be restored"
        found |= {name: Trial(len(reaches), max((r[name] for r in reaches), default=0), why) for name in special}
    return {name: found[name] for name in offered}


def _reaches(bench: OpenFamily, cases: Sequence[Case], names: Sequence[str]) -> list[dict[str, int]]:
    """How far knobs move each of these cases; those that cannot be restored are left out."""
    clock = execute.Clock(bench.settings.limits.max_seconds)

    def probe(case: Case) -> dict[str, int] | None:
        try:
            lr = images.read(case.lr, **bench.settings.limits.of_pictures())
            pipeline, seed = bench.probed.get(case.id) or bench.pipeline.for_case(), _seed(bench, case)
            pipeline.clock = clock
            found = liveness.reach(pipeline, lr, seed, names)
        except Exception as error:
            sentence(error)  # a bug goes on; what can be mended fails again, and is reported, when its turn comes
            return None
        pipeline.keep_only(lr, seed)
        bench.probed[case.id] = pipeline
        return found

    outcomes = execute.run(probe, cases, len(cases), clock.stop)
    return [found for found in outcomes if found is not None]


def _seed(bench: OpenFamily, case: Case) -> int:
    return derive_seed(bench.settings.seed, bench.settings.kind(bench.family), case.id)


def missing(folder: RunFolder, family: str, case: Case, arms: Iterable[str]) -> bool:
    """Is anything of this case still to be done, gone, damaged, or made from another LR?"""
    try:
        trail = folder.trail(family, case.id)
    except StoreError:
        return True  # it costs this case alone, which says so when its turn comes
    if trail is None or not set(arms) <= set(trail.arms):
        return True
    there = all((folder.root / trail.final(arm).path).is_file() for arm in (PURE, *trail.arms))
    return not there or folder.journal.sha256(case.lr) != trail.lr_sha256


def run_case(bench: OpenFamily, case: Case) -> UnitOutcome:
    """Do what is missing of one case: the pure restoration, then each arm. Returns its id and what failed."""
    clock = execute.Clock(bench.settings.limits.max_seconds)
    try:
        lr = images.read(case.lr, **bench.settings.limits.of_pictures())
        pipeline = bench.probed.pop(case.id, None) or bench.pipeline.for_case()
        pipeline.clock = clock
        unit = _Unit(bench, case, lr, pipeline)
        trail, pure = _pure(unit)
    except Exception as error:
        return case.id, [Failure(bench.family, case.id, PURE, sentence(error))]
    failures = []
    for name in bench.arms:
        if name in trail.arms:
            continue
        try:
            trail = _intervene(unit, trail, pure, name)
        except CostLimitReached:
            raise  # not this case's failure: the whole run stops here, and can go on
        except Exception as error:
            failures.append(Failure(bench.family, case.id, name, sentence(error)))
            kept = ledger.place(bench.folder, bench.family, name, case.id).is_dir()  # it holds all that was said
            for number, exchange in enumerate(() if kept else getattr(error, "exchanges", ()), start=1):
                bench.folder.write_exchange(bench.family, name, case.id, number, exchange)
        finally:
            unit.pipeline.keep_only(lr, pure.seed)
    return case.id, failures


def _pure(unit: _Unit) -> tuple[Trail, Restored]:
    """Round 0: read back where it is done, made and stored where it is not."""
    bench, case = unit.bench, unit.case
    digest = sha256(case.lr)
    trail = bench.folder.trail(bench.family, case.id)
    if trail is not None:
        if trail.lr_sha256 != digest:
            raise FsrbenchError(
                f"{case.lr} is not the picture that was restored in this folder. Use another --out, or put it back."
            )
        mended = {arm: _mend(unit, trail.final(arm)) for arm in (PURE, *trail.arms)}
        done, image = trail.pure, mended[PURE]
        image = bench.folder.picture(done) if image is None else image
        return trail, Restored(image, done.knobs, done.seed, done.seconds, done.precision, done.notes)
    pure = unit.pipeline.restore(unit.lr, {}, _seed(bench, case))
    path = bench.folder.picture_name(bench.family, PURE, case.id)
    trail = Trail(case.id, bench.family, digest, (Round(PURE, 0, _store(unit, pure, path)),))
    bench.folder.write_trail(trail)
    return trail, pure


def _mend(unit: _Unit, done: Restoration) -> Image | None:
    """A picture that was deleted, made again: the same knobs and seed give the same pixels, or it is an error."""
    folder = unit.bench.folder
    if (folder.root / done.path).is_file():
        return None
    again = unit.pipeline.restore(unit.lr, done.knobs, done.seed).image
    data, digest = _encoded(unit, again)
    if digest != done.sha256:
        raise FsrbenchError(
            f"{folder.root / done.path} was deleted and comes out differently on this machine. Use another --out."
        )
    folder.write_picture(done.path, data)
    return again


def _intervene(unit: _Unit, trail: Trail, pure: Restored, arm: str) -> Trail:
    """Run one arm and store its rounds; its last picture is the arm's result."""
    bench, case = unit.bench, unit.case
    reference = _reference(bench, case, pure.image) if bench.settings.privileged(arm) else None
    kept = ledger.place(bench.folder, bench.family, arm, case.id)
    situation = CaseContext(
        bench.family, case.id, unit.lr, pure, unit.pipeline, reference, unit.measured, bench.dead, kept
    )
    steps = bench.arms[arm](situation)
    final = steps[-1].picture
    rounds = []
    for number, step in enumerate(steps, start=1):
        path = bench.folder.picture_name(bench.family, arm, case.id, None if step.picture is final else number)
        stored = _store(unit, step.picture, path)
        rounds.append(Round(arm, number, stored, step.audit, step.decision, step.verdict))
        if step.exchange:
            bench.folder.write_exchange(bench.family, arm, case.id, number, step.exchange)
    trail = Trail(trail.case, trail.family, trail.lr_sha256, (*trail.rounds, *rounds))
    bench.folder.write_trail(trail)
    return trail


def _reference(bench: OpenFamily, case: Case, pure: Image) -> Image:
    """The HR, for a privileged arm alone."""
    if case.hr is None:
        raise FsrbenchError(f"{case.id} has no reference, and this arm is privileged: it needs one.")
    bounds = bench.settings.limits.of_pictures()
    return inputs.reference(case.hr, pure.shape[:2], bench.settings.hr_size, **bounds)


def _store(unit: _Unit, picture: Restored, path: str) -> Restoration:
    data, digest = _encoded(unit, picture.image)
    unit.bench.folder.write_picture(path, data)
    return Restoration(
        backend=unit.bench.settings.families[unit.bench.family].backend,
        model=unit.pipeline.restorer.model,
        knobs=picture.knobs,
        seed=picture.seed,
        path=path,
        sha256=digest,
        seconds=round(picture.seconds, 4),
        precision=picture.precision,
        notes=picture.notes,
    )


def _encoded(unit: _Unit, image: Image) -> tuple[bytes, str]:
    """A picture's PNG and hash, made once."""
    if id(image) not in unit.encoded:
        pixels = images.to_8bit(image)
        unit.encoded[id(image)] = image, png.encode(pixels), images.hash_8bit(pixels)
    return unit.encoded[id(image)][1:]
