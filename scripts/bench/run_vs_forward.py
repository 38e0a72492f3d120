"""What a paired run costs beyond the forward passes that it cannot avoid.

Forward passes alone (inputs read, network open, nothing kept; in the quicker of two ways, one after another with all
cores, or side by side with a core each) stand against whole runs of the same pictures, in turns within one process, and
what each run took is divided by what the passes before and after it took. A run reads and hashes its inputs, opens its
network, tries the knobs, stores every picture as PNG and every step as JSON, flushed. With an auditor it also measures
every picture for it; no run needs the network more than once a picture. `--profile` says, instead, where the time of a
run with an auditor goes, one case after another.

    python scripts/bench/run_vs_forward.py --model ../shared/weights/realesr-general-x4v3.pth --json over.json
"""

from __future__ import annotations

import argparse
import cProfile
import json
import os
import pstats
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fsrbench.core import execute, plugins
from fsrbench.core.contracts import Machine
from fsrbench.core.execute import untracked
from fsrbench.imaging import images
from fsrbench.models import devices
from fsrbench.show import publish
from fsrbench.study import config
from fsrbench.study.run import run_study
from fsrbench.study.store import RunFolder

ALLOWED = 1.05
ACCEPT = {"auditor": "scripted", "replies": [{"score": 95}]}
RUNS = {
    "pure only": ((), False),
    "pure, an arm that accepts": (("accept",), False),
    "pure, heuristic": (("heuristic",), False),
    "pure, heuristic, evaluated": (("heuristic",), True),
}
"""Name → arms, and whether PSNR, SSIM and NIQE are measured afterwards."""


def prepare(folder: Path, faces: Path | None, cases: int, size: int) -> tuple[Path, Path]:
    """Inputs and references: real faces where a folder of them is named, turned to be many; else smooth noise."""
    found = [images.fit_square(images.read(path), 4 * size) for path in images.find(faces).values()] if faces else []
    for number in range(cases):
        if found:
            hr = np.rot90(found[number % len(found)], number // len(found) % 4)
            hr = np.ascontiguousarray(hr * (1 - 0.05 * (number // len(found) // 4)))
        else:
            coarse = np.random.default_rng(number).random((12, 12, 3)).astype(np.float32)
            hr = images.resize(coarse, 4 * size, 4 * size)
        images.write(folder / "hr" / f"{number:04d}.png", hr)
        images.write(folder / "lr" / f"{number:04d}.png", images.resize(hr, size, size))
    return folder / "lr", folder / "hr"


def timed(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="a checkpoint (default: the embedded network)")
    parser.add_argument("--faces", type=Path, help="a folder of faces (default: smooth noise)")
    parser.add_argument("--cases", type=int, default=24)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--workers", type=int, action="append", help="cases in flight; repeatable (default: two more than cores)"
    )
    parser.add_argument("--only", choices=RUNS, action="append", help="which runs; repeatable (default: all)")
    parser.add_argument("--precision", default="fp32", choices=["fp32", "bf16"])
    parser.add_argument("--profile", action="store_true", help="where the time goes, by the package's functions")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    machine = Machine(devices.resolve_device("auto"), given.precision)
    chosen = {"families.general.model": given.model.absolute()} if given.model else {}
    changes = [f"arms.accept={json.dumps(ACCEPT)}", "metrics=psnr,ssim,niqe"]
    base, _ = config.load(None, [*changes, *(f"{key}={value}" for key, value in chosen.items())])
    base = config.with_families(base, ["general"])
    restorer = plugins.load("backends", "realesrgan").open(base.backend_settings("general"), machine)

    with tempfile.TemporaryDirectory() as scratch:
        lr, hr = prepare(Path(scratch), given.faces, given.cases, given.size)
        pictures = [images.read(path) for path in images.find(lr).values()]

        def one_by_one() -> None:
            for picture in pictures:
                restorer(picture, {}, 0, given.precision)

        def side_by_side() -> None:
            with ThreadPoolExecutor(execute.cores()) as pool:
                list(pool.map(lambda picture: restorer(picture, {}, 0, given.precision), pictures))

        def passes() -> float:
            """Seconds of the passes alone, in the quicker of two ways: all cores for each, or one for each."""
            torch.set_num_threads(execute.cores())
            together = timed(one_by_one)
            torch.set_num_threads(1)
            return min(together, timed(side_by_side))

        def run(arms: tuple[str, ...], evaluated: bool, workers: int) -> None:
            out = Path(tempfile.mkdtemp(dir=scratch)) / "run"
            settings = config.with_arms(base, arms)
            outcome = run_study(settings, machine, lr, hr, out, workers=workers)
            if outcome.failures:
                raise SystemExit(f"{outcome.failures[0]}")
            if evaluated:
                publish.run(RunFolder(out), machine, workers, untracked)

        if given.profile:
            run(("heuristic",), False, 1)  # what is imported and opened for the first time is nobody's
            profile = cProfile.Profile()
            profile.runcall(run, ("heuristic",), False, 1)
            pstats.Stats(profile).sort_stats("cumulative").print_stats("src/fsrbench", 45)
            return
        rows: dict[tuple[str, int], list[float]] = {}
        alone: list[float] = []
        passes()
        run(("heuristic",), True, execute.cores())  # what is imported and opened for the first time is nobody's
        for _ in range(given.rounds):
            for name in given.only or RUNS:
                arms, evaluated = RUNS[name]
                for workers in given.workers or [execute.cores() + 2]:
                    before = passes()
                    took = timed(lambda arms=arms, evaluated=evaluated, workers=workers: run(arms, evaluated, workers))
                    after = passes()
                    alone += [before, after]
                    rows.setdefault((name, workers), []).append(took / ((before + after) / 2))
    one = statistics.median(alone) / given.cases
    print(f"{restorer.model}, {given.cases} cases, {given.size}→{4 * given.size}, {os.cpu_count()} cores,", end=" ")
    print(f"{given.precision} on {machine.device}: a forward pass takes {1000 * one:.0f} ms (median)\n")
    print(f"{'run':30} {'workers':>7} {'÷ forward passes':>17} {'lowest':>7} {'over':>7}")
    result = []
    for (name, workers), ratios in rows.items():
        ratio = statistics.median(ratios)
        print(f"{name:30} {workers:7} {ratio:17.3f} {min(ratios):7.3f} {100 * (ratio - 1):+6.1f}%")
        result.append({"run": name, "workers": workers, "ratio": ratio, "ratios": ratios, "met": ratio <= ALLOWED})
    if given.json:
        told = {"cases": given.cases, "size": given.size, "model": restorer.model, "precision": given.precision}
        told |= {"device": machine.device, "cores": os.cpu_count(), "forward_seconds": one, "allowed": ALLOWED}
        given.json.write_text(json.dumps({**told, "runs": result}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
