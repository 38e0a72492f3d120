"""artifacts.py: each measure tells its planted artifact from the clean picture, and keeps its documented range.

What is planted, and how it is judged, is in `scripts/bench/artifacts.py`, which also prints it as a table.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import pytest

from fsrbench.core.values import Image
from fsrbench.imaging import artifacts, images
from fsrbench.imaging.artifacts import Look
from support import ROOT, draw_face


def _load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("bench_artifacts", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


bench = _load(ROOT / "scripts" / "bench" / "artifacts.py")
PLANTED = {plant.tag: plant for plant in bench.STANDARD}


def shrink(image: Image, scale: int = 4) -> Image:
    return images.as_stored(images.resize(image, image.shape[1] // scale, image.shape[0] // scale))


@pytest.fixture(scope="module")
def clean(eval_faces: Path, shared_weights: Path) -> list[Any]:
    """Faces that nothing was set on, and their restorations by a published network."""
    pictures: list[Any] = bench.clean_pictures(eval_faces, [str(shared_weights / "realesr-general-x4v3.pth")])
    return pictures


@pytest.mark.slow
@pytest.mark.parametrize("tag", PLANTED)
def test_heuristic_tells_planted_from_clean(tag: str, clean: list[Any]) -> None:
    rows = bench.judge([PLANTED[tag]], clean)
    assert [row["kind"] for row in rows] == ["photo", "realesr-general-x4v3", "together"]
    assert len(rows[0]["strengths"]) == 5
    for row in rows[:2]:
        assert row["auc_all"] >= 0.9, row
        assert row["auc"][-1] == 1, row
        assert row["tagged_clean"] == 0, row


@pytest.mark.slow
@pytest.mark.parametrize(("tag", "knob", "value"), bench.remedies())
def test_every_remedy_lessens_its_artifact(tag: str, knob: str, value: float, eval_faces: Path) -> None:
    """Turned the way the heuristic turns it, on real faces: less is measured, and the picture comes nearer."""
    rows = []
    for name in ("ffhq_00000", "ffhq_00003"):
        photo = images.as_stored(images.fit_square(images.read(eval_faces / f"{name}.png"), 512))
        one = bench.Clean("photo", photo, shrink(photo))
        rows += [bench.treat(tag, knob, value, one, strength) for strength in (2, 4)]
    for row in rows:
        assert row["after"] < row["before"], row
        assert row["psnr_after"] > row["psnr_before"], row


@pytest.mark.slow
def test_ringing_that_cuts_nothing_off_is_told_too(clean: list[Any]) -> None:
    repeated = next(plant for plant in bench.FURTHER if plant.put is bench.echo)
    for row in bench.judge([repeated], clean)[:2]:
        assert row["auc_all"] >= 0.9, row


def test_auc_against_counting() -> None:
    assert bench.auc([2, 3], [0, 1]) == 1
    assert bench.auc([0, 1], [2, 3]) == 0
    assert bench.auc([1, 1], [1, 1]) == 0.5
    assert bench.auc([1, 3], [2, 2]) == 0.5
    assert bench.auc([1, 2, 2], [1, 2]) == pytest.approx((0.5 + 0 + 1 + 0.5 + 1 + 0.5) / 6)


@pytest.mark.parametrize("name", PLANTED)
def test_more_of_it_measures_more(name: str, face: Image) -> None:
    plant, lr = PLANTED[name], shrink(face)
    values = [artifacts.MEASURES[name](Look(plant.put(face, s), lr)) for s in (plant.strengths[0], plant.strengths[-1])]
    assert artifacts.MEASURES[name](Look(face, lr)) < values[0] < values[1]


def test_blocks_are_found_wherever_their_grid_begins(face: Image) -> None:
    """All 64 places of JPEG's grid, in the picture itself and in an input that was enlarged afterwards."""
    lr = shrink(face)
    clean = artifacts.blockiness(Look(face, lr))
    enlarged = artifacts.blockiness(Look(images.as_stored(images.resize(lr, 512, 512)), lr))
    assert abs(clean) < 0.1
    assert abs(enlarged) < 0.1
    for place in np.ndindex(8, 8):
        assert artifacts.blockiness(Look(bench.jpeg_from(face, 70, *place), lr)) > 0.2, place
        low = bench.jpeg_from(lr, 30, *place)
        assert artifacts.blockiness(Look(images.as_stored(images.resize(low, 512, 512)), low)) > 0.2, place


def test_the_place_of_a_grid_changes_little(face: Image) -> None:
    lr = shrink(face)
    found = [artifacts.blockiness(Look(bench.jpeg_from(face, 50, *place), lr)) for place in ((0, 0), (3, 3), (5, 2))]
    assert max(found) - min(found) < 0.2 * max(found)


def test_blocks_enlarged_with_the_input_are_found(face: Image) -> None:
    lr = bench.jpeg(shrink(face), 10)
    enlarged = images.as_stored(images.resize(lr, 512, 512))
    clean = images.as_stored(images.resize(shrink(face), 512, 512))
    assert artifacts.blockiness(Look(clean, shrink(face))) < 0.15
    assert artifacts.blockiness(Look(enlarged, lr)) > 0.5


def test_enlarging_is_not_called_blocks_or_ringing(face: Image) -> None:
    for scale in (2, 4):
        lr = shrink(face, scale)
        enlarged = images.as_stored(images.resize(lr, 512, 512))
        assert artifacts.blockiness(Look(enlarged, lr)) < 0.2
    twice = images.as_stored(images.resize(shrink(face, 2), 512, 512))
    assert artifacts.ringing(Look(twice, shrink(face))) < 1.6


@pytest.mark.parametrize("sigma", [1.0, 1.5, 2.0])
def test_blur_is_not_called_ringing(sigma: float, face: Image) -> None:
    blurred = images.as_stored(cv2.GaussianBlur(face, (0, 0), sigma))
    assert artifacts.ringing(Look(blurred, shrink(face))) < 1.6


def test_noise_is_not_called_ringing(face: Image) -> None:
    grain = np.random.default_rng(0).normal(0, 10 / 255, face.shape)
    assert artifacts.ringing(Look(images.as_stored((face + grain).astype(np.float32)), shrink(face))) < 1.6


@pytest.mark.parametrize("period", [5, 6, 7])
def test_echoes_are_found_at_their_frequency(period: int) -> None:
    """A single bar, its edges followed by a fading wave: drawn, not filtered."""
    distance = np.abs(np.arange(256) - 128)
    row = (
        100
        + 60 * (distance < 40)
        + 10 * np.cos(2 * np.pi * (distance - 40) / period) * np.exp(-np.abs(distance - 40) / 8)
    )
    plane = np.repeat(row[None], 256, axis=0).astype(np.float32)
    found = artifacts.ECHO_FREQUENCIES[np.argmax(np.abs(artifacts.echoes(plane)))]
    assert found == pytest.approx(1 / period, abs=0.025)


def test_a_flat_plane_has_no_echoes() -> None:
    assert not artifacts.echoes(np.full((64, 64), 128, np.float32)).any()


@pytest.mark.parametrize("sigma", [2.0, 5.0, 10.0])
def test_noise_is_measured_in_its_own_unit(sigma: float) -> None:
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:128, 0:128] / 128
    smooth = np.repeat((0.3 + 0.3 * x + 0.1 * y)[:, :, None], 3, axis=2)
    noisy = (smooth + rng.normal(0, sigma / 255, (128, 128, 1))).astype(np.float32)
    assert artifacts.noise(Look(np.clip(noisy, 0, 1), noisy)) == pytest.approx(sigma, rel=0.1)
    assert artifacts.noise(Look(smooth.astype(np.float32), noisy)) == pytest.approx(0, abs=0.01)


def test_a_picture_against_itself_has_no_colour_shift() -> None:
    picture = draw_face(96)
    assert artifacts.color_shift(Look(picture, picture)) == 0
    assert artifacts.color_shift(Look(bench.tint(picture, 0.1), picture)) > 3


@pytest.mark.parametrize("size", [(1, 1), (2, 5), (8, 8), (31, 40), (64, 33), (70, 90)])
@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_flat_and_tiny_pictures_measure_or_give_nan(size: tuple[int, int], value: float) -> None:
    picture = np.full((*size, 3), value, np.float32)
    lr = np.full((max(1, size[0] // 4), max(1, size[1] // 4), 3), value, np.float32)
    for measure in artifacts.MEASURES.values():
        found = measure(Look(picture, lr))
        assert isinstance(found, float)
        assert np.isnan(found) or abs(found) < 10


def test_measures_change_nothing_and_repeat() -> None:
    picture = draw_face(128)
    lr, before = shrink(picture), picture.copy()
    first = {name: measure(Look(picture, lr)) for name, measure in artifacts.MEASURES.items()}
    assert first == {name: measure(Look(picture, lr)) for name, measure in artifacts.MEASURES.items()}
    assert np.array_equal(picture, before)
