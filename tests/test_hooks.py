"""Knobs around the network: views of an input, a second network's opinion; and knobs that are straight lines."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fsrbench
from fsrbench.backends import gfpgan
from fsrbench.case import around
from fsrbench.case.making import Making, Parts
from fsrbench.case.restore import Pipeline
from fsrbench.core import passes, plugins
from fsrbench.core.budget import Spending
from fsrbench.core.contracts import Knob, Output
from fsrbench.core.errors import SettingsError
from fsrbench.core.operations import Restore
from fsrbench.core.stored import Knobs
from fsrbench.core.values import Image
from fsrbench.core.ways import ArmSetup
from fsrbench.experiments import preview
from fsrbench.imaging import images
from fsrbench.study import config
from fsrbench.study.remake import remake
from fsrbench.study.store import RunFolder
from support import draw_face

LR = 0.25 + draw_face(24) / 2
DEEP = {name: plugins.load("knobs", name) for name in ("dehalo", passes.SECOND_OPINION, passes.SELF_ENSEMBLE)}
RAMP = np.linspace(-0.1, 0.1, 96, dtype=np.float32)[None, :, None]


class Network:
    """Enlarges, and adds its error: a ramp from left to right, however the picture is turned."""

    model = "made up"
    weights: dict[str, str] = {"own.pth": "0" * 64}  # noqa: RUF012

    def __init__(self, error: float = 1.0) -> None:
        self.error = error
        self.calls = 0

    def __call__(self, lr: Image, knobs: Knobs, seed: int, precision: str) -> Output:
        self.calls += 1
        return Output(enlarged(lr) + np.float32(self.error) * RAMP, ("a note",))


def enlarged(lr: Image) -> Image:
    return images.resize(lr, lr.shape[1] * 4, lr.shape[0] * 4)


def opened(second: Network | None = None, offered: dict[str, Knob] = DEEP) -> tuple[Network, Pipeline]:
    own = Network()
    return own, Pipeline(own, offered, 4, "fp32", backend="made up", second=second)


# ----------------------------------------------------------------------- views


def test_a_view_is_turned_back_to_what_it_was() -> None:
    picture = draw_face(12)[:, :8]
    views = [around.turned(picture, view) for view in range(8)]
    assert np.array_equal(views[0], picture)
    assert np.array_equal(views[1], picture[:, ::-1])
    assert len({view.tobytes() for view in views}) == 8
    for number, view in enumerate(views):
        assert np.array_equal(around.turned_back(view, number), picture)


@pytest.mark.parametrize("views", [2, 8])
def test_what_a_network_does_only_this_way_round_is_averaged_away(views: int) -> None:
    _, pipeline = opened()
    one = pipeline.restore(LR, {}, 1).image - enlarged(LR)
    several = pipeline.restore(LR, {passes.SELF_ENSEMBLE: views}, 1).image - enlarged(LR)
    assert np.abs(one).max() > 0.09
    assert np.abs(several).max() <= 0.5 / 255 + 1e-6  # rounding alone


def test_one_view_is_the_plain_restoration_to_the_last_bit() -> None:
    plain = Pipeline(Network(), {"dehalo": DEEP["dehalo"]}, 4, "fp32").restore(LR, {"dehalo": 0.5}, 1)
    offered = opened(Network(-1.0))[1].restore(
        LR, {"dehalo": 0.5, passes.SELF_ENSEMBLE: 1, passes.SECOND_OPINION: 0.0}, 1
    )
    assert plain.sha256 == offered.sha256
    assert [step.weights for step in offered.operations if isinstance(step, Restore)] == [Network.weights]


# --------------------------------------------------------------- second opinion


def test_a_blend_is_made_before_rounding_and_the_second_alone_needs_no_pass_of_the_first() -> None:
    second = Network(-1.0)
    own, pipeline = opened(second)
    half = pipeline.restore(LR, {passes.SECOND_OPINION: 0.5}, 1)
    assert np.abs(half.image - enlarged(LR)).max() <= 0.5 / 255 + 1e-6
    assert (own.calls, second.calls) == (1, 1)
    pipeline.restore(LR, {passes.SECOND_OPINION: 0.3, "dehalo": 0.5}, 1)
    assert (own.calls, second.calls) == (1, 1)  # all strengths are points between two pictures
    own, pipeline = opened(second)
    alone = pipeline.restore(LR, {passes.SECOND_OPINION: 1.0}, 1)
    assert own.calls == 0
    assert alone.notes == ("second network: a note",)
    assert half.notes == ("a note", "second network: a note")


def test_the_record_names_the_second_network_where_it_was_heard() -> None:
    _, pipeline = opened(Network(-1.0))
    [pure] = pipeline.restore(LR, {}, 1).operations
    [heard] = pipeline.restore(LR, {passes.SECOND_OPINION: 0.5}, 1).operations
    assert isinstance(pure, Restore)
    assert isinstance(heard, Restore)
    assert (pure.model, heard.model) == ("made up", "made up, second made up")
    assert set(heard.weights) - set(pure.weights) == {"own.pth (second)"}


# ---------------------------------------------------------------------- passes


def test_every_view_and_every_opinion_counts_once() -> None:
    own, pipeline = opened(second := Network(-1.0))
    spending = Spending()
    making = Making(LR, pipeline.restore(LR, {}, 1), pipeline, None, Parts(), spending)  # type: ignore[arg-type]
    spent = []
    for knobs in (
        {passes.SELF_ENSEMBLE: 2},
        {passes.SELF_ENSEMBLE: 8},
        {passes.SELF_ENSEMBLE: 8, "dehalo": 0.5},
        {passes.SECOND_OPINION: 0.5},
        {passes.SECOND_OPINION: 0.6, passes.SELF_ENSEMBLE: 8},
    ):
        foretold = making.extra(knobs)
        assert making.restore(knobs).passes == foretold
        spent.append(foretold)
    assert spent == [1, 6, 0, 1, 0]
    assert (own.calls + second.calls - 1, spending.passes) == (8, 8)
    assert passes.most(pipeline.offered, settings=5) == 8


def test_a_constant_foretells_its_passes() -> None:
    way = plugins.load("ways", "constant")

    def foretold(*settings: dict[str, float]) -> int:
        chosen = way.settings.model_validate({"knobs": list(settings)})
        return int(way.demand(ArmSetup("same", "general", chosen, DEEP)).passes[1])

    both = {passes.SELF_ENSEMBLE: 8, passes.SECOND_OPINION: 0.5}
    assert foretold({"dehalo": 0.5}) == 0
    assert foretold(both) == 8
    assert foretold(both, {passes.SELF_ENSEMBLE: 2}, {passes.SECOND_OPINION: 0.3}) == 8
    assert foretold({passes.SECOND_OPINION: 1.0}) == 1


def test_with_a_knob_in_the_network_every_setting_has_its_own_views() -> None:
    offered = {**DEEP, "denoise_strength": plugins.load("knobs", "denoise_strength")}
    assert passes.most(offered, settings=3) == 3 * 8 + 1
    assert passes.most({"dehalo": DEEP["dehalo"]}, settings=3) == 0
    one = {"denoise_strength": 0.5, passes.SELF_ENSEMBLE: 8}
    assert len(passes.of(offered, one) - passes.of(offered, {passes.SELF_ENSEMBLE: 8})) == 8


# ----------------------------------------------------------------------- lines


def lines() -> dict[str, Callable[[float], Image]]:
    """Knob → the picture at a value, before it is rounded."""
    rng = np.random.default_rng(1)
    sr = np.clip(enlarged(LR) + rng.normal(0, 0.05, (96, 96, 3)), 0.05, 0.95).astype(np.float32)
    other = np.clip(enlarged(LR), 0, 1)
    two = [(Output(image), "fp32", 0.0) for image in (sr, other)]
    found: dict[str, Callable[[float], Image]] = {
        "restore_weight": lambda value: gfpgan._blend(sr, other, {"restore_weight": value}),
        "second_opinion": lambda value: around.blend(*two, value)[0].image,
    }
    for name in ("color_balance", "dehalo", "detail_damping"):
        knob: Knob = plugins.load("knobs", name)
        assert knob.apply is not None
        found[name] = lambda value, apply=knob.apply: apply(sr, value, LR + np.float32(0.02))  # type: ignore[misc]
    return found


def test_knobs_that_say_so_are_straight_lines() -> None:
    known = lines()
    assert {name for name in plugins.names("knobs") if plugins.load("knobs", name).line} == set(known)
    for name, at in known.items():
        low, high = plugins.load("knobs", name).band
        start, end = at(low), at(high)
        assert np.abs(end - start).max() > 0.01, f"{name} moves nothing here"
        inside = ((start > 0) & (start < 1) & (end > 0) & (end < 1))[..., :]
        for share in (0.1, 0.5, 0.8):
            straight = start + np.float32(share) * (end - start)
            apart = np.abs(at(low + share * (high - low)) - straight)[inside]
            assert apart.max() < 1e-5, name


@pytest.mark.slow
def test_other_weights_of_a_face_are_blends_of_one_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    restorer = plugins.load("backends", "gfpgan").open({"models": "embedded", "scale": 4}, fsrbench.plugins.Machine())
    lr = draw_face(32)
    plain = [restorer(lr, {"restore_weight": weight}, 3, "fp32").image for weight in (1.0, 0.6)]
    calls = []
    net = restorer._net
    monkeypatch.setattr(restorer, "_net", lambda *a, **k: calls.append(1) or net(*a, **k), raising=True)
    monkeypatch.setattr(restorer, "_made", {})
    restorer._net.size = net.size
    again = [restorer(lr, {"restore_weight": weight}, 3, "fp32").image for weight in (1.0, 0.6)]
    assert len(calls) == 1
    assert all(np.array_equal(*both) for both in zip(plain, again, strict=True))


# -------------------------------------------------------------------- settings


def test_they_are_offered_only_where_they_are_asked_for() -> None:
    settings = config.load(None)[0]
    for family in settings.families:
        assert not set(settings.offered(family)) & {passes.SELF_ENSEMBLE, passes.SECOND_OPINION}
        assert "second" not in settings.model_dump(mode="json")["families"][family]
        assert {passes.SELF_ENSEMBLE, passes.SECOND_OPINION} <= preview.known(settings, family).keys()
        assert passes.SELF_ENSEMBLE in preview.able(settings, family)
        assert passes.SECOND_OPINION not in preview.able(settings, family)  # there is no second network


def test_faces_are_not_turned_on_their_side() -> None:
    settings = config.load(None, [f"families.{f}.knobs=[self_ensemble]" for f in ("general", "prior")])[0]
    assert settings.offered("general")[passes.SELF_ENSEMBLE].choices == (1, 2, 8)
    assert settings.offered("prior")[passes.SELF_ENSEMBLE].choices == (1, 2)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (["families.blind.knobs=[second_opinion]"], "families.blind.second=faithful"),
        (["families.blind.second=nothing"], "there is no backend 'nothing'"),
        (["families.blind.second.modle=x2plus"], "Did you mean model"),
    ],
)
def test_a_second_network_that_cannot_be_is_refused(changes: list[str], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        config.load(None, changes)


def test_a_picture_is_restored_with_it_or_the_cure_is_said() -> None:
    turned = {"knobs": {"second_opinion": 1.0}, "device": "cpu"}
    with pytest.raises(SettingsError, match="second_opinion needs a second network"):
        fsrbench.restore(LR, family="general", **turned)
    own = ["families.general.second=bicubic"]
    made = fsrbench.restore(LR, family="general", settings=own, **turned)
    assert np.abs(np.asarray(made.image) - enlarged(LR)).max() <= 0.5 / 255 + 1e-6


def test_an_embedded_second_stands_beside_official_ones() -> None:
    settings = config.load(None, ["models=official", "families.general.second={backend: bsrgan, model: embedded}"])[0]
    chosen = settings.second_settings("general")
    assert chosen is not None
    assert (chosen["backend"], chosen["models"], chosen["model"]) == ("bsrgan", "embedded", None)


@pytest.mark.slow
def test_a_run_records_the_second_network_and_makes_its_pictures_again(tmp_path: Path) -> None:
    images.write(tmp_path / "lr" / "a.png", draw_face(24))
    arm = {"way": "constant", "with": {"knobs": {"second_opinion": 0.5, "self_ensemble": 2}}}
    own = [
        "families.general.backend=bicubic", "families.general.second=realesrgan", f"arms.half={json.dumps(arm)}",
        "families.general.knobs=[second_opinion, self_ensemble]",
    ]  # fmt: skip
    given: dict[str, Any] = {"lr": tmp_path / "lr", "out": tmp_path / "out", "families": "general", "device": "cpu"}
    run = fsrbench.run(**given, settings=own, arms=["half"], evaluate=False)
    assert not run.failures.size
    folder = RunFolder(tmp_path / "out")
    assert list(folder.study()["weights"]["general"]) == ["general.safetensors (second)"]
    trail = folder.trail("general", "a")
    assert trail is not None
    assert trail.pure.model == "bicubic"
    [step] = trail.arms["half"]
    assert step.restoration.model.startswith("bicubic, second embedded (compact")
    assert step.passes == 2
    assert remake(tmp_path / "out", offline=True) == (2, [])
