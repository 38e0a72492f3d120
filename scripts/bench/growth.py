"""Does a case cost the same in a large study? Time and memory a case at 50, 500 and 5,000 cases with a tiny model.

python scripts/bench/growth.py [--cases 50 --cases 500 --cases 5000] [--json FILE]

Every size is a process of its own: a run with one arm, then its evaluation. A first small run in the same process is
not counted, so that what is imported and opened once is no part of a case. Memory is the process's peak; what the
pictures take on disk is left out of nothing: they are made before, by another process.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from fsrbench import images

ALLOWED = 1.10
MEASURED = """
import json, resource, sys, time
from pathlib import Path
from fsrbench import config, evaluate, execute, study, subjects
from fsrbench import summary as summarising
from fsrbench.plugins import Machine
from fsrbench.results import Numbers
lr, hr, out, cases = sys.argv[1:]
ask = {"score": 30, "confidence": 95, "tags": ["ringing"], "hints": {"dehalo": 0.5}, "reason": "Halos."}
arm = {"auditor": "scripted", "replies": [ask]}
changes = [f"arms.s={json.dumps(arm)}", "families.general.backend=bicubic", "metrics=psnr,ssim", "hr_size=64"]
settings = config.with_arms(config.with_families(config.load(None, changes)[0], ["general"]), ["s"])
machine = Machine(offline=True)
def go(folder, limit):
    started = time.perf_counter()
    outcome = study.run(settings, machine, Path(lr), Path(hr), Path(folder), limit=limit, workers=2)
    assert not outcome.failures and outcome.cases == limit, outcome
    ran = time.perf_counter()
    what = subjects.of_run(outcome.folder, config.Settings.model_validate(outcome.folder.study()["settings"]))
    summarising.summarise(what, Numbers(evaluate.measure(what, machine, 2)))
    return ran - started, time.perf_counter() - ran
go(out + "-first", 10)
ran, evaluated = go(out, int(cases))
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2)
print(json.dumps({"run": ran, "evaluate": evaluated, "peak": peak}))
"""


def draw(root: Path, cases: int) -> None:
    """Small pictures, none like another."""
    for number in range(cases):
        rng = np.random.default_rng(number)
        hr = images.resize(rng.random((8, 8, 3), np.float32), 64, 64)
        images.write(root / "hr" / f"{number:05}.png", hr)
        images.write(root / "lr" / f"{number:05}.png", images.resize(hr, 16, 16))


def measured(root: Path, cases: int) -> dict[str, Any]:
    command = [
        sys.executable,
        "-c",
        MEASURED,
        str(root / "lr"),
        str(root / "hr"),
        str(root / f"out{cases}"),
        str(cases),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr[-3000:])
    found = json.loads(done.stdout.splitlines()[-1])
    return {
        "cases": cases,
        "run ms/case": round(1000 * found["run"] / cases, 2),
        "evaluate ms/case": round(1000 * found["evaluate"] / cases, 2),
        "peak MiB": round(found["peak"], 1),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, action="append", help="size of a study; may be given repeatedly")
    parser.add_argument("--json", type=Path, help="write the rows here, too")
    options = parser.parse_args()
    sizes = sorted(options.cases or [50, 500, 5000])
    with tempfile.TemporaryDirectory() as folder:
        draw(Path(folder), sizes[-1])
        rows = [measured(Path(folder), cases) for cases in sizes]
    first = rows[0]
    for row in rows:
        both = [one["run ms/case"] + one["evaluate ms/case"] for one in (row, first)]
        row["time ratio"] = round(both[0] / both[1], 3)
        row["memory ratio"] = round(row["peak MiB"] / first["peak MiB"], 3)
    print("  ".join(f"{name:>16}" for name in rows[0]))
    for row in rows:
        print("  ".join(f"{value:>16}" for value in row.values()))
    if options.json:
        images.write_bytes(options.json, (json.dumps(rows, indent=1) + "\n").encode())
    return int(any(max(row["time ratio"], row["memory ratio"]) > ALLOWED for row in rows))


if __name__ == "__main__":
    sys.exit(main())
