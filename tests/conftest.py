"""Shared fixtures. The shared folder lies beside the project; what needs it is skipped, and says so, without it."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest

from fsrbench.core.values import Image
from fsrbench.imaging import images
from support import ROOT

if TYPE_CHECKING:
    from playwright.sync_api import Browser

SHARED = Path(os.environ.get("FSRBENCH_SHARED", ROOT.parent / "shared"))


def pytest_configure() -> None:
    """A runner in the background may ignore interrupts, and what it starts inherits that: here they are tested.

    How long a drawn example takes says something of the machine, and nothing of what is tested.
    """
    slow = [hypothesis.HealthCheck.too_slow]
    hypothesis.settings.register_profile("fsrbench", deadline=None, derandomize=True, suppress_health_check=slow)
    hypothesis.settings.load_profile("fsrbench")
    for name, handler in (("SIGINT", signal.default_int_handler), ("SIGHUP", signal.SIG_DFL)):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)


LONG = ("test_readme.py", "test_faults.py", "test_growth.py", "test_embedded.py", "test_workflow.py", "test_ray.py")
"""Files with the longest tests: they begin first, so that no worker is left alone with one at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole files change their places: what a file's tests share is still made once."""
    places = {name: place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: places.get(item.path.name, len(LONG)))


def _folder(*parts: str) -> Path:
    folder = SHARED.joinpath(*parts)
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there: put the shared folder beside the project or name it in FSRBENCH_SHARED")
    return folder


@pytest.fixture(scope="session")
def shared_weights() -> Path:
    return _folder("weights")


@pytest.fixture(scope="session")
def eval_faces() -> Path:
    return _folder("data", "eval-faces")


@pytest.fixture(scope="session")
def face(eval_faces: Path) -> Image:
    """One real face, 512×512."""
    return images.fit_square(images.read(eval_faces / "ffhq_00000.png"), 512)


@pytest.fixture(autouse=True, scope="session")
def _no_outside_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test sees the user's cache, keys or settings, and none may download."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [n for n in os.environ if n.startswith(("OPENAI_", "FSRBENCH_"))]:
            patch.delenv(name)
        patch.setenv("FSRBENCH_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        patch.setenv("FSRBENCH_OFFLINE", "1")
        yield


@pytest.fixture(autouse=True, scope="session")
def _no_power_is_cut() -> Iterator[None]:
    """Nothing waits for the disk: a process that is killed leaves what it wrote to the system."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _file: None)
        yield


@pytest.fixture
def no_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    """An evaluation draws no plots, which take most of its time: for tests that look at everything else."""
    monkeypatch.setattr("fsrbench.show.plots.draw", lambda _results, _track: [])


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium from PATH, without a window."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        pytest.skip("no Chromium on PATH: install chromium or google-chrome to test pages in it")
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield opened
        opened.close()


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """The counts of the fault suite: how often it was killed, cut off, mutated."""
    reports = [report for key in ("passed", "failed") for report in terminalreporter.stats.get(key, ())]
    counts = [text for report in reports for name, text in report.user_properties if name == "fault"]
    if counts:
        terminalreporter.section("faults")
        for text in counts:
            terminalreporter.write_line(text)
