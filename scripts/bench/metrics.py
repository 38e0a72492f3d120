"""PSNR, SSIM and NIQE of a pair of pictures, here and by the package pyiqa: medians and ratios, measured in one run.

python scripts/bench/metrics.py [--size 512] [--json]

Both get the same pictures, decoded, and are called picture by picture, in turns, so that whatever else the machine
does falls on both alike. pyiqa's metrics are those that it calls psnr, ssim and niqe: its ssim looks at luma alone,
a third of what fsrbench's looks at, so the two differ. The package is non-commercial (PolyForm-Noncommercial), and
fsrbench does not depend on it:

    python -m venv bench && bench/bin/pip install -e . pyiqa && bench/bin/python scripts/bench/metrics.py

pyiqa fetches NIQE's natural-scene model from the network. Where it cannot be had, the same published numbers, which
fsrbench ships in niqe_params.npz, are put into pyiqa's own file format; the table says so.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fsrbench.core import plugins
from fsrbench.core.contracts import Machine
from fsrbench.core.values import Image
from fsrbench.imaging import images
from fsrbench.metrics import niqe

NAMES = ("psnr", "ssim", "niqe")
LIMIT = 8.0
"""How many times faster than pyiqa the three must be together."""
Pair = Callable[[Image, Image], float]


def pictures(size: int) -> tuple[Image, Image]:
    """A reference with edges, gradients and texture, and a blurred, noisy picture of the same."""
    rng = np.random.default_rng(0)
    coarse = images.resize(rng.random((size // 32, size // 32, 3), np.float32), size, size)
    fine = images.resize(rng.random((size // 3, size // 3, 3), np.float32), size, size)
    reference = images.as_stored(np.clip(0.7 * coarse + 0.3 * fine, 0, 1))
    soft = images.resize(images.resize(reference, size // 3, size // 3), size, size)
    noise = rng.normal(0, 0.02, soft.shape).astype(np.float32)
    return images.as_stored(np.clip(soft + noise, 0, 1)), reference


def ours() -> dict[str, Pair]:
    """fsrbench's metrics by name."""
    opened = {name: plugins.load("metrics", name).open(Machine(offline=True)) for name in NAMES}

    def measure(name: str) -> Pair:
        return lambda image, reference: float(opened[name]([image], reference)[0])

    return {name: measure(name) for name in NAMES}


def theirs(model: Path) -> tuple[dict[str, Pair], str]:
    """pyiqa's metrics by name, and where NIQE's model comes from; `model` is where it may be put."""
    import pyiqa
    import torch

    note = "NIQE's natural-scene model as pyiqa fetched it"
    opened: dict[str, Any] = {name: pyiqa.create_metric(name, device=torch.device("cpu")) for name in NAMES[:2]}
    try:
        with contextlib.redirect_stdout(sys.stderr):  # it tells of its download where our JSON goes
            opened["niqe"] = pyiqa.create_metric("niqe", device=torch.device("cpu"))
    except Exception:  # no network: urllib, huggingface and torch.hub each raise their own
        note = "NIQE's natural-scene model put into pyiqa's format from the one that fsrbench ships"
        opened["niqe"] = pyiqa.create_metric(
            "niqe", device=torch.device("cpu"), pretrained_model_path=str(shipped_model(model))
        )

    def measure(name: str) -> Pair:
        metric = opened[name]

        def score(image: Image, reference: Image) -> float:
            tensors = [torch.from_numpy(p.transpose(2, 0, 1).copy())[None] for p in (image, reference)]
            with torch.inference_mode():
                return float(metric(*tensors) if name != "niqe" else metric(tensors[0]))

        return score

    return {name: measure(name) for name in NAMES}, note


def shipped_model(path: Path) -> Path:
    """fsrbench's copy of the natural-scene model, written as the MATLAB file that pyiqa reads."""
    from scipy.io import savemat

    with np.load(Path(niqe.__file__).parent / "niqe_params.npz", allow_pickle=False) as stored:
        savemat(path, {"mu_prisparam": stored["mean"][None], "cov_prisparam": stored["covariance"]})
    return path


def measure(both: Mapping[str, Mapping[str, Pair]], size: int, times: int) -> dict[str, Any]:
    """Median milliseconds of each metric on each side, in turns; the first round warms up and does not count."""
    image, reference = pictures(size)
    taken: dict[str, dict[str, list[float]]] = {side: {name: [] for name in NAMES} for side in both}
    values: dict[str, dict[str, float]] = {side: {} for side in both}
    for _ in range(times + 1):
        for side, metrics in both.items():
            for name in NAMES:
                started = time.perf_counter()
                values[side][name] = metrics[name](image, reference)
                taken[side][name].append((time.perf_counter() - started) * 1000)
    rows: dict[str, Any] = {}
    for name in NAMES:
        medians = {side: statistics.median(taken[side][name][1:]) for side in both}
        rows[name] = {**medians, **{f"{side} value": values[side][name] for side in both}}
    rows["together"] = {
        side: statistics.median(map(sum, zip(*(taken[side][name][1:] for name in NAMES), strict=True))) for side in both
    }
    for row in rows.values():
        row["ratio"] = row["pyiqa"] / row["fsrbench"]
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=512, help="height and width of the pictures")
    parser.add_argument("--times", type=int, default=15, help="rounds")
    parser.add_argument("--json", action="store_true", help="print JSON")
    given = parser.parse_args()
    if importlib.util.find_spec("pyiqa") is None:
        sys.exit("The package pyiqa is not installed: see --help for how to get it beside fsrbench.")
    with tempfile.TemporaryDirectory() as temporary:
        package, note = theirs(Path(temporary, "niqe.mat"))
        rows = measure({"fsrbench": ours(), "pyiqa": package}, given.size, given.times)
    if given.json:
        print(json.dumps({"size": given.size, "milliseconds": rows, "limit": LIMIT, "note": note}))
        return
    print(f"{given.size}×{given.size}, medians of {given.times} in ms; {note}")
    print(f"{'':10}{'fsrbench':>10}{'pyiqa':>10}{'ratio':>8}   values")
    for name, row in rows.items():
        values = "   ".join(f"{row[key]:.4f}" for key in ("fsrbench value", "pyiqa value") if key in row)
        print(f"{name:10}{row['fsrbench']:10.2f}{row['pyiqa']:10.2f}{row['ratio']:8.1f}   {values}")


if __name__ == "__main__":
    main()
