"""What several test files use. Test files import from here, and never from each other."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fsrbench.core.values import Image

ROOT = Path(__file__).resolve().parents[2]


def draw_face(size: int = 96, seed: int = 0) -> Image:
    """A picture with edges, gradients and texture, made without any file: for tests of plumbing, not of quality."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:size, 0:size] / size - 0.5
    base = np.stack([0.75 - x * 0.2, 0.6 - y * 0.2, 0.5 + x * y], axis=2)
    head = (x / 0.35) ** 2 + (y / 0.45) ** 2 < 1
    base[~head] *= 0.4
    for ex in (-0.14, 0.14):
        base[(x - ex) ** 2 + (y + 0.1) ** 2 < 0.004] = 0.1
    base[(np.abs(x) < 0.12) & (np.abs(y - 0.22) < 0.025)] = (0.6, 0.15, 0.2)
    base += rng.normal(0, 0.01 + 0.01 * rng.random(), (size, size, 1))
    return np.clip(base, 0, 1).astype(np.float32)
