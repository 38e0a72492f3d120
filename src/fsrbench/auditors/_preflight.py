"""One small question before a run's first case, so that a wrong address, key or model costs no restoration."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fsrbench.asking.task import Labelled, Task
from fsrbench.auditors._dialogue import Dialogue, tokens_of
from fsrbench.auditors._purse import Account, Need
from fsrbench.core.errors import CostLimitReached
from fsrbench.core.questions import Bounds

SOON = 30.0
"""Seconds for it; a server that is not done by then may be loading its model."""
SIDE = 64
"""Side of its picture: models exist that take none below 28 pixels."""
BLIND = "no picture"
COLOUR = (
    "Before pictures of faces are sent, a test. What colour is the picture below? Answer with one JSON object, "
    f'{{"colour": …}}: red, green or blue; or "{BLIND}" if none came with this text.'
)
COLOURS = {
    "type": "object",
    "properties": {"colour": {"type": "string", "enum": ["red", "green", "blue", BLIND]}},
    "required": ["colour"],
    "additionalProperties": False,
}
"""The schema of its reply."""


@dataclass(frozen=True, slots=True)
class Colour:
    """What was said of it."""

    said: str
    """The whole reply, in lower case: it is not held to a form."""
    repairs: tuple[str, ...] = ()
    """Nothing is mended."""


def sees_nothing(dialogue: Dialogue, kept: Path | None) -> bool:
    """Ask for the colour of a small picture. What is answered hardly matters, that anything is does.

    True where the reply says that no picture came. AuditorUnreachable where nothing came back.
    """
    asked = task()
    need = Need(asked.kind, tokens_of(asked), typical=False)
    account = Account(dialogue.chat.purse, {need: 1})
    try:
        found = dialogue.preflight(asked, SOON, account.bill(need.kind), kept)
    except CostLimitReached:
        return False  # the run comes to that itself, and goes on without this arm's next case
    finally:
        account.close()
    said = asked.read(found.text, dialogue.bounds).said if found is not None else ""
    return BLIND in said and "red" not in said


def task() -> Task[Colour]:
    """The question."""
    picture = np.zeros((SIDE, SIDE, 3), np.float32)
    picture[..., 0] = 1
    return Task("preflight", "", "", COLOUR, (Labelled("The picture:", picture),), COLOURS, _read)


def _read(text: str, _bounds: Bounds) -> Colour:
    return Colour(text.lower())
