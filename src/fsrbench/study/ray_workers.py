"""A crew on a Ray cluster: workers that each open a workshop of their own, keep it, and send back what they make.

Workers read inputs, weights and the run's folder where they stand, so all of that lies on storage which every node
sees under the same path. They write nothing: a unit's files travel back with its outcome, and the one process that
holds the folder's lock puts them in their places, the trail last. A unit whose worker is lost is done again by
another one, and what was not handed in leaves no trace. Starting a cluster is the business of Ray's own tools;
where none is named, one of this machine alone is started and ended, which nobody else can reach.
"""

from __future__ import annotations

import functools
import importlib
import logging
import math
import os
import secrets
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fsrbench.case.liveness import Trial
from fsrbench.case.restore import BATCH
from fsrbench.core.contracts import Machine
from fsrbench.core.errors import (
    CostLimitReached,
    SettingsError,
    Unavailable,
    WeightsError,
    first_line,
    missing_package,
)
from fsrbench.core.values import PURE, Case, Failure
from fsrbench.files import atomic
from fsrbench.study import ray_worker
from fsrbench.study.config import Settings
from fsrbench.study.ray_worker import Order, Worker, WorkerReply
from fsrbench.study.store import RunFolder
from fsrbench.study.unit import UnitOutcome
from fsrbench.study.workers import Opened, WorkerPool

log = logging.getLogger("fsrbench")
ATTEMPTS = 3
"""Workers that one unit may lose before it counts as failed."""
LOSSES = 4
"""Workers that a run may lose, for each one that it has, before it gives up."""
PATIENCE = 600.0
"""Seconds to wait for the first place on the cluster: a cluster that grows takes minutes."""
TOLD = ("FSRBENCH_", "OPENAI_BASE_URL")
"""Variables that workers are told. Keys are not among them: nodes have their own, or `api_key_file`."""
LOOPBACK = "127.0.0.1"
"""The only address at which a cluster that is started here can be reached."""
STORE = 256_000_000
"""Bytes of Ray's object store where it is started here: results are small and do not stay."""


# ------------------------------------------------------------------ placement


@dataclass(frozen=True, slots=True)
class Places:
    """How workers are laid over a cluster."""

    workers: int
    """How many."""
    cpus: int
    """Cores of each."""
    gpus: int
    """GPUs of each: 1, or 0 for those that compute on the CPU."""


def lay_out(nodes: Sequence[tuple[int, int]], workers: int | None, device: str) -> Places:
    """Workers for nodes of (cores, GPUs): one a GPU, or one a node with all its cores; or as many as were asked for.

    Those that were asked for get as many cores as allow all of them a place.
    """
    nodes = [(cores, gpus) for cores, gpus in nodes if cores > 0 and (gpus > 0 or device != "cuda")]
    if not nodes:
        raise SettingsError(f"The Ray cluster has no node for --device {device}: see 'ray status'.")
    if device == "cuda":
        there = sum(gpus for _, gpus in nodes)
        wanted, cpus = workers or there, max(1, min(cores // gpus for cores, gpus in nodes))
        if wanted > there:
            raise SettingsError(f"--workers {wanted}: a worker needs a GPU, and the Ray cluster has {there}.")
        return Places(wanted, cpus, 1)
    wanted = workers or len(nodes)
    most = max(cores for cores, _ in nodes)
    for cpus in range(most, 0, -1):
        if sum(cores // cpus for cores, _ in nodes) >= wanted:
            return Places(wanted, cpus, 0)
    there = sum(cores for cores, _ in nodes)
    raise SettingsError(f"--workers {wanted}: a worker needs a core, and the Ray cluster has {there}.")


# --------------------------------------------------------------------- driver


class _Lost(Exception):
    """A worker is gone, and what it was asked is not answered."""


@dataclass(eq=False)
class _Seat:
    """One worker, as the driver sees it."""

    actor: Any
    """Ray's handle."""
    flying: int = 0
    """Units that it was given and has not handed in."""
    ready: bool = False
    """Has it opened the family?"""


@dataclass(eq=False)
class _Cluster:
    """The driver's side: gives out units, stores what comes back, replaces who is lost."""

    ray: Any
    hire: Callable[[], Any]
    root: Path
    width: int
    """Units in flight on one worker."""
    seats: list[_Seat]
    family: str = ""
    opened: list[Opened] = field(default_factory=list)
    """What the workers that are ready have opened: the same, all of them."""
    opening: dict[Any, _Seat] = field(default_factory=dict)
    """Ray's reference to an `open` that is not answered yet → whose it is."""
    lost: int = 0

    def preflight(self, arms: Sequence[str]) -> None:
        """Have one worker ask, since keys and the way to a server are theirs; whoever replaces it, where it is lost."""
        while True:
            seat = self.seats[0]
            reference = seat.actor.preflight.remote(list(arms))
            if not self.ray.wait([reference], timeout=PATIENCE)[0]:
                raise _no_place()
            with suppress(_Lost):
                self._hear(seat, reference)
                return

    def open(self, family: str) -> Opened:
        """Have every worker open the family; go on as soon as the first one has."""
        self.family, self.opened, self.opening = family, [], {}
        for seat in self.seats:
            self._ask_to_open(seat)
        while not self.opened:
            self._wait({})
        return self.opened[0]

    def try_knobs(self, family: str, todo: Sequence[Case]) -> dict[str, Trial] | None:
        """Ask whoever is ready."""
        found: dict[str, Trial] | None = self._ask("try_knobs", family, [_absolute(case) for case in todo])
        return found

    def weights(self, family: str) -> dict[str, str]:
        """Of all workers together: a knob may have opened a file at one of them only."""
        found: dict[str, str] = {}
        for seat in [seat for seat in self.seats if seat.ready]:
            with suppress(_Lost):
                found |= self._hear(seat, seat.actor.weights.remote(family))
        return dict(sorted(found.items()))

    def run(self, family: str, todo: Sequence[Case]) -> Iterator[UnitOutcome]:
        """Outcomes as they come. Once money has run out, what is in flight is awaited and nothing else begun."""
        waiting = deque((_absolute(case), 1) for case in todo)
        flying: dict[Any, tuple[_Seat, Case, int]] = {}
        stopped: CostLimitReached | None = None
        while waiting or flying:
            while waiting and (seat := self._free()) is not None:
                case, attempt = waiting.popleft()
                seat.flying += 1
                flying[seat.actor.work.remote(family, case)] = seat, case, attempt
            for reference in self._wait(flying):
                seat, case, attempt = flying.pop(reference)
                seat.flying -= 1
                try:
                    yield self._hear(seat, reference)
                except CostLimitReached as error:
                    stopped = error
                    waiting.clear()
                except _Lost as lost:
                    if stopped is None and attempt < ATTEMPTS:
                        waiting.append((case, attempt + 1))
                    elif stopped is None:
                        yield case.id, [Failure(family, case.id, PURE, _gone(attempt, lost))]
        if stopped is not None:
            raise stopped

    def _free(self) -> _Seat | None:
        """The worker that has least to do, if it has room."""
        ready = [seat for seat in self.seats if seat.ready and seat.flying < self.width]
        return min(ready, key=lambda seat: seat.flying, default=None)

    def _wait(self, flying: Mapping[Any, Any]) -> list[Any]:
        """References of units that have come back; those who have opened the family meanwhile are ready."""
        done, _ = self.ray.wait([*self.opening, *flying], timeout=PATIENCE if not flying else None)
        if not done:
            raise _no_place()
        for reference in [reference for reference in done if reference in self.opening]:
            self._let_in(self.opening.pop(reference), reference)
        return [reference for reference in done if reference in flying]

    def _let_in(self, seat: _Seat, reference: Any) -> None:
        """Hear whether a worker could open the family; what it opened must be what the first one did."""
        try:
            opened: Opened = self._hear(seat, reference)
        except _Lost:
            return
        self.opened.append(opened)
        if opened != self.opened[0]:
            raise WeightsError(
                f"The nodes of the Ray cluster do not hold the same files for {self.family}: {opened} on one, "
                f"{self.opened[0]} on another. Put weights on shared storage, or the same ones on every node."
            )
        seat.ready = True

    def _ask(self, method: str, *arguments: Any) -> Any:
        """One question to whoever is ready, asked of another one when that one is lost."""
        while True:
            seat = next((seat for seat in self.seats if seat.ready), None)
            if seat is None:
                self._wait({})
                continue
            with suppress(_Lost):
                return self._hear(seat, getattr(seat.actor, method).remote(*arguments))

    def _ask_to_open(self, seat: _Seat) -> None:
        seat.ready = False
        self.opening[seat.actor.open.remote(self.family)] = seat

    def _replace(self, seat: _Seat, error: Exception) -> None:
        """Somebody else for a worker that is lost, wherever there is room; nobody for one that is replaced already."""
        if seat not in self.seats:
            return
        self.seats.remove(seat)
        self.opening = {reference: one for reference, one in self.opening.items() if one is not seat}
        self.ray.kill(seat.actor)  # it may be out of reach only
        self.lost += 1
        if self.lost > LOSSES * (len(self.seats) + 1):
            raise Unavailable(f"{self.lost} workers were lost, the last one so: {first_line(error)}")
        log.warning(f"A worker was lost ({first_line(error)}); its units are done again.")
        self.seats.append(_Seat(self.hire()))
        if self.family:
            self._ask_to_open(self.seats[-1])

    def _hear(self, seat: _Seat, reference: Any) -> Any:
        """An answer, its files stored; _Lost where the worker is, and somebody else is on the way."""
        try:
            reply: WorkerReply = self.ray.get(reference)
        except self.ray.exceptions.RayTaskError:
            raise  # a bug: it keeps its traceback
        except self.ray.exceptions.RayError as error:
            self._replace(seat, error)
            raise _Lost(first_line(error)) from None
        for name, data in reply.files:
            atomic.write_bytes(self.root / name, data)
        if reply.error is not None:
            raise reply.error
        return reply.value


@contextmanager
def crew(
    settings: Settings, machine: Machine, folder: RunFolder, workers: int, *, address: str | None = None
) -> Iterator[WorkerPool]:
    """Workers on a Ray cluster: that at `address`, or one of this machine alone. 0 workers: as many as fit it."""
    seats: list[_Seat] = []
    with connected(address) as ray:
        device = machine.device.partition(":")[0]
        places = lay_out(_nodes(ray), workers or None, device)
        told = {name: value for name, value in os.environ.items() if name.startswith(TOLD)}
        root, share = folder.root.absolute(), ray_worker.shared(settings, places.workers)
        order = Order(share, replace(machine, device=device, cores=places.cpus), root, Path.cwd(), told)
        width = max(BATCH if places.gpus else places.cpus + 2, math.ceil(settings.in_flight() / places.workers))
        hired = ray.remote(Worker).options(
            num_cpus=places.cpus, num_gpus=places.gpus, max_concurrency=width + 1, scheduling_strategy="SPREAD"
        )
        try:
            seats += [_Seat(hired.remote(order)) for _ in range(places.workers)]
            yield _Cluster(ray, lambda: hired.remote(order), root, width, seats)
        finally:
            for seat in seats:
                ray.kill(seat.actor)


def resolve_device(name: str, address: str | None) -> str:
    """`auto` by what the cluster has, which this machine may have not."""
    if name not in ("auto", "cpu", "cuda"):
        raise SettingsError(f"--device {name}: with --executor ray say auto, cpu or cuda; which GPU is Ray's choice.")
    if name != "auto":
        return name
    with connected(address) as ray:
        return "cuda" if any(gpus for _, gpus in _nodes(ray)) else "cpu"


@contextmanager
def connected(address: str | None) -> Iterator[Any]:
    """Ray, connected until this is left, or longer by whoever did so before. It tells nobody and serves nothing.

    A cluster that is started here listens on this machine's loopback only and answers nobody without its token.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # what Ray is about to do anyway
    address = address or os.environ.get("RAY_ADDRESS") or None
    if address is None:
        os.environ.update(alone())  # Ray reads it once, when it is imported
    try:
        ray: Any = importlib.import_module("ray")
    except ImportError:
        raise missing_package("ray", "ray", "--executor ray") from None
    if ray.is_initialized():
        yield ray
        return
    own = {"include_dashboard": False, "object_store_memory": STORE, "_node_ip_address": LOOPBACK}
    try:
        with _own_signals():
            ray.init(
                address=address or "local", log_to_driver=False, logging_level=logging.ERROR, **({} if address else own)
            )
    except Exception as error:  # Ray says in many ways, bare exceptions among them, that it did not start
        where = f"The Ray cluster at {address}" if address else "A Ray cluster of this machine"
        raise Unavailable(f"{where} could not be reached: {first_line(error)}. Try 'ray status' there.") from None
    try:
        if address is None and any(node["NodeManagerAddress"] != LOOPBACK for node in ray.nodes()):
            raise Unavailable(
                "Ray would listen on the network: it was imported before fsrbench could tell it not to. Start fsrbench "
                "by its command, or your own cluster with 'ray start' and --address."
            )
        yield ray
    finally:
        ray.shutdown()


@functools.cache
def alone() -> dict[str, str]:
    """Variables under which a cluster of this process is its own: no other interface, a token that nobody else has.

    The first one's name is for systems where Ray does the same by default; it decides which address a node has, and
    all of Ray's servers listen on loopback only where that is the node's.
    """
    return {
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
    }


@contextmanager
def _own_signals() -> Iterator[None]:
    """Ray takes SIGTERM for itself, and would end with another status and without a word: give it back."""
    kept = {}
    if threading.current_thread() is threading.main_thread():
        there = [getattr(signal, name) for name in ("SIGTERM", "SIGBREAK") if hasattr(signal, name)]
        kept = {number: signal.getsignal(number) for number in there}
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


def _nodes(ray: Any) -> list[tuple[int, int]]:
    """Cores and GPUs of every node that is alive."""
    alive = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return [(int(resources.get("CPU", 0)), int(resources.get("GPU", 0))) for resources in alive]


def _absolute(case: Case) -> Case:
    return Case(case.id, case.lr.absolute(), case.hr and case.hr.absolute())


def _no_place() -> Unavailable:
    return Unavailable(
        f"The Ray cluster gave no worker a place within {PATIENCE:.0f} s: see 'ray status', or take fewer --workers."
    )


def _gone(attempts: int, error: Exception) -> str:
    return (
        f"Its worker was lost {attempts} times, the last time so: {first_line(error)}. Where memory is short, take "
        "fewer --workers; the next run takes it up again."
    )
