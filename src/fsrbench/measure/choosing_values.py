"""What choosing among candidates came to: of one case, and of an arm as the summary holds it.

Every number is a mean squared error, or a difference of two, on the 0–255 scale.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean


@dataclass(frozen=True, slots=True)
class MeasuredChoice:
    """What an arm's choice did to one case, measured against the reference once all is done.

    However many pictures are kept, the error of their mean is the mean of their errors less their spread around it. So
    the gain over a candidate that is drawn blindly is the sum of `skill` and `averaging`, exactly.
    """

    family: str
    """Family."""
    case: str
    """Case id."""
    arm: str
    """The arm."""
    kept: tuple[int, ...]
    """Numbers of the candidates whose mean stands, the best first."""
    each: tuple[float, ...]
    """Error of each candidate; pure is the first."""
    averaging: float
    """Mean squared distance of the kept ones from their mean, before that is rounded to 8 bits."""
    judged: tuple[float, ...]
    """Error of the mean of the first one, two, … in the judge's order."""
    luck: tuple[float, ...]
    """The same in every order there is, in the mean."""
    oracle: tuple[float, ...]
    """The same in the order of their own errors."""

    @property
    def skill(self) -> float:
        """By how much the kept ones are better than all, before they are averaged."""
        return fmean(self.each) - fmean(self.each[place] for place in self.kept)


@dataclass(frozen=True, slots=True)
class Gained:
    """A gain over a candidate that is drawn blindly, over the cases of an arm."""

    mean: float
    """Mean over cases."""
    low: float | None
    """Lower end of the mean's interval; None below two cases or persons."""
    high: float | None
    """Its upper end."""


@dataclass(frozen=True, slots=True)
class ArmChoices:
    """What an arm's choices came to, over the cases in which they could be measured."""

    n: int
    """Cases in which the pictures of all candidates were kept and there is a reference."""
    candidates: int
    """Pictures to choose among, at most."""
    kept: int
    """Pictures whose mean stood, at most."""
    skill: Gained
    """What choosing gained."""
    averaging: Gained
    """What averaging gained."""
    fixed: Gained | None
    """What the best fixed candidate gains on persons who had no part in finding it; None below two persons, and where
    cases have different numbers of candidates."""
