"""LPIPS v0.1 with AlexNet: distance between two pictures in a network's features. 0 (equal) and up, lower is better.

Zhang, Isola, Efros, Shechtman and Wang, "The unreasonable effectiveness of deep features as a perceptual metric",
2018. It takes float32 H×W×3 in [0, 1] of 32 pixels or more. The linear layers come with the package lpips; the
backbone is torchvision's alexnet-owt-7be5be79.pth, found or fetched by `weights.py` and never by torchvision.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from fsrbench.core.contracts import Machine, Metric
from fsrbench.core.errors import Unavailable, WeightsError
from fsrbench.metrics import _batch
from fsrbench.metrics._pair import fitting

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import torch

    from fsrbench.core.values import Image

_BACKBONE = "alexnet-owt-7be5be79.pth"
_SMALLEST = 32
"""Below this nothing is left after AlexNet's strides."""


def _open(machine: Machine) -> Callable[[Sequence[Image], Image | None], list[float]]:
    """Load the network; WeightsError, with the cure, if the backbone is absent."""
    from fsrbench.models import weights

    backbone = weights.locate(_BACKBONE, offline=machine.offline, optional=True).path  # before torch is loaded in vain

    import torch

    network = _network(backbone, machine)

    def features(pictures: Sequence[Image]) -> list[list[torch.Tensor]]:
        from lpips import normalize_tensor

        stacked = np.stack([picture.transpose(2, 0, 1) for picture in pictures])
        layers = network.net(network.scaling_layer(torch.from_numpy(stacked).to(machine.device) * 2 - 1))
        return [list(one) for one in zip(*(normalize_tensor(layer).split(1) for layer in layers), strict=True)]

    def score(variants: Sequence[Image], reference: Image | None) -> list[float]:
        target = fitting(variants, reference)
        if min(target.shape[:2]) < _SMALLEST:
            raise Unavailable(f"LPIPS needs {_SMALLEST} pixels or more in height and width.")
        batch = _batch.size(machine, target.shape[0] * target.shape[1])
        with torch.inference_mode():
            wanted, *found = _batch.through(features, [target, *variants], batch)
            return torch.stack([_distance(network, one, wanted) for one in found]).tolist()

    return score


def _distance(network: Any, found: Sequence[torch.Tensor], wanted: Sequence[torch.Tensor]) -> torch.Tensor:
    """Squared differences of the features, weighed by the linear layers, averaged over places, summed over layers."""
    layers = zip(network.lins, found, wanted, strict=True)
    distance: torch.Tensor = sum(weigh((one - other) ** 2).mean() for weigh, one, other in layers)
    return distance


def _network(path: Path, machine: Machine) -> Any:
    """The package's network with the backbone's tensors put in."""
    import torch
    from lpips import LPIPS

    from fsrbench.models import networks

    tensors = networks.read(path).tensors
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):  # first weights are drawn and then replaced
        warnings.simplefilter("ignore")  # the package calls torchvision with an argument of former days
        network = LPIPS(net="alex", version="0.1", pnet_rand=True, verbose=False)
    state = network.net.state_dict()  # slice1.0.weight for what torchvision calls features.0.weight
    try:
        network.net.load_state_dict({name: tensors[f"features.{name.partition('.')[2]}"] for name in state})
    except (KeyError, RuntimeError):
        raise WeightsError(
            f"{path} does not hold torchvision's AlexNet. Run: fsrbench weights --download {_BACKBONE}"
        ) from None
    return network.requires_grad_(requires_grad=False).to(machine.device)


METRIC = Metric("LPIPS", "lower", reference=True, digits=4, open=_open, depends=("device",), weights=(_BACKBONE,))
