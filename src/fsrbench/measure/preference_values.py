"""What people chose, as one value: the part `people` of `summary.json`, field by field and in that order."""

from __future__ import annotations

from dataclasses import dataclass

PASSED = 0.8
"""Share of their attention checks that raters must pass for their choices to count."""


@dataclass(frozen=True, slots=True)
class RaterRecord:
    """One person, and how far their choices can be relied on."""

    choices: int
    """Pairs that they chose between; repeats and attention checks are not among them."""
    cases: int
    """Cases that these are of."""
    ties: int
    """Of the pairs: those in which they saw no difference."""
    left: int
    """Of the pairs: those in which they chose the picture on the left."""
    repeats: int
    """Pairs that they saw a second time, in the other order."""
    same: int
    """Those of them in which they chose the same picture again, or saw no difference again."""
    checks: int
    """Pairs with a spoilt picture."""
    passed: int
    """Those of them in which they chose the other one."""
    seconds: float | None
    """Median time of a choice; None where it was not taken."""
    counted: bool
    """Do their choices count? Not where they passed too few of their checks."""


@dataclass(frozen=True, slots=True)
class PreferenceShare:
    """How often an arm's picture was chosen before others. A tie is half a choice of each."""

    n: int
    """Choices."""
    wins: int
    """Its picture was chosen."""
    ties: int
    """No difference was seen."""
    losses: int
    """The other one was chosen."""
    share: float | None
    """Of the choices, ties by half; None where there are none."""
    low: float | None
    """Lower end of its interval over persons; None below two of them."""
    high: float | None
    """Its upper end."""


@dataclass(frozen=True, slots=True)
class ArmPreference:
    """What people thought of an arm, or of pure."""

    against_pure: PreferenceShare | None
    """Its picture beside pure's; None for pure itself."""
    overall: PreferenceShare
    """Its picture beside any other's."""
    strength: float | None
    """Bradley–Terry: log odds of being chosen before pure; None where no chain of comparisons leads to pure."""
    low: float | None
    """Lower end of its bootstrap interval over persons; None for pure, which is 0, and below two persons."""
    high: float | None
    """Its upper end."""


@dataclass(frozen=True, slots=True)
class FamilyPreferences:
    """What people chose in one family."""

    choices: int
    """Choices that count."""
    cases: int
    """Cases that they are of."""
    persons: int
    """Persons that these show: what intervals count. Every case is its own where it is not known who is who."""
    raters: int
    """Raters whose choices these are."""
    arms: dict[str, ArmPreference]
    """Arm, or `pure` → what was thought of it."""
    virtual: bool
    """Did strengths need virtual choices, because an arm, or a group of them, won or lost all?"""
    shared: int
    """Pairs that several raters chose between."""
    alpha: float | None
    """Krippendorff's alpha between raters over them; None where it is not known."""


@dataclass(frozen=True, slots=True)
class People:
    """Everything that people's choices came to."""

    raters: dict[str, RaterRecord]
    """Name → how far they can be relied on."""
    families: dict[str, FamilyPreferences]
    """Family → what was chosen."""
    unknown: int
    """Choices of cases or arms that this evaluation does not have; they are left out."""
    required: float = PASSED
    """Share of the attention checks that must be passed."""
