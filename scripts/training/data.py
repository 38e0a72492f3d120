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

SCALE = 4
HELD_OUT_EVERY = 10
"""Every tenth face (by name) is never trained on: it watches the training."""

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


def split(folder: Path) -> tuple[list[Path], list[Path]]:
    """Faces to train on and faces held out."""
    paths = list(images.find(folder).values())
    held = paths[HELD_OUT_EVERY - 1 :: HELD_OUT_EVERY] or paths[-1:]
    return [p for p in paths if p not in held] or paths, held


def make_pairs(faces: list[Path], diet: Diet, count: int, seed: int, workers: int) -> tuple[Pixels, Pixels]:
    """A pool of (HR, LR) pairs, N × 3 × H × W."""
    jobs = [(faces, diet, index, seed) for index in range(count)]
    hr = np.empty((count, 3, diet.size, diet.size), np.uint8)
    lr = np.empty((count, 3, diet.size // SCALE, diet.size // SCALE), np.uint8)
    with ProcessPoolExecutor(workers) as executor:
        for index, (high, low) in enumerate(executor.map(_make_pair, jobs, chunksize=8)):
            hr[index], lr[index] = high, low
    return hr, lr


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


def draw_batch(
    pool: tuple[Pixels, Pixels], count: int, patch: int, seed: int, family: str, step: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """`count` patches (`patch` LR pixels a side) as floats: HR and LR. A patch as large as the LR is the whole pair."""
    rng = np.random.default_rng(derive_seed(seed, "batch", family, str(step)))
    hr, lr = pool
    high = np.empty((count, 3, patch * SCALE, patch * SCALE), np.float32)
    low = np.empty((count, 3, patch, patch), np.float32)
    for row in range(count):
        index = int(rng.integers(len(hr)))
        top, left = rng.integers(lr.shape[2] - patch + 1, size=2)
        low[row] = lr[index, :, top : top + patch, left : left + patch]
        top, left = top * SCALE, left * SCALE
        high[row] = hr[index, :, top : top + patch * SCALE, left : left + patch * SCALE]
    return high / np.float32(255), low / np.float32(255)
