"""What units of work need, opened once and kept; and the pool that works through them on this machine.

A pool is whoever does the work of a study: here threads around one open study, in `ray_workers.py` workers that each
open one of their own. What is done with a case is in `unit.py`, how threads take turns in `execute.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from threading import Lock
from typing import Protocol, TypeAlias

from fsrbench.case import evidence
from fsrbench.case.liveness import Trial
from fsrbench.core import execute
from fsrbench.core.auditing import Paid
from fsrbench.core.contracts import Assuming, Machine
from fsrbench.core.judging import Judge
from fsrbench.core.values import Case
from fsrbench.models import devices
from fsrbench.study import families, trials, unit
from fsrbench.study.certificates import Promised
from fsrbench.study.families import OpenFamily
from fsrbench.study.schema import Settings
from fsrbench.study.store import RunFolder
from fsrbench.study.unit import UnitOutcome


@dataclass(frozen=True, slots=True)
class FamilyFacts:
    """What is known of a family once its network and its instruments are open."""

    weights: dict[str, str]
    """Files and their hashes."""
    evidence: dict[str, bool]
    """Which instruments the auditors' evidence is made with."""
    assumption: str = ""
    """What its network, and arms that were fitted on other inputs, take for granted about these."""
    promises: Mapping[str, Promised] = field(default_factory=dict)
    """Certified arm → what its certificate promises of these inputs."""


class WorkerPool(Protocol):
    """Those who do the work. A family is opened before its cases are worked on."""

    def preflight(self, arms: Sequence[str]) -> None:
        """Find out, before anything is opened, whether the auditors of these arms answer; SettingsError if not."""

    def open(self, family: str) -> FamilyFacts:
        """Load a family's network; WeightsError if its checkpoint cannot be used."""

    def try_knobs(self, family: str, cases: Sequence[Case]) -> dict[str, Trial] | None:
        """What offered knobs move, tried on the first cases; None if none could be read."""

    def run(self, family: str, todo: Sequence[Case]) -> Iterable[UnitOutcome]:
        """Do what is missing of these cases; outcomes come in any order, when their files are stored."""

    def weights(self, family: str) -> dict[str, str]:
        """Files that were opened for a family, those included that a knob first asked for."""


Executor: TypeAlias = Callable[[Settings, Machine, RunFolder, int], AbstractContextManager[WorkerPool]]
"""From the settings, the machine, the run's folder and a number of workers to a pool, which goes when it is left."""


class OpenStudy:
    """Auditors, instruments and the network of one family at a time. Many threads may work in it."""

    def __init__(self, settings: Settings, machine: Machine, folder: RunFolder) -> None:
        self._settings = settings
        self._machine = machine
        self._folder = folder
        self._auditors = families.open_auditors(settings, machine)
        self._look: evidence.Tools | None = None
        self._family: OpenFamily | None = None
        self._turn = Lock()

    def preflight(self, arms: Sequence[str]) -> None:
        """Ask the auditors of these arms one small question each, if they are asked over a network."""
        families.preflight(self._auditors, arms, self._folder)

    def open(self, family: str) -> FamilyFacts:
        """Load a family's network, once, in place of the one before."""
        weights, opened = self.weights(family), self._opened(family)
        restorer = opened.pipeline.restorer
        assumed = [restorer.assumption] if isinstance(restorer, Assuming) and restorer.assumption else []
        told = " ".join([*assumed, *opened.doubts])
        return FamilyFacts(weights, self._look.available if self._look else {}, told, opened.promises)

    def try_knobs(self, family: str, cases: Sequence[Case]) -> dict[str, Trial] | None:
        """What offered knobs move; nothing is tried where nobody will ask for any."""
        return trials.try_knobs(self._opened(family), cases) if self._auditors else {}

    def work(self, family: str, case: Case) -> UnitOutcome:
        """Do what is missing of one case."""
        return unit.run_case(self._opened(family), case)

    def patient(self, yes: bool) -> None:
        """May cases wait until others have ended and money is free? Not while the run is being ended."""
        for ask in self._auditors.values():
            if isinstance(ask, Paid):
                ask.patient(yes)

    def weights(self, family: str) -> dict[str, str]:
        """Files that were opened for a family."""
        return self._opened(family).weights()

    def _opened(self, family: str) -> OpenFamily:
        with self._turn:
            if self._family is None or self._family.family != family:
                self._family = None  # its network goes before the next one comes
                if self._look is None and (self._auditors or _looked_at(self._settings)):
                    self._look = evidence.open_tools(self._machine)
                self._family = families.open_family(
                    family, self._settings, self._machine, self._auditors, self._look, self._folder
                )
            opened = self._family
        devices.share_cores(self._machine, opened.reentrant)  # this thread may have worked for another family before
        return opened


def _looked_at(settings: Settings) -> bool:
    """Does a judge look at pictures as auditors do?"""
    return any(isinstance(one, Judge) and one.looks for arm in settings.arms.values() for one in arm.lookers())


class _Local(OpenStudy):
    """Threads around one open study."""

    def __init__(self, settings: Settings, machine: Machine, folder: RunFolder, workers: int) -> None:
        super().__init__(settings, machine, folder)
        self._workers = workers

    def run(self, family: str, todo: Sequence[Case]) -> Iterator[UnitOutcome]:
        """Outcomes as they come, `workers` cases in flight."""
        self.patient(True)
        return execute.run(partial(self.work, family), todo, self._workers, partial(self.patient, False))


@contextmanager
def local(settings: Settings, machine: Machine, folder: RunFolder, workers: int) -> Iterator[WorkerPool]:
    """The pool of this machine: `workers` cases in flight, one network."""
    yield _Local(settings, machine, folder, workers)
