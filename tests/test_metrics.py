"""Each metric against somebody else's numbers, and the properties that a reader of a table takes for granted."""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import math
import sys
import types
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fsrbench.core import plugins
from fsrbench.core.contracts import Machine
from fsrbench.core.errors import InputError, SettingsError, Unavailable, WeightsError
from fsrbench.core.values import Image
from fsrbench.imaging import images
from fsrbench.metrics import _batch
from support import draw_face

Scorer = Callable[[Sequence[Image], Image | None], Sequence[float]]
PLAIN = ("psnr", "ssim", "psnr_y", "ssim_y")


def opened(name: str, machine: Machine | None = None) -> Scorer:
    scorer: Scorer = plugins.load("metrics", name).open(machine or Machine(offline=True))
    return scorer


def noisy(image: Image, sigma: float, seed: int = 1) -> Image:
    noise = np.random.default_rng(seed).normal(0, sigma, image.shape)
    return images.as_stored(np.clip(image + noise, 0, 1).astype(np.float32))


def blurred(image: Image, factor: int = 4) -> Image:
    height, width = image.shape[:2]
    return images.as_stored(images.resize(images.resize(image, width // factor, height // factor), width, height))


@pytest.fixture(scope="module")
def basicsr() -> Any:
    """basicsr's metrics, with the one name of torchvision that they miss."""
    pytest.importorskip("torchvision")
    if importlib.util.find_spec("basicsr") is None:
        pytest.skip("the package basicsr is not installed (extra upstream)")
    missing = "torchvision.transforms.functional_tensor"
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        warnings.simplefilter("ignore")  # it was written for packages of 2022
        if missing not in sys.modules:
            stand_in = types.ModuleType(missing)
            stand_in.rgb_to_grayscale = importlib.import_module(  # type: ignore[attr-defined]
                "torchvision.transforms.functional"
            ).rgb_to_grayscale
            patch.setitem(sys.modules, missing, stand_in)
        return importlib.import_module("basicsr.metrics")


@pytest.fixture(scope="module")
def textures() -> list[Image]:
    """Pictures without any file: sharp, soft, noisy, of odd sizes."""
    sharp = images.as_stored(draw_face(224, seed=3))
    return [sharp, blurred(sharp), noisy(sharp, 0.05), sharp[:, :199], noisy(draw_face(288, seed=4)[:205], 0.01)]


# --------------------------------------------------------- declared properties


def test_every_metric_declares_itself_without_torch() -> None:
    known = plugins.names("metrics")
    assert {"psnr", "ssim", "lpips", "niqe", "arcface", "psnr_y", "ssim_y", "pyiqa"} <= set(known)
    assert not [name for name in known if name.startswith("_")]
    for name in known:
        metric = plugins.load("metrics", name)
        assert metric.label
        assert metric.better in ("higher", "lower")
    better = {name: plugins.load("metrics", name).better for name in known}
    assert (better["lpips"], better["niqe"], better["psnr"], better["arcface"]) == (
        "lower",
        "lower",
        "higher",
        "higher",
    )


@pytest.mark.parametrize("name", PLAIN)
def test_equal_pictures_and_symmetry(name: str) -> None:
    scorer, picture = opened(name), draw_face(64)
    other = noisy(picture, 0.1)
    assert scorer([picture], picture) == [math.inf if name.startswith("psnr") else 1.0]
    assert scorer([other], picture)[0] == pytest.approx(scorer([picture], other)[0], abs=1e-6)


@pytest.mark.parametrize("name", PLAIN)
def test_more_noise_is_worse_and_order_does_not_matter(name: str) -> None:
    scorer, picture = opened(name), draw_face(64)
    variants = [noisy(picture, sigma) for sigma in (0.01, 0.03, 0.1, 0.3)]
    values = list(scorer(variants, picture))
    assert values == sorted(values, reverse=True)
    assert list(scorer(variants[::-1], picture)) == values[::-1]


@pytest.mark.parametrize("name", PLAIN)
def test_sizes_that_do_not_fit_are_both_named(name: str) -> None:
    with pytest.raises(InputError, match=r"60×64.*64×64"):
        opened(name)([draw_face(64), draw_face(64)[:, :60]], draw_face(64))


@pytest.mark.parametrize(("name", "size"), [("ssim", 10), ("ssim_y", 18), ("psnr_y", 8)])
def test_pictures_too_small_to_measure(name: str, size: int) -> None:
    small, enough = draw_face(64)[:size, :40], draw_face(64)[: size + 1, :40]
    with pytest.raises(Unavailable):
        opened(name)([small], small)
    assert math.isfinite(opened(name)([noisy(enough, 0.1)], enough)[0])


# ------------------------------------------------------------- PSNR and SSIM


def test_psnr_and_ssim_equal_scikit_image(textures: list[Image]) -> None:
    reference = pytest.importorskip("skimage.metrics")
    black, white = np.zeros((40, 50, 3), np.float32), np.ones((40, 50, 3), np.float32)
    grey = np.full((40, 50, 3), 0.7, np.float32)
    pairs = [(noisy(p, s), p) for p in textures for s in (0.004, 0.1)]
    pairs += [
        (blurred(textures[0]), textures[0]),
        (1 - textures[0], textures[0]),
        (black, white),
        (grey, noisy(grey, 0.01)),
    ]
    for image, target in pairs:
        wide, exact = target.astype(np.float64), image.astype(np.float64)
        expected = reference.peak_signal_noise_ratio(wide, exact, data_range=1)
        assert opened("psnr")([image], target)[0] == pytest.approx(expected, abs=1e-6)
        expected = reference.structural_similarity(
            wide, exact, channel_axis=2, data_range=1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
        assert opened("ssim")([image], target)[0] == pytest.approx(expected, abs=1e-6)


def test_luma_metrics_equal_basicsr(basicsr: Any, textures: list[Image]) -> None:
    for picture in textures[:3]:
        image = noisy(picture, 0.03)
        bgr, target = (images.to_8bit(p)[:, :, ::-1] for p in (image, picture))
        expected = basicsr.calculate_psnr(bgr, target, crop_border=4, test_y_channel=True)
        assert opened("psnr_y")([image], picture)[0] == pytest.approx(expected, abs=1e-4)
        expected = basicsr.calculate_ssim(bgr, target, crop_border=4, test_y_channel=True)
        assert opened("ssim_y")([image], picture)[0] == pytest.approx(expected, abs=1e-5)


# ------------------------------------------------------------------------ NIQE


def test_niqe_equals_basicsr(basicsr: Any, textures: list[Image], face: Image) -> None:
    pictures = [*textures, face, blurred(face), noisy(face, 0.05), images.as_stored(face[:300, :417])]
    found = opened("niqe")(pictures, None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = [basicsr.calculate_niqe(images.to_8bit(p)[:, :, ::-1], crop_border=0) for p in pictures]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_the_natural_scene_model_is_the_published_one(basicsr: Any) -> None:
    own = importlib.import_module("fsrbench.metrics.niqe")
    with np.load(Path(basicsr.__file__).with_name("niqe_pris_params.npz")) as published:
        np.testing.assert_array_equal(own._model()[0], published["mu_pris_param"][0])
        np.testing.assert_array_equal(own._model()[1], published["cov_pris_param"])
        taps = np.exp(-(np.arange(-3, 4) ** 2) / 2 / (7 / 6) ** 2)
        np.testing.assert_allclose(np.outer(taps, taps) / taps.sum() ** 2, published["gaussian_window"], atol=1e-15)


def test_niqe_needs_no_reference_and_finds_distortion_worse(face: Image) -> None:
    good, soft, rough = opened("niqe")([face, blurred(face), noisy(face, 0.1)], None)
    assert good < soft
    assert good < rough
    assert opened("niqe")([face], face) == [good]


@pytest.mark.parametrize("shape", [(95, 400), (400, 95), (128, 128), (191, 96), (1, 1)])
def test_niqe_says_when_a_picture_is_too_small(shape: tuple[int, int]) -> None:
    with pytest.raises(Unavailable, match=f"{shape[1]}×{shape[0]}"):
        opened("niqe")([np.full((*shape, 3), 0.5, np.float32)], None)


def test_niqe_of_a_flat_picture_is_no_number() -> None:
    assert math.isnan(opened("niqe")([np.full((192, 192, 3), 0.5, np.float32)], None)[0])
    half = draw_face(288)
    half[:96] = 0.5  # flat blocks among others are left out
    assert math.isfinite(opened("niqe")([half], None)[0])


# ----------------------------------------------------------------------- LPIPS


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an AlexNet of made weights, under the name of the real one."""
    torch = pytest.importorskip("torch")
    models = pytest.importorskip("torchvision.models")
    folder = tmp_path_factory.mktemp("gewichte-für-lpips")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        state = models.alexnet(weights=None).features.state_dict()
    torch.save({f"features.{name}": value for name, value in state.items()}, folder / "alexnet-owt-7be5be79.pth")
    return folder


@pytest.fixture
def lpips_metric(backbone: Path, monkeypatch: pytest.MonkeyPatch) -> Scorer:
    monkeypatch.setenv("FSRBENCH_WEIGHTS", str(backbone))
    return opened("lpips")


def test_lpips_equals_the_package(lpips_metric: Scorer, backbone: Path, textures: list[Image]) -> None:
    torch = importlib.import_module("torch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it calls torchvision with an argument of former days
        package = importlib.import_module("lpips").LPIPS(net="alex", pnet_rand=True, verbose=False)
    state = torch.load(backbone / "alexnet-owt-7be5be79.pth", weights_only=True)
    for number in range(1, 6):
        part = getattr(package.net, f"slice{number}")
        part.load_state_dict({name: state[f"features.{name}"] for name in part.state_dict()})
    for picture in (textures[0], textures[3]):
        variants = [noisy(picture, 0.02), noisy(picture, 0.2), blurred(picture)]
        tensors = [torch.from_numpy(p.transpose(2, 0, 1).copy())[None] for p in (picture, *variants)]
        with torch.inference_mode():
            expected = [package(tensor, tensors[0], normalize=True).item() for tensor in tensors[1:]]
        np.testing.assert_allclose(lpips_metric(variants, picture), expected, rtol=1e-5)


def test_lpips_properties(lpips_metric: Scorer) -> None:
    picture = draw_face(64)
    variants = [noisy(picture, sigma) for sigma in (0.02, 0.1, 0.3)]
    values = list(lpips_metric([picture, *variants], picture))
    assert values[0] == 0
    assert values == sorted(values)
    assert lpips_metric([picture], variants[0])[0] == pytest.approx(values[1], rel=1e-5)
    assert len(set(lpips_metric([variants[0]] * 3, picture))) == 1
    with pytest.raises(InputError, match=r"60×64.*64×64"):
        lpips_metric([picture[:, :60]], picture)
    with pytest.raises(Unavailable, match="32"):
        lpips_metric([picture[:31]], picture[:31])


def test_lpips_in_batches_as_on_a_gpu(lpips_metric: Scorer, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = draw_face(64)
    variants = [noisy(picture, 0.02 * number) for number in range(1, 10)]
    alone = list(lpips_metric(variants, picture))
    monkeypatch.setattr(_batch, "size", lambda _machine, _pixels: _batch.BATCH)
    together = list(lpips_metric(variants, picture))
    assert together == pytest.approx(alone, abs=1e-6)
    # A number measured later, in other company, is the number: batches are always full.
    assert [lpips_metric([one], picture)[0] for one in variants] == together
    assert len(set(lpips_metric([variants[0]] * 9, picture))) == 1


def test_batches_are_full_and_lose_nothing() -> None:
    seen: list[int] = []

    def network(items: Sequence[int]) -> list[int]:
        seen.append(len(items))
        return [item * item for item in items]

    assert _batch.through(network, list(range(11)), 4) == [n * n for n in range(11)]
    assert seen == [4, 4, 4]
    assert [_batch.size(Machine(device), 512 * 512) for device in ("cpu", "mps", "cuda:1")] == [1, 1, _batch.BATCH]
    assert _batch.size(Machine("cuda"), 2048 * 2048) == 1


def test_opening_lpips_leaves_random_numbers_alone(backbone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch = importlib.import_module("torch")
    monkeypatch.setenv("FSRBENCH_WEIGHTS", str(backbone))
    before = torch.random.get_rng_state()
    opened("lpips")
    assert torch.equal(torch.random.get_rng_state(), before)


def test_lpips_without_or_with_another_backbone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WeightsError, match=r"alexnet-owt-7be5be79\.pth"):
        opened("lpips")
    torch = importlib.import_module("torch")
    torch.save({"features.0.weight": torch.zeros(3)}, tmp_path / "alexnet-owt-7be5be79.pth")
    monkeypatch.setenv("FSRBENCH_WEIGHTS", str(tmp_path))
    with pytest.raises(WeightsError, match="AlexNet"):
        opened("lpips")


# --------------------------------------------------------------------- ArcFace


@pytest.fixture(scope="module")
def identity(shared_weights: Path) -> Scorer:
    machine = Machine(
        detector=shared_weights / "scrfd_2.5g_bnkps.onnx", recogniser=shared_weights / "mobilefacenet_arcface.onnx"
    )
    return opened("arcface", machine)


@pytest.mark.slow
def test_arcface_tells_people_apart(identity: Scorer, shared_weights: Path, eval_faces: Path) -> None:
    from fsrbench.imaging import faces

    detector = faces.open_detector(Machine(detector=shared_weights / "scrfd_2.5g_bnkps.onnx"))
    # Grown-ups only: the toddlers in 00000 and 00003 score 0.5, and recognisers are known to hardly tell them apart.
    pictures = [images.read(p) for p in sorted(eval_faces.glob("*.png"))[1:] if p.stem != "ffhq_00003"]
    people = [faces.align(p, detector(p)[0].landmarks, 256)[0] for p in pictures]
    for number, person in enumerate(people):
        same = identity([person, person[:, ::-1], blurred(person, 4), noisy(person, 0.04)], person)
        others = identity([p for k, p in enumerate(people) if k != number], person)
        assert same[0] == pytest.approx(1, abs=1e-6)
        assert min(same) > 0.6
        assert max(others) < 0.3


def test_arcface_equals_insightface(identity: Scorer, shared_weights: Path, face: Image) -> None:
    from fsrbench.imaging import faces

    machine = Machine(detector=shared_weights / "scrfd_2.5g_bnkps.onnx")
    landmarks = faces.open_detector(machine)(face)[0].landmarks
    variants = [blurred(face, 8), noisy(face, 0.1)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-image has renamed what insightface calls
        from insightface.app.common import Face
        from insightface.model_zoo import get_model

        network = get_model(str(shared_weights / "mobilefacenet_arcface.onnx"), providers=["CPUExecutionProvider"])
        vectors = [
            network.get(np.ascontiguousarray(images.to_8bit(p)[:, :, ::-1]), Face(kps=landmarks))
            for p in (face, *variants)
        ]
    expected = [network.compute_sim(vector, vectors[0]) for vector in vectors[1:]]
    np.testing.assert_allclose(identity(variants, face), expected, atol=5e-3)


def test_equal_pictures_have_equal_identities(identity: Scorer, face: Image) -> None:
    assert len(set(identity([blurred(face)] * 3, face))) == 1


def test_an_identity_does_not_depend_on_its_company(identity: Scorer, face: Image) -> None:
    variants = [blurred(face, 4), noisy(face, 0.05), face]
    together = list(identity(variants, face))
    assert [identity([one], face)[0] for one in variants] == together


def test_arcface_says_why_it_cannot(identity: Scorer, shared_weights: Path, face: Image) -> None:
    grey = np.full((128, 128, 3), 0.5, np.float32)
    with pytest.raises(Unavailable, match="No face was found on the reference"):
        identity([grey], grey)
    with pytest.raises(InputError, match=r"128×128.*512×512"):
        identity([grey], face)
    detector = shared_weights / "scrfd_2.5g_bnkps.onnx"
    with pytest.raises(WeightsError, match=r"w600k_r50\.onnx|buffalo_l\.zip"):
        opened("arcface", Machine(offline=True, detector=detector))
    with pytest.raises(WeightsError, match=r"det_10g\.onnx|buffalo_l\.zip"):
        opened("arcface", Machine(offline=True, recogniser=shared_weights / "mobilefacenet_arcface.onnx"))
    with pytest.raises(WeightsError, match="no face recogniser"):
        opened("arcface", Machine(offline=True, detector=detector, recogniser=detector))


# ----------------------------------------------------------------------- pyiqa


@pytest.fixture
def fake_pyiqa(monkeypatch: pytest.MonkeyPatch) -> None:
    """A package of that name with two metrics, one of which draws random numbers."""
    torch = importlib.import_module("torch")
    package, configs = types.ModuleType("pyiqa"), types.ModuleType("pyiqa.default_model_configs")
    configs.DEFAULT_CONFIGS = {  # type: ignore[attr-defined]
        "far": {"metric_mode": "FR", "lower_better": True},
        "crop": {"metric_mode": "NR"},
        "broken": {"metric_mode": "NR"},
    }
    measures = {"far": lambda x, y: (x - y).abs().mean(), "crop": lambda x: x.mean() + torch.rand(1)}
    package.create_metric = lambda name, device: measures[name]  # type: ignore[attr-defined]
    package.__spec__ = importlib.machinery.ModuleSpec("pyiqa", None)
    monkeypatch.setitem(sys.modules, "pyiqa", package)
    monkeypatch.setitem(sys.modules, "pyiqa.default_model_configs", configs)
    monkeypatch.delenv("FSRBENCH_OFFLINE")


def test_pyiqa_is_handed_through(fake_pyiqa: None) -> None:
    picture = draw_face(32)
    far = plugins.load("metrics", "pyiqa:far")
    assert (far.better, far.reference, far.label) == ("lower", True, "far (pyiqa)")
    other = noisy(picture, 0.1)
    assert far.open(Machine())([picture, other], picture) == pytest.approx(
        [0, np.abs(other - picture).mean()], abs=1e-6
    )
    with pytest.raises(InputError):
        far.open(Machine())([picture[:8]], picture)
    crop = plugins.load("metrics", "pyiqa:crop")
    assert (crop.better, crop.reference) == ("higher", False)
    assert len(set(crop.open(Machine())([picture] * 3, None))) == 1


def test_pyiqa_says_what_is_wrong(fake_pyiqa: None) -> None:
    with pytest.raises(SettingsError, match="pyiqa:crop"):
        plugins.load("metrics", "pyiqa:crob")
    with pytest.raises(Unavailable, match="cannot open broken"):
        plugins.load("metrics", "pyiqa:broken").open(Machine())
    with pytest.raises(Unavailable, match="offline"):
        plugins.load("metrics", "pyiqa:far").open(Machine(offline=True))
    with pytest.raises(Unavailable, match="pyiqa:musiq"):
        plugins.load("metrics", "pyiqa").open(Machine())


def test_a_missing_pyiqa_names_its_install_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(Unavailable, match=r"pip install 'fsrbench\[pyiqa\]'"):
        plugins.load("metrics", "pyiqa:musiq").open(Machine())


def test_only_metrics_that_stand_for_many_take_an_argument() -> None:
    with pytest.raises(SettingsError, match="psnr takes no ':fast'"):
        plugins.load("metrics", "psnr:fast")
