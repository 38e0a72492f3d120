"""The metrics that cases are measured with, each opened once and when needed, and the numbers they gave before."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from fsrbench.core.contracts import Machine
from fsrbench.core.errors import FsrbenchError
from fsrbench.files.journal import Journal
from fsrbench.measure import identity
from fsrbench.measure.subjects import Evaluation
from fsrbench.models import devices

ENLARGED = "enlarged references"
"""Under this the journal remembers references that were smaller than they are compared: content → shorter side."""
CROPPED = "cropped references"
"""Under this it remembers references of which the centre square is compared: content → width over height."""
Scorer = Callable[[Sequence[Any], Any], Sequence[float]]


@dataclass(frozen=True)
class Scorers:
    """What every case is measured with. Many threads may ask; one of them keeps what was found."""

    what: Evaluation
    """What is measured."""
    machine: Machine
    """Where."""
    journal: Journal
    """Hashes of files, and numbers that need not be measured again."""
    identities: Mapping[str, str]
    """Metric → what decides its numbers beside the pictures."""
    opened: dict[str, Scorer | str] = field(default_factory=dict)
    """Metrics that something had to be measured with, or why that cannot be."""
    turn: Lock = field(default_factory=Lock)
    """One metric is opened at a time, and once."""

    @classmethod
    def of(cls, what: Evaluation, machine: Machine, journal: Journal) -> Scorers:
        """Those of an evaluation; none is opened yet."""
        identities = {name: identity.of(name, what, machine, journal) for name in what.metrics}
        identities |= dict.fromkeys((ENLARGED, CROPPED), str(what.hr_size))
        return cls(what, machine, journal, identities)

    def share_cores(self) -> None:
        """Let networks compute as in a run that restores first: the same sums, a core a case."""
        if any("device" in metric.depends for metric in self.what.metrics.values()):
            devices.share_cores(self.machine, reentrant=True)

    def known(self, name: str) -> Mapping[str, float]:
        """Content → number that need not be measured again."""
        return self.journal.values(name, self.identities[name])

    def keep(self, new: Mapping[str, Mapping[str, float]]) -> None:
        """Remember what was measured: metric → content → number."""
        for name, values in new.items():
            self.journal.keep(name, self.identities[name], values)

    def scorer(self, name: str) -> Scorer | str:
        """The opened metric, or why there is none here."""
        with self.turn:
            if name not in self.opened:
                try:
                    self.opened[name] = self.what.metrics[name].open(self.machine)
                except FsrbenchError as error:
                    self.opened[name] = str(error)
            return self.opened[name]
