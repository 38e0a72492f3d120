"""What passes between a way, an auditor and a policy about one case: in memory only, inside one unit of work.

Whoever judges sees an `Evidence`; a reference can reach it as `PrivilegedAccess` alone, which is None for every other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from fsrbench.core.stored import Knobs, KnobValue
from fsrbench.core.values import Audit, Image, Usage

if TYPE_CHECKING:
    from fsrbench.core.contracts import Knob


MAX_REPLY = 200_000
"""Characters of an auditor's reply, where the settings say nothing else."""
MAX_REASON = 600
"""Characters of a reason: so many are asked for, and kept where the settings say nothing else."""


@dataclass(frozen=True, slots=True)
class PolicyLimits:
    """How far an auditor is followed."""

    min_confidence: float
    """Below it the current picture stands (the paper's tau_conf)."""
    accept_score: float
    """From this score on the current picture is accepted."""
    retries: int
    """Restorations after the first, at most."""
    max_changes: int | None
    """Knobs that may differ from their defaults at once; None for all of them."""


@dataclass(frozen=True, slots=True)
class GuardLimits:
    """How much worse than the picture that stands a candidate may be, under policy `guarded`."""

    consistency: float
    """Most that the consistency with the LR may fall, in dB."""
    identity: float
    """Most that the likeness to the enlarged LR may fall."""
    niqe: float
    """Most that NIQE may rise."""


@dataclass(frozen=True, slots=True)
class Patch:
    """One face region, cut from LR and SR at the same place."""

    name: str
    """left_eye, right_eye, nose, mouth or skin."""
    image: Image
    """The cut from the SR."""
    box: tuple[int, int, int, int]
    """x0, y0, x1, y1 in the SR."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What an auditor may see. Made from LR and SR only: no reference can reach it."""

    lr: Image
    """The input, downsampled where it is large."""
    sr: Image
    """The restoration to be judged."""
    patches: tuple[Patch, ...]
    """3–5 face regions."""
    places: str
    """Where the patches come from: `landmarks` or `canonical FFHQ places`."""
    qa: dict[str, float | None]
    """Measured numbers by name; None where one could not be measured here."""
    meanings: dict[str, str] = field(default_factory=dict)
    """What those numbers say, for whoever reads text; a number without is told by name alone."""


@dataclass(frozen=True, slots=True)
class PrivilegedAccess:
    """What only a privileged auditor gets: it makes an upper bound, never a contender."""

    reference: Image
    """The HR."""
    restore: Callable[[Knobs], Image]
    """What the pipeline would make with these knobs."""
    measured: dict[str, dict[str, float]] = field(default_factory=dict)
    """Setting → metric → number: what privileged arms of this case have measured already, shared among them."""
    afford: Callable[[Knobs], bool] = lambda _knobs: True
    """Has the arm's budget room for a look at these knobs? If so it is counted, though another arm measured it before:
    what an arm finds must not depend on who ran before it."""


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """The pipeline, for an auditor that tries settings on inputs of its own making: no reference is in it."""

    lr: Image
    """The case's input, at its full size."""
    restore: Callable[[Image, Knobs], Image | None]
    """What the pipeline makes of another input with these knobs; None where the arm's budget has no room for it."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A blind choice between two restorations of one input: which is which is not said."""

    case: str
    """Case id: for records, never sent."""
    family: str
    """Family."""
    order: int
    """1, or 2 when it is asked again with the two exchanged: for records, never sent."""
    seed: int
    """Seed for auditors that draw."""
    first: Evidence
    """One of them."""
    second: Evidence
    """The other, of the same input."""


@dataclass(frozen=True, slots=True)
class Preference:
    """An auditor's choice and the whole exchange behind it."""

    chosen: Literal["first", "second", "neither"]
    """Which one; a reply that could not be used is `neither`."""
    usage: Usage = field(default_factory=Usage)
    """What it cost."""
    exchange: dict[str, Any] = field(default_factory=dict)
    """JSON-ready record, as in `Answer`."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much of an auditor's reply is read, and how much of it is kept."""

    max_reply: int = MAX_REPLY
    """Characters of a reply that are looked at; a longer one is refused whole."""
    max_reason: int = MAX_REASON
    """Characters of its reason that are kept; what is beyond is cut off, and the record says so."""


@dataclass(frozen=True, slots=True)
class Question:
    """One request to an auditor."""

    case: str
    """Case id: for records and seeds, never sent."""
    family: str
    """Family."""
    round: int
    """1 for the first audit of an arm."""
    seed: int
    """Seed for auditors that draw."""
    evidence: Evidence
    """What it may look at."""
    knobs: dict[str, KnobValue]
    """Current value of every knob it may turn."""
    offered: Mapping[str, Knob]
    """What those knobs are: their bounds, and what more of each does."""
    brief: str = ""
    """The family's prompt file as it is, for auditors that read text: `asking/audit.py` makes of it what is sent."""
    insight: PrivilegedAccess | None = None
    """For privileged auditors alone; None for every other."""
    max_changes: int | None = None
    """Knobs that may differ from their defaults at once; None for all of them."""
    dead: tuple[str, ...] = ()
    """Offered knobs that are known to move no pixel, for auditors that draw: nobody else is told."""
    rehearsal: Rehearsal | None = None
    """Only for auditors that rehearse (`auditing.rehearses`); None for every other."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An auditor's audit and the whole exchange behind it."""

    audit: Audit
    """What was understood."""
    exchange: dict[str, Any] = field(default_factory=dict)
    """JSON-ready record of what was asked and what came back, for `audits/`; never holds a key."""
