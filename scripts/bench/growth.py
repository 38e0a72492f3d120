"""Does a case cost the same in a large study? Time and memory at 50, 500 and 5,000 cases with a tiny model.

python scripts/bench/growth.py [--cases 50 --cases 500 --cases 5000] [--json FILE]

Three processes for every size: the run (the embedded network of the family general on 16×16 inputs that `degrade`
made, in fp32, and one arm that is audited and asks once for other knobs), the numbers (what is measured, scores.csv,
summary.json), and what is drawn of them: the panels with the contact sheet, the plots, the report, one after another
as every run ends with them. Each process first does ten other cases that are not counted, so that what is imported
and opened once is no part of a case. `further` is the time of each case beyond those of the size before: fixed costs
cannot hide there that something grows faster than the study. Memory is the process's peak so far, libraries
included. Every file is flushed to the disk: on a busy one, set TMPDIR to a folder in memory, and look at the
processor's time too.
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
from unittest import mock

import numpy as np

from fsrbench.case import degrade
from fsrbench.core import execute
from fsrbench.core.contracts import Machine
from fsrbench.files import atomic
from fsrbench.imaging import images
from fsrbench.measure import evaluate, subjects
from fsrbench.measure import scores as scorefile
from fsrbench.measure import summary as summarising
from fsrbench.measure.results import Numbers, Results
from fsrbench.show import plots, publish
from fsrbench.study import config
from fsrbench.study.run import run_study
from fsrbench.study.schema import Settings
from fsrbench.study.store import RunFolder

ALLOWED = 1.10
"""A size's time a case and peak memory over the smallest size's."""
RATIOS = {"time": "ms/case", "cpu": "cpu ms/case", "memory": "peak MiB"}
FIRST = 10
"""Cases that are done before the clock starts."""
WORKERS = 2
MACHINE = Machine(offline=True)
ASK = {"score": 30, "confidence": 95, "tags": ["ringing"], "hints": {"dehalo": 0.5}, "reason": "Halos at the edges."}
Lap = Callable[[str], None]
"""Called when a part is done, with its name."""
CHANGES = [f"arms.s={json.dumps({'auditor': 'scripted', 'replies': [ASK]})}", "metrics=psnr,ssim", "hr_size=64"]


def draw(root: Path, cases: int) -> None:
    """Small pictures, none like another, and what `degrade` makes of them."""
    for number in range(cases):
        rng = np.random.default_rng(number)
        images.write(root / "hr" / f"{number:05}.png", images.resize(rng.random((8, 8, 3), np.float32), 64, 64))
    degrade.degrade(root / "hr", root / "lr", hr_size=64, workers=WORKERS)


# ----------------------------------------------------------------------- stages


def run(root: Path, out: Path, cases: int, lap: Lap) -> None:
    """Restore and audit."""
    settings, _ = config.load(None, CHANGES)
    settings = config.with_arms(config.with_families(settings, ["general"]), ["s"])
    outcome = run_study(settings, MACHINE, root / "lr", root / "hr", out, limit=cases, workers=WORKERS)
    if outcome.failures or outcome.done != cases:
        raise SystemExit(f"{outcome.done} of {cases} cases were done; failures: {outcome.failures[:1]}")
    lap("run")


def numbers(_root: Path, out: Path, cases: int, lap: Lap) -> None:
    """Measure and summarise."""
    folder = RunFolder(out)
    what = subjects.of_run(folder, Settings.model_validate(folder.study()["settings"]))
    scores = evaluate.measure(what, MACHINE, WORKERS, journal=folder.journal)
    scorefile.write(out / "scores.csv", scores)
    summary = summarising.summarise(what, Numbers(scores))
    publish.write_summary(folder, summary)
    if summary.families["general"]["psnr"].arms["s"].n != cases or summary.inputs.recipe != ("paper",):
        raise SystemExit("Numbers are missing.")
    lap("numbers")


def products(_root: Path, out: Path, cases: int, lap: Lap) -> None:
    """Draw panels and contact sheet, plots, report."""
    plotted = plots.draw

    def draw(results: Results, track: execute.Track) -> list[Path]:
        lap("panels")
        files = plotted(results, track)
        lap("plots")
        return files

    with mock.patch.object(plots, "draw", draw):
        publish.run(RunFolder(out), MACHINE, WORKERS, execute.untracked)
    lap("report")
    if sum(1 for _ in out.glob("general/panels/*.png")) != cases or not (out / "report" / "index.html").is_file():
        raise SystemExit("Products are missing.")


STAGES = {"run": run, "numbers": numbers, "products": products}


def work(stage: str, root: Path, cases: int) -> None:
    """One stage of one size, in this process; prints what each part of it took."""
    STAGES[stage](root, root / "first", FIRST, lambda _: None)
    started = [time.perf_counter(), time.process_time()]
    found: dict[str, list[float]] = {}

    def lap(part: str) -> None:
        now = [time.perf_counter(), time.process_time()]
        found[part] = [*(after - before for before, after in zip(started, now, strict=True)), peak()]
        started[:] = now

    STAGES[stage](root, root / "out", cases, lap)
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


def measured(stage: str, root: Path, cases: int) -> list[dict[str, Any]]:
    """A row for each part of a stage."""
    command = [sys.executable, __file__, "--work", stage, str(root), str(cases)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr[-3000:])
    return [
        {
            "part": part,
            "cases": cases,
            "ms/case": round(1000 * wall / cases, 2),
            "cpu ms/case": round(1000 * computed / cases, 2),
            "peak MiB": round(highest, 1),
        }
        for part, (wall, computed, highest) in json.loads(done.stdout.splitlines()[-1]).items()
    ]


def compared(rows: list[dict[str, Any]]) -> None:
    """Set the rows of one part, by size, against the first, and each against the one before."""
    before = {"cases": 0, "ms/case": 0.0}
    for row in rows:
        more = row["ms/case"] * row["cases"] - before["ms/case"] * before["cases"]
        row["further ms"] = round(more / (row["cases"] - before["cases"]), 2)
        row |= {f"{name} ratio": round(row[of] / rows[0][of], 3) for name, of in RATIOS.items()}
        before = row


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, action="append", help="size of a study; may be given repeatedly")
    parser.add_argument("--json", type=Path, help="write the rows here, too")
    parser.add_argument("--work", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(options.work[0], Path(options.work[1]), int(options.work[2]))
        return 0
    parts: dict[str, list[dict[str, Any]]] = {}
    for cases in sorted({*(options.cases or (50, 500, 5000))}):
        with tempfile.TemporaryDirectory() as folder:
            draw(Path(folder), cases)
            for row in (row for stage in STAGES for row in measured(stage, Path(folder), cases)):
                parts.setdefault(row["part"], []).append(row)
    for rows in parts.values():
        compared(rows)
    found = [row for rows in parts.values() for row in rows]
    print("  ".join(f"{name:>12}" for name in found[0]))
    for row in found:
        print("  ".join(f"{value:>12}" for value in row.values()))
    if options.json:
        atomic.write_bytes(options.json, (json.dumps(found, indent=1) + "\n").encode())
    return int(any(max(row["time ratio"], row["memory ratio"]) > ALLOWED for row in found))


if __name__ == "__main__":
    sys.exit(main())
