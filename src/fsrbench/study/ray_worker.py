"""One worker of a Ray pool: an open study in a process of its own, which hands in what it makes.

It imports nothing of Ray: `ray_workers.py` makes an actor of it, gives it cases, and stores what it hands in.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fsrbench.core.auditing import CONCURRENCY
from fsrbench.core.contracts import Machine
from fsrbench.core.errors import FsrbenchError, SettingsError
from fsrbench.core.values import Case
from fsrbench.study.schema import Settings
from fsrbench.study.store import RunFolder
from fsrbench.study.workers import OpenStudy


@dataclass(frozen=True, slots=True)
class WorkerReply:
    """What comes back from a worker."""

    value: Any = None
    """The answer."""
    files: tuple[tuple[str, bytes], ...] = ()
    """What it made, in the order in which it is to be stored: place in the run's folder, content."""
    error: FsrbenchError | None = None
    """What went wrong, in words."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a worker must know to open the study."""

    settings: Settings
    """The study's, with this worker's share of what is limited."""
    machine: Machine
    """Device, precision and the worker's cores."""
    root: Path
    """The run's folder."""
    here: Path
    """Where relative paths begin."""
    told: Mapping[str, str]
    """Environment variables."""


class Worker:
    """The study, opened in a process of its own. Several threads of it may be at work at once."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._made = threading.local()
        self._shop: OpenStudy | None = None
        self._turn = threading.Lock()

    def preflight(self, arms: Sequence[str]) -> WorkerReply:
        """Ask whether auditors answer."""
        return self._reply(lambda shop: shop.preflight(arms))

    def open(self, family: str) -> WorkerReply:
        """Open a family."""
        return self._reply(lambda shop: shop.open(family))

    def try_knobs(self, family: str, cases: Sequence[Case]) -> WorkerReply:
        """Try knobs on the first cases."""
        return self._reply(lambda shop: shop.try_knobs(family, cases))

    def work(self, family: str, case: Case) -> WorkerReply:
        """Do what is missing of one case."""
        return self._reply(lambda shop: shop.work(family, case))

    def weights(self, family: str) -> WorkerReply:
        """Files that were opened."""
        return self._reply(lambda shop: shop.weights(family))

    def _reply(self, ask: Callable[[OpenStudy], Any]) -> WorkerReply:
        self._made.files = []
        try:
            value = ask(self._opened())
        except FsrbenchError as error:
            return WorkerReply(None, tuple(self._made.files), error)
        return WorkerReply(value, tuple(self._made.files))

    def _opened(self) -> OpenStudy:
        with self._turn:
            if self._shop is None:
                os.environ.update(self._order.told)
                if self._order.here.is_dir():
                    os.chdir(self._order.here)
                folder = RunFolder(self._order.root, self._hand_in)
                self._shop = OpenStudy(self._order.settings, self._order.machine, folder)
            return self._shop

    def _hand_in(self, path: Path, data: bytes) -> None:
        self._made.files.append((path.relative_to(self._order.root).as_posix(), data))


def shared(settings: Settings, workers: int) -> Settings:
    """The settings of one worker among several: of what all may ask and spend together, its equal share."""
    arms = dict(settings.arms)
    for name, arm in settings.arms.items():
        own: dict[str, Any] = {}
        if arm.takes("concurrency"):
            asked = arm.settings.get("concurrency") or CONCURRENCY
            if isinstance(asked, int) and asked < workers:
                raise SettingsError(
                    f"Arm {name} may have {asked} requests in flight, which cannot be shared among {workers} workers: "
                    f"raise --concurrency to {workers}, or take fewer --workers."
                )
            own["concurrency"] = asked // workers if isinstance(asked, int) else asked
        if arm.takes("max_cost") and isinstance(limit := arm.settings.get("max_cost"), int | float):
            own["max_cost"] = limit / workers
        arms[name] = arm.model_copy(update=own)
    return settings.model_copy(update={"arms": arms})
