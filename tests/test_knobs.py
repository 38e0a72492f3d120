"""Knobs: no-op at the default to the last bit, alive at their ends, bounded, and kind to structure."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.metrics import structural_similarity

from fsrbench.core import plugins
from fsrbench.core.contracts import Knob
from fsrbench.core.values import FAMILIES, Image
from fsrbench.imaging import images
from fsrbench.recipes import _stages as stages
from support import draw_face

KNOBS: dict[str, Knob] = {name: plugins.load("knobs", name) for name in plugins.names("knobs")}
ACTING = sorted(name for name, knob in KNOBS.items() if knob.stage in ("before", "after"))
PAPER = {
    "general": {"color_balance", "dehalo", "detail_damping"},
    "blind": {"scale", "denoise", "deblock"},
    "prior": {"restore_weight", "only_center_face"},
}


def pictures(size: int = 48, seed: int = 0) -> tuple[Image, Image]:
    """A noisy, blocky LR and an oversharpened SR with a colour cast: something to do for every knob."""
    hr = draw_face(4 * size, seed)
    clean = images.resize(hr, size, size)
    lr = stages.jpeg(stages.gaussian_noise(clean, 6, False, seed), 35)
    sharp = hr + 1.2 * (hr - stages.blur(hr, stages.gaussian(11, 2, 2)))
    sr = np.clip(sharp * np.array([1.06, 1, 0.94], np.float32), 0, 1)
    return lr, np.ascontiguousarray(sr, dtype=np.float32)


def turn(name: str, value: Any, lr: Image, sr: Image) -> tuple[Image, Image]:
    """The picture a knob acts on, and what it makes of it."""
    knob = KNOBS[name]
    assert knob.apply is not None
    picture = lr if knob.stage == "before" else sr
    return picture, knob.apply(picture, value, lr)


# --------------------------------------------------------------- declarations


@pytest.mark.parametrize("name", KNOBS)
def test_declared_whole(name: str) -> None:
    knob = KNOBS[name]
    assert len(knob.meaning) > 40
    assert knob.meaning.endswith(".")
    assert set(knob.families) <= set(FAMILIES)
    assert knob.families
    assert (knob.apply is None) == (knob.stage in ("restore", "around"))
    if knob.choices:
        assert knob.default in knob.choices
        assert knob.low is None
        assert knob.high is None
    else:
        assert isinstance(knob.default, float)
        assert knob.low is not None
        assert knob.high is not None
        assert knob.low <= knob.default <= knob.high
        assert knob.low < knob.high
    assert knob.clamp(knob.default) == knob.default


@pytest.mark.parametrize("family", FAMILIES)
def test_the_papers_knobs_are_offered_and_the_deeper_ones_are_not(family: str) -> None:
    ours = {name for name, knob in KNOBS.items() if family in knob.families}
    assert PAPER[family] <= ours
    assert all(KNOBS[name].deep != (name in PAPER[family]) for name in ours)


@pytest.mark.parametrize("name", KNOBS)
@given(value=st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False)))
def test_any_number_is_clamped_into_bounds(name: str, value: float) -> None:
    knob = KNOBS[name]
    if isinstance(knob.default, bool):
        with pytest.raises(ValueError, match="not true or false"):
            knob.clamp(value)
        return
    given_ = knob.clamp(value)
    if knob.choices:
        assert given_ in knob.choices
        assert all(abs(given_ - value) <= abs(c - value) for c in knob.choices)
    else:
        assert knob.low is not None
        assert knob.high is not None
        assert knob.low <= given_ <= knob.high
        assert isinstance(given_, float)
        if knob.low <= value <= knob.high:
            assert given_ == value
    assert knob.clamp(given_) == given_


@pytest.mark.parametrize("name", KNOBS)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, "0.5", "", None, [0.5], {"a": 1}])
def test_what_is_no_value_is_refused(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match="is not"):
        KNOBS[name].clamp(value)


@pytest.mark.parametrize("name", KNOBS)
def test_true_is_a_value_of_flags_alone(name: str) -> None:
    if isinstance(KNOBS[name].default, bool):
        assert KNOBS[name].clamp(True) is True
        assert KNOBS[name].clamp(False) is False
    else:
        with pytest.raises(ValueError, match="not a number"):
            KNOBS[name].clamp(True)


# --------------------------------------------------------------------- pixels


@pytest.mark.parametrize("name", ACTING)
def test_default_is_a_no_op_to_the_last_bit(name: str) -> None:
    for seed in range(3):
        lr, sr = pictures(24, seed)
        picture, out = turn(name, KNOBS[name].default, lr, sr)
        assert out is picture


@pytest.mark.parametrize("name", ACTING)
def test_every_other_end_moves_pixels_and_more_moves_more(name: str) -> None:
    knob, (lr, sr) = KNOBS[name], pictures()
    low, high = (knob.low, knob.high)
    assert low is not None
    assert high is not None
    assert low == knob.default  # so the high end is the one that acts
    moved = []
    for share in (0.25, 0.5, 1.0):
        picture, out = turn(name, low + share * (high - low), lr, sr)
        assert not np.array_equal(images.to_8bit(out), images.to_8bit(picture))
        moved.append(float(np.abs(out - picture).mean()))
    assert 0 < moved[0] < moved[1] < moved[2]


@pytest.mark.parametrize("name", ACTING)
@pytest.mark.parametrize("shape", [(8, 8), (9, 31), (16, 17), (48, 8)])
def test_contract_holds_at_every_size(name: str, shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    for lr in (
        rng.random((*shape, 3), dtype=np.float32),
        np.zeros((*shape, 3), np.float32),
        np.ones((*shape, 3), np.float32),
    ):
        for factor in (1, 4):
            sr = rng.random((shape[0] * factor, shape[1] * factor, 3), dtype=np.float32)
            before = (lr.copy(), sr.copy())
            picture, out = turn(name, KNOBS[name].high, lr, sr)
            images.check(out, name)
            assert out.shape == picture.shape
            assert np.array_equal(lr, before[0])  # never in place
            assert np.array_equal(sr, before[1])
            assert out.tobytes() == turn(name, KNOBS[name].high, lr, sr)[1].tobytes()


@pytest.mark.parametrize("name", ACTING)
def test_a_single_pixel_does_not_break_it(name: str) -> None:
    dot = np.full((1, 1, 3), 0.5, np.float32)
    _, out = turn(name, KNOBS[name].high, dot, np.full((4, 4, 3), 0.5, np.float32))
    images.check(out, name)


@pytest.mark.parametrize("name", sorted(PAPER["general"]))
def test_general_knobs_do_not_edit_structure(name: str) -> None:
    """At full strength on an oversharpened picture: SSIM to the input at least 0.9, gradients correlate to 0.95."""
    for seed in range(3):
        lr, sr = pictures(seed=seed)
        _, out = turn(name, KNOBS[name].high, lr, sr)
        assert structural_similarity(sr, out, channel_axis=2, data_range=1) > 0.9
        a, b = (np.concatenate([g.ravel() for g in np.gradient(p.mean(axis=2))]) for p in (sr, out))
        assert np.corrcoef(a, b)[0, 1] > 0.95
        assert np.abs(out - sr).max() <= 0.25


# ------------------------------------------------- each does what it says


def test_color_balance_removes_a_cast_and_nothing_else() -> None:
    hr = draw_face(192)
    lr = images.resize(hr, 48, 48, "area")
    cast = np.clip(hr + np.array([0.06, 0, -0.06], np.float32), 0, 1).astype(np.float32)
    _, out = turn("color_balance", 1.0, lr, cast)
    assert np.abs(out.mean((0, 1)) - hr.mean((0, 1))).max() < 0.2 * np.abs(cast.mean((0, 1)) - hr.mean((0, 1))).max()
    _, out = turn("color_balance", 1.0, lr, hr)
    assert np.abs(out - hr).max() < 1 / 255  # no cast, nothing to do
    _, out = turn("color_balance", 1.0, lr, 1 - hr)
    assert np.abs(out - (1 - hr)).max() <= 0.1 + 1e-6


def test_dehalo_presses_halos_and_leaves_a_faithful_picture_alone() -> None:
    hr = np.full((96, 96, 3), 0.3, np.float32)
    hr[:, 48:] = 0.7
    hr = stages.blur(hr, stages.gaussian(7, 1, 1))
    lr = images.resize(hr, 24, 24, "area")
    halo = np.clip(hr + 2.5 * (hr - stages.blur(hr, stages.gaussian(11, 2, 2))), 0, 1)
    assert halo.max() > 0.8
    _, out = turn("dehalo", 1.0, lr, halo)
    assert out.max() < 0.73
    assert out.min() > 0.27
    _, out = turn("dehalo", 1.0, lr, hr)
    assert np.abs(out - hr).max() < 0.02


def test_dehalo_keeps_hue() -> None:
    lr, sr = pictures()
    _, out = turn("dehalo", 1.0, lr, sr)
    inside = (out > 0).all(axis=2) & (out < 1).all(axis=2)
    assert np.ptp((out - sr)[inside], axis=1).max() < 1e-5


def test_detail_damping_softens_texture_and_keeps_edges() -> None:
    rng = np.random.default_rng(0)
    sr = np.full((64, 64, 3), 0.3, np.float32)
    sr[:, 32:] = 0.8
    noisy = np.clip(sr + rng.normal(0, 0.02, sr.shape), 0, 1).astype(np.float32)
    _, out = turn("detail_damping", 0.6, noisy[::4, ::4], noisy)
    assert (out - sr)[:, :28].std() < 0.75 * (noisy - sr)[:, :28].std()
    assert (out[:, 32:34].mean() - out[:, 30:32].mean()) > 0.97 * 0.5


def test_denoise_removes_noise() -> None:
    clean = images.as_stored(images.resize(draw_face(256), 64, 64))
    noisy = stages.finish(stages.gaussian_noise(clean, 10, False, 1))
    _, out = turn("denoise", 1.0, noisy, noisy)
    assert ((out - clean) ** 2).mean() < 0.7 * ((noisy - clean) ** 2).mean()


def test_deblock_levels_the_grid_and_leaves_edges() -> None:
    ramp = np.linspace(0.2, 0.8, 64, dtype=np.float32)
    smooth = np.ascontiguousarray((ramp[None, :, None] * 0.5 + ramp[:, None, None] * 0.5).repeat(3, axis=2))
    blocky = stages.resize(stages.resize(smooth, 8, 8, "area"), 64, 64, "area")
    blocky = smooth * 0.4 + np.repeat(np.repeat(smooth.reshape(8, 8, 8, 8, 3).mean((1, 3)), 8, 0), 8, 1) * 0.6
    _, out = turn("deblock", 1.0, blocky, blocky)
    grid = np.abs(np.diff(blocky, axis=1))[:, 7::8].mean()
    assert np.abs(np.diff(out, axis=1))[:, 7::8].mean() < 0.6 * grid
    assert ((out - smooth) ** 2).mean() < ((blocky - smooth) ** 2).mean()
    edge = np.full((32, 32, 3), 0.2, np.float32)
    edge[:, 16:] = 0.8  # a real edge on the grid
    _, out = turn("deblock", 1.0, edge, edge)
    assert np.abs(out - edge).max() < 0.01
