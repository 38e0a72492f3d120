"""artifacts.py: each measure tells its planted artifact from the clean picture, and keeps its documented range."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from conftest import draw_face
from fsrbench import artifacts, images
from fsrbench.values import Image


def shrink(image: Image, scale: int = 4) -> Image:
    return images.as_stored(images.resize(image, image.shape[1] // scale, image.shape[0] // scale))


def jpeg(image: Image, quality: int) -> Image:
    data = np.frombuffer(images.encode(image, "jpeg", quality), np.uint8)
    return images.as_stored(np.ascontiguousarray(cv2.imdecode(data, cv2.IMREAD_COLOR)[:, :, ::-1] / np.float32(255)))


def band_limited(image: Image, cutoff: float) -> Image:
    """All above a frequency cut off at once: every edge rings."""
    height, width = image.shape[:2]
    kept = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None]) < cutoff
    spectrum = np.fft.fft2(image, axes=(0, 1)) * kept[:, :, None]
    return images.as_stored(np.fft.ifft2(spectrum, axes=(0, 1)).real.astype(np.float32))


def sharpened(image: Image, amount: float) -> Image:
    return images.as_stored(image + np.float32(amount) * (image - cv2.GaussianBlur(image, (0, 0), 1.5)))


def shifted(image: Image, amount: float) -> Image:
    return images.as_stored(image * np.array([1 + amount, 1, 1 - amount], np.float32))


PLANTED: dict[str, tuple[Callable[[Image, float], Image], tuple[float, ...]]] = {
    "blockiness": (lambda image, q: jpeg(image, int(q)), (90, 70, 50, 30, 10)),
    "ringing": (band_limited, (0.4, 0.33, 0.27, 0.22, 0.17)),
    "oversharpening": (sharpened, (0.5, 1, 1.5, 2, 3)),
    "color_shift": (shifted, (0.03, 0.05, 0.08, 0.12, 0.16)),
}


def auc(with_artifact: list[float], clean: list[float]) -> float:
    """Chance that a spoilt picture measures higher than a clean one."""
    wins = [float(a > b) + 0.5 * float(a == b) for a in with_artifact for b in clean]
    return sum(wins) / len(wins)


@pytest.mark.slow
@pytest.mark.parametrize("name", PLANTED)
def test_planted_artifacts_are_told_on_faces_it_was_not_set_on(name: str, eval_faces: Path) -> None:
    plant, strengths = PLANTED[name]
    measure = artifacts.MEASURES[name]
    faces = [images.as_stored(images.fit_square(images.read(path), 512)) for path in images.find(eval_faces).values()]
    clean = [measure(face, shrink(face)) for face in faces]
    spoilt = {strength: [measure(plant(face, strength), shrink(face)) for face in faces] for strength in strengths}
    assert auc([value for values in spoilt.values() for value in values], clean) >= 0.95
    assert auc(spoilt[strengths[-1]], clean) == 1


@pytest.mark.parametrize("name", PLANTED)
def test_more_of_it_measures_more(name: str, face: Image) -> None:
    plant, strengths = PLANTED[name]
    lr = shrink(face)
    values = [artifacts.MEASURES[name](plant(face, strength), lr) for strength in (strengths[0], strengths[-1])]
    assert artifacts.MEASURES[name](face, lr) < values[0] < values[1]


def test_blocks_enlarged_with_the_input_are_found(face: Image) -> None:
    lr = jpeg(shrink(face), 10)
    enlarged = images.as_stored(images.resize(lr, 512, 512))
    clean = images.as_stored(images.resize(shrink(face), 512, 512))
    assert artifacts.blockiness(clean, shrink(face)) < 0.15
    assert artifacts.blockiness(enlarged, lr) > 0.5


def test_enlarging_is_not_called_blocks_or_ringing(face: Image) -> None:
    for scale in (2, 4):
        lr = shrink(face, scale)
        enlarged = images.as_stored(images.resize(lr, 512, 512))
        assert artifacts.blockiness(enlarged, lr) < 0.2
    twice = images.as_stored(images.resize(shrink(face, 2), 512, 512))
    assert artifacts.ringing(twice, shrink(face)) < 1.6


@pytest.mark.parametrize("sigma", [2.0, 5.0, 10.0])
def test_noise_is_measured_in_its_own_unit(sigma: float) -> None:
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:128, 0:128] / 128
    smooth = np.repeat((0.3 + 0.3 * x + 0.1 * y)[:, :, None], 3, axis=2)
    noisy = (smooth + rng.normal(0, sigma / 255, (128, 128, 1))).astype(np.float32)
    assert artifacts.noise(np.clip(noisy, 0, 1), noisy) == pytest.approx(sigma, rel=0.1)
    assert artifacts.noise(smooth.astype(np.float32), noisy) == pytest.approx(0, abs=0.01)


def test_a_picture_against_itself_has_no_colour_shift() -> None:
    picture = draw_face(96)
    assert artifacts.color_shift(picture, picture) == 0
    assert artifacts.color_shift(shifted(picture, 0.1), picture) > 3


@pytest.mark.parametrize("size", [(1, 1), (2, 5), (8, 8), (31, 40), (64, 33), (70, 90)])
@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_flat_and_tiny_pictures_measure_or_give_nan(size: tuple[int, int], value: float) -> None:
    picture = np.full((*size, 3), value, np.float32)
    lr = np.full((max(1, size[0] // 4), max(1, size[1] // 4), 3), value, np.float32)
    for measure in artifacts.MEASURES.values():
        found = measure(picture, lr)
        assert isinstance(found, float)
        assert np.isnan(found) or abs(found) < 10


def test_measures_change_nothing_and_repeat() -> None:
    picture = draw_face(128)
    lr, before = shrink(picture), picture.copy()
    first = {name: measure(picture, lr) for name, measure in artifacts.MEASURES.items()}
    assert first == {name: measure(picture, lr) for name, measure in artifacts.MEASURES.items()}
    assert np.array_equal(picture, before)
