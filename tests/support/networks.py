"""Small networks with drawn weights."""

from __future__ import annotations

import torch
from spandrel.architectures.Compact import Compact


def made_compact(seed: int = 0, features: int = 8, convs: int = 3, scale: int = 4) -> dict[str, torch.Tensor]:
    torch.manual_seed(seed)
    return Compact(num_feat=features, num_conv=convs, upscale=scale).state_dict()
