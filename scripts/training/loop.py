"""The training loop: first true to the face, then sharp.

What is wanted first is the face, mixed with a little of what a large network, the teacher, makes of the same input. A
network that is trained so gives the mean of all faces that the input may come from, which is nearer to the face than
anything else and too soft. So it learns in the last steps to give that very picture sharpened, which costs a few
hundredths of a dB. (Wanting sharpened faces from the start comes to less: a network that cannot know fine detail gives
its mean, sharpened or not.) A critic was tried and left out: in so few steps it drew a fine grid before it drew skin.
Counted in steps, never in time. Every step draws its batch and its noise from (seed, family, step), so a
run that was interrupted and resumed ends with the same weights as one that was not.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from fsrbench.core import contracts, plugins
from fsrbench.core.values import Image, derive_seed
from fsrbench.imaging import images
from training import data, networks


@dataclass(frozen=True, slots=True)
class Plan:
    """How one network is trained."""

    diet: data.Diet
    """What it is fed with."""
    pairs: int
    """Pool of degraded pairs."""
    batch: int
    """Patches a step."""
    patch: int
    """Side of an LR patch."""
    rate: float
    """Learning rate."""
    fall: int
    """The rate is level for the first 60 % of so many steps, then falls to a tenth."""
    steps: int
    """All steps; in those after `fall` the network learns to give its own picture sharpened."""
    taught: float
    """Share of the teacher's picture in what is wanted."""
    sharpen: float
    """By how much the fine detail of its own picture is strengthened in the last steps."""

    def scaled(self, steps: int) -> Plan:
        """The same plan in another number of steps; the pool shrinks with it."""
        share = steps / self.steps
        pairs = max(4, min(self.pairs, math.ceil(self.pairs * share)))
        return replace(self, steps=steps, fall=max(1, round(self.fall * share)), pairs=pairs)

    def rate_at(self, step: int) -> float:
        """Learning rate: a short rise, level, a cosine fall to a tenth, level again."""
        rise = min(1.0, (step + 1) / 100)
        if step >= self.fall:
            return self.rate * POLISH
        fall = max(0.0, (step / self.fall - 0.6) / 0.4)
        return self.rate * rise * (0.1 + 0.9 * (1 + math.cos(math.pi * fall)) / 2)


POLISH = 0.3
"""The rate of the last steps, as a share of the plan's."""
PLANS = {
    "general": Plan(
        data.Diet("general", {"paper": 0.75, "realesrgan": 0.25}, 512, (0.75, 1.0), 0, False),
        pairs=400,
        batch=8,
        patch=48,
        rate=6e-4,
        fall=2600,
        steps=3100,
        taught=0.15,
        sharpen=1.7,
    ),
    "faithful": Plan(
        data.Diet("general", {"paper": 0.75, "realesrgan": 0.25}, 512, (0.75, 1.0), 0, False),
        pairs=400,
        batch=8,
        patch=48,
        rate=6e-4,
        fall=2800,
        steps=2800,
        taught=0.0,
        sharpen=0.0,
    ),
    "blind": Plan(
        data.Diet("blind", {"paper": 0.6, "bsrgan": 0.4}, 512, (0.75, 1.0), 0, False),
        pairs=400,
        batch=6,
        patch=40,
        rate=4e-4,
        fall=1600,
        steps=1950,
        taught=0.3,
        sharpen=2.5,
    ),
    "prior": Plan(
        data.Diet("prior", {"paper": 0.85, "realesrgan": 0.15}, 512, (0.92, 1.0), 3, True),
        pairs=300,
        batch=1,
        patch=128,
        rate=6e-4,
        fall=2100,
        steps=2400,
        taught=0.15,
        sharpen=1.8,
    ),
}


class Trainer:
    """Everything that changes while one network is trained, and how to store it."""

    def __init__(self, family: str, plan: Plan, seed: int) -> None:
        torch.manual_seed(derive_seed(seed, "start", family))
        self.family, self.plan, self.seed = family, plan, seed
        self.network = networks.quick(networks.build(family), family)
        self.average = copy.deepcopy(self.network).eval().requires_grad_(False)
        self.smooth = copy.deepcopy(self.average)
        self.optimiser = torch.optim.Adam(self.network.parameters(), lr=plan.rate, betas=(0.9, 0.99))
        self.done = 0

    def parts(self) -> dict[str, Any]:
        """What has a state."""
        return {
            "network": self.network,
            "average": self.average,
            "smooth": self.smooth,
            "optimiser": self.optimiser,
        }

    def store(self, path: Path) -> None:
        """Write a checkpoint, all or nothing."""
        temporary = path.with_suffix(".part")
        torch.save({"done": self.done} | {name: part.state_dict() for name, part in self.parts().items()}, temporary)
        temporary.replace(path)

    def resume(self, path: Path) -> None:
        """Go on from a checkpoint."""
        state = torch.load(path, weights_only=True)
        self.done = state["done"]
        for name, part in self.parts().items():
            part.load_state_dict(state[name])

    def step(self, pool: data.Pool) -> dict[str, float]:
        """One step; returns its losses."""
        plan, number = self.plan, self.done
        batch = data.draw_batch(pool, plan.batch, plan.patch, self.seed, self.family, number)
        high, low, taught = (torch.from_numpy(part) for part in (batch.high, batch.low, batch.taught))
        torch.manual_seed(derive_seed(self.seed, "noise", self.family, str(number)))
        for group in self.optimiser.param_groups:
            group["lr"] = plan.rate_at(number)
        if number == plan.fall:
            self.smooth.load_state_dict(self.average.state_dict())
        with torch.autocast("cpu", torch.bfloat16):
            restored = networks.restore(self.network, self.family, low).float()
            wanted = high.lerp(taught, plan.taught) if number < plan.fall else self._sharp(low)
        losses = {
            "pixel": charbonnier(restored - wanted),
            "spectrum": 0.05 * spectrum_distance(restored, wanted),
        }
        total = torch.stack(list(losses.values())).sum()
        self.optimiser.zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 0.5)
        self.optimiser.step()
        since = number - plan.fall if number >= plan.fall else number
        self._average(min(0.998, (1 + since) / (10 + since)))
        self.done += 1
        return {name: float(loss.detach()) for name, loss in losses.items()}

    @torch.no_grad()
    def _sharp(self, low: torch.Tensor) -> torch.Tensor:
        """What the network made before the last steps, sharpened."""
        return sharpened(networks.restore(self.smooth, self.family, low).float(), self.plan.sharpen)

    @torch.no_grad()
    def _average(self, keep: float) -> None:
        for mean, now in zip(self.average.parameters(), self.network.parameters(), strict=True):
            mean.lerp_(now, 1 - keep)


def charbonnier(difference: torch.Tensor) -> torch.Tensor:
    """L1, rounded off at zero."""
    return torch.sqrt(difference**2 + 1e-6).mean()


def spectrum_distance(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """L1 between complex spectra: lost high frequencies count as much as they are strong."""
    return (torch.fft.rfft2(a, norm="ortho") - torch.fft.rfft2(b, norm="ortho")).abs().mean()


def sharpened(picture: torch.Tensor, strength: float) -> torch.Tensor:
    """Detail finer than a few pixels, made stronger."""
    coarse = picture
    for _ in range(2):
        coarse = nn.functional.avg_pool2d(coarse, 5, 1, 2, count_include_pad=False)
    return (picture + strength * (picture - coarse)).clamp(0, 1)


def watch(faces: list[Path], size: int, seed: int) -> list[tuple[Image, Image]]:
    """Held-out (HR, LR) pairs under the recipe `paper`, two draws a face."""
    recipe = plugins.load("recipes", "paper")
    found = []
    for path in faces:
        high = images.fit_square(images.read(path), size)
        for draw in "ab":
            rng = np.random.default_rng(derive_seed(seed, "watch", path.stem, draw))
            found.append((high, recipe.apply(high, recipe.draw(rng), data.SCALE)))
    return found


@torch.no_grad()
def run(network: nn.Module, family: str, low: Image, seed: int = 0) -> Image:
    """Restore one picture with seeded noise."""
    torch.manual_seed(seed)
    if family == "prior":  # upsampled as its backend does, which is not torch's bicubic
        restored = networks.polish(network.eval(), batch(images.resize(low, low.shape[1] * 4, low.shape[0] * 4)))
    else:
        restored = networks.restore(network.eval(), family, batch(low))
    return images.as_stored(np.ascontiguousarray(restored[0].clamp(0, 1).numpy().transpose(1, 2, 0)))


def batch(picture: Image) -> torch.Tensor:
    """One picture as a batch."""
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))[None]


def psnr(a: Image, b: Image) -> float:
    """RGB, no border cut."""
    return float(-10 * np.log10(np.mean((a.astype(np.float64) - b) ** 2)))


def train(
    family: str,
    plan: Plan,
    faces: Path,
    teacher: Path,
    out: Path,
    seed: int,
    *,
    until: int,
    every: int,
    resume: bool,
    say: Callable[[str], None],
) -> Path:
    """Train one network up to step `until`; returns the path of its weights, written at every checkpoint."""
    out.mkdir(parents=True, exist_ok=True)
    weights, checkpoint = out / f"{family}.safetensors", out / f"{family}.checkpoint"
    split = data.split(faces)
    start = time.monotonic()
    pool = data.make_pool(split.trained, plan.diet, plan.pairs, seed, torch.get_num_threads(), teacher)
    watched = watch(split.watching, plan.diet.size, seed)
    floor = np.mean([psnr(images.resize(low, *high.shape[1::-1]), high) for high, low in watched])
    say(f"{family}: {len(split.trained)} faces, {plan.pairs} pairs in {time.monotonic() - start:.0f} s, {floor:.2f} dB")
    natural = plugins.load("metrics", "niqe").open(contracts.Machine())
    trainer = Trainer(family, plan, seed)
    if resume:
        trainer.resume(checkpoint)
    sums: dict[str, list[float]] = {}
    while trainer.done < until:
        for name, loss in trainer.step(pool).items():
            sums.setdefault(name, []).append(loss)
        if trainer.done % every == 0 or trainer.done == until:
            trainer.store(checkpoint)
            networks.save(trainer.average.state_dict(), family, weights)
            made = [run(trainer.average, family, low) for _, low in watched]
            gain = np.mean([psnr(one, high) for one, (high, _) in zip(made, watched, strict=True)]) - floor
            niqe = np.mean(natural(made, None))
            means = ", ".join(f"{name} {np.mean(values):.4f}" for name, values in sums.items())
            seconds = time.monotonic() - start
            say(f"{trainer.done}/{plan.steps} in {seconds:.0f} s: {gain:+.2f} dB, NIQE {niqe:.2f}; {means}")
            sums.clear()
    return weights
