"""What goes wrong on real machines: kills at any moment, full and read-only disks, files that vanish, two runs at once,
a clock that goes back. After each, what is there is whole, and the same command ends as if nothing had happened.
"""

from __future__ import annotations

import errno
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import cv2
import pytest
import yaml

from fsrbench.cli import app
from fsrbench.core import execute
from fsrbench.core.contracts import Machine
from fsrbench.core.errors import StoreError
from fsrbench.core.values import Image
from fsrbench.imaging import images
from fsrbench.study import config
from fsrbench.study.run import RunOutcome, run_study
from fsrbench.study.store import RunFolder
from support import ROOT, draw_face
from support.studies import ASK, PLAIN, everything, scripted

KILLS = 100
SPARES = (8, 16, 24, 40, 48, 64)
"""Megabytes that a run may take beyond those that it began with."""
EVALUATED = 64
"""From so many on it is evaluated, too: it comes as far as that."""
CHANGES = [*PLAIN, "metrics=psnr", scripted(ASK)]
POSIX = pytest.mark.skipif(os.name == "nt", reason="fork, SIGKILL and mounts are POSIX")


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two LR faces and their HR."""
    folder = tmp_path_factory.mktemp("fáces")
    for number in range(2):
        hr = draw_face(96, number)
        images.write(folder / "high" / f"{number}.png", hr)
        images.write(folder / "low" / f"{number}.png", images.resize(hr, 24, 24))
    return folder / "low", folder / "high"


def told(out: Path) -> dict[str, object]:
    """Everything of a run that a reader relies on, timings blanked; what a kill may leave behind is hidden files."""
    return {
        name: content
        for name, content in everything(out).items()
        if not name.startswith(("plots/", "report/", ".")) and "/." not in name
    }


def but_for_trials(out: Path) -> dict[str, object]:
    """The same without the pictures on which knobs were tried: others, where the first could not be had."""
    found = told(out)
    study = yaml.safe_load((out / "study.yaml").read_text(encoding="utf-8"))
    study.pop("knob_trials")
    return {**_uncounted(found), "study.yaml": study}


def _uncounted(value: Any) -> Any:
    """A summary says how many pictures a knob was tried on, which is as different."""
    if isinstance(value, str):
        return re.sub(r"the \d+ pictures? on which", "those on which", value)
    if isinstance(value, dict):
        return {name: _uncounted(one) for name, one in value.items()}
    return [_uncounted(one) for one in value] if isinstance(value, list) else value


# --------------------------------------------------------------------- kills


class Nursery:
    """`support/nursery.py`, started."""

    def __init__(self, faces: tuple[Path, Path]) -> None:
        script = ROOT / "tests" / "support" / "nursery.py"
        command = [sys.executable, "-P", str(script), *map(str, faces), *CHANGES]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env={**os.environ, "FSRBENCH_OFFLINE": "1"})  # fmt: skip

    def run(
        self,
        out: Path,
        kill: int | str | None = None,
        *,
        evaluate: bool = False,
        faces: tuple[Path, Path] | None = None,
        spare: int | None = None,
    ) -> dict[str, int]:
        """A run in a child of its own; its wait status, and the moments it had."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        own = faces and [str(folder) for folder in faces]
        job = {"out": str(out), "kill": kill, "evaluate": evaluate, "faces": own, "spare": spare, "said": f"{out}.said"}
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()
        answer: dict[str, int] = json.loads(self.process.stdout.readline())
        return answer


@pytest.fixture(scope="module")
def nursery(faces: tuple[Path, Path]) -> Iterator[Nursery]:
    started = Nursery(faces)
    yield started
    assert started.process.stdin is not None
    started.process.stdin.close()
    started.process.wait(60)
    if started.process.stdout is not None:
        started.process.stdout.close()


@pytest.mark.slow
@POSIX
@pytest.mark.parametrize("evaluate", [False, True])
def test_killed_at_any_moment_and_run_again_is_as_if_never_killed(
    nursery: Nursery, tmp_path: Path, evaluate: bool, record_property: Any
) -> None:
    """Three in four kills hit a moment at which a file is touched, the others any moment at all."""
    nursery.run(tmp_path / "first", evaluate=evaluate)  # what is imported once is imported now
    began = time.perf_counter()
    whole = nursery.run(tmp_path / "whole", evaluate=evaluate)
    lasted = time.perf_counter() - began
    assert whole["status"] == 0
    expected = told(tmp_path / "whole")
    draw = random.Random(20)
    kills = KILLS if not evaluate else KILLS // 5
    moments = [draw.randint(1, whole["moments"]) if n % 4 else f"{draw.random() * lasted:.3f}s" for n in range(kills)]
    killed = 0
    for number, moment in enumerate(moments):
        out = tmp_path / f"{number}"
        killed += nursery.run(out, moment, evaluate=evaluate)["status"] == signal.SIGKILL
        assert nursery.run(out, evaluate=evaluate)["status"] == 0, moment
        assert told(out) == expected, f"killed at moment {moment} of {whole['moments']}"
        shutil.rmtree(out)
    assert killed >= kills * 3 // 4
    what = "run and evaluation" if evaluate else "run"
    record_property("fault", f"{kills} kills of a {what} ({killed} hit it alive), {kills} identical after a resume")


# --------------------------------------------------------------------- memory


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere a process cannot be kept from memory")
def test_memory_that_runs_out_is_said_and_the_same_command_goes_on(
    nursery: Nursery, tmp_path: Path, record_property: Any
) -> None:
    """The first, with 8 MB more than it began with, hardly gets to work; the last one gets to its evaluation."""
    faces = (tmp_path / "low", tmp_path / "high")
    for number in range(3):
        hr = draw_face(768, number)
        images.write(faces[1] / f"{number}.png", hr)
        images.write(faces[0] / f"{number}.png", images.resize(hr, 192, 192))
    jobs = [(spare, spare >= EVALUATED) for spare in SPARES]
    expected = {}
    for evaluate in (False, True):
        nursery.run(tmp_path / f"whole {evaluate}", evaluate=evaluate, faces=faces)
        expected[evaluate] = but_for_trials(tmp_path / f"whole {evaluate}")
    ends: Counter[str] = Counter()
    for spare, evaluate in jobs:
        out = tmp_path / f"{spare}"
        status = nursery.run(out, evaluate=evaluate, faces=faces, spare=spare << 20)["status"]
        said = Path(f"{out}.said").read_text(encoding="utf-8")
        ends[end := _ended(status)] += 1
        assert "Traceback" not in said, said
        assert end == "killed" or ("Memory ran out" in said) == (end != "whole"), said
        if (out / "failures.csv").is_file():
            failures = RunFolder(out).failures()
            assert all(failure.why.startswith("Memory ran out") for failure in failures)
            assert failures or end != "failures", said
            assert not failures or end != "whole", said
        assert nursery.run(out, evaluate=evaluate, faces=faces)["status"] == 0
        assert but_for_trials(out) == expected[evaluate], spare
    assert ends["failures"], ends
    assert ends["whole"] <= len(jobs) // 2, ends
    record_property(
        "fault", f"{len(jobs)} runs with little memory ({dict(ends)}), {len(jobs)} identical after a resume"
    )


def _ended(status: int) -> str:
    """How a child ended: a library that aborts where it gets no memory ends as the system's own killer would."""
    return {0: "whole", 2: "error", 3: "failures"}.get(os.waitstatus_to_exitcode(status), "killed")


# ---------------------------------------------------------------------- disks

MOUNTED = """
set -e
mount -t tmpfs -o size={size} tmpfs "$1"
set +e
"{python}" -m fsrbench run --family general --arm s --lr "$2" --hr "$3" --out "$1/out" {sets} > "$4.first" 2>&1
echo $? > "$4.first.rc"
mount -o remount,{mend} tmpfs "$1"
"{python}" -m fsrbench run --family general --arm s --lr "$2" --hr "$3" --out "$1/out" {sets} > "$4.second" 2>&1
echo $? > "$4.second.rc"
cp -r "$1/out" "$5"
"""


def mounted(faces: tuple[Path, Path], folder: Path, *, size: str, mend: str) -> list[tuple[int, str]]:
    """Run on a small disk, mend the disk, run again: exit status and words of both. The rest is in `folder/copy`."""
    namespace = ["unshare", "--mount"] if hasattr(os, "geteuid") and os.geteuid() == 0 else ["unshare", "-rm"]
    if shutil.which("unshare") is None or subprocess.run([*namespace, "true"], capture_output=True).returncode:
        pytest.skip("no mount namespace can be made here, and without one no small disk")
    (folder / "disk").mkdir()
    sets = " ".join(f"--set '{change}'" for change in CHANGES)
    script = MOUNTED.format(size=size, mend=mend, sets=sets, python=sys.executable)
    places = [folder / "disk", *faces, folder / "said", folder / "copy"]
    done = subprocess.run([*namespace, "sh", "-c", script, "sh", *map(str, places)], capture_output=True, timeout=300)
    if b"mount:" in done.stderr:
        pytest.skip(f"no small disk can be mounted here: {done.stderr.decode()}")
    return [
        (int((folder / f"said.{n}.rc").read_text()), (folder / f"said.{n}").read_text()) for n in ("first", "second")
    ]


@pytest.mark.slow
@POSIX
@pytest.mark.parametrize("size", ["24k", "96k", "160k"])
def test_a_full_disk_is_said_and_a_larger_one_goes_on(
    faces: tuple[Path, Path], nursery: Nursery, tmp_path: Path, size: str
) -> None:
    (first, said), (second, again) = mounted(faces, tmp_path, size=size, mend="size=200m")
    assert first in (2, 3), said
    assert "No space left" in said
    assert "Traceback" not in said
    assert second == 0, again
    nursery.run(tmp_path / "whole", evaluate=True)
    assert told(tmp_path / "copy") == told(tmp_path / "whole")


@POSIX
@pytest.mark.slow
def test_a_read_only_folder_is_said(faces: tuple[Path, Path], tmp_path: Path) -> None:
    (first, _), (second, said) = mounted(faces, tmp_path, size="200m", mend="ro")
    assert first == 0
    assert second == 2
    assert "Read-only file system" in said
    assert "Traceback" not in said


# ------------------------------------------------------------- while it runs


def go(faces: tuple[Path, Path], out: Path, track: execute.Track = execute.untracked) -> RunOutcome:
    settings = config.with_arms(config.with_families(config.load(None, CHANGES)[0], ["general"]), ["s"])
    return run_study(settings, Machine(), *faces, out, track=track)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        cv2.error("OpenCV(4.11.0) alloc.cpp:73: error: (-4:Insufficient memory) Failed to allocate 9 bytes"),
        cv2.error("std::bad_alloc"),
    ],
)
def test_a_case_without_memory_costs_itself_alone_and_a_bug_is_none(
    faces: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    read = images.read_hashed

    def hungry(path: Path, **bounds: int) -> tuple[Image, str]:
        if path == faces[0] / "0.png":
            raise raised
        return read(path, **bounds)

    raised = error
    with monkeypatch.context() as patched:
        patched.setattr(images, "read_hashed", hungry)
        outcome = go(faces, tmp_path / "out")
        assert [(f.case, f.arm) for f in outcome.failures] == [("0", "pure")]
        assert outcome.failures[0].why.startswith("Memory ran out")
        raised = ZeroDivisionError("a bug")
        with pytest.raises(ZeroDivisionError):
            go(faces, tmp_path / "out")
    assert go(faces, tmp_path / "out").failures == []
    go(faces, tmp_path / "whole")
    assert but_for_trials(tmp_path / "out") == but_for_trials(tmp_path / "whole")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (StoreError("No."), "No."),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "Memory ran out."),
        (OSError(errno.ENOSPC, "No space left on device"), "What is printed cannot be written: No space left"),
        (OSError(errno.ENOSPC, "No space left on device", "file"), None),
        (KeyError("a bug"), None),
    ],
)
def test_what_can_be_mended_is_one_sentence_and_a_bug_keeps_its_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception, said: str | None
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr(app, "app", fail)
    with pytest.raises((SystemExit, type(error))) as left:
        app.main()
    if said is None:
        assert left.value is error
    else:
        assert left.type is SystemExit
        assert left.value.code == 2
        assert capsys.readouterr().err.startswith(f"fsrbench: {said}")


def test_a_picture_that_vanishes_after_it_was_listed_costs_its_case_alone(
    faces: tuple[Path, Path], tmp_path: Path
) -> None:
    low = tmp_path / "low"
    shutil.copytree(faces[0], low)

    def track(_title: str, items: Iterable[Any], _total: int, /) -> Iterable[Any]:
        for item in items:
            (low / "1.png").unlink(missing_ok=True)
            yield item

    outcome = go((low, faces[1]), tmp_path / "out", track)
    assert [(f.case, f.arm) for f in outcome.failures] == [("1", "pure")]
    assert "1.png" in outcome.failures[0].why
    assert [trail.case for trail in outcome.folder.trails()] == ["0"]
    shutil.copy(faces[0] / "1.png", low / "1.png")
    assert go((low, faces[1]), tmp_path / "out").failures == []
    go((low, faces[1]), tmp_path / "whole")
    assert told(tmp_path / "out") == told(tmp_path / "whole")


HOLD = """
import os, sys, time
from pathlib import Path
from fsrbench.study.store import RunFolder
with RunFolder(Path(sys.argv[1])).locked():
    print("held", flush=True)
    time.sleep(120)
"""


def test_a_second_run_is_refused_and_a_dead_ones_lock_is_taken_over(faces: tuple[Path, Path], tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path / "out")], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(StoreError, match="being written by another fsrbench"):
        go(faces, tmp_path / "out")
    holder.kill()
    holder.wait(30)
    holder.stdout.close()
    assert (tmp_path / "out" / ".lock").exists()
    assert go(faces, tmp_path / "out").failures == []


def test_a_clock_that_goes_back_changes_nothing(
    faces: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go(faces, tmp_path / "whole")
    now = time.time()
    with monkeypatch.context() as patched:
        ticks = iter(range(10**9))
        patched.setattr(time, "time", lambda: now - 3600.0 * next(ticks))
        patched.setattr(time, "time_ns", lambda: int((now - 3600.0 * next(ticks)) * 1e9))
        go(faces, tmp_path / "out")
    for path in (tmp_path / "out").rglob("*"):
        os.utime(path, (now - 10**8, now - 10**8))
    outcome = go(faces, tmp_path / "out")
    assert outcome.done == 0
    assert told(tmp_path / "out") == told(tmp_path / "whole")
    assert all(step.restoration.seconds >= 0 for t in RunFolder(tmp_path / "out").trails() for step in t.rounds)
