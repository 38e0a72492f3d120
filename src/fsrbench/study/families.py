"""Opening what cases of a family need: its networks, its arms, and whoever looks at pictures for them."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from threading import Lock

from fsrbench.asking import comparison, prompts
from fsrbench.case import liveness
from fsrbench.case.making import OpenTool, Parts
from fsrbench.case.restore import Pipeline
from fsrbench.core import auditing, contracts, plugins
from fsrbench.core.contracts import Machine
from fsrbench.core.errors import AuditorUnreachable, FsrbenchError, SettingsError, StoreError, WeightsError
from fsrbench.core.forecasts import Demand
from fsrbench.core.questions import Answer, Evidence, GuardLimits, PolicyLimits, Question
from fsrbench.core.values import Case, Image
from fsrbench.core.ways import ArmSetup, Basis, Intervention, Network, ToolChoice
from fsrbench.files import jsonfile
from fsrbench.study import bases, certificates, hearing, ledger, networks
from fsrbench.study.certificates import Promised
from fsrbench.study.schema import Settings
from fsrbench.study.store import RunFolder

log = logging.getLogger("fsrbench")


@dataclass(frozen=True)
class OpenFamily:
    """A family, opened and ready for cases."""

    family: str
    """The family's name."""
    pipeline: Pipeline
    """Its network and knobs."""
    arms: Mapping[str, Intervention]
    """Its arms by name."""
    demands: Mapping[str, Demand | None]
    """Arm → what it asks for about a case; None where that cannot be said before."""
    parts: Mapping[str, Parts]
    """Arm → the other networks and the tools that its way uses."""
    settings: Settings
    """The study's settings."""
    folder: RunFolder
    """Where results go."""
    reentrant: bool = False
    """May many threads restore at once?"""
    machine: Machine = field(default_factory=Machine)
    """Where it runs, for a face detector."""
    others: dict[Network, Pipeline] = field(default_factory=dict)
    """Networks beside the family's own, as far as they were opened."""
    tools: dict[str, OpenTool] = field(default_factory=dict)
    """Opened tools, by what they were opened with."""
    turn: Lock = field(default_factory=Lock)
    """Guards the opening of others."""
    bases: Mapping[str, tuple[Basis, ...]] = field(default_factory=dict)
    """Arm → what its settings and its certificate were fitted on, for arms of which something was."""
    promises: Mapping[str, Promised] = field(default_factory=dict)
    """Certified arm → what its certificate promises of these inputs."""
    doubts: tuple[str, ...] = ()
    """What of that is not known to hold here, in sentences."""
    probed: dict[str, Pipeline] = field(default_factory=dict)
    """Case id → the pipeline with which its knobs were tried, and which remembers its pure restoration."""

    @cached_property
    def dead(self) -> tuple[str, ...]:
        """Knobs that were dead when they were tried: it stands in the folder before the first case is begun.

        What a run takes back later changes nothing here, so that a resumed run draws as one that was not interrupted.
        """
        study = self.folder.study() if self.folder.study_file.is_file() else {}
        return tuple(name for name, trial in liveness.recorded(study, self.family).items() if trial.dead)

    def other(self, network: Network) -> Pipeline:
        """A network beside the family's own, opened when it is first asked for."""
        with self.turn:
            if network not in self.others:
                self.others[network] = networks.pipeline(self.family, self.settings, self.machine, network)
            return self.others[network]

    def tool(self, choice: ToolChoice) -> OpenTool:
        """A tool, opened when it is first asked for."""
        key = json.dumps([choice.tool, dict(choice.settings)], sort_keys=True)
        with self.turn:
            if key not in self.tools:
                self.tools[key] = _tool(choice, self.machine)
            return self.tools[key]

    def shares(self, arm: str, following: str = "") -> bool:
        """Does the arm that is next propose the same pictures?"""
        ways = {self.settings.arms[name].way for name in (arm, following) if name}
        return bool(following) and len(ways) == 1 and self.settings.arms[arm].declared().shares

    def weights(self) -> dict[str, str]:
        """Files of all networks that were opened, and those that arms were fitted in, with their hashes.

        Those of a network beside the family's own stand as `FILE (BACKEND MODEL)`: two files may have one name.
        """
        found = self.pipeline.weights
        rests = ((name, basis) for name, bases in self.bases.items() for basis in bases)
        found |= {f"{basis.file.name} (arm {name})": basis.sha256 for name, basis in rests}
        for network, pipeline in self.others.items():
            whose = " ".join(filter(None, (network.backend, network.model)))
            found |= {f"{file} ({whose})": digest for file, digest in pipeline.restorer.weights.items()}
        return dict(sorted(found.items()))


def open_auditors(settings: Settings, machine: Machine) -> dict[str, Callable[[Question], Answer]]:
    """Open the auditor of every arm that has one. What lacks a key or a server says so before any work is done.

    Variants of an arm that set their auditor alike share one, and with it the limits on requests and money.
    """
    machine = _reading(settings, machine)
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


def check(settings: Settings) -> None:
    """Refuse arms that cannot be in one of the families, before any work is done in another."""
    for family in settings.families:
        bases.of(settings, family)
        certificates.check(settings, family)
        offered = settings.offered(family)
        for name, arm in settings.arms.items():
            if wrong := arm.declared().misfit(arm.chosen(), offered):
                raise SettingsError(f"Arm {name} in the family {family}: {wrong}")


def preflight(auditors: Mapping[str, Callable[[Question], Answer]], arms: Iterable[str], folder: RunFolder) -> None:
    """Ask whoever is asked over a network one small question, before any work is done.

    What the user must mend is a SettingsError with the cure; what may pass by itself is said, and the run goes on.
    """
    tried: set[str] = set()
    for name in arms:
        ask = auditors.get(name)
        if not isinstance(ask, auditing.Remote) or ask.whom in tried:
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
    """Load a family's networks and put its arms beside them; `look` is what auditors look through."""
    pipeline = networks.pipeline(family, settings, machine)
    fitted = bases.of(settings, family)
    doubts = tuple(bases.check(fitted, settings, pipeline.weights, folder))
    made = bases.made(fitted, folder)
    setups = {name: _setup(family, settings, machine, name, auditors.get(name), look) for name in settings.arms}
    arms, demands, parts = dict[str, Intervention](), dict[str, Demand | None](), dict[str, Parts]()
    for name, setup in setups.items():
        way = settings.arms[name].declared()
        arms[name] = certificates.bounded(way.open(setup), settings, family, name, machine, made)
        demands[name] = way.demand(setup) if way.demand is not None else None
        parts[name] = Parts(way.networks(setup.settings), way.tools(setup.settings))
    reentrant = networks.reentrant(family, settings)
    opened = OpenFamily(
        family, pipeline, arms, demands, parts, settings, folder, reentrant, machine, bases=fitted, doubts=doubts,
        promises=certificates.promises(settings, family) if made else {},
    )  # fmt: skip
    for name, used in parts.items():
        try:  # what cannot be opened is said before any work is done
            for network in used.networks.values():
                opened.other(network)
            for choice in used.tools.values():
                opened.tool(choice)
        except (SettingsError, WeightsError) as error:
            raise type(error)(f"Arm {name}: {error}") from None
    return opened


def _tool(choice: ToolChoice, machine: Machine) -> OpenTool:
    """A tool with its settings checked; it takes one picture at a time."""
    declared: contracts.Tool = plugins.load("tools", choice.tool)
    try:
        own = None if declared.settings is None else declared.settings.model_validate(dict(choice.settings))
    except ValueError as error:
        raise SettingsError(f"The tool {choice.tool} cannot be opened so: {jsonfile.why(error)}.") from None
    use, turn = declared.open(own, machine), Lock()

    def one_at_a_time(picture: Image, seed: int) -> contracts.Output:
        with turn:
            return use(picture, seed)

    return one_at_a_time


def _setup(
    family: str,
    settings: Settings,
    machine: Machine,
    name: str,
    ask: Callable[[Question], Answer] | None,
    look: Callable[[Image, Image], Evidence] | None,
) -> ArmSetup:
    """What the way of an arm is opened with."""
    arm, own = settings.arms[name], settings.families[family]
    policy = certificates.proposing(settings, family, name)
    backend: contracts.Backend = plugins.load("backends", own.backend)
    return ArmSetup(
        arm=name,
        kind=settings.kind(family),
        settings=arm.chosen(),
        offered=settings.offered(family),
        draws=backend.draws,
        upright=backend.upright,
        ask=ask,
        look=look,
        judge=hearing.of_arm(settings, _reading(settings, machine), name, look),
        limits=PolicyLimits(**settings.limits_of(name).model_dump(), max_changes=own.max_changes),
        guards=GuardLimits(**settings.guards.model_dump()) if policy == "guarded" else None,
        prompt=own.prompt,
        seeds=arm.variant_of or name,
    )


def _reading(settings: Settings, machine: Machine) -> Machine:
    """The machine, with the bounds on what is read of replies."""
    return replace(machine, bounds=settings.limits.of_replies())


def asked(settings: Settings) -> dict[str, str]:
    """Hashes of the prompts that auditors are asked with, by family; and of the comparison's under policy guarded."""
    found = {
        family: prompts.read(settings.kind(family), chosen.prompt).sha256
        for family, chosen in settings.families.items()
    }
    if any(certificates.proposing(settings, f, arm) == "guarded" for f in settings.families for arm in settings.arms):
        found["compare"] = comparison.sha256()
    return found
