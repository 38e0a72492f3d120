"""Shared fixtures. The shared folder lies beside the project; what needs it is skipped, and says so, without it."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest

from fsrbench.case import evidence
from fsrbench.core.contracts import Machine
from fsrbench.core.values import Image
from fsrbench.imaging import images

ROOT = Path(__file__).resolve().parents[1]
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


@pytest.fixture(autouse=True)
def _no_outside_world(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test sees the user's cache, keys or settings, and none may download."""
    for name in [n for n in os.environ if n.startswith(("OPENAI_", "FSRBENCH_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("FSRBENCH_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    monkeypatch.setenv("FSRBENCH_OFFLINE", "1")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """The counts of the fault suite: how often it was killed, cut off, mutated."""
    reports = [report for key in ("passed", "failed") for report in terminalreporter.stats.get(key, ())]
    counts = [text for report in reports for name, text in report.user_properties if name == "fault"]
    if counts:
        terminalreporter.section("faults")
        for text in counts:
            terminalreporter.write_line(text)


def draw_face(size: int = 96, seed: int = 0) -> Image:
    """A picture with edges, gradients and texture, made without any file: for tests of plumbing, not of quality."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:size, 0:size] / size - 0.5
    base = np.stack([0.75 - x * 0.2, 0.6 - y * 0.2, 0.5 + x * y], axis=2)
    head = (x / 0.35) ** 2 + (y / 0.45) ** 2 < 1
    base[~head] *= 0.4
    for ex in (-0.14, 0.14):
        base[(x - ex) ** 2 + (y + 0.1) ** 2 < 0.004] = 0.1
    base[(np.abs(x) < 0.12) & (np.abs(y - 0.22) < 0.025)] = (0.6, 0.15, 0.2)
    base += rng.normal(0, 0.01 + 0.01 * rng.random(), (size, size, 1))
    return np.clip(base, 0, 1).astype(np.float32)


def bare_tools() -> evidence.Tools:
    """Evidence of signal processing alone: no detector, and no number of a metric."""
    tools = evidence.open_tools(Machine(offline=True))
    opened = {
        name: one if one.instrument.everywhere else replace(one, measure=None)
        for name, one in tools.instruments.items()
    }
    return evidence.Tools(None, opened)
