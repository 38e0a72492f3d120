"""How fsrbench travels: the Dockerfile and the workflows name what is there. Neither is run here."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from support import ROOT
from support.command import typed_in, understood

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PYTHONS = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
STEPS = [line.split(" ", 1) for line in DOCKERFILE.splitlines() if line and not line.startswith("#")]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def extras(text: str) -> set[str]:
    """The extras that an installation asks for."""
    return {name for asked in re.findall(r"\[([a-z,]+)\]", text) for name in asked.split(",")}


# ------------------------------------------------------------------ the Dockerfile


def place(sign: str) -> int:
    """Which step it is that holds these words."""
    (found,) = [number for number, step in enumerate(STEPS) if sign in " ".join(step)]
    return found


def test_every_file_that_is_copied_is_there_and_is_let_in() -> None:
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line[:1] == "!"}
    copied = {name for kind, rest in STEPS if kind == "COPY" and "--from" not in rest for name in rest.split()[:-1]}
    assert copied == let_in
    assert all((ROOT / name).exists() for name in copied)
    shipped = {"README.md", "LICENSE", "pyproject.toml", "src", "configs", "prompts"}
    assert copied == shipped, "what the wheel is made of"


def test_what_it_starts_from_is_supported() -> None:
    arguments = dict(rest.split("=") for kind, rest in STEPS if kind == "ARG")
    assert arguments["PYTHON"] in PYTHONS
    assert set(arguments["EXTRAS"].split(",")) <= set(PROJECT["optional-dependencies"])
    assert arguments["TORCH"] == "cpu"


def test_what_changes_seldom_comes_first() -> None:
    order = [place("torch torchvision"), place("-r /tmp/requirements.txt"), place("/tmp/dist/*.whl"), place("USER ")]
    assert order == sorted(order)


def test_it_ends_as_nobody_special_and_has_been_tried() -> None:
    (user,) = (rest for kind, rest in STEPS if kind == "USER")
    assert user not in ("root", "0")
    assert place("USER ") < place("RUN fsrbench doctor") < place("ENTRYPOINT")
    assert place("1777 /weights") < place("VOLUME /weights")
    assert "FSRBENCH_CACHE=/weights" in DOCKERFILE


def test_the_requirements_are_the_projects() -> None:
    (line,) = (rest for kind, rest in STEPS if kind == "RUN" and "tomllib" in rest)
    code = re.search(r'-c "(.*)" >', line)
    assert code
    done = subprocess.run([sys.executable, "-c", code[1]], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == PROJECT["dependencies"]


# ------------------------------------------------------------------- the workflows


def jobs() -> list[Any]:
    found = []
    for path in WORKFLOWS:
        plan = yaml.safe_load(path.read_text(encoding="utf-8"))
        found += [pytest.param(job, id=f"{path.stem}-{name}") for name, job in plan["jobs"].items()]
    return found


def test_every_python_that_is_promised_is_tried_on_every_system() -> None:
    plan = yaml.safe_load((ROOT / ".github" / "workflows" / "tests.yml").read_text(encoding="utf-8"))
    matrix = plan["jobs"]["quick"]["strategy"]["matrix"]
    assert matrix["python"] == PYTHONS
    assert f">={PYTHONS[0]}" == PROJECT["requires-python"]
    assert {system.partition("-")[0] for system in matrix["os"]} == {"ubuntu", "macos", "windows"}


@pytest.mark.parametrize("job", jobs())
def test_what_a_job_calls_is_there(job: dict[str, Any]) -> None:
    for step in job["steps"]:
        if "uses" in step:
            assert re.fullmatch(r"actions/[\w-]+@v\d+", step["uses"])
            continue
        for line in step["run"].splitlines():
            assert extras(line) <= set(PROJECT["optional-dependencies"])
            for script in re.findall(r"\b(?:bash|sh) (\S+)", line):
                assert (ROOT / script).is_file(), f"{script} is not there"
            if line.startswith("fsrbench "):
                understood(typed_in(line) or [])


def test_the_files_of_a_source_release_are_there() -> None:
    build = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]
    for name in build["targets"]["sdist"]["include"]:
        assert Path(ROOT, name).exists(), name
