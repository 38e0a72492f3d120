"""README and docs/: short, complete, linked; every example is run here, or is of a kind that says why it is not.

A page of docs/ is found by itself. Its `bash` blocks are run from top to bottom in a folder with faces, and with a
finished run under every name `outputs/NAME` that the page only reads.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from fsrbench.experiments import grid
from fsrbench.imaging import images
from fsrbench.study import config
from support import ROOT, draw_face
from support.command import PLAIN, options, typed, typed_in, understood
from support.pages import DOCS, PAGES, README, Page, page

LONGEST = 200
"""Lines of the README."""
LOW = ("lr", "inputs/low_res_imgs")
"""Folders in which a reader has low-resolution faces."""
RUN = r"outputs/[\w-]+"
"""The folder of a run, as examples name it."""
ELSEWHERE = {
    "docs/continuous-integration.md": "test_workflow.py runs it, with its own repository",
    "docs/plugins.md": "test_plugins.py gives each of its files to the command line",
}
"""Pages whose examples another test runs."""
NOT_RUN = {
    "needs an LVLM server": r"--lvlm|--base-url|OPENAI_API_KEY",
    "takes faces of nine persons and more; test_certify.py runs it": r"^fsrbench certify |--policy certified",
    "needs a download": r"--download|--models official|^(python -m )?pip |^git clone",
    "needs the extra mlflow; test_tracking.py does the same": r"^fsrbench log ",
    "needs a GPU": r"--device cuda|--gpus",
    "needs a container engine": r"^docker ",
    "needs a cluster": r"--executor ray|^srun |\bscontrol\b|^ray ",
    "serves until it is ended; test_rating_page.py does the same in a browser": r"^fsrbench rate (?!.*--export)",
    "installs into the checkout, or starts these tests": r"^scripts/|\.venv/",
    "writes to the start-up file of a person's shell": r"--install-completion",
}
"""Why a command of a page is not run, and by what it is known. Its options are looked up all the same."""


def every(pages: tuple[Page, ...] = PAGES) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("page", pages, ids=lambda page: page.name)


def why_not(command: str) -> str | None:
    return next((reason for reason, sign in NOT_RUN.items() if re.search(sign, command)), None)


# ------------------------------------------------------------------- the pages


def test_the_readme_is_short() -> None:
    assert len(README.text.splitlines()) <= LONGEST


def test_every_page_has_its_line_in_the_contents() -> None:
    listed = [target for target, _ in page("index.md").links]
    for one in PAGES:
        if one.path.parent == DOCS and one.path.name != "index.md":
            assert listed.count(one.path.name) == 1, f"give {one.name} one line in docs/index.md"


@every()
def test_links_lead_somewhere(page: Page) -> None:
    for target, anchor in page.links:
        there = (page.path.parent / target).resolve() if target else page.path
        assert there.exists(), f"{page.name} links to {target}, which is not there"
        if anchor:
            assert anchor in Page(there).anchors, f"{page.name} links to {target}#{anchor}, which is no heading there"


@every()
def test_python_files_that_are_named_are_there(page: Page) -> None:
    places = (ROOT / "src" / "fsrbench", ROOT, ROOT / "scripts", ROOT / "scripts" / "bench")
    own = re.findall(r"^.*`(\w+/\w+\.py)`", page.text, re.MULTILINE) if page.name == "docs/plugins.md" else []
    for span in page.spans:
        if re.fullmatch(r"(?:\w+/)*[a-z]\w*\.py", span) and page.name != "docs/rooms.md" and span not in own:
            assert any((place / span).is_file() for place in places), f"{page.name} names {span}, which is not there"


# ---------------------------------------------------------------- what is typed


@every()
def test_the_command_line_knows_every_command_and_option(page: Page) -> None:
    examples = [*page.commands, *(span for span in page.spans if span.startswith("fsrbench "))]
    for example in examples:
        words = typed_in(example)
        if words and words[0] != "COMMAND":
            try:
                understood(words)
            except Exception as error:
                raise AssertionError(f"{page.name}: {example}\n{error}") from error


@every()
def test_every_option_in_a_sentence_is_one(page: Page) -> None:
    scripts = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "scripts").rglob("*.py"))
    for span in page.spans:
        for option in re.findall(r"^--[a-z-]+", span):
            assert option in options() or f'"{option}"' in scripts, f"{page.name} names {option}, which is no option"


# ------------------------------------------------------------------ what is run


@every()
def test_a_code_block_is_of_a_kind_that_is_tried(page: Page) -> None:
    assert page.languages <= {"bash", "python", "yaml", ""}, "use bash, python, yaml, or nothing where nothing is run"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as a reader has it: faces, low-resolution ones, results of something else, and a finished run."""
    root = tmp_path_factory.mktemp("reader")
    for number, name in enumerate(("anna", "ben")):
        for folder in ("faces", "inputs/high_res_imgs", "results/pure", "results/lvlm"):
            images.write(root / folder / f"{name}.png", draw_face(512, number))
        for folder in LOW:
            images.write(root / folder / f"{name}.png", images.resize(draw_face(512, number), 128, 128))
    general = ["--family", "general", "--hr", "faces", "--lr", "lr", *PLAIN]
    done = typed("run", *general, "--arm", "heuristic", "--arm", "rerun", "--out", "finished", cwd=root)
    assert done.returncode == 0, done.stderr
    return root


def furnish(folder: Path, place: Path, text: str) -> None:
    """Give a folder what its examples read and do not make themselves."""
    shutil.copytree(place, folder, dirs_exist_ok=True)
    if re.search(r"fsrbench[ .]degrade", text):
        for low in LOW:
            shutil.rmtree(folder / low)
    made = {"outputs/demo"} if "fsrbench demo" in text else set()
    made.update(re.findall(rf'out[ =]"?({RUN})', text))
    for name in set(re.findall(RUN, text)) - made:
        shutil.copytree(place / "finished", folder / name)


def written(page: Page, folder: Path) -> Iterator[Path]:
    """Write the YAML of a page into a folder: under the name in its first line, or under one of its own."""
    for number, text in enumerate(page.code("yaml")):
        named = re.match(r"# ([\w./-]+)\n", text)
        path = folder / (named[1] if named else f"{page.path.stem}-{number}.yaml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        yield path


@every()
def test_yaml_is_settings_or_a_grid(page: Page, tmp_path: Path) -> None:
    for path in written(page, tmp_path):
        if "grid" in yaml.safe_load(path.read_text(encoding="utf-8")):
            grid.read(path)
        elif ".github" not in path.parts:
            config.load(path)


def runnable(page: Page) -> list[str]:
    return [command for command in page.commands if why_not(command) is None]


SHELL = tuple(page for page in PAGES if page.name not in ELSEWHERE and runnable(page))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32" or not shutil.which("bash"), reason="the examples are for bash")
@every(SHELL)
def test_the_shell_examples_run(page: Page, place: Path, tmp_path: Path) -> None:
    script = "\n".join(runnable(page))
    furnish(tmp_path, place, script)
    list(written(page, tmp_path))
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    done = subprocess.run(
        ["bash", "-e", "-x", "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr


def left_by_python(told: dict[str, Any]) -> None:
    """What docs/python.md says of what its lines leave behind."""
    assert told["made"].done == ("anna", "ben")
    assert told["one"].knobs["denoise"] == 0.3
    assert told["pure"].shape == told["supervised"].shape == (512, 512, 3)
    assert set(told["run"].summary["arm"]) == {"pure", "heuristic", "rerun"}
    assert len(told["again"].rounds) >= 6


LEFT = {"docs/python.md": left_by_python}
"""Looks at the names that a page's Python leaves behind."""
PYTHON = tuple(page for page in PAGES if page.name not in ELSEWHERE and page.code("python"))


@pytest.mark.slow
@every(PYTHON)
def test_the_python_examples_run(page: Page, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "\n".join(page.code("python"))
    furnish(tmp_path, place, text)
    monkeypatch.chdir(tmp_path)
    told: dict[str, Any] = {}
    exec(compile(text, page.name, "exec"), told)
    LEFT.get(page.name, dict)(told)


def test_what_is_run_elsewhere_is_there() -> None:
    assert set(ELSEWHERE) <= {page.name for page in PAGES}


@pytest.mark.parametrize("reason", NOT_RUN)
def test_each_kind_that_is_not_run_is_met(reason: str) -> None:
    """A kind that no page has any more is taken off the list."""
    assert any(why_not(command) == reason for page in PAGES for command in page.commands)
