"""What went wrong in a run, told once with a count: cases that failed for one reason, replies that could not be used.

Nothing is said here of what follows for a finding: that is `caveats.py`'s.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from fsrbench.core.values import Audit, Failure, Fault

NAMED = 3
"""Cases of a group that are named."""
UNSAID: Fault = "not in the form that was asked for"
"""What a reply counts as, where its auditor does not say what is wrong with it."""
_VARYING = re.compile(r"[0-9a-fA-F]{8,}|\d+")
"""What may differ between two messages about one fault: numbers, ids of requests, hashes."""


@dataclass(frozen=True, slots=True)
class Group:
    """Failures that are one and the same."""

    arm: str
    """Whose."""
    families: tuple[str, ...]
    """Where, in the order in which they came."""
    cases: tuple[str, ...]
    """The first NAMED cases."""
    count: int
    """How many failures."""
    why: str
    """In the words of the first."""

    def __str__(self) -> str:
        where = f"{', '.join(self.families)} {self.arm}"
        if self.count == 1:
            return f"{where}, {self.cases[0]}: {self.why}"
        more = ", …" if self.count > len(self.cases) else ""
        return f"{where}, {self.count:,} cases ({', '.join(self.cases)}{more}): {self.why}"


def grouped(failures: Iterable[Failure]) -> list[Group]:
    """Alike are failures of one arm whose words differ in the case's name and in numbers only."""
    alike: dict[tuple[str, str], list[Failure]] = {}
    for failure in failures:
        name = _VARYING.sub("#", failure.case)  # numbers first: a case called 0000 is a part of many
        words = _VARYING.sub("#", failure.why).replace(name, "#")
        alike.setdefault((failure.arm, words), []).append(failure)
    return [
        Group(
            arm,
            tuple(dict.fromkeys(one.family for one in found)),
            tuple(dict.fromkeys(one.case for one in found))[:NAMED],
            len(found),
            found[0].why,
        )
        for (arm, _), found in alike.items()
    ]


def unusable(audits: Iterable[Audit]) -> Counter[str]:
    """How many replies could not be used, by what was wrong with them."""
    return Counter(audit.fault or UNSAID for audit in audits if audit.status == "invalid")


def mostly_unusable(replies: int, kinds: Mapping[str, int], share: float) -> bool:
    """Are so many of an arm's replies unusable that nothing can be said of it?"""
    bad = sum(kinds.values())
    return bad > 0 and bad >= share * replies


def told(replies: int, kinds: Mapping[str, int]) -> str:
    """`2 of 20 replies could not be used (cut off at the token limit)`; empty where all could be."""
    bad = sum(kinds.values())
    if not bad:
        return ""
    why = next(iter(kinds)) if len(kinds) == 1 else ", ".join(f"{n:,} {kind}" for kind, n in kinds.items())
    return f"{bad:,} of {replies:,} {'reply' if replies == 1 else 'replies'} could not be used ({why})"
