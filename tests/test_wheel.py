"""The wheel, where nothing of the checkout is: built, installed into a clean environment, used from another folder.

The dependencies are those of the environment that runs the tests, lent by a .pth file: that needs no network.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from support import ROOT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("hatchling") is None, reason="pip install 'fsrbench[dev]'"),
]


def ran(*words: object, cwd: Path, **more: str) -> str:
    """What a command prints, which must succeed; PYTHONPATH and plugins of one's own are not passed on."""
    env = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "FSRBENCH_PLUGINS")}
    command = list(map(str, words))
    done = subprocess.run(command, cwd=cwd, env={**env, **more}, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    path = os.environ.get("PYTHONPATH", "")
    ran(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=ROOT, PYTHONPATH=path)
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def commands(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the commands of an environment lie that has the wheel and nothing else of its own."""
    place = tmp_path_factory.mktemp("clean") / "venv"
    ran(sys.executable, "-m", "venv", "--without-pip", place, cwd=place.parent)
    found = place / ("Scripts" if sys.platform == "win32" else "bin")
    python = found / "python"
    ran(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel, cwd=place.parent)
    own = ran(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=place.parent).strip()
    lent = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    Path(own, "lent.pth").write_text("\n".join(lent), encoding="utf-8")
    return found


def test_what_it_holds(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert "fsrbench/_shipped/configs/default.yaml" in names
    assert "fsrbench/_shipped/prompts/blind.md" in names
    assert sum(name.endswith(".safetensors") for name in names) == 4
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"fsrbench"}


def test_the_package_is_the_wheels(commands: Path, tmp_path: Path) -> None:
    where = ran(commands / "python", "-c", "import fsrbench; print(fsrbench.__file__)", cwd=tmp_path)
    assert Path(where.strip()).is_relative_to(commands.parent)


def test_doctor_and_demo_run(commands: Path, tmp_path: Path) -> None:
    assert "ok  embedded model, prior" in ran(commands / "fsrbench", "doctor", cwd=tmp_path)
    ran(commands / "fsrbench", "demo", "--out", "demo", cwd=tmp_path)
    assert (tmp_path / "demo" / "report" / "index.html").is_file()
    assert (tmp_path / "demo" / "contact_sheet.png").is_file()
