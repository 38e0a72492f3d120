"""Ctrl-C and its like end a command within three seconds, whatever it is doing."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from fsrbench.cli import interrupts
from fsrbench.imaging import images
from support import draw_face

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="POSIX signals")]
SECONDS = 3.0
SLOW = """
import sys, time
from pathlib import Path
from fsrbench import images
from fsrbench.plugins import Backend, Output

class Slow:
    model, weights = "slow", {}

    def __call__(self, lr, knobs, seed, precision):
        print("a pass has begun", file=sys.stderr, flush=True)
        threading_free_wait()
        return Output(images.resize(lr, 4 * lr.shape[1], 4 * lr.shape[0]))

def threading_free_wait():
    import ctypes
    ctypes.CDLL(None).sleep(60)  # as a library does it: no signal is heard before it returns

def opened(settings, machine):
    if settings.get("model") == "opening":
        print("it opens", file=sys.stderr, flush=True)
        threading_free_wait()
    return Slow()

BACKEND = Backend("Takes a minute.", family="general", consumes=(), reentrant=True, open=opened)
"""
METRIC = """
import ctypes, sys
from fsrbench.plugins import Metric

def measured(variants, reference):
    print("it measures", file=sys.stderr, flush=True)
    ctypes.CDLL(None).sleep(60)
    return [1.0 for _ in variants]

METRIC = Metric(label="Slow", better="higher", reference=False, digits=1, open=lambda machine: measured)
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("interrupted")
    for kind, name, text in (("backends", "slow", SLOW), ("metrics", "slow", METRIC)):
        (folder / "plugins" / kind).mkdir(parents=True)
        (folder / "plugins" / kind / f"{name}.py").write_text(text, encoding="utf-8")
    for number in range(3):
        images.write(folder / "lr" / f"{number}.png", draw_face(24, number))
    return folder


def started(place: Path, *words: str, **variables: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "FSRBENCH_PLUGINS": str(place / "plugins"), **variables}
    command = [sys.executable, "-m", "fsrbench", *words]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment)


def ends(process: subprocess.Popen[str], number: int) -> None:
    began = time.monotonic()
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    crowded = max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))  # others may take what it needs to end
    assert time.monotonic() - began < SECONDS * crowded
    assert process.returncode == interrupts.STATUS, said
    assert said.count("the same command goes on") == 1
    assert "Traceback" not in said


def wait_for(process: subprocess.Popen[str], words: str) -> None:
    assert process.stderr is not None
    for line in process.stderr:
        if words in line:
            return
    raise AssertionError(words)


RUN = ("run", "--lr", "{lr}", "--family", "general", "--no-evaluate", "--set", "families.general.backend=slow")
MOMENTS = {
    "imports": (("run", "--lr", "{lr}", "--out", "{out}", "--family", "general"), "Writing to"),
    "opening": ((*RUN, "--out", "{out}", "--set", "families.general.model=opening"), "it opens"),
    "pass": ((*RUN, "--out", "{out}"), "a pass has begun"),
    "one by one": ((*RUN, "--out", "{out}", "--workers", "1"), "a pass has begun"),
    "headroom": (
        ("headroom", "--family", "general", "--hr", "{lr}", "--lr", "{lr}", "--set", "families.general.backend=slow"),
        "a pass has begun",
    ),
    "evaluate": (
        ("evaluate", "--arm", "pure={lr}", "--out", "{out}", "--set", "metrics=slow"), "it measures",
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("moment", "number"),
    [
        ("imports", signal.SIGINT),
        ("opening", signal.SIGINT),
        ("pass", signal.SIGINT),
        ("pass", signal.SIGTERM),
        ("pass", signal.SIGHUP),
        ("one by one", signal.SIGTERM),
        ("headroom", signal.SIGINT),
        ("evaluate", signal.SIGINT),
    ],
)
def test_it_ends_at_any_moment(place: Path, tmp_path: Path, moment: str, number: int) -> None:
    words, sign = MOMENTS[moment]
    process = started(place, *(word.format(lr=place / "lr", out=tmp_path / "out") for word in words))
    wait_for(process, sign)
    ends(process, number)


def test_a_second_one_ends_it_at_once(place: Path, tmp_path: Path) -> None:
    process = started(place, *(word.format(lr=place / "lr") for word in RUN), "--out", str(tmp_path))
    wait_for(process, "a pass has begun")
    process.send_signal(signal.SIGINT)
    wait_for(process, interrupts.MESSAGE)
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == interrupts.STATUS
    assert time.monotonic() - began < interrupts.GRACE / 2


def test_it_ends_while_a_server_is_waited_for(place: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        asked = threading.Event()

        def accept() -> None:
            connection, _ = server.accept()
            connection.recv(1000)
            asked.set()
            connection.recv(1000)  # until the other side is gone
            connection.close()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        where = {
            "FSRBENCH_MIRROR": f"http://127.0.0.1:{server.getsockname()[1]}", "FSRBENCH_CACHE": str(tmp_path),
            "FSRBENCH_OFFLINE": "", "NO_PROXY": "127.0.0.1",
        }  # fmt: skip
        process = started(place, "weights", "--download", "BSRGAN.pth", **where)
        assert asked.wait(60)
        ends(process, signal.SIGTERM)
        thread.join(5)


def test_what_the_system_says_to_ignore_is_ignored(tmp_path: Path) -> None:
    script = "import signal; from fsrbench.cli import interrupts; interrupts.heed(); signal.raise_signal(signal.SIGHUP)"
    ignoring = f"import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN); {script}; print('it goes on')"
    done = subprocess.run([sys.executable, "-c", ignoring], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "it goes on\n")
