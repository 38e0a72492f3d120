"""One aligned face through GFPGAN, step by step, so that its noise is seeded and its conditions can be scaled.

The published forward pass draws fresh noise at every call and offers no hold on the spatial conditions.
Here the encoder's and the decoder's parts are called one after the other; with conditions and noise left
alone the result is the published one. Finding, cutting and pasting faces is `gfpgan.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fsrbench.core.errors import BadOutput, out_of_memory
from fsrbench.models import devices, networks, sharpening

if TYPE_CHECKING:
    import torch

    from fsrbench.core.values import Image


class FaceNet:
    """A loaded GFPGAN. Maps a face picture of `size` × `size` to its restoration."""

    def __init__(self, path: Path, device: str) -> None:
        self._net: Any
        checkpoint = networks.read(path)
        self._net, self.hyperparameters = networks.load_gfpgan(checkpoint, device)
        self._sharpen = sharpening.asked(checkpoint.about, path)
        self._device = device
        self.size: int = 2**self._net.log_size

    def __call__(
        self, faces: Sequence[Image], seeds: Sequence[int], *, sft: float, noise: float, precision: str
    ) -> list[Image]:
        """Restore, each with its own noise. `sft` 1 and `noise` 1 are GFPGAN's own; 0 takes conditions or noise away.

        Faces for which memory is too small together are taken one after another.
        """
        import torch

        try:
            with torch.inference_mode(), devices.autocast(precision, self._device):
                x = networks.to_tensor(faces, precision, self._device) * 2 - 1
                style, conditions = self._encode(x)
                if sft != 1:  # scales are pulled towards 1, shifts towards 0: towards leaving features as they are
                    conditions = [sft * c if i % 2 else 1 + sft * (c - 1) for i, c in enumerate(conditions)]
                maps = self._noise(seeds, noise)
                decoded, _ = self._net.stylegan_decoder([style], conditions, input_is_latent=True, noise=maps)
                made = networks.to_images(decoded.float() / 2 + 0.5)
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
            if len(faces) == 1:
                raise BadOutput(
                    f"Out of memory on {self._device} for one face of {self.size}×{self.size}. Free memory there, or "
                    "choose another --device."
                ) from error
        else:
            return [sharpening.sharpened(image, self._sharpen) for image in made]
        alone = zip(faces, seeds, strict=True)
        return [image for f, s in alone for image in self([f], [s], sft=sft, noise=noise, precision=precision)]

    def _encode(self, x: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Style codes, and scale and shift in turn for each size from 8×8 upwards."""
        from torch.nn.functional import leaky_relu

        net = self._net
        feature = leaky_relu(net.conv_body_first(x), 0.2)
        skips = []
        for down in net.conv_body_down:
            feature = down(feature)
            skips.append(feature)
        feature = leaky_relu(net.final_conv(feature), 0.2)
        style = net.final_linear(feature.reshape(feature.shape[0], -1))
        if net.different_w:
            style = style.reshape(style.shape[0], -1, net.num_style_feat)
        conditions = []
        for i, up in enumerate(net.conv_body_up):
            feature = up(feature + skips[-1 - i])
            conditions += [net.condition_scale[i](feature), net.condition_shift[i](feature)]
        return style, conditions

    def _noise(self, seeds: Sequence[int], strength: float) -> list[torch.Tensor]:
        """A map for each layer, drawn on the CPU from each face's seed alone: the same on every device."""
        import torch

        sources = [torch.Generator().manual_seed(seed) for seed in seeds]
        maps = []
        for layer in range(self._net.stylegan_decoder.num_layers):
            side = 2 ** ((layer + 5) // 2)
            drawn = torch.cat([torch.randn((1, 1, side, side), generator=source) for source in sources])
            maps.append((drawn * strength).to(self._device))
        return maps
