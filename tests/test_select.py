"""The way `select`: candidates that differ, controls beside it, and who is taken in by a spoilt candidate."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from fsrbench.case import around, making
from fsrbench.case.restore import Pipeline
from fsrbench.cli.app import app
from fsrbench.core import coherence, plugins
from fsrbench.core.budget import Spending
from fsrbench.core.contracts import Machine, Output
from fsrbench.core.errors import SettingsError
from fsrbench.core.judging import Contest
from fsrbench.core.operations import TURNS, Mean, Restore, View
from fsrbench.core.stored import to_json
from fsrbench.core.values import Image, Ranking, Trail
from fsrbench.core.ways import Network, ToolChoice
from fsrbench.files import shapes
from fsrbench.imaging import images, wavelets
from fsrbench.measure import choosing, choosing_file
from fsrbench.measure.choosing_values import MeasuredChoice
from fsrbench.measure.subjects import Subject
from fsrbench.show import wording
from fsrbench.study import config, sheets
from fsrbench.study.store import RunFolder
from support import draw_face

CONTROLS = ["pick-random", "pick-oracle", "pick-random-mean", "pick-oracle-mean", "pick-mean-of-all"]


def fsrbench(*words: str, status: int = 0) -> str:
    done = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert done.exit_code == status, done.output
    return done.output


@pytest.fixture
def faces(tmp_path: Path) -> tuple[str, ...]:
    """LR and HR of three drawn faces, as options."""
    for number in range(3):
        face = draw_face(96, seed=number)
        images.write(tmp_path / "high" / f"{number}.png", face)
        images.write(tmp_path / "low" / f"{number}.png", images.resize(face, 24, 24))
    return ("--lr", str(tmp_path / "low"), "--hr", str(tmp_path / "high"))


COMMON = ("run", "--family", "general", "--set", "families.general.backend=bicubic", "--set", "metrics=psnr")
COMMON += ("--set", "hr_size=96", "--workers", "1")


def arm(judge: str = "consistency", **more: Any) -> tuple[str, ...]:
    """The arm `pick` as options."""
    own = {"way": "select", "with": more.pop("options", {}), "judge": judge, **more}
    return ("--set", f"arms.pick={json.dumps(own)}", "--arm", "pick")


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


# ----------------------------------------------------------------------- views


LR = np.random.default_rng(0).random((12, 10, 3), dtype=np.float32)


@pytest.mark.parametrize("turn", range(len(TURNS)))
def test_what_is_turned_is_turned_back(turn: int) -> None:
    view = View(turn)
    assert (around.put_back(around.shown(LR, view), view, 1) == LR).all()
    assert (around.shown(LR, view) == LR).all() if not turn else around.shown(LR, view).tobytes() != LR.tobytes()


def test_whole_pixels_are_moved_as_they_are_and_half_ones_lie_between() -> None:
    assert (around.shown(LR, View(right=2))[:, 2:] == LR[:, :-2]).all()
    assert (around.shown(LR, View(down=-1))[:-1] == LR[1:]).all()
    ramp = np.repeat(np.linspace(0.2, 0.8, 13, dtype=np.float32)[:, None], 12, axis=1)[..., None].repeat(3, axis=2)
    moved = around.shown(ramp, View(down=0.5))
    assert np.allclose(moved[2:-2], (ramp[2:-2] + ramp[1:-3]) / 2, atol=1e-6)


def test_a_shift_of_half_a_pixel_of_the_input_is_undone_exactly_at_scale_four() -> None:
    """Two pixels of the output: no second interpolation."""
    view = View(right=0.5, down=0.5)
    large = images.resize(LR, 40, 48)
    back = around.put_back(large, view, 4)
    assert (back[:-2, :-2] == np.clip(large[2:, 2:], 0, 1)).all()


def test_noise_has_its_strength_and_its_seed() -> None:
    grey = np.full((64, 64, 3), 0.5, dtype=np.float32)
    noisy = around.shown(grey, View(noise=2.0, seed=1))
    assert 255 * float((noisy - grey).std()) == pytest.approx(2.0, rel=0.03)
    assert (noisy == around.shown(grey, View(noise=2.0, seed=1))).all()
    assert (noisy != around.shown(grey, View(noise=2.0, seed=2))).any()


def test_a_view_says_what_it_is() -> None:
    assert View(1, 0.5, 0.0, 2.0, 7).told == "mirrored, shifted by 0.5, 0 pixels, noise of 2/255"
    assert View().told == "as it is"
    step = Restore("bicubic", "bicubic", {}, 1, view=View(4))
    assert sheets.told([step]) == "0: restore bicubic seed=1 shown turned by 180°"


class Averse:
    """A network that does not treat all sides alike."""

    model = "averse"
    weights: dict[str, str] = {}  # noqa: RUF012

    def __call__(self, lr: Image, knobs: dict[str, Any], seed: int, precision: str) -> Output:
        large = images.resize(lr, lr.shape[1] * 4, lr.shape[0] * 4)
        return Output(large * np.linspace(0.5, 1, large.shape[1], dtype=np.float32)[None, :, None])


class NoOthers:
    """Nothing stands beside the family's own network."""

    def other(self, network: Network) -> Pipeline:
        raise AssertionError(network)

    def tool(self, choice: ToolChoice) -> making.OpenTool:
        raise AssertionError(choice)


def test_a_perturbed_pass_counts_once_and_is_made_again_to_the_same_bytes() -> None:
    own = Pipeline(Averse(), {}, 4, "fp32", backend="averse")
    spending = Spending()
    make = making.Making(LR, own.restore(LR, {}, 1), own, NoOthers(), making.Parts(), spending)
    view = View(3, 0.5, 0.5, 2.0, 9)
    assert make.extra({}, view=view) == 1
    picture = make.restore({}, view=view)
    assert (make.extra({}, view=view), make.restore({}, view=view).sha256, spending.passes) == (0, picture.sha256, 1)
    mean = make.mean([make.restore({}), picture, make.restore({}, view=View(1))])
    fresh = Pipeline(Averse(), {}, 4, "fp32", backend="averse")
    assert making.replay(mean.operations, LR, fresh, NoOthers()).sha256 == mean.sha256
    assert picture.sha256 != make.restore({}).sha256
    assert spending.passes == 2


@pytest.mark.parametrize(
    "view", [View(8), View(-1), View(right=9.0), View(down=float("nan")), View(noise=99.0), View(seed=-1)]
)
def test_a_view_that_cannot_be_is_refused_where_it_is_read(view: View) -> None:
    assert "as nothing can be shown" in coherence.of_operations([Restore("b", "b", {}, 1, view=view)])


def test_a_step_that_was_stored_before_there_were_views_is_read(faces: tuple[str, ...], tmp_path: Path) -> None:
    out = tmp_path / "out"
    fsrbench(*COMMON, *faces, *arm(options={"candidates": 2, "keep": 2}), "--out", str(out), "--no-evaluate")
    trail = RunFolder(out).trail("general", "0")
    assert trail is not None
    stored = {"format": 2, **to_json(trail)}
    assert shapes.trail().validate_python(stored) == trail
    earlier = stored["rounds"][0]["restoration"]["operations"][0]
    assert earlier.pop("view") is None
    assert shapes.trail().validate_python(stored) == trail
    earlier["view"] = {"turn": 1, "glance": 2}
    with pytest.raises(ValueError, match="glance"):
        shapes.trail().validate_python(stored)


# -------------------------------------------------------------------- the arm


def test_the_mean_of_the_best_stands_and_its_controls_stand_beside_it(faces: tuple[str, ...], tmp_path: Path) -> None:
    out = tmp_path / "out"
    fsrbench(*COMMON, *faces, *arm(controls=True), "--out", str(out))
    folder = RunFolder(out)
    trail = folder.trail("general", "1")
    assert trail is not None
    assert list(trail.arms) == ["pick", *CONTROLS]
    first, second = trail.arms["pick"]
    assert first.ranking is not None
    assert (len(first.candidates), first.passes, second.passes) == (8, 7, 0)
    assert {type(step) for step in second.restoration.operations} == {Restore, Mean}
    best = [first.candidates[place] for place in first.ranking.order[:3]]
    assert [one.operations[0] for one in best] == list(second.restoration.operations[:3])
    assert first.restoration.sha256 == best[0].sha256
    assert [wording.choice(step) for step in (first, second)] == [
        f"of 8 candidates, consistency chose {best[0].origin}", "the mean of 3 pictures stands",
    ]  # fmt: skip
    ours = {one.sha256 for one in first.candidates}
    assert len(ours) == 8
    for name in CONTROLS:
        assert {one.sha256 for one in trail.arms[name][0].candidates} == ours
        assert sum(step.passes or 0 for step in trail.arms[name]) == 7
    kept = {path.parent.parent.name for path in out.glob("general/*/candidates/*.png")}
    assert kept == {"fsr+pick"}
    roles = json.loads((out / "summary.json").read_text(encoding="utf-8"))["roles"]
    assert roles["pick"] == "contender"
    assert {roles[name] for name in CONTROLS if "oracle" in name} == {"headroom"}
    assert {roles[name] for name in CONTROLS if "oracle" not in name} == {"control"}
    rows = [row for row in table(out / "candidates.csv") if (row["case"], row["arm"]) == ("1", "pick")]
    assert [row["origin"] for row in rows][:2] == ["pure", "mirrored, shifted by 0.5, 0 pixels, noise of 2/255"]
    assert "21 of 21 pictures" in fsrbench("check", str(out), "--pictures")
    fsrbench(*COMMON, *faces, *arm(controls=True), "--out", str(out))
    assert RunFolder(out).trail("general", "1") == trail


def test_candidates_are_restored_once_for_all_arms(
    faces: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bytes] = []
    declared = plugins.load("backends", "bicubic")
    opened = type(declared.open({"scale": 4}, Machine()))
    plain = opened.__call__

    def counted(self: Any, lr: Image, *rest: Any) -> Output:
        seen.append(lr.tobytes())
        return plain(self, lr, *rest)

    monkeypatch.setattr(opened, "__call__", counted)
    fsrbench(*COMMON, *faces, *arm(controls=True), "--out", str(tmp_path / "out"), "--no-evaluate")
    assert len(seen) == len(set(seen)) == 3 * 8


def test_pure_survives_where_it_is_best_or_nobody_may_be_asked(faces: tuple[str, ...], tmp_path: Path) -> None:
    out = tmp_path / "out"
    own = {"way": "select", "with": {"keep": 1}, "judge": "fixed"}
    short = {"way": "select", "judge": "random", "limits": {"passes": 2}}
    mute = {"way": "select", "judge": "random", "limits": {"calls": 0}}
    arms = [f"arms.{name}={json.dumps(one)}" for name, one in (("own", own), ("short", short), ("mute", mute))]
    options = [word for one in arms for word in ("--set", one, "--arm", one[5:].partition("=")[0])]
    fsrbench(*COMMON, *faces, *options, "--out", str(out), "--no-evaluate")
    trail = RunFolder(out).trail("general", "0")
    assert trail is not None
    assert {trail.final(name).sha256 for name in ("own", "mute")} == {trail.pure.sha256}
    assert [(len(step.candidates), step.bound) for step in trail.arms["short"]] == [(3, "passes"), (0, "")]
    assert [(len(step.candidates), step.bound) for step in trail.arms["mute"]] == [(8, "calls")]


def test_what_cannot_be_is_said_before_any_work(faces: tuple[str, ...], tmp_path: Path) -> None:
    out = ("--out", str(tmp_path / "out"))
    for options, words in (
        ({"candidates": 2, "keep": 3}, "keep is 3, and there are 2 candidates"),
        ({"vary": "noise"}, "draws no noise"),
        ({"candidates": 40, "noise": 0}, "32 different views"),
    ):
        with pytest.raises(SettingsError, match=words):
            fsrbench(*COMMON, *faces, *arm(options=options), *out)
    with pytest.raises(SettingsError, match="has no controls of its own"):
        fsrbench(*COMMON, *faces, "--set", 'arms.s={"way": "rerun", "controls": true}', "--arm", "s", *out)
    assert not list((tmp_path / "out").glob("trails/*/*"))


def test_all_views_without_noise_differ() -> None:
    for upright, most in ((False, 32), (True, 8)):
        select = plugins.load("ways", "select")
        module = __import__("fsrbench.ways.select", fromlist=["_view"])
        setup = type("Setup", (), {"upright": upright, "settings": select.settings(candidates=most, noise=0)})
        assert len({module._view(number, number, setup) for number in range(most)}) == most


def test_a_control_of_ones_own_stands_and_a_long_name_is_refused() -> None:
    own = {"pick": {"way": "select", "judge": "consistency", "controls": True}, "pick-random": {"way": "rerun"}}
    settings = config.with_controls(config.with_arms(config.lay({"arms": own}), ["pick", "pick-random"]))
    assert list(settings.arms) == ["pick", *CONTROLS]
    assert settings.arms["pick-random"].way == "rerun"
    assert config.with_controls(settings) == settings
    name = "p" * 60
    with pytest.raises(SettingsError, match="a shorter name"):
        config.with_controls(config.with_arms(config.lay({"arms": {name: own["pick"]}}), [name]))


# ------------------------------------------------------- skill and averaging


def test_the_gain_is_skill_and_averaging_exactly(faces: tuple[str, ...], tmp_path: Path) -> None:
    """Measured here from pixels, on every case and arm; the stored picture is off by its rounding alone."""
    out = tmp_path / "out"
    fsrbench(*COMMON, *faces, *arm(controls=True), "--out", str(out))
    folder = RunFolder(out)
    choices = choosing_file.read(folder.choosing_file)
    assert {one.arm for one in choices} == {"pick", *CONTROLS}
    assert len(choices) == 3 * 6
    for one in choices:
        trail = folder.trail("general", one.case)
        assert trail is not None
        hr = 255.0 * images.read(tmp_path / "high" / f"{one.case}.png").astype(np.float64)
        made = [_pixels(out, trail, number) for number in range(8)]
        errors = [float(np.square(picture - hr).mean()) for picture in made]
        assert one.each == pytest.approx(errors, rel=1e-9)
        mean = np.mean([made[place] for place in one.kept], axis=0)
        left = float(np.square(mean - hr).mean())
        assert np.mean(errors) - left == pytest.approx(one.skill + one.averaging, abs=1e-6)
        spread = np.mean([np.square(made[place] - mean).mean() for place in one.kept])
        assert one.averaging == pytest.approx(float(spread), abs=1e-6)
        stored = 255.0 * images.read(out / trail.final(one.arm).path).astype(np.float64)
        assert abs(float(np.square(stored - hr).mean()) - left) < 0.5 * 2 * np.sqrt(left) + 0.25
        assert one.luck[0] == pytest.approx(np.mean(errors), rel=1e-9)
        assert one.judged[-1] == pytest.approx(one.luck[-1]) == pytest.approx(one.oracle[-1])
    told = (out / "summary.md").read_text(encoding="utf-8")
    assert "| pick-mean-of-all |" in told.replace("general | ", "| ")
    assert "selection skill" in told


def _pixels(out: Path, trail: Trail, number: int) -> Any:
    """A candidate, made again from what is recorded of it."""
    lr = images.read(out.parent / "low" / f"{trail.case}.png")
    own = Pipeline(plugins.load("backends", "bicubic").open({"scale": 4}, Machine()), {}, 4, "fp32", backend="bicubic")
    steps = trail.arms["pick"][0].candidates[number].operations
    bare = [replace(step, knobs={}) for step in steps if isinstance(step, Restore)]
    return making.replay(bare, lr, own, NoOthers()).pixels.astype(np.float64)


def products(seed: int, count: int = 8, alike: float = 0.5) -> Any:
    """A table as a case has it: errors that have a part in common, and are of different sizes."""
    draw = np.random.default_rng(seed)
    errors = alike * draw.normal(size=300) + draw.normal(size=(count, 300)) * draw.uniform(0.5, 1.5, size=(count, 1))
    return errors @ errors.T / 300


def chosen(seed: int, judge: str) -> MeasuredChoice:
    """A case of forty, chosen by somebody who draws, or who knows."""
    table = products(seed)
    order = np.random.default_rng(1000 + seed).permutation(8) if judge == "random" else np.argsort(np.diag(table))
    subject = Subject("general", str(seed), None, None, {})
    return choosing.told(subject, judge, list(map(int, order[:3])), list(map(int, order)), table)


def test_who_draws_has_no_skill_and_who_knows_has_some() -> None:
    """What averaging gains is there for both."""
    choices = [chosen(seed, judge) for seed in range(40) for judge in ("random", "oracle")]
    found = choosing.of_arms(choices, None)["general"]
    luck, oracle = found["random"].skill, found["oracle"].skill
    assert luck.low is not None
    assert luck.high is not None
    assert luck.low < 0 < luck.high
    assert oracle.low is not None
    assert oracle.low > 0
    assert found["random"].averaging.mean > 0.1
    fixed = found["random"].fixed
    assert fixed is not None
    assert fixed.mean < oracle.low  # no candidate is best for everybody


def test_a_lucky_candidate_is_found_on_others() -> None:
    """One that is best in every case is worth as much as a judge who always finds it."""
    lucky = []
    for seed in range(10):
        table = products(seed)
        table[3] /= 3
        table[:, 3] /= 3
        lucky.append(choosing.told(Subject("general", str(seed), None, None, {}), "fixed", [3], list(range(8)), table))
    found = choosing.of_arms(lucky, None)["general"]["fixed"]
    assert found.fixed is not None
    assert found.fixed.mean == pytest.approx(found.skill.mean)


def test_without_kept_pictures_nothing_is_measured(faces: tuple[str, ...], tmp_path: Path) -> None:
    out = tmp_path / "out"
    fsrbench(*COMMON, *faces, *arm(), "--out", str(out))
    assert choosing_file.read(RunFolder(out).choosing_file) == []
    assert "selection skill" not in (out / "summary.md").read_text(encoding="utf-8")


# ------------------------------------------------------------ who is taken in


def blocks(picture: Image) -> Image:
    """Its mean in every 8×8 pixels."""
    side = picture.shape[0]
    return np.repeat(np.repeat(images.resize(picture, side // 8, side // 8, "area"), 8, axis=0), 8, axis=1)


def another(picture: Image) -> Image:
    """Somebody else's face."""
    return images.resize(images.resize(draw_other(picture.shape[0]), 48, 48), *picture.shape[:2])


def draw_other(side: int) -> Image:
    return np.ascontiguousarray(draw_face(side, 99)[::-1])


def blank(picture: Image) -> Image:
    """One colour: the mean of it."""
    return np.broadcast_to(picture.mean(axis=(0, 1)), picture.shape).astype(np.float32)


SPOILERS = (blocks, another, blank)
CASES = 12


def taken_in(judge: str, spoil: Callable[[Image], Image]) -> float:
    """In which share of cases a judge puts the one spoilt candidate of eight first."""
    ask = opened_judge(judge)
    picked = 0
    for number in range(CASES):
        hr = draw_face(192, number)
        lr = images.as_stored(images.resize(hr, 48, 48))
        own = Pipeline(plugins.load("backends", "bicubic").open({"scale": 4}, Machine()), {}, 4, "fp32")
        made = [own.restore(lr, {}, 0, View(turn, 0.5 * (turn % 2), 0.0, 2.0, turn)).image for turn in range(8)]
        place = 1 + number % 7
        made[place] = images.as_stored(spoil(made[place]))
        picked += ask(Contest(str(number), "general", number, lr, tuple(made), hr)).order[0] == place
    return picked / CASES


def opened_judge(name: str) -> Callable[[Contest], Ranking]:
    declared = plugins.load("judges", name)
    opened: Callable[[Contest], Ranking] = declared.open(declared.settings() if declared.settings else None, Machine())
    return opened


@pytest.mark.slow
@pytest.mark.parametrize("spoil", SPOILERS)
@pytest.mark.parametrize("judge", ["consistency", "medoid", "oracle", "tws"])
def test_who_looks_is_not_taken_in_by_a_spoilt_candidate(judge: str, spoil: Callable[[Image], Image]) -> None:
    assert taken_in(judge, spoil) == 0


def test_who_draws_is_taken_in_now_and_then() -> None:
    ask, flat = opened_judge("random"), (np.zeros((2, 2, 3), dtype=np.float32),) * 8
    picked = sum(ask(Contest("a", "general", seed, LR, flat)).order[0] == 3 for seed in range(400))
    assert 0.08 < picked / 400 < 0.17


# ------------------------------------------------------------------------ tws


def test_detail_of_a_wavelet() -> None:
    """None in what is flat; along one axis where there are stripes; as much as Parseval says where there is noise."""
    flat = np.full((32, 32, 3), 0.4, dtype=np.float32)
    assert wavelets.energies(flat, 3) == pytest.approx(0, abs=1e-6)
    stripes = flat + 0.1 * (np.arange(32, dtype=np.float32) % 2)[None, :, None]
    across, down, both = wavelets.energies(stripes, 1)[0]
    assert across > 0.09
    assert max(down, both) < 1e-6
    noise = np.random.default_rng(0).normal(0.5, 0.1, (256, 256, 1)).astype(np.float32).repeat(3, axis=2)
    assert wavelets.energies(noise, 2) == pytest.approx(0.1 * np.sqrt(2 / np.pi), rel=0.05)
    assert wavelets.energies(flat[:5, :5], 3).shape == (1, 3)


def test_each_term_of_tws_tells_what_it_is_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a recogniser the judge says by what it went; with one, identity counts, and is no evidence."""
    monkeypatch.setenv("FSRBENCH_OFFLINE", "1")
    lr = images.as_stored(images.resize(draw_face(192, 0), 48, 48))
    plain = images.resize(lr, 192, 192)
    noisy = around.shown(plain, View(noise=8.0, seed=1))
    wrong = another(plain)
    contest = Contest("a", "general", 1, lr, (plain, around.shown(plain, View(noise=1.0, seed=2)), noisy, wrong))
    told = opened_judge("tws")(contest)
    assert told.judge == "tws by edges, artifacts"
    assert {tuple(part) for part in told.parts} == {("edges", "artifacts")}
    assert min(range(4), key=lambda place: told.parts[place]["artifacts"]) == 2
    assert min(range(4), key=lambda place: told.parts[place]["edges"]) == 3
    assert told.scores[0] == pytest.approx((told.parts[0]["edges"] + told.parts[0]["artifacts"]) / 2)

    known = plugins.load("metrics", "arcface")
    likeness = replace(known, open=lambda _machine: lambda pictures, _reference: [1.0, 1.0, 1.0, -1.0])
    load = plugins.load
    monkeypatch.setattr(plugins, "load", lambda kind, name: likeness if name == "arcface" else load(kind, name))
    judge = load("judges", "tws")
    told = judge.open(judge.settings(edges=0), Machine())(contest)
    assert told.judge == "tws by identity, artifacts"
    assert [part["identity"] for part in told.parts] == [1.0, 1.0, 1.0, 0.0]
    assert judge.measures(judge.settings()) == ("arcface",)
    assert judge.measures(judge.settings(identity=0)) == ()
    with pytest.raises(ValueError, match="cannot both be 0"):
        judge.settings(edges=0, artifacts=0)
