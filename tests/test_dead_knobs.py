"""What is said of a knob that moved nothing: from how many pictures, from which, and until a run shows otherwise."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

from fsrbench.auditors.random import AUDITOR
from fsrbench.backends import gfpgan
from fsrbench.case import liveness
from fsrbench.case.liveness import Trial
from fsrbench.core.contracts import Backend, Machine, Output
from fsrbench.core.execute import untracked
from fsrbench.core.stored import Knobs
from fsrbench.core.values import Image, Restoration, Round
from fsrbench.core.values import Trail as Kept
from fsrbench.experiments import preview
from fsrbench.imaging import faces, images
from fsrbench.show import overviews, publish
from fsrbench.study import config, schema
from fsrbench.study.run import run_study
from fsrbench.study.store import RunFolder
from support import draw_face

pytestmark = pytest.mark.usefixtures("no_plots")
RED = 0.9
"""A picture's first value from which on it holds three faces, for the stand-in of the detector."""
SEEING = Machine(offline=True, detector=Path("detector.onnx"))
BLIND = Machine(offline=True)
ASKED = {"score": 30, "confidence": 95, "hints": {"only_center_face": True}}


class Prior:
    """Enlarges; `only_center_face` darkens a half where there are several faces, `restore_weight` everything."""

    model = "stand-in"
    weights: Mapping[str, str] = MappingProxyType({})

    def __init__(self, fond_of_red: bool = True) -> None:
        self._fond = fond_of_red

    def __call__(self, lr: Image, knobs: Knobs, seed: int, precision: str) -> Output:
        image = images.resize(lr, lr.shape[1] * 4, lr.shape[0] * 4) * np.float32(knobs.get("restore_weight", 1.0))
        if knobs.get("only_center_face") and lr[0, 0, 0] > RED and self._fond:
            image[: len(image) // 2] *= np.float32(0.5)
        return Output(image)


@pytest.fixture
def prior(monkeypatch: pytest.MonkeyPatch) -> None:
    """The family prior restored by the stand-in, and three faces found wherever the first value is red."""
    face = faces.Face((0, 0, 9, 9), np.asarray(faces.CANONICAL) * 9, 0.9)
    monkeypatch.setattr(
        faces, "open_detector", lambda _machine: lambda image: (face,) * (3 if image[0, 0, 0] > RED else 1)
    )
    declared = Backend("Stand-in.", "prior", ("restore_weight", "only_center_face"), lambda _s, _m: Prior())
    monkeypatch.setattr(gfpgan, "BACKEND", declared)


def folder(tmp_path: Path, groups: Sequence[int], number: int = 4) -> Path:
    """LRs of one face each, and of three where `groups` says so."""
    for n in range(number):
        lr = images.resize(draw_face(96, n), 24, 24) * np.float32(0.8)
        lr[0, 0, 0] = 1.0 if n in groups else 0.0
        images.write(tmp_path / "lr" / f"{n:02}.png", lr)
    return tmp_path / "lr"


def settings_of(*arms: str, **said: Any) -> schema.Settings:
    own = [f"arms.{name}={json.dumps({'auditor': 'scripted', 'replies': [reply]})}" for name, reply in said.items()]
    whole, _ = config.load(None, ["metrics=psnr", *own])
    return config.with_arms(config.with_families(whole, ["prior"]), [*arms, *said])


def trials(out: Path) -> dict[str, Trial]:
    return liveness.recorded(RunFolder(out).study(), "prior")


def everywhere(settings: schema.Settings, machine: Machine, lr: Path, out: Path) -> tuple[str, str]:
    """What `knobs` and a run's summary say of `only_center_face`."""
    found = preview.knobs(settings, machine, lr, None)["families"]["prior"]["knobs"]["only_center_face"]
    publish.run(RunFolder(out), machine, 1, untracked)
    notes = json.loads((out / "summary.json").read_text(encoding="utf-8"))["notes"]
    return found["told"], next((note for note in notes if "only_center_face" in note), "")


# ------------------------------------------------------------------ on which pictures


def test_a_group_among_the_first_pictures_is_found_and_the_knob_is_alive(
    prior: None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The first two pictures have one face; the fourth has three, and there the knob moves."""
    lr, settings = folder(tmp_path, groups=[3]), settings_of("heuristic")
    run_study(settings, SEEING, lr, None, tmp_path / "out")
    assert trials(tmp_path / "out")["only_center_face"].pictures == 1
    assert trials(tmp_path / "out")["only_center_face"].largest > 1
    assert RunFolder(tmp_path / "out").study()["dead_knobs"] == {"prior": []}
    assert not [line for line in caplog.messages if "only_center_face" in line]
    assert everywhere(settings, SEEING, lr, tmp_path / "out") == ("", "")


@pytest.mark.parametrize(
    ("machine", "number", "why"),
    [
        (SEEING, 3, "no picture with several faces among the first 3"),
        (SEEING, 18, "no picture with several faces among the first 16"),
        (BLIND, 3, "it acts where there are several faces, and no face detector is set (faces.detector)"),
    ],
)
def test_without_a_group_it_is_untried_and_not_dead(
    prior: None, tmp_path: Path, caplog: pytest.LogCaptureFixture, machine: Machine, number: int, why: str
) -> None:
    lr, settings = folder(tmp_path, groups=[17], number=number), settings_of("heuristic")
    run_study(settings, machine, lr, None, tmp_path / "out", limit=2)
    if number < 18:  # only what is worked on is looked at; `knobs` looks at the whole folder
        lr = folder(tmp_path / "two", groups=[], number=2) if machine is SEEING else lr
    assert trials(tmp_path / "out")["only_center_face"].pictures == 0
    assert RunFolder(tmp_path / "out").study()["dead_knobs"] == {"prior": []}
    said = [line for line in caplog.messages if "only_center_face" in line]
    assert len(said) == 1
    assert "only_center_face could not be tried: " in said[0]
    told, noted = everywhere(settings, machine, lr, tmp_path / "out")
    assert told.startswith("it could not be tried: ")
    assert noted == said[0]
    if number == 18 or machine is BLIND:
        assert why in told


def test_a_knob_that_the_backend_lacks_is_dead_on_any_picture(tmp_path: Path) -> None:
    settings = config.with_families(config.load(None, ["families.prior.backend=bicubic"])[0], ["prior"])
    lr = folder(tmp_path, groups=[])
    knobs = preview.knobs(settings, BLIND, lr, None)["families"]["prior"]["knobs"]
    assert knobs["only_center_face"]["told"] == "it is dead: it moves no pixel of the 2 pictures on which it was tried"
    one = preview.knobs(settings, BLIND, lr, None, limit=1)["families"]["prior"]["knobs"]
    assert "of the 1 picture on" in one["only_center_face"]["told"]


def test_one_level_is_nearly_dead_in_every_sentence() -> None:
    told = Trial(2, 1).told("faint")
    assert told == "faint is nearly dead: it moves the 2 pictures on which it was tried by one 8-bit level at most"
    assert Trial(2, 2).told("faint") == ""
    knob = {
        "told": Trial(2, 1).told("it"),
        "dead": False,
        "ends": [{"value": 1.0, "mean": 0.1, "largest": 1, "changes": {}}],
    }
    lines = list(overviews._movement(knob, {}))
    assert lines[0].startswith("it is nearly dead")
    assert "1 at most" in lines[1]


# --------------------------------------------------------------------- taken back


def test_what_a_run_shows_is_taken_back(
    prior: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Called dead on the first pictures; a retry in a later one, with that knob alone, moves pixels."""
    lr, out = folder(tmp_path, groups=[2]), tmp_path / "out"
    monkeypatch.setattr(liveness, "choosy", lambda _offered, _backend: ())  # as if nobody knew what it needs
    settings = settings_of(eager=ASKED)
    run_study(settings, SEEING, lr, None, out, limit=2)
    assert RunFolder(out).study()["dead_knobs"] == {"prior": ["only_center_face"]}
    assert any("only_center_face is dead: it moves no pixel of the 2 pictures" in line for line in caplog.messages)
    run_study(settings, SEEING, lr, None, out)
    assert RunFolder(out).study()["dead_knobs"] == {"prior": []}
    assert trials(out)["only_center_face"] == Trial(2, 0, moved="02")
    said = "only_center_face is not dead: it moved no pixel of the 2 pictures on which it was tried, but "
    said += "moved pixels of 02"
    assert any(said in line for line in caplog.messages)
    _, noted = everywhere(settings, SEEING, lr, out)
    assert noted == f"prior: {said}."


def restored(knobs: dict[str, Any], pixels: str, seed: int = 1) -> Restoration:
    return Restoration("b", "m", knobs, seed, "p.png", pixels, 0.1, "fp32", ())


def test_only_what_shows_it_takes_it_back() -> None:
    def after(*made: Restoration) -> set[str]:
        rounds = [Round("pure", 0, restored({"a": 0, "b": 0}, "x"))]
        rounds += [Round(f"arm{n}", 1, one) for n, one in enumerate(made)]
        return liveness.disproved(Kept("c", "prior", "", tuple(rounds)), {"a"})

    assert after(restored({"a": 1, "b": 0}, "x")) == set()  # nothing moved
    assert after(restored({"a": 1, "b": 0}, "y")) == {"a"}
    assert after(restored({"a": 1, "b": 1}, "y")) == set()  # the other knob may have done it
    assert after(restored({"a": 1, "b": 1}, "y"), restored({"a": 0, "b": 1}, "z")) == {"a"}
    assert after(restored({"a": 1, "b": 0}, "y", seed=2)) == set()  # other noise


def test_a_garbled_record_says_nothing() -> None:
    good = liveness.stored({"a": Trial(2, 0)})
    for garbled in (
        None,
        [],
        {"prior": 3},
        {"prior": {"a": {"pictures": "2"}}},
        {"prior": {"a": {**good["a"], "x": 1}}},
    ):
        assert liveness.recorded({"knob_trials": garbled}, "prior") == {}
    assert liveness.recorded({"knob_trials": {"prior": good}}, "prior") == {"a": Trial(2, 0)}


# ------------------------------------------------------------- draws of the control


def hints(out: Path) -> dict[str, dict[str, Any]]:
    audits = sorted((out / "audits" / "prior" / "random").glob("*-1.json"))
    return {path.name: json.loads(path.read_text(encoding="utf-8")) for path in audits}


def test_random_draws_no_dead_knob_and_a_resumed_run_draws_alike(
    prior: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(liveness, "choosy", lambda _offered, _backend: ())
    lr, settings = folder(tmp_path, groups=[2], number=8), settings_of("random", eager=ASKED)
    assert AUDITOR.control
    run_study(settings, SEEING, lr, None, tmp_path / "whole")
    drawn = hints(tmp_path / "whole")
    assert len(drawn) == 8
    assert all(set(one["hints"]) == {"restore_weight"} for one in drawn.values())
    assert all(one["dead"] == ["only_center_face"] for one in drawn.values())
    run_study(settings, SEEING, lr, None, tmp_path / "parts", limit=4)  # which takes the claim back
    assert RunFolder(tmp_path / "parts").study()["dead_knobs"] == {"prior": []}
    run_study(settings, SEEING, lr, None, tmp_path / "parts")
    assert hints(tmp_path / "parts") == drawn


def test_random_draws_what_could_not_be_tried(prior: None, tmp_path: Path) -> None:
    run_study(settings_of("random"), BLIND, folder(tmp_path, groups=[], number=8), None, tmp_path / "out")
    drawn = {name for one in hints(tmp_path / "out").values() for name in one["hints"]}
    assert drawn == {"restore_weight", "only_center_face"}
