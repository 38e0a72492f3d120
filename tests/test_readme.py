"""What the README's table of commands and the pages on the rooms promise: it runs in its order, they are complete."""

from __future__ import annotations

import importlib.util
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from fsrbench.imaging import images
from support import ROOT, draw_face
from support.pages import page

README = (ROOT / "README.md").read_text(encoding="utf-8")
BUILT = page("architecture.md").text
EXAMPLES = re.findall(r"^\| `[a-z]+` \|.*\| `(fsrbench [^`]+)` \|$", README, re.MULTILINE)
PACKAGE = ROOT / "src" / "fsrbench"


@pytest.fixture(scope="module")
def rooms() -> ModuleType:
    """`scripts/rooms.py`."""
    spec = importlib.util.spec_from_file_location("rooms", ROOT / "scripts" / "rooms.py")
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


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
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "mlflow").as_uri())
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    assert len(EXAMPLES) == 22
    for example in EXAMPLES:
        if example.startswith("fsrbench log ") and not importlib.util.find_spec("mlflow"):
            continue  # an extra; test_tracking.py says that it was left out
        if example.startswith("fsrbench certify "):
            continue  # it takes faces of nine persons and more; test_certify.py runs it
        if example.startswith("fsrbench compare "):
            for name in ("one", "other"):
                shutil.copytree(tmp_path / "outputs" / "demo", tmp_path / "outputs" / name)
        words = shlex.split(example)[1:]
        done = subprocess.run(
            [sys.executable, "-m", "fsrbench", *words], cwd=tmp_path, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, f"{example}\n{done.stderr}"
    demo = tmp_path / "outputs" / "demo"
    assert images.read(demo / "contact_sheet.png").shape[1] > 1000
    assert len(list(demo.glob("*/panels/*.png"))) == 18
    assert (demo / "lvlm" / "report" / "index.html").is_file()
    assert "embedded" in (demo / "summary.md").read_text(encoding="utf-8")


def test_every_file_has_its_line(rooms: ModuleType) -> None:
    """`docs/rooms.md` is made of the files' own first sentences."""
    assert rooms.PAGE.read_text(encoding="utf-8") == rooms.page(), (
        "run python scripts/rooms.py and commit what it writes"
    )
    page = rooms.page()
    for path in PACKAGE.rglob("*.py"):
        assert path.name == "__init__.py" or f"- `{path.name}` {rooms.sentence(path)}\n" in page
        assert rooms.sentence(path), f"{path} does not say what it is"


@pytest.mark.slow
def test_the_picture_of_the_rooms_has_arrows_only_downward(rooms: ModuleType, tmp_path: Path) -> None:
    found = rooms.imports()
    assert found["study", "core"] > 10
    assert all(rooms.ORDER.index(upper) < rooms.ORDER.index(lower) for upper, lower in found)
    rooms.draw(tmp_path / "rooms.svg")
    assert (tmp_path / "rooms.svg").stat().st_size > 50_000


def test_every_room_is_in_the_table(rooms: ModuleType) -> None:
    table = BUILT.split("\n## ")[0]
    assert set(re.findall(r"`([a-z]+)/`", table)) == {room for level in rooms.ROOMS for room in level}


def test_the_ways_through_the_rooms_name_what_is_there() -> None:
    named = re.findall(r"`([a-z]+/\w+\.py)`(?:\s+`(\w+)`)?(?: and `(\w+)`)?", BUILT)
    assert len(named) > 20
    for file, *things in named:
        if file == "tests/test_layers.py":
            continue
        text = (PACKAGE / file).read_text(encoding="utf-8")
        for thing in filter(None, things):
            assert re.search(rf"^\s*(?:def|class) {thing}\b", text, re.MULTILINE), f"{file} has no {thing}"
