"""Everything once, small, with no download: two public-domain portraits that come with matplotlib and scikit-image.

They are aligned the FFHQ way, degraded by the paper's recipe, restored by the three embedded networks,
supervised by the heuristic auditor, measured, and drawn.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np

from fsrbench.case import degrade
from fsrbench.core.contracts import Machine
from fsrbench.core.errors import InputError, Unavailable
from fsrbench.core.execute import Track
from fsrbench.files import atomic
from fsrbench.imaging import faces, images
from fsrbench.measure import ahead
from fsrbench.measure.summary_values import Summary
from fsrbench.show import publish
from fsrbench.study import config
from fsrbench.study.run import RunOutcome, run_study

PORTRAITS = {
    "grace_hopper": (
        "matplotlib", "mpl-data/sample_data/grace_hopper.jpg",
        [[225.3, 193.5], [307.3, 185.7], [269.0, 238.1], [235.2, 279.8], [301.0, 273.5]],
    ),
    "eileen_collins": (
        "skimage", "data/astronaut.png",
        [[203.9, 99.4], [246.4, 101.9], [223.4, 128.4], [202.0, 138.4], [244.6, 140.7]],
    ),
}  # fmt: skip
"""Case → package, file in it, five landmarks. A US Navy and a NASA photograph, both in the public domain."""

SEED = 3
"""Of the degradation. Chosen so that neither portrait is drowned: recipe `paper` can draw very strong blurs."""


def run(out: Path, machine: Machine, workers: int, track: Track) -> tuple[RunOutcome, Summary]:
    """Run the demonstration; returns what came of the run, and the summary."""
    atomic.guard(out)
    high, low = out / "inputs" / "high_res_imgs", out / "inputs" / "low_res_imgs"
    for case, (package, file, landmarks) in PORTRAITS.items():
        portrait = images.read(_packaged(package, file))
        crop, _ = faces.align(portrait, np.array(landmarks, dtype=np.float32), 512, "ffhq")
        images.write(high / f"{case}.png", crop)
    report = degrade.degrade(high, low, recipe="paper", scale=4, hr_size=512, seed=SEED, workers=workers)
    if report.failed:
        raise InputError("; ".join(why for _, why in report.failed))
    settings = config.with_arms(config.load(None)[0], ["heuristic"])
    with ahead.measuring(machine) as finished:
        outcome = run_study(settings, machine, low, high, out, workers=workers, track=track, finished=finished)
    summary = publish.run(outcome.folder, machine, workers, track)
    return outcome, summary


def _packaged(package: str, file: str) -> Path:
    spec = importlib.util.find_spec(package)
    path = Path(spec.origin).parent / file if spec and spec.origin else None
    if path is None or not path.is_file():
        raise Unavailable(f"The portrait {file} of {package} is not installed: pip install --force-reinstall {package}")
    return path
