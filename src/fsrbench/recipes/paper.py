"""The paper's five stages: blur A → resize → noise → blur B → JPEG, each with freshly drawn values.

The paper gives ranges and no probabilities: up, down and keep, the two noises, and the resize kernels
are drawn with equal chances. Where it leaves a range open (strength of the Poisson noise, how often
the noise is the same on all channels) the values are those of Real-ESRGAN, from which it is adapted.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from fsrbench.core.contracts import Damage, Recipe
from fsrbench.imaging import luma
from fsrbench.recipes import _stages as stages

if TYPE_CHECKING:
    from fsrbench.core.stored import KnobValue
    from fsrbench.core.values import Image

BLUR_SIZES = (7, 9, 11)
BLUR_SIGMA = (0.2, 3.0)
RESIZE = (0.5, 2.0)
NOISE_SIGMA = (0.0, 15.0)
POISSON_SCALE = (0.05, 3.0)
GREY_CHANCE = 0.4
JPEG_QUALITY = (30, 90)
STRONGEST = 30.0
"""Standard deviation of noise that no draw exceeds by much: what Poisson noise at its highest scale comes to."""


def draw(rng: np.random.Generator) -> dict[str, KnobValue | str]:
    """Draw everything, also what the branch taken does not use: the stream is the same for every case."""
    values: dict[str, KnobValue | str] = _draw_blur(rng, "blur_a")
    direction = stages.pick(rng, ("up", "down", "keep"))
    up, down = stages.uniform(rng, 1.0, RESIZE[1]), stages.uniform(rng, RESIZE[0], 1.0)
    values["resize"] = direction
    values["resize_factor"] = {"up": up, "down": down, "keep": 1.0}[direction]
    values["resize_kernel"] = stages.pick(rng, stages.RESIZE_KERNELS)
    values["back_kernel"] = stages.pick(rng, stages.RESIZE_KERNELS)
    values["noise"] = stages.pick(rng, ("gaussian", "poisson"))
    values["noise_sigma"] = stages.uniform(rng, *NOISE_SIGMA)
    values["noise_poisson_scale"] = stages.uniform(rng, *POISSON_SCALE)
    values["noise_grey"] = bool(rng.random() < GREY_CHANCE)
    values["noise_seed"] = stages.noise_seed(rng)
    values |= _draw_blur(rng, "blur_b")
    values["jpeg_quality"] = int(rng.integers(JPEG_QUALITY[0], JPEG_QUALITY[1] + 1))
    return values


def _draw_blur(rng: np.random.Generator, name: str) -> dict[str, KnobValue | str]:
    return {
        f"{name}_size": stages.pick(rng, BLUR_SIZES),
        f"{name}_sigma_x": stages.uniform(rng, *BLUR_SIGMA),
        f"{name}_sigma_y": stages.uniform(rng, *BLUR_SIGMA),
        f"{name}_angle": stages.uniform(rng, -math.pi, math.pi),
    }


def apply(hr: Image, values: Mapping[str, Any], scale: int) -> Image:
    """Degrade. Blur A acts at HR size; noise, blur B and JPEG at LR size."""
    height, width = hr.shape[:2]
    image = _blur(hr, values, "blur_a")
    image = stages.resize_by(image, values["resize_factor"], values["resize_kernel"])
    image = stages.resize(image, height // scale, width // scale, values["back_kernel"])
    image = stages.noise(image, values, "noise")
    image = _blur(image, values, "blur_b")
    return stages.jpeg(image, values["jpeg_quality"])


def _blur(image: Image, values: Mapping[str, Any], name: str) -> Image:
    size, sigma_x, sigma_y, angle = (values[f"{name}_{part}"] for part in ("size", "sigma_x", "sigma_y", "angle"))
    return stages.blur(image, stages.gaussian(size, sigma_x, sigma_y, angle))


def like(damage: Damage, seed: int) -> dict[str, KnobValue | str]:
    """One blur, with the noise before it and JPEG after it, that leave what was estimated.

    Where the blur lay between resizing and noise cannot be told from its result: all of it is blur B. No trace of JPEG
    becomes quality 100.
    """
    sigma = max(damage.blur, BLUR_SIGMA[0])
    size = max(BLUR_SIZES)
    left = float(np.linalg.norm(stages.gaussian(size, sigma, sigma)) * np.linalg.norm(luma.FULL))
    clear, blurred = ({"size": size, "sigma_x": s, "sigma_y": s, "angle": 0.0} for s in (BLUR_SIGMA[0], sigma))
    return {
        **{f"blur_a_{part}": value for part, value in clear.items()},
        "resize": "keep",
        "resize_factor": 1.0,
        "resize_kernel": "area",
        "back_kernel": "area",
        "noise": "gaussian",
        "noise_sigma": min(damage.noise / left, STRONGEST),
        "noise_poisson_scale": 0.0,
        "noise_grey": False,
        "noise_seed": seed % 2**32,
        **{f"blur_b_{part}": value for part, value in blurred.items()},
        "jpeg_quality": damage.quality or 100,
    }


RECIPE = Recipe(
    summary="The paper's five stages: blur, resize, noise, blur, JPEG.",
    draw=draw,
    apply=apply,
    columns=tuple(draw(np.random.default_rng(0))),
    like=like,
)
