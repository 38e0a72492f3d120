"""What lies around restored faces: another network where the settings name one, and otherwise what it always was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fsrbench
from fsrbench.core import plugins
from fsrbench.core.contracts import Machine, Output
from fsrbench.core.errors import SettingsError
from fsrbench.core.values import Image
from fsrbench.imaging import faces
from fsrbench.study import config
from fsrbench.study.store import RunFolder
from support import draw_face

WIDE = np.concatenate([draw_face(40), draw_face(40, 1)[:, :20]], axis=1)
FACE = faces.Face((40.0, 40.0, 110.0, 110.0), (faces.CANONICAL * 100 + 20).astype(np.float32), 0.9)
GENERAL = {"backend": "realesrgan", "model": None}


def found(monkeypatch: pytest.MonkeyPatch, *these: faces.Face) -> None:
    monkeypatch.setattr(faces, "open_detector", lambda _machine: lambda _image: these)


def prior(**settings: Any) -> Output:
    opened = plugins.load("backends", "gfpgan").open({"models": "embedded", "scale": 4, **settings}, Machine())
    done: Output = opened(WIDE, {}, 3, "fp32")
    return done


def alone(name: str) -> Image:
    opened = plugins.load("backends", name).open({"models": "embedded", "scale": 4}, Machine())
    image: Image = opened(WIDE, {}, 3, "fp32").image
    return image


def test_around_the_face_stands_what_the_other_network_makes(monkeypatch: pytest.MonkeyPatch) -> None:
    found(monkeypatch, FACE)
    plain, done = prior(), prior(background=GENERAL)
    assert np.array_equal(done.image[:, 160:], alone("realesrgan")[:, 160:])
    assert np.array_equal(plain.image[:, 160:], alone("bicubic")[:, 160:])
    middle = np.s_[60:80, 60:80]
    assert np.allclose(done.image[middle], plain.image[middle], atol=1e-5)
    assert done.notes == plain.notes == ("1 face found",)


@pytest.mark.slow
def test_bicubic_is_what_it_was_without(monkeypatch: pytest.MonkeyPatch) -> None:
    found(monkeypatch, FACE)
    assert np.array_equal(prior(background={"backend": "bicubic", "model": None}).image, prior().image)


def test_without_a_face_all_of_it_is_background(monkeypatch: pytest.MonkeyPatch) -> None:
    found(monkeypatch)
    done = prior(background=GENERAL)
    assert np.array_equal(done.image, alone("realesrgan"))
    assert done.notes == ("no face found; all of it is background embedded (compact, 16×48)",)


@pytest.mark.slow
def test_a_background_is_made_once_for_a_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    found(monkeypatch, FACE)
    opened = plugins.load("backends", "gfpgan").open({"models": "embedded", "background": GENERAL}, Machine())
    one = opened(WIDE, {}, 3, "fp32")
    monkeypatch.setattr(opened._background, "_restorer", None)
    again = opened(WIDE, {"restore_weight": 0.5}, 3, "fp32")
    assert np.array_equal(one.image[:, 160:], again.image[:, 160:])


@pytest.mark.slow
def test_a_run_records_it_and_makes_its_pictures_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found(monkeypatch, FACE)
    fsrbench.images.write(tmp_path / "lr" / "wide.png", WIDE)
    given: dict[str, Any] = {"lr": tmp_path / "lr", "out": tmp_path / "out", "families": "prior", "device": "cpu"}
    run = fsrbench.run(**given, settings=["families.prior.background=realesrgan"], evaluate=False)
    assert not run.failures.size
    folder = RunFolder(tmp_path / "out")
    assert "general.safetensors (background)" in folder.study()["weights"]["prior"]
    trail = folder.trail("prior", "wide")
    assert trail is not None
    assert trail.pure.model == "embedded (gfpgan, narrow 0.125), background embedded (compact, 16×48)"
    stored = tmp_path / "out" / trail.pure.path
    before = stored.read_bytes()
    stored.unlink()
    fsrbench.run(**given, settings=["families.prior.background=realesrgan"], evaluate=False)
    assert stored.read_bytes() == before
    with pytest.raises(fsrbench.FsrbenchError, match="background"):
        fsrbench.run(**given, evaluate=False)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("families.general.background=realesrgan", "realesrgan takes no other network for the background"),
        ("families.prior.background=gfpgan", "gfpgan restores faces; name a network for whole pictures"),
        ("families.prior.background=general", "there is no backend 'general'"),
        ("families.prior.background.modl=x2plus", "Did you mean model"),
    ],
)
def test_a_background_that_cannot_be_is_refused(change: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        config.load(None, [change])


def test_settings_without_one_are_recorded_as_before() -> None:
    assert "background" not in config.load(None)[0].model_dump(mode="json")["families"]["prior"]
    chosen = config.load(None, ["families.prior.background=realesrgan"])[0]
    assert chosen.model_dump(mode="json")["families"]["prior"]["background"] == GENERAL
