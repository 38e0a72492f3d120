"""Plugins are found by file, and adding one of any kind is one new file: the README's examples, as they stand."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from fsrbench import load
from fsrbench.core import plugins
from fsrbench.core.errors import SettingsError
from fsrbench.imaging import images
from support import ROOT, draw_face

EXAMPLES = (
    "metrics/sharpness.py", "knobs/gamma.py", "backends/mine.py", "auditors/strict.py", "ways/halfway.py",
    "judges/brightest.py", "recipes/nearest.py",
)  # fmt: skip
README = (ROOT / "README.md").read_text(encoding="utf-8")


def example(name: str) -> str:
    """The code block that follows the mention of a file in the README."""
    found = re.search(rf"`{re.escape(name)}`.*?```python\n(.*?)```", README, re.DOTALL)
    assert found, f"the README has no example {name}"
    return found[1]


@pytest.mark.parametrize("kind", plugins.KINDS)
def test_every_shipped_plugin_loads_and_is_declared(kind: str) -> None:
    assert plugins.names(kind)
    for name in plugins.names(kind):
        assert plugins.load(kind, name) is not None


def test_the_readme_has_an_example_of_every_kind() -> None:
    assert {name.partition("/")[0] for name in EXAMPLES} == set(plugins.KINDS)


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


@pytest.mark.slow
def test_one_new_file_adds_a_plugin_of_each_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The README's examples, used by the installed command."""
    for name in EXAMPLES:
        path = tmp_path / "my plugins" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(example(name), encoding="utf-8")
    for number in range(2):
        images.write(tmp_path / "hr" / f"{number}.png", draw_face(96, number))
    monkeypatch.setenv("FSRBENCH_PLUGINS", str(tmp_path / "my plugins"))

    def fsrbench(*words: str) -> None:
        done = subprocess.run([sys.executable, "-m", "fsrbench", *words], capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == 0, done.stderr

    fsrbench("degrade", "--hr", "hr", "--lr", "lr", "--recipe", "nearest", "--hr-size", "96")
    fsrbench(
        "run", "--family", "general", "--hr", "hr", "--lr", "lr", "--out", "out", "--arm", "strict",
        "--arm", "half", "--set", "arms.half.way=halfway", "--arm", "pick",
        "--set", "arms.pick={way: constant, judge: brightest, with: {knobs: [{dehalo: 0.2}]}}",
        "--set", "families.general.backend=mine", "--set", "metrics=psnr,sharpness", "--set", "hr_size=96",
    )  # fmt: skip
    config_csv = (tmp_path / "out" / "run_config.csv").read_text(encoding="utf-8")
    assert "gamma" in config_csv.splitlines()[0].split(",")
    assert "dehalo=0.3" in config_csv
    assert "sharpness" in (tmp_path / "out" / "scores.csv").read_text(encoding="utf-8")
    assert "Sharpness ↑" in (tmp_path / "out" / "summary.md").read_text(encoding="utf-8")
    found = load(tmp_path / "out").rounds.set_index(["arm", "case"])
    assert found.loc[("half", "0"), "sr_sha256"] != found.loc[("pure", "0"), "sr_sha256"]
    assert ",brightest," in (tmp_path / "out" / "candidates.csv").read_text(encoding="utf-8")
