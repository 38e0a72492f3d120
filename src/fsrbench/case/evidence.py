"""What an auditor may look at, made from the input and its restoration alone.

Nothing here takes a `Case` or a reference, so none can reach an auditor on this way. Landmarks are looked
for on the restoration. What cannot be measured here (weights absent, picture too small) is None, never a
number. How the numbers are explained to a model is in `prompts.py`.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from fsrbench.core import plugins
from fsrbench.core.errors import Unavailable, WeightsError
from fsrbench.core.values import Evidence, Patch
from fsrbench.imaging import artifacts, faces, images

if TYPE_CHECKING:
    from fsrbench.core.contracts import Machine
    from fsrbench.core.values import Image

    Measure = Callable[[Sequence[Image], Image | None], Sequence[float]]

T = TypeVar("T")
MAX_LR = 256
"""Longest side of the input as an auditor sees it; a larger one is shrunk."""
SAME = 100.0
"""Consistency in dB of two pictures that are alike to the last bit."""
BLURS = (0.0, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0)
"""Blurs that a restoration may lose to its input: sigmas in input pixels."""
UNEXPLAINED = 17.4
"""Mean square (0–255 scale) by which clean faces differ from their degraded selves, blur and noise allowed for."""
NOISE_SHARE = 1.85
"""What noise and compression add to that, in units of what a median of 3×3 pixels takes from the input. Both numbers
are from training faces under the recipes paper, realesrgan and bsrgan (`scripts/bench/artifacts.py --calibrate`)."""

REMEMBERED = 256
"""Pictures of which the findings are kept: numbers, not pixels."""


@dataclass(frozen=True, slots=True)
class _Examined:
    """What was found on a restoration."""

    boxes: dict[str, faces.Box]
    """Face regions by name."""
    places: str
    """Where they come from."""
    qa: dict[str, float | None]
    """Measured numbers."""


@dataclass(frozen=True, slots=True)
class Tools:
    """The opened tools that evidence is made with; None where one cannot run here."""

    detector: faces.Detector | None
    """Finds the face on the restoration."""
    niqe: Measure | None
    """Naturalness, of the restoration alone."""
    identity: Measure | None
    """ArcFace similarity to the enlarged input."""
    lpips: Measure | None
    """Perceptual distance to the enlarged input."""
    turn: Lock = field(default_factory=Lock)
    """Guards what follows."""
    seen: OrderedDict[tuple[object, ...], _Examined] = field(default_factory=OrderedDict)
    """What was found a moment ago: arms of one case look at the same pictures."""

    @property
    def available(self) -> dict[str, bool]:
        """Which of them are here: what an auditor is told depends on it, so a run records it."""
        named = {"detector": self.detector, "niqe": self.niqe, "identity": self.identity, "lpips": self.lpips}
        return {name: tool is not None for name, tool in named.items()}

    def __call__(self, lr: Image, sr: Image) -> Evidence:
        """Gather evidence; may be called from many threads."""
        pixels = images.to_8bit(images.check(sr, "restoration"))
        sr = images.from_8bit(pixels)
        key = (images.exact_key(lr), images.hash_8bit(pixels))
        with self.turn:
            found = self.seen.get(key)
        if found is None:
            found = _examine(lr, sr, self)
        with self.turn:
            self.seen[key] = found
            self.seen.move_to_end(key)
            if len(self.seen) > REMEMBERED:
                self.seen.popitem(last=False)
        return _present(lr, sr, found)


def open_tools(machine: Machine) -> Tools:
    """Open every tool that can run here, once for a whole run."""
    return Tools(
        detector=_or_none(lambda: faces.open_detector(machine), named=machine.detector is not None),
        niqe=_metric("niqe", machine),
        identity=_metric("arcface", machine, named=machine.recogniser is not None),
        lpips=_metric("lpips", machine),
    )


def _examine(lr: Image, sr: Image, tools: Tools) -> _Examined:
    images.check(lr, "input")
    found = tools.detector(sr) if tools.detector else ()
    landmarks = found[0].landmarks if found else None
    enlarged = images.resize(lr, sr.shape[1], sr.shape[0]) if tools.identity or tools.lpips else None
    shrunk = _shrunk(sr, lr)
    qa: dict[str, float | None] = {
        "niqe": _measured(tools.niqe, sr, None),
        "consistency": _consistency(lr, shrunk),
        "consistency_shortfall": _shortfall(lr, shrunk),
        "identity": _measured(tools.identity, sr, enlarged),
        "lpips": _measured(tools.lpips, sr, enlarged),
    }
    pair, alone = artifacts.Look(sr, lr), artifacts.Look(lr, lr)
    qa |= {name: _finite(measure(pair)) for name, measure in artifacts.MEASURES.items()}
    qa["input_blockiness"] = _finite(artifacts.blockiness(alone))
    qa["input_noise"] = _finite(artifacts.noise(alone))
    boxes = faces.regions((sr.shape[0], sr.shape[1]), landmarks)
    return _Examined(boxes, "landmarks" if found else "canonical FFHQ places", qa)


def _present(lr: Image, sr: Image, found: _Examined) -> Evidence:
    patches = tuple(Patch(name, sr[y0:y1, x0:x1], (x0, y0, x1, y1)) for name, (x0, y0, x1, y1) in found.boxes.items())
    return Evidence(_shown(lr), sr, patches, found.places, dict(found.qa))


def consistency(lr: Image, sr: Image) -> float:
    """PSNR in dB of the restoration, shrunk to the input's size, against the input; at most SAME."""
    return _consistency(lr, _shrunk(sr, lr))


def shortfall(lr: Image, sr: Image) -> float:
    """By how many dB the restoration agrees less with the input than blur and noise of that input explain; 0 if not.

    A clean picture of a blurred, noisy input has no high consistency either. So the restoration is blurred until it
    agrees best, and what is left is set against what the input's own noise makes of a clean face: 0–5 for nearly
    every reference, 10 and more for another person's face.
    """
    return _shortfall(lr, _shrunk(sr, lr))


def _consistency(lr: Image, shrunk: Image) -> float:
    error = float(np.square(shrunk.astype(np.float64) - lr).mean())
    return SAME if error == 0 else min(SAME, -10 * math.log10(error))


def _shortfall(lr: Image, shrunk: Image) -> float:
    return max(0.0, 10 * math.log10(max(difference(lr, shrunk), 1e-9) / explained(lr)))


def explained(lr: Image) -> float:
    """The mean square (0–255 scale) that is left between an input and a clean picture, blurred alike."""
    return UNEXPLAINED + NOISE_SHARE * median_residual(lr)


def median_residual(lr: Image) -> float:
    """Mean square (0–255 scale) of what a median of 3×3 pixels takes from a picture: noise, speckle of compression."""
    import cv2

    pixels = images.to_8bit(lr)
    return float(np.square(pixels.astype(np.float32) - cv2.medianBlur(pixels, 3)).mean())


def difference(lr: Image, shrunk: Image) -> float:
    """Mean square (0–255 scale) between the input and the shrunk restoration, under the blur that makes it least.

    In cosine waves a blur is a weight for each row and each column, so that all blurs cost one transform.
    """
    from scipy.fft import dctn

    one, other = (dctn(picture, axes=(0, 1), norm="ortho") for picture in (shrunk, lr))
    own, shared, whole = (one * one).sum(axis=2), (one * other).sum(axis=2), float((other * other).sum())
    down, right = (np.pi * np.arange(side) / side for side in lr.shape[:2])
    squares = []
    for sigma in BLURS:
        row, column = np.exp(-np.square(sigma * down) / 2), np.exp(-np.square(sigma * right) / 2)
        squares.append(row**2 @ own @ column**2 - 2 * (row @ shared @ column) + whole)
    return max(0.0, float(min(squares))) / lr.size * 255**2


def _shrunk(sr: Image, lr: Image) -> Image:
    """The restoration at the input's size."""
    return images.resize(sr, lr.shape[1], lr.shape[0])


def _shown(lr: Image) -> Image:
    """The input with its longest side at most MAX_LR."""
    height, width = lr.shape[:2]
    factor = MAX_LR / max(height, width)
    if factor >= 1:
        return lr
    return images.resize(lr, max(1, round(width * factor)), max(1, round(height * factor)), "area")


def _metric(name: str, machine: Machine, *, named: bool = False) -> Measure | None:
    """A metric, opened, or None where it cannot run (its own reason is told by `evaluate` and `doctor`)."""

    def opened() -> Measure:
        measure: Measure = plugins.load("metrics", name).open(machine)
        return measure

    return _or_none(opened, named=named)


def _or_none(opened: Callable[[], T], *, named: bool) -> T | None:
    """The opened tool; None where it is not here. One that the settings name must open."""
    try:
        return opened()
    except (Unavailable, WeightsError):
        if named:
            raise
        return None


def _measured(measure: Measure | None, sr: Image, reference: Image | None) -> float | None:
    if measure is None:
        return None
    try:
        return _finite(float(measure([sr], reference)[0]))
    except Unavailable:  # this picture cannot be measured: too small, or no face found in it
        return None


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
