"""Real-ESRGAN's second-order degradation with sinc filters, with the published chances and ranges.

First the HR is sharpened by an unsharp mask, as in its training (`sharpen`); the reference that metrics compare with is
not, while Real-ESRGAN learned from a sharpened one too. First order: blur → resize → noise → JPEG. Second order: blur
(four times in five) → resize → noise, then back to the LR size with a final sinc filter and JPEG, in either order. A
blur is a Gaussian, a generalised Gaussian or a plateau, round or stretched, or now and then a sinc. Sizes of kernels
are for pictures of 400 pixels and are not scaled with the HR size.

What differs from the published code: a Poisson field has at most 256 counts at white and is drawn from tables
(`_sampling`), kernels are applied at their own size, without zeros around them, and JPEG is libjpeg's, not its
differentiable stand-in. Until format 2 of `degradations.csv` the HR was not sharpened: such a table still gives those
pixels again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from fsrbench.core.contracts import Recipe
from fsrbench.recipes import _stages as stages

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fsrbench.core.stored import KnobValue
    from fsrbench.core.values import Image

SIZES = tuple(range(7, 22, 2))
KERNELS = ("iso", "aniso", "generalised_iso", "generalised_aniso", "plateau_iso", "plateau_aniso")
KERNEL_WEIGHTS = (0.45, 0.25, 0.12, 0.03, 0.12, 0.03)
SINC_CHANCE = 0.1
BLUR_SIGMA = {"1": (0.2, 3.0), "2": (0.2, 1.5)}
GENERALISED_BETA = (0.5, 4.0)
PLATEAU_BETA = (1.0, 2.0)
SECOND_BLUR_CHANCE = 0.8
RESIZE_WEIGHTS = {"1": (0.2, 0.7, 0.1), "2": (0.3, 0.4, 0.3)}
RESIZE = {"1": (0.15, 1.5), "2": (0.3, 1.2)}
NOISE_SIGMA = {"1": (1.0, 30.0), "2": (1.0, 25.0)}
POISSON_SCALE = {"1": (0.05, 3.0), "2": (0.05, 2.5)}
GREY_CHANCE = 0.4
JPEG_QUALITY = (30, 95)
FINAL_SINC_CHANCE = 0.8


# -------------------------------------------------------------------- drawing


def draw(rng: np.random.Generator) -> dict[str, KnobValue | str]:
    """Draw everything, also what the branch taken does not use."""
    values: dict[str, KnobValue | str] = {"sharpen": True}
    for order in ("1", "2"):
        values |= _draw_blur(rng, order)
        values |= _draw_resize(rng, order)
        values |= _draw_noise(rng, order)
        values[f"jpeg{order}_quality"] = int(rng.integers(JPEG_QUALITY[0], JPEG_QUALITY[1] + 1))
    values["blur2_on"] = bool(rng.random() < SECOND_BLUR_CHANCE)
    values["final_order"] = stages.pick(rng, ("sinc-jpeg", "jpeg-sinc"))
    values["final_kernel"] = stages.pick(rng, stages.RESIZE_KERNELS)
    values["final_sinc_on"] = bool(rng.random() < FINAL_SINC_CHANCE)
    values["final_sinc_size"] = stages.pick(rng, SIZES)
    values["final_sinc_cutoff"] = stages.uniform(rng, math.pi / 3, math.pi)
    return values


def _draw_blur(rng: np.random.Generator, order: str) -> dict[str, KnobValue | str]:
    size = stages.pick(rng, SIZES)
    is_sinc = rng.random() < SINC_CHANCE
    kernel = stages.pick(rng, KERNELS, KERNEL_WEIGHTS)
    betas = {"generalised": _draw_beta(rng, GENERALISED_BETA), "plateau": _draw_beta(rng, PLATEAU_BETA)}
    return {
        f"blur{order}_kernel": "sinc" if is_sinc else kernel,
        f"blur{order}_size": size,
        f"blur{order}_sigma_x": stages.uniform(rng, *BLUR_SIGMA[order]),
        f"blur{order}_sigma_y": stages.uniform(rng, *BLUR_SIGMA[order]),
        f"blur{order}_angle": stages.uniform(rng, -math.pi, math.pi),
        f"blur{order}_beta": betas.get(kernel.partition("_")[0], 1.0),
        f"blur{order}_cutoff": stages.uniform(rng, math.pi / 3 if size < 13 else math.pi / 5, math.pi),
    }


def _draw_beta(rng: np.random.Generator, span: tuple[float, float]) -> float:
    """As often below 1 as above; a plateau's span begins at 1, so that half of them have exactly 1."""
    below, low, high = rng.random() < 0.5, stages.uniform(rng, span[0], 1.0), stages.uniform(rng, 1.0, span[1])
    return low if below else high


def _draw_resize(rng: np.random.Generator, order: str) -> dict[str, KnobValue | str]:
    direction = stages.pick(rng, ("up", "down", "keep"), RESIZE_WEIGHTS[order])
    up, down = stages.uniform(rng, 1.0, RESIZE[order][1]), stages.uniform(rng, RESIZE[order][0], 1.0)
    return {
        f"resize{order}": direction,
        f"resize{order}_factor": {"up": up, "down": down, "keep": 1.0}[direction],
        f"resize{order}_kernel": stages.pick(rng, stages.RESIZE_KERNELS),
    }


def _draw_noise(rng: np.random.Generator, order: str) -> dict[str, KnobValue | str]:
    return {
        f"noise{order}": stages.pick(rng, ("gaussian", "poisson")),
        f"noise{order}_sigma": stages.uniform(rng, *NOISE_SIGMA[order]),
        f"noise{order}_poisson_scale": stages.uniform(rng, *POISSON_SCALE[order]),
        f"noise{order}_grey": bool(rng.random() < GREY_CHANCE),
        f"noise{order}_seed": stages.noise_seed(rng),
    }


# ------------------------------------------------------------------- applying


def apply(hr: Image, values: Mapping[str, Any], scale: int) -> Image:
    """Degrade. The factor of the second resize is relative to the LR size, the first one's to the HR's."""
    height, width = hr.shape[0] // scale, hr.shape[1] // scale
    image = stages.blur(stages.sharpen(hr) if values["sharpen"] else hr, _kernel(values, "1"))
    image = stages.resize_by(image, values["resize1_factor"], values["resize1_kernel"])
    image = stages.noise(image, values, "noise1")
    image = stages.jpeg(image, values["jpeg1_quality"])
    if values["blur2_on"]:
        image = stages.blur(image, _kernel(values, "2"))
    factor = stages.within(values["resize2_factor"], 1e-3, 1e3, "resize factor") / scale
    image = stages.resize(image, int(hr.shape[0] * factor), int(hr.shape[1] * factor), values["resize2_kernel"])
    image = stages.noise(image, values, "noise2")
    if values["final_order"] == "sinc-jpeg":
        return stages.jpeg(_final(image, values, height, width), values["jpeg2_quality"])
    if values["final_order"] == "jpeg-sinc":
        return stages.finish(_final(stages.jpeg(image, values["jpeg2_quality"]), values, height, width))
    raise ValueError(f"final_order {values['final_order']!r} is none of sinc-jpeg, jpeg-sinc")


def _final(image: Image, values: Mapping[str, Any], height: int, width: int) -> Image:
    image = stages.resize(image, height, width, values["final_kernel"])
    if not values["final_sinc_on"]:
        return image
    return stages.blur(image, stages.sinc(values["final_sinc_size"], values["final_sinc_cutoff"]))


def _kernel(values: Mapping[str, Any], order: str) -> NDArray[np.float32]:
    """The blur kernel of one order. A round kernel has one sigma."""
    kind, size, sigma_x, sigma_y, angle, beta, cutoff = (
        values[f"blur{order}_{part}"] for part in ("kernel", "size", "sigma_x", "sigma_y", "angle", "beta", "cutoff")
    )
    if kind == "sinc":
        return stages.sinc(size, cutoff)
    if kind not in KERNELS:
        raise ValueError(f"blur{order}_kernel {kind!r} is none of sinc, {', '.join(KERNELS)}")
    if kind.endswith("_iso") or kind == "iso":
        sigma_y = sigma_x
    if kind.startswith("plateau"):
        return stages.plateau(size, sigma_x, sigma_y, angle, beta)
    return stages.gaussian(size, sigma_x, sigma_y, angle, beta)


RECIPE = Recipe(
    summary="Real-ESRGAN's second-order degradation with sinc filters.",
    draw=draw,
    apply=apply,
    columns=tuple(draw(np.random.default_rng(0))),
    earlier={"sharpen": False},
)
