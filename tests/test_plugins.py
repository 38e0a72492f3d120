"""Plugins are found by file, and adding one of any kind is one new file: the README's examples, as they stand."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ROOT, draw_face
from fsrbench.core import plugins
from fsrbench.core.errors import SettingsError
from fsrbench.imaging import images

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
    """The README's metric, knob, instrument, backend and auditor, and a recipe, used by the installed command."""
    for name in (
        "metrics/sharpness.py",
        "knobs/gamma.py",
        "instruments/glow.py",
        "backends/mine.py",
        "auditors/strict.py",
    ):
        path = tmp_path / "my plugins" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(example(name), encoding="utf-8")
    (tmp_path / "my plugins" / "recipes").mkdir()
    (tmp_path / "my plugins" / "recipes" / "nearest.py").write_text(
        "from fsrbench.plugins import Recipe\n"
        "RECIPE = Recipe('Every n-th pixel.', draw=lambda rng: {}, apply=lambda hr, values, n: hr[::n, ::n].copy())\n",
        encoding="utf-8",
    )
    for number in range(2):
        images.write(tmp_path / "hr" / f"{number}.png", draw_face(96, number))
    monkeypatch.setenv("FSRBENCH_PLUGINS", str(tmp_path / "my plugins"))

    def fsrbench(*words: str) -> None:
        done = subprocess.run([sys.executable, "-m", "fsrbench", *words], capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == 0, done.stderr

    fsrbench("degrade", "--hr", "hr", "--lr", "lr", "--recipe", "nearest", "--hr-size", "96")
    fsrbench(
        "run", "--family", "general", "--hr", "hr", "--lr", "lr", "--out", "out", "--arm", "strict",
        "--set", "families.general.backend=mine", "--set", "metrics=psnr,sharpness", "--set", "hr_size=96",
    )  # fmt: skip
    config_csv = (tmp_path / "out" / "run_config.csv").read_text(encoding="utf-8")
    assert "gamma" in config_csv.splitlines()[0].split(",")
    assert "dehalo=0.3" in config_csv
    assert "glow: true" in (tmp_path / "out" / "study.yaml").read_text(encoding="utf-8")
    assert "sharpness" in (tmp_path / "out" / "scores.csv").read_text(encoding="utf-8")
    assert "Sharpness ↑" in (tmp_path / "out" / "summary.md").read_text(encoding="utf-8")
