"""Does a case cost the same in a large study? Time and memory at 50, 500 and 5,000 cases with a tiny model.

python scripts/bench/growth.py [--cases 50 --cases 500 --cases 5000] [--products] [--json FILE]

Three stages, each in a process of its own for every size: the run (the embedded network of the family general on
16×16 inputs, in fp32, and one arm that is audited and asks once for other knobs), the numbers (what is measured,
scores.csv, summary.json), and with --products what is drawn of them (panels, plots, report), which is one picture a
case by its nature and not judged. Each stage first does ten other cases that are not counted, so that what is
imported and opened once is no part of a case. Memory is the process's peak, libraries included. Every file is
flushed to the disk: on a busy one, set TMPDIR to a folder in memory, and look at the processor's time too.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from fsrbench import config, evaluate, execute, images, publish, study, subjects
from fsrbench import summary as summarising
from fsrbench.config import Settings
from fsrbench.plugins import Machine
from fsrbench.results import Numbers
from fsrbench.store import RunFolder

ALLOWED = 1.10
"""The largest size's time a case and peak memory over the smallest size's."""
RATIOS = {"time": "ms/case", "cpu": "cpu ms/case", "memory": "peak MiB"}
FIRST = 10
"""Cases that are done before the clock starts."""
WORKERS = 2
MACHINE = Machine(offline=True)
ASK = {"score": 30, "confidence": 95, "tags": ["ringing"], "hints": {"dehalo": 0.5}, "reason": "Halos at the edges."}
CHANGES = [f"arms.s={json.dumps({'auditor': 'scripted', 'replies': [ASK]})}", "metrics=psnr,ssim", "hr_size=64"]


def draw(root: Path, cases: int) -> None:
    """Small pictures, none like another."""
    for number in range(cases):
        rng = np.random.default_rng(number)
        hr = images.resize(rng.random((8, 8, 3), np.float32), 64, 64)
        images.write(root / "hr" / f"{number:05}.png", hr)
        images.write(root / "lr" / f"{number:05}.png", images.resize(hr, 16, 16))


# ----------------------------------------------------------------------- stages


def run(root: Path, out: Path, cases: int) -> None:
    """Restore and audit."""
    settings, _ = config.load(None, CHANGES)
    settings = config.with_arms(config.with_families(settings, ["general"]), ["s"])
    outcome = study.run(settings, MACHINE, root / "lr", root / "hr", out, limit=cases, workers=WORKERS)
    if outcome.failures or outcome.done != cases:
        raise SystemExit(f"{outcome.done} of {cases} cases were done; failures: {outcome.failures[:1]}")


def numbers(_root: Path, out: Path, cases: int) -> None:
    """Measure and summarise."""
    folder = RunFolder(out)
    what = subjects.of_run(folder, Settings.model_validate(folder.study()["settings"]))
    scores = evaluate.measure(what, MACHINE, WORKERS, journal=folder.journal)
    evaluate.write_scores(out / "scores.csv", scores)
    summary = summarising.summarise(what, Numbers(scores))
    publish.write_summary(out, {**summary, "findings": []})
    if summary["families"]["general"]["psnr"]["arms"]["s"]["n"] != cases:
        raise SystemExit("Numbers are missing.")


def products(_root: Path, out: Path, _cases: int) -> None:
    """Draw panels, contact sheet, plots and report."""
    publish.run(RunFolder(out), MACHINE, WORKERS, execute.untracked)


STAGES: dict[str, Callable[[Path, Path, int], None]] = {"run": run, "numbers": numbers, "products": products}


def work(stage: str, root: Path, cases: int) -> None:
    """One stage of one size, in this process; prints what it took."""
    STAGES[stage](root, root / f"first-{cases}", FIRST)
    started, computed = time.perf_counter(), time.process_time()
    STAGES[stage](root, root / f"out-{cases}", cases)
    found = {"wall": time.perf_counter() - started, "cpu": time.process_time() - computed, "peak": peak()}
    print(json.dumps(found))


def peak() -> float:
    """This process's largest resident memory so far, in MiB."""
    status = Path("/proc/self/status")
    if status.is_file():  # what getrusage tells may be the parent's, from before the program was exchanged
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2)


# ---------------------------------------------------------------------- judging


def measured(stage: str, root: Path, cases: int) -> dict[str, Any]:
    command = [sys.executable, __file__, "--work", stage, str(root), str(cases)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr[-3000:])
    found = json.loads(done.stdout.splitlines()[-1])
    return {
        "stage": stage,
        "cases": cases,
        "ms/case": round(1000 * found["wall"] / cases, 2),
        "cpu ms/case": round(1000 * found["cpu"] / cases, 2),
        "peak MiB": round(found["peak"], 1),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, action="append", help="size of a study; may be given repeatedly")
    parser.add_argument("--products", action="store_true", help="draw panels, plots and report, too")
    parser.add_argument("--json", type=Path, help="write the rows here, too")
    parser.add_argument("--work", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(options.work[0], Path(options.work[1]), int(options.work[2]))
        return 0
    sizes = sorted(options.cases or [50, 500, 5000])
    stages = [stage for stage in STAGES if options.products or stage != "products"]
    with tempfile.TemporaryDirectory() as folder:
        draw(Path(folder), sizes[-1])
        rows = [measured(stage, Path(folder), cases) for cases in sizes for stage in stages]
    first = {row["stage"]: row for row in rows[: len(stages)]}
    for row in rows:
        own = first[row["stage"]]
        row |= {f"{name} ratio": round(row[of] / own[of], 3) for name, of in RATIOS.items()}
    print("  ".join(f"{name:>12}" for name in rows[0]))
    for row in sorted(rows, key=lambda row: list(STAGES).index(row["stage"])):
        print("  ".join(f"{value:>12}" for value in row.values()))
    if options.json:
        images.write_bytes(options.json, (json.dumps(rows, indent=1) + "\n").encode())
    judged = [row for row in rows if row["stage"] != "products"]
    return int(any(max(row["time ratio"], row["memory ratio"]) > ALLOWED for row in judged))


if __name__ == "__main__":
    sys.exit(main())
