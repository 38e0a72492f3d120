"""The paired run against the plain script that a user would write today, with and without LVLM latency.

python scripts/bench/paired.py --checkpoint realesr-general-x4v3.pth --faces HR_FOLDER [--json FILE]

Both restore the same LR pictures (128→512) with the same network, have every picture judged twice by the same
loopback server, and measure PSNR, SSIM and NIQE of both results; each is a process of its own and reports the
seconds of its work, without imports and loading, since those are paid once and not for every case. The whole of
each process is printed too: of 16 cases at 2 s a reply (`--cases 16`) it is to be 7 times as quick. It needs the
originals and pyiqa, which is non-commercial:

    pip install -e '.[upstream,pyiqa]'
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
from typing import Any

from metrics import shipped_model
from slow import Slow

from fsrbench.case import degrade
from fsrbench.core import execute
from fsrbench.files import atomic
from fsrbench.imaging import images

BARS = {0.0: 3.0, 2.0: 7.0}
"""LVLM latency → how many times faster the run must be."""
HERE = Path(__file__).resolve().parent
OURS = """
import json, sys, time
from pathlib import Path
from fsrbench.core.contracts import Machine
from fsrbench.core.values import to_json
from fsrbench.measure import ahead, evaluate, subjects
from fsrbench.measure import summary as summarising
from fsrbench.measure.results import Numbers
from fsrbench.study import config
from fsrbench.study.run import run_study
lr, hr, out, checkpoint, url, workers = sys.argv[1:]
arm = {"auditor": "openai", "base_url": url, "model": "slow", "concurrency": 8}
changes = [f"arms.lvlm={json.dumps(arm)}", "metrics=psnr,ssim,niqe", f"families.general.model={json.dumps(checkpoint)}"]
settings = config.with_arms(config.with_families(config.load(None, changes)[0], ["general"]), ["lvlm"])
machine = Machine(offline=True)
import torch, cv2, openai, scipy.special
started = time.perf_counter()
flying = max(int(workers), settings.in_flight())
with ahead.measuring(machine) as finished:
    outcome = run_study(settings, machine, Path(lr), Path(hr), Path(out), workers=flying, finished=finished)
ran = time.perf_counter() - started
assert not outcome.failures, outcome.failures[:1]
what = subjects.of_run(outcome.folder, config.Settings.model_validate(outcome.folder.study()["settings"]))
summary = summarising.summarise(what, Numbers(evaluate.measure(what, machine, int(workers))))
found = to_json(summary.families["general"])
print(json.dumps({"seconds": time.perf_counter() - started, "run": ran, "summary": found}))
"""


def inputs(faces: Path, cases: int, root: Path) -> None:
    """`cases` LR pictures from however many faces there are: each degraded with several seeds."""
    found = sorted(images.find(faces).items())
    for number in range(cases):
        name, path = found[number % len(found)]
        images.write(root / "all" / f"{number:02}-{name}.png", images.fit_square(images.read(path), 512))
    degrade.degrade(root / "all", root / "lr", recipe="paper", scale=4, hr_size=512, seed=0, workers=2)


def timed(command: list[str]) -> dict[str, Any]:
    env = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")} | {"OPENAI_API_KEY": "none"}
    started = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, env=env, cwd=HERE)
    if done.returncode:
        raise SystemExit(done.stderr[-3000:])
    return {**json.loads(done.stdout.splitlines()[-1]), "whole": time.perf_counter() - started}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True, help="the network that both use, x4v3")
    parser.add_argument("--faces", type=Path, required=True, help="folder of HR faces")
    parser.add_argument("--cases", type=int, default=24)
    parser.add_argument("--repeat", type=int, default=1, help="medians of so many runs, taken in turns")
    parser.add_argument("--workers", type=int, default=execute.cores() + 2)
    parser.add_argument("--json", type=Path, help="write the rows here, too")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        inputs(options.faces, options.cases, root)
        model = shipped_model(root / "niqe.mat")
        places = [str(root / "lr"), str(root / "all")]
        checkpoint = str(options.checkpoint.resolve())
        for latency, bar in BARS.items():
            found: dict[str, list[dict[str, Any]]] = {"plain": [], "ours": []}
            for number in range(options.repeat):
                server = Slow(latency)
                out = str(root / f"{latency}-{number}")
                plain = [
                    sys.executable,
                    str(HERE / "plain.py"),
                    *places,
                    f"{out}-plain",
                    checkpoint,
                    server.url,
                    str(model),
                ]
                ours = [sys.executable, "-c", OURS, *places, out, checkpoint, server.url, str(options.workers)]
                found["plain"].append(timed(plain))
                found["ours"].append(timed(ours))
                server.stop()
            median = {
                f"{who} {what}": statistics.median(one[what] for one in own)
                for who, own in found.items()
                for what in ("seconds", "whole")
            }
            rows.append(
                {
                    "latency": latency,
                    "cases": options.cases,
                    "plain s/case": round(median["plain seconds"] / options.cases, 3),
                    "ours s/case": round(median["ours seconds"] / options.cases, 3),
                    "ratio": round(median["plain seconds"] / median["ours seconds"], 2),
                    "whole ratio": round(median["plain whole"] / median["ours whole"], 2),
                    "bar": bar,
                }
            )
    print("  ".join(f"{name:>13}" for name in rows[0]))
    for row in rows:
        print("  ".join(f"{value:>13}" for value in row.values()))
    if options.json:
        atomic.write_bytes(options.json, (json.dumps(rows, indent=1) + "\n").encode())
    return int(any(row["ratio"] < row["bar"] for row in rows))


if __name__ == "__main__":
    sys.exit(main())
