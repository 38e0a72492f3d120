"""Which of spandrel's architectures some tensors make: named by their names, or found by spandrel's own loader.

Its loader looks through some fifty architectures, all of which are imported for that. The two that nearly everybody
runs are known by the names of their tensors, to the last one, and are imported alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fsrbench.core.modules import alone

if TYPE_CHECKING:
    import torch

NAMES = {
    "Compact": re.compile(r"body\.\d+\.(weight|bias)"),
    "ESRGAN": re.compile(
        r"(conv_first|conv_body|conv_up\d|conv_hr|conv_last|body\.\d+\.rdb\d\.conv\d"  # Real-ESRGAN's
        r"|trunk_conv|upconv\d|HRconv|RRDB_trunk\.\d+\.RDB\d\.conv\d"  # BSRGAN's
        r"|model\.\d+|model\.1\.sub\.\d+(\.RDB\d\.conv\d\.0)?)\.(weight|bias)"  # the first ones
    ),
}
"""Architecture → what all of its tensors are called."""


class UnknownNetwork(Exception):
    """Tensors of no architecture that spandrel knows."""


def describe(tensors: Mapping[str, torch.Tensor]) -> Any:
    """The network that tensors make, in spandrel's descriptor; UnknownNetwork if they make none."""
    for name, form in NAMES.items():
        if all(map(form.fullmatch, tensors)):
            architecture = getattr(alone(f"spandrel.architectures.{name}"), f"{name}Arch")()
            if architecture.detect(tensors):
                return architecture.load(dict(tensors))
    from spandrel import ModelLoader, UnsupportedModelError

    try:
        return ModelLoader("cpu").load_from_state_dict(dict(tensors))
    except UnsupportedModelError:
        raise UnknownNetwork from None


def maps_pictures(network: Any) -> bool:
    """Does the network of a descriptor turn one RGB picture into another?"""
    kinds = {kind.__name__ for kind in type(network).__mro__}  # by name: spandrel may be there whole, or in parts
    return "ImageModelDescriptor" in kinds and (network.input_channels, network.output_channels) == (3, 3)


def unwrapped(found: Any) -> Any:
    """A list of tensors freed of wrappers such as `params_ema`."""
    return alone("spandrel.__helpers.canonicalize").canonicalize_state_dict(found)
