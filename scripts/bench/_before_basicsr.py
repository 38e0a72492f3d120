"""basicsr takes one function from a module that torchvision no longer has: given back to it before it is imported."""

import sys
import types

from torchvision.transforms.functional import rgb_to_grayscale

module = types.ModuleType("torchvision.transforms.functional_tensor")
module.rgb_to_grayscale = rgb_to_grayscale  # type: ignore[attr-defined]
sys.modules.setdefault(module.__name__, module)
