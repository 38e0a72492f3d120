"""What a way to intervene is, and what it is given.

A way proposes pictures and keeps one; a judge (`judging.py`) says which of them is best. Neither knows files, other
cases or other arms. A reference reaches only what is declared privileged, and is None for every other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

from fsrbench.core.budget import Spending
from fsrbench.core.contracts import Knob
from fsrbench.core.execute import Clock
from fsrbench.core.forecasts import Demand
from fsrbench.core.judging import Contest
from fsrbench.core.operations import Operation, View
from fsrbench.core.questions import Answer, Evidence, GuardLimits, PolicyLimits, Question
from fsrbench.core.stored import Knobs, KnobValue
from fsrbench.core.values import Audit, Decision, Image, Ranking, Verdict

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pydantic import BaseModel

Role: TypeAlias = Literal["contender", "control", "floor"]
"""What an arm is there for. contender: what is tested. control: what a contender must beat to be worth anything. floor:
nothing was done to make the picture better, so what differs is noise."""


@dataclass(frozen=True, slots=True)
class Restored:
    """A picture in memory, before it is stored."""

    image: Image
    """As it will be read back: already rounded to 8 bits."""
    pixels: NDArray[np.uint8]
    """The same, as it is stored."""
    sha256: str
    """Hash of the pixels."""
    knobs: dict[str, KnobValue]
    """Every offered knob with its value."""
    seed: int
    """Seed of the backend's noise."""
    seconds: float
    """Seconds that knobs and network take, also where a pass was remembered; waiting for a turn is not counted."""
    precision: str
    """What was really used."""
    notes: tuple[str, ...]
    """What a reader must know."""
    operations: tuple[Operation, ...]
    """How it was made."""
    passes: int = 0
    """Passes through a network that its arm had not made before."""


class Maker(Protocol):
    """Makes pictures of the case in hand, with the family's own network or with another that the way has named."""

    @property
    def offered(self) -> Mapping[str, Knob]:
        """Knobs of the family's own network."""

    def restore(
        self,
        knobs: Knobs,
        *,
        seed: int | None = None,
        network: str = "",
        of: Restored | None = None,
        view: View | None = None,
    ) -> Restored:
        """Restore with these knobs, all others at their defaults; with the pure picture's seed unless another is given.

        `network` is a name under which the way declared another network; empty for the family's own. `of` is the
        picture that goes in; None for the input. `view` is how the network is shown it; None for as it is.
        """

    def treat(self, tool: str, of: Restored | None = None, *, seed: int | None = None) -> Restored:
        """Let a tool treat a picture, or the input where none is given. `tool` is a name that the way declared."""

    def mean(self, pictures: Sequence[Restored]) -> Restored:
        """The mean of several, pixel by pixel."""

    def blend(self, first: Restored, second: Restored, share: float) -> Restored:
        """So much of the second (0 to 1), the rest of the first."""

    def rehearse(self, lr: Image, knobs: Knobs) -> Image | str:
        """What the family's own network makes of another input: passes are counted. Or the bound that forbids it."""

    def extra(
        self,
        knobs: Knobs,
        *,
        seed: int | None = None,
        network: str = "",
        of: Restored | None = None,
        view: View | None = None,
    ) -> int:
        """Passes that `restore` would take: 0 if the arm has made that pass before, or the pure picture has."""

    def count(self, knobs: Knobs) -> int:
        """Count what `restore` would take, where a number of that picture is at hand already."""


@dataclass(frozen=True, slots=True)
class CaseContext:
    """One case after its pure restoration: what a way is given."""

    family: str
    """The family's name."""
    case: str
    """Case id."""
    lr: Image
    """The input."""
    pure: Restored
    """What the pipeline made of it alone."""
    make: Maker
    """Makes other pictures of it."""
    clock: Clock = field(default_factory=Clock)
    """The case's time: checked before each step."""
    spending: Spending = field(default_factory=Spending)
    """What the arm may spend on this case, and what it has spent."""
    reference: Image | None = None
    """The HR, for an arm that is declared privileged; for every other arm it is None."""
    measured: dict[str, dict[str, float]] = field(default_factory=dict)
    """What privileged arms of this case measured of settings they tried (`PrivilegedAccess.measured`)."""
    dead: tuple[str, ...] = ()
    """Offered knobs that are known to move no pixel."""
    kept: Path | None = None
    """Folder in which replies that are paid are kept until the case is finished; None to keep none."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """One picture that an arm could end with, in memory."""

    picture: Restored
    """The picture."""
    origin: str
    """Where it comes from, in a word or two."""
    parent: int | None = None
    """Number of the proposal that it was made from; None where it was made from the input."""
    note: str = ""
    """What a reader must know."""


@dataclass(frozen=True, slots=True)
class RoundDraft:
    """One round of an arm, in memory."""

    picture: Restored
    """What stands after it."""
    audit: Audit | None = None
    """What was said about what stood before; None where nobody was asked."""
    decision: Decision | None = None
    """What followed."""
    verdict: Verdict | None = None
    """Whether the new picture was kept, under policy `guarded`."""
    exchange: dict[str, Any] = field(default_factory=dict)
    """What was asked and what came back; empty where nobody was asked."""
    candidates: tuple[Proposal, ...] = ()
    """The pictures that it chose among, pure first; empty where there was no choice."""
    ranking: Ranking | None = None
    """How a judge ordered them."""
    passes: int | None = None
    """Passes through a network that the round took; None: all passes that no other round counts."""
    bound: str = ""
    """Which bound of the budget ended the arm here; empty where none did."""


Intervention: TypeAlias = Callable[[CaseContext], Sequence[RoundDraft]]
"""An opened way: from a case to its rounds. The last one's picture is what the arm ends with.

It may raise AuditorUnreachable or TookTooLong: the arm has then failed for this case, and the next run takes it up.
"""


@dataclass(frozen=True, slots=True)
class Network:
    """A network beside the family's own."""

    backend: str
    """Name of the backend plugin."""
    model: str | None = None
    """The backend's setting `model`; None for its usual one. All other settings are the family's."""


@dataclass(frozen=True, slots=True)
class Basis:
    """What an arm's settings were fitted on: on anything else, what was found of them need not hold."""

    file: Path
    """The file that says so."""
    sha256: str
    """What is in it."""
    recipe: str
    """How inputs were degraded."""
    scale: int
    """HR size / LR size."""
    weights: Mapping[str, str]
    """File name → sha256 of the networks' files."""
    persons: frozenset[str]
    """sha256 of the HR pictures' files."""
    by: Literal["tune", "certify"] = "tune"
    """The command that made it."""
    hr_size: int | None = None
    """Pixels of an HR's side; None where it need not be the same."""


@dataclass(frozen=True, slots=True)
class ToolChoice:
    """A tool, and what it is opened with."""

    tool: str
    """Name of the tool plugin."""
    settings: Mapping[str, KnobValue | str] = field(default_factory=dict)
    """Its settings, checked when it is opened."""


@dataclass(frozen=True, slots=True)
class ArmSetup:
    """What a way is opened with: one arm of it in one family."""

    arm: str
    """The arm's name."""
    kind: str
    """The family whose prompt and seeds it takes."""
    settings: Any
    """The arm's own settings, checked: a value of the model that the way declares."""
    offered: Mapping[str, Knob]
    """Knobs of the family."""
    draws: bool = False
    """Does the family's backend draw noise, so that another seed gives another picture?"""
    upright: bool = False
    """Does it take upright faces alone, so that a picture may be mirrored for it and not turned?"""
    ask: Callable[[Question], Answer] | None = None
    """The opened auditor, for a way that needs one."""
    look: Callable[[Image, Image], Evidence] | None = None
    """From (LR, SR) to evidence, for a way that needs an auditor."""
    judge: Callable[[Contest], Ranking] | None = None
    """The opened judge, where the arm names one."""
    limits: PolicyLimits | None = None
    """How far an auditor is followed, for a way that needs one."""
    guards: GuardLimits | None = None
    """Set under policy `guarded`."""
    prompt: Path | None = None
    """The family's own prompt file; None for the shipped one."""
    seeds: str = ""
    """Name that what it draws is seeded from: of the arm that it is a variant of, else its own."""


@dataclass(frozen=True, slots=True)
class Control:
    """An arm that stands beside another one, to be compared with it: the same but for what is named here."""

    judge: Mapping[str, Any]
    """Its judge: `name`, and the judge's own settings."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the way that differ."""


@dataclass(frozen=True, slots=True)
class Way:
    """A way to intervene after the pure restoration."""

    summary: str
    """One sentence for `fsrbench plugins` and the documentation."""
    open: Callable[[ArmSetup], Intervention]
    """From an arm's setup to what is done with each case. It may be called from many threads."""
    role: Role = "contender"
    """What an arm of this way is there for. A control or privileged auditor or judge makes it one, too."""
    settings: type[BaseModel] | None = None
    """The settings under `with`, with types and bounds, as a pydantic model; None where it has none."""
    needs: tuple[Literal["auditor", "judge"], ...] = ()
    """What an arm of this way must name."""
    takes: tuple[Literal["auditor", "judge"], ...] = ()
    """What it may name besides."""
    privileged: bool = False
    """Does it look at the reference itself?"""
    draws: bool = False
    """Does it restore with other noise than the pure picture's?"""
    misfit: Callable[[Any, Mapping[str, Knob]], str] = lambda _settings, _offered: ""
    """What of its checked settings cannot be in a family with these knobs, in a sentence; empty where all can. It is
    asked for every family of a run before any work is done."""
    demand: Callable[[ArmSetup], Demand] | None = None
    """What an arm that is set up so asks for about a case; None where nothing can be said before."""
    basis: Callable[[Any, str], Basis | None] = lambda _settings, _family: None
    """From its checked settings and a family to what they were fitted on there; None where they were not. SettingsError
    where the file that says so cannot be used. The setting that names the file is called `from`."""
    networks: Callable[[Any], Mapping[str, Network]] = lambda _settings: {}
    """From its checked settings to the other networks that it restores with, by the names it calls them."""
    tools: Callable[[Any], Mapping[str, ToolChoice]] = lambda _settings: {}
    """From its checked settings to the tools that it uses, by the names it calls them."""
    controls: Callable[[Any], Mapping[str, Control]] = lambda _settings: {}
    """From its checked settings to the arms that `controls: true` puts beside an arm, by what its name gets added."""
    shares: bool = False
    """Do its arms propose the same pictures? Then what a network made of a case for one is kept for the next."""
