"""The words of fsrbench: frozen values that pass between layers and go to JSON and back.

Nothing here computes, reads or imports anything heavy. Pixels never enter a stored value: those hold paths and hashes.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from fsrbench.core.operations import Operation
from fsrbench.core.stored import KnobValue, Stored

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Image: TypeAlias = "NDArray[np.float32]"
else:
    Image: TypeAlias = Any
"""Height × width × 3, float32 RGB in [0, 1]: see `images.py`, which checks it."""

FAMILIES = ("general", "blind", "prior")
TAGS = ("blockiness", "ringing", "oversharpening", "color_shift")
PURE = "pure"
Fault: TypeAlias = Literal[
    "refused", "empty", "cut off at the token limit", "not JSON", "not in the form that was asked for"
]
"""What was wrong with a reply that could not be used, in the words in which such replies are counted."""
DecisionRule: TypeAlias = Literal[
    "unusable", "score reached", "low confidence", "no effective hint", "no retry left", "hints followed"
]
"""What decided about an audit.

unusable: the reply could not be used. score reached: the picture is good enough. low confidence: the auditor was not
sure enough to be followed, or did not say how sure. no effective hint: nothing that it asked for would change anything.
no retry left: it asked for a change when all retries were spent. hints followed: its hints take effect.
"""
VerdictRule: TypeAlias = Literal[
    "preferred", "not preferred", "orders disagree", "guard tripped", "certified", "not certified", "uncertified"
]
"""What decided about a candidate.

preferred: it was the better one whenever it was shown, and no guard tripped. not preferred: another choice was made
each time. orders disagree: the choice changed with the order of the two. guard tripped: it was preferred, but measures
worse than a guard allows. certified, not certified: how far a certificate reaches. uncertified: the same, unpromised.
"""


@dataclass(frozen=True, slots=True)
class Case:
    """One input of a study."""

    id: str
    """The picture's file name without its suffix; unique in a study, and the name of every file made from it."""
    lr: Path
    """The low-resolution picture that is restored."""
    hr: Path | None
    """The reference, for metrics and the oracle alone; None where there is none."""


@dataclass(frozen=True, slots=True)
class Restoration(Stored):
    """One picture that a pipeline or an arm made, as it is stored."""

    backend: str
    """Name of the backend plugin; of several, joined by ` + `."""
    model: str
    """What the network was, with `embedded` or `stand-in` said where it is one; of several, joined by ` + `."""
    knobs: dict[str, KnobValue]
    """Every knob offered to this family with the value it had."""
    seed: int
    """Seed of the backend's own noise."""
    path: str
    """The picture, relative to the run's folder, with forward slashes."""
    sha256: str
    """Hash of the 8-bit pixels (not of the file, so that it survives another PNG encoder)."""
    seconds: float
    """Wall time of the restoration, knobs included."""
    precision: str
    """fp32, fp16 or bf16: what was really used."""
    notes: tuple[str, ...] = ()
    """What a reader must know: no face found, tile halved, repeated in fp32, …"""
    operations: tuple[Operation, ...] = ()
    """How it was made, and how it is made again."""


@dataclass(frozen=True, slots=True)
class Usage(Stored):
    """What one audit cost."""

    requests: int = 0
    """Requests sent, those that were retried included."""
    prompt_tokens: int = 0
    """Tokens sent, as the server counted them."""
    completion_tokens: int = 0
    """Tokens received, as the server counted them."""
    cost: float | None = None
    """Money, by the config's price table; None where no price is known."""
    seconds: float = 0.0
    """Wall time from the first request to the usable reply."""

    def __add__(self, other: Usage) -> Usage:
        """Both together; a cost that is unknown on one side is unknown in all."""
        cost = None if self.cost is None or other.cost is None else self.cost + other.cost
        return Usage(
            self.requests + other.requests,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            cost,
            self.seconds + other.seconds,
        )


@dataclass(frozen=True, slots=True)
class Audit(Stored):
    """What an auditor said about one restoration, before any policy."""

    status: Literal["ok", "invalid"]
    """`invalid`: something came back but could not be used, also after one request to repair."""
    score: float | None = None
    """0–100, higher is better; the paper's vlm_quality_score."""
    confidence: float | None = None
    """0–100: how sure the auditor says it is."""
    tags: tuple[str, ...] = ()
    """Artifacts it saw, out of TAGS."""
    hints: dict[str, Any] = field(default_factory=dict)
    """Knob values it asked for, unchecked, as they came."""
    reason: str = ""
    """Its reason in words; for an invalid audit, why the reply could not be used."""
    repairs: tuple[str, ...] = ()
    """Names of the repairs that the reply needed before it parsed."""
    usage: Usage = Usage()
    """What it cost."""
    fault: Fault | None = None
    """What was wrong with an invalid one; None where its auditor does not say, and where nothing was."""


@dataclass(frozen=True, slots=True)
class Decision(Stored):
    """What the policy made of an audit."""

    action: Literal["accept", "retry", "stop"]
    """accept: the current picture is good. retry: restore again. stop: no more is possible or trusted."""
    rule: DecisionRule
    """The rule that decided."""
    why: str
    """The same in words, with its numbers: for people alone."""
    applied: dict[str, KnobValue] = field(default_factory=dict)
    """Hints that take effect, after clamping."""
    clamped: dict[str, str] = field(default_factory=dict)
    """Hints that were out of bounds: name → "asked → given"."""
    dropped: dict[str, str] = field(default_factory=dict)
    """Hints that were not used: name → why."""


@dataclass(frozen=True, slots=True)
class Verdict(Stored):
    """What policy guarded, or a certificate, made of a candidate: does it replace the picture that stood?"""

    kept: bool
    """True if the candidate replaced it."""
    rule: VerdictRule
    """The rule that decided."""
    why: str
    """The same in words: for people alone."""
    preferences: tuple[str, ...] = ()
    """What the auditor preferred in each order: `candidate`, `current` or `neither`."""
    guards: dict[str, str] = field(default_factory=dict)
    """Guard → "before → after", for those that tripped."""


@dataclass(frozen=True, slots=True)
class Candidate(Stored):
    """One picture that an arm could have ended with. Pure is candidate 0."""

    origin: str
    """Where it came from, in a word or two: `pure`, `retry`, `constant 1`, …"""
    sha256: str
    """Hash of its 8-bit pixels. Without `keep_candidates`, only the chosen picture is stored."""
    operations: tuple[Operation, ...]
    """How it was made."""
    chosen: bool
    """Did the round end with it?"""
    parent: int | None = None
    """Number of the candidate that it was made from; None where it was made from the input."""
    seconds: float = 0.0
    """What making it took."""
    passes: int = 0
    """Passes through a network that it took beyond those that were made before it."""
    note: str = ""
    """What a reader must know."""


@dataclass(frozen=True, slots=True)
class Ranking(Stored):
    """What a judge made of candidates."""

    judge: str
    """Its name."""
    scores: tuple[float | None, ...]
    """One for each candidate, higher is better; None where it could not be judged."""
    order: tuple[int, ...]
    """Numbers of the candidates, the best first; those that could not be judged come last."""
    parts: tuple[dict[str, float], ...] = ()
    """Of what each score is made, where it has parts."""
    usage: Usage = Usage()
    """What it cost."""


@dataclass(frozen=True, slots=True)
class Round(Stored):
    """One step of one arm: what was audited, decided, and which picture stands after it."""

    arm: str
    """`pure` for round 0, else the arm's name."""
    number: int
    """0 for pure; an arm counts its own rounds from 1."""
    restoration: Restoration
    """The picture that stands after this round."""
    audit: Audit | None = None
    """What was said about the picture that stood before this round; None for pure, and where nobody was asked."""
    decision: Decision | None = None
    """What followed from it; None where there is no audit."""
    verdict: Verdict | None = None
    """Whether the new picture was kept; None where nobody asked that."""
    candidates: tuple[Candidate, ...] = ()
    """The pictures that the round chose among, pure first; empty where there was no choice."""
    ranking: Ranking | None = None
    """How they were ordered; None where no judge was asked."""
    passes: int | None = None
    """Passes through a network that the round took; None where an earlier version did not count them."""
    bound: str = ""
    """Which bound of its budget ended the arm, or its search, here; empty where none did."""


@dataclass(frozen=True, slots=True)
class Trail(Stored):
    """All rounds of one case in one family. Its file is written last: it is there, so its arms are done."""

    case: str
    """Case id."""
    family: str
    """One of FAMILIES, or a family that a config adds."""
    lr_sha256: str
    """Hash of the LR's file, so that a changed input is noticed."""
    rounds: tuple[Round, ...]
    """Round 0 (pure) first, then each finished arm's rounds in order. A failed arm has none."""

    @property
    def pure(self) -> Restoration:
        """Round 0's picture."""
        return self.rounds[0].restoration

    @property
    def arms(self) -> dict[str, tuple[Round, ...]]:
        """Finished arms and their rounds, in the order in which they were run."""
        found: dict[str, tuple[Round, ...]] = {}
        for step in self.rounds[1:]:
            found[step.arm] = (*found.get(step.arm, ()), step)
        return found

    def final(self, arm: str) -> Restoration:
        """The picture that an arm ended with; `pure` is an arm too."""
        return self.pure if arm == PURE else self.arms[arm][-1].restoration


@dataclass(frozen=True, slots=True)
class Failure:
    """Something that did not work out and will be taken up again by the next run."""

    family: str
    """Family it happened in."""
    case: str
    """Case id."""
    arm: str
    """`pure` when nothing could be restored."""
    why: str
    """In words, with the cure where there is one."""


@dataclass(frozen=True, slots=True)
class Score:
    """One measured number, or the reason why there is none."""

    case: str
    """Case id."""
    family: str
    """Family."""
    arm: str
    """`pure` or an arm's name."""
    metric: str
    """Name of the metric plugin."""
    value: float | None
    """The number; None is missing, never zero."""
    note: str = ""
    """Why there is none, or what to know about it."""


def derive_seed(seed: int, *parts: str) -> int:
    """A 63-bit seed that depends on the study's seed and on names only: not on order, time or machine."""
    text = "\x1f".join((str(seed), *parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
