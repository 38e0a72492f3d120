"""Recipes: what is drawn, what the stages do to pixels (against other implementations), and what is refused."""

from __future__ import annotations

import importlib.util
import io
import math
import sys
import types
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage, special, stats
from scipy.stats import multivariate_normal

from fsrbench.core import plugins
from fsrbench.imaging import images
from fsrbench.recipes import _sampling as sampling
from fsrbench.recipes import _stages as stages
from support import draw_face

RECIPES = plugins.names("recipes")
SEEDS = st.integers(0, 2**63 - 1)


def drawn(name: str, seed: int) -> dict[str, Any]:
    return plugins.load("recipes", name).draw(np.random.default_rng(seed))


# -------------------------------------------------------------------- drawing


def test_shipped() -> None:
    assert {"paper", "realesrgan", "bsrgan", "bicubic"} <= set(RECIPES)


@pytest.mark.parametrize("name", RECIPES)
@given(seed=SEEDS)
@settings(max_examples=60, deadline=None)
def test_same_columns_and_types_whatever_is_drawn(name: str, seed: int) -> None:
    recipe, values, first = plugins.load("recipes", name), drawn(name, seed), drawn(name, 0)
    assert tuple(values) == recipe.columns
    assert {k: type(v) for k, v in values.items()} == {k: type(v) for k, v in first.items()}
    assert all(type(v) in (int, float, bool, str) for v in values.values())
    assert values == drawn(name, seed)
    assert all(float(repr(v)) == v for v in values.values() if isinstance(v, float))


@given(seed=SEEDS)
@settings(max_examples=200, deadline=None)
def test_paper_stays_in_its_ranges(seed: int) -> None:
    v = drawn("paper", seed)
    for blur in ("blur_a", "blur_b"):
        assert v[f"{blur}_size"] in (7, 9, 11)
        assert 0.2 <= v[f"{blur}_sigma_x"] <= 3
        assert 0.2 <= v[f"{blur}_sigma_y"] <= 3
        assert -math.pi <= v[f"{blur}_angle"] <= math.pi
    low, high = {"up": (1, 2), "down": (0.5, 1), "keep": (1, 1)}[v["resize"]]
    assert low <= v["resize_factor"] <= high
    assert {v["resize_kernel"], v["back_kernel"]} <= {"area", "bilinear", "bicubic"}
    assert v["noise"] in ("gaussian", "poisson")
    assert 0 <= v["noise_sigma"] <= 15
    assert 0.05 <= v["noise_poisson_scale"] <= 3
    assert 30 <= v["jpeg_quality"] <= 90


@given(seed=SEEDS)
@settings(max_examples=200, deadline=None)
def test_realesrgan_stays_in_its_ranges(seed: int) -> None:
    v = drawn("realesrgan", seed)
    assert v["sharpen"] is True
    for order, sigma, factor, noise in (("1", 3, (0.15, 1.5), 30), ("2", 1.5, (0.3, 1.2), 25)):
        assert v[f"blur{order}_size"] in range(7, 22, 2)
        assert 0.2 <= v[f"blur{order}_sigma_x"] <= sigma
        assert 0.2 <= v[f"blur{order}_sigma_y"] <= sigma
        assert 0.5 <= v[f"blur{order}_beta"] <= 4
        lowest = math.pi / 3 if v[f"blur{order}_size"] < 13 else math.pi / 5
        assert lowest <= v[f"blur{order}_cutoff"] <= math.pi
        assert factor[0] <= v[f"resize{order}_factor"] <= factor[1]
        assert 1 <= v[f"noise{order}_sigma"] <= noise
        assert 30 <= v[f"jpeg{order}_quality"] <= 95
    assert math.pi / 3 <= v["final_sinc_cutoff"] <= math.pi


@given(seed=SEEDS)
@settings(max_examples=100, deadline=None)
def test_bsrgan_order_holds_each_step_once_and_shrinks_to_size_last(seed: int) -> None:
    v = drawn("bsrgan", seed)
    steps = v["order"].split()
    assert sorted(steps) == ["blur1", "blur2", "down1", "down2", "jpeg", "noise"]
    assert steps.index("down1") < steps.index("down2")
    assert 2 <= v["noise_level"] <= 25
    assert 30 <= v["final_jpeg_quality"] <= 95


@pytest.mark.parametrize(
    ("name", "column", "shares"),
    [
        ("paper", "resize", {"up": 1 / 3, "down": 1 / 3, "keep": 1 / 3}),
        ("paper", "noise", {"gaussian": 0.5, "poisson": 0.5}),
        ("paper", "noise_grey", {True: 0.4, False: 0.6}),
        ("realesrgan", "resize1", {"up": 0.2, "down": 0.7, "keep": 0.1}),
        ("realesrgan", "resize2", {"up": 0.3, "down": 0.4, "keep": 0.3}),
        ("realesrgan", "blur1_kernel", {"sinc": 0.1, "iso": 0.9 * 0.45, "plateau_aniso": 0.9 * 0.03}),
        ("realesrgan", "blur2_on", {True: 0.8}),
        ("realesrgan", "final_sinc_on", {True: 0.8}),
        ("bsrgan", "down1", {"shifted": 0.25}),
        ("bsrgan", "noise", {"colour": 0.4, "correlated": 0.2, "grey": 0.4}),
        ("bsrgan", "jpeg_on", {True: 0.9}),
        ("bsrgan", "halve_first", {True: 0.25}),
        ("bsrgan", "halve_kernel", {"antialiased": 1 / 2, "area": 1 / 6, "bilinear": 1 / 6, "bicubic": 1 / 6}),
    ],
)
def test_chances(name: str, column: str, shares: dict[Any, float]) -> None:
    rng, recipe, n = np.random.default_rng(5), plugins.load("recipes", name), 1500
    seen = Counter(recipe.draw(rng)[column] for _ in range(n))
    for option, share in shares.items():
        assert abs(seen[option] / n - share) < 4 * math.sqrt(share * (1 - share) / n)


def test_bsrgan_steps_come_in_any_place() -> None:
    orders = {drawn("bsrgan", seed)["order"] for seed in range(200)}
    assert {o.split()[0] for o in orders} == {"blur1", "blur2", "down1", "jpeg", "noise"}
    assert "down2" in {o.split()[-1] for o in orders}
    assert len(orders) > 120  # of 360


# ------------------------------------------------------------------- applying


@pytest.mark.parametrize("name", RECIPES)
def test_apply_is_deterministic_and_keeps_the_contract(name: str) -> None:
    hr, recipe = draw_face(96), plugins.load("recipes", name)
    before = hr.copy()
    for seed in range(25):
        values = drawn(name, seed)
        for scale in (2, 4):
            lr = images.check(recipe.apply(hr, values, scale))
            assert lr.shape == (96 // scale, 96 // scale, 3)
            assert np.array_equal(lr, images.as_stored(lr))  # 8 bits deep, as the stored file
            assert lr.tobytes() == recipe.apply(hr, values, scale).tobytes()
    assert np.array_equal(hr, before)


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("shape", [(8, 8), (16, 40)])
def test_apply_takes_small_and_oblong_pictures(name: str, shape: tuple[int, int]) -> None:
    hr, recipe = np.random.default_rng(1).random((*shape, 3), dtype=np.float32), plugins.load("recipes", name)
    for seed in range(25):
        lr = images.check(recipe.apply(hr, drawn(name, seed), 4))
        assert lr.shape == (shape[0] // 4, shape[1] // 4, 3)


def test_two_seeds_differ() -> None:
    hr = draw_face(64)
    for name in ("paper", "realesrgan", "bsrgan"):
        recipe = plugins.load("recipes", name)
        assert not np.array_equal(recipe.apply(hr, drawn(name, 1), 4), recipe.apply(hr, drawn(name, 2), 4))


@pytest.mark.slow
def test_paper_equals_the_five_stages_done_by_others() -> None:
    """scipy blurs, torch resizes, Pillow compresses; noise of sigma 0."""
    from PIL import Image as Pillow

    hr, recipe = draw_face(128), plugins.load("recipes", "paper")
    for seed in range(6):
        values = drawn("paper", seed) | {"noise": "gaussian", "noise_sigma": 0.0}
        image = _scipy_blur(hr, values, "blur_a")
        side = int(128 * values["resize_factor"])
        image = _torch_resize(image, side, values["resize_kernel"])
        image = np.clip(_torch_resize(image, 32, values["back_kernel"]), 0, 1)
        image = _scipy_blur(image, values, "blur_b")
        file = io.BytesIO()
        Pillow.fromarray(images.to_8bit(image)).save(file, "JPEG", quality=values["jpeg_quality"], subsampling=2)
        expected = np.asarray(Pillow.open(file), dtype=np.float32) / 255
        assert np.abs(recipe.apply(hr, values, 4) - expected).mean() < 1.5 / 255


def _scipy_blur(image: Any, values: dict[str, Any], name: str) -> Any:
    size = values[f"{name}_size"]
    angle = values[f"{name}_angle"]
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    covariance = turn @ np.diag([values[f"{name}_sigma_x"] ** 2, values[f"{name}_sigma_y"] ** 2]) @ turn.T
    y, x = np.mgrid[:size, :size] - size // 2
    kernel = multivariate_normal([0, 0], covariance).pdf(np.dstack([x, y]))
    return ndimage.correlate(image.astype(np.float64), (kernel / kernel.sum())[:, :, None], mode="mirror")


def _torch_resize(image: Any, side: int, kernel: str) -> Any:
    import torch

    if image.shape[0] == side:
        return image
    if kernel == "area":  # exact box filter with fractional borders
        weights = np.array(
            [[_overlap(i, j, image.shape[0] / side) for j in range(image.shape[0])] for i in range(side)]
        )
        if side < image.shape[0]:
            return np.einsum("ij,jkc,lk->ilc", weights, image, weights)
        kernel = "bilinear"  # OpenCV enlarges by area as it does bilinearly, nearly
    tensor = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None]
    out = torch.nn.functional.interpolate(tensor, (side, side), mode=kernel, align_corners=False)
    return out[0].permute(1, 2, 0).numpy()


def _overlap(i: int, j: int, step: float) -> float:
    return max(0.0, min((i + 1) * step, j + 1) - max(i * step, j)) / step


# --------------------------------------------------------------------- stages


@given(
    size=st.sampled_from([7, 9, 11, 21, 25]),
    sigma_x=st.floats(0.2, 6),
    sigma_y=st.floats(0.2, 6),
    angle=st.floats(-math.pi, math.pi),
)
@settings(max_examples=40, deadline=None)
def test_gaussian_is_the_density_of_a_turned_normal(size: int, sigma_x: float, sigma_y: float, angle: float) -> None:
    kernel = stages.gaussian(size, sigma_x, sigma_y, angle)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    y, x = np.mgrid[:size, :size] - size // 2
    density = multivariate_normal([0, 0], turn @ np.diag([sigma_x**2, sigma_y**2]) @ turn.T).pdf(np.dstack([x, y]))
    assert np.allclose(kernel, density / density.sum(), atol=1e-6)
    assert abs(float(kernel.sum()) - 1) < 1e-5


def test_sinc_is_the_jinc_and_passes_what_is_below_its_cutoff() -> None:
    kernel = stages.sinc(21, 1.7)
    y, x = np.mgrid[:21, :21] - 10
    radius = np.hypot(x, y)
    with np.errstate(invalid="ignore", divide="ignore"):
        jinc = np.where(radius > 0, 2 * special.j1(1.7 * radius) / (1.7 * radius), 1)
    assert np.allclose(kernel, jinc / jinc.sum(), atol=1e-6)
    response = np.abs(np.fft.fft2(stages.sinc(101, 1.7), (256, 256)))
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(256), np.fft.fftfreq(256))) * 2 * math.pi
    assert np.all(np.abs(response[frequency < 1.4] - 1) < 0.1)
    assert np.all(response[frequency > 2.0] < 0.1)


def test_every_kernel_sums_to_one() -> None:
    for kernel in (
        stages.gaussian(7, 0.2, 3, 1.0),
        stages.gaussian(21, 2, 0.5, 0.3, beta=0.5),
        stages.gaussian(25, 0.1, 0.1, offset=1.5),
        stages.plateau(21, 2, 1, 0.3, 1.5),
        stages.sinc(7, math.pi),
    ):
        assert abs(float(kernel.sum()) - 1) < 1e-5
        assert np.isfinite(kernel).all()


def test_offset_moves_the_centre_of_gravity() -> None:
    kernel = stages.gaussian(25, 2, 2, offset=1.5)
    y, x = np.mgrid[:25, :25] - 12
    assert (kernel * x).sum() == pytest.approx(1.5, abs=1e-3)
    assert (kernel * y).sum() == pytest.approx(1.5, abs=1e-3)


@pytest.fixture(scope="module")
def theirs() -> Any:
    """basicsr's file of degradations alone: the package does not import beside a current torchvision."""
    spec = importlib.util.find_spec("basicsr")
    if spec is None or spec.origin is None:
        pytest.skip("basicsr is not installed (extra upstream)")
    stand_in = types.ModuleType("torchvision.transforms.functional_tensor")
    stand_in.rgb_to_grayscale = None  # type: ignore[attr-defined]
    file = importlib.util.spec_from_file_location("theirs", Path(spec.origin).parent / "data" / "degradations.py")
    assert file is not None
    assert file.loader is not None
    module = importlib.util.module_from_spec(file)
    with pytest.MonkeyPatch.context() as patch, np.errstate():  # it changes the state
        patch.setitem(sys.modules, stand_in.__name__, stand_in)
        file.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_kernels_equal_basicsr(theirs: Any) -> None:
    for size, sx, sy, angle, beta in ((7, 0.4, 2.5, 0.7, 1.4), (21, 3, 1, -2.0, 0.6), (11, 1.5, 1.5, 3.0, 3.5)):
        pairs = (
            (theirs.bivariate_Gaussian(size, sx, sy, angle, isotropic=False), stages.gaussian(size, sx, sy, angle)),
            (
                theirs.bivariate_generalized_Gaussian(size, sx, sy, angle, beta, isotropic=False),
                stages.gaussian(size, sx, sy, angle, beta),
            ),
            (
                theirs.bivariate_plateau(size, sx, sy, angle, beta, isotropic=False),
                stages.plateau(size, sx, sy, angle, beta),
            ),
        )
        for expected, got in pairs:
            assert np.allclose(got, expected, atol=1e-6)
        with np.errstate(invalid="ignore"):  # theirs divides 0 by 0 in the middle before it sets the value there
            expected = theirs.circular_lowpass_kernel(beta / 2 + 0.7, size)
        assert np.allclose(stages.sinc(size, beta / 2 + 0.7), expected, atol=1e-6)


@pytest.mark.parametrize("size", [7, 11, 21, 25])
def test_blur_is_scipys_correlation(size: int) -> None:
    image = draw_face(48)
    kernel = np.random.default_rng(size).random((size, size), dtype=np.float32)
    kernel /= kernel.sum()
    expected = ndimage.correlate(image.astype(np.float64), kernel[:, :, None].astype(np.float64), mode="mirror")
    assert np.abs(stages.blur(image, kernel) - expected).max() < 1e-5


@given(
    size=st.sampled_from([7, 9, 11, 13, 21]),
    sigma_x=st.floats(0.2, 4),
    sigma_y=st.floats(0.2, 4),
    angle=st.floats(-math.pi, math.pi),
    cutoff=st.floats(math.pi / 3, math.pi),
)
@settings(max_examples=40, deadline=None)
def test_blur_by_columns_and_rows_is_the_kernels(
    size: int, sigma_x: float, sigma_y: float, angle: float, cutoff: float
) -> None:
    image = draw_face(32)
    for kernel in (stages.gaussian(size, sigma_x, sigma_y, angle), stages.sinc(size, cutoff)):
        expected = ndimage.correlate(image.astype(np.float64), kernel[:, :, None].astype(np.float64), mode="mirror")
        assert np.abs(stages.blur(image, kernel) - expected).max() < 1.5e-5
        for large in (False, True):
            pairs = stages._separated(kernel, large)
            assert not pairs or np.abs(sum(np.outer(c, r) for c, r in pairs) - kernel).sum() < 1.5e-5


def test_what_is_taken_apart() -> None:
    assert len(stages._separated(stages.gaussian(21, 2, 2), True)) == 1
    assert len(stages._separated(stages.gaussian(21, 2, 1.5, 0.3), True)) == 5
    assert len(stages._separated(stages.gaussian(13, 2, 1, 0.3), True)) == 7
    assert stages._separated(stages.gaussian(11, 2, 1, 0.3), True) == []  # quicker as it is
    assert stages._separated(np.random.default_rng(0).random((21, 21), dtype=np.float32), True) == []


@pytest.mark.parametrize("kernel", ["bilinear", "bicubic"])
@pytest.mark.parametrize("side", [17, 24, 48, 70])
def test_resize_is_torchs(kernel: str, side: int) -> None:
    image = draw_face(48)
    assert np.abs(stages.resize(image, side, side, kernel) - _torch_resize(image, side, kernel)).max() < 1e-4


def test_area_is_the_mean_of_what_a_pixel_covers() -> None:
    image = draw_face(48)
    assert np.allclose(stages.resize(image, 12, 12, "area"), image.reshape(12, 4, 12, 4, 3).mean((1, 3)), atol=1e-6)
    assert np.allclose(stages.resize(image, 20, 20, "area"), _torch_resize(image, 20, "area"), atol=1e-5)


def test_normal_deviates_are_distributed_as_such() -> None:
    """Of the sum of two drawn from the table, exactly: the chance to stay below any bound."""
    half = np.sort(sampling._deviates().astype(np.float64))

    def below(bound: float) -> float:
        return float(np.searchsorted(half, bound - half).mean() / half.size)

    assert max(abs(below(z) - stats.norm.cdf(z)) for z in np.linspace(-6, 6, 601)) < 1e-5
    for z in (3, 3.5, 4):
        assert 1 - below(z) == pytest.approx(stats.norm.sf(z), rel=0.01)
    assert 2 * half.var() == pytest.approx(1, abs=1e-6)
    assert half.mean() == pytest.approx(0, abs=1e-9)


def test_normal_fields_are_independent_from_pixel_to_pixel() -> None:
    field = sampling.normal((400, 300, 3), 11).astype(np.float64)  # more than one part
    assert stats.kstest(field.ravel(), "norm").pvalue > 1e-3
    assert stats.kurtosis(field, axis=None) == pytest.approx(0, abs=0.04)
    for shifted in (field[1:], field[:, 1:], field[:, :, 1:]):
        same = field[tuple(slice(n) for n in shifted.shape)]
        assert abs(float((same * shifted).mean())) < 5 / math.sqrt(shifted.size)
    assert np.array_equal(field, sampling.normal((400, 300, 3), 11))
    assert not np.isin(field[0], sampling.normal((1, 300, 3), 12)).all()


@pytest.mark.parametrize("counts", [1, 2, 16, 64, 128, 256])
def test_counts_have_scipys_distribution_at_every_level(counts: int) -> None:
    keep, offsets = sampling._counts(counts)
    share = keep.reshape(256, 256) / 2**32
    levels = np.arange(256)[:, None]
    number = np.rint((offsets.reshape(256, 256, 2) + levels[:, :, None] / 255) * counts).astype(int)
    chance = np.zeros((256, number.max() + 1))
    np.add.at(chance, (levels, number[:, :, 0]), share / 256)
    np.add.at(chance, (levels, number[:, :, 1]), (1 - share) / 256)
    assert np.abs(chance - stats.poisson.pmf(np.arange(chance.shape[1]), levels * counts / 255)).max() < 1e-9


@pytest.mark.parametrize("level", [0, 1, 17, 128, 255])
def test_drawn_counts_are_poissons(level: int) -> None:
    counts, n = 256, 300 * 300
    field = sampling.shot(np.full((300, 300), level, np.uint8), counts, 5)
    drawn_counts = np.rint((field + level / 255) * counts).astype(int).ravel()
    rate = level / 255 * counts
    if level == 0:
        assert not drawn_counts.any()
        return
    edges = np.unique(stats.poisson.ppf(np.linspace(0, 1, 21)[1:-1], rate)).astype(int)  # classes (low, high]
    expected = np.diff(np.concatenate([[0], stats.poisson.cdf(edges, rate), [1]])) * n
    seen = np.bincount(np.searchsorted(edges, drawn_counts), minlength=expected.size)
    assert stats.chisquare(seen, expected * seen.sum() / expected.sum()).pvalue > 1e-3
    neighbours = np.corrcoef(drawn_counts[1:], drawn_counts[:-1])[0, 1]
    assert abs(neighbours) < 5 / math.sqrt(n)


@pytest.mark.slow
@pytest.mark.parametrize("grey", [False, True])
def test_noise_is_distributed_as_basicsrs(grey: bool, theirs: Any) -> None:
    """On the same picture: what both add has one distribution, as far as 50,000 pixels can tell."""
    image = 0.3 + 0.4 * images.as_stored(draw_face(128))  # away from the ends, where clipping bites
    bgr = np.ascontiguousarray(image[:, :, ::-1])
    np.random.seed(0)
    pairs = (
        (stages.gaussian_noise(image, 12, grey, 1), theirs.add_gaussian_noise(bgr, 12, gray_noise=grey)),
        (stages.poisson_noise(image, 1, grey, 1), theirs.add_poisson_noise(bgr, 1, gray_noise=grey)),
    )
    for ours, other in pairs:
        added, expected = ours - image, (other - bgr)[:, :, ::-1]
        assert added.std() == pytest.approx(expected.std(), rel=0.03)
        some = (slice(None), slice(None), 0) if grey else ...  # a grey field has no more than one channel
        assert stats.ks_2samp(added[some].ravel(), expected[some].ravel()).pvalue > 1e-3
        assert (np.median(np.ptp(added, axis=2)) < 1e-6) == grey


def test_gaussian_noise_has_its_sigma() -> None:
    flat = np.full((200, 200, 3), 0.5, np.float32)
    noise = (stages.gaussian_noise(flat, 10, False, 3) - flat) * 255
    assert noise.std() == pytest.approx(10, rel=0.02)
    assert abs(np.corrcoef(noise[:, :, 0].ravel(), noise[:, :, 1].ravel())[0, 1]) < 0.02
    grey = stages.gaussian_noise(flat, 10, True, 3) - flat
    assert np.ptp(grey, axis=2).max() == 0
    assert np.array_equal(stages.gaussian_noise(flat, 0, False, 3), flat)
    assert not np.array_equal(stages.gaussian_noise(flat, 10, False, 4), stages.gaussian_noise(flat, 10, False, 3))


def test_poisson_noise_grows_with_the_light() -> None:
    ramp = np.repeat(np.arange(256, dtype=np.float32)[None, :, None] / 255, 400, axis=0).repeat(3, axis=2)
    image = 0.2 + 0.6 * images.as_stored(ramp)  # away from the ends, where clipping bites
    levels = np.unique(images.to_8bit(image)).size
    counts = 2 ** math.ceil(math.log2(levels))
    noise = stages.poisson_noise(image, 1.0, False, 7) - image
    assert abs(noise.mean()) < 5e-4
    assert noise.var(axis=(0, 2)) == pytest.approx(image[0, :, 0] / counts, rel=0.35)
    assert noise.var() == pytest.approx(float(image.mean()) / counts, rel=0.03)
    assert np.ptp(stages.poisson_noise(image, 1.0, True, 7) - image, axis=2).max() < 1e-6
    assert np.array_equal(stages.poisson_noise(image, 0.0, False, 7), image)


def test_correlated_noise_is_correlated_and_bounded() -> None:
    flat, seen = np.full((120, 120, 3), 0.5, np.float32), []
    for seed in range(8):
        noise = (stages.correlated_noise(flat, 25, seed) - flat) * 255
        assert abs(noise.mean()) < 1
        assert noise.std(axis=(0, 1)).max() < 25.5
        seen.append(np.corrcoef(noise.reshape(-1, 3).T)[0, 1])
    assert max(seen) > 0.1
    assert min(seen) > -0.05  # the covariance is made of absolute values


@pytest.mark.parametrize("quality", [30, 60, 90])
def test_jpeg_is_pillows(quality: int) -> None:
    from PIL import Image as Pillow

    image, file = draw_face(64), io.BytesIO()
    Pillow.fromarray(images.to_8bit(image)).save(file, "JPEG", quality=quality, subsampling=2)
    expected = np.asarray(Pillow.open(file), dtype=np.float32) / 255
    assert np.abs(stages.jpeg(image, quality) - expected).mean() < 0.6 / 255


def test_bsrgan_shifted_downsampling_keeps_the_picture_in_place() -> None:
    """On a ramp, every n-th pixel after the shifted blur is the mean of its n×n block."""
    from fsrbench.recipes import bsrgan

    ramp = np.repeat(np.linspace(0.1, 0.9, 96, dtype=np.float32)[None, :, None], 96, axis=0).repeat(3, axis=2)
    ramp = np.ascontiguousarray(ramp)
    small = bsrgan._down(ramp, {"down1": "shifted", "down1_share": 0.5}, 4)
    assert np.allclose(small[6:-6, 6:-6], stages.resize(ramp, 24, 24, "area")[6:-6, 6:-6], atol=1e-4)


@pytest.mark.slow
def test_sharpening_is_basicsrs() -> None:
    spec = importlib.util.find_spec("basicsr")
    if spec is None or spec.origin is None:
        pytest.skip("basicsr is not installed (extra upstream)")
    file = importlib.util.spec_from_file_location("theirs", Path(spec.origin).parent / "utils" / "img_process_util.py")
    assert file is not None
    assert file.loader is not None
    theirs = importlib.util.module_from_spec(file)
    file.loader.exec_module(theirs)
    picture = images.as_stored(draw_face(128))
    sharp = stages.sharpen(picture)
    assert np.allclose(sharp, theirs.usm_sharp(picture), atol=2e-6)
    assert np.abs(sharp - picture).max() > 0.05


def test_realesrgan_degrades_what_was_sharpened() -> None:
    picture, values = images.as_stored(draw_face(64)), drawn("realesrgan", 3)
    recipe = plugins.load("recipes", "realesrgan")
    plain = recipe.apply(stages.sharpen(picture), values | {"sharpen": False}, 4)
    assert np.array_equal(recipe.apply(picture, values, 4), plain)
    assert not np.array_equal(recipe.apply(picture, values | {"sharpen": False}, 4), plain)
    flat = np.full((64, 64, 3), 0.5, np.float32)
    assert np.array_equal(stages.sharpen(flat), flat)


def test_bsrgans_antialiased_halving_leaves_nothing_that_folds_over() -> None:
    """Stripes finer than the half-size grid can hold become grey; without antialiasing they turn into other stripes."""
    from fsrbench.recipes import bsrgan

    stripes = (0.5 + 0.5 * np.cos(0.9 * math.pi * np.arange(96))).astype(np.float32)
    picture = np.ascontiguousarray(np.broadcast_to(stripes[None, :, None], (96, 96, 3)))
    left = {kernel: float(np.ptp(bsrgan._halve(picture, kernel)[8:-8, 8:-8])) for kernel in ("antialiased", "bicubic")}
    assert left["antialiased"] < 0.1
    assert left["bicubic"] > 0.2


# ------------------------------------------------------------------- refusing


@pytest.mark.parametrize(
    ("name", "column", "value"),
    [
        ("paper", "blur_a_size", 8),
        ("paper", "blur_a_size", 100_001),
        ("paper", "blur_a_sigma_x", 0.0),
        ("paper", "blur_b_sigma_y", -1.0),
        ("paper", "resize_kernel", "cubic"),
        ("paper", "resize_factor", 1e9),
        ("paper", "noise", "salt"),
        ("paper", "noise_seed", -1),
        ("paper", "jpeg_quality", 0),
        ("realesrgan", "blur1_kernel", "box"),
        ("realesrgan", "final_order", "jpeg"),
        ("bsrgan", "order", "blur1 down1 down2"),
        ("bsrgan", "order", "down2 down1 blur1 blur2 noise jpeg"),
        ("bsrgan", "blur1_kernel", "box"),
    ],
)
def test_values_that_cannot_be_used_are_refused(name: str, column: str, value: Any) -> None:
    values = drawn(name, 3) | ({"noise": "gaussian"} if column == "noise_seed" else {}) | {column: value}
    with pytest.raises(ValueError, match=r"."):
        plugins.load("recipes", name).apply(draw_face(32), values, 4)
