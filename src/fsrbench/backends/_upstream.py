"""What the three `upstream_` backends share: the original packages, importable again and not allowed to fail silently.

Those packages import one name from a torchvision module that is gone; `load` supplies it. They also answer
errors inside a network by printing and going on with something else (the previous tile, the unrestored face);
`Watched` sees such an error, and `guarded` raises it. Checkpoints reach the packages' own loaders as files of
tensors that were read safely before.
"""

from __future__ import annotations

import contextlib
import importlib
import re
import sys
import tempfile
import types
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from fsrbench.core.errors import BadOutput, WeightsError, missing_package
from fsrbench.imaging import images

if TYPE_CHECKING:
    import torch

    from fsrbench.core.values import Image
    from fsrbench.models.networks import Checkpoint, Tensors

T = TypeVar("T")

_OTHER_NAMES = (
    (r"^RRDB_trunk\.(\d+)\.RDB(\d)\.", r"body.\1.rdb\2."),
    (r"^trunk_conv\.", "conv_body."),
    (r"^upconv(\d)\.", r"conv_up\1."),
    (r"^HRconv\.", "conv_hr."),
    (r"^model\.1\.sub\.(\d+)\.RDB(\d)\.conv(\d)\.0\.", r"body.\1.rdb\2.conv\3."),
    (r"^model\.1\.sub\.\d+\.(weight|bias)$", r"conv_body.\1"),
    (r"^model\.0\.", "conv_first."),
    (r"^model\.3\.", "conv_up1."),
    (r"^model\.6\.", "conv_up2."),
    (r"^model\.8\.", "conv_hr."),
    (r"^model\.10\.", "conv_last."),
)
"""BSRGAN's names for the tensors of RRDBNet, then ESRGAN's first ones (spandrel's, at x4), each with basicsr's."""


def load(package: str, module: str, backend: str) -> Any:
    """Import a module of one of the original packages, with its printing turned off."""
    _supply_missing_name()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of 2022, importing by names that move: nothing that a user can mend
            found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in (package, "basicsr", "facexlib"):
            raise
        what = f"The backend {backend} (Python 3.12 at most)"
        raise missing_package(error.name or package, "upstream", what) from None
    found.__dict__["print"] = lambda *_words, **_options: None
    return found


def _supply_missing_name() -> None:
    """`torchvision.transforms.functional_tensor.rgb_to_grayscale` lives elsewhere now."""
    name = "torchvision.transforms.functional_tensor"
    if name in sys.modules or importlib.util.find_spec(name) is not None:
        return
    from torchvision.transforms.functional import rgb_to_grayscale

    module = types.ModuleType(name, "Stands in for a module that torchvision removed.")
    module.__dict__["rgb_to_grayscale"] = rgb_to_grayscale
    sys.modules[name] = module


@contextlib.contextmanager
def swapped(module: Any, **names: Any) -> Iterator[None]:
    """Replace names of a module for the length of a block."""
    before = {name: getattr(module, name) for name in names}
    try:
        for name, value in names.items():
            setattr(module, name, value)
        yield
    finally:
        for name, value in before.items():
            setattr(module, name, value)


@contextlib.contextmanager
def file_of(tensors: Tensors, key: str = "params") -> Iterator[str]:
    """A .pth file as the original loaders want it, for the length of a block."""
    import torch

    with tempfile.TemporaryDirectory(prefix="fsrbench-") as folder:
        path = Path(folder) / "network.pth"
        torch.save({key: tensors}, path)
        yield str(path)


def network(checkpoint: Checkpoint, backend: str) -> tuple[torch.nn.Module, Tensors, int]:
    """basicsr's own class for a checkpoint, unloaded; its tensors by basicsr's names; its scale."""
    tensors = {_basicsr_name(name): tensor for name, tensor in checkpoint.tensors.items()}
    if "body.0.rdb1.conv1.weight" in tensors and "conv_up2.weight" in tensors:
        rrdb = load("basicsr", "basicsr.archs.rrdbnet_arch", backend)
        blocks = 1 + max(int(name.split(".")[1]) for name in tensors if name.startswith("body."))
        features, folded = tensors["conv_first.weight"].shape[:2]
        scale = {3: 4, 12: 2}.get(folded, 4)
        return rrdb.RRDBNet(3, 3, scale=scale, num_feat=features, num_block=blocks), tensors, scale
    if "body.0.weight" in tensors and "body.1.weight" in tensors:
        srvgg = load("basicsr", "basicsr.archs.srvgg_arch", backend)
        last = 1 + max(int(name.split(".")[1]) for name in tensors if name.startswith("body."))
        features = tensors["body.0.weight"].shape[0]
        scale = round((tensors[f"body.{last - 1}.weight"].shape[0] / 3) ** 0.5)
        # first convolution and activation, then pairs, then the last convolution
        net = srvgg.SRVGGNetCompact(3, 3, num_feat=features, num_conv=(last - 3) // 2, upscale=scale)
        return net, tensors, scale
    raise WeightsError(f"{checkpoint.path} is neither RRDBNet (with two upsamplings) nor SRVGGNetCompact.")


def _basicsr_name(name: str) -> str:
    for pattern, replacement in _OTHER_NAMES:
        name = re.sub(pattern, replacement, name)
    return name


def watched(module: Any) -> Any:
    """Wrap a network so that an error in it is remembered, whoever catches it."""
    import torch

    class Watched(torch.nn.Module):
        """Passes everything on; `failure` holds the last error."""

        failure: RuntimeError | None = None

        def forward(self, *args: Any, **options: Any) -> Any:
            try:
                return module(*args, **options)
            except RuntimeError as error:
                self.failure = error
                raise

    return Watched().eval()


def guarded(network: Any, call: Callable[[], T], what: str) -> T:
    """Run the package's code around a watched network; an error that it swallowed is raised."""
    network.failure = None
    result: T | None = None
    try:
        result = call()
    except Exception:
        if network.failure is None:  # what follows from a swallowed error (a missing tile) is not the cause
            raise
    if network.failure is not None:
        raise BadOutput(f"{what} failed inside its network: {network.failure}") from network.failure
    return result  # type: ignore[return-value]  # no failure: `call` has returned


def to_bgr(image: Image) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """The 8-bit BGR that the packages take."""
    return np.ascontiguousarray(images.to_8bit(image)[:, :, ::-1])


def from_bgr(array: np.ndarray[Any, Any]) -> Image:
    """And back."""
    return np.ascontiguousarray(array[:, :, ::-1]).astype(np.float32) / np.float32(255)
