"""Artifacts measured by plain signal processing: a picture (and the input it was made from) to a number.

Every measure is a pure function of a `Sight`, the restoration and its input; none sees a reference. The numbers go
into the auditor's QA summary by way of `instruments/`, and the heuristic auditor decides on them; where a threshold
lies is its business, not decided here. A picture too small to be measured gives NaN.

Pixel distances in here (blocks of 8, details of 1 to 4 pixels) fit restorations of about 512×512 that are
4 times as large as their input; other sizes are measured in the same way but stand on another scale.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from fsrbench.imaging import images, luma

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fsrbench.core.contracts import Sight
    from fsrbench.core.values import Image

    Plane = NDArray[np.float32]
    Spectra = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]

MIN_SIDE = 32
"""Below this no measure of structure has anything to stand on."""
BY_CHANCE = 9.0
"""What the strongest of all grids comes to in clean faces of 64 to 512 pixels, times the side: 0.02 at 512 pixels."""
REACH = 16
"""Pixels on either side of an edge in which echoes of it are looked for."""
ECHO_FREQUENCIES = np.arange(0.12, 0.35, 0.02)
"""Cycles a pixel at which they are looked for."""
ECHO_MEAN = np.array([-3, -24, -25, -18, -15, -3, 15, 21, 15, 15, 17, 15]) / 1000
ECHO_SPREAD = np.array([48, 36, 44, 29, 21, 24, 31, 29, 23, 25, 26, 24]) / 1000
"""`echoes` of training faces without ringing: photographs and restorations, plain, sharpened, as JPEG and enlarged.

From `scripts/bench/artifacts.py --calibrate`."""


@dataclass(frozen=True)
class Look:
    """A restoration beside its input, and what several measures need of it, made once; satisfies `Sight`."""

    sr: Image
    """The restoration."""
    lr: Image
    """The input it was made from."""

    @cached_property
    def shrunk(self) -> Image:
        """The restoration at the input's size."""
        return images.resize(self.sr, self.lr.shape[1], self.lr.shape[0])

    @cached_property
    def enlarged(self) -> Image:
        """The input at the restoration's size."""
        return images.resize(self.lr, self.sr.shape[1], self.sr.shape[0])

    @cached_property
    def alone(self) -> Look:
        """The input in place of its restoration."""
        return Look(self.lr, self.lr)

    @cached_property
    def plane(self) -> Plane:
        """Brightness of the restoration."""
        return luma.levels(self.sr)

    @cached_property
    def spectra(self) -> Spectra:
        """Power of that."""
        return _spectra(self.plane)


def blockiness(look: Sight) -> float:
    """How much stronger steps are on a grid of 8×8 pixels, as JPEG leaves it, than off it, as a logarithm.

    The grid may begin anywhere, as it does in a picture that was cropped. It is looked for in the SR itself and, for
    blocks that the network has enlarged with the input, in the SR shrunk to the input's size; the larger counts.
    About 0 on a clean picture (|value| < 0.1), 0.2 for JPEG at quality 90, 0.6 at 70 and up to about 3. Blocks
    that were resized after they were made, so that they are not 8 pixels wide in either, are not found.
    """
    sr, lr = look.sr, look.lr
    scale = max(1, round(sr.shape[1] / lr.shape[1]))
    found = [_grid_strength(look.plane, scale)]
    if scale > 1:
        found.append(_grid_strength(luma.levels(images.resize(sr, lr.shape[1], lr.shape[0], "area")), 1))
    usable = [value for value in found if math.isfinite(value)]
    return max(usable) if usable else math.nan


def ringing(look: Sight) -> float:
    """How clearly edges ring: the larger of two signs, a cliff in the spectrum and echoes beside the strong edges.

    Where a filter has cut the spectrum off, every edge carries an oscillation, and the power falls off a cliff:
    `_cliff`, in nepers. An oscillation that is faint in the whole picture shows where edges are averaged:
    `_echo`, in spreads among clean pictures, two of which count as one neper. About 0.2–1.5 on a clean picture
    (also a blurred one, or one enlarged by 2), 1.6–2.6 after bicubic enlargement by 4, which overshoots, 2 and
    more where ringing is seen.
    """
    if min(look.sr.shape[:2]) < 2 * MIN_SIDE:
        return math.nan
    return max(_cliff(look.spectra, 0.5 * look.lr.shape[1] / look.sr.shape[1]), _echo(look.plane) / 2)


def oversharpening(look: Sight) -> float:
    """Fine detail and overshoot beyond what a face shows, as a logarithm (nepers).

    Three signs in one number, weighted as they best told sharpened faces from others: the power of fine
    detail (0.2 and 0.28 cycles a pixel) given that of coarser detail (0.11), detail of 1 pixel beside that of
    2 to 4, and edges that swing past the brightest and darkest value that the input has nearby. About -2 for
    a smooth restoration, 0.3–1 for a sharp photograph, 1.2 and more where it is visibly overdone. Strong noise
    counts as detail.
    """
    import cv2

    if min(look.sr.shape[:2]) < 2 * MIN_SIDE:
        return math.nan
    plane, small = look.plane, luma.levels(look.lr)
    _, radial, _ = look.spectra
    blurred = [cv2.GaussianBlur(plane, (0, 0), sigma) for sigma in (1.0, 2.0, 4.0)]
    fine = float(np.square(plane - blurred[0]).mean())
    coarse = float(np.square(blurred[1] - blurred[2]).mean())
    around = np.ones((3, 3), np.uint8)
    size = (plane.shape[1], plane.shape[0])
    ceiling = cv2.resize(cv2.dilate(small, around), size, interpolation=cv2.INTER_LINEAR)
    floor = cv2.resize(cv2.erode(small, around), size, interpolation=cv2.INTER_LINEAR)
    overshoot = float(np.square(np.maximum(plane - ceiling, 0) + np.maximum(floor - plane, 0)).mean())
    return (
        0.37 * float(radial[8])
        + 0.16 * float(radial[5])
        - 0.19 * float(radial[2])
        + 0.19 * math.log((fine + 1e-2) / (coarse + 1e-2))
        + 0.09 * math.log(math.sqrt(overshoot) + 1e-2)
    )


def color_shift(look: Sight) -> float:
    """Mean distance in colour (a and b of CIELAB) between SR and input, both averaged over an 8×8 grid of cells.

    0 is none. 0.5–1.3 comes from the input's own noise and compression; 2 and more is seen side by side.
    """
    import cv2

    cells = [
        cv2.cvtColor(images.resize(picture, 8, 8, "area"), cv2.COLOR_RGB2Lab)[:, :, 1:]
        for picture in (look.sr, look.lr)
    ]
    return float(np.linalg.norm(cells[0] - cells[1], axis=2).mean())


def noise(look: Sight) -> float:
    """Standard deviation of noise on the 0–255 scale: the median response to a filter blind to planes and edges.

    0 for a picture without noise; texture that covers more than half of it counts as noise too.
    """
    import cv2

    if min(look.sr.shape[:2]) < 3:
        return math.nan
    kernel = np.outer([1, -2, 1], [1, -2, 1]).astype(np.float32)
    response = cv2.filter2D(look.plane, cv2.CV_32F, kernel)[1:-1, 1:-1]
    return _ranked(np.abs(response), 0.5) / (0.6745 * 6)


MEASURES: Mapping[str, Callable[[Sight], float]] = {
    "blockiness": blockiness,
    "ringing": ringing,
    "oversharpening": oversharpening,
    "color_shift": color_shift,
    "noise": noise,
}
"""All of them by name; the first four are the tags of an audit."""


def _ranked(values: Plane, share: float) -> float:
    """The value below which this share lies: one of them, without the averaging that makes numpy's quantile slow."""
    place = int(share * (values.size - 1))
    return float(np.partition(values, place, axis=None)[place])


def _grid_strength(plane: Plane, scale: int) -> float:
    """log(step on a grid of 8 / step off it), both ways, for the grid that stands out most, wherever it begins.

    The largest of 8 places is above 0 without any grid: what it comes to by chance is taken off.
    """
    if min(plane.shape) < MIN_SIDE:
        return math.nan
    turned = np.ascontiguousarray(plane.T)
    left = int(np.argmax(_steps(plane, 0, scale)))
    down = _steps(turned, left, scale)
    right = _steps(plane, int(np.argmax(down)), scale)
    return float(down.max() + right.max()) / 2 - BY_CHANCE / math.sqrt(plane.size)


def _steps(plane: Plane, top: int, scale: int) -> NDArray[np.float64]:
    """log(step between columns / other steps), if blocks begin at column 0 to 7 and at row `top`, modulo 8.

    Where an enlargement repeats itself every `scale` pixels, it is compared with its like alone.
    """
    # A third difference is blind to gradients; the mean along 8 pixels of a block's side, to noise and texture.
    count = (len(plane) - top) // 8
    sides = plane[top : top + 8 * count].reshape(count, 8, -1).mean(axis=1)
    third = 3 * (sides[:, 1:-2] - sides[:, 2:-1]) - sides[:, :-3] + sides[:, 3:]
    profile = np.minimum(np.abs(third), 8).mean(axis=0)  # capped, so that the face's own edges do not decide
    whole = profile.size // 8 * 8
    step: NDArray[np.float64] = np.roll(profile[:whole].reshape(-1, 8).mean(axis=0, dtype=np.float64), 2) + 0.02
    alike = [q for q in range(1, 8) if q % scale == 0] or list(range(1, 8))
    others = np.mean([np.roll(step, -q) for q in alike], axis=0)
    ratios: NDArray[np.float64] = np.log(step / others)
    return ratios


def _cliff(spectra: Spectra, own_limit: float) -> float:
    """The steepest sudden fall of the spectrum beyond the natural one: a band limit, or a resonance.

    A picture's power falls smoothly with frequency. Measured in nepers of power over about 0.06 cycles a
    pixel, radially and along both axes, beyond what it fell over the same distance before: blur falls steeply
    too, but gathers way. The input's own limit (an upsampled picture always ends there) is left out.
    """
    frequency, radial, axial = spectra
    centre = frequency[1:-1]
    looked_at = (centre > 0.1) & (np.abs(centre - own_limit) > 0.035)
    octaves = np.log(frequency[2:] / frequency[:-2])
    cliffs = []
    for spectrum, slope in ((radial, 4.0), (axial, 3.0)):
        fall = spectrum[:-2] - spectrum[2:] - slope * octaves
        before = np.concatenate([fall[:1], fall[:1], fall[:-2]])
        cliffs.append(float((fall - np.maximum(before, 0))[looked_at].max()))
    return max(cliffs)


def _echo(plane: Plane) -> float:
    """The oscillation that edges have in common, at the frequency where it stands out most: spreads above clean."""
    return float(((echoes(plane) - ECHO_MEAN) / ECHO_SPREAD).max())


def echoes(plane: Plane) -> NDArray[np.float64]:
    """Oscillation beside strong edges at each of ECHO_FREQUENCIES: the even, fading wave in their mean profile.

    A smooth decay with distance, as blur and plain overshoot leave it, is taken out first.
    """
    distance = np.arange(2, REACH + 1)
    profile = _edge_profile(plane)[distance]
    decays = np.stack([np.ones(distance.size), *(np.exp(-distance / width) for width in (2, 4, 8))], axis=1)
    smooth, _ = np.linalg.qr(decays)
    waves = np.cos(2 * np.pi * np.outer(ECHO_FREQUENCIES, distance)) * np.exp(-distance / 14)
    waves = waves - waves @ smooth @ smooth.T
    found: NDArray[np.float64] = (waves / np.linalg.norm(waves, axis=1, keepdims=True)) @ profile
    return found


def _edge_profile(plane: Plane) -> NDArray[np.float64]:
    """Mean gradient at 0 to REACH pixels from the strongest edges, across them, as a share of the edge's own.

    Texture differs from edge to edge and cancels; what a filter adds to every edge stays.
    """
    import cv2

    total, edges = np.zeros(2 * REACH + 1), 0
    for across in (plane, np.ascontiguousarray(plane.T)):
        gradient = np.diff(cv2.GaussianBlur(across, (1, 5), 0, sigmaY=1.0), axis=1)
        size = np.abs(gradient)
        inner = size[:, REACH:-REACH]
        peak = inner >= cv2.dilate(size, np.ones((1, 7), np.uint8))[:, REACH:-REACH]
        rows, columns = np.nonzero(peak & (inner > max(1.0, _ranked(inner, 0.97))))
        profiles = gradient[rows[:, None], columns[:, None] + np.arange(2 * REACH + 1)]
        total += np.clip(profiles / gradient[rows, columns + REACH][:, None], -1, 1).sum(axis=0, dtype=np.float64)
        edges += len(rows)
    mean = total / max(edges, 1)
    both_sides: NDArray[np.float64] = (mean + mean[::-1])[REACH:] / 2
    return both_sides


def _spectra(plane: Plane) -> Spectra:
    """Frequencies (cycles a pixel) with the log power around the centre and along the axes (mean of both)."""
    height, width = plane.shape
    window = np.outer(np.hanning(height), np.hanning(width)).astype(np.float32)
    power = np.square(np.abs(np.fft.rfft2((plane - plane.mean()) * window)), dtype=np.float64) / (height * width)
    down: NDArray[np.float64] = np.abs(np.fft.fftfreq(height))[:, None].astype(np.float64)
    right: NDArray[np.float64] = np.fft.rfftfreq(width)[None].astype(np.float64)
    edges = np.linspace(0.04, 0.5, 17)

    def log_means(values: NDArray[np.floating[Any]], frequency: NDArray[np.float64]) -> NDArray[np.float64]:
        place = np.digitize(frequency.ravel(), edges)
        sums = np.bincount(place, values.ravel(), len(edges) + 1)[1:-1]
        counts = np.bincount(place, minlength=len(edges) + 1)[1:-1]
        means: NDArray[np.float64] = np.log(sums / np.maximum(counts, 1) + 1e-2)
        return means

    radial = log_means(power, np.hypot(down, right))
    axial = (log_means(power.mean(axis=0), right) + log_means(power.mean(axis=1), down)) / 2
    return (edges[1:] + edges[:-1]) / 2, radial, axial
