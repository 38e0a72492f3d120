"""One unit of work: one case in one family, from the LR's file to its stored trail.

Everything that a user can mend ends as a `Failure` and lets the other cases go on; a bug keeps its traceback.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from fsrbench.case import drafts, making
from fsrbench.case.making import Making, OpenTool
from fsrbench.case.restore import Pipeline
from fsrbench.core import execute
from fsrbench.core.budget import Spending
from fsrbench.core.errors import CostLimitReached, FsrbenchError, StoreError, sentence
from fsrbench.core.tally import Tally, of_rounds
from fsrbench.core.values import PURE, Candidate, Case, Failure, Image, Restoration, Round, Trail
from fsrbench.core.ways import CaseContext, Network, Proposal, Restored, RoundDraft, ToolChoice
from fsrbench.imaging import images, png
from fsrbench.study import inputs, ledger
from fsrbench.study.families import OpenFamily
from fsrbench.study.store import RunFolder
from fsrbench.study.trials import seed_of


@dataclass(frozen=True, slots=True)
class UnitOutcome:
    """What came of one unit."""

    case: str
    """Its case's id."""
    failures: list[Failure]
    """What failed."""
    arms: Tally = field(default_factory=Tally)
    """What its arms took."""

    @property
    def tally(self) -> Tally:
        """What it took, and how much of it failed."""
        return self.arms + Tally(failures=len(self.failures))


@dataclass(frozen=True, slots=True)
class _Unit:
    """One case in work."""

    opened: OpenFamily
    """Its family."""
    case: Case
    """Its input."""
    lr: Image
    """The input, read."""
    lr_sha256: str
    """Hash of the bytes that were read."""
    pipeline: Pipeline
    """The family's, with a memory of this case alone."""
    others: dict[Network, Pipeline] = field(default_factory=dict)
    """Other networks, each with a memory of this case alone."""
    encoded: dict[str, bytes] = field(default_factory=dict)
    """PNGs of pictures that are stored already, by hash: arms often end with pure's."""
    measured: dict[str, dict[str, float]] = field(default_factory=dict)
    """What privileged arms measured of settings they tried: the next one need not restore them again."""

    def other(self, network: Network) -> Pipeline:
        """A network beside the family's own."""
        if network not in self.others:
            self.others[network] = self.opened.other(network).for_case()
            self.others[network].clock = self.pipeline.clock
        return self.others[network]

    def tool(self, choice: ToolChoice) -> OpenTool:
        """A tool: it has no memory of a case."""
        return self.opened.tool(choice)

    def again(self, done: Restoration) -> Restored:
        """A stored picture, made once more."""
        return making.replay(done.operations, self.lr, self.pipeline, self)


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


def run_case(opened: OpenFamily, case: Case) -> UnitOutcome:
    """Do what is missing of one case: the pure restoration, then each arm."""
    clock = execute.Clock(opened.settings.limits.max_seconds)
    try:
        lr, digest = images.read_hashed(case.lr, **opened.settings.limits.of_pictures())
        pipeline = opened.probed.pop(case.id, None) or opened.pipeline.for_case()
        pipeline.clock = clock
        unit = _Unit(opened, case, lr, digest, pipeline)
        trail, pure = _pure(unit)
    except Exception as error:
        return UnitOutcome(case.id, [Failure(opened.family, case.id, PURE, sentence(error))])
    failures, took = list[Failure](), Tally()
    todo = [name for name in opened.arms if name not in trail.arms]
    for place, name in enumerate(todo):
        try:
            trail = _intervene(unit, trail, pure, name)
            took += of_rounds(trail.arms[name])
        except CostLimitReached:
            raise  # not this case's failure: the whole run stops here, and can go on
        except Exception as error:
            failures.append(Failure(opened.family, case.id, name, sentence(error)))
            took += Tally(ledger.taken(opened.folder, opened.family, name, case.id))
            kept = ledger.place(opened.folder, opened.family, name, case.id).is_dir()  # it holds all that was said
            for number, exchange in enumerate(() if kept else getattr(error, "exchanges", ()), start=1):
                opened.folder.write_exchange(opened.family, name, case.id, number, exchange)
        finally:
            if not opened.shares(name, *todo[place + 1 : place + 2]):
                for pipeline in (unit.pipeline, *unit.others.values()):
                    pipeline.keep_only(lr, pure.seed)
    return UnitOutcome(case.id, failures, took)


def remade(opened: OpenFamily, case: Case) -> tuple[int, list[Failure]]:
    """Make every final picture of a case again, in memory: how many there are, and which are not what is stored."""
    trail = opened.folder.trail(opened.family, case.id)
    arms = (PURE, *trail.arms) if trail is not None else (PURE,)
    failures = []
    try:
        lr, digest = images.read_hashed(case.lr, **opened.settings.limits.of_pictures())
        if trail is None or trail.lr_sha256 != digest:
            raise FsrbenchError(f"{case.lr} is not the picture that was restored. Put it back.")
        unit = _Unit(opened, case, lr, digest, opened.pipeline.for_case())
    except Exception as error:
        return len(arms), [Failure(opened.family, case.id, arm, sentence(error)) for arm in arms]
    for arm in arms:
        done = trail.final(arm)
        try:
            opened.folder.picture(done)
            if unit.again(done).sha256 != done.sha256:
                raise FsrbenchError(f"{opened.folder.root / done.path} comes out differently when it is made again.")
        except Exception as error:
            failures.append(Failure(opened.family, case.id, arm, sentence(error)))
    return len(arms), failures


def _pure(unit: _Unit) -> tuple[Trail, Restored]:
    """Round 0: read back where it is done, made and stored where it is not."""
    opened, case = unit.opened, unit.case
    trail = opened.folder.trail(opened.family, case.id)
    if trail is not None:
        if trail.lr_sha256 != unit.lr_sha256:
            raise FsrbenchError(
                f"{case.lr} is not the picture that was restored in this folder. Use another --out, or put it back."
            )
        mended = {arm: _mend(unit, trail.final(arm)) for arm in (PURE, *trail.arms)}
        return trail, mended[PURE] or _read_back(unit, trail.pure)
    pure = unit.pipeline.restore(unit.lr, {}, seed_of(opened, case))
    path = opened.folder.picture_name(opened.family, PURE, case.id)
    trail = Trail(case.id, opened.family, unit.lr_sha256, (Round(PURE, 0, _store(unit, pure, path), passes=1),))
    opened.folder.write_trail(trail)
    return trail, pure


def _read_back(unit: _Unit, done: Restoration) -> Restored:
    """A stored picture, as it was when it was made."""
    image = unit.opened.folder.picture(done)
    known = (done.sha256, done.knobs, done.seed, done.seconds, done.precision, done.notes, done.operations)
    return Restored(image, images.to_8bit(image), *known)


def _mend(unit: _Unit, done: Restoration) -> Restored | None:
    """A picture that was deleted, made again by its operations: they give the same pixels, or it is an error."""
    folder = unit.opened.folder
    if (folder.root / done.path).is_file():
        return None
    again = unit.again(done)
    if again.sha256 != done.sha256:
        raise FsrbenchError(
            f"{folder.root / done.path} was deleted and comes out differently on this machine. Use another --out."
        )
    folder.write_picture(done.path, _encoded(unit, again))
    return again


def _intervene(unit: _Unit, trail: Trail, pure: Restored, arm: str) -> Trail:
    """Run one arm and store its rounds; its last picture is the arm's result."""
    opened, case = unit.opened, unit.case
    spending = Spending(opened.settings.arms[arm].limits.budget())
    make = Making(unit.lr, pure, unit.pipeline, unit, opened.parts[arm], spending)
    context = CaseContext(
        opened.family,
        case.id,
        unit.lr,
        pure,
        make,
        unit.pipeline.clock,
        spending,
        _reference(opened, case, pure.image) if opened.settings.privileged(arm) else None,
        unit.measured,
        opened.dead,
        ledger.place(opened.folder, opened.family, arm, case.id),
    )
    steps = drafts.checked(opened.settings.arms[arm].way, opened.arms[arm](context), make)
    steps = _counted(steps, spending.passes)
    final = steps[-1].picture
    rounds = []
    for number, draft in enumerate(steps, start=1):
        path = opened.folder.picture_name(opened.family, arm, case.id, None if draft.picture is final else number)
        rounds.append(_round(unit, arm, number, draft, path))
        if opened.settings.arms[arm].keep_candidates:
            _keep(unit, arm, number, draft)
        if draft.exchange:
            opened.folder.write_exchange(opened.family, arm, case.id, number, draft.exchange)
    trail = Trail(trail.case, trail.family, trail.lr_sha256, (*trail.rounds, *rounds))
    opened.folder.write_trail(trail)
    return trail


def _counted(drafts: Sequence[RoundDraft], passes: int) -> list[RoundDraft]:
    """The same with the passes of each: those that no round speaks of belong to the last one that says nothing."""
    said = [draft if draft.passes is not None else replace(draft, passes=0) for draft in drafts]
    silent = [number for number, draft in enumerate(drafts) if draft.passes is None]
    if silent:
        said[silent[-1]] = replace(said[silent[-1]], passes=passes - sum(draft.passes or 0 for draft in drafts))
    return said


def _round(unit: _Unit, arm: str, number: int, draft: RoundDraft, path: str) -> Round:
    """A round as it is stored, and its picture."""
    return Round(
        arm,
        number,
        _store(unit, draft.picture, path),
        draft.audit,
        draft.decision,
        draft.verdict,
        tuple(_candidate(proposal, draft.picture) for proposal in draft.candidates),
        draft.ranking,
        draft.passes,
        draft.bound,
    )


def _keep(unit: _Unit, arm: str, step: int, draft: RoundDraft) -> None:
    """Store what a round did not end with; pure is stored anyway."""
    for number, proposal in enumerate(draft.candidates[1:], start=1):
        if proposal.picture is not draft.picture:
            path = unit.opened.folder.candidate_name(unit.opened.family, arm, unit.case.id, step, number)
            unit.opened.folder.write_picture(path, _encoded(unit, proposal.picture))


def _candidate(proposal: Proposal, final: Restored) -> Candidate:
    picture = proposal.picture
    return Candidate(
        proposal.origin,
        picture.sha256,
        picture.operations,
        picture is final,
        proposal.parent,
        round(picture.seconds, 4),
        picture.passes,
        proposal.note,
    )


def _reference(opened: OpenFamily, case: Case, pure: Image) -> Image:
    """The HR, for a privileged arm alone."""
    if case.hr is None:
        raise FsrbenchError(f"{case.id} has no reference, and this arm is privileged: it needs one.")
    bounds = opened.settings.limits.of_pictures()
    return inputs.reference(case.hr, pure.shape[:2], opened.settings.hr_size, **bounds)


def _store(unit: _Unit, picture: Restored, path: str) -> Restoration:
    unit.opened.folder.write_picture(path, _encoded(unit, picture))
    return Restoration(
        backend=making.backends(picture.operations),
        model=making.models(picture.operations),
        knobs=picture.knobs,
        seed=picture.seed,
        path=path,
        sha256=picture.sha256,
        seconds=round(picture.seconds, 4),
        precision=picture.precision,
        notes=picture.notes,
        operations=picture.operations,
    )


def _encoded(unit: _Unit, picture: Restored) -> bytes:
    """A picture's PNG, made once."""
    if picture.sha256 not in unit.encoded:
        unit.encoded[picture.sha256] = png.encode(picture.pixels)
    return unit.encoded[picture.sha256]
