"""The page "In CI" as written: its commands make a baseline, its workflow passes, and stops a regression.

A step `uses: …` is the environment that GitHub gives; the step `install` is replaced by the one these tests run in.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from fsrbench.imaging import images
from support import draw_face
from support.pages import page

PAGE = page("continuous-integration.md")
ENVIRONMENT = {"actions/checkout", "actions/setup-python", "actions/upload-artifact"}
REPLACED = "install"
WORKFLOW = ".github/workflows/faces.yml"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        sys.platform == "win32" or not shutil.which("bash") or not shutil.which("git"),
        reason="the workflow's steps are for bash, and its repository needs git",
    ),
]


def bash(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """As GitHub runs a step: `bash -e`, here with the tested fsrbench on the path."""
    who = {f"GIT_{role}_{part}": "ci@example.org" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")}
    who["GIT_CONFIG_GLOBAL"] = os.devnull
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    environment = {**os.environ, **who, "PATH": path, "GITHUB_STEP_SUMMARY": str(folder.with_suffix(".md"))}
    return subprocess.run(
        ["bash", "-e", "-c", script], cwd=folder, env=environment, capture_output=True, text=True, timeout=300
    )


def job(repository: Path, clone: Path) -> dict[str, subprocess.CompletedProcess[str]]:
    """Check the repository out and run its workflow's steps, up to the first that fails."""
    assert bash(f"git clone -q '{repository}' '{clone}'", repository).returncode == 0
    plan: dict[str, Any] = yaml.safe_load((clone / WORKFLOW).read_text(encoding="utf-8"))
    ran: dict[str, subprocess.CompletedProcess[str]] = {}
    for step in plan["jobs"]["faces"]["steps"]:
        if "uses" in step:
            assert step["uses"].partition("@")[0] in ENVIRONMENT
        elif step["name"] != REPLACED:
            ran[step["name"]] = bash(step["run"], clone)
            if ran[step["name"]].returncode:
                break
    return ran


def test_the_workflow_passes_and_then_stops_a_regression(tmp_path: Path) -> None:
    repository = tmp_path / "our faces"
    for number in range(2):
        images.write(repository / "faces" / f"face {number}.png", draw_face(512, number))
    for text in PAGE.code("yaml"):
        path = repository / text.splitlines()[0].removeprefix("# ")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert (repository / WORKFLOW).is_file()
    (setup,) = PAGE.code("bash")
    made = bash(f"git init -q\n{setup}", repository)
    assert made.returncode == 0, made.stderr
    assert "baseline.json" in bash("git ls-files", repository).stdout
    assert "run/" not in bash("git ls-files", repository).stdout

    passed = job(repository, tmp_path / "first push")
    assert [(name, done.returncode) for name, done in passed.items()] == [("run", 0), ("check", 0)]
    assert "No regression." in passed["check"].stdout

    change = "sed 's/realesrgan/bicubic/' fsrbench.yaml > new && mv new fsrbench.yaml && git commit -qam 'Much faster'"
    assert bash(change, repository).returncode == 0
    clone = tmp_path / "second push"
    stopped = job(repository, clone)
    assert [(name, done.returncode) for name, done in stopped.items()] == [("run", 0), ("check", 1)]
    assert "general was restored by bicubic, in the baseline by embedded" in stopped["check"].stdout
    assert "REGRESSION." in stopped["check"].stdout
    report = ElementTree.parse(clone / "check.xml").getroot()
    assert report.find("testsuite/testcase[@name='psnr pure']/failure") is not None
    assert clone.with_suffix(".md").read_text(encoding="utf-8").startswith("## fsrbench check: regression")
