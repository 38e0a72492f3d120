"""A pool on a Ray cluster: workers that each open the study for themselves, keep it open, and send back what they make.

Workers read inputs, weights and the run's folder where they stand, so all of that lies on storage which every node
sees under the same path. They write nothing: a unit's files travel back with its outcome, and the one process that
holds the folder's lock puts them in their places, the trail last. What was not handed in leaves no trace.

A worker that is lost is started again by Ray (`max_restarts`), wherever there is room, and Ray asks it once more to
open the family (`max_task_retries`); where money is bound it is not, see `restarts`. Its units are given out anew from
here, to whoever has room: Ray would keep them for that very worker, which waits for ever where no node is left that
could take it.
"""

from __future__ import annotations

import logging
import math
import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fsrbench.case.liveness import Trial
from fsrbench.case.restore import BATCH
from fsrbench.core.contracts import Machine
from fsrbench.core.errors import CostLimitReached, Unavailable, WeightsError, first_line
from fsrbench.core.values import PURE, Case, Failure
from fsrbench.files import atomic
from fsrbench.study import ray_worker
from fsrbench.study.ray_cluster import connected, lay_out, nodes
from fsrbench.study.ray_worker import Order, Worker, WorkerReply
from fsrbench.study.schema import Settings
from fsrbench.study.store import RunFolder
from fsrbench.study.unit import UnitOutcome
from fsrbench.study.workers import FamilyFacts, WorkerPool

log = logging.getLogger("fsrbench")
ATTEMPTS = 3
"""Workers that one unit may lose before it counts as failed."""
LOSSES = 4
"""How often Ray starts a worker again, at most; a run that has lost all of them once more gives up."""
PATIENCE = 600.0
"""Seconds to wait for the first place on the cluster: a cluster that grows takes minutes."""
TOLD = ("FSRBENCH_", "OPENAI_BASE_URL")
"""Variables that workers are told. Keys are not among them: nodes have their own, or `api_key_file`."""


class _Lost(Exception):
    """A worker is gone, and what it was asked is not answered: what Ray says of it."""


@dataclass(eq=False)
class _Seat:
    """One worker from one start to the next, as the driver sees it."""

    actor: Any
    """Ray's handle."""
    flying: int = 0
    """Units that it was given and has not handed in."""
    ready: bool = False
    """Has it opened the family?"""


@dataclass(eq=False)
class _Cluster:
    """The driver's side: gives out units, stores what comes back, gives out anew what was lost."""

    ray: Any
    root: Path
    width: int
    """Units in flight on one worker."""
    seats: list[_Seat]
    family: str = ""
    opened: list[FamilyFacts] = field(default_factory=list)
    """What the workers that are ready have opened: the same, all of them."""
    opening: dict[Any, _Seat] = field(default_factory=dict)
    """Ray's reference to an `open` that is not answered yet → whose it is."""

    def preflight(self, arms: Sequence[str]) -> None:
        """Have one worker ask, since keys and the way to a server are theirs."""
        reference = self.seats[0].actor.preflight.options(max_task_retries=-1).remote(list(arms))
        if not self.ray.wait([reference], timeout=PATIENCE)[0]:
            raise _no_place()
        try:
            self._hear(reference)
        except _Lost as lost:
            raise _given_up(lost) from None

    def open(self, family: str) -> FamilyFacts:
        """Have every worker open the family; go on as soon as the first one has."""
        self.family, self.opened, self.opening = family, [], {}
        for seat in self.seats:
            self._ask_to_open(seat)
        while not self.opened:
            self._wait({})
        return self.opened[0]

    def try_knobs(self, family: str, cases: Sequence[Case]) -> dict[str, Trial] | None:
        """Ask whoever is ready."""
        found: dict[str, Trial] | None = self._ask("try_knobs", family, [_absolute(case) for case in cases])
        return found

    def weights(self, family: str) -> dict[str, str]:
        """Of all workers together: a knob may have opened a file at one of them only."""
        found: dict[str, str] = {}
        for seat in [seat for seat in self.seats if seat.ready]:
            try:
                found |= self._hear(seat.actor.weights.remote(family))
            except _Lost as lost:
                self._have_opened_again(seat, lost)
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
                    yield self._hear(reference)
                except CostLimitReached as error:
                    stopped = error
                    waiting.clear()
                except _Lost as lost:
                    self._have_opened_again(seat, lost)
                    if stopped is None and attempt < ATTEMPTS:
                        waiting.append((case, attempt + 1))
                    elif stopped is None:
                        yield UnitOutcome(case.id, [Failure(family, case.id, PURE, _gone(attempt, lost))])
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
            opened: FamilyFacts = self._hear(reference)
        except _Lost as lost:  # Ray has started it as often as it may
            self.seats.remove(seat)
            if not self.seats:
                raise _given_up(lost) from None
            log.warning(f"A worker is not started again ({lost}); the run goes on without it.")
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
            try:
                return self._hear(getattr(seat.actor, method).remote(*arguments))
            except _Lost as lost:
                self._have_opened_again(seat, lost)

    def _ask_to_open(self, seat: _Seat) -> None:
        seat.ready = False
        self.opening[seat.actor.open.options(max_task_retries=-1).remote(self.family)] = seat

    def _have_opened_again(self, seat: _Seat, lost: _Lost) -> None:
        """A worker that was lost has nothing open when Ray has started it again. Several units tell of one loss."""
        if seat not in self.seats:
            return
        log.warning(f"A worker was lost ({lost}); its units are done again.")
        again = _Seat(seat.actor)
        self.seats[self.seats.index(seat)] = again
        self._ask_to_open(again)

    def _hear(self, reference: Any) -> Any:
        """An answer, its files stored; _Lost where the worker is."""
        try:
            reply: WorkerReply = self.ray.get(reference)
        except self.ray.exceptions.RayTaskError:
            raise  # a bug: it keeps its traceback
        except self.ray.exceptions.ActorUnavailableError:  # Ray speaks of sockets here
            raise _Lost("its process ended, or its node cannot be reached") from None
        except self.ray.exceptions.RayError as error:
            raise _Lost(first_line(error)) from None
        for name, data in reply.files:
            atomic.write_bytes(self.root / name, data)
        if reply.error is not None:
            raise reply.error
        return reply.value


@contextmanager
def pool(
    settings: Settings, machine: Machine, folder: RunFolder, workers: int, *, address: str | None = None
) -> Iterator[WorkerPool]:
    """Workers on a Ray cluster: that at `address`, or one of this machine alone. 0 workers: as many as fit it."""
    with connected(address) as ray:
        device = machine.device.partition(":")[0]
        places = lay_out(nodes(ray), workers or None, device)
        told = {name: value for name, value in os.environ.items() if name.startswith(TOLD)}
        root, share = folder.root.absolute(), ray_worker.shared(settings, places.workers)
        order = Order(share, replace(machine, device=device, cores=places.cpus), root, Path.cwd(), told)
        width = max(BATCH if places.gpus else places.cpus + 2, math.ceil(settings.in_flight() / places.workers))
        hired = ray.remote(Worker).options(
            num_cpus=places.cpus,
            num_gpus=places.gpus,
            max_concurrency=width + 1,
            max_restarts=restarts(settings),
            scheduling_strategy="SPREAD",
        )
        actors = [hired.remote(order) for _ in range(places.workers)]
        try:
            yield _Cluster(ray, root, width, [_Seat(actor) for actor in actors])
        finally:
            for actor in actors:
                ray.kill(actor)


def _absolute(case: Case) -> Case:
    return Case(case.id, case.lr.absolute(), case.hr and case.hr.absolute())


def _no_place() -> Unavailable:
    return Unavailable(
        f"The Ray cluster gave no worker a place within {PATIENCE:.0f} s: see 'ray status', or take fewer --workers."
    )


def _given_up(lost: _Lost) -> Unavailable:
    return Unavailable(
        f"Every worker was lost as often as it may be, the last one so: {lost}. What is finished is kept; the same "
        "command goes on."
    )


def restarts(settings: Settings) -> int:
    """How often a worker may be started again: never where money is bound, for nobody knows what it had spent.

    Its units go to the others, each of which has its own share of `max_cost`: together they stay within it.
    """
    bound = any(arm.takes("max_cost") and arm.settings.get("max_cost") is not None for arm in settings.arms.values())
    return 0 if bound else LOSSES


def _gone(attempts: int, lost: _Lost) -> str:
    return (
        f"Its worker was lost {attempts} times, the last time so: {lost}. Where memory is short, take "
        "fewer --workers; the next run takes it up again."
    )
