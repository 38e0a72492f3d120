"""The native backends on small made networks and on the real x4v3: sizes, knobs, notes, labels, seeds."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from spandrel.architectures.Compact import Compact
from spandrel.architectures.GFPGAN import GFPGAN

from fsrbench.core import contracts, plugins
from fsrbench.core.contracts import Machine, Output, Restorer
from fsrbench.core.errors import BadOutput, SettingsError, WeightsError
from fsrbench.core.stored import Knobs
from fsrbench.core.values import Image
from fsrbench.imaging import faces, images
from fsrbench.models import published, weights
from support import draw_face

LR = draw_face(24)
WIDE = draw_face(40)[:20]


def opened(name: str, machine: Machine | None = None, **settings: Any) -> Restorer:
    restorer: Restorer = plugins.load("backends", name).open(settings, machine or Machine())
    return restorer


def run(restorer: Restorer, lr: Image = LR, seed: int = 1, **knobs: Any) -> Output:
    output = restorer(lr, knobs, seed, "fp32")
    images.check(output.image)
    assert output.image.shape == (lr.shape[0] * 4, lr.shape[1] * 4, 3)
    return output


def moved(one: Output, other: Output) -> float:
    return float(np.abs(one.image - other.image).max()) * 255


def compact(path: Path, seed: int = 0, scale: int = 4) -> Path:
    """A small network that adds a little of its own to its nearest-neighbour base."""
    torch.manual_seed(seed)
    state = Compact(num_feat=8, num_conv=3, upscale=scale).state_dict()
    state["body.8.weight"] = state["body.8.weight"] * 2
    if path.suffix == ".safetensors":
        save_file(state, path, {"fsrbench": json.dumps({"architecture": "compact"})})
    else:
        torch.save({"params": state}, path)
    return path


NARROW = {"out_size": 64, "narrow": 0.0625, "num_style_feat": 32, "num_mlp": 2}


def narrow_gfpgan(path: Path, noise: float = 0.3) -> Path:
    """A small GFPGAN with noise injected at every layer."""
    torch.manual_seed(0)
    state = GFPGAN(**NARROW).state_dict()
    for name, tensor in state.items():
        if name.startswith("stylegan_decoder.style_conv") and name.endswith(".weight") and tensor.shape == (1,):
            tensor.fill_(noise)
        if "to_rgb" in name and name.endswith("modulated_conv.weight"):
            tensor.mul_(0.3)
    about = {"family": "prior", "architecture": "gfpgan", "hyperparameters": NARROW, "version": 1}
    save_file({n: t.contiguous() for n, t in state.items()}, path, {"fsrbench": json.dumps(about)})
    return path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A weights folder with made networks under official names, and made embedded ones."""
    for seed, name in enumerate(
        ["RealESRGAN_x4plus.pth", "realesr-general-x4v3.pth", "realesr-general-wdn-x4v3.pth", "BSRGAN.pth"]
    ):
        compact(tmp_path / name, seed)
    compact(tmp_path / "BSRGANx2.pth", scale=2)
    compact(tmp_path / "RealESRGAN_x2plus.pth", scale=2)
    monkeypatch.setenv("FSRBENCH_WEIGHTS", str(tmp_path))
    shipped = {
        "general": compact(tmp_path / "general.safetensors"),
        "blind": compact(tmp_path / "blind.safetensors", 9),
        "prior": narrow_gfpgan(tmp_path / "prior.safetensors"),
    }
    monkeypatch.setattr(weights, "embedded", shipped.__getitem__)
    return tmp_path


# --------------------------------------------------------------------- choice


def test_listing_loads_no_torch() -> None:
    import subprocess
    import sys

    code = (
        "import sys; from fsrbench.core import plugins\n"
        "for name in plugins.names('backends'): print(name, plugins.load('backends', name).family)\n"
        "assert not {'torch', 'cv2', 'spandrel', 'basicsr'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:5] == [
        "bicubic general", "bsrgan blind", "faithful general", "gfpgan prior", "realesrgan general",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("backend", "settings", "label"),
    [
        ("realesrgan", {"models": "embedded", "model": "x4plus"}, "embedded (compact, 3×8)"),
        ("realesrgan", {"models": "official"}, "x4plus (not the official file)"),
        ("realesrgan", {"models": "official", "model": "x4v3"}, "x4v3 (not the official file)"),
        ("bsrgan", {}, "embedded (compact, 3×8)"),
        ("bsrgan", {"models": "official"}, "x4 (not the official file)"),
        ("gfpgan", {}, "embedded (gfpgan, narrow 0.0625)"),
        ("bicubic", {}, "bicubic"),
    ],
)
def test_labels_and_weights(folder: Path, backend: str, settings: Mapping[str, Any], label: str) -> None:
    restorer = opened(backend, **settings)
    assert restorer.model == label
    assert all(weights.sha256(folder / name) == digest for name, digest in restorer.weights.items())
    assert len(restorer.weights) == (backend != "bicubic")


def test_a_path_wins_and_is_called_own(folder: Path) -> None:
    path = compact(folder / "mine ü.pth")
    assert opened("realesrgan", models="official", model=str(path)).model == "mine ü (own file)"
    assert opened("realesrgan", model=path).weights == {path.name: weights.sha256(path)}


def test_the_official_file_is_known_by_its_content(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = compact(folder / "renamed.pth", 5)
    entry = published.TABLE["realesr-general-x4v3.pth"]
    monkeypatch.setitem(
        published.TABLE,
        entry.name,
        published.Weight(entry.name, entry.folder, path.stat().st_size, weights.sha256(path), "BSD-3-Clause", ()),
    )
    assert opened("realesrgan", model=str(path)).model == "x4v3"


def test_what_cannot_be_chosen(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match=r"x4plu, which is neither .* Did you mean x4plus"):
        opened("realesrgan", model="x4plu")
    with pytest.raises(SettingsError, match="may be embedded or official"):
        opened("realesrgan", models="offical")
    with pytest.raises(SettingsError, match="aligned"):
        opened("gfpgan", aligned="sometimes")
    for backend in ("realesrgan", "bsrgan", "gfpgan"):
        with pytest.raises(SettingsError, match="fp16"):
            opened(backend, Machine(precision="fp16"))
    monkeypatch.delenv("FSRBENCH_WEIGHTS")
    with pytest.raises(WeightsError, match=r"fsrbench weights --download GFPGANv1\.4\.pth"):
        opened("gfpgan", models="official")


@pytest.mark.parametrize("backend", ["bicubic", "realesrgan", "bsrgan", pytest.param("gfpgan", marks=pytest.mark.slow)])
def test_every_size_and_the_same_bytes(folder: Path, backend: str) -> None:
    restorer = opened(backend, aligned=True)
    for lr in (LR, WIDE, LR[:1, :1], LR[:, :3]):
        first, second = run(restorer, lr), run(restorer, lr)
        assert first.image.tobytes() == second.image.tobytes()
    assert opened(backend, scale=2, aligned=True)(LR, {}, 0, "fp32").image.shape == (48, 48, 3)


def test_bicubic_is_resize() -> None:
    np.testing.assert_array_equal(run(opened("bicubic")).image, images.resize(LR, 96, 96))


# ----------------------------------------------------------------- realesrgan


def test_denoise_strength_mixes_the_twins(folder: Path) -> None:
    restorer = opened("realesrgan", models="official", model="x4v3")
    plain = run(restorer)
    assert run(restorer, denoise_strength=1.0).image.tobytes() == plain.image.tobytes()
    twin = run(opened("realesrgan", model=str(folder / "realesr-general-wdn-x4v3.pth")))
    assert moved(run(restorer, denoise_strength=0.0), twin) == 0
    half = run(restorer, denoise_strength=0.5)
    assert moved(half, plain) > 1
    assert moved(half, twin) > 1
    assert set(restorer.weights) == {"realesr-general-x4v3.pth", "realesr-general-wdn-x4v3.pth"}


@pytest.mark.parametrize("settings", [{}, {"models": "official"}, {"model": "alone"}])
def test_denoise_strength_without_a_twin_says_so(folder: Path, tmp_path: Path, settings: dict[str, str]) -> None:
    if settings.get("model"):
        (tmp_path / "alone").mkdir()
        settings = {"model": str(compact(tmp_path / "alone" / "realesr-general-x4v3.pth"))}
    restorer = opened("realesrgan", **settings)
    inert = run(restorer, denoise_strength=0.5)
    assert moved(inert, run(restorer)) == 0
    assert "moves nothing" in inert.notes[0]


def test_another_scale_is_brought_to_the_target(folder: Path) -> None:
    output = run(opened("realesrgan", models="official", model="x2plus"))
    assert output.notes == ("x2 network, brought to x4 by bicubic resizing",)


def test_tiles_do_not_show(folder: Path) -> None:
    lr = draw_face(80)
    assert moved(run(opened("realesrgan"), lr), run(opened("realesrgan", tile=32), lr)) < 0.1


# --------------------------------------------------------------------- bsrgan


@pytest.mark.parametrize(
    ("settings", "note"),
    [
        ({"models": "official"}, "x2 network, brought to x4 by bicubic resizing"),
        ({}, "scale 2 without an x2 network: the x4 result, halved to x2 and back"),
    ],
)
def test_scale_switch_moves_pixels(folder: Path, settings: dict[str, str], note: str) -> None:
    restorer = opened("bsrgan", **settings)
    plain, halved = run(restorer), run(restorer, scale=2)
    assert plain.notes == ()
    assert halved.notes == (note,)
    assert moved(plain, halved) > 1
    assert moved(plain, run(restorer, scale=4)) == 0


# --------------------------------------------------------------------- gfpgan


def test_gfpgan_equals_its_published_forward_pass(folder: Path) -> None:
    from fsrbench.backends._gfpgan_net import FaceNet

    net = FaceNet(folder / "prior.safetensors", "cpu")
    face = draw_face(64)
    silent = GFPGAN(**NARROW).eval()
    silent.load_state_dict({n: torch.zeros_like(t) if ".noises." in n else t for n, t in net._net.state_dict().items()})
    with torch.inference_mode():
        x = torch.from_numpy(face.transpose(2, 0, 1))[None] * 2 - 1
        expected = silent(x, return_rgb=False, randomize_noise=False)[0][0].permute(1, 2, 0) / 2 + 0.5
    [result] = net([face], [0], sft=1, noise=0, precision="fp32")
    assert 0.02 < result.std() < 0.6  # neither flat nor clipped throughout
    np.testing.assert_allclose(result, expected.clamp(0, 1).numpy(), atol=1e-5)


def test_noise_belongs_to_the_seed(folder: Path) -> None:
    restorer = opened("gfpgan")
    torch.manual_seed(3)
    before = torch.get_rng_state()
    one, again, other = run(restorer, seed=1), run(restorer, seed=1), run(restorer, seed=2**63 - 1)
    assert torch.equal(before, torch.get_rng_state())
    assert one.image.tobytes() == again.image.tobytes()
    assert moved(one, other) > 1
    assert moved(run(restorer, seed=1, noise_strength=0.0), run(restorer, seed=2, noise_strength=0.0)) == 0


@pytest.mark.parametrize("backend", ["bicubic", "bsrgan", "gfpgan", "realesrgan"])
def test_a_backend_says_whether_it_draws_noise(folder: Path, backend: str) -> None:
    restorer = opened(backend)
    assert (moved(run(restorer, seed=1), run(restorer, seed=2)) > 0) is plugins.load("backends", backend).draws


@pytest.mark.parametrize("knob", ["restore_weight", "sft_strength", "noise_strength"])
def test_strengths_move_pixels_and_stand_still_at_one(folder: Path, knob: str) -> None:
    restorer = opened("gfpgan")
    plain = run(restorer)
    assert run(restorer, **{knob: 1.0}).image.tobytes() == plain.image.tobytes()
    distances = [moved(run(restorer, **{knob: value}), plain) for value in (0.9, 0.5, 0.0)]
    assert 0.2 < distances[0] < distances[1] < distances[2]


def test_restore_weight_zero_is_the_plain_picture(folder: Path) -> None:
    assert moved(run(opened("gfpgan"), restore_weight=0.0), run(opened("bicubic"))) == 0


def test_bf16(folder: Path) -> None:
    restorer = opened("gfpgan")
    exact, fast = (restorer(LR, {}, 1, precision) for precision in ("fp32", "bf16"))
    assert 0 < moved(exact, fast) < 40


def test_memory_that_runs_out_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    restorer = opened("gfpgan")

    def full(*_: object) -> None:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(restorer._net._net.final_linear, "forward", full)  # type: ignore[attr-defined]
    with pytest.raises(BadOutput, match="one face of 64×64"):
        run(restorer)


# ------------------------------------------------------------- whole pictures


def face_at(x: float, y: float, size: float, score: float = 0.9) -> faces.Face:
    marks = (np.asarray(faces.CANONICAL) * size + (x, y)).astype(np.float32)
    return faces.Face((x, y, x + size, y + size), marks, score)


Find = Callable[..., None]


@pytest.fixture
def find(monkeypatch: pytest.MonkeyPatch) -> Find:
    def find(*found: faces.Face) -> None:
        monkeypatch.setattr(faces, "open_detector", lambda _machine: lambda _image: found)

    return find


def region(output: Output, face: faces.Face) -> Image:
    x0, y0, x1, y1 = (int(v) for v in face.box)
    inset = int((x1 - x0) * 0.3)
    return output.image[y0 + inset : y1 - inset, x0 + inset : x1 - inset]


LEFT, MIDDLE = face_at(2, 8, 60), face_at(70, 10, 62)


def test_no_face_is_said_and_upscaled_plainly(folder: Path, find: Find) -> None:
    find()
    output = run(opened("gfpgan"), WIDE)
    assert output.notes == ("no face found; upscaled plainly",)
    np.testing.assert_array_equal(output.image, run(opened("bicubic"), WIDE).image)


@pytest.mark.slow
def test_every_face_is_restored_and_nothing_else(folder: Path, find: Find) -> None:
    find(LEFT, MIDDLE)
    restorer = opened("gfpgan")
    output, plain = run(restorer, WIDE), run(opened("bicubic"), WIDE)
    assert output.notes == ("2 faces found",)
    for face in (LEFT, MIDDLE):
        assert np.abs(region(output, face) - region(plain, face)).max() > 0.02
    np.testing.assert_array_equal(output.image[:, 140:], plain.image[:, 140:])
    assert run(restorer, WIDE).image.tobytes() == output.image.tobytes()


def test_only_the_centre_face_has_the_same_pixels_as_among_all(folder: Path, find: Find) -> None:
    find(LEFT, MIDDLE)
    restorer = opened("gfpgan")
    every, one, plain = run(restorer, WIDE), run(restorer, WIDE, only_center_face=True), run(opened("bicubic"), WIDE)
    assert one.notes == ("2 faces found, only the centre one restored",)
    np.testing.assert_array_equal(region(one, LEFT), region(plain, LEFT))
    np.testing.assert_array_equal(region(one, MIDDLE), region(every, MIDDLE))


def test_restore_weight_on_whole_pictures(folder: Path, find: Find) -> None:
    find(MIDDLE)
    restorer = opened("gfpgan")
    full, half, none = (run(restorer, WIDE, restore_weight=w) for w in (1.0, 0.5, 0.0))
    plain = run(opened("bicubic"), WIDE)
    far, near, nearest = (np.abs(region(o, MIDDLE) - region(plain, MIDDLE)).mean() for o in (full, half, none))
    assert far > near > nearest
    assert far > 0.02


def test_aligned_decides(folder: Path, find: Find) -> None:
    find()
    assert run(opened("gfpgan", aligned=False)).notes[0].startswith("no face found")
    assert run(opened("gfpgan", aligned=True), WIDE).notes == ()
    aligned = run(opened("gfpgan"), only_center_face=True)
    assert aligned.notes == ("only_center_face moves nothing on one aligned face",)


def test_faces_are_found_for_real(folder: Path, shared_weights: Path, face: Image) -> None:
    machine = Machine(detector=shared_weights / "scrfd_2.5g_bnkps.onnx")
    lr = images.resize(face, 96, 96)
    two = np.concatenate([lr, np.full((96, 20, 3), 0.5, np.float32), lr], axis=1)
    restorer = opened("gfpgan", machine)
    output = run(restorer, two)
    assert output.notes == ("2 faces found",)
    assert moved(output, run(opened("bicubic"), two)) > 10


def test_the_contract_of_knobs(folder: Path) -> None:
    """Knobs that a backend consumes are `restore` knobs of its family, where such knobs exist."""
    for name in plugins.names("backends"):
        backend = plugins.load("backends", name)
        for knob in backend.consumes:
            if knob in plugins.names("knobs"):
                declared = plugins.load("knobs", knob)
                assert declared.stage == "restore"
                assert backend.family in declared.families


def test_unknown_knobs_change_nothing(folder: Path) -> None:
    knobs: Knobs = {"something_else": 3}
    assert moved(run(opened("gfpgan"), **knobs), run(opened("gfpgan"))) == 0


# ------------------------------------------------------- square pictures that are no face


@pytest.fixture
def seeing(shared_weights: Path) -> Machine:
    return Machine(detector=shared_weights / "scrfd_2.5g_bnkps.onnx")


@pytest.fixture
def collage(eval_faces: Path) -> Image:
    """Four people in a square picture of 192×192, each in a quarter."""
    people = [images.fit_square(images.read(eval_faces / f"ffhq_0000{n}.png"), 96) for n in range(4)]
    return np.concatenate([np.concatenate(people[:2], axis=1), np.concatenate(people[2:], axis=1)])


@pytest.mark.slow
def test_a_square_group_is_restored_face_by_face(folder: Path, seeing: Machine, collage: Image) -> None:
    plain = run(opened("bicubic"), collage)
    restorer = opened("gfpgan", seeing)
    output = run(restorer, collage)
    assert output.notes == ("4 faces found",)
    for row in (0, 1):
        for column in (0, 1):
            quarter = np.s_[row * 384 + 96 : row * 384 + 288, column * 384 + 96 : column * 384 + 288]
            assert np.abs(output.image[quarter] - plain.image[quarter]).max() > 0.05
    one = run(restorer, collage, only_center_face=True)
    assert one.notes == ("4 faces found, only the centre one restored",)
    assert moved(one, output) > 10
    smeared = run(opened("gfpgan"), collage)  # without a detector it is taken for one face
    assert smeared.notes == ()
    assert moved(smeared, output) > 10


@pytest.mark.slow
def test_an_aligned_face_has_the_same_pixels_with_a_detector(
    folder: Path, seeing: Machine, eval_faces: Path, collage: Image
) -> None:
    people = [images.fit_square(images.read(path), 96) for path in sorted(eval_faces.glob("*.png"))]
    restorer, blind = opened("gfpgan", seeing), opened("gfpgan")
    assert all(moved(run(restorer, person), run(blind, person)) == 0 for person in people)
    mixed = [people[0], images.resize(collage, 96, 96), people[1]]
    together = restorer.together(mixed, {}, [7, 7, 7], "fp32")  # type: ignore[attr-defined]
    assert all(moved(one, run(restorer, lr, 7)) < 1 / 255 for one, lr in zip(together, mixed, strict=True))
    far = np.full((192, 192, 3), 0.5, np.float32)
    far[90:186, 6:102] = people[2]
    assert run(restorer, far).notes == ("1 face found",)


def test_nothing_is_looked_for_twice(folder: Path, find: Find, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[bytes] = []

    def look(image: Image) -> tuple[faces.Face, ...]:
        looked.append(image.tobytes())
        return (LEFT,)

    monkeypatch.setattr(faces, "open_detector", lambda _machine: look)
    restorer = opened("gfpgan", Machine(detector=Path("any.onnx")))
    square = WIDE[:, :24]
    for weight in (1.0, 0.8, 0.5):
        run(restorer, square, restore_weight=weight)
    assert len(looked) == 1
    run(restorer, WIDE)
    assert len(looked) == 2


@pytest.mark.parametrize(
    ("settings", "detector", "said"),
    [
        ({}, None, True),
        ({}, Path("d.onnx"), False),
        ({"aligned": True}, None, False),
        ({"aligned": False}, None, False),
    ],
)
def test_what_is_taken_for_granted_is_said(
    folder: Path, settings: dict[str, Any], detector: Path | None, said: bool
) -> None:
    restorer = opened("gfpgan", Machine(detector=detector), **settings)
    assert isinstance(restorer, contracts.Assuming)
    assert ("faces.detector" in restorer.assumption) is said
    assert bool(restorer.assumption) is said


def test_a_run_says_once_what_it_takes_for_granted(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """On the terminal, in study.yaml and in the summary; not of families without a prior."""
    from fsrbench.core.execute import untracked
    from fsrbench.show import publish
    from fsrbench.study import config
    from fsrbench.study.run import run_study
    from fsrbench.study.store import RunFolder

    for number in range(2):
        images.write(tmp_path / "lr" / f"{number}.png", draw_face(24, number))
    whole, _ = config.load(None, ["metrics=psnr", "families.general.backend=bicubic"])
    settings = config.with_arms(config.with_families(whole, ["general", "prior"]), [])
    out = tmp_path / "out"
    for _ in range(2):  # the second command has nothing to do
        assert run_study(settings, Machine(offline=True), tmp_path / "lr", None, out).failures == []
    said = [line for line in caplog.messages if "one aligned face" in line]
    assert len(said) == 1
    assert said[0].startswith("prior: Square pictures are taken for one aligned face each")
    assert list(RunFolder(out).study()["assumptions"]) == ["prior"]
    publish.run(RunFolder(out), Machine(offline=True), 1, untracked)
    summary = (out / "summary.md").read_text(encoding="utf-8")
    assert summary.count("taken for one aligned face") == 1
    assert "faces.detector" in summary
