"""BSRGAN's degradation: two blurs, two downsamplings, noise and JPEG in a shuffled order, then JPEG again.

Chances and ranges are those published for scale factors 2 and 4. Several of them grow with the scale,
which is not known when values are drawn: these are drawn as a share (0–1) of the range, `…_share`.
The camera-sensor step is left out, as it is in practice, since it needs a separate raw-image model.

At scale 4, one picture in four is first halved, every other of these with antialiasing (`halve_kernel` antialiased:
bicubic with its kernel widened, as MATLAB's imresize, but for the rim of four pixels, which is not mirrored). Until
format 2 of `degradations.csv` that was never antialiased: such a table still gives those pixels again. What differs
from the published code besides: an overshoot of that halving is not clipped before the next step, and noise is drawn
from tables (`_sampling`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from fsrbench.core.contracts import Recipe
from fsrbench.imaging import images
from fsrbench.recipes import _stages as stages

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fsrbench.core.stored import KnobValue
    from fsrbench.core.values import Image

STEPS = ("blur1", "blur2", "down1", "down2", "noise", "jpeg")
SIZES = tuple(range(7, 26, 2))
DOWN1 = ("area", "bilinear", "bicubic", "shifted")
SHIFTED_SIZE = 25
HALVE_FIRST_CHANCE = 0.25
HALVE = ("antialiased", *stages.RESIZE_KERNELS)
HALVE_WEIGHTS = (3, 1, 1, 1)
NOISES = ("colour", "correlated", "grey")
NOISE_WEIGHTS = (0.4, 0.2, 0.4)
NOISE_LEVEL = (2, 25)
JPEG_CHANCE = 0.9
JPEG_QUALITY = (30, 95)


# -------------------------------------------------------------------- drawing


def draw(rng: np.random.Generator) -> dict[str, KnobValue | str]:
    """Draw everything, also what the branch taken does not use."""
    values: dict[str, KnobValue | str] = {
        "halve_first": bool(rng.random() < HALVE_FIRST_CHANCE),
        "halve_kernel": stages.pick(rng, HALVE, HALVE_WEIGHTS),
        "order": _draw_order(rng),
    }
    values |= _draw_blur(rng, "blur1") | _draw_blur(rng, "blur2")
    values["down1"] = stages.pick(rng, DOWN1)
    values["down1_share"] = stages.uniform(rng, 0.0, 1.0)
    values["down2"] = stages.pick(rng, stages.RESIZE_KERNELS)
    values["noise"] = stages.pick(rng, NOISES, NOISE_WEIGHTS)
    values["noise_level"] = int(rng.integers(NOISE_LEVEL[0], NOISE_LEVEL[1] + 1))
    values["noise_seed"] = stages.noise_seed(rng)
    values["jpeg_on"] = bool(rng.random() < JPEG_CHANCE)
    values["jpeg_quality"] = int(rng.integers(JPEG_QUALITY[0], JPEG_QUALITY[1] + 1))
    values["final_jpeg_quality"] = int(rng.integers(JPEG_QUALITY[0], JPEG_QUALITY[1] + 1))
    return values


def _draw_order(rng: np.random.Generator) -> str:
    """Any order, but the second downsampling, which brings the target size, comes after the first."""
    order = [STEPS[i] for i in rng.permutation(len(STEPS))]
    first, second = order.index("down1"), order.index("down2")
    if first > second:
        order[first], order[second] = order[second], order[first]
    return " ".join(order)


def _draw_blur(rng: np.random.Generator, name: str) -> dict[str, KnobValue | str]:
    return {
        f"{name}_kernel": stages.pick(rng, ("aniso", "iso")),
        f"{name}_size": stages.pick(rng, SIZES),
        f"{name}_share_x": stages.uniform(rng, 0.0, 1.0),
        f"{name}_share_y": stages.uniform(rng, 0.0, 1.0),
        f"{name}_angle": stages.uniform(rng, 0.0, math.pi),
    }


# ------------------------------------------------------------------- applying


def apply(hr: Image, values: Mapping[str, Any], scale: int) -> Image:
    """Degrade in the drawn order."""
    height, width = hr.shape[0] // scale, hr.shape[1] // scale
    image, left = hr, scale
    if scale == 4 and values["halve_first"]:
        image, left = _halve(hr, values["halve_kernel"]), 2
    steps = values["order"].split()
    if sorted(steps) != sorted(STEPS) or steps.index("down1") > steps.index("down2"):
        raise ValueError(f"order {values['order']!r} does not hold each of {', '.join(STEPS)} once, down1 before down2")
    for step in steps:
        if step.startswith("blur"):
            image = stages.blur(image, _kernel(values, step, left))
        elif step == "down1":
            image = _down(image, values, left)
        elif step == "down2":
            image = np.clip(stages.resize(image, height, width, values["down2"]), 0, 1)
        elif step == "noise":
            image = _noise(image, values)
        elif values["jpeg_on"]:
            image = stages.jpeg(image, values["jpeg_quality"])
    return stages.jpeg(image, values["final_jpeg_quality"])


def _halve(hr: Image, kernel: str) -> Image:
    if kernel == "antialiased":
        return images.resize(hr, max(hr.shape[1] // 2, 1), max(hr.shape[0] // 2, 1))
    return stages.resize_by(hr, 0.5, kernel)


def _kernel(values: Mapping[str, Any], name: str, left: int) -> NDArray[np.float32]:
    """Stretched: the shares are of the largest variance, 4 + the scale; round: of the largest sigma."""
    kind, size, share_x, share_y, angle = (
        values[f"{name}_{part}"] for part in ("kernel", "size", "share_x", "share_y", "angle")
    )
    stages.within(share_x, 0, 1, f"{name}_share_x")
    stages.within(share_y, 0, 1, f"{name}_share_y")
    if kind == "aniso":
        sigma_x, sigma_y = (math.sqrt(max((4 + left) * share, 1e-6)) for share in (share_x, share_y))
    elif kind == "iso":
        sigma_x = sigma_y = max((2 + 0.2 * left) * share_x, 1e-3)
    else:
        raise ValueError(f"{name}_kernel {kind!r} is none of aniso, iso")
    return stages.gaussian(size, sigma_x, sigma_y, angle)


def _down(image: Image, values: Mapping[str, Any], left: int) -> Image:
    """To somewhere between the present size and half of the target, or blurred and every n-th pixel kept."""
    kind, share = values["down1"], stages.within(values["down1_share"], 0, 1, "down1_share")
    if kind != "shifted":
        return np.clip(stages.resize_by(image, 1 / (1 + share * (2 * left - 1)), kind), 0, 1)
    sigma = 0.1 + share * (0.6 * left - 0.1)
    kernel = stages.gaussian(SHIFTED_SIZE, sigma, sigma, offset=(left - 1) / 2)
    return np.clip(stages.blur(image, kernel)[::left, ::left], 0, 1)


def _noise(image: Image, values: Mapping[str, Any]) -> Image:
    kind, level, seed = values["noise"], values["noise_level"], values["noise_seed"]
    if kind not in NOISES:
        raise ValueError(f"noise {kind!r} is none of {', '.join(NOISES)}")
    if kind != "correlated":
        return stages.gaussian_noise(image, level, kind == "grey", seed)
    return stages.correlated_noise(image, NOISE_LEVEL[1], seed)


RECIPE = Recipe(
    summary="BSRGAN's degradation: blurs, downsamplings, noise and JPEG in a shuffled order.",
    draw=draw,
    apply=apply,
    columns=tuple(draw(np.random.default_rng(0))),
)
