"""The embedded networks: what they are, how they start, how they are stored.

The first two start as plain interpolation and the third as the identity on its upsampled input, written
into their own weights, so that all of the short training goes into what interpolation cannot do.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import nn

from fsrbench.files import atomic

LICENCE = "CC-BY-NC-4.0"
FORMAT = 1

NETWORKS: dict[str, tuple[str, dict[str, Any]]] = {
    "general": ("SRVGGNetCompact", {"num_feat": 48, "num_conv": 16, "upscale": 4}),
    "faithful": ("SRVGGNetCompact", {"num_feat": 48, "num_conv": 16, "upscale": 4}),
    "blind": ("RRDBNet", {"num_filters": 32, "num_blocks": 2, "scale": 4}),
    "prior": (
        "GFPGANv1Clean",
        {"out_size": 512, "num_style_feat": 64, "num_mlp": 1, "channel_multiplier": 3, "narrow": 0.125},
    ),
}
"""Family → architecture and constructor arguments."""


def build(family: str) -> nn.Module:
    """The network at its start."""
    from spandrel.architectures.Compact import Compact
    from spandrel.architectures.ESRGAN import ESRGAN
    from spandrel.architectures.GFPGAN import GFPGAN

    architecture, arguments = NETWORKS[family]
    if architecture == "SRVGGNetCompact":
        network: nn.Module = Compact(**arguments)
        start_compact(network)
    elif architecture == "RRDBNet":
        network = ESRGAN(**arguments)
        start_rrdb(network)
    else:
        network = GFPGAN(**arguments)
        start_gfpgan(network)
    return network


@torch.no_grad()
def start_compact(network: Any) -> None:
    """Close to its own skip, which is nearest-neighbour upsampling."""
    network.body[-1].weight.mul_(0.1)
    network.body[-1].bias.zero_()


@torch.no_grad()
def start_rrdb(network: Any) -> None:
    """Three channels carry the picture from end to end, smoothed after each upsampling; the rest starts small."""
    convs = [m for m in network.model.modules() if isinstance(m, nn.Conv2d)]
    for conv in convs:
        nn.init.kaiming_normal_(conv.weight, a=0.2)
        conv.weight.mul_(0.3)
        conv.bias.zero_()
    trunk = [m for m in network.model[1].modules() if isinstance(m, nn.Conv2d)]
    for conv in trunk:
        conv.weight.mul_(0.5)
    trunk[-1].weight.mul_(0.1)
    outer = [c for c in convs if all(c is not t for t in trunk)]
    soft = torch.tensor([0.25, 0.5, 0.25])
    for number, conv in enumerate(outer):
        carry(conv, soft if 0 < number < 3 else None)


@torch.no_grad()
def carry(conv: nn.Conv2d, taps: torch.Tensor | None = None) -> None:
    """Let channels 0–2 pass through a convolution unchanged, or smoothed with `taps` in both directions."""
    size = conv.weight.shape[-1]
    kernel = torch.zeros(size, size)
    kernel[size // 2, size // 2] = 1
    if taps is not None:
        kernel = torch.outer(taps, taps)
    for channel in range(3):
        conv.weight[channel] = 0
        conv.weight[channel, channel] = kernel


@torch.no_grad()
def start_gfpgan(network: Any) -> None:
    """The input goes down one level, up again, through the last SFT shift and the last toRGB; all else starts small.

    An offset keeps the carried channels positive, where leaky ReLU is the identity.
    """
    offset = 1.25
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, a=0.2)
            nn.init.zeros_(module.bias) if module.bias is not None else None
    for block in [*network.conv_body_down, *network.conv_body_up]:
        block.conv2.weight.mul_(0.3)
        block.skip.weight.mul_(0.5)
    network.final_linear.weight.mul_(0.1)
    network.final_linear.bias.zero_()
    for scale, shift in zip(network.condition_scale, network.condition_shift, strict=True):
        scale[2].weight.mul_(0.1)
        scale[2].bias.fill_(1)
        shift[2].weight.mul_(0.3)
    decoder = network.stylegan_decoder
    for to_rgb in [decoder.to_rgb1, *decoder.to_rgbs]:
        to_rgb.modulated_conv.weight.mul_(0.02)
    first, down = network.conv_body_first, network.conv_body_down[0]
    carry(first)
    first.bias[:3] = offset
    for conv in (down.skip, network.conv_body_up[-1].skip):
        carry(conv)
    for conv in (down.conv2, network.conv_body_up[-1].conv2):
        conv.weight[:3] *= 0.1
    above = network.conv_body_up[-2]  # its output is added to the carried one
    for conv in (above.skip, above.conv2):
        conv.weight[:3] *= 0.1
    scale, shift = network.condition_scale[-1], network.condition_shift[-1]
    scale[2].weight[:3] = 0
    scale[2].bias[:3] = 0
    carry(shift[0])
    carry(shift[2])
    last, to_rgb = decoder.style_convs[-1], decoder.to_rgbs[-1]
    half = last.modulated_conv.weight.shape[2] // 2  # SFT acts on the second half of the channels
    for channel in range(3):
        last.modulated_conv.weight[0, channel] *= 0.05
        last.modulated_conv.weight[0, channel, half + channel, 1, 1] = 1
        to_rgb.modulated_conv.weight[0, channel, :3] = 0
        to_rgb.modulated_conv.weight[0, channel, channel] = 2**-0.5
    to_rgb.bias.fill_(-offset)


def restore(network: nn.Module, family: str, low: torch.Tensor) -> torch.Tensor:
    """LR in [0, 1] to SR around [0, 1]."""
    if family != "prior":
        return network(low)
    size = low.shape[-1] * 4
    return polish(network, nn.functional.interpolate(low, size=(size, size), mode="bicubic").clamp(0, 1))


def polish(network: nn.Module, face: torch.Tensor) -> torch.Tensor:
    """The prior on a face that is already of its size, in [0, 1]."""
    return network(face * 2 - 1, return_rgb=False)[0] / 2 + 0.5


def quick(network: nn.Module, family: str) -> nn.Module:
    """The network laid out as matrix units like it, three times as fast in bfloat16; GFPGAN cannot be laid out so."""
    return network if family == "prior" else network.to(memory_format=torch.channels_last)


def save(state: dict[str, torch.Tensor], family: str, path: Path) -> None:
    """Store in half precision with what is needed to build the network again."""
    from safetensors.torch import save as pack

    architecture, arguments = NETWORKS[family]
    about = {
        "family": family,
        "architecture": architecture,
        "hyperparameters": arguments,
        "version": FORMAT,
        "licence": LICENCE,
    }
    half = {name: tensor.detach().to(torch.float16).contiguous() for name, tensor in state.items()}
    atomic.write_bytes(path, pack(half, metadata={"fsrbench": json.dumps(about, sort_keys=True)}))


def load(path: Path) -> tuple[nn.Module, str]:
    """A stored network in float32, and its family."""
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        about = json.loads(file.metadata()["fsrbench"])
        state = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118 - not a mapping
    network = build(about["family"])
    network.load_state_dict(state)
    return network.eval(), about["family"]
