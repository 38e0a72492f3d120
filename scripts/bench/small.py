"""How long a small run takes, as whole processes: what must be imported, one case alone, one case with all products.

python scripts/bench/small.py [--times 5] [--json FILE]

One drawn picture (128→512), the embedded model of the general family. Each command is a process of its own, run in
turns; told are medians: seconds, and seconds of processor time, which other work on the machine moves less. `parts`
are seconds inside the last run with all products, from the first line of the program.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from fsrbench.case import degrade
from fsrbench.files import atomic
from fsrbench.imaging import images

BAR = 4.5
"""Seconds that one case with all products may take, on two free cores."""
RUN = ["-m", "fsrbench", "run", "--family", "general", "--hr", "hr", "--lr", "lr", "--offline"]
COMMANDS = {
    "import torch": ["-c", "import torch"],
    "pure, not evaluated": [*RUN, "--set", "arms={}", "--no-evaluate"],
    "all products": [*RUN, "--arm", "heuristic"],
}
"""What is timed; a run gets a folder of its own."""
PARTS = """
import time
begun = time.perf_counter()
import sys
from fsrbench import api
from fsrbench.show import plots, publish, report
from fsrbench.study import workers
taken = {}
def timed(name, owner, what):
    inner = getattr(owner, what)
    def outer(*args, **kwargs):
        started = time.perf_counter()
        try:
            return inner(*args, **kwargs)
        finally:
            taken[name] = taken.get(name, 0.0) + time.perf_counter() - started
    setattr(owner, what, outer)
timed("open", workers.OpenStudy, "open")
timed("try knobs", workers.OpenStudy, "try_knobs")
timed("case", workers.OpenStudy, "work")
timed("measure", publish.evaluate, "measure")
timed("panels", publish, "_draw_panels")
timed("sheet", publish, "_draw_sheet")
timed("plots", plots, "draw")
timed("report", report, "build")
api.run(hr="hr", lr="lr", out=sys.argv[1], families="general", arms="heuristic", offline=True)
import json
print(json.dumps({**taken, "whole": time.perf_counter() - begun}))
"""


def inputs(root: Path) -> None:
    """One picture with edges and texture, and its LR."""
    rng = np.random.default_rng(0)
    coarse = images.resize(rng.random((16, 16, 3), np.float32), 512, 512)
    fine = images.resize(rng.random((170, 170, 3), np.float32), 512, 512)
    images.write(root / "hr" / "a.png", np.clip(0.7 * coarse + 0.3 * fine, 0, 1))
    degrade.degrade(root / "hr", root / "lr", recipe="paper", scale=4, hr_size=512, seed=0, workers=1)


def timed(words: list[str], root: Path) -> tuple[float, float]:
    """Seconds of a process, and of the processor in it."""
    before, started = os.times(), time.perf_counter()
    subprocess.run([sys.executable, *words], cwd=root, check=True, capture_output=True)
    whole, after = time.perf_counter() - started, os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return whole, used


def main() -> int:
    """Run, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=5, help="processes of each kind")
    parser.add_argument("--json", type=Path, help="write the rows here, too")
    given = parser.parse_args()
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in COMMANDS}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        inputs(root)
        for number in range(given.times):
            for name, words in COMMANDS.items():
                out = ["--out", f"{name} {number}"] if "run" in words else []
                taken[name].append(timed([*words, *out], root))
        told = subprocess.run(
            [sys.executable, "-c", PARTS, "parts"], cwd=root, check=True, capture_output=True, text=True
        )
    rows = {
        name: {"seconds": round(statistics.median(whole), 2), "processor": round(statistics.median(used), 2)}
        for name, (whole, used) in ((name, zip(*own, strict=True)) for name, own in taken.items())
    }
    for name, row in rows.items():
        print(f"{name:20} {row['seconds']:6.2f} s  {row['processor']:6.2f} s of the processor")
    parts = {name: round(seconds, 2) for name, seconds in json.loads(told.stdout.splitlines()[-1]).items()}
    print("parts", *(f"{name} {seconds:.2f}" for name, seconds in parts.items()), sep="  ")
    if given.json:
        atomic.write_bytes(given.json, (json.dumps({**rows, "parts": parts}, indent=1) + "\n").encode())
    return int(rows["all products"]["seconds"] > BAR)


if __name__ == "__main__":
    sys.exit(main())
