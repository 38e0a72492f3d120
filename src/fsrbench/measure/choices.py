"""People's choices between two restorations of one input, as they are stored: `choices/RATER.jsonl` in a run's folder.

A choice is one line, added at once and never changed. Who chooses anew adds another line, and the last one counts.
What choices come to is `preferences.py`'s; how they are asked for is `show/rating/`'s.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from fsrbench.core.errors import InputError, StoreError
from fsrbench.core.stored import Stored, to_json
from fsrbench.files import jsonfile, lines
from fsrbench.study.paths import RunPaths

if TYPE_CHECKING:
    from pydantic import TypeAdapter

FORMAT = 1
"""Version of a stored line."""
SPOILT = "(spoilt)"
"""Stands for the spoilt picture of an attention check where a choice names arms. No arm can be called so."""
LONGEST = 80
"""Characters of a rater's name."""
MAX_BYTES = 50_000_000
"""Bytes of one rater's choices: some hundred thousand."""
Side: TypeAlias = Literal["first", "second", "tie"]
"""What can be chosen. `tie` is "no difference"."""
Key: TypeAlias = tuple[str, str, str, str, str, bool, str]
"""What a rater chooses once: a later choice of the same replaces the earlier."""


@dataclass(frozen=True, slots=True)
class Choice(Stored):
    """What one person chose when two pictures of one case stood beside each other."""

    rater: str
    """Who chose, by the name that they gave."""
    family: str
    """Family that both pictures are of."""
    case: str
    """Case id."""
    first: str
    """Arm of the picture that was shown left, or `pure`; SPOILT for the spoilt one of an attention check."""
    second: str
    """Arm of the picture that was shown right."""
    chosen: Side
    """The side that was chosen."""
    repeat: bool = False
    """Was it the second time that this person saw these two, in the other order?"""
    check: str = ""
    """Name of the fault that was planted in the spoilt picture of an attention check; empty for all others."""
    seconds: float | None = None
    """From the showing of both to the choice; None where it was not taken."""
    at: str = ""
    """When, in UTC, as ISO 8601; empty where that is not known."""
    format: int = field(default=FORMAT, kw_only=True)
    """Version of the stored line."""

    @property
    def winner(self) -> str | None:
        """The arm that was chosen; None for a tie."""
        return {"first": self.first, "second": self.second, "tie": None}[self.chosen]

    @property
    def pair(self) -> tuple[str, str]:
        """Both arms, by name: whichever stood left."""
        return min(self.first, self.second), max(self.first, self.second)

    @property
    def key(self) -> Key:
        """What was chosen between, and by whom."""
        return (self.rater, self.family, self.case, *self.pair, self.repeat, self.check)


def named(rater: str) -> str:
    """A rater's name as it is stored: one line without doubled spaces; an InputError for what is no name."""
    name = " ".join(rater.split())
    if not name or len(name) > LONGEST or not name.isprintable():
        raise InputError(f"A rater's name has 1 to {LONGEST} characters that can be seen; {rater[:LONGEST]!r} is none.")
    return name


def read(folder: RunPaths) -> list[Choice]:
    """Every choice of a run that counts, raters by name, each in the order of choosing; none where nobody chose."""
    found: dict[Key, Choice] = {}
    for path in sorted(folder.choices.glob("*.jsonl")):
        for choice in _of_file(path):
            found.pop(choice.key, None)
            found[choice.key] = choice
    return sorted(found.values(), key=lambda choice: choice.rater)


def _of_file(path: Path) -> Iterator[Choice]:
    try:
        for number, line in enumerate(lines.read(path, MAX_BYTES), 1):
            try:
                yield _choice(line)
            except (ValueError, OverflowError) as error:
                why = jsonfile.why(error)
                raise StoreError(f"{path}, line {number}, is no choice ({why}). Mend or remove this line.") from None
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {jsonfile.why(error)}.") from None


def add(folder: RunPaths, choices: Iterable[Choice]) -> None:
    """Store choices at once, behind those that each rater made before."""
    by_rater: dict[str, list[bytes]] = {}
    for choice in choices:
        by_rater.setdefault(choice.rater, []).append(json.dumps(to_json(choice)).encode())
    for rater, own in by_rater.items():
        lines.append(folder.choices_file(rater), own)


def _choice(line: bytes) -> Choice:
    found = _shape().validate_python(jsonfile.parse(line))
    if found.format != FORMAT:
        raise ValueError(f"it has format {found.format}, not {FORMAT}")
    return found


@cache
def _shape() -> TypeAdapter[Choice]:
    from pydantic import TypeAdapter

    return TypeAdapter(Choice)
