"""Native equals original: the same checkpoint and input through fsrbench and through the packages themselves.

Equal means: at least 99.9 % of the 8-bit values the same and none further than 1 apart. Where no real weights can be
had, weights are made: random, scaled so that the output is a picture.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from spandrel.architectures.Compact import Compact
from spandrel.architectures.GFPGAN import GFPGAN

from fsrbench.core import plugins
from fsrbench.core.contracts import Machine, Output
from fsrbench.core.errors import BadOutput, Unavailable, WeightsError
from fsrbench.core.values import Image
from fsrbench.imaging import images
from fsrbench.models import networks
from support import draw_face

INSTALL = "not installed: pip install 'fsrbench[upstream]' (Python 3.12 at most)"
# The packages are from 2022. What they, and nothing else, are allowed to warn of:
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*pretrained.*:UserWarning:torchvision"),
    pytest.mark.filterwarnings("ignore:Arguments other than a weight enum:UserWarning:torchvision"),
]


@pytest.fixture(scope="module")
def upstream() -> Any:
    """The shared helper, with the packages imported once; skipped where they are not installed."""
    from fsrbench.backends import _upstream

    try:
        for package, module in (("realesrgan", "realesrgan.utils"), ("gfpgan", "gfpgan.utils")):
            _upstream.load(package, module, "test")
    except Unavailable:
        pytest.skip(INSTALL)
    return _upstream


def opened(name: str, path: Path, **settings: Any) -> Any:
    return plugins.load("backends", name).open({"model": str(path), **settings}, Machine())


def run(restorer: Any, lr: Image, seed: int = 1, precision: str = "fp32", **knobs: Any) -> Output:
    output: Output = restorer(lr, knobs, seed, precision)
    images.check(output.image)
    assert output.image.shape == (lr.shape[0] * 4, lr.shape[1] * 4, 3)
    return output


def assert_equal(native: Image, original: Image) -> None:
    one, other = (images.to_8bit(image).astype(int) for image in (native, original))
    apart = np.abs(one - other)
    print(f"equal: {(apart == 0).mean():.6f}, furthest: {apart.max()}")
    assert one.std() > 8, "a flat picture proves nothing"
    assert ((one > 0) & (one < 255)).mean() > 0.5, "a clipped picture proves nothing"
    assert (apart == 0).mean() >= 0.999
    assert apart.max() <= 1


@pytest.fixture(scope="module")
def lr() -> Image:
    return images.as_stored(images.resize(draw_face(256), 64, 64))


# ------------------------------------------------------------ Real-ESRGAN


@pytest.mark.slow
def test_x4v3_with_real_weights(upstream: Any, shared_weights: Path, face: Image) -> None:
    lr = images.as_stored(images.resize(face, 96, 96))
    path = shared_weights / "realesr-general-x4v3.pth"
    native, original = opened("realesrgan", path), opened("upstream_realesrgan", path)
    assert original.model == native.model == "x4v3 (not the official file)"
    assert original.weights == native.weights
    assert_equal(run(native, lr).image, run(original, lr).image)


@pytest.mark.slow
def test_denoise_strength_turns_the_same_way(upstream: Any, shared_weights: Path, face: Image) -> None:
    lr = images.as_stored(images.resize(face, 64, 64))
    path = shared_weights / "realesr-general-x4v3.pth"
    native, original = opened("realesrgan", path), opened("upstream_realesrgan", path)
    for strength in (0.0, 0.3):
        mixed = run(native, lr, denoise_strength=strength).image
        assert_equal(mixed, run(original, lr, denoise_strength=strength).image)
        assert np.abs(mixed - run(native, lr).image).max() > 3 / 255


def made_rrdb(path: Path, lr: Image, *, blocks: int, features: int, folded: bool = False) -> Path:
    """An RRDBNet with random weights, its last layer set so that what it makes of `lr` fills the range."""
    from basicsr.archs.rrdbnet_arch import RRDBNet

    torch.manual_seed(0)
    net = RRDBNet(3, 3, scale=2 if folded else 4, num_feat=features, num_block=blocks).eval()
    with torch.inference_mode():
        out = net(torch.from_numpy(lr.transpose(2, 0, 1))[None])
        state = net.state_dict()
        gain = 0.2 / out.std(dim=(0, 2, 3))
        state["conv_last.weight"] *= gain[:, None, None, None]
        state["conv_last.bias"] = 0.5 - (out.mean(dim=(0, 2, 3)) - state["conv_last.bias"]) * gain
    torch.save({"params_ema": state}, path)
    return path


@pytest.mark.slow
def test_x4plus_architecture(upstream: Any, tmp_path: Path, lr: Image) -> None:
    lr = lr[8:32, 16:48]
    path = made_rrdb(tmp_path / "RealESRGAN_x4plus.pth", lr, blocks=23, features=64)
    native, original = opened("realesrgan", path), opened("upstream_realesrgan", path)
    assert native._network.size == "23×64"
    assert_equal(run(native, lr).image, run(original, lr).image)


def test_x2plus_architecture(upstream: Any, tmp_path: Path, lr: Image) -> None:
    path = made_rrdb(tmp_path / "RealESRGAN_x2plus.pth", lr, blocks=2, features=16, folded=True)
    native, original = (opened(name, path, scale=2) for name in ("realesrgan", "upstream_realesrgan"))
    one, other = (restorer(lr[:61, :63], {}, 0, "fp32").image for restorer in (native, original))
    assert_equal(one, other)


@pytest.mark.slow
def test_upstream_tiles(upstream: Any, shared_weights: Path, face: Image, capsys: pytest.CaptureFixture[str]) -> None:
    lr = images.as_stored(images.resize(face, 64, 64))
    path = shared_weights / "realesr-general-x4v3.pth"
    tiled = run(opened("upstream_realesrgan", path, tile=40), lr).image
    assert np.abs(tiled - run(opened("upstream_realesrgan", path), lr).image).max() < 0.2
    assert capsys.readouterr().out == ""


# -------------------------------------------------------------------- BSRGAN


def bsrgan_names(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """basicsr's names of tensors to those in BSRGAN's own file."""
    renamed = {}
    for name, tensor in state.items():
        if name.startswith("body."):
            _, block, dense, rest = name.split(".", 3)
            name = f"RRDB_trunk.{block}.{dense.upper()}.{rest}"
        for ours, theirs in (("conv_body", "trunk_conv"), ("conv_up", "upconv"), ("conv_hr", "HRconv")):
            name = name.replace(ours, theirs)
        renamed[name] = tensor
    return renamed


@pytest.mark.slow
@pytest.mark.parametrize("names", ["BSRGAN's", "spandrel's"])
def test_bsrgan(upstream: Any, tmp_path: Path, lr: Image, names: str) -> None:
    made = networks.read(made_rrdb(tmp_path / "made.pth", lr, blocks=2, features=32))
    renamed = bsrgan_names(made.tensors) if names == "BSRGAN's" else networks.build(made).module.model.state_dict()
    torch.save(renamed, tmp_path / "BSRGAN.pth")
    native, original = (opened(name, tmp_path / "BSRGAN.pth") for name in ("bsrgan", "upstream_bsrgan"))
    assert original.model == native.model == "x4 (not the official file)"
    assert_equal(run(native, lr).image, run(original, lr).image)


def test_other_networks_through_basicsr(upstream: Any, shared_weights: Path, face: Image) -> None:
    lr = images.as_stored(images.resize(face, 48, 48))
    path = shared_weights / "4xLSDIRCompactC3.pth"
    native, original = opened("bsrgan", path), opened("upstream_bsrgan", path)
    assert original.model == "4xLSDIRCompactC3 (own file)"
    assert_equal(run(native, lr).image, run(original, lr).image)


# -------------------------------------------------------------------- GFPGAN


@pytest.fixture(scope="module")
def full_gfpgan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Full width, made weights, noise switched off in the checkpoint itself (the package cannot switch it off)."""
    torch.manual_seed(0)
    with torch.inference_mode():
        net = GFPGAN().eval()
        state = net.state_dict()
        for name, tensor in state.items():
            if name.startswith("stylegan_decoder.style_conv") and tensor.shape == (1,):
                tensor.zero_()
            if "to_rgb" in name and name.endswith("modulated_conv.weight"):
                tensor.mul_(0.5)
    path = tmp_path_factory.mktemp("gfpgan") / "GFPGANv1.4.pth"
    torch.save({"params_ema": state}, path)
    return path


@pytest.mark.slow
def test_gfpgan_at_full_width(upstream: Any, full_gfpgan: Path) -> None:
    face = images.as_stored(draw_face(512))
    native = opened("gfpgan", full_gfpgan, scale=1)
    restored = native(face, {}, 1, "fp32").image
    del native
    original = opened("upstream_gfpgan", full_gfpgan, scale=1)
    assert_equal(restored, original(face, {}, 1, "fp32").image)


NARROW = {"narrow": 0.0625, "num_style_feat": 32, "num_mlp": 2, "channel_multiplier": 1}


@pytest.fixture(scope="module")
def narrow_gfpgan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import json

    from safetensors.torch import save_file

    torch.manual_seed(0)
    state = GFPGAN(**NARROW).state_dict()
    for name, tensor in state.items():
        if name.startswith("stylegan_decoder.style_conv") and tensor.shape == (1,):
            tensor.fill_(0.3)
    path = tmp_path_factory.mktemp("narrow") / "prior.safetensors"
    about = {"architecture": "gfpgan", "hyperparameters": NARROW}
    save_file({n: t.contiguous() for n, t in state.items()}, path, {"fsrbench": json.dumps(about)})
    return path


@pytest.mark.slow
def test_dead_weight_upstream_and_seeded_noise(upstream: Any, narrow_gfpgan: Path, lr: Image) -> None:
    restorer = opened("upstream_gfpgan", narrow_gfpgan)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    one, again, other = (run(restorer, lr, seed).image for seed in (1, 1, 2))
    assert torch.equal(before, torch.get_rng_state())
    assert one.tobytes() == again.tobytes()
    assert np.abs(one - other).max() > 1 / 255
    # the package's `weight` is dead; that the native one is alive, test_backends.py shows
    assert run(restorer, lr, 1, restore_weight=0.1).image.tobytes() == one.tobytes()


@pytest.mark.slow
def test_whole_pictures_upstream(
    upstream: Any, narrow_gfpgan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """facexlib's networks, made, from the weights folder: nothing is downloaded, nothing written to the folder here."""
    from facexlib.detection.retinaface import RetinaFace
    from facexlib.parsing.parsenet import ParseNet

    wide = images.as_stored(draw_face(128)[:96])
    restorer = opened("upstream_gfpgan", narrow_gfpgan)
    with pytest.raises(WeightsError, match=r"fsrbench weights --download detection_Resnet50_Final\.pth"):
        run(restorer, wide)
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("FSRBENCH_WEIGHTS", str(tmp_path))
    torch.save(RetinaFace("resnet50", device="cpu").state_dict(), tmp_path / "detection_Resnet50_Final.pth")
    torch.save(ParseNet(in_size=512, out_size=512, parsing_ch=19).state_dict(), tmp_path / "parsing_parsenet.pth")
    monkeypatch.setattr(RetinaFace, "detect_faces", lambda *_: np.zeros((0, 15)))
    assert run(restorer, wide).notes == ("no face found; upscaled plainly",)
    found = [[30, 10, 90, 90, 0.99, 45, 40, 75, 40, 60, 60, 48, 75, 72, 75]]
    monkeypatch.setattr(RetinaFace, "detect_faces", lambda *_: np.array(found, np.float64))
    assert run(restorer, wide, only_center_face=True).notes == ()
    assert set(restorer.weights) >= {"detection_Resnet50_Final.pth", "parsing_parsenet.pth"}
    assert os.listdir(here) == []


# ----------------------------------------------------------- failures, absence


@pytest.mark.parametrize("tile", [0, 40])
def test_a_failing_tile_is_not_covered_up(
    upstream: Any, shared_weights: Path, lr: Image, monkeypatch: pytest.MonkeyPatch, tile: int
) -> None:
    restorer = opened("upstream_realesrgan", shared_weights / "realesr-general-x4v3.pth", tile=tile)
    calls: list[int] = []
    inner = restorer._plain.model.forward

    def fail_at_the_third(x: torch.Tensor) -> Any:
        calls.append(1)
        return inner(x[:, :2] if len(calls) in (1, 3) else x)  # two channels: a RuntimeError inside the network

    monkeypatch.setattr(restorer._plain.model, "forward", fail_at_the_third)
    with pytest.raises(BadOutput, match="upstream_realesrgan failed inside its network"):
        run(restorer, lr)


def test_an_unrestored_face_is_not_passed_on(upstream: Any, narrow_gfpgan: Path, lr: Image) -> None:
    restorer = opened("upstream_gfpgan", narrow_gfpgan)
    restorer._restorer.gfpgan.register_forward_pre_hook(lambda _net, args: (args[0][:, :2],))
    with pytest.raises(BadOutput, match="upstream_gfpgan failed inside its network"):
        run(restorer, lr)


def test_a_checkpoint_for_other_networks(upstream: Any, tmp_path: Path, narrow_gfpgan: Path) -> None:
    with pytest.raises(WeightsError, match="neither RRDBNet"):
        opened("upstream_realesrgan", narrow_gfpgan)
    torch.save(Compact(num_feat=8, num_conv=3).state_dict(), tmp_path / "a.pth")
    with pytest.raises(WeightsError, match="no GFPGAN"):
        opened("upstream_gfpgan", tmp_path / "a.pth")


@pytest.mark.parametrize(("backend", "package"), [("realesrgan", "realesrgan"), ("gfpgan", "gfpgan")])
def test_an_absent_package_names_its_install_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, backend: str, package: str
) -> None:
    import sys

    for name in [n for n in sys.modules if n.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr(sys, "path_importer_cache", {})
    with pytest.raises(Unavailable, match=rf"{package}: pip install 'fsrbench\[upstream\]'"):
        plugins.load("backends", f"upstream_{backend}").open({"model": "x"}, Machine())
