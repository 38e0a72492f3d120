"""How well waiting for an LVLM is hidden: a run against a loopback server that takes its time over every reply.

A run can be no faster than its compute, nor than latency × audits ÷ concurrency. This prints how much longer it
took than the larger of the two, as a table, and as JSON with --json FILE. Every case is audited twice (the first
reply asks for a change), and more cases are in work than requests in flight, as in a run that means it.

    python scripts/bench/latency.py --cases 40 --latency 2 --concurrency 8 --concurrency 16
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from slow import Slow

from fsrbench.core.contracts import Machine
from fsrbench.files import atomic
from fsrbench.imaging import images
from fsrbench.study import config
from fsrbench.study.run import run_study
from fsrbench.study.store import RunFolder

ALLOWED = 1.15


def draw(folder: Path, cases: int, size: int) -> None:
    """Pictures to restore: smooth noise, since nobody looks."""
    for number in range(cases):
        rng = np.random.default_rng(number)
        coarse = rng.random((6, 6, 3)).astype(np.float32)
        images.write(folder / f"{number:04d}.png", images.resize(coarse, size, size))


def timed(lr: Path, out: Path, latency: float, concurrency: int, workers: int) -> tuple[float, int]:
    """Seconds of one run, and how many audits it took."""
    server = Slow(latency)
    arm = {
        "auditor": "openai",
        "base_url": server.url,
        "model": "slow",
        "concurrency": concurrency,
    }
    settings, _ = config.load(None, ["families.general.backend=bicubic", f"arms.lvlm={json.dumps(arm)}"])
    settings = config.with_arms(config.with_families(settings, ["general"]), ["lvlm"])
    started = time.perf_counter()
    outcome = run_study(settings, Machine(offline=True), lr, None, out, workers=workers)
    seconds = time.perf_counter() - started
    server.stop()
    done = sum("lvlm" in trail.arms for trail in RunFolder(out).trails())
    if outcome.failures or done != outcome.cases:
        raise SystemExit(f"{len(outcome.failures)} of {outcome.cases} cases failed: {outcome.failures[:1]}")
    return seconds, server.asked


def measure(lr: Path, out: Path, latency: float, concurrency: int, workers: int) -> dict[str, Any]:
    compute, _ = timed(lr, out / f"compute-{concurrency}", 0, concurrency, workers)
    seconds, audits = timed(lr, out / f"run-{concurrency}", latency, concurrency, workers)
    waiting = latency * audits / concurrency
    return {
        "concurrency": concurrency,
        "workers": workers,
        "audits": audits,
        "latency": latency,
        "compute": round(compute, 2),
        "waiting": round(waiting, 2),
        "seconds": round(seconds, 2),
        "ratio": round(seconds / max(compute, waiting), 3),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=40)
    parser.add_argument("--latency", type=float, default=2.0, help="seconds that the server takes over a reply")
    parser.add_argument("--concurrency", type=int, action="append", help="requests in flight; may be given repeatedly")
    parser.add_argument("--workers", type=int, help="cases in work at once; left out, all of them")
    parser.add_argument("--size", type=int, default=24, help="side of the LR pictures")
    parser.add_argument("--json", type=Path, help="write the rows here, too")
    options = parser.parse_args()
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        del os.environ[name]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        draw(root / "lr", options.cases, options.size)
        for concurrency in options.concurrency or [8, 16]:
            workers = options.workers or options.cases
            rows.append(measure(root / "lr", root, options.latency, concurrency, workers))
    print("  ".join(f"{name:>11}" for name in rows[0]))
    for row in rows:
        print("  ".join(f"{value:>11}" for value in row.values()))
    if options.json:
        atomic.write_bytes(options.json, (json.dumps(rows, indent=1) + "\n").encode())
    return int(any(row["ratio"] > ALLOWED for row in rows))


if __name__ == "__main__":
    sys.exit(main())
