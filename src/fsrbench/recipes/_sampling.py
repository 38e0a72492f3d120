"""Noise fields from tables: a few nanoseconds a sample, and the same numbers whatever the version of NumPy.

Only the bare bits of PCG64 are drawn, whose stream is fixed for good; tables turn them into normal deviates
and into Poisson counts. What noise does to a picture is in `_stages`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEVELS = 256
CELLS = 256
"""Cells a level in the table of counts, each as likely as the others. One byte chooses."""
PART = 1 << 16
"""Samples made at once."""


def normal(shape: tuple[int, ...], seed: int) -> NDArray[np.float32]:
    """Standard normal deviates.

    Each is the sum of two, from a table of 65,536 equally likely ones: 2³² values close together, whose distribution
    is the normal one to within 1e-5, and whose tails go on to 6 sigma.
    """
    field, deviates, source = np.empty(math.prod(shape), np.float32), _deviates(), np.random.PCG64(seed)
    for part in _parts(field.size):
        some = field[part]
        choices = _bits(source, 2 * some.size, "<u2")
        np.add(deviates.take(choices[: some.size]), deviates.take(choices[some.size :]), out=some)
    return field.reshape(shape)


def shot(levels: NDArray[np.uint8], counts: int, seed: int) -> NDArray[np.float32]:
    """What Poisson counts are off their mean, as a share of `counts`, the mean at white (a power of two to 256).

    Every pixel of a level shares a distribution, so 256 of them serve all pictures. They are exact to 2⁻³².
    """
    keep, offsets = _counts(counts)
    field, flat, source = np.empty(levels.size, np.float32), levels.ravel(), np.random.PCG64(seed)
    for part in _parts(field.size):
        cell = flat[part].astype(np.intp)
        bits = _bits(source, cell.size, "<u4")
        cell *= CELLS
        cell += bits & np.uint32(CELLS - 1)
        moved = bits >= keep.take(cell)
        cell *= 2
        cell += moved
        field[part] = offsets.take(cell)
    return field.reshape(levels.shape)


def _parts(count: int) -> Iterator[slice]:
    """Pieces that stay in the processor's cache while they are worked on."""
    return (slice(start, min(start + PART, count)) for start in range(0, count, PART))


def _bits(source: np.random.PCG64, count: int, kind: str) -> NDArray[Any]:
    """So many random integers. Little-endian on every machine."""
    words: Any = source.random_raw(-(-count * np.dtype(kind).itemsize // 8))
    return np.asarray(words.astype("<u8", copy=False).view(kind)[:count])


@cache
def _deviates() -> NDArray[np.float32]:
    """The means of 65,536 equally likely slices of the normal distribution, with half of its variance."""
    from scipy.special import ndtri

    edges = ndtri(np.arange(2**15, 2**16) / 2**16)  # the upper half; the lower is its mirror image
    density = np.append(np.exp(-0.5 * edges**2), 0)
    upper = density[:-1] - density[1:]
    both = np.concatenate([-upper[::-1], upper])
    return np.asarray(both / math.sqrt(2 * np.mean(both**2)), dtype=np.float32)


@cache
def _counts(counts: int) -> tuple[NDArray[np.uint32], NDArray[np.float32]]:
    """The Poisson distribution of each level as an alias table (Walker's method).

    For each level and cell: how many of 2³² words keep to the cell's own count, and how far off the mean its
    own count is and the other one. A level's 256 likeliest counts leave out less than 1e-12.
    """
    rates = np.arange(LEVELS) / 255 * counts
    first = np.maximum(np.rint(rates).astype(int) - CELLS // 2, 0)[:, None]
    number = first + np.arange(CELLS)
    log_factorial = np.cumsum(np.log(np.maximum(np.arange(number.max() + 1), 1)))
    log_rates = np.log(np.maximum(rates, 1e-300))[:, None]  # at level 0 all is in the first cell
    chance = np.exp(number * log_rates - rates[:, None] - log_factorial[number])
    share, other = _alias(chance / chance.sum(axis=1, keepdims=True) * CELLS)
    keep = np.minimum(np.rint(share * 2.0**32), 2.0**32 - 1).astype(np.uint32)
    offsets = np.stack([number, first + other], axis=2) / counts - (rates / counts)[:, None, None]
    return keep.ravel(), offsets.astype(np.float32).ravel()


def _alias(weights: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Fill every cell to a weight of 1 from another one: the share that is its own, and which other. All rows at once.

    A row's mean must be 1. The heaviest cell gives to the lightest until it is light itself; then the next one gives.
    """
    row, order = np.arange(len(weights)), np.argsort(weights, axis=1, kind="stable")
    share = np.ones_like(weights)
    other = np.broadcast_to(np.arange(weights.shape[1]), weights.shape).copy()
    low, high = np.zeros(len(weights), np.intp), np.full(len(weights), weights.shape[1] - 1)
    giver = order[row, high]
    left = weights[row, giver]
    for _ in range(weights.shape[1] - 1):
        drained = left < 1
        taker = np.where(drained, giver, order[row, low])
        weight = np.where(drained, left, weights[row, taker])
        low += ~drained
        high -= drained
        giver = order[row, high]
        left = np.where(drained, weights[row, giver], left)
        left -= 1 - weight
        share[row, taker], other[row, taker] = weight, giver
    return np.clip(share, 0, 1), other
