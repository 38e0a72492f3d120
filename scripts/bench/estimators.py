"""How near the estimates of `imaging/damage.py` come to what recipe `paper` drew.

    python scripts/bench/estimators.py --faces DIR
    python scripts/bench/estimators.py --faces DIR --calibrate

The first prints a table in Markdown: for each quantity the mean error, the mean size of an error, the spread of the true
values, which a constant guess would miss by about as much, and Spearman's rank correlation. The second prints the weights
of `damage.py`, fitted to these faces; never use the same faces for both.

What is true of an input is worked out from its row of drawn values. Blur is both blurs together, as the sigma of a round
Gaussian in pixels of the input. Noise is what is left of it after blur B, in brightness, before JPEG. The drawn
`noise_sigma` itself is on another scale, since blur B takes most of it away: only its ranks are compared.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsrbench.case.degrade import standardise
from fsrbench.core.contracts import Damage
from fsrbench.core.values import Image, derive_seed
from fsrbench.imaging import damage, images, luma
from fsrbench.measure.ranks import spearman
from fsrbench.recipes import _stages as stages
from fsrbench.recipes import paper

SIZE, SCALE = 512, 4


@dataclass(frozen=True)
class Degraded:
    """A face that was degraded with known values."""

    lr: Image
    """What it became."""
    values: Mapping[str, Any]
    """What was drawn."""
    noise: float
    """Noise that is left in its brightness."""
    blur: float
    """Sigma of both blurs together."""


def degraded(faces: Sequence[tuple[str, Image]], draws: int) -> list[Degraded]:
    """Each face so many times."""
    found = []
    for name, face in faces:
        for number in range(draws):
            values = paper.draw(np.random.default_rng(derive_seed(number, "degrade", name)))
            lr = images.as_stored(paper.apply(face, values, SCALE))
            found.append(Degraded(lr, values, _noise_left(face, values), _whole_blur(values)))
    return found


def _noise_left(face: Image, values: Mapping[str, Any]) -> float:
    """What differs in brightness between the input with noise and without, before JPEG."""
    image = paper._blur(face, values, "blur_a")
    image = stages.resize_by(image, values["resize_factor"], values["resize_kernel"])
    image = stages.resize(image, SIZE // SCALE, SIZE // SCALE, values["back_kernel"]).clip(0, 1)
    noisy = stages.noise(image, values, "noise")
    return float(np.std(luma.levels(paper._blur(noisy, values, "blur_b") - paper._blur(image, values, "blur_b"))))


def _whole_blur(values: Mapping[str, Any]) -> float:
    """Variances add up; the first blur acts at the face's own size."""
    first, second = (values[f"{name}_sigma_x"] * values[f"{name}_sigma_y"] for name in ("blur_a", "blur_b"))
    return math.sqrt(first / SCALE**2 + second)


def rows(some: Sequence[Degraded]) -> list[dict[str, Any]]:
    """A row for each quantity."""
    told: list[tuple[Degraded, Damage]] = []
    for one in some:
        estimate = damage.estimate(one.lr)
        if estimate is None:
            raise SystemExit("an input is too small to be measured")
        told.append((one, estimate))
    compressed = [(one.values["jpeg_quality"], found.quality) for one, found in told if found.quality is not None]
    gaussian = [(one.values["noise_sigma"], found.noise) for one, found in told if one.values["noise"] == "gaussian"]
    return [
        _row("JPEG quality", compressed),
        _row("noise left", [(one.noise, found.noise) for one, found in told]),
        _row("noise_sigma as drawn", gaussian) | {"bias": None, "mae": None},
        _row("blur", [(one.blur, found.blur) for one, found in told]),
    ]


def _row(quantity: str, pairs: Sequence[tuple[float, float]]) -> dict[str, Any]:
    true, found = np.array(pairs, np.float64).T
    ranks = spearman(list(true), list(found))
    return {
        "quantity": quantity,
        "n": len(pairs),
        "bias": float(np.mean(found - true)),
        "mae": float(np.mean(np.abs(found - true))),
        "exact": float(np.mean(found == true)),
        "spread": float(np.mean(np.abs(true - np.median(true)))),
        "rho": None if ranks is None else ranks[0],
    }


def table(found: Sequence[Mapping[str, Any]]) -> str:
    """Markdown."""
    lines = ["| quantity | inputs | bias | mean error | of a constant | ranks |", "|---|---|---|---|---|---|"]
    for row in found:
        numbers = (row[name] for name in ("bias", "mae", "spread", "rho"))
        shown = " | ".join("n/a" if number is None else f"{number:.2f}" for number in numbers)
        lines.append(f"| {row['quantity']} | {row['n']} | {shown} |")
    return "\n".join(lines)


def calibration(some: Sequence[Degraded]) -> str:
    """The weights of `damage.py`: least squares, a little drawn towards zero."""
    signs = np.array([damage.signs(one.lr) for one in some])
    return "\n".join(
        f"{name} = np.array({[round(float(weight), 3) for weight in _fit(signs, np.array(true))]})"
        for name, true in (
            ("NOISE", [math.log(one.noise + 0.5) for one in some]),
            ("BLUR", [one.blur for one in some]),
        )
    )


def _fit(signs: NDArray[np.float64], true: NDArray[np.float64]) -> NDArray[np.float64]:
    ridge = np.eye(signs.shape[1])
    ridge[0, 0] = 0
    return np.asarray(np.linalg.solve(signs.T @ signs + ridge, signs.T @ true))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=Path, metavar="DIR", required=True, help="aligned faces")
    parser.add_argument("--draws", type=int, default=40, help="inputs that are made of each")
    parser.add_argument("--calibrate", action="store_true", help="print the weights of damage.py instead")
    given = parser.parse_args()
    faces = [(name, standardise(images.read(path), SIZE)) for name, path in images.find(given.faces).items()]
    some = degraded(faces, given.draws)
    print(calibration(some) if given.calibrate else table(rows(some)))


if __name__ == "__main__":
    main()
