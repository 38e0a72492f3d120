"""Training pairs from a few faces: augmented HR, degraded by the package's own recipes, kept as 8-bit arrays.

A pair belongs to (seed, family, index), a batch to (seed, family, step): neither workers nor
interruptions change what the network sees.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fsrbench.core import plugins
from fsrbench.core.values import Image, derive_seed
from fsrbench.imaging import images
from training import teaching

SCALE = 4
WATCHING, KEPT = (9,), (1, 3, 5, 7)
"""By name, of every ten faces: the last watches the training, four are shown to no network, so that a certificate may
be calibrated on them; the other five are trained on."""

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Diet:
    """What one network is fed with."""

    family: str
    """Part of every seed."""
    recipes: Mapping[str, float]
    """Recipe → share of the pairs."""
    size: int
    """Side of an HR picture."""
    zoom: tuple[float, float]
    """Side of the square that is cut from a face, as a share of its side."""
    turn: float
    """Largest rotation in degrees."""
    aligned: bool
    """Cut from the middle (a face network relies on where the eyes are) or anywhere."""


@dataclass(frozen=True, slots=True)
class Split:
    """The faces of a folder, by what may be done with them."""

    trained: list[Path]
    """Networks are trained on these."""
    watching: list[Path]
    """Never trained on; their gain is printed while a network is trained."""
    kept: list[Path]
    """No network has seen them in any way."""


def split(folder: Path) -> Split:
    """The faces of a folder by their place in the order of names; a folder of a few faces has some of each too."""
    paths = list(images.find(folder).values())
    watching = [path for place, path in enumerate(paths) if place % 10 in WATCHING] or paths[-1:]
    kept = [path for place, path in enumerate(paths) if place % 10 in KEPT and path not in watching]
    return Split([path for path in paths if path not in watching and path not in kept] or paths, watching, kept)


@dataclass(frozen=True, slots=True)
class Pool:
    """Degraded pictures and what is wanted of them, each N × 3 × H × W."""

    high: Pixels
    """The faces before they were degraded."""
    low: Pixels
    """What a network is given."""
    taught: Pixels
    """What the teacher makes of it."""


def make_pool(faces: list[Path], diet: Diet, count: int, seed: int, workers: int, teacher: Path) -> Pool:
    """Faces, degraded, and restored by the teacher."""
    jobs = [(faces, diet, index, seed) for index in range(count)]
    high = np.empty((count, 3, diet.size, diet.size), np.uint8)
    low = np.empty((count, 3, diet.size // SCALE, diet.size // SCALE), np.uint8)
    with ProcessPoolExecutor(workers) as executor:
        for index, (face, small) in enumerate(executor.map(_make_pair, jobs, chunksize=8)):
            high[index], low[index] = face, small
    return Pool(high, low, teaching.restore(teacher, low))


def _make_pair(job: tuple[list[Path], Diet, int, int]) -> tuple[Pixels, Pixels]:
    faces, diet, index, seed = job
    rng = np.random.default_rng(derive_seed(seed, "pair", diet.family, str(index)))
    # every face comes up equally often; the rest of the draw differs each time
    face = augment(images.read(faces[index % len(faces)]), diet, rng)
    recipe = plugins.load("recipes", str(rng.choice(list(diet.recipes), p=list(diet.recipes.values()))))
    low = recipe.apply(face, recipe.draw(rng), SCALE)
    return planes(face), planes(low)


def augment(face: Image, diet: Diet, rng: np.random.Generator) -> Image:
    """Mirror, cut, turn and recolour a face."""
    import cv2

    if rng.random() < 0.5:
        face = face[:, ::-1]
    side = face.shape[0]
    cut = side * rng.uniform(*diet.zoom)
    room = (side - cut) / 2
    across, down = rng.uniform(-room, room, 2) * (0.5 if diet.aligned else 1.0)
    angle = math.radians(rng.uniform(-diet.turn, diet.turn))
    if side > diet.size:  # the warp below does not antialias: come near the target size first
        small = round(diet.size * side / cut)
        face, shrink = images.resize(np.ascontiguousarray(face), small, small, "lanczos"), small / side
        side, cut, across, down = small, cut * shrink, across * shrink, down * shrink
    step = cut / diet.size
    cosine, sine = math.cos(angle) * step, math.sin(angle) * step
    middle, half = (side - 1) / 2, (diet.size - 1) / 2
    matrix = np.array(
        [
            [cosine, -sine, middle + across - cosine * half + sine * half],
            [sine, cosine, middle + down - sine * half - cosine * half],
        ]
    )
    flags = cv2.INTER_LANCZOS4 | cv2.WARP_INVERSE_MAP
    turned = cv2.warpAffine(face, matrix, (diet.size, diet.size), flags=flags, borderMode=cv2.BORDER_REFLECT_101)
    return recolour(np.clip(turned, 0, 1), rng)


def recolour(face: Image, rng: np.random.Generator) -> Image:
    """Small changes of gamma, white balance, contrast and saturation: forty portraits have few lightings."""
    face = face ** rng.uniform(0.8, 1.25)
    grey = face.mean(axis=2, keepdims=True)
    face = grey + (face - grey) * rng.uniform(0.7, 1.2)
    face = (face - 0.5) * rng.uniform(0.85, 1.1) + 0.5 + rng.uniform(-0.05, 0.05)
    return np.clip(face * rng.uniform(0.93, 1.07, 3), 0, 1).astype(np.float32)


def planes(image: Image) -> Pixels:
    """H × W × 3 floats to 3 × H × W bytes."""
    return np.ascontiguousarray(images.to_8bit(image).transpose(2, 0, 1))


@dataclass(frozen=True, slots=True)
class Batch:
    """Patches of a pool, cut at the same place, as floats in [0, 1]."""

    high: NDArray[np.float32]
    """Of the faces."""
    low: NDArray[np.float32]
    """Of what a network is given."""
    taught: NDArray[np.float32]
    """Of what the teacher makes of it."""


def draw_batch(pool: Pool, count: int, patch: int, seed: int, family: str, step: int) -> Batch:
    """`count` patches, `patch` LR pixels a side. A patch as large as the LR is the whole picture."""
    rng = np.random.default_rng(derive_seed(seed, "batch", family, str(step)))
    large = (count, 3, patch * SCALE, patch * SCALE)
    batch = Batch(*(np.empty(shape, np.float32) for shape in (large, (count, 3, patch, patch), large)))
    for row in range(count):
        index = int(rng.integers(len(pool.high)))
        top, left = rng.integers(pool.low.shape[2] - patch + 1, size=2)
        small = np.s_[index, :, top : top + patch, left : left + patch]
        whole = np.s_[index, :, top * SCALE : (top + patch) * SCALE, left * SCALE : (left + patch) * SCALE]
        batch.low[row], batch.high[row], batch.taught[row] = pool.low[small], pool.high[whole], pool.taught[whole]
    for part in (batch.high, batch.low, batch.taught):
        part /= 255
    return batch
