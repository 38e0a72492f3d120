"""Stages that recipes are put together from: kernels, blur, resize, noise, JPEG.

Every stage is deterministic: what is random comes in as a drawn value or as the seed of a noise field.
Pictures are float32 RGB; between stages they may leave [0, 1] a little (bicubic, sinc), `jpeg` and
`finish` bring them back. Which values are drawn, from which ranges, is each recipe's own matter.
Values may come from a table that people can edit, so each stage refuses what it cannot use (ValueError).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fsrbench.imaging import luma
from fsrbench.recipes import _sampling

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fsrbench.core.values import Image

RESIZE_KERNELS = ("area", "bilinear", "bicubic")
LARGE = 1 << 18
"""Numbers in a picture beyond which the processor's cache does not hold it: kernels are then taken apart further."""
SEPARATED_LOSS = 1e-5
"""What a kernel may lose of its weight when it is taken apart: no pixel changes by more of the range."""
MAX_SIDE = 16384
"""No stage makes a picture with a longer side: a slip in a table must not fill the memory."""


# -------------------------------------------------------------------- drawing


def uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """A plain float, whose repr is what the CSV holds."""
    return float(rng.uniform(low, high))


def pick(rng: np.random.Generator, options: Sequence[Any], weights: Sequence[float] | None = None) -> Any:
    """One of the options, by weight. Uses exactly one number of the stream."""
    share = rng.random()
    if weights is None:
        return options[min(int(share * len(options)), len(options) - 1)]
    edges = np.cumsum(weights) / np.sum(weights)
    return options[min(int(np.searchsorted(edges, share, side="right")), len(options) - 1)]


def noise_seed(rng: np.random.Generator) -> int:
    """The seed of a noise field: an integer, since a field does not fit into a table."""
    return int(rng.integers(2**32))


# -------------------------------------------------------------------- kernels


def within(value: float, low: float, high: float, what: str) -> float:
    """The value, which must be inside the bounds: far wider than any recipe's range, only to keep nonsense out."""
    if not low <= value <= high:
        raise ValueError(f"{what} {value} is not from {low} to {high}")
    return value


def quadratic_form(size: int, sigma_x: float, sigma_y: float, angle: float, offset: float = 0.0) -> NDArray[np.float64]:
    """The squared distance from the middle, measured in sigmas along axes turned by `angle`; size × size.

    `offset` moves the middle right and down by so many pixels."""
    if within(size, 1, 101, "kernel size") % 2 == 0:
        raise ValueError(f"kernel size {size} is not odd")
    within(sigma_x, 1e-3, 1e3, "blur sigma")
    within(sigma_y, 1e-3, 1e3, "blur sigma")
    ax = np.arange(size, dtype=np.float64) - size // 2 - offset
    x, y = ax[None, :], ax[:, None]
    along = x * math.cos(angle) + y * math.sin(angle)
    across = y * math.cos(angle) - x * math.sin(angle)
    return np.asarray((along / sigma_x) ** 2 + (across / sigma_y) ** 2)


def gaussian(
    size: int, sigma_x: float, sigma_y: float, angle: float = 0.0, beta: float = 1.0, offset: float = 0.0
) -> NDArray[np.float32]:
    """Bivariate Gaussian, sum 1; with `beta` other than 1 the generalised Gaussian of that shape."""
    kernel = np.exp(-0.5 * quadratic_form(size, sigma_x, sigma_y, angle, offset) ** within(beta, 0.1, 10, "beta"))
    return np.asarray(kernel / kernel.sum(), dtype=np.float32)


def plateau(size: int, sigma_x: float, sigma_y: float, angle: float, beta: float) -> NDArray[np.float32]:
    """Flat in the middle, falling off as 1 / (1 + d^beta); sum 1."""
    kernel = 1 / (1 + quadratic_form(size, sigma_x, sigma_y, angle) ** within(beta, 0.1, 10, "beta"))
    return np.asarray(kernel / kernel.sum(), dtype=np.float32)


def sinc(size: int, cutoff: float) -> NDArray[np.float32]:
    """Circular ideal low-pass with the cut-off in radians (π keeps nearly everything), sum 1: it rings."""
    from scipy.special import j1

    within(cutoff, 0.1, math.pi, "sinc cut-off")
    radius = np.sqrt(quadratic_form(size, 1, 1, 0))
    radius[size // 2, size // 2] = 1  # the limit at 0 is set below
    kernel = cutoff * j1(cutoff * radius) / (2 * math.pi * radius)
    kernel[size // 2, size // 2] = cutoff**2 / (4 * math.pi)
    return np.asarray(kernel / kernel.sum(), dtype=np.float32)


# --------------------------------------------------------------------- stages


def blur(image: Image, kernel: NDArray[np.float32]) -> Image:
    """Correlate with a kernel; the picture is mirrored beyond its border."""
    import cv2

    border = cv2.BORDER_REFLECT_101
    pairs = _separated(kernel, image.size > LARGE)
    if not pairs:
        return np.asarray(cv2.filter2D(image, -1, kernel, borderType=border))
    column, row = pairs[0]
    blurred = cv2.sepFilter2D(image, -1, row, column, borderType=border)
    for column, row in pairs[1:]:
        cv2.add(blurred, cv2.sepFilter2D(image, -1, row, column, borderType=border), dst=blurred)
    return np.asarray(blurred)


def _separated(kernel: NDArray[np.float32], large: bool) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Columns and rows whose products add up to the kernel, where that is quicker than the kernel as a whole.

    A round Gaussian is one such pair, a stretched one a few. A pair costs about as much as three taps for each pixel
    of its side. Beyond 11 × 11 OpenCV goes through the spectrum, which costs as much as 400 taps; in small pictures it
    costs less, and more than one pair is not worth looking for.
    """
    size = kernel.shape[0]
    affordable = (kernel.size if size <= 11 else 400) // (3 * size) if large else 1
    left = kernel.astype(np.float64)
    pairs = []
    for _ in range(affordable):
        i, j = divmod(int(np.abs(left).argmax()), size)
        column, row = left[:, j].copy(), left[i] / left[i, j]
        left -= column[:, None] * row
        pairs.append((column.astype(np.float32), row.astype(np.float32)))
        if np.abs(left).sum() < SEPARATED_LOSS:
            return pairs
    return []


def sharpen(image: Image) -> Image:
    """Unsharp mask as Real-ESRGAN sharpens its HR: half of what a Gaussian of 51 pixels (sigma 8) takes away is added.

    Only where that is more than 10 of 255 steps; this mask is blurred by the same Gaussian.
    """
    import cv2

    def smooth(values: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(cv2.GaussianBlur(values, (51, 51), 8, borderType=cv2.BORDER_REFLECT_101), np.float32)

    detail = image - smooth(image)
    mask = smooth((np.abs(detail) * 255 > 10).astype(np.float32))
    sharp = np.clip(image + np.float32(0.5) * detail, 0, 1)
    return np.asarray(mask * sharp + (1 - mask) * image, np.float32)


def resize(image: Image, height: int, width: int, kernel: str) -> Image:
    """Resize as degradations do: `bilinear` and `bicubic` alias when they shrink, `area` does not."""
    import cv2

    if kernel not in RESIZE_KERNELS:
        raise ValueError(f"resize kernel {kernel!r} is none of {', '.join(RESIZE_KERNELS)}")
    height, width = max(height, 1), max(width, 1)
    if max(height, width) > MAX_SIDE:
        raise ValueError(f"resizing to {width}×{height} goes beyond {MAX_SIDE} pixels a side")
    if image.shape[:2] == (height, width):
        return image
    method = {"area": cv2.INTER_AREA, "bilinear": cv2.INTER_LINEAR, "bicubic": cv2.INTER_CUBIC}[kernel]
    return np.asarray(cv2.resize(image, (width, height), interpolation=method))


def resize_by(image: Image, factor: float, kernel: str) -> Image:
    """Resize both sides by a factor."""
    height, width = image.shape[:2]
    within(factor, 1e-3, 1e3, "resize factor")
    return resize(image, int(height * factor), int(width * factor), kernel)


def gaussian_noise(image: Image, sigma: float, grey: bool, seed: int) -> Image:
    """Add Gaussian noise, sigma on the 0–255 scale; `grey` adds one field to all channels."""
    within(sigma, 0, 255, "noise sigma")
    field = _sampling.normal(image.shape[:2] if grey else image.shape, seed)
    field *= np.float32(sigma / 255)
    return _added(image, field)


def poisson_noise(image: Image, scale: float, grey: bool, seed: int) -> Image:
    """Add shot noise times `scale`, as in Real-ESRGAN: as many counts at white as the picture has
    8-bit levels, rounded up to a power of two. `grey` makes it from the luma, for all channels."""
    import cv2

    within(scale, 0, 100, "Poisson scale")
    base = np.clip(image, 0, 1)
    levels = to_levels(luma.reproducible(base) if grey else base)
    used = np.count_nonzero(cv2.calcHist([levels.reshape(-1, 1)], [0], None, [256], [0, 256]))
    field = _sampling.shot(levels, 1 << (int(used) - 1).bit_length(), seed)
    field *= np.float32(scale)
    return _added(base, field)


def _added(image: Image, field: NDArray[np.float32]) -> Image:
    """Picture and noise, clipped; a field without channels goes to all of them. The field's memory may be used."""
    import cv2

    total = cv2.cvtColor(field, cv2.COLOR_GRAY2RGB) if field.ndim == 2 else field
    total += image
    return np.clip(total, 0, 1, out=total)


def noise(image: Image, values: Mapping[str, Any], name: str) -> Image:
    """Gaussian or Poisson noise from the columns that begin with `name`."""
    grey, seed = values[f"{name}_grey"], values[f"{name}_seed"]
    if values[name] == "poisson":
        return poisson_noise(image, values[f"{name}_poisson_scale"], grey, seed)
    if values[name] == "gaussian":
        return gaussian_noise(image, values[f"{name}_sigma"], grey, seed)
    raise ValueError(f"{name} {values[name]!r} is none of gaussian, poisson")


def correlated_noise(image: Image, level: float, seed: int) -> Image:
    """Add Gaussian noise that is correlated between channels by a random covariance, as in BSRGAN.

    `level` (0–255 scale) bounds the sigma of a channel. The covariance belongs to the seed as well.
    """
    rng = np.random.default_rng((1, seed))  # not the field's own stream
    axes = np.linalg.qr(rng.random((3, 3)))[0]
    covariance = np.abs(axes.T @ np.diag(rng.random(3)) @ axes) * (level / 255) ** 2
    root = np.linalg.cholesky(covariance + np.eye(3) * 1e-9).astype(np.float32)
    field = _sampling.normal(image.shape, seed)
    mixed = sum((field[:, :, k : k + 1] * root[:, k] for k in range(3)), start=image)
    return np.clip(mixed, 0, 1)


def jpeg(image: Image, quality: int) -> Image:
    """Through a JPEG file and back."""
    import cv2

    within(quality, 1, 100, "JPEG quality")
    pixels = cv2.cvtColor(to_levels(image), cv2.COLOR_RGB2BGR)
    ok, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, int(quality)])
    if not ok:  # pragma: no cover - only on a broken OpenCV build
        raise TypeError(f"OpenCV could not encode a JPEG of shape {image.shape}")
    decoded = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), dtype=np.uint8)
    return from_levels(np.asarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB), dtype=np.uint8))


def finish(image: Image) -> Image:
    """Round to 8 bits, where a recipe does not end with JPEG: an LR is a file, and a file has 8 bits."""
    return from_levels(to_levels(image))


def to_levels(image: Image) -> NDArray[np.uint8]:
    """To 0–255, rounded and clipped in one pass. A tie goes to the even level."""
    import cv2

    return np.asarray(cv2.addWeighted(image, 255, image, 0, 0, dtype=cv2.CV_8U), dtype=np.uint8)


def from_levels(pixels: NDArray[np.uint8]) -> Image:
    """Back to [0, 1]."""
    return np.divide(pixels, np.float32(255), dtype=np.float32)
