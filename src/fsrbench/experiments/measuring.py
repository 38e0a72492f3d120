"""Numbers of many pictures, measured once: kept as they come, so that an interrupted command goes on."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeAlias, TypeVar

from fsrbench.core import execute
from fsrbench.files.journal import Journal

SAVED = 20.0
"""Seconds after which what was measured is stored."""

PictureNumbers: TypeAlias = Mapping[str, float]
"""Key of a picture → what a metric makes of it."""


class MeasuringJob(Protocol):
    """What is measured together."""

    @property
    def metrics(self) -> Sequence[str]:
        """Names of the numbers."""

    def numbers(self) -> Iterable[tuple[str, str]]:
        """(metric, key of the picture) of every number."""


Job = TypeVar("Job", bound=MeasuringJob)


@dataclass(frozen=True, slots=True)
class Measuring(Generic[Job]):
    """Measures what is not known yet, and keeps it."""

    measure: Callable[[Job], tuple[dict[str, dict[str, float]], dict[str, str]]]
    """From a job to metric → key → number, and to what could not be had → why. Many threads may call it."""
    journal: Journal
    """What is known."""
    identity: str
    """What decides the numbers: those of another one are dropped."""
    workers: int
    """Jobs in flight."""
    track: execute.Track
    """Shows progress."""
    lacking: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """What could not be had → of whom, and why."""

    def measured(self, title: str, jobs: Sequence[Job]) -> dict[str, PictureNumbers]:
        """Metric → all numbers of these jobs that can be had. A job is done whole where any of its numbers is new."""
        known = {name: self.journal.values(name, self.identity) for job in jobs for name in job.metrics}
        waiting = [job for job in jobs if any(key not in known[name] for name, key in job.numbers())]
        saved = time.monotonic()
        try:
            outcomes = execute.run(self.measure, waiting, self.workers)
            for found, lacking in self.track(title, outcomes, len(waiting)) if waiting else ():
                for what, why in lacking.items():
                    self.lacking[what].append(why)
                for name, values in found.items():
                    self.journal.keep(name, self.identity, values)
                if time.monotonic() - saved > SAVED:
                    self.journal.save()
                    saved = time.monotonic()
        finally:
            self.journal.save()
        return known

    def notes(self) -> list[str]:
        """What could not be had, and of how many inputs; missing is not zero, so they stand in no mean of it."""
        return [f"{what} could not be had of {len(why)} inputs, {min(why)}" for what, why in self.lacking.items()]
