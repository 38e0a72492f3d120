"""What an auditor is asked: a family's prompt file, filled with its knobs and measured numbers, and a reply's schema.

A prompt file is Markdown with `${name}` placeholders. What a knob is, its bounds and where it stands come
from the knob's own file, so that a new knob needs no edit here or there. What the pictures are and in which
order they are sent is `picture_labels`, used by the prompt and by whoever sends them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

from fsrbench.core.contracts import Knob
from fsrbench.core.errors import SettingsError
from fsrbench.core.near import near
from fsrbench.core.plugins import shipped
from fsrbench.core.values import MAX_REASON, TAGS, Evidence, Knobs, KnobValue
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

QA_MEANING = {
    "niqe": "NIQE, unnaturalness of local statistics; lower is better, 3–6 is usual for a face, above 8 is not",
    "consistency": "PSNR in dB of the shrunk restoration against the input; blur and noise of the input keep it low "
    "for a perfect restoration too, so go by consistency_shortfall",
    "consistency_shortfall": "dB by which that agreement is below what the input's own blur and noise explain; below 4 "
    "as faithful as a clean photograph, above 6 poor: it shows something else than the input",
    "identity": "likeness of the face to the enlarged input, -1 to 1; low for any method where the input is poor",
    "lpips": "perceptual distance to the enlarged input, 0 to 1; good restorations differ too, so mind only extremes",
    "blockiness": "strength of 8×8 block edges; below 0.15 none, 0.15 to 0.5 faint, above 1 strong",
    "ringing": "steepness of a cut in the spectrum; below 1.2 natural, above 2 edges ring",
    "oversharpening": "fine detail and overshoot; below 0 soft, 0.3 to 1 a sharp photograph, above 1.2 overdone",
    "color_shift": "colour difference to the input; below 1.4 none, above 2 visible",
    "noise": "estimated noise of the restoration, standard deviation on the 0–255 scale",
    "input_blockiness": "strength of 8×8 block edges in the input; below 0.15 none, above 0.5 clear",
    "input_noise": "estimated noise of the input, standard deviation on the 0–255 scale",
}
"""How each known number is explained; others are given by name alone."""

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

    def render(self, knobs: Mapping[str, Knob], current: Knobs, evidence: Evidence, max_changes: int | None) -> str:
        """The text to send for one question."""
        filled = {
            "pictures": "\n".join(f"{i}. {label}" for i, label in enumerate(picture_labels(evidence), start=1)),
            "qa": _qa(evidence.qa),
            "knobs": _knobs(knobs, current),
            "limit": _limit(max_changes, len(knobs)),
            "tags": ", ".join(f"`{tag}`" for tag in TAGS),
            "answer": _answer(knobs),
        }
        return Template(self.text).substitute(filled).strip() + "\n"


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
    template = Template(text)
    if not template.is_valid():
        raise SettingsError(
            f"The prompt {source} has a $ that starts no placeholder. Write $$ for a plain dollar sign."
        )
    found = template.get_identifiers()
    for name in found:
        if name not in PLACEHOLDERS:
            hint = near(name, PLACEHOLDERS, "${{{}}}")
            raise SettingsError(
                f"The prompt {source} has the unknown placeholder ${{{name}}}.{hint} Known: {', '.join(PLACEHOLDERS)}."
            )
    absent = [f"${{{name}}}" for name in REQUIRED if name not in found]
    if absent:
        raise SettingsError(f"The prompt {source} lacks {' and '.join(absent)}, without which no reply can be used.")
    return Prompt(text, hashlib.sha256(text.encode()).hexdigest())


def picture_labels(evidence: Evidence) -> tuple[str, ...]:
    """One line for each picture, in the order in which they are sent: input, restoration, patches."""
    return (
        f"INPUT ({_size(evidence.lr)}): the degraded picture that was restored",
        *restoration_labels(evidence, "RESTORATION", "the picture to judge", "PATCH"),
    )


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


def _size(picture: Any) -> str:
    return f"{picture.shape[1]}×{picture.shape[0]}"


def schema(knobs: Mapping[str, Knob]) -> dict[str, Any]:
    """JSON schema of a valid reply, in the subset that strict structured output takes.

    That subset wants every property required; a knob that is to stay gets null. It takes no length of
    strings, so the reason's limit is said in words and held when the reply is read.
    """
    return _object(
        score=_number(0, 100, "Quality of the restoration, 100 is best."),
        confidence=_number(0, 100, "How sure you are of score, tags and hints."),
        tags={
            "type": "array",
            "items": {"type": "string", "enum": list(TAGS)},
            "description": "Artifacts that are visible in the restoration.",
        },
        hints={
            **_object(**{name: _hint(knob) for name, knob in knobs.items()}),
            "description": "New value for a knob, null where it should stay.",
        },
        reason={"type": "string", "description": f"What was seen and where, at most {MAX_REASON} characters."},
    )


def _object(**properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _number(low: float, high: float, description: str) -> dict[str, Any]:
    return {"type": "number", "minimum": low, "maximum": high, "description": description}


def _hint(knob: Knob) -> dict[str, Any]:
    """A knob's values, or null."""
    if knob.choices and isinstance(knob.default, bool):
        return {"type": ["boolean", "null"], "description": knob.meaning}
    if knob.choices:
        return {"type": ["number", "null"], "enum": [*knob.choices, None], "description": knob.meaning}
    return {"type": ["number", "null"], "minimum": knob.low, "maximum": knob.high, "description": knob.meaning}


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


def _qa(qa: Mapping[str, float | None]) -> str:
    if not qa:
        return "Nothing was measured."
    lines = []
    for name, value in qa.items():
        number = "not measured here" if value is None else f"{value:.3g}"
        meaning = f" ({QA_MEANING[name]})" if name in QA_MEANING else ""
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
