"""HaarPSI against the published formula written out here, its properties, and what else the package piq offers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import convolve2d

from fsrbench.core import plugins
from fsrbench.core.contracts import Machine
from fsrbench.core.errors import InputError, SettingsError, Unavailable
from fsrbench.core.values import Image
from fsrbench.imaging import images
from fsrbench.metrics import piq
from fsrbench.recipes import _stages as stages
from fsrbench.study import config
from support import draw_face

Scorer = Callable[[Sequence[Image], Image | None], Sequence[float]]
Plane = NDArray[np.float64]


@pytest.fixture(scope="module")
def haarpsi() -> Scorer:
    scorer: Scorer = plugins.load("metrics", "haarpsi").open(Machine(offline=True))
    return scorer


@pytest.fixture(scope="module")
def face() -> Image:
    return images.as_stored(draw_face(96, seed=5))


def spoilt(image: Image) -> list[Image]:
    """Blurred, noisy, compressed, shifted in colour, darker."""
    noise = np.random.default_rng(0).normal(0, 0.05, image.shape)
    return [
        images.as_stored(stages.blur(image, stages.gaussian(9, 1.5, 1.5))),
        images.as_stored(np.clip(image + noise, 0, 1).astype(np.float32)),
        stages.jpeg(image, 20),
        images.as_stored(np.clip(image * np.float32([1, 0.9, 0.8]), 0, 1)),
        images.as_stored(image * np.float32(0.5)),
    ]


# ------------------------------------------------------- the formula, written out


def by_hand(one: Image, other: Image) -> float:
    """Equations 9 to 13 of the paper, for colour: C 30, alpha 4.2, at half the size."""
    to_yiq = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])

    def planes(image: Image) -> list[Plane]:
        yiq = image.astype(np.float64) * 255 @ to_yiq.T
        height, width = (side + side % 2 for side in image.shape[:2])
        padded = np.zeros((height, width, 3))
        padded[: image.shape[0], : image.shape[1]] = yiq
        halves = padded.reshape(height // 2, 2, width // 2, 2, 3).mean(axis=(1, 3))
        return [halves[:, :, channel] for channel in range(3)]

    def same(plane: Plane, kernel: Plane) -> Plane:
        """MATLAB's conv2(…, 'same'), in which the authors wrote it: an even kernel looks one pixel further ahead."""
        height, width = plane.shape
        ahead = kernel.shape[0] // 2
        return np.abs(convolve2d(plane, kernel)[ahead : ahead + height, ahead : ahead + width])

    def haar(plane: Plane, scale: int, upright: bool) -> Plane:
        side = 2**scale
        kernel = np.full((side, side), 2.0**-scale)
        kernel[side // 2 :] *= -1
        return same(plane, kernel.T if upright else kernel)

    def alike(a: Plane, b: Plane) -> Plane:
        return np.asarray((2 * a * b + 30) / (a**2 + b**2 + 30))

    def smooth(plane: Plane) -> Plane:
        return same(plane, np.full((2, 2), 0.25))

    first, second = planes(one), planes(other)
    local, weights = [], []
    for upright in (False, True):
        details = [[haar(plane, scale, upright) for scale in (1, 2, 3)] for plane in (first[0], second[0])]
        local.append((alike(details[0][0], details[1][0]) + alike(details[0][1], details[1][1])) / 2)
        weights.append(np.maximum(details[0][2], details[1][2]))
    chroma = [alike(smooth(first[channel]), smooth(second[channel])) for channel in (1, 2)]
    local.append((chroma[0] + chroma[1]) / 2)
    weights.append((weights[0] + weights[1]) / 2)
    squeezed = [1 / (1 + np.exp(-4.2 * similarity)) for similarity in local]
    total = sum((value * weight).sum() for value, weight in zip(squeezed, weights, strict=True))
    mean = total / sum(weight.sum() for weight in weights)
    return float((math.log(mean / (1 - mean)) / 4.2) ** 2)


def test_haarpsi_is_the_published_formula(haarpsi: Scorer, face: Image) -> None:
    for picture in spoilt(face):
        assert haarpsi([picture], face)[0] == pytest.approx(by_hand(picture, face), abs=1e-4)


def test_haarpsi_is_the_formula_for_odd_sizes_but_for_the_border(haarpsi: Scorer, face: Image) -> None:
    """Where a side is odd, the package fills up both, which shows in the third digit of so small a picture."""
    odd, reference = spoilt(face)[0][:71, :83], face[:71, :83]
    assert haarpsi([odd], reference)[0] == pytest.approx(by_hand(odd, reference), abs=2e-3)


# ------------------------------------------------------------------ properties


def test_equal_pictures_have_exactly_one_and_none_has_more(haarpsi: Scorer, face: Image) -> None:
    black = np.zeros((32, 32, 3), np.float32)
    assert haarpsi([face], face) == [1.0]
    assert haarpsi([black], black) == [1.0]
    values = haarpsi(spoilt(face), face)
    assert all(0 < value < 1 for value in values)
    assert 0 <= haarpsi([np.zeros_like(face)], face)[0] < 0.2
    backwards = [haarpsi([face], picture)[0] for picture in spoilt(face)]
    assert list(values) == pytest.approx(backwards, abs=1e-5)


@pytest.mark.parametrize("kind", ["blur", "jpeg", "noise"])
def test_it_falls_as_a_fault_grows(haarpsi: Scorer, face: Image, kind: str) -> None:
    noise = np.random.default_rng(1).normal(0, 1, face.shape)
    spoil: dict[str, Callable[[float], Image]] = {
        "blur": lambda sigma: stages.blur(face, stages.gaussian(15, sigma, sigma)),
        "jpeg": lambda strength: stages.jpeg(face, round(100 - 18 * strength)),
        "noise": lambda share: np.clip(face + 0.05 * share * noise, 0, 1).astype(np.float32),
    }
    pictures = [images.as_stored(spoil[kind](strength)) for strength in (0.5, 1, 2, 3, 5)]
    values = list(haarpsi(pictures, face))
    assert values == sorted(values, reverse=True)
    assert values[0] - values[-1] > 0.1


def test_a_number_does_not_depend_on_its_company(haarpsi: Scorer, face: Image) -> None:
    pictures = spoilt(face)
    assert list(haarpsi(pictures, face)) == [haarpsi([picture], face)[0] for picture in pictures]


def test_what_cannot_be_measured_is_said(haarpsi: Scorer, face: Image) -> None:
    with pytest.raises(Unavailable, match="16 pixels"):
        haarpsi([face[:15]], face[:15])
    with pytest.raises(InputError, match=r"90×96.*96×96"):
        haarpsi([face[:, :90]], face)
    assert 0 < haarpsi([spoilt(face)[0][:16, :16]], face[:16, :16])[0] < 1


def test_it_is_among_the_metrics_of_every_run() -> None:
    assert config.load(None)[0].metrics == ("psnr", "ssim", "haarpsi", "lpips", "niqe", "arcface")
    metric = plugins.load("metrics", "haarpsi")
    assert (metric.better, metric.reference, metric.digits, metric.weights) == ("higher", True, 4, ())


# ------------------------------------------------------------------------- piq


@pytest.mark.parametrize("name", [*piq.HIGHER, *piq.LOWER])
def test_every_metric_of_piq_knows_its_direction(name: str) -> None:
    metric = plugins.load("metrics", f"piq:{name}")
    scorer = metric.open(Machine(offline=True))
    picture = images.as_stored(draw_face(176, seed=2))
    worse = [np.clip(picture + s * np.random.default_rng(3).normal(0, 1, picture.shape), 0, 1) for s in (0.02, 0.1)]
    values = scorer([picture, *(image.astype(np.float32) for image in worse)], picture)
    assert all(math.isfinite(value) for value in values)
    assert sorted(values, reverse=metric.better == "higher") == list(values)
    assert metric.label == f"{name} (piq)"


def test_piq_gives_what_haarpsi_gives(haarpsi: Scorer, face: Image) -> None:
    same = plugins.load("metrics", "piq:haarpsi").open(Machine(offline=True))
    assert same(spoilt(face), face) == list(haarpsi(spoilt(face), face))


def test_piq_says_what_is_wrong(face: Image) -> None:
    assert plugins.load("metrics", "piq:MS-SSIM").label == "multi_scale_ssim (piq)"
    with pytest.raises(SettingsError, match=r"no metric 'fsin'.*Did you mean piq:fsim\?"):
        plugins.load("metrics", "piq:fsin")
    with pytest.raises(SettingsError, match="no metric 'LPIPS'"):  # it would fetch a network, unchecked
        plugins.load("metrics", "piq:LPIPS")
    with pytest.raises(Unavailable, match="piq:fsim"):
        plugins.load("metrics", "piq").open(Machine())
    with pytest.raises(Unavailable, match=r"multi_scale_ssim.*96×96.*161x161"):
        plugins.load("metrics", "piq:multi_scale_ssim").open(Machine())([spoilt(face)[0]], face)


def test_a_settings_file_may_name_it(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("metrics: [psnr, 'piq:fsim', haarpsi]\n", encoding="utf-8")
    assert config.load(tmp_path / "mine.yaml")[0].metrics == ("psnr", "piq:fsim", "haarpsi")
