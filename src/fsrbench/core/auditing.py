"""What an auditor is, and what an opened one may be beside: able to compare, asked over a network, paid."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, runtime_checkable

from fsrbench.core.forecasts import Forecast
from fsrbench.core.questions import Answer, Comparison, Preference, Question

if TYPE_CHECKING:
    from fsrbench.core.contracts import Machine


Common: TypeAlias = Literal["base_url", "model", "concurrency", "max_cost", "cache", "cache_unusable"]
"""Settings that mean the same for every auditor that has them: see `auditors/openai.py`, which has them all."""
CONCURRENCY = 8
"""Requests in flight at most, of an auditor that takes `concurrency`, where its setting says nothing."""


@runtime_checkable
class Comparer(Protocol):
    """An opened auditor that can also choose between two restorations, as policy `guarded` asks it to."""

    def __call__(self, question: Question) -> Answer:
        """Judge one restoration."""

    def compare(self, comparison: Comparison) -> Preference:
        """Choose between two, without knowing which is which."""


def takes_back(ask: object) -> bool:
    """Does an opened auditor look again at what its hints made, and take back what it does not like better?

    It says so with an attribute of this name and must be a `Comparer`. It holds under every policy: it is the
    auditor's own way, as which hints it gives is.
    """
    return bool(getattr(ask, "takes_back", False))


def restores(ask: object) -> int:
    """How many pictures an opened auditor that is privileged makes itself, of one case, at most.

    It says so with an attribute of this name, as with `takes_back`.
    """
    return int(getattr(ask, "restores", 0))


@runtime_checkable
class Remote(Protocol):
    """An opened auditor that asks somebody over a network, who may not be there, or not be who was meant."""

    @property
    def whom(self) -> str:
        """Who is asked, in words; arms that ask the same one are tried out once."""

    def __call__(self, question: Question) -> Answer:
        """Judge one restoration."""

    def preflight(self, kept: Path | None) -> None:
        """Ask one small question before any work is done. AuditorUnreachable where nothing came of it, with a cure
        where that is the user's to mend."""

    def check(self) -> None:
        """AuditorUnreachable where it was given up: nothing need be prepared for it."""


@dataclass(frozen=True, slots=True)
class Scope:
    """How much an arm may ask about one case, and where what it pays for is kept until the case is finished."""

    rounds: int
    """Audits at most."""
    comparisons: int = 0
    """Blind choices at most; one for each order."""
    kept: Path | None = None
    """Folder of the case's own; None to keep nothing."""
    excuse: Callable[[float], None] = lambda _seconds: None
    """Called with the seconds that the case only waited for others: they are not counted as its own time."""


@runtime_checkable
class Paid(Protocol):
    """An opened auditor whose replies cost money: it is told of a case before it is asked about it.

    What it was paid for in a case that was cut off must not be asked again: it keeps each reply at once in the scope's
    folder, in JSON files (at any depth) that hold their `usage`, as in `values.Usage`.
    """

    def __call__(self, question: Question) -> Answer:
        """Judge one restoration."""

    def begin(self, question: Question, scope: Scope) -> AbstractContextManager[Callable[[Question], Answer]]:
        """The auditor for one case, of which this is the first question; left when the case has ended."""

    def patient(self, yes: bool) -> None:
        """May a case wait until others have ended and money is free? Not while a run is being ended."""


@runtime_checkable
class Foreseeing(Protocol):
    """An opened auditor that can say what it will send before it sends anything: see `fsrbench run --dry-run`."""

    def __call__(self, question: Question) -> Answer:
        """Judge one restoration."""

    def foresee(self, question: Question, scope: Scope, cases: Sequence[str]) -> Forecast:
        """What is sent about these cases, all of them like the one of this first question, within the scope of each."""

    def foresee_preflight(self) -> Forecast:
        """What is sent before a run's first case."""


@dataclass(frozen=True, slots=True)
class Auditor:
    """Somebody who looks at a restoration and says what they think of it."""

    summary: str
    """One sentence for `fsrbench plugins` and the documentation."""
    open: Callable[[Mapping[str, Any], Machine], Callable[[Question], Answer]]
    """From the arm's settings to a function that may be called from many threads.

    It raises SettingsError at once when it cannot work (no key, no server named), AuditorUnreachable
    when nothing came back for one question."""
    privileged: bool = False
    """May look at the reference: an upper bound, never a contender. Marked wherever it shows."""
    control: bool = False
    """Is there to be compared with: what a contender must beat to be worth anything."""
    compares: bool = False
    """Is what it opens to a `Comparer`? Then it can be followed under policy guarded."""
    takes: tuple[Common, ...] = ()
    """Which of the common settings it has: command-line options, sweeps and pools of workers set them for an arm."""
    measures: Callable[[Mapping[str, Any]], tuple[str, ...]] = lambda _settings: ()
    """From its settings to the metrics that it chooses by: they are no evidence for what it chose."""
    handling: tuple[str, ...] = ()
    """Settings that say how it is reached and paid, and cannot change what it answers: a run may go on with others."""
