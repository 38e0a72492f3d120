"""Noise, blur and JPEG quality, estimated from an input alone, against what was put there.

The table over all faces is printed by `scripts/bench/estimators.py`.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from fsrbench.core import plugins
from fsrbench.core.contracts import Damage
from fsrbench.core.values import Image
from fsrbench.imaging import damage, images
from fsrbench.recipes import _stages as stages
from fsrbench.recipes import paper
from support import ROOT, draw_face


def _load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("bench_estimators", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


bench = _load(ROOT / "scripts" / "bench" / "estimators.py")


def small(side: int = 128, sigma: float = 6.0) -> Image:
    """A drawn face with noise, so that JPEG has something to round."""
    drawn = images.resize(draw_face(256), side, side)
    return images.as_stored(stages.gaussian_noise(drawn, sigma, False, 7))


@pytest.mark.parametrize("quality", [10, 30, 47, 60, 75, 90, 95])
def test_the_quality_of_the_last_jpeg_is_read_exactly(quality: int) -> None:
    assert damage.quality(stages.jpeg(small(), quality)) == quality


def test_of_two_jpegs_the_last_is_read() -> None:
    assert damage.quality(stages.jpeg(stages.jpeg(small(), 40), 80)) == 80


@pytest.mark.parametrize("picture", [small(), small(sigma=0), np.full((64, 64, 3), 0.5, np.float32)])
def test_what_was_never_a_jpeg_has_no_quality(picture: Image) -> None:
    assert damage.quality(picture) is None


def test_what_is_too_small_shows_nothing() -> None:
    assert damage.estimate(small(24)) is None
    assert damage.estimate(small(32)) is not None


def test_clipped_blocks_do_not_mislead() -> None:
    picture = small().copy()
    picture[:64] = np.clip(picture[:64] * 3 - 1, 0, 1)
    assert damage.quality(stages.jpeg(picture, 55)) == 55


def test_estimates_do_not_depend_on_what_a_picture_is_cut_off_at() -> None:
    """Sides that are no multiple of 8 leave a strip that is not looked at."""
    whole = stages.jpeg(small(), 60)
    assert damage.estimate(np.ascontiguousarray(whole[:125, :123])) == damage.estimate(whole[:120, :120].copy())


def test_more_of_either_is_estimated_as_more(face: Image) -> None:
    """Of one face; the other kind of damage and JPEG stay."""
    found = {
        (noise, blur): damage.estimate(paper.apply(face, paper.like(Damage(noise, blur, 80), 3), 4))
        for noise in (0.0, 2.0, 5.0)
        for blur in (0.4, 0.8, 1.6)
    }
    known = {at: one for at, one in found.items() if one is not None}
    assert len(known) == 9
    assert {one.quality for one in known.values()} == {80}
    for blur in (0.4, 0.8, 1.6):
        assert known[0.0, blur].noise < known[2.0, blur].noise < known[5.0, blur].noise
    for noise in (0.0, 2.0, 5.0):
        assert known[noise, 0.4].blur < known[noise, 0.8].blur < known[noise, 1.6].blur


@pytest.mark.slow
def test_estimates_come_near_what_was_drawn(eval_faces: Path) -> None:
    """Bounds on the table of docs/internal-auditor.md, on faces that nothing was fitted to."""
    faces = [(name, bench.standardise(images.read(path), 512)) for name, path in images.find(eval_faces).items()]
    quality, noise, drawn, blur = bench.rows(bench.degraded(faces, 10))
    assert quality["n"] == 60
    assert quality["exact"] >= 0.95
    assert quality["mae"] <= 0.1
    assert (noise["rho"] >= 0.5, noise["mae"] <= 1.2, abs(noise["bias"]) <= 0.5) == (True, True, True)
    assert (blur["rho"] >= 0.85, blur["mae"] <= 0.27, abs(blur["bias"]) <= 0.1) == (True, True, True)
    assert drawn["rho"] < noise["rho"], "what blur has taken away cannot be estimated: the page says so"


def test_the_recipe_says_all_that_it_draws() -> None:
    recipe = plugins.load("recipes", "paper")
    assert recipe.like is not None
    values = recipe.like(Damage(2.0, 1.0, None), 2**70 + 5)
    assert tuple(values) == recipe.columns
    assert {name: type(value) for name, value in values.items()} == {
        name: type(value) for name, value in recipe.draw(np.random.default_rng(0)).items()
    }
    assert values["jpeg_quality"] == 100


def test_noise_is_left_as_strong_as_it_was_estimated() -> None:
    """On a flat picture and without JPEG's own losses worth speaking of."""
    flat = np.full((512, 512, 3), 0.5, np.float32)
    for sigma, blur in ((3.0, 0.4), (1.5, 1.0)):
        lr = paper.apply(flat, paper.like(Damage(sigma, blur, 100), 1), 4)
        assert np.std(lr @ np.array([76.245, 149.685, 29.07])) == pytest.approx(sigma, rel=0.12)
