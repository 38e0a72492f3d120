"""What an auditor is told: a family's prompt file, filled with its knobs and measured numbers.

A prompt file is Markdown with `${name}` placeholders. What a knob is, its bounds and where it stands come from the
knob's own file, and what a number means from its instrument's, so that a new one needs no edit here or there. What the
pictures are and in which order they are sent is `picture_labels`, used by the prompt and by whoever sends them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

from fsrbench.asking.task import Labelled
from fsrbench.core.contracts import Knob
from fsrbench.core.errors import SettingsError
from fsrbench.core.near import near
from fsrbench.core.plugins import shipped
from fsrbench.core.questions import MAX_REASON, Evidence
from fsrbench.core.stored import Knobs, KnobValue
from fsrbench.core.values import TAGS, Image
from fsrbench.files import atomic

MAX_PROMPT = 100_000
"""Bytes of a prompt file; it is sent with every question."""
PLACEHOLDERS = {
    "pictures": "the pictures in the order in which they are sent",
    "qa": "the measured numbers, one a line",
    "knobs": "the knobs with bounds, current values and meaning",
    "limit": "how many knobs may be changed, as a sentence",
    "tags": "the allowed tags",
    "answer": "the shape of the reply",
}
"""What a prompt file may hold, and what is put there."""
REQUIRED = ("knobs", "answer")
"""Without these an auditor cannot answer usably."""

PATCH_MEANING = {
    "left_eye": "the eye on the left of the picture",
    "right_eye": "the eye on the right of the picture",
    "nose": "the nose",
    "mouth": "the mouth",
    "skin": "skin",
}


@dataclass(frozen=True, slots=True)
class Prompt:
    """A family's prompt file, read and checked."""

    text: str
    """The file as it is, placeholders unfilled."""
    sha256: str
    """Hash of the file's text: what a run records and a cache keys on."""


def read(family: str, path: Path | None = None) -> Prompt:
    """Read a family's prompt: the file that the config names, else the one that comes with the package."""
    source = path or shipped("prompts") / f"{family}.md"
    try:
        text = atomic.read_bytes(source, MAX_PROMPT).decode().replace("\r\n", "\n")
    except FileNotFoundError:
        if path is None:
            raise SettingsError(
                f"The family {family!r} has no prompt: {source} is not there. Write one, or name a file in the setting "
                f"families.{family}.prompt."
            ) from None
        raise SettingsError(f"{path}, named by the setting families.{family}.prompt, is not there.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"The prompt {source} cannot be read as UTF-8 text: {error}.") from None
    return checked(source, text, PLACEHOLDERS, REQUIRED)


def read_own(path: Path, known: Collection[str], required: Collection[str]) -> Prompt:
    """Read a prompt of the user's for another kind of question, with the placeholders that it knows and needs."""
    try:
        text = atomic.read_bytes(path, MAX_PROMPT).decode().replace("\r\n", "\n")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"The prompt {path} cannot be read as UTF-8 text: {error}.") from None
    return checked(path, text, known, required)


def checked(source: Path, text: str, known: Collection[str], required: Collection[str]) -> Prompt:
    """A prompt whose placeholders are known, and none of those missing that a reply depends on."""
    template = Template(text)
    if not template.is_valid():
        raise SettingsError(
            f"The prompt {source} has a $ that starts no placeholder. Write $$ for a plain dollar sign."
        )
    found = template.get_identifiers()
    for name in found:
        if name not in known:
            hint = near(name, known, "${{{}}}")
            raise SettingsError(
                f"The prompt {source} has the unknown placeholder ${{{name}}}.{hint} Known: {', '.join(known)}."
            )
    absent = [f"${{{name}}}" for name in required if name not in found]
    if absent:
        raise SettingsError(f"The prompt {source} lacks {' and '.join(absent)}, without which no reply can be used.")
    return Prompt(text, hashlib.sha256(text.encode()).hexdigest())


def pictures(evidence: Evidence) -> tuple[Labelled, ...]:
    """What is sent of the evidence, in its order."""
    shown = (evidence.lr, evidence.sr, *(patch.image for patch in evidence.patches))
    return tuple(Labelled(label, image) for label, image in zip(picture_labels(evidence), shown, strict=True))


def picture_labels(evidence: Evidence) -> tuple[str, ...]:
    """One line for each picture, in the order in which they are sent: input, restoration, patches."""
    return (
        f"INPUT ({_size(evidence.lr)}): the degraded picture that was restored",
        *restoration_labels(evidence, "RESTORATION", "the picture to judge", "PATCH"),
    )


def _size(picture: Image) -> str:
    return f"{picture.shape[1]}×{picture.shape[0]}"


def restoration_labels(evidence: Evidence, name: str, meaning: str, patches: str) -> tuple[str, ...]:
    """Those of a restoration and its patches, under the names that a prompt gives them."""
    found = evidence.places == "landmarks"
    where = "found by its landmarks" if found else "cut at the usual place, so it may be off"
    return (
        f"{name} ({_size(evidence.sr)}): {meaning}",
        *(
            f"{patches} {patch.name} ({_size(patch.image)}): {PATCH_MEANING.get(patch.name, patch.name)}, cut from the "
            f"{name}, {where}"
            for patch in evidence.patches
        ),
    )


def render(
    template: str, knobs: Mapping[str, Knob], current: Knobs, evidence: Evidence, max_changes: int | None
) -> str:
    """A prompt file's text, filled in for one question."""
    filled = {
        "pictures": listed(picture_labels(evidence)),
        "qa": _qa(evidence),
        "knobs": _knobs(knobs, current),
        "limit": _limit(max_changes, len(knobs)),
        "tags": ", ".join(f"`{tag}`" for tag in TAGS),
        "answer": _answer(knobs),
    }
    return Template(template).substitute(filled).strip() + "\n"


def listed(labels: Sequence[str]) -> str:
    """The pictures, one a line, by their numbers."""
    return "\n".join(f"{number}. {label}" for number, label in enumerate(labels, start=1))


# ------------------------------------------------------------------ filling in


def _knobs(knobs: Mapping[str, Knob], current: Knobs) -> str:
    if not knobs:
        return "None: nothing can be changed, so `hints` is the empty object."
    return "\n".join(
        f"- `{name}`: {_values(knob)}; now {_said(current.get(name, knob.default))}, off at {_said(knob.default)}. "
        f"{knob.meaning}"
        for name, knob in knobs.items()
    )


def _values(knob: Knob) -> str:
    if knob.choices:
        return " or ".join(_said(choice) for choice in knob.choices)
    return f"{knob.low:g} to {knob.high:g}"


def _said(value: KnobValue) -> str:
    return json.dumps(value) if isinstance(value, bool) else f"{value:g}"


def _limit(max_changes: int | None, offered: int) -> str:
    if max_changes is None or max_changes >= offered:
        return "Change as few knobs as will do; prefer small steps."
    if max_changes == 1:
        return "Change at most one knob: the first hint that is not null is used, all others are ignored."
    return f"Change at most {max_changes} knobs: hints beyond these are ignored."


def _qa(evidence: Evidence) -> str:
    if not evidence.qa:
        return "Nothing was measured."
    lines = []
    for name, value in evidence.qa.items():
        number = "not measured here" if value is None else f"{value:.3g}"
        meaning = f" ({evidence.meanings[name]})" if name in evidence.meanings else ""
        lines.append(f"- {name}: {number}{meaning}")
    return "\n".join(lines)


def _answer(knobs: Mapping[str, Knob]) -> str:
    """The reply's shape, written out for servers that ignore a schema."""
    hints = ", ".join(f'"{name}": <value or null>' for name in knobs)
    return (
        "{\n"
        '  "score": <number from 0 to 100>,\n'
        '  "confidence": <number from 0 to 100>,\n'
        f'  "tags": [<none, one or more of {", ".join(json.dumps(tag) for tag in TAGS)}>],\n'
        f'  "hints": {{{hints}}},\n'
        f'  "reason": "<what you saw and where, at most {MAX_REASON} characters>"\n'
        "}"
    )
