"""What the README promises: its commands run as they stand, its file table is complete, its links lead somewhere."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from fsrbench.imaging import images
from support import ROOT, draw_face

README = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^\| `[a-z]+` \|.*\| `(fsrbench [^`]+)` \|$", README, re.MULTILINE)


@pytest.mark.slow
def test_the_commands_run_in_the_order_of_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One after another in one folder, as a reader would: the demo's embedded models and all."""
    for number in range(2):
        images.write(tmp_path / "faces" / f"face {number}.png", draw_face(256, number))
    lr = tmp_path / "inputs" / "low_res_imgs"
    images.write(lr / "face 0.png", images.resize(draw_face(256), 64, 64))
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "GFPGANv1.4.pth").write_bytes(b"present, so nothing is fetched")
    monkeypatch.setenv("FSRBENCH_WEIGHTS", str(tmp_path / "weights"))
    assert len(EXAMPLES) == 12
    for example in EXAMPLES:
        words = shlex.split(example)[1:]
        done = subprocess.run(
            [sys.executable, "-m", "fsrbench", *words], cwd=tmp_path, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, f"{example}\n{done.stderr}"
    demo = tmp_path / "outputs" / "demo"
    assert images.read(demo / "contact_sheet.png").shape[1] > 1000
    assert len(list(demo.glob("*/panels/*.png"))) == 6
    assert "embedded" in (demo / "summary.md").read_text(encoding="utf-8")


def test_every_file_has_its_line() -> None:
    table = README.split("## Every file in one line")[1].split("## Adding")[0]
    for path in sorted((ROOT / "src" / "fsrbench").glob("*.py")):
        if not path.name.startswith("_"):
            assert f"`{path.name}`" in table, f"{path.name} has no line in the README"
    for folder in ("backends/", "knobs/", "auditors/", "metrics/", "recipes/"):
        assert f"`{folder}`" in table


def test_links_and_pictures_are_there() -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", README):
        assert (ROOT / target).exists(), f"the README links to {target}, which is not there"
