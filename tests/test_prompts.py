"""prompts.py: the shipped prompts, what fills them, and the schema of a reply."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fsrbench.asking import audit, prompts
from fsrbench.core import plugins
from fsrbench.core.contracts import Knob
from fsrbench.core.errors import SettingsError
from fsrbench.core.questions import Evidence, Patch
from fsrbench.core.values import FAMILIES, TAGS

NEW = Knob("Turns up the $glow of ${everything}.", ("general",), "after", 0.25, -1.0, 2.0)


def evidence(**qa: float | None) -> Evidence:
    picture = np.zeros((8, 8, 3), np.float32)
    patches = tuple(Patch(name, picture[:4], (0, 0, 8, 4)) for name in ("nose", "mouth", "skin"))
    return Evidence(picture, np.zeros((32, 32, 3), np.float32), patches, "landmarks", qa)


def offered(family: str, *, deep: bool = True) -> dict[str, Knob]:
    knobs = {name: plugins.load("knobs", name) for name in plugins.names("knobs")}
    return {name: knob for name, knob in knobs.items() if family in knob.families and (deep or not knob.deep)}


@pytest.mark.parametrize("family", FAMILIES)
def test_shipped_prompts_are_complete(family: str) -> None:
    prompt = prompts.read(family)
    knobs = offered(family)
    text = prompts.render(prompt.text, knobs, {}, evidence(niqe=4.5678, lpips=None), 1)
    assert "$" not in text
    assert re.search(r"never an instruction", text)
    for name, knob in knobs.items():
        assert f"`{name}`" in text
        assert knob.meaning in text
    for tag in TAGS:
        assert f"`{tag}`" in text
    assert "niqe: 4.57" in text
    assert "lpips: not measured here" in text
    assert "at most one knob" in text
    for number, label in enumerate(prompts.picture_labels(evidence()), start=1):
        assert f"{number}. {label}" in text
    assert set(re.findall(r"\$\{(\w+)\}", prompt.text)) == set(prompts.PLACEHOLDERS)


def test_a_new_knob_needs_no_prompt_edit() -> None:
    knobs = {"glow": NEW}
    text = prompts.render(prompts.read("general").text, knobs, {"glow": 0.5}, evidence(), None)
    assert "- `glow`: -1 to 2; now 0.5, off at 0.25. Turns up the $glow of ${everything}." in text
    assert '"hints": {"glow": <value or null>}' in text
    assert audit.schema(knobs)["properties"]["hints"]["properties"]["glow"]["maximum"] == 2.0


def test_limits_and_no_knobs_are_said() -> None:
    prompt = prompts.read("blind")
    assert "at most 2 knobs" in prompts.render(prompt.text, offered("blind"), {}, evidence(), 2)
    assert "as few knobs" in prompts.render(prompt.text, offered("blind"), {}, evidence(), None)
    assert "nothing can be changed" in prompts.render(prompt.text, {}, {}, evidence(), None)


def test_canonical_places_are_said() -> None:
    seen = evidence()
    unsure = Evidence(seen.lr, seen.sr, seen.patches, "canonical FFHQ places", {})
    assert all("may be off" in label for label in prompts.picture_labels(unsure)[2:])


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("${knobs} ${answer} ${knob}", r"unknown placeholder \$\{knob\}.*\$\{knobs\}"),
        ("${knobs} ${answer} 5 $ each", "plain dollar"),
        ("${answer}", r"lacks \$\{knobs\}"),
        ("nothing", r"lacks \$\{knobs\} and \$\{answer\}"),
    ],
)
def test_a_wrong_prompt_file_is_refused(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "eigener prüfer.md"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=why) as error:
        prompts.read("general", path)
    assert "eigener prüfer.md" in str(error.value)


def test_an_own_prompt_file_is_used(tmp_path: Path) -> None:
    path = tmp_path / "own.md"
    path.write_text("Cost: $$5. ${knobs} ${answer}", encoding="utf-8")
    prompt = prompts.read("unheard-of", path)
    assert prompts.render(prompt.text, {}, {}, evidence(), None).startswith("Cost: $5. None")
    other = tmp_path / "other.md"
    other.write_text("Cost: $$6. ${knobs} ${answer}", encoding="utf-8")
    assert prompts.read("x", other).sha256 != prompt.sha256


def test_absent_files_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"families\.plan\.prompt"):
        prompts.read("plan")
    with pytest.raises(SettingsError, match=r"nowhere\.md.*families\.plan\.prompt"):
        prompts.read("plan", tmp_path / "nowhere.md")
    latin = tmp_path / "latin.md"
    latin.write_bytes(b"\xe9 ${knobs} ${answer}")
    with pytest.raises(SettingsError, match="UTF-8"):
        prompts.read("plan", latin)


def objects(schema: Any) -> list[dict[str, Any]]:
    if isinstance(schema, list):
        return [found for item in schema for found in objects(item)]
    if not isinstance(schema, dict):
        return []
    here = [schema] if schema.get("type") == "object" else []
    return here + [found for item in schema.values() for found in objects(item)]


@pytest.mark.parametrize("family", FAMILIES)
def test_schema_is_in_the_strict_subset(family: str) -> None:
    knobs = offered(family)
    schema = audit.schema(knobs)
    assert json.loads(json.dumps(schema)) == schema
    for part in objects(schema):
        assert part["additionalProperties"] is False
        assert part["required"] == list(part["properties"])
    assert not re.search(r'"(maxLength|minLength|uniqueItems|oneOf|\$ref|default)"', json.dumps(schema))
    hints = schema["properties"]["hints"]["properties"]
    assert list(hints) == list(knobs)
    for name, knob in knobs.items():
        assert "null" in hints[name]["type"]
        if isinstance(knob.default, bool):
            assert hints[name]["type"] == ["boolean", "null"]
        elif knob.choices:
            assert hints[name]["enum"] == [*knob.choices, None]
        else:
            assert (hints[name]["minimum"], hints[name]["maximum"]) == (knob.low, knob.high)
