"""A small run that people can be asked about: drawn faces, the plain backend, arms with names found nowhere else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import fsrbench
from fsrbench.imaging import images
from support import draw_face
from support.reports import EVIL_CASE

ARMS = ("quokka", "axolotl")


def rated_run(root: Path, cases: Sequence[str] = (EVIL_CASE, *(f"face {number}" for number in range(11)))) -> Path:
    """The run's folder; it is not evaluated."""
    for number, case in enumerate(cases):
        images.write(root / "hr" / f"{case}.png", draw_face(64, number))
        images.write(root / "lr" / f"{case}.png", draw_face(16, number))
    arms: dict[str, Any] = {
        arm: {"way": "constant", "with": {"knobs": {"detail_damping": damping}}}
        for arm, damping in zip(ARMS, (0.3, 0.6), strict=True)
    }
    fsrbench.run(
        lr=root / "lr", hr=root / "hr", out=root / "run", families=["general"], arms=ARMS, evaluate=False, device="cpu",
        settings={"hr_size": 64, "metrics": ["psnr"], "families": {"general": {"backend": "bicubic"}}, "arms": arms},
    )  # fmt: skip
    return root / "run"
