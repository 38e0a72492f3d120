"""Checkpoints are loaded safely or refused in words; tiles leave no trace; memory that runs out is survived."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from spandrel.architectures.Compact import Compact
from spandrel.architectures.ESRGAN import ESRGAN
from spandrel.architectures.GFPGAN import GFPGAN

from fsrbench.core.errors import BadOutput, SettingsError, WeightsError
from fsrbench.imaging import images
from fsrbench.models import devices, networks, sharpening
from fsrbench.models.networks import LoadedNetwork
from support import draw_face
from support.networks import made_compact

NARROW = {"out_size": 64, "narrow": 0.0625, "num_style_feat": 32, "num_mlp": 2}


@pytest.fixture(scope="module")
def compact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("nets") / "compact ü.pth"
    torch.save({"params": made_compact()}, path)
    return path


# -------------------------------------------------------------------- loading


@pytest.mark.parametrize("wrapper", ["params", "params_ema", None])
def test_pth_with_and_without_wrappers(tmp_path: Path, wrapper: str | None) -> None:
    state = made_compact()
    torch.save({wrapper: state} if wrapper else state, tmp_path / "a.pth")
    net = networks.load(tmp_path / "a.pth")
    assert (net.architecture, net.size, net.scale, net.context) == ("compact", "3×8", 4, 8)


def test_params_ema_wins(tmp_path: Path) -> None:
    torch.save({"params": made_compact(0), "params_ema": made_compact(1)}, tmp_path / "a.pth")
    loaded = networks.read(tmp_path / "a.pth").tensors["body.0.weight"]
    assert torch.equal(loaded, made_compact(1)["body.0.weight"])


def test_safetensors_in_half_with_metadata(tmp_path: Path) -> None:
    half = {name: tensor.half() for name, tensor in made_compact().items()}
    save_file(half, tmp_path / "a.safetensors", {"fsrbench": json.dumps({"family": "general"})})
    checkpoint = networks.read(tmp_path / "a.safetensors")
    assert checkpoint.about == {"family": "general"}
    assert {t.dtype for t in checkpoint.tensors.values()} == {torch.float32}
    assert networks.build(checkpoint).size == "3×8"


def test_rrdb(tmp_path: Path) -> None:
    torch.save(ESRGAN(num_filters=8, num_blocks=2, scale=4).state_dict(), tmp_path / "a.pth")
    net = networks.load(tmp_path / "a.pth")
    assert (net.architecture, net.size, net.scale) == ("esrgan", "2×8", 4)


class Evil:
    def __reduce__(self) -> Any:
        return os.system, ("echo pwned",)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("empty", "damaged or no checkpoint"),
        ("truncated", "damaged or no checkpoint"),
        ("garbage", "damaged or no checkpoint"),
        ("html", "web page"),
        ("lfs", "pointer"),
        ("code in zip", "wants to run code"),
        ("code in pickle", "wants to run code"),
        ("list", "no checkpoint"),
        ("numbers", "no plain set of tensors"),
        ("nothing", "no plain set of tensors"),
        ("shapes", "tensors do not fit"),
        ("missing tensor", "tensors do not fit"),
        ("unknown", "no architecture"),
        ("grey", "does not map an RGB picture"),
        ("safetensors", "damaged or no checkpoint"),
        ("metadata", "damaged or no checkpoint"),
        ("suffix", "other kinds are not read"),
    ],
)
def test_every_damage_is_named(tmp_path: Path, damage: str, words: str, compact: Path) -> None:
    path = tmp_path / "net.pth"
    state = made_compact()
    whole = compact.read_bytes()
    if damage in ("empty", "garbage", "html", "lfs", "truncated"):
        text = {"html": b"\n<!DOCTYPE html>", "lfs": b"version https://git-lfs.github.com/spec/v1\n", "empty": b""}
        text["garbage"] = random.Random(0).randbytes(500)
        path.write_bytes(text.get(damage, whole[: len(whole) // 2]))
    elif damage == "code in zip":
        torch.save({"params": Evil()}, path)
    elif damage == "code in pickle":
        path.write_bytes(pickle.dumps(Evil()))
    elif damage == "metadata":
        path = tmp_path / "net.safetensors"
        save_file(state, path, {"fsrbench": "{not json"})
    elif damage == "safetensors":
        path = tmp_path / "net.safetensors"
        path.write_bytes(whole)
    elif damage == "suffix":
        path = tmp_path / "net.pt"
        path.write_bytes(whole)
    else:
        made: dict[str, Any] = {
            "list": [1, 2],
            "numbers": {"params": {"a": 1, "b": 2}},
            "nothing": {},
            "shapes": state | {"body.2.weight": torch.zeros(8, 9, 3, 3)},
            "missing tensor": {n: t for n, t in state.items() if n != "body.2.weight"},
            "unknown": {"who.knows": torch.zeros(3)},
            "grey": Compact(num_in_ch=1, num_out_ch=1, num_feat=8, num_conv=3).state_dict(),
        }
        torch.save(made[damage], path)
    with pytest.raises(WeightsError, match=words) as caught:
        networks.load(path)
    assert str(path) in str(caught.value)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_flipped_bytes_never_escape_as_anything_else(compact: Path, data: st.DataObject) -> None:
    content = bytearray(compact.read_bytes())
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = compact.with_name("flipped.pth")
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    with contextlib.suppress(WeightsError):  # anything else is a failure, a network that loads is not
        networks.load(path)


def test_a_face_network_is_sent_where_it_belongs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    net = networks.load_gfpgan(gfpgan_file(tmp_path))[0]
    torch.save(net.state_dict(), tmp_path / "face.pth")
    with pytest.raises(WeightsError, match="tensors do not fit"):  # spandrel builds it at full width only
        networks.load(tmp_path / "face.pth")


def test_loading_moves_no_random_generator(compact: Path, tmp_path: Path) -> None:
    file = gfpgan_file(tmp_path)
    torch.manual_seed(7)
    before = torch.get_rng_state()
    networks.load(compact)
    networks.load_gfpgan(file)
    assert torch.equal(before, torch.get_rng_state())


# --------------------------------------------------------------------- gfpgan


def gfpgan_file(folder: Path, strip: bool = True, **changes: Any) -> Path:
    """A narrow GFPGAN as fsrbench stores its own: hyperparameters in the metadata, unused tensors left out."""
    torch.manual_seed(0)
    state = GFPGAN(**NARROW).state_dict()
    unused = ("stylegan_decoder.noises.", "stylegan_decoder.style_mlp.", "toRGB.")
    kept = {n: t.contiguous() for n, t in state.items() if not (strip and n.startswith(unused))}
    about = {"family": "prior", "architecture": "gfpgan", "hyperparameters": NARROW | changes, "version": 1}
    save_file(kept, folder / "face.safetensors", {"fsrbench": json.dumps(about)})
    return folder / "face.safetensors"


@pytest.mark.parametrize("strip", [True, False])
def test_narrow_gfpgan(tmp_path: Path, strip: bool) -> None:
    net, hyperparameters = networks.load_gfpgan(gfpgan_file(tmp_path, strip))
    assert hyperparameters == NARROW
    assert not any(p.is_meta or p.requires_grad for p in net.parameters())
    assert net(torch.zeros(1, 3, 64, 64), randomize_noise=False)[0].shape == (1, 3, 64, 64)


@pytest.mark.parametrize("change", [{"narrow": 0.125}, {"breadth": 3}, {"out_size": 128}])
def test_gfpgan_that_does_not_fit(tmp_path: Path, change: dict[str, Any]) -> None:
    with pytest.raises(WeightsError, match="does not fit the GFPGAN architecture"):
        networks.load_gfpgan(gfpgan_file(tmp_path, **change))


def test_gfpgan_that_is_none(compact: Path) -> None:
    with pytest.raises(WeightsError, match="no GFPGAN checkpoint"):
        networks.load_gfpgan(compact)


# --------------------------------------------------------------------- mixing


def test_mix_is_linear(tmp_path: Path) -> None:
    files = [networks.Checkpoint(Path(n), made_compact(i), {}) for i, n in enumerate("ab")]
    mixed = networks.mix(files[0], files[1], 0.25).tensors
    for name, tensor in mixed.items():
        torch.testing.assert_close(tensor, torch.lerp(files[1].tensors[name], files[0].tensors[name], 0.25))
    with pytest.raises(WeightsError, match="not two versions"):
        networks.mix(files[0], networks.Checkpoint(Path("c"), made_compact(features=9), {}), 0.5)


# -------------------------------------------------------------------- running


@pytest.mark.parametrize("size", [(96, 96), (97, 61), (40, 130), (1, 1)])
@pytest.mark.parametrize("tile", [32, 37, 64])
def test_tiled_equals_untiled(compact: Path, size: tuple[int, int], tile: int) -> None:
    net = networks.load(compact)
    lr = draw_face(130)[: size[0], : size[1]]
    whole, _ = networks.upscale(net, lr)
    tiled, notes = networks.upscale(net, lr, tile=tile)
    assert whole.shape == (size[0] * 4, size[1] * 4, 3)
    assert notes == ()
    np.testing.assert_allclose(tiled, whole, atol=1e-5)


@pytest.mark.parametrize("shape", [(70, 74), (33, 35)])
def test_a_network_that_folds_pixels_is_tiled_in_phase(tmp_path: Path, shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    net = ESRGAN(in_nc=12, num_filters=4, num_blocks=2, scale=4, shuffle_factor=2)
    torch.save(net.state_dict(), tmp_path / "x2.pth")
    loaded = networks.load(tmp_path / "x2.pth")
    assert loaded.scale == 2
    lr = draw_face(80)[: shape[0], : shape[1]]
    whole, _ = networks.upscale(loaded, lr)
    tiled, _ = networks.upscale(loaded, lr, tile=32)
    np.testing.assert_allclose(tiled, whole, atol=1e-4)


def test_the_real_x4v3_leaves_no_seams(shared_weights: Path, face: Any) -> None:
    net = networks.load(shared_weights / "realesr-general-x4v3.pth")
    assert (net.size, net.context) == ("32×64", 36)
    lr = images.as_stored(images.resize(face, 128, 128))[16:108, 16:108]
    whole, _ = networks.upscale(net, lr)
    tiled, _ = networks.upscale(net, lr, tile=48)
    assert np.abs(whole - tiled).max() < 0.1 / 255


def test_what_a_file_says_of_sharpening_is_done_without_seams(compact: Path) -> None:
    plain = networks.load(compact)
    sharp = replace(plain, sharpen=1.5, context=plain.context + 4)
    lr = draw_face(130)
    whole, _ = networks.upscale(sharp, lr)
    np.testing.assert_array_equal(whole, sharpening.sharpened(networks.upscale(plain, lr)[0], 1.5))
    np.testing.assert_allclose(networks.upscale(sharp, lr, tile=48)[0], whole, atol=1e-5)


@pytest.mark.parametrize("asked", ["1", True, -0.1, 11, None])
def test_a_file_that_asks_for_strange_sharpening_is_refused(asked: object) -> None:
    with pytest.raises(WeightsError, match="asks for sharpening by"):
        sharpening.asked({"sharpen": asked}, Path("a"))


def test_same_bytes_each_time(compact: Path) -> None:
    net = networks.load(compact)
    lr = draw_face(64)
    for precision in ("fp32", "bf16"):
        first, second = (networks.upscale(net, lr, precision=precision)[0] for _ in range(2))
        assert first.tobytes() == second.tobytes()
    assert images.check(first).dtype == np.float32


class Hungry:
    """Doubles a picture; has memory for so many pixels only."""

    def __init__(self, most: int, error: Exception) -> None:
        self.most = most
        self.error = error
        self.sizes: list[int] = []

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        self.sizes.append(x.shape[-1])
        if x.shape[-1] * x.shape[-2] > self.most:
            raise self.error
        return torch.nn.functional.interpolate(x, scale_factor=2, mode="nearest")


@pytest.mark.parametrize(
    "error",
    [
        torch.cuda.OutOfMemoryError("CUDA out of memory."),
        RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory"),
        MemoryError(),
    ],
)
def test_out_of_memory_halves_the_tile_and_says_so(error: Exception) -> None:
    hungry = Hungry(70 * 70, error)
    lr = draw_face(200)
    result, notes = networks.upscale(LoadedNetwork(hungry, "fake", "", 2, 8), lr)
    assert notes == ("out of memory: tiles of 52 pixels",)
    assert hungry.sizes[:3] == [200, 108, 60]
    np.testing.assert_array_equal(result, lr.repeat(2, 0).repeat(2, 1))


def test_out_of_memory_ends_in_words() -> None:
    hungry = Hungry(1, MemoryError())
    with pytest.raises(BadOutput, match="even with tiles of 32"):
        networks.upscale(LoadedNetwork(hungry, "fake", "", 2, 0), draw_face(200), tile=64)
    assert hungry.sizes == [64, 32]


def test_other_errors_are_not_taken_for_memory() -> None:
    with pytest.raises(RuntimeError, match="bug"):
        networks.upscale(LoadedNetwork(Hungry(1, RuntimeError("bug")), "fake", "", 2, 0), draw_face(40))


def test_nan_stays_visible() -> None:
    class Nan:
        def __call__(self, x: torch.Tensor) -> torch.Tensor:
            return x * float("nan")

    result, _ = networks.upscale(LoadedNetwork(Nan(), "fake", "", 1, 0), draw_face(40))
    assert np.isnan(result).all()


def test_precisions() -> None:
    devices.check_precision("fp16", "cuda:0")
    devices.check_precision("bf16", "cpu")
    with pytest.raises(SettingsError, match="bf16"):
        devices.check_precision("fp16", "cpu")
    with pytest.raises(SettingsError, match="Known: fp32"):
        devices.check_precision("int8", "cpu")
