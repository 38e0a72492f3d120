"""Checkpoints to networks, and pictures through them: safe loading, tiles.

Nothing in a checkpoint is ever run: only tensors are read, and a pickle that wants more is refused. Every way
in which a file can be damaged is a `WeightsError` that names it. `upscale` runs a plain network (picture in,
larger picture out); GFPGAN, which is no such network, is only loaded here and run by its backend. Where files
come from is `weights.py`; what they compute on is `devices.py`; whether an output is sane is decided in `restore.py`.

A safetensors file of fsrbench's own says what it holds under the metadata key `fsrbench`: JSON with `family`,
`architecture`, `hyperparameters` (the constructor's), `version`, and `sharpen` where its pictures are to be sharpened.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np

from fsrbench.core.errors import BadOutput, WeightsError, first_line, out_of_memory
from fsrbench.core.modules import alone
from fsrbench.models import allowance, architectures, checkpoints, devices, sharpening

if TYPE_CHECKING:
    import torch

    from fsrbench.core.values import Image

    Tensors: TypeAlias = dict[str, torch.Tensor]

T = TypeVar("T")
LARGEST_SCALE = 16
"""Factor of a network; usual ones have 2 or 4."""
SMALLEST_TILE = 32
"""Halving stops here: if this does not fit, nothing will."""
MAX_HYPERPARAMETER = 4096
"""The largest number that a checkpoint may give the constructor of its network."""
_STEP = 4
"""Tiles start at multiples of this, so that networks which fold pixels into channels fold the same ones."""
_CONTEXT = 32
"""Pixels around a tile for networks whose reach is not worked out here."""
_UNUSED_BY_GFPGAN = ("stylegan_decoder.noises.", "stylegan_decoder.style_mlp.", "toRGB.")
"""Tensors that take no part in a restoration; fsrbench's own files leave them out."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What was read from a file: tensors, in fp32, and what the file says about itself."""

    path: Path
    """Where it came from, for messages."""
    tensors: Tensors
    """Name → tensor, freed of wrappers such as `params_ema`."""
    about: dict[str, Any]
    """The `fsrbench` metadata; empty for everybody else's files."""


@dataclass(frozen=True, slots=True)
class LoadedNetwork:
    """A network from picture to larger picture, ready to run."""

    module: Any
    """Spandrel's descriptor: 1×3×H×W in [0, 1] to 1×3×sH×sW, padding to what the architecture needs."""
    architecture: str
    """`compact`, `esrgan`, …: spandrel's name in small letters."""
    size: str
    """Layers × channels, e.g. 16×32, where they are known."""
    scale: int
    """How many times larger the output is."""
    context: int
    """Pixels around a tile that it must see for the tile to come out as in the whole picture."""
    sharpen: float = 0.0
    """By how much the fine detail of what it makes is strengthened: part of what an embedded model is."""


# -------------------------------------------------------------------- loading


def read(path: Path) -> Checkpoint:
    """Read the tensors of a .pth, .ckpt or .safetensors file without running anything in it."""
    return Checkpoint(path, *checkpoints.read(path))


def load(path: Path, device: str = "cpu") -> LoadedNetwork:
    """Load a network from a file; its architecture is recognised from the tensors."""
    return build(read(path), device)


def build(checkpoint: Checkpoint, device: str = "cpu") -> LoadedNetwork:
    """Make the network that a checkpoint describes."""
    import torch

    path = checkpoint.path
    try:
        # constructors draw first weights; nobody else's draws may move
        with torch.random.fork_rng(devices=[]), allowance.limited(checkpoint.tensors):
            model = architectures.describe(checkpoint.tensors)
    except architectures.UnknownNetwork:
        raise WeightsError(f"{path} is of no architecture that is known here (package spandrel).") from None
    except MemoryError:
        raise
    except Exception as error:  # each architecture fails in its own way on tensors that do not fit it
        raise WeightsError(
            f"{path} looks like a known network, but its tensors do not fit ({first_line(error)})."
        ) from error
    architecture = model.architecture.id.lower()
    if not architectures.maps_pictures(model):
        raise WeightsError(f"{path} is a network of kind {architecture} that does not map an RGB picture to another.")
    if not 1 <= model.scale <= LARGEST_SCALE:
        raise WeightsError(f"{path} enlarges {model.scale} times (allowed: {LARGEST_SCALE}).")
    if model.purpose == "FaceSR":
        raise WeightsError(f"{path} is a face network ({architecture}): it belongs into the family prior.")
    if model.size_requirements.multiple_of > 1 and architecture == "esrgan":
        # It pads to the pixels that it folds by itself, as Real-ESRGAN does; spandrel's rule would mirror more.
        model.size_requirements = type(model.size_requirements)(minimum=4)
    model.eval().to(device)
    model.model.requires_grad_(requires_grad=False)
    sharpen = sharpening.asked(checkpoint.about, path)
    context = _reach(model.model, architecture) + (_STEP if sharpen else 0)
    return LoadedNetwork(model, architecture, _size(model.tags), model.scale, context, sharpen)


def mix(first: Checkpoint, second: Checkpoint, share: float) -> Checkpoint:
    """share·first + (1 − share)·second, tensor by tensor: two trainings of one network, interpolated."""
    if {n: t.shape for n, t in first.tensors.items()} != {n: t.shape for n, t in second.tensors.items()}:
        raise WeightsError(f"{first.path} and {second.path} are not two versions of one network and cannot be mixed.")
    tensors = {name: share * tensor + (1 - share) * second.tensors[name] for name, tensor in first.tensors.items()}
    return Checkpoint(first.path, tensors, first.about)


def load_gfpgan(source: Path | Checkpoint, device: str = "cpu") -> tuple[torch.nn.Module, dict[str, Any]]:
    """Load a GFPGAN (architecture `clean`) and what differs from the published one in its hyperparameters."""
    import torch

    checkpoint = source if isinstance(source, Checkpoint) else read(source)
    path = checkpoint.path
    if "stylegan_decoder.constant_input.weight" not in checkpoint.tensors:
        raise WeightsError(f"{path} is no GFPGAN checkpoint of the architecture `clean` (v1.3, v1.4).")
    hyperparameters = dict(checkpoint.about.get("hyperparameters", {}))
    try:
        _check_hyperparameters(hyperparameters)
        with torch.device("meta"), _undrawn():  # no first weights are drawn only to be thrown away
            net = alone("spandrel.architectures.GFPGAN").GFPGAN(**hyperparameters)
        tensors = dict(checkpoint.tensors)
        if checkpoint.about:
            with allowance.limited(checkpoint.tensors):
                for name, empty in net.state_dict().items():
                    if name.startswith(_UNUSED_BY_GFPGAN) and name not in tensors:
                        tensors[name] = torch.zeros(empty.shape)
        net.load_state_dict(tensors, strict=True, assign=True)
    except Exception as error:  # wrong hyperparameters and wrong tensors fail alike, deep inside
        raise WeightsError(f"{path} does not fit the GFPGAN architecture ({first_line(error)}).") from error
    return net.eval().requires_grad_(requires_grad=False).to(device), hyperparameters


def _undrawn() -> contextlib.AbstractContextManager[Any]:
    """For constructors on torch's device `meta`: first weights are neither drawn nor scaled.

    There is nothing to be filled, and torch would load its compiler to say of these steps what shape they lead to.
    """
    import torch
    from torch.overrides import TorchFunctionMode

    same = (torch.Tensor.normal_, torch.Tensor.div)

    class Undrawn(TorchFunctionMode):
        def __torch_function__(self, step: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if step in same:
                return args[0]
            return (torch.empty if step is torch.randn else step)(*args, **(kwargs or {}))

    return Undrawn()


def _check_hyperparameters(found: dict[str, Any]) -> None:
    """Constructors count up to them."""
    for name, value in found.items():
        numbers = value if isinstance(value, list) and len(value) < 20 else [value]
        if not all(isinstance(one, int | float) and 0 <= one <= MAX_HYPERPARAMETER for one in numbers):
            raise ValueError(f"hyperparameter {name}: {value!r:.50}")


def _size(tags: list[str]) -> str:
    """Spandrel tags networks with, e.g., 64nf (features) and 32nc (convolutions) or 23nb (blocks)."""
    numbers = {tag.lstrip("0123456789"): tag.rstrip("abcdefghijklmnopqrstuvwxyz") for tag in tags}
    depth = numbers.get("nc") or numbers.get("nb")
    return f"{depth}×{numbers['nf']}" if depth and "nf" in numbers else "-".join(tags)


def _reach(module: torch.nn.Module, architecture: str) -> int:
    """How far an output pixel looks, in input pixels: exact for the plain chain of convolutions that compact is."""
    import torch

    if architecture != "compact":
        return _CONTEXT
    reach = sum(m.kernel_size[0] // 2 for m in module.modules() if isinstance(m, torch.nn.Conv2d))
    return -(-reach // _STEP) * _STEP


# -------------------------------------------------------------------- running


def to_tensor(images: Sequence[Image], precision: str, device: str) -> torch.Tensor:
    """Pictures of one size as N×3×H×W on the device.

    Colours stay the innermost values, as they are in a picture (`channels_last`), where convolutions are faster
    that way: on the CPU twice as fast in fp32, and everywhere in half precision. So nothing is copied for one picture.
    """
    import torch

    stacked = images[0][None] if len(images) == 1 else np.stack(images)
    tensor = torch.from_numpy(np.ascontiguousarray(stacked)).permute(0, 3, 1, 2).to(device)
    innermost = precision != "fp32" or device.startswith("cpu")
    return tensor.contiguous(memory_format=torch.channels_last if innermost else torch.contiguous_format)


def to_images(tensor: torch.Tensor) -> list[Image]:
    """N×3×H×W to pictures, clipped to [0, 1]. NaN stays NaN, so that it is noticed."""
    return list(np.ascontiguousarray(tensor.float().clamp(0, 1).permute(0, 2, 3, 1).cpu().numpy()))


def upscale(
    network: LoadedNetwork, lr: Image, *, tile: int = 0, precision: str = "fp32", device: str = "cpu"
) -> tuple[Image, tuple[str, ...]]:
    """Run a network over a picture: at once, or in tiles of `tile` input pixels (0: at once).

    When memory runs out the tile is halved, and a note says so. Returns the network's own scale.
    """
    longest = -(-max(lr.shape[:2]) // _STEP) * _STEP
    side = min(longest, max(SMALLEST_TILE, -(-tile // _STEP) * _STEP)) if tile else longest
    halved = False
    while True:
        result = _while_memory_lasts(partial(_tiled, network, lr, side, precision, device), device)
        if result is not None:
            return result, ((f"out of memory: tiles of {side} pixels",) if halved else ())
        if side <= SMALLEST_TILE:
            raise BadOutput(
                f"Out of memory on {device} even with tiles of {side} pixels. Free memory there, or choose another "
                "--device or a smaller model."
            )
        side = max(SMALLEST_TILE, -(-side // 2 // _STEP) * _STEP)
        halved = True


def upscale_all(
    network: LoadedNetwork, lrs: Sequence[Image], *, tile: int = 0, precision: str = "fp32", device: str = "cpu"
) -> list[tuple[Image, tuple[str, ...]]]:
    """Run a network over pictures of one size, together where they need no tiles and memory is large enough."""
    if len(lrs) > 1 and (not tile or tile >= max(lrs[0].shape[:2])):
        together = _while_memory_lasts(partial(_run, network, lrs, precision, device), device)
        if together is not None:
            return [(image, ()) for image in together]
    return [upscale(network, lr, tile=tile, precision=precision, device=device) for lr in lrs]


def _run(network: LoadedNetwork, lrs: Sequence[Image], precision: str, device: str) -> list[Image]:
    """One forward pass."""
    import torch

    with torch.inference_mode(), devices.autocast(precision, device):
        made = to_images(network.module(to_tensor(lrs, precision, device)))
    return [sharpening.sharpened(image, network.sharpen) for image in made]


def _tiled(network: LoadedNetwork, lr: Image, side: int, precision: str, device: str) -> Image:
    """One picture in tiles, each seeing `context` pixels around it; a tile as large as the picture is the picture.

    Only one tile at a time is on the device. At the picture's border a tile ends where the picture does, so
    that the network pads there as it does for the whole picture.
    """
    height, width = lr.shape[:2]
    scale, around = network.scale, network.context
    if side >= max(height, width):
        return _run(network, [lr], precision, device)[0]
    result = np.empty((height * scale, width * scale, 3), np.float32)
    for y in range(0, height, side):
        for x in range(0, width, side):
            top, left = max(0, y - around), max(0, x - around)
            bottom, right = min(height, y + side), min(width, x + side)
            piece = lr[top : bottom + around, left : right + around]
            out = _run(network, [piece], precision, device)[0]
            inner = out[(y - top) * scale : (bottom - top) * scale, (x - left) * scale : (right - left) * scale]
            result[y * scale : bottom * scale, x * scale : right * scale] = inner
    return result


def _while_memory_lasts(make: Callable[[], T], device: str) -> T | None:
    """What `make` makes; None when memory ran out."""
    try:
        return make()
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
    if device.startswith("cuda"):  # outside the handler, whose traceback still holds the tensors
        import torch

        torch.cuda.empty_cache()
    return None
