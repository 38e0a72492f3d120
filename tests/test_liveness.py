"""Knobs that move nothing are found, and what would be sent is what is sent."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fsrbench.asking import prompts
from fsrbench.case import liveness
from fsrbench.case.restore import Pipeline
from fsrbench.core import plugins
from fsrbench.core.contracts import Knob, Machine, Output
from fsrbench.core.errors import BadOutput, InputError, Unavailable
from fsrbench.core.stored import Knobs
from fsrbench.core.values import Image
from fsrbench.experiments import preview
from fsrbench.imaging import images
from fsrbench.models import weights
from fsrbench.show import overviews
from fsrbench.study import config
from fsrbench.study.run import run_study
from support import draw_face

MACHINE = Machine(offline=True)
PLAIN = ["families.general.backend=bicubic", "families.blind.backend=bicubic", "families.prior.backend=bicubic"]


class Plain:
    """Fourfold enlargement with seeded noise, and two knobs of its own."""

    model = "plain"
    weights: Mapping[str, str] = {}

    def __call__(self, lr: Image, knobs: Knobs, seed: int, precision: str) -> Output:
        if knobs.get("broken"):
            raise BadOutput("it broke")
        big = images.resize(lr, lr.shape[1] * 4, lr.shape[0] * 4)
        noise = np.random.default_rng(seed).normal(0, 0.02, big.shape)
        more = float(knobs.get("brighter", 0)) + float(knobs.get("faint", 0))
        return Output(np.clip(big + noise + more, 0, 1).astype(np.float32))


def knob(default: Any, **fields: Any) -> Knob:
    return Knob("A knob.", ("general",), "restore", default, **fields)


OFFERED = {
    "brighter": knob(0.0, low=-4 / 255, high=8 / 255),
    "ignored": knob(0.5, low=0.0, high=1.0),
    "flag": knob(False, choices=(False, True)),
    "faint": knob(0.0, low=0.0, high=1 / 255),
    "broken": knob(0.0, low=0.0, high=1.0),
}


@pytest.fixture(scope="module")
def lr() -> Image:
    return images.as_stored(0.2 + 0.5 * images.resize(draw_face(96), 24, 24))


def pipeline(*names: str) -> Pipeline:
    return Pipeline(Plain(), {name: OFFERED[name] for name in names}, 4, "fp32")


def test_a_knob_that_moves_nothing_is_dead_and_noise_is_no_movement(lr: Image) -> None:
    several = pipeline("brighter", "ignored", "flag", "faint")
    assert liveness.reach(several, lr, 7, several.offered) == {"brighter": 4, "ignored": 0, "flag": 0, "faint": 1}
    with pytest.raises(BadOutput, match="it broke"):
        liveness.reach(pipeline("broken"), lr, 7, ["broken"])


def test_how_far_each_end_moves(lr: Image) -> None:
    reference = images.resize(lr, 96, 96)
    specimens = [liveness.Specimen(lr, 1, reference), liveness.Specimen(lr, 2)]
    measures: dict[str, liveness.Measure] = {
        "mean": lambda image, _: 255 * float(image.mean()),
        "never": lambda _image, _reference: None,
        "with_hr": lambda image, hr: None if hr is None else float((image - hr).mean() * 255),
    }
    found = liveness.probe(pipeline(*OFFERED), specimens, measures)
    down, up = found["brighter"].ends
    assert (down.value, up.value) == (-4 / 255, 8 / 255)
    assert (down.largest, up.largest) == (4, 8)
    assert (down.mean, up.mean) == (pytest.approx(4, abs=0.1), pytest.approx(8, abs=0.1))
    assert up.changes["mean"] == pytest.approx(8, abs=0.1)
    assert up.changes["with_hr"] == pytest.approx(8, abs=0.1)
    assert up.changes["never"] is None
    assert [end.value for end in found["flag"].ends] == [True]
    assert [name for name, movement in found.items() if movement.dead] == ["ignored", "flag"]
    assert found["faint"].trial == liveness.Trial(2, 1)
    assert found["faint"].trial.told("faint").startswith("faint is nearly dead: it moves the 2 pictures")
    assert found["broken"].trial.told("broken") == "broken could not be tried: it broke"
    assert not found["broken"].dead


@pytest.mark.parametrize("name", plugins.names("knobs"))
def test_ends_are_the_bounds_that_are_not_the_default(name: str) -> None:
    declared: Knob = plugins.load("knobs", name)
    ends = liveness.ends(declared)
    assert ends
    assert declared.default not in ends
    assert all(declared.clamp(value) == value for value in ends)


# ------------------------------------------------------------- the two commands


@pytest.fixture
def faces(tmp_path: Path) -> tuple[Path, Path]:
    for number in range(2):
        hr = draw_face(192, number)
        images.write(tmp_path / "hr" / f"face {number}.png", hr)
        images.write(tmp_path / "lr" / f"face {number}.png", images.resize(hr, 48, 48))
    return tmp_path / "lr", tmp_path / "hr"


def test_every_knob_is_told_without_pictures() -> None:
    found = preview.knobs(config.load(None)[0], MACHINE, None, None)
    told = {name for family in found["families"].values() for name in family["knobs"]}
    assert told == set(plugins.names("knobs"))
    text = "\n".join(overviews.knobs(found))
    for name in told:
        assert name in text
        assert plugins.load("knobs", name).meaning in text
    assert "No pictures were given" in text
    assert found["families"]["prior"]["knobs"]["sft_strength"]["offered"] is False
    json.dumps(found, allow_nan=False)


def test_what_knobs_move_on_pictures(faces: tuple[Path, Path]) -> None:
    found = preview.knobs(config.load(None, PLAIN)[0], MACHINE, *faces)
    general, prior = (found["families"][family]["knobs"] for family in ("general", "prior"))
    assert general["detail_damping"]["dead"] is False
    changes = general["detail_damping"]["ends"][0]["changes"]
    assert changes["psnr"] != 0
    assert changes["niqe"] != 0
    assert changes["arcface"] is None
    assert prior["restore_weight"]["dead"] is True  # bicubic has no such thing
    assert found["families"]["general"]["cases"] == ["face 0", "face 1"]
    text = "\n".join(overviews.knobs(found))
    assert "PSNR +" in text
    assert "ArcFace n/a" in text
    assert "dead: it moves no pixel" in text
    assert "ArcFace: " in text  # and why
    json.dumps(found, allow_nan=False)


@pytest.mark.slow
def test_a_plugin_that_does_nothing_is_dead(faces: tuple[Path, Path], tmp_path: Path) -> None:
    """In a process of its own: a folder of plugins stays for as long as Python runs."""
    folder = tmp_path / "mine" / "knobs"
    folder.mkdir(parents=True)
    (folder / "placebo.py").write_text(
        "from fsrbench.plugins import Knob\n"
        "KNOB = Knob('Does nothing.', ('general',), 'after', 0.0, 0.0, 1.0, apply=lambda image, value, lr: image)\n",
        encoding="utf-8",
    )
    words = ["knobs", "--family", "general", "--lr", faces[0], "--limit", 1, "--offline", "--json"]
    command = [sys.executable, "-m", "fsrbench", *map(str, words), "--set", PLAIN[0]]
    env = {"FSRBENCH_PLUGINS": str(tmp_path / "mine"), **os.environ}
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", env=env, timeout=120)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)["families"]["general"]["knobs"]
    assert told["placebo"]["dead"] is True
    assert told["detail_damping"]["dead"] is False


@pytest.mark.parametrize("family", ["general", "blind", "prior"])
def test_a_prompt_is_what_a_run_sends(faces: tuple[Path, Path], tmp_path: Path, family: str) -> None:
    settings, _ = config.load(None, [*PLAIN, 'arms.s={"auditor": "scripted", "replies": [{"score": 100}]}'])
    found = preview.question(settings, MACHINE, family, faces[0], "face 1")
    ran = config.with_arms(config.with_families(settings, [family]), ["s"])
    run_study(ran, MACHINE, faces[0], None, tmp_path / "out")
    recorded = json.loads((tmp_path / "out" / "audits" / family / "s" / "face 1-1.json").read_text(encoding="utf-8"))
    assert found["prompt"] == recorded["prompt"]
    assert found["schema"] == recorded["schema"]
    assert found["pictures"][0]["label"].startswith("INPUT (48×48)")
    pure = images.encode(images.read(tmp_path / "out" / family / "pure-fsr" / "face 1.png"))
    assert found["pictures"][1]["sha256"] == hashlib.sha256(pure).hexdigest()
    text = overviews.prompt(found)
    assert prompts.read(family).text[:40] in text
    assert found["pictures"][-1]["sha256"] in text
    assert '"additionalProperties": false' in text


def test_a_prompt_and_a_list_of_knobs_download_nothing(
    faces: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FSRBENCH_OFFLINE")
    monkeypatch.setenv("FSRBENCH_CACHE", str(tmp_path / "empty"))
    monkeypatch.setattr(weights, "download", lambda *_: pytest.fail("it downloads"))
    settings = config.load(None, ["families.general.backend=bicubic"])[0]
    found = preview.question(settings, Machine(), "general", faces[0])
    assert list(found["missing"]) == ["detector", "identity", "lpips"]
    said = overviews.prompt(found)
    assert "LPIPS to the input: the files are not on this machine, and nothing is downloaded to print a prompt" in said
    assert "fsrbench weights --download det_10g.onnx --download w600k_r50.onnx --download alexnet" in said
    told = preview.knobs(config.with_families(settings, ["general"]), Machine(), *faces, limit=1)
    assert any(note.startswith("ArcFace: ") and "--download" in note for note in told["notes"])


def test_a_prompt_without_a_picture_says_so(faces: tuple[Path, Path], tmp_path: Path) -> None:
    settings = config.load(None, PLAIN)[0]
    assert preview.question(settings, MACHINE, "general", faces[0])["case"] == "face 0"
    with pytest.raises(InputError, match="Did you mean face 1"):
        preview.question(settings, MACHINE, "general", faces[0], "fase 1")
    (tmp_path / "none").mkdir()
    with pytest.raises(InputError, match="fsrbench degrade"):
        preview.question(settings, MACHINE, "general", tmp_path / "none")


# -------------------------------------------------- the paper's dead weight


@pytest.fixture
def prior(tmp_path: Path) -> Path:
    """A narrow GFPGAN with made weights: the package itself runs it."""
    import torch
    from safetensors.torch import save_file
    from spandrel.architectures.GFPGAN import GFPGAN

    narrow = {"narrow": 0.0625, "num_style_feat": 32, "num_mlp": 2, "channel_multiplier": 1}
    torch.manual_seed(0)
    state = {name: tensor.contiguous() for name, tensor in GFPGAN(**narrow).state_dict().items()}
    about = {"architecture": "gfpgan", "hyperparameters": narrow}
    save_file(state, tmp_path / "prior.safetensors", {"fsrbench": json.dumps(about)})
    return tmp_path / "prior.safetensors"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*pretrained.*:UserWarning:torchvision")
@pytest.mark.filterwarnings("ignore:Arguments other than a weight enum:UserWarning:torchvision")
def test_upstream_gfpgans_weight_is_dead_and_the_native_one_alive(faces: tuple[Path, Path], prior: Path) -> None:
    def told(backend: str) -> Any:
        changes = [f"families.prior.backend={backend}", f"families.prior.model={prior}"]
        settings = config.with_families(config.load(None, changes)[0], ["prior"])
        return preview.knobs(settings, MACHINE, faces[0], None, 1)["families"]["prior"]["knobs"]

    native = told("gfpgan")
    assert native["restore_weight"]["dead"] is False
    assert native["restore_weight"]["ends"][0]["largest"] > 10
    assert native["only_center_face"]["dead"] is None  # one aligned face says nothing of it
    assert "no face detector is set" in native["only_center_face"]["why"]
    try:
        upstream = told("upstream_gfpgan")
    except Unavailable as error:
        pytest.skip(str(error))
    assert upstream["restore_weight"]["dead"] is True
