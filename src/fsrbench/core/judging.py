"""What a judge is, and what it is asked: which of several restorations of one input is best."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fsrbench.core.contracts import Machine
from fsrbench.core.questions import Evidence
from fsrbench.core.values import Image, Ranking

if TYPE_CHECKING:
    from pydantic import BaseModel


@dataclass(frozen=True, slots=True)
class Contest:
    """What a judge is asked: which of these restorations of one input is best?"""

    case: str
    """Case id: for records and seeds, never sent."""
    family: str
    """Family."""
    seed: int
    """Seed for judges that draw."""
    lr: Image
    """The input."""
    pictures: tuple[Image, ...]
    """The candidates; pure is the first."""
    reference: Image | None = None
    """The HR, for a judge that is declared privileged; None for every other."""
    look: Callable[[Image, Image], Evidence] | None = None
    """From (LR, SR) to what an auditor sees of them, for a judge that is declared to look; None for every other."""
    as_shown: bool = False
    """Look once, at the pictures in the order in which they stand: whoever measures what the order does to a judge
    asks for the other orders itself."""
    kept: Path | None = None
    """Folder of this contest's own, in which replies that are paid are kept at once; None to keep none."""


@dataclass(frozen=True, slots=True)
class Judge:
    """Somebody who orders candidates, given the LR and nothing else."""

    summary: str
    """One sentence for `fsrbench plugins` and the documentation."""
    open: Callable[[Any, Machine], Callable[[Contest], Ranking]]
    """From its checked settings and the machine to a function that may be called from many threads.

    It raises SettingsError at once when it cannot work, Unavailable where what it measures with cannot run here."""
    settings: type[BaseModel] | None = None
    """Its settings with types and bounds, as a pydantic model; None where it has none."""
    privileged: bool = False
    """May look at the reference: an upper bound, never a contender."""
    control: bool = False
    """Is there to be compared with: it makes a control of the arm that it judges for."""
    looks: bool = False
    """Does it look at pictures as auditors do, through `Contest.look`?"""
    remote: bool = False
    """Does it ask somebody over a network, who may want money? Then nobody asks it who did not name it."""
    measures: Callable[[Any], tuple[str, ...]] = lambda _settings: ()
    """From its checked settings to the metrics that it chooses by: they are no evidence for what it chose."""
