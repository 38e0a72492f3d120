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

from fsrbench.core.contracts import Recipe
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


RECIPE = Recipe(
    summary="The paper's five stages: blur, resize, noise, blur, JPEG.",
    draw=draw,
    apply=apply,
    columns=tuple(draw(np.random.default_rng(0))),
)
