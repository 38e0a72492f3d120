"""Plugins are found by file, and adding one of any kind is one new file: the examples of docs/plugins.md."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from fsrbench.core import plugins
from fsrbench.core.errors import SettingsError
from fsrbench.imaging import images
from support import draw_face
from support.pages import page
from support.studies import rows

PAGE = page("plugins.md")


def example(name: str) -> str:
    """The code block that follows the mention of a file on the page."""
    found = re.search(rf"`{re.escape(name)}`.*?```python\n(.*?)```", PAGE.text, re.DOTALL)
    assert found, f"docs/plugins.md has no example {name}"
    return found[1]


@pytest.mark.parametrize("kind", plugins.KINDS)
def test_every_shipped_plugin_loads_and_is_declared(kind: str) -> None:
    assert plugins.names(kind)
    for name in plugins.names(kind):
        assert plugins.load(kind, name) is not None


def test_listing_imports_no_plugin() -> None:
    code = (
        "import sys\nfrom fsrbench.core import plugins\n"
        "for kind in plugins.KINDS: plugins.names(kind)\n"
        "print([m for m in sys.modules if m.startswith(tuple(f'fsrbench.{kind}.' for kind in plugins.KINDS))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(SettingsError, match="Did you mean dehalo"):
        plugins.load("knobs", "dehaloo")


# ------------------------------------------------------- one new file of a kind


@dataclass(frozen=True)
class NewFile:
    """One file in a user's folder of plugins, and how it is known that the command line used it."""

    place: str
    """Where it stands in the folder."""
    text: str
    """What stands in it."""
    words: tuple[str, ...]
    """What is typed for it: options of `run`."""
    used: Callable[[Path], bool]
    """Does a folder that holds `hr`, `lr` and the run `out` show it?"""


PICK = "{way: constant, judge: brightest, with: {knobs: [{dehalo: 0.2}]}}"
BRIGHTER = {"score": 30, "confidence": 95, "tags": [], "hints": {"gamma": 0.2}, "reason": "Too dark."}


def rounds(root: Path, arm: str) -> list[dict[str, str]]:
    """What the run tells of an arm's changes."""
    return [row for row in rows(root / "out" / "run_config.csv") if row["arm"] == arm and row["round"] == "1"]


def mean(root: Path, arm: str) -> float:
    """Brightness of an arm's pictures."""
    return float(np.mean([images.read(path) for path in sorted((root / "out" / "general" / arm).glob("*.png"))]))


def measured(root: Path) -> bool:
    scores = [row for row in rows(root / "out" / "scores.csv") if row["metric"] == "sharpness"]
    return {row["arm"] for row in scores} >= {"pure", "strict"} and all(float(row["value"]) > 0 for row in scores)


def told(root: Path) -> bool:
    """Is it among what evidence is made with?"""
    return "glow: true" in (root / "out" / "study.yaml").read_text(encoding="utf-8")


def turned(root: Path) -> bool:
    return {row["gamma"] for row in rounds(root, "bright")} == {"0.2"} and mean(root, "fsr+bright") > mean(
        root, "pure-fsr"
    )


def restored(root: Path) -> bool:
    return {row["backend"] for row in rows(root / "out" / "run_config.csv")} == {"mine"}


def asked(root: Path) -> bool:
    return {(row["dehalo"], row["reason"]) for row in rounds(root, "strict")} == {
        ("0.3", "I always ask for less halo.")
    }


def degraded(root: Path) -> bool:
    hr, lr = (images.read(root / folder / "0.png") for folder in ("hr", "lr"))
    return bool((images.to_8bit(lr) == images.to_8bit(hr)[::4, ::4]).all())


def intervened(root: Path) -> bool:
    made = {row["case"]: row["sr_sha256"] for row in rounds(root, "half")}
    pure = {row["case"]: row["sr_sha256"] for row in rows(root / "out" / "run_config.csv") if row["arm"] == "pure"}
    return made.keys() == pure.keys() and all(made[case] != pure[case] for case in pure)


LIGHTEN = """
from fsrbench.plugins import RoundDraft, ToolChoice, Way

WAY = Way(
    "Lets a tool treat pure.",
    open=lambda setup: lambda case: [RoundDraft(case.make.treat("light", case.pure))],
    tools=lambda settings: {"light": ToolChoice("brighten")},
)
"""


def lightened(root: Path) -> bool:
    return mean(root, "fsr+lit") > mean(root, "pure-fsr")


def ordered(root: Path) -> bool:
    found = [row for row in rows(root / "out" / "candidates.csv") if row["arm"] == "pick"]
    return len(found) == 4 and {row["judge"] for row in found} == {"brightest"}


NEW = (
    NewFile("metrics/sharpness.py", example("metrics/sharpness.py"), ("--set", "metrics=psnr,sharpness"), measured),
    NewFile(
        "knobs/gamma.py",
        example("knobs/gamma.py"),
        ("--arm", "bright", "--set", f"arms.bright={json.dumps({'auditor': 'scripted', 'replies': [BRIGHTER]})}"),
        turned,
    ),
    NewFile("backends/mine.py", example("backends/mine.py"), ("--set", "families.general.backend=mine"), restored),
    NewFile("auditors/strict.py", example("auditors/strict.py"), ("--arm", "strict"), asked),
    NewFile("instruments/glow.py", example("instruments/glow.py"), (), told),
    NewFile(
        "ways/halfway.py", example("ways/halfway.py"), ("--arm", "half", "--set", "arms.half.way=halfway"), intervened
    ),
    NewFile(
        "judges/brightest.py", example("judges/brightest.py"), ("--arm", "pick", "--set", f"arms.pick={PICK}"), ordered
    ),
    NewFile(
        "tools/brighten.py", example("tools/brighten.py"), ("--arm", "lit", "--set", "arms.lit.way=lighten"), lightened
    ),
    NewFile("recipes/nearest.py", example("recipes/nearest.py"), (), degraded),
)
"""The page's examples as they stand; the recipe is chosen when pictures are degraded."""


def test_each_kind_of_plugin_has_a_new_file_here() -> None:
    assert {new.place.partition("/")[0] for new in NEW} == set(plugins.KINDS), "add a NewFile of the kind"


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the installed command was given all of the new files, and nothing else of the user's."""
    root = tmp_path_factory.mktemp("user")
    for new in NEW:
        path = root / "my plugins" / new.place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(new.text, encoding="utf-8")
    (root / "my plugins" / "ways" / "lighten.py").write_text(LIGHTEN, encoding="utf-8")  # who uses the new tool
    for number in range(2):
        images.write(root / "hr" / f"{number}.png", draw_face(96, number))

    def fsrbench(*words: str) -> None:
        there = {**os.environ, "FSRBENCH_PLUGINS": str(root / "my plugins")}
        command = [sys.executable, "-m", "fsrbench", *words]
        done = subprocess.run(command, capture_output=True, text=True, cwd=root, env=there)
        assert done.returncode == 0, done.stderr

    fsrbench("degrade", "--hr", "hr", "--lr", "lr", "--recipe", "nearest", "--hr-size", "96")
    own = [word for new in NEW for word in new.words]
    fsrbench("run", "--family", "general", "--hr", "hr", "--lr", "lr", "--out", "out", "--set", "hr_size=96", *own)
    return root


@pytest.mark.slow
@pytest.mark.parametrize("new", NEW, ids=lambda new: new.place)
def test_one_new_file_is_all_that_the_command_line_needs(new: NewFile, ran: Path) -> None:
    assert new.used(ran)


@pytest.mark.slow
def test_a_new_metric_stands_in_the_summary_under_its_own_name(ran: Path) -> None:
    assert "Sharpness ↑" in (ran / "out" / "summary.md").read_text(encoding="utf-8")
