"""Numbers of finished cases while others are still waited for: a run measures beside its auditors' replies.

What is found is kept in the run's journal, where `evaluate.measure` takes it from. A case that is not reached here, or
does not work out, is measured there, and what is wrong with it is told there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from fsrbench.core import execute, plugins
from fsrbench.core.contracts import Machine
from fsrbench.core.errors import FsrbenchError
from fsrbench.core.values import PURE
from fsrbench.measure import evaluate, subjects
from fsrbench.measure.evaluate import MeasuredCase
from fsrbench.measure.scorers import Scorers
from fsrbench.measure.subjects import Evaluation
from fsrbench.study import config
from fsrbench.study.run import Finished
from fsrbench.study.store import RunFolder


@contextmanager
def measuring(machine: Machine) -> Iterator[Finished]:
    """Measure finished cases in threads of their own until this is left; what it yields is to be told of each."""
    ahead = _Ahead(machine)
    try:
        yield ahead.measure
    finally:
        ahead.leave()


class _Ahead:
    """Cases that are being measured. The journal is written to by the thread that tells of them, and by no other."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._bench: _Bench | None = None
        self._opened = False
        self._pool = ThreadPoolExecutor(max(1, execute.cores() // 2), thread_name_prefix="fsrbench-measure")
        self._running: list[Future[MeasuredCase | None]] = []

    def measure(self, folder: RunFolder, family: str, case: str) -> None:
        """Measure this one, too."""
        if not self._opened:
            self._opened = True
            with suppress(FsrbenchError):
                self._bench = _Bench.of(folder, self._machine)
        if self._bench is not None:
            self._keep(self._bench)
            self._running.append(self._pool.submit(self._bench.measured, family, case))

    def leave(self) -> None:
        """Begin no other case, wait for those in work, and keep what they came to."""
        self._pool.shutdown(cancel_futures=True)
        if self._bench is not None:
            self._keep(self._bench)

    def _keep(self, bench: _Bench) -> None:
        """Remember what is done. An error is none of ours: it comes again when the whole run is measured."""
        done = [future for future in self._running if future.done()]
        self._running = [future for future in self._running if future not in done]
        for future in done:
            found = None if future.cancelled() or future.exception() else future.result()
            if found is not None:
                bench.scorers.keep(found.new)


@dataclass(frozen=True)
class _Bench:
    """What the cases of one run are measured with."""

    folder: RunFolder
    """The run."""
    scorers: Scorers
    """Its metrics."""
    references: Mapping[str, Path]
    """Case → HR."""

    @classmethod
    def of(cls, folder: RunFolder, machine: Machine) -> _Bench | None:
        """As the run's record says; None where a network takes all cores, and would add up in another order."""
        study = folder.study()
        settings = config.stored(study["settings"], folder.study_file)
        if not all(plugins.load("backends", family.backend).reentrant for family in settings.families.values()):
            return None
        what = Evaluation((), subjects.load_metrics(settings.metrics), hr_size=settings.hr_size, limits=settings.limits)
        references = subjects.references(study["inputs"]["hr"], None)
        return cls(folder, Scorers.of(what, machine, folder.journal), references)

    def measured(self, family: str, case: str) -> MeasuredCase | None:
        """What one case comes to; None where nothing of it is stored."""
        trail = self.folder.trail(family, case)
        if trail is None:
            return None
        self.scorers.share_cores()
        made = {arm: trail.final(arm).sha256 for arm in (PURE, *trail.arms)}
        subject = subjects.finished(self.folder, (family, case), made, None, self.references.get(case))
        return evaluate.measured(self.scorers, subject)
