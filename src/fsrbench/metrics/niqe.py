"""NIQE: how far a picture's local statistics are from those of undistorted photographs. 0 and up, lower is better.

Mittal, Soundararajan and Bovik, "Making a completely blind image quality analyzer", 2013, in the convention
of basicsr: BT.601 luma as MATLAB has it, rounded to 0…255; blocks of 96×96 without overlap, what does not fill
a block cut off at the right and bottom; two scales, the second by MATLAB's antialiased bicubic. It takes float32
H×W×3 in [0, 1] and needs no reference. NIQE of MATLAB or pyiqa differs in the second digit: never mix them.

Intermediate values are rounded to float32 where basicsr rounds them, since the fitted shapes lie on a grid and
a last bit can move one to its neighbour. The natural-scene model in niqe_params.npz (mean and covariance of 36
features) is the one published with the paper's code, as basicsr 1.4.2 (Apache-2.0, BasicSR Authors) carries it.
"""

from __future__ import annotations

import functools
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fsrbench.core.contracts import Machine, Metric
from fsrbench.core.errors import Unavailable
from fsrbench.imaging import images, luma

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from fsrbench.core.values import Image

_BLOCK = 96
_NEIGHBOURS = ((0, 1), (1, 0), (1, 1), (1, -1))
"""Shifts (down, right) at which a coefficient is multiplied with its neighbour: the four orientations."""


def niqe(image: Image) -> float:
    """NIQE of one picture; NaN where it has no texture to speak of (flat pictures)."""
    height, width = image.shape[:2]
    down, across = height // _BLOCK, width // _BLOCK
    if down * across < 2:
        raise Unavailable(
            f"NIQE needs at least two blocks of {_BLOCK}×{_BLOCK} pixels; this picture has {width}×{height}."
        )
    plane = luma.rounded(images.to_8bit(image))[: down * _BLOCK, : across * _BLOCK]
    fine = _features(_normalised(plane), _BLOCK)
    coarse = _features(_normalised(_half(plane / np.float32(255)) * np.float32(255)), _BLOCK // 2)
    features = np.concatenate([fine, coarse], axis=1)
    whole = features[~np.isnan(features).any(axis=1)]
    if len(whole) < 2:
        return math.nan
    mean, covariance = _model()
    gap = mean - np.nanmean(features, axis=0)
    inverse = np.linalg.pinv((covariance + np.cov(whole, rowvar=False)) / 2)
    return float(np.sqrt(gap @ inverse @ gap))


def _normalised(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each pixel less its local mean, over its local deviation plus one."""
    import cv2

    taps = np.exp(-(np.arange(-3, 4) ** 2) / 2 / (7 / 6) ** 2)
    taps /= taps.sum()

    def blurred(values: NDArray[np.float32]) -> NDArray[np.float32]:
        wide = cv2.sepFilter2D(values.astype(np.float64), cv2.CV_64F, taps, taps, borderType=cv2.BORDER_REPLICATE)
        return np.asarray(wide, np.float32)

    mean = blurred(plane)
    deviation = np.sqrt(np.abs(blurred(np.square(plane)) - np.square(mean)))
    return np.asarray((plane - mean) / (deviation + np.float32(1)), np.float32)


def _half(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    """MATLAB's imresize to one half: the bicubic kernel stretched to eight taps, symmetric borders.

    One small product for each output row and column, since the sum's last bits depend on how it is asked for.
    """
    import torch

    distance = np.abs(np.arange(-3.5, 4)) / 2
    near = 1.5 * distance**3 - 2.5 * distance**2 + 1
    far = -0.5 * distance**3 + 2.5 * distance**2 - 4 * distance + 2
    taps = torch.from_numpy((np.where(distance <= 1, near, far) / 2).astype(np.float32))
    with torch.inference_mode():
        for axis in (0, 1):
            padded = torch.from_numpy(np.pad(plane, [(3, 3) if k == axis else (0, 0) for k in (0, 1)], "symmetric"))
            lines = torch.empty(plane.shape[axis] // 2, plane.shape[1 - axis])
            for line, window in zip(lines.unbind(0), padded.unfold(axis, 8, 2).unbind(axis), strict=True):
                torch.mv(window, taps, out=line)
            plane = np.ascontiguousarray(np.moveaxis(lines.numpy(), 0, axis))
    return plane


def _features(plane: NDArray[np.float32], side: int) -> NDArray[np.float64]:
    """18 numbers for each block: shape and spread of its coefficients and of their products with neighbours."""
    down, across = plane.shape[0] // side, plane.shape[1] // side
    blocks = plane.reshape(down, side, across, side).swapaxes(1, 2).reshape(-1, side, side)
    alpha, left, right = _fit(blocks)
    columns = [alpha, (left + right) / 2]
    for shift in _NEIGHBOURS:
        alpha, left, right = _fit(blocks * np.roll(blocks, shift, axis=(1, 2)))
        gamma1, gamma2, _ = _gammas(alpha)
        columns += [alpha, (right - left) * gamma2 / gamma1, left, right]
    return np.stack(columns, axis=1)


def _fit(blocks: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Asymmetric generalised Gaussian by moments, for each block: shape, left scale, right scale."""
    values = blocks.reshape(len(blocks), -1)
    squares = values * values
    halves = np.minimum(values, 0)
    below = (halves * halves).sum(axis=1).astype(np.float64)
    count = np.array([(np.count_nonzero(row < 0), np.count_nonzero(row > 0)) for row in values])
    with np.errstate(divide="ignore", invalid="ignore"):  # a flat block has no fit: NaN, left out by the caller
        left = np.sqrt(below / count[:, 0])
        right = np.sqrt((squares.sum(axis=1) - below) / count[:, 1])
        flatness = np.abs(values).mean(axis=1) ** 2 / squares.mean(axis=1)
        wanted = _skewed(flatness, left / right)
    shapes, curve = _curve()
    near = np.clip(np.searchsorted(curve, wanted), 1, len(curve) - 1)
    lean = 2 * wanted - curve[near - 1] - curve[near]
    for row in np.flatnonzero(np.abs(lean) < 4e-6 * wanted):  # too near to the middle: basicsr's rounding decides
        sides = [np.sqrt(np.mean(values[row][side] ** 2)) for side in (values[row] < 0, values[row] > 0)]
        lean[row] = 2.0 * float(_skewed(flatness[row], sides[0] / sides[1])) - curve[near[row] - 1] - curve[near[row]]
    alpha = shapes[np.where(lean > 0, near, near - 1)]
    gamma1, _, gamma3 = _gammas(alpha)
    scale = np.sqrt(gamma1 / gamma3)
    return alpha, left * scale, right * scale


def _skewed(flatness: Any, ratio: Any) -> Any:
    """The moment ratio of a symmetric distribution from an asymmetric one's and the ratio of its sides."""
    return flatness * (ratio**3 + 1) * (ratio + 1) / (ratio**2 + 1) ** 2


@functools.cache
def _curve() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The grid of shapes, and the moment ratio that belongs to each (rising)."""
    shapes = np.arange(0.2, 10.001, 0.001)
    gamma1, gamma2, gamma3 = _gammas(shapes)
    return shapes, gamma2**2 / (gamma1 * gamma3)


def _gammas(shape: NDArray[np.float64]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Gamma function at 1, 2 and 3 over the shape."""
    from scipy.special import gamma

    return gamma(1 / shape), gamma(2 / shape), gamma(3 / shape)


@functools.cache
def _model() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean (36) and covariance (36×36) of the features of undistorted photographs."""
    with np.load(Path(__file__).with_name("niqe_params.npz"), allow_pickle=False) as stored:
        return stored["mean"], stored["covariance"]


def _open(_machine: Machine) -> Callable[[Sequence[Image], Image | None], list[float]]:
    return lambda variants, _reference: [niqe(image) for image in variants]


METRIC = Metric("NIQE", "lower", reference=False, digits=3, open=_open, depends=())
