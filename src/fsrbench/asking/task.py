"""One question to whoever reads text and looks at pictures: what is sent, how a reply is read, what came of it.

A kind of question is one file that makes a `Task` (`audit.py`, `comparison.py`). Whoever asks, pays, remembers or
replays knows tasks and exchanges, and no kind by name.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

from fsrbench.asking.reply import Problem
from fsrbench.core.questions import Bounds
from fsrbench.core.values import Image, Usage
from fsrbench.imaging import images


class Fields(Protocol):
    """The checked fields of a reply."""

    @property
    def repairs(self) -> tuple[str, ...]:
        """What was mended, dropped or shortened before they could be read."""


Said = TypeVar("Said", bound=Fields)


@dataclass(frozen=True, slots=True)
class Labelled:
    """A picture as it is sent: after a line that says what it is."""

    label: str
    """The line, which the prompt names too."""
    image: Image
    """The picture."""


@dataclass(frozen=True, slots=True)
class Task(Generic[Said]):
    """One question."""

    kind: str
    """`audit`, `comparison`, …: its name in records. What a kind takes is counted and reserved together."""
    family: str
    """Family: for records, never sent."""
    case: str
    """Case id: for records, never sent."""
    prompt: str
    """The text to send. What it takes is estimated from its length, and from the size of the pictures."""
    pictures: tuple[Labelled, ...]
    """What to look at, in the order in which it is sent."""
    schema: Mapping[str, Any]
    """JSON schema of a valid reply; empty where the form of the reply is left to the model."""
    read: Callable[[str, Bounds], Said]
    """From a reply's text to its fields; `Unusable`, which says why, where it cannot be used."""
    words: tuple[str, ...] = ("reason",)
    """Those of its fields that hold words of the model's own: a key that was echoed there is blotted out."""
    turn: int = 1
    """Tells questions of one case apart that are alike otherwise: its round, its order, … Never sent."""
    seed: int = 0
    """Seed of the sampling, where the auditor's settings name none."""

    def asked(self) -> Asked:
        """What is kept of it."""
        pictures = tuple((one.label, images.pixel_hash(one.image)) for one in self.pictures)
        return Asked(self.kind, self.turn, self.prompt, pictures, self.schema)


@dataclass(frozen=True, slots=True)
class Asked:
    """A task as it is recorded: pictures by the hash of their pixels."""

    kind: str
    """Its kind."""
    turn: int
    """Its turn."""
    prompt: str
    """The text that was sent."""
    pictures: tuple[tuple[str, str], ...]
    """Label and hash of each picture, in their order."""
    schema: Mapping[str, Any]
    """The schema that was sent."""

    @property
    def sha256(self) -> str:
        """By this it is found again: all that is asked, and nothing of who is asked, when, or for which arm."""
        whole = [self.kind, self.turn, self.prompt, self.pictures, self.schema]
        return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()

    def record(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "kind": self.kind,
            "task": self.sha256,
            "prompt": self.prompt,
            "prompt_sha256": hashlib.sha256(self.prompt.encode()).hexdigest(),
            "pictures": [{"label": label, "sha256": digest} for label, digest in self.pictures],
            "schema": self.schema,
        }


@dataclass(frozen=True, slots=True)
class Exchange(Generic[Said]):
    """What one task led to."""

    asked: Asked
    """What was asked."""
    whom: Mapping[str, Any]
    """Who was asked, and how it was sampled, JSON-ready; never a key."""
    said: Said | None
    """The fields of the reply; None where it could not be used."""
    problem: Problem | None
    """Why not; None where it could."""
    replies: tuple[dict[str, Any], ...]
    """Every reply as it came, JSON-ready: the last one counts."""
    usage: Usage
    """What it cost; nothing, where it was remembered."""

    @property
    def repairs(self) -> tuple[str, ...]:
        """What had to be done before it could be used."""
        return (*("asked again",) * (len(self.replies) > 1), *(self.said.repairs if self.said is not None else ()))

    def record(self) -> dict[str, Any]:
        """The whole of it, JSON-ready, for `audits/`."""
        return {**self.whom, **self.asked.record(), "replies": list(self.replies)}


@runtime_checkable
class Asker(Protocol):
    """An opened auditor that can be asked anything that is a task."""

    def ask(self, task: Task[Said]) -> Exchange[Said]:
        """Ask; AuditorUnreachable where nothing came back."""

    def reserving(
        self,
        most: Sequence[tuple[Task[Any], int]],
        kept: Path | None = None,
        excuse: Callable[[float], None] = lambda _seconds: None,
    ) -> AbstractContextManager[Asker]:
        """The same for one case, which asks each at most so often, or others of its kind that are no larger.

        `kept` and `excuse` are as in `contracts.Scope`.
        """


def taken(replies: Sequence[Mapping[str, Any]]) -> Usage:
    """What recorded replies took; those that were remembered took nothing."""
    names = ("requests", "prompt_tokens", "completion_tokens", "cost")
    return sum((Usage(*(one[name] for name in names)) for one in replies if not one["cached"]), Usage(cost=0.0))
