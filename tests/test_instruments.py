"""What auditors are told in numbers is one file a number: those that come with the package, and a fifth wheel."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fsrbench.case import evidence
from fsrbench.cli.app import app
from fsrbench.core.contracts import Machine
from fsrbench.core.errors import StoreError
from fsrbench.imaging import images
from support import draw_face

SHIPPED = (
    "niqe", "consistency", "consistency_shortfall", "identity", "lpips", "blockiness", "ringing", "oversharpening",
    "color_shift", "noise", "input_blockiness", "input_noise",
)  # fmt: skip
"""In the order in which they have always been told."""
GLOW = """
from fsrbench.plugins import Instrument
from support import draw_face

INSTRUMENT = Instrument(
    "brightness of the restoration; 0 is black, 255 white",
    open=lambda machine: lambda sight: float(sight.plane.mean()),
)
"""


@pytest.fixture
def glow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with an instrument of the user's own."""
    package = importlib.import_module("fsrbench.instruments")
    monkeypatch.setattr(package, "__path__", list(package.__path__))
    (tmp_path / "mine" / "instruments").mkdir(parents=True)
    (tmp_path / "mine" / "instruments" / "glow.py").write_text(GLOW, encoding="utf-8")
    monkeypatch.setenv("FSRBENCH_PLUGINS", str(tmp_path / "mine"))
    yield tmp_path / "mine"
    sys.modules.pop("fsrbench.instruments.glow", None)


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    face = images.as_stored(draw_face(96))
    for name in ("a", "b"):
        images.write(tmp_path / "lr" / f"{name}.png", images.as_stored(images.resize(face, 24, 24)))
    return tmp_path


def run(faces: Path) -> None:
    (faces / "none").mkdir(exist_ok=True)
    words = ["run", "--family", "general", "--lr", str(faces / "lr"), "--hr", str(faces / "none")]
    words += ["--out", str(faces / "out")]
    words += ["--set", "families.general.backend=bicubic", "--no-evaluate", "--arm", "s"]
    words += ["--set", "arms.s={auditor: scripted, replies: [{score: 95}]}"]
    done = CliRunner().invoke(app, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output


def asked(faces: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((faces / "out" / "audits" / "general" / "s" / "a-1.json").read_bytes())
    return record


def test_those_that_are_shipped_are_told_in_their_order() -> None:
    assert tuple(evidence.instruments()) == SHIPPED
    assert set(evidence.open_tools(Machine(offline=True)).available) == {"detector", "niqe", "identity", "lpips"}


def test_what_is_missing_is_named_with_its_files() -> None:
    missing = evidence.open_tools(Machine(offline=True)).missing
    assert list(missing) == ["detector", "identity", "lpips"]
    assert missing["identity"] == ["det_10g.onnx", "w600k_r50.onnx"]


def test_one_new_file_adds_a_number_to_what_auditors_are_told(glow: Path, faces: Path) -> None:
    run(faces)
    (line,) = (line for line in asked(faces)["prompt"].splitlines() if "glow" in line)
    assert line.startswith("- glow: 1")
    assert line.endswith(" (brightness of the restoration; 0 is black, 255 white)")
    assert "  glow: true" in (faces / "out" / "study.yaml").read_text(encoding="utf-8")
    assert tuple(evidence.instruments()) == (*SHIPPED, "glow")


def test_a_run_goes_on_only_with_the_instruments_that_it_began_with(
    glow: Path, faces: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(faces)
    (faces / "out" / "trails" / "general" / "a.json").unlink()
    (glow / "instruments" / "glow.py").unlink()
    with pytest.raises(StoreError, match=r"evidence\.glow: True there, None now"):
        run(faces)
