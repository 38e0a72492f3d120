"""Measure the trained networks on faces they have never seen, and show them side by side."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fsrbench.core import contracts, plugins
from fsrbench.core.values import Image, derive_seed
from fsrbench.imaging import images
from training import data, loop, networks

SIZE = 512


def pairs(folder: Path, seed: int) -> dict[str, tuple[Image, Image]]:
    """Case → (HR, LR), exactly as `fsrbench degrade --recipe paper --seed SEED` makes them."""
    recipe = plugins.load("recipes", "paper")
    found = {}
    for case, path in images.find(folder).items():
        high = images.fit_square(images.read(path), SIZE)
        values = recipe.draw(np.random.default_rng(derive_seed(seed, "degrade", case)))
        found[case] = high, images.as_stored(recipe.apply(high, values, data.SCALE))
    return found


Scores = dict[str, list[tuple[float, float, float]]]
"""Bicubic or network → (PSNR, SSIM, NIQE) of each case."""
EACH, GAIN = "{:.2f} / {:.3f} / {:.2f}", "{:+.2f} / {:+.3f} / {:+.2f}"


def measure(weights: Path, faces: Path, seed: int, sheet: Path | None = None) -> tuple[Scores, list[str]]:
    """Scores of bicubic and of each network that lies in `weights`, the cases, and the contact sheet."""
    trained = {family: weights / f"{family}.safetensors" for family in networks.NETWORKS}
    opened = {family: networks.load(path)[0] for family, path in trained.items() if path.is_file()}
    ssim, niqe = (plugins.load("metrics", name).open(contracts.Machine()) for name in ("ssim", "niqe"))
    scores: Scores = {name: [] for name in ("bicubic", *opened)}
    cases = pairs(faces, seed)
    rows = []
    for high, low in cases.values():
        row = [images.as_stored(images.resize(low, SIZE, SIZE))]
        row += [loop.run(network, family, low) for family, network in opened.items()]
        for found, picture in zip(scores.values(), row, strict=True):
            found.append((loop.psnr(picture, high), ssim([picture], high)[0], niqe([picture], None)[0]))
        rows.append(images.hstack([*row, high]))
    if sheet:
        images.write(sheet, np.concatenate(rows))
    return scores, list(cases)


def gains(scores: Scores) -> dict[str, tuple[float, ...]]:
    """By how much the means of each network differ from bicubic's."""
    means = {name: np.mean(found, axis=0) for name, found in scores.items()}
    return {name: tuple(mean - means["bicubic"]) for name, mean in means.items() if name != "bicubic"}


def table(scores: Scores, cases: list[str]) -> str:
    """The scores as Markdown: PSNR in dB / SSIM / NIQE."""
    lines = ["| case | " + " | ".join(scores) + " |", "|---|" + "---|" * len(scores)]
    for row, case in enumerate(cases):
        lines.append(f"| {case} | " + " | ".join(EACH.format(*found[row]) for found in scores.values()) + " |")
    means = (np.mean(found, axis=0) for found in scores.values())
    lines.append("| mean | " + " | ".join(EACH.format(*mean) for mean in means) + " |")
    over = gains(scores).values()
    lines.append("| over bicubic | | " + " | ".join(GAIN.format(*gain) for gain in over) + " |")
    return "\n".join(lines)
