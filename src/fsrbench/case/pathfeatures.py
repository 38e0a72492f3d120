"""What is known of the way from pure to an arm's picture: numbers of the input, the two pictures and the audit alone.

No reference can reach them, so they are the same in a calibration and in a run. What cannot be had of a case is left
out, and never a number.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fsrbench.core import plugins
from fsrbench.core.errors import Unavailable, WeightsError
from fsrbench.imaging import agreement, artifacts, damage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fsrbench.core.contracts import Machine, Metric
    from fsrbench.core.values import Audit, Image

LIKENESS = "likeness"
COARSE, FINE = 32, 8
"""Sides of cells in pixels: what their mean keeps of a difference is coarse, what it loses is fine."""
NAMES = {
    "noise": "noise that is left in the input",
    "blur": "blur of the input",
    "quality": "JPEG quality of the input; 100 where nothing shows of JPEG",
    "consistency": "how far pure, shrunk, agrees with the input, in dB",
    "consistency_change": "how much better the arm's picture agrees",
    "sharpness": "fine detail and overshoot of pure",
    "sharpness_change": "how much more of it the arm's picture has",
    "change": "logarithm of the root mean square of what the arm changed",
    "coarse": "share of that in its coarse forms",
    "fine": "share of that in its fine detail",
    "score": "the auditor's score of pure, where one gave it",
    "confidence": "how sure the auditor was, where it said so",
    LIKENESS: "ArcFace likeness of the two faces, where a recogniser is there",
}  # fmt: skip
"""Every feature, and what it says."""


@dataclass(frozen=True, slots=True)
class PathFeatures:
    """The features, opened. Many threads may measure."""

    likeness: Callable[[Sequence[Image], Image | None], Sequence[float]] | None = None
    """ArcFace between several pictures and another one; None where it cannot be had here."""

    def __call__(self, lr: Image, pure: Image, picture: Image, audit: Audit | None = None) -> dict[str, float]:
        """Those that can be had of one case."""
        found: dict[str, float] = {}
        if (input_damage := damage.estimate(lr)) is not None:
            quality = 100 if input_damage.quality is None else input_damage.quality
            found |= {"noise": input_damage.noise, "blur": input_damage.blur, "quality": float(quality)}
        found |= _of_both(lr, pure, picture) | _of_change(picture.astype(np.float64) - pure)
        if audit is not None and audit.status == "ok":
            told = {"score": audit.score, "confidence": audit.confidence}
            found |= {name: float(value) for name, value in told.items() if value is not None}
        if self.likeness is not None:
            with suppress(Unavailable):  # no face was found
                found[LIKENESS] = float(self.likeness([picture], pure)[0])
        return {name: found[name] for name in NAMES if name in found and math.isfinite(found[name])}


def open_features(machine: Machine, needed: Collection[str] = ()) -> PathFeatures:
    """Open what they need; the cure where one of the `needed` cannot be had here."""
    metric: Metric = plugins.load("metrics", "arcface")
    try:
        return PathFeatures(metric.open(machine))
    except (Unavailable, WeightsError):
        if LIKENESS in needed or machine.recogniser is not None:
            raise
        return PathFeatures()


def _of_both(lr: Image, pure: Image, picture: Image) -> dict[str, float]:
    """How pure agrees with the input and how sharp it is, and by how much more the picture does and is."""
    looks = artifacts.Look(pure, lr), artifacts.Look(picture, lr)
    before, after = (agreement.consistency(lr, look.shrunk) for look in looks)
    found = {"consistency": before, "consistency_change": after - before}
    if min(pure.shape[:2]) >= artifacts.MIN_SIDE:
        before, after = map(artifacts.oversharpening, looks)
        found |= {"sharpness": before, "sharpness_change": after - before}
    return found


def _of_change(change: NDArray[np.float64]) -> dict[str, float]:
    """How large a change is, and how much of its energy is coarse and fine."""
    import cv2

    whole = float(np.square(change).mean())
    if whole == 0:
        return {}
    height, width = change.shape[:2]

    def kept(cells: int) -> float:
        """Share of the energy that is left when such cells of pixels are averaged."""
        small = cv2.resize(change, (max(1, width // cells), max(1, height // cells)), interpolation=cv2.INTER_AREA)
        return float(np.square(small).mean()) / whole

    return {"change": math.log10(whole) / 2, "coarse": kept(COARSE), "fine": 1 - kept(FINE)}
