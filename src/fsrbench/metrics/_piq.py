"""What `haarpsi` and `piq` share: pictures through one of the functions of the package piq. No plugin.

One picture at a time: some of its functions take means over a whole batch, and a picture must get the same number in
any company. Its own checks and messages become sentences.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from fsrbench.core.errors import Unavailable
from fsrbench.core.modules import alone
from fsrbench.metrics._pair import fitting

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import torch

    from fsrbench.core.contracts import Machine
    from fsrbench.core.values import Image

    Scorer = Callable[[Sequence[Image], Image | None], list[float]]

FILES = {
    "information_weighted_ssim": "iw_ssim",
    "multi_scale_gmsd": "gmsd",
    "multi_scale_ssim": "ms_ssim",
    "vif_p": "vif",
}
"""Function → the package's file that has it, where that is called otherwise."""


def against_reference(name: str, label: str, machine: Machine) -> Scorer:
    """A metric's scorer from one of the package's functions of (picture, reference), both in [0, 1]."""
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it was written for other versions of its neighbours
        function = getattr(alone(f"piq.{FILES.get(name, name)}"), name)

    def score(variants: Sequence[Image], reference: Image | None) -> list[float]:
        target = fitting(variants, reference)
        wanted = _tensor(target, machine)
        with torch.inference_mode():
            return [_number(function, label, _tensor(image, machine), wanted) for image in variants]

    return score


def _number(function: Callable[..., torch.Tensor], label: str, image: torch.Tensor, wanted: torch.Tensor) -> float:
    try:
        return float(function(image, wanted, data_range=1.0, reduction="none").reshape(()))
    except (ValueError, RuntimeError) as error:  # the picture is too small for its kernels: the package says how small
        if image.shape[-1] * image.shape[-2] > 256 * 256:
            raise
        raise Unavailable(f"{label} cannot be had for {image.shape[-1]}×{image.shape[-2]} pixels: {error}") from error


def _tensor(image: Image, machine: Machine) -> torch.Tensor:
    """1×3×H×W on the machine's device."""
    import torch

    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))[None].to(machine.device)
