"""The networks that ship in the package: whole, small, described, loadable, and better than bicubic."""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fsrbench
from fsrbench.imaging import images
from support import ROOT, draw_face

FOLDER = Path(fsrbench.__file__).parent / "models" / "embedded"
NETWORKS = ("general", "blind", "prior", "faithful")
NUMBER = r"[+-]?\d+\.\d+"
SCRIPT = ROOT / "scripts" / "train_embedded.py"


@pytest.fixture
def training(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The training package beside the script."""
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    importlib.import_module("training.judge")
    return importlib.import_module("training")


def read(family: str) -> tuple[dict[str, Any], dict[str, Any]]:
    from safetensors import safe_open

    with safe_open(FOLDER / f"{family}.safetensors", framework="pt") as file:
        return json.loads(file.metadata()["fsrbench"]), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


def test_all_of_them_fit_into_eight_megabytes() -> None:
    assert sum((FOLDER / f"{family}.safetensors").stat().st_size for family in NETWORKS) <= 8_000_000


@pytest.mark.parametrize("family", NETWORKS)
def test_card_names_the_hash_and_size_of_what_ships(family: str) -> None:
    data = (FOLDER / f"{family}.safetensors").read_bytes()
    row = re.search(rf"^\| `{family}\.safetensors` \|.*$", (FOLDER / "MODEL_CARD.md").read_text("utf-8"), re.M)
    assert row
    assert hashlib.sha256(data).hexdigest() in row[0]
    assert f"{len(data):,}" in row[0]


@pytest.mark.parametrize("family", NETWORKS)
def test_metadata_says_how_to_build_it(family: str) -> None:
    import torch

    about, state = read(family)
    assert about.keys() == {"family", "architecture", "hyperparameters", "version", "licence"}
    assert about["family"] == family
    assert about["version"] == 1
    assert about["licence"] == "CC-BY-NC-4.0"
    for tensor in state.values():
        assert tensor.dtype == torch.float16
        assert torch.isfinite(tensor).all()


@pytest.mark.parametrize(
    ("family", "architecture"), [("general", "Compact"), ("faithful", "Compact"), ("blind", "ESRGAN")]
)
def test_spandrel_detects_all_but_the_prior(family: str, architecture: str) -> None:
    import torch
    from spandrel import ModelLoader

    about, state = read(family)
    found = ModelLoader(torch.device("cpu")).load_from_file(FOLDER / f"{family}.safetensors")
    assert (found.architecture.id, found.scale) == (architecture, 4)
    with torch.inference_mode():
        assert found.model.float()(torch.rand(1, 3, 8, 12)).shape == (1, 3, 32, 48)
    built = getattr(importlib.import_module(f"spandrel.architectures.{architecture}"), architecture)(
        **about["hyperparameters"]
    )
    built.load_state_dict({name: tensor.float() for name, tensor in state.items()})


@pytest.mark.slow
def test_the_prior_is_a_gfpgan_whose_noise_moves_pixels_only_when_asked() -> None:
    import torch
    from spandrel.architectures.GFPGAN import GFPGAN

    about, state = read("prior")
    network = GFPGAN(**about["hyperparameters"]).eval()
    network.load_state_dict({name: tensor.float() for name, tensor in state.items()})
    picture = torch.rand(1, 3, 512, 512) * 2 - 1
    with torch.inference_mode():
        still = [network(picture, return_rgb=False, randomize_noise=False)[0] for _ in range(2)]
        drawn = network(picture, return_rgb=False)[0]
    assert still[0].shape == (1, 3, 512, 512)
    assert torch.equal(*still)
    assert not torch.equal(still[0], drawn)


@pytest.mark.slow
def test_training_starts_at_interpolation_and_not_at_noise(training: Any) -> None:
    import torch

    torch.manual_seed(0)
    low = images.resize(draw_face(512), 128, 128)
    plain = images.resize(low, 512, 512)
    for family in ("general", "prior"):
        start = training.loop.run(training.networks.build(family), family, low)
        assert training.loop.psnr(start, plain) > 23  # noise would be at 10


def test_faces_are_trained_on_or_watch_or_are_kept(training: Any, tmp_path: Path) -> None:
    for number in range(40):
        (tmp_path / f"{number:02}.png").touch()
    split = training.data.split(tmp_path)
    assert [p.stem for p in split.watching] == ["09", "19", "29", "39"]
    assert [p.stem for p in split.kept[:5]] == ["01", "03", "05", "07", "11"]
    assert (len(split.trained), len(split.kept)) == (20, 16)
    assert len({*split.trained, *split.watching, *split.kept}) == 40


def test_a_batch_is_cut_at_the_same_place_from_all(training: Any) -> None:
    ramp = np.arange(32, dtype=np.uint8)
    low = np.broadcast_to(ramp[:, None] + 40 * (ramp[None] % 3), (2, 3, 32, 32)).astype(np.uint8)
    high = low.repeat(4, axis=2).repeat(4, axis=3)
    pool = training.data.Pool(high, low, high + 1)
    batch = training.data.draw_batch(pool, 5, 8, 0, "general", 3)
    np.testing.assert_array_equal(batch.high, batch.low.repeat(4, axis=2).repeat(4, axis=3))
    np.testing.assert_allclose(batch.taught, batch.high + 1 / 255, atol=1e-6)
    np.testing.assert_array_equal(batch.low, training.data.draw_batch(pool, 5, 8, 0, "general", 3).low)
    assert not np.array_equal(batch.low, training.data.draw_batch(pool, 5, 8, 0, "general", 4).low)


@pytest.mark.slow
def test_the_last_steps_learn_the_own_picture_sharpened(training: Any) -> None:
    import torch

    plan = training.loop.replace(training.loop.PLANS["general"], batch=2, patch=16, fall=3, steps=6)
    rng = np.random.default_rng(0)
    low = rng.integers(0, 256, (2, 3, 16, 16), np.uint8)
    high = low.repeat(4, axis=2).repeat(4, axis=3)
    trainer = training.loop.Trainer("general", plan, 0)
    for _ in range(4):
        trainer.step(training.data.Pool(high, low, high))
    before = trainer.smooth.state_dict()
    trainer.step(training.data.Pool(255 - high, low, high))  # faces no longer matter
    assert all(torch.equal(one, before[name]) for name, one in trainer.smooth.state_dict().items())
    plain = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    sharp = training.loop.sharpened(plain, 1.0)
    assert sharp.std() > plain.std()
    assert abs(float(sharp.mean() - plain.mean())) < 0.02


@pytest.mark.slow
def test_each_gains_half_a_decibel_on_faces_never_seen_and_the_card_says_so(training: Any, eval_faces: Path) -> None:
    """The card's table is what the command under it prints; a processor may round the last digit otherwise."""
    scores, cases = training.judge.measure(FOLDER, eval_faces, 0)
    gains = training.judge.gains(scores)
    for name in NETWORKS:
        assert gains[name][0] >= 0.5, gains
    card = (FOLDER / "MODEL_CARD.md").read_text("utf-8")
    printed = training.judge.table(scores, cases)
    stated = card[card.index(printed.splitlines()[0]) :].splitlines()[: len(printed.splitlines())]
    for now, then in zip(printed.splitlines(), stated, strict=True):
        assert re.sub(NUMBER, "#", now) == re.sub(NUMBER, "#", then)
        for one, other in zip(re.findall(NUMBER, now), re.findall(NUMBER, then), strict=True):
            unit = 10.0 ** -len(other.partition(".")[2])
            assert float(one) == pytest.approx(float(other), abs=1.01 * unit), f"the card says: {then}; now: {now}"


@pytest.mark.slow
def test_the_same_steps_give_the_same_weights_also_when_interrupted(tmp_path: Path) -> None:
    faces = tmp_path / "faces"
    for seed in range(3):
        images.write(faces / f"{seed}.png", draw_face(520, seed))

    def train(out: str, *options: str) -> str:
        base = [sys.executable, str(SCRIPT), "--family", "general", "--faces", str(faces), "--out", str(tmp_path / out)]
        base += ["--teacher", str(FOLDER / "general.safetensors")]
        environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
        subprocess.run([*base, "--steps", "6", "--every", "2", *options], check=True, env=environment, timeout=600)
        return hashlib.sha256((tmp_path / out / "general.safetensors").read_bytes()).hexdigest()

    once = train("once")
    assert train("twice") == once
    assert train("halves", "--until", "2") != once
    assert train("halves", "--resume") == once
