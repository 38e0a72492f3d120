"""One unit of work: one case in one family, from the LR's file to its stored trail.

Opening a family (its network, its arms) is here too, since a unit is what uses them. Everything that a
user can mend ends as a `Failure` and lets the other cases go on; a bug keeps its traceback.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from fsrbench import choice, images, inputs, liveness, plugins, policy, prompts
from fsrbench.config import Settings
from fsrbench.downloads import sha256
from fsrbench.errors import CostLimitReached, FsrbenchError, SettingsError
from fsrbench.plugins import Machine
from fsrbench.restore import Picture, Pipeline
from fsrbench.store import RunFolder
from fsrbench.supervise import audit, rerun
from fsrbench.supervise.steps import Situation, Way
from fsrbench.values import (
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


@dataclass(frozen=True)
class Bench:
    """A family, opened and ready for cases."""

    family: str
    """The family's name."""
    pipeline: Pipeline
    """Its network and knobs."""
    arms: Mapping[str, Way]
    """Its arms by name."""
    settings: Settings
    """The study's settings."""
    folder: RunFolder
    """Where results go."""


def open_auditors(settings: Settings, machine: Machine) -> dict[str, Callable[[Question], Answer]]:
    """Open the auditor of every arm that has one. What lacks a key or a server says so before any work is done."""
    opened = {}
    for name, arm in settings.arms.items():
        if arm.auditor is None:
            continue
        try:
            opened[name] = plugins.load("auditors", arm.auditor).open(arm.settings, machine)
        except FsrbenchError as error:
            raise type(error)(f"Arm {name}: {error}") from None
    return opened


def open_family(
    family: str,
    settings: Settings,
    machine: Machine,
    auditors: Mapping[str, Callable[[Question], Answer]],
    look: Callable[[Image, Image], Evidence] | None,
    folder: RunFolder,
) -> Bench:
    """Load a family's network and put its arms beside it; `look` is what auditors look through."""
    chosen = settings.families[family]
    restorer = plugins.load("backends", chosen.backend).open(settings.backend_settings(family), machine)
    pipeline = Pipeline(restorer, settings.offered(family), settings.scale, machine.precision)
    arms: dict[str, Way] = {name: rerun.intervene for name, arm in settings.arms.items() if arm.way == "rerun"}
    if look is not None:
        prompt = prompts.read(family, chosen.prompt)
        for name, ask in auditors.items():
            limits = policy.Limits(**settings.limits_of(name).model_dump(), max_changes=chosen.max_changes)
            guards = _guards(settings, name, ask)
            arms[name] = audit.Supervisor(name, ask, look, limits, prompt, guards)
    return Bench(family, pipeline, arms, settings, folder)


def _guards(settings: Settings, arm: str, ask: object) -> policy.Guards | None:
    if settings.arms[arm].policy != "guarded":
        return None
    if not isinstance(ask, plugins.Comparer):
        raise SettingsError(f"Arm {arm}: its auditor cannot compare two pictures, which policy guarded asks for.")
    return policy.Guards(**settings.guards.model_dump())


def asked(settings: Settings) -> dict[str, str]:
    """Hashes of the prompts that auditors are asked with, by family; and of the comparison's under policy guarded."""
    found = {family: prompts.read(family, chosen.prompt).sha256 for family, chosen in settings.families.items()}
    if any(arm.policy == "guarded" for arm in settings.arms.values()):
        found["compare"] = choice.sha256()
    return found


def dead_knobs(bench: Bench, cases: Sequence[Case]) -> list[str] | None:
    """Offered knobs that move no pixel of the first two readable cases; None if there is no such case."""
    suspects, tried = tuple(bench.pipeline.offered), 0
    for case in cases:
        if tried == 2 or not suspects:
            break
        try:
            lr = images.read(case.lr, **bench.settings.limits.model_dump())
            seed = derive_seed(bench.settings.seed, bench.family, case.id)
            suspects = liveness.dead(bench.pipeline, lr, seed, suspects)
        except FsrbenchError:
            continue  # it fails again, and is reported, when its turn comes
        tried += 1
    return sorted(suspects) if tried or not suspects else None


def missing(folder: RunFolder, family: str, case: Case, arms: Iterable[str]) -> bool:
    """Is anything of this case still to be done, gone, or made from another LR?"""
    trail = folder.trail(family, case.id)
    if trail is None or not set(arms) <= set(trail.arms):
        return True
    there = all((folder.root / trail.final(arm).path).is_file() for arm in (PURE, *trail.arms))
    return not there or not case.lr.is_file() or sha256(case.lr) != trail.lr_sha256


def run_case(bench: Bench, case: Case) -> tuple[str, list[Failure]]:
    """Do what is missing of one case: the pure restoration, then each arm. Returns its id and what failed."""
    try:
        lr = images.read(case.lr, **bench.settings.limits.model_dump())
        trail, pure = _pure(bench, case, lr)
    except FsrbenchError as error:
        return case.id, [Failure(bench.family, case.id, PURE, str(error))]
    failures = []
    for name in bench.arms:
        if name in trail.arms:
            continue
        try:
            trail = _intervene(bench, case, lr, trail, pure, name)
        except CostLimitReached:
            raise  # not this case's failure: the whole run stops here, and can go on
        except FsrbenchError as error:
            failures.append(Failure(bench.family, case.id, name, str(error)))
            for number, exchange in enumerate(getattr(error, "exchanges", ()), start=1):
                bench.folder.write_exchange(bench.family, name, case.id, number, exchange)
    return case.id, failures


def _pure(bench: Bench, case: Case, lr: Image) -> tuple[Trail, Picture]:
    """Round 0: read back where it is done, made and stored where it is not."""
    digest = sha256(case.lr)
    trail = bench.folder.trail(bench.family, case.id)
    if trail is not None:
        if trail.lr_sha256 != digest:
            raise FsrbenchError(
                f"{case.lr} is not the picture that was restored in this folder. Use another --out, or put it back."
            )
        for arm in (PURE, *trail.arms):
            _mend(bench, lr, trail.final(arm))
        done = trail.pure
        image = bench.folder.picture(done)
        return trail, Picture(image, done.knobs, done.seed, done.seconds, done.precision, done.notes)
    pure = bench.pipeline.restore(lr, {}, derive_seed(bench.settings.seed, bench.family, case.id))
    path = bench.folder.picture_name(bench.family, PURE, case.id)
    trail = Trail(case.id, bench.family, digest, (Round(PURE, 0, _store(bench, pure, path)),))
    bench.folder.write_trail(trail)
    return trail, pure


def _mend(bench: Bench, lr: Image, done: Restoration) -> None:
    """Make a picture again that was deleted: the same knobs and seed give the same pixels, or it is an error."""
    if (bench.folder.root / done.path).is_file():
        return
    again = bench.pipeline.restore(lr, done.knobs, done.seed)
    if images.pixel_hash(again.image) != done.sha256:
        raise FsrbenchError(
            f"{bench.folder.root / done.path} was deleted and comes out differently on this machine. Use another --out."
        )
    bench.folder.write_picture(done.path, again.image)


def _intervene(bench: Bench, case: Case, lr: Image, trail: Trail, pure: Picture, arm: str) -> Trail:
    """Run one arm and store its rounds; its last picture is the arm's result."""
    reference = _reference(bench, case, pure.image) if bench.settings.privileged(arm) else None
    steps = bench.arms[arm](Situation(bench.family, case.id, lr, pure, bench.pipeline, reference))
    final = steps[-1].picture
    rounds = []
    for number, step in enumerate(steps, start=1):
        path = bench.folder.picture_name(bench.family, arm, case.id, None if step.picture is final else number)
        stored = _store(bench, step.picture, path)
        rounds.append(Round(arm, number, stored, step.audit, step.decision, step.verdict))
        if step.exchange:
            bench.folder.write_exchange(bench.family, arm, case.id, number, step.exchange)
    trail = Trail(trail.case, trail.family, trail.lr_sha256, (*trail.rounds, *rounds))
    bench.folder.write_trail(trail)
    return trail


def _reference(bench: Bench, case: Case, pure: Image) -> Image:
    """The HR, for a privileged arm alone."""
    if case.hr is None:
        raise FsrbenchError(f"{case.id} has no reference, and this arm is privileged: it needs one.")
    bounds = bench.settings.limits.model_dump()
    return inputs.reference(case.hr, pure.shape[:2], bench.settings.hr_size, **bounds)


def _store(bench: Bench, picture: Picture, path: str) -> Restoration:
    bench.folder.write_picture(path, picture.image)
    return Restoration(
        backend=bench.settings.families[bench.family].backend,
        model=bench.pipeline.restorer.model,
        knobs=picture.knobs,
        seed=picture.seed,
        path=path,
        sha256=images.pixel_hash(picture.image),
        seconds=round(picture.seconds, 4),
        precision=picture.precision,
        notes=picture.notes,
    )
