"""What a run would take, before it is begun: restorations, requests, tokens, money, time. `fsrbench run --dry-run`.

Everything that a run does first is done: settings are checked, its folder is looked through, networks and auditors are
opened. Then one case of each family is restored and its question rendered, and the rest is arithmetic. Nothing is
sent, downloaded, or written in the run's folder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from fsrbench.case import evidence
from fsrbench.core.auditing import CONCURRENCY, Foreseeing, Remote, Scope
from fsrbench.core.contracts import Machine
from fsrbench.core.errors import FsrbenchError, InputError, StoreError, WeightsError
from fsrbench.core.forecasts import Forecast
from fsrbench.core.operations import Restore
from fsrbench.core.questions import Answer, Question
from fsrbench.core.values import PURE, Case, Image, Trail
from fsrbench.core.ways import Restored
from fsrbench.experiments.listener import Listener
from fsrbench.imaging import images
from fsrbench.models import devices
from fsrbench.study import families, inputs, ledger, trials
from fsrbench.study import run as running
from fsrbench.study.families import OpenFamily
from fsrbench.study.schema import Settings
from fsrbench.study.store import RunFolder


@dataclass(frozen=True, slots=True)
class ArmEstimate:
    """What an arm would take in one family."""

    arm: str
    """Its name."""
    cases: int
    """Cases that it has not done."""
    passes: tuple[int, int] | None
    """Passes through networks, if every picture is accepted at once and at most; None where that is not known."""
    asked: Forecast | None
    """What is sent; None where that is not known. Nothing, where nobody is asked over a network."""
    in_flight: int = 0
    """Requests in flight at most; 0 where nobody is asked over a network."""


@dataclass(frozen=True, slots=True)
class FamilyEstimate:
    """What one family would take."""

    family: str
    """Its name."""
    cases: int
    """Cases of which something is missing."""
    pure: int
    """Those without a pure restoration, which takes one pass each."""
    lost: tuple[int, int]
    """Passes that make deleted pictures again: at least and at most."""
    model: str = ""
    """Its network; empty where nothing is missing."""
    trials: int = 0
    """Passes, at most, that try what the knobs move."""
    arms: tuple[ArmEstimate, ...] = ()
    """Its arms."""
    seconds: float | None = None
    """What one pass takes here; None where it was not tried."""
    lanes: int = 1
    """Passes side by side."""
    why: str = ""
    """Why nothing more is known of it, in words with the cure."""

    @property
    def passes(self) -> tuple[int, int]:
        """All passes of which something is known: if every picture is accepted at once, and at most."""
        known = [arm.passes for arm in self.arms if arm.passes is not None]
        least, most = (self.pure + self.lost[end] + sum(passes[end] for passes in known) for end in (0, 1))
        return least, most + self.trials


@dataclass(frozen=True, slots=True)
class RunEstimate:
    """What a run would take."""

    folder: str
    """Where it would be written."""
    cases: int
    """Cases that it has."""
    families: tuple[FamilyEstimate, ...]
    """Its families."""
    preflight: Forecast
    """What is sent before the first case."""
    notes: tuple[str, ...]
    """What a reader must know, in sentences."""

    @property
    def complete(self) -> bool:
        """Is all of it known?"""
        arms = [arm for family in self.families for arm in family.arms]
        return not any(family.why for family in self.families) and not any(
            arm.passes is None or arm.asked is None for arm in arms
        )

    @property
    def asked(self) -> Forecast:
        """All that would be sent, as far as it is known."""
        known = [arm.asked for family in self.families for arm in family.arms if arm.asked is not None]
        return sum(known, self.preflight)


def estimate(
    settings: Settings,
    machine: Machine,
    lr: Path,
    hr: Path | None,
    out: Path,
    *,
    limit: int | None = None,
    workers: int = 1,
    here: bool = True,
) -> RunEstimate:
    """What `run_study` would do with the same settings in the same folder; `here` says whether on this machine."""
    families.check(settings)
    folder, machine = RunFolder(out), replace(machine, offline=True)
    cases, notes = inputs.pair(lr, hr, limit)
    study = running.recorded(settings, machine, folder, lr, hr)
    missing = running.missing(settings, folder, cases)
    auditors = families.open_auditors(settings, machine)
    tools = evidence.open_tools(machine) if auditors else None
    preflight, whom = Forecast(), set[str]()
    for name in families.unasked(folder, missing, list(auditors)):
        ask = auditors[name]
        if isinstance(ask, Remote) and isinstance(ask, Foreseeing) and ask.whom not in whom:
            whom.add(ask.whom)
            preflight += ask.foresee_preflight()
    told = _Estimating(settings, machine, folder, workers, here, auditors, tools)
    found = tuple(told.of(family, todo, family in study["dead_knobs"]) for family, todo in missing.items())
    asked = [arm.asked for family in found for arm in family.arms if arm.asked is not None]
    said = dict.fromkeys([*notes, *(note for one in asked for note in one.notes)])
    return RunEstimate(out.as_posix(), len(cases), found, preflight, tuple(said))


@dataclass(frozen=True, slots=True)
class _Estimating:
    """What is the same for all families."""

    settings: Settings
    """The study's settings."""
    machine: Machine
    """Where networks are tried."""
    folder: RunFolder
    """What is done already."""
    workers: int
    """Cases in flight."""
    here: bool
    """Will the run be on this machine, too?"""
    auditors: Mapping[str, Callable[[Question], Answer]]
    """Arm → whoever would be asked."""
    tools: evidence.Tools | None
    """What evidence is made with; None where nobody looks."""

    def of(self, family: str, todo: Sequence[Case], tried: bool) -> FamilyEstimate:
        """One family; `tried` says whether its knobs were tried before."""
        trails = self._trails(family, todo)
        todo = [case for case in todo if case.id in trails]
        pure = sum(trail is None for trail in trails.values())
        lost = [self._lost(trail) for trail in trails.values() if trail is not None]
        bare = FamilyEstimate(family, len(todo), pure, (sum(map(bool, lost)), sum(lost)))
        if not todo:
            return bare
        listeners = {name: Listener(ask) for name, ask in self.auditors.items()}
        try:
            opened = families.open_family(family, self.settings, self.machine, listeners, self.tools, self.folder)
        except WeightsError as error:
            return replace(bare, why=str(error))
        try:
            probe = _probed(opened, todo)
        except FsrbenchError as error:
            return replace(bare, why=str(error))
        arms = []
        for name in self.settings.arms:
            own = [one.id for one in todo if (trail := trails[one.id]) is None or name not in trail.arms]
            heard = self._question(opened, name, listeners, probe)
            arms.append(self._arm(opened, name, own, heard))
        return replace(
            bare,
            model=opened.pipeline.restorer.model,
            trials=0 if tried or not self.auditors else trials.most_passes(opened, len(todo)),
            arms=tuple(arms),
            seconds=probe.pure.seconds if self.here else None,
            lanes=min(devices.share_cores(self.machine, opened.reentrant), self.workers, len(todo)),
        )

    def _trails(self, family: str, todo: Sequence[Case]) -> dict[str, Trail | None]:
        """What is done of each case. One that is damaged is left out: it costs the run a sentence and nothing else."""
        found: dict[str, Trail | None] = {}
        for case in todo:
            with suppress(StoreError):
                found[case.id] = self.folder.trail(family, case.id)
        return found

    def _lost(self, trail: Trail) -> int:
        """Passes at most that make a case's deleted pictures again."""
        finals = [trail.final(arm) for arm in (PURE, *trail.arms)]
        gone = [one for one in finals if not (self.folder.root / one.path).is_file()]
        return sum(isinstance(step, Restore) for one in gone for step in one.operations)

    def _question(
        self,
        opened: OpenFamily,
        arm: str,
        listeners: Mapping[str, Listener],
        probe: _Probe,
    ) -> Question | None:
        """What an arm asks first, where somebody can say what it takes to ask that."""
        if opened.demands[arm] is None or not isinstance(self.auditors.get(arm), Foreseeing):
            return None
        return listeners[arm].heard(opened, arm, probe.case, probe.lr, probe.pure)

    def _arm(self, opened: OpenFamily, name: str, cases: Sequence[str], heard: Question | None) -> ArmEstimate:
        """One arm, which has these cases before it."""
        arm, ask, demand = self.settings.arms[name], self.auditors.get(name), opened.demands[name]
        many = arm.settings.get("concurrency") or CONCURRENCY if isinstance(ask, Remote) else 0
        if demand is None:
            return ArmEstimate(name, len(cases), None, None if isinstance(ask, Remote) else Forecast(), many)
        demand = demand.within(arm.limits.budget())
        passes = (len(cases) * demand.passes[0], len(cases) * demand.passes[1])
        if not isinstance(ask, Remote):
            return ArmEstimate(name, len(cases), passes, Forecast())
        if heard is None or not isinstance(ask, Foreseeing):
            return ArmEstimate(name, len(cases), passes, None, many)
        scope = Scope(demand.audits[1], demand.comparisons[1])
        fresh = [case for case in cases if not ledger.begun(self.folder, opened.family, name, case)]
        asked = ask.foresee(heard, scope, fresh)
        if begun := len(cases) - len(fresh):
            note = f"{name} in {opened.family}: what was answered of cases begun before ({begun}) is not asked again."
            asked = Forecast(asked.least, ask.foresee(heard, scope, cases).most, (*asked.notes, note))
        return ArmEstimate(name, len(cases), passes, asked, many)


@dataclass(frozen=True, slots=True)
class _Probe:
    """One case, restored."""

    case: Case
    """The case."""
    lr: Image
    """Its input."""
    pure: Restored
    """What the network made of it."""


def _probed(opened: OpenFamily, todo: Sequence[Case]) -> _Probe:
    """The first case that can be restored; the first one's FsrbenchError where there is none.

    It is restored twice: the first pass of a network takes longer than all others.
    """
    first: FsrbenchError | None = None
    for case in todo:
        try:
            lr = images.read(case.lr, **opened.settings.limits.of_pictures())
            seed = trials.seed_of(opened, case)
            opened.pipeline.for_case().restore(lr, {}, seed)
            return _Probe(case, lr, opened.pipeline.for_case().restore(lr, {}, seed))
        except FsrbenchError as error:
            first = first or error
    raise first or InputError("There is nothing to restore.")
