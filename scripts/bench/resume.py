"""How long `fsrbench run` takes when it is typed again on a finished run, evaluation included: median of several.

python scripts/bench/resume.py [--cases 5000] [--keep DIR] [--json]

The finished run is made first, with tiny pictures, the bicubic backend and the arm `rerun`. Everything in it is what
fsrbench itself writes but for the panels and the contact sheet, which would only take time: there stands one small
picture for each of them. What is timed is the command as it is typed, in a process of its own, and it must find
nothing to do: it is an error if it writes a file.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from unittest import mock

import numpy as np

from fsrbench.core import execute
from fsrbench.core.contracts import Machine
from fsrbench.imaging import images
from fsrbench.show import panels, publish
from fsrbench.study import config
from fsrbench.study.run import run_study
from fsrbench.study.store import RunFolder

SETTINGS = ["families.general.backend=bicubic", "hr_size=192", "metrics=psnr,ssim,niqe"]
LIMIT = 3.0
"""Seconds that 5,000 cases may take."""


def prepare(root: Path, cases: int) -> list[str]:
    """A finished run of so many cases; returns the command that made it, without the interpreter."""
    rng = np.random.default_rng(0)
    lr, hr, out = root / "lr", root / "hr", root / "run"
    for number in range(cases):
        picture = images.resize(rng.random((12, 6, 3), np.float32), 96, 192)
        images.write(hr / f"{number:05}.png", picture)
        images.write(lr / f"{number:05}.png", images.resize(picture, 24, 48))
    settings, _ = config.load(None, SETTINGS)
    settings = config.with_arms(config.with_families(settings, ["general"]), ["rerun"])
    machine, small = Machine(offline=True), np.zeros((8, 8, 3), np.uint8)
    run_study(settings, machine, lr, hr, out, workers=2)

    with mock.patch.multiple(panels, draw=lambda *_: small, sheet=lambda *_: small):
        publish.run(RunFolder(out), machine, 2, execute.untracked)
    sets = [word for setting in SETTINGS for word in ("--set", setting)]
    folders = ["--lr", str(lr), "--hr", str(hr), "--out", str(out)]
    return ["run", "--family", "general", "--arm", "rerun", "--offline", *folders, *sets]


def seconds(command: list[str]) -> float:
    """Wall time of one start to finish."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-m", "fsrbench", *command], check=True, capture_output=True)
    return time.perf_counter() - started


def times_of_change(root: Path) -> dict[Path, int]:
    """Every file of a run with the time of its last change."""
    return {path: path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file() and path.name != ".lock"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=5000, help="cases in the run")
    parser.add_argument("--times", type=int, default=5, help="starts of the command")
    parser.add_argument("--keep", type=Path, help="make the run here, or use the one that is here")
    parser.add_argument("--json", action="store_true", help="print JSON")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        root = given.keep or Path(temporary)
        note = root / "command.json"
        if not note.is_file():
            note.parent.mkdir(parents=True, exist_ok=True)
            note.write_text(json.dumps(prepare(root, given.cases)), encoding="utf-8")
        command = json.loads(note.read_text(encoding="utf-8"))
        seconds(command)  # what was written in the last two seconds is hashed once more
        before = times_of_change(root / "run")
        taken = [seconds(command) for _ in range(given.times)]
        if times_of_change(root / "run") != before:
            sys.exit("The command wrote into a finished run: fsrbench was changed meanwhile, or this is a fault.")
        cases = sum(1 for _ in (root / "lr").glob("*.png"))
    found = {"cases": cases, "median": round(statistics.median(taken), 3), "seconds": [round(t, 3) for t in taken]}
    if given.json:
        print(json.dumps({**found, "limit": LIMIT}))
    else:
        print(f"{cases} cases, nothing to do: {found['median']:.2f} s ({min(taken):.2f} to {max(taken):.2f})")


if __name__ == "__main__":
    main()
