"""What every way to intervene is given, and what it returns. A way is one function from a `Situation` to its steps.

The loop of the paper is `audit.py`; `rerun.py` is the noise floor. A new way is one new file beside them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from fsrbench.case.restore import Pipeline, Restored
from fsrbench.core.values import Audit, Decision, Image, Verdict


@dataclass(frozen=True, slots=True)
class CaseContext:
    """One case after its pure restoration."""

    family: str
    """The family's name."""
    case: str
    """Case id."""
    lr: Image
    """The input."""
    pure: Restored
    """What the pipeline made of it alone."""
    pipeline: Pipeline
    """The pipeline, to restore again."""
    reference: Image | None = None
    """The HR, for an arm that is declared privileged; for every other arm it is None."""
    measured: dict[str, dict[str, float]] = field(default_factory=dict)
    """What privileged arms of this case measured of settings they tried (`Insight.measured`)."""
    dead: tuple[str, ...] = ()
    """Offered knobs that are known to move no pixel."""
    kept: Path | None = None
    """Folder in which replies that are paid are kept until the case is finished; None to keep none."""


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


Intervention: TypeAlias = Callable[[CaseContext], list[RoundDraft]]
