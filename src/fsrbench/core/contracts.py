"""What a plugin is: one frozen value a kind, with a sentence under each field, and what is handed to it.

How plugins are found is in `plugins.py`. What a plugin does is in its own file; what is done with it is in the rooms
above.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, runtime_checkable

from fsrbench.core.values import Answer, Bounds, Comparison, Image, Knobs, KnobValue, Preference, Question

if TYPE_CHECKING:
    import numpy as np

Common: TypeAlias = Literal["base_url", "model", "concurrency", "max_cost", "cache", "cache_unusable"]
"""Settings that mean the same for every auditor that has them: see `auditors/openai.py`, which has them all."""
CONCURRENCY = 8
"""Requests in flight at most, of an auditor that takes `concurrency`, where its setting says nothing."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Where, how and within what bounds plugins run; the same for all of them in one command."""

    device: str = "cpu"
    """A torch device, already resolved: never `auto`."""
    precision: str = "fp32"
    """fp32, fp16 or bf16."""
    offline: bool = False
    """Forbids downloads."""
    detector: Path | None = None
    """Face detector (SCRFD ONNX file) set by the user; None takes the official one where it is present."""
    recogniser: Path | None = None
    """Face recogniser (ArcFace ONNX file) set by the user; None takes the official one."""
    bounds: Bounds = field(default_factory=Bounds)
    """How much of a reply is read, for auditors that read text: the settings' `limits`, put here by `unit.py`."""
    cores: int = 0
    """Cores that networks may use; 0 for all of this machine's."""


@dataclass(frozen=True, slots=True)
class Output:
    """What an opened backend returns."""

    image: Image
    """The restoration, at target size."""
    notes: tuple[str, ...] = ()
    """What a reader must know about how it came about."""


class Restorer(Protocol):
    """An opened backend: holds its network, is called from one thread at a time unless it is declared `reentrant`."""

    @property
    def model(self) -> str:
        """What the network is, in words fit for a table, e.g. `x4v3` or `embedded (compact, 16×32)`."""

    @property
    def weights(self) -> Mapping[str, str]:
        """File name → sha256 of the files it was opened with; empty for a backend without weights."""

    def __call__(self, lr: Image, knobs: Knobs, seed: int, precision: str) -> Output:
        """Restore one picture. `knobs` holds the values of `restore` knobs that differ from their defaults."""


@runtime_checkable
class Batching(Protocol):
    """A restorer that can also take several pictures of one size at once: what is waiting, where that is faster."""

    def together(self, lrs: Sequence[Image], knobs: Knobs, seeds: Sequence[int], precision: str) -> Sequence[Output]:
        """Restore each with its own seed and all with the same knobs; each as if it were alone, up to rounding."""


@runtime_checkable
class Assuming(Protocol):
    """A restorer that takes something for granted about its inputs, which is said once a run."""

    @property
    def assumption(self) -> str:
        """What it is, and what to do where it does not hold; empty where nothing is."""


@dataclass(frozen=True, slots=True)
class Backend:
    """A restoration network and how to open it."""

    summary: str
    """One line for `--help` and the README."""
    family: str
    """The family it belongs to."""
    consumes: tuple[str, ...]
    """`restore` knobs that it acts on. (Before and after knobs act on pictures, with any backend.)"""
    open: Callable[[Mapping[str, Any], Machine], Restorer]
    """From the family's settings (models, model, scale, tile, …) and the machine to a restorer."""
    draws: bool = False
    """Does it draw noise? If not, another seed gives the same picture, and the noise floor is exactly zero."""
    reentrant: bool = False
    """May many threads call a restorer of it at once? On a CPU each case then has a core to itself."""


@dataclass(frozen=True, slots=True)
class Knob:
    """One safe thing that an auditor may turn."""

    meaning: str
    """One sentence for the prompt and for people: what more of it does."""
    families: tuple[str, ...]
    """Families to which it is offered."""
    stage: Literal["before", "restore", "after"]
    """Acts on the LR, inside the network call, or on the SR."""
    default: KnobValue
    """No-op to the last bit."""
    low: float | None = None
    """Lower bound of a number."""
    high: float | None = None
    """Upper bound of a number."""
    choices: tuple[KnobValue, ...] = ()
    """For a choice: all values. A flag is the choice (False, True)."""
    deep: bool = False
    """A deeper hook than the paper's: offered only when a config asks for it."""
    needs: Literal["", "several faces"] = ""
    """What a picture must show for it to act; a picture without that says nothing of whether it is dead."""
    apply: Callable[[Image, KnobValue, Image], Image] | None = None
    """(picture, value, LR) → picture, for `before` and `after`; `restore` knobs are the backend's."""

    def clamp(self, value: Any) -> KnobValue:
        """The nearest allowed value. Raises ValueError for what is no value of this knob at all."""
        if self.choices and isinstance(self.default, bool):
            if not isinstance(value, bool):
                raise ValueError(f"{value!r} is not true or false")
            return value
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ValueError(f"{value!r} is not a number")
        if self.choices:
            return min(self.choices, key=lambda c: (abs(c - value), c))
        if self.low is None or self.high is None:
            raise TypeError("a knob without choices must declare low and high")
        return float(min(max(value, self.low), self.high)) + 0.0  # there is one zero


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
    """Told the seconds that the case only waited for the end of others, which are not its own."""


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


@dataclass(frozen=True, slots=True)
class Auditor:
    """Somebody who looks at a restoration and says what they think of it."""

    summary: str
    """One line for help and reports."""
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
    """Those it has of the settings that options of the command line, sweeps and a crew of workers set for an arm."""
    handling: tuple[str, ...] = ()
    """Settings that say how it is reached and paid, and cannot change what it answers: a run may go on with others."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A number for a picture. The reference is None where the metric needs none."""

    label: str
    """As printed: PSNR, LPIPS, …"""
    better: Literal["higher", "lower"]
    """Which way is up."""
    reference: bool
    """True if it needs the HR."""
    digits: int
    """Digits after the point in tables."""
    open: Callable[[Machine], Callable[[Sequence[Image], Image | None], Sequence[float]]]
    """To a function that scores all variants of one case at once, so that what belongs to the reference
    (landmarks, features) is computed once. Raises Unavailable, with the cure, when it cannot run."""
    unit: str = ""
    """dB, …"""
    named: Callable[[str], Metric] | None = None
    """For one that stands for many: from the part after the colon (`pyiqa:musiq`) to the metric that is meant."""
    depends: tuple[str, ...] = ("device", "precision", "detector", "recogniser")
    """Fields of `Machine` that decide its numbers: one measured with others is not taken over. All, unless it says."""
    weights: tuple[str, ...] = ()
    """Names in the table of `weights.py` that it opens, where the settings name no other file."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """A degradation: what is drawn, and what the drawn values do to a picture."""

    summary: str
    """One line for `--help` and the README."""
    draw: Callable[[np.random.Generator], dict[str, KnobValue | str]]
    """Every random value, flat, in a fixed order; noise fields are drawn as a seed."""
    apply: Callable[[Image, Mapping[str, Any], int], Image]
    """(HR, drawn values, scale) → LR. No randomness of its own: the same values give the same bytes."""
    columns: tuple[str, ...] = field(default=())
    """Names of the drawn values, for the CSV's header."""
    earlier: Mapping[str, KnobValue | str] = field(default_factory=dict)
    """For columns that came later: the value with which a table from before gives the pixels that it gave then."""
