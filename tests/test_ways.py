"""Ways and judges as plugins: what they declare, what they are given, and that a picture is its operations."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from fsrbench.case import making
from fsrbench.case.restore import Pipeline
from fsrbench.cli.app import app
from fsrbench.core import plugins
from fsrbench.core.budget import Budget, Spending
from fsrbench.core.contracts import Machine, Output
from fsrbench.core.errors import SettingsError
from fsrbench.core.judging import Contest
from fsrbench.core.values import Image, Round
from fsrbench.core.ways import Network, ToolChoice
from fsrbench.imaging import images
from fsrbench.study import config
from fsrbench.study.store import RunFolder
from support import ROOT, draw_face

MEAN_OF_TWO = """
from pydantic import BaseModel, ConfigDict

from fsrbench.plugins import Network, Proposal, RoundDraft, Way


class With(BaseModel):
    model_config = ConfigDict(extra="forbid")
    second: str = "bicubic"


def open_mean(setup):
    def intervene(case):
        other = case.make.restore({}, network="second")
        both = case.make.mean([case.pure, other])
        candidates = (
            Proposal(case.pure, "pure"),
            Proposal(other, "second"),
            Proposal(both, "mean", parent=1),
        )
        return [RoundDraft(both, candidates=candidates)]

    return intervene


WAY = Way(
    "The mean of two backends' pictures.",
    open=open_mean,
    settings=With,
    networks=lambda settings: {"second": Network(settings.second)},
)
"""
ARM = 'arms.half={"way": "mean_of_two", "with": {"second": "lanczos"}}'
LANCZOS = """
from fsrbench.plugins import Backend, Output, images


class Lanczos:
    model, weights = "lanczos", {}

    def __init__(self, scale):
        self.scale = scale

    def __call__(self, lr, knobs, seed, precision):
        return Output(images.resize(lr, lr.shape[1] * self.scale, lr.shape[0] * self.scale, "lanczos"))


BACKEND = Backend("Lanczos.", family="blind", consumes=(), open=lambda settings, _: Lanczos(settings["scale"]))
"""


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of the user's own plugins."""
    root = tmp_path / "my plugins é"
    for kind, name, text in (("ways", "mean_of_two", MEAN_OF_TWO), ("backends", "lanczos", LANCZOS)):
        (root / kind).mkdir(parents=True)
        (root / kind / f"{name}.py").write_text(text, encoding="utf-8")
    monkeypatch.setenv("FSRBENCH_PLUGINS", str(root))
    monkeypatch.setenv("FSRBENCH_OFFLINE", "1")
    for kind in ("ways", "backends"):
        package = plugins._package(kind)
        monkeypatch.setattr(package, "__path__", [*package.__path__])
    return root


@pytest.fixture
def faces(tmp_path: Path) -> tuple[str, ...]:
    """LR and HR of three drawn faces, as options."""
    low, high = tmp_path / "low", tmp_path / "high"
    for number in range(3):
        face = draw_face(192, seed=number)
        images.write(high / f"{number}.png", face)
        images.write(low / f"{number}.png", images.resize(face, 48, 48))
    return ("--lr", str(low), "--hr", str(high))


COMMON = ("run", "--family", "general", "--set", "families.general.backend=bicubic", "--set", "metrics=psnr,niqe")
COMMON += ("--set", "hr_size=192")
OWN = (*COMMON, "--set", ARM)


def fsrbench(*words: str, status: int = 0) -> str:
    done = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert done.exit_code == status, done.output
    return done.output


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def pictures(out: Path) -> dict[str, bytes]:
    return {p.relative_to(out).as_posix(): p.read_bytes() for p in out.glob("general/*fsr*/*.png")}


# ----------------------------------------------------------- a way of one's own


def test_a_way_of_ones_own_is_one_file(mine: Path, faces: tuple[str, ...], tmp_path: Path) -> None:
    """It runs, shows in the table, the report and candidates.csv, is mended, replays, and goes on after a kill."""
    out = tmp_path / "out"
    said = fsrbench(*OWN, *faces, "--out", str(out), "--arm", "half", "--arm", "rerun")
    assert "half" in said
    made, whole = RunFolder(out).trail("general", "1"), pictures(out)
    assert made is not None
    last = made.final("half")
    assert (last.backend, [step.kind for step in last.operations]) == (
        "bicubic + lanczos",
        ["restore", "restore", "mean"],
    )
    expected = np.stack([_again(out, made, "bicubic"), _again(out, made, "lanczos")]).mean(axis=0)
    assert np.abs(images.read(out / last.path) - expected).max() <= 0.5 / 255 + 1e-6

    rows = [row for row in table(out / "candidates.csv") if row["case"] == "1"]
    assert [(row["origin"], row["parent"], row["chosen"], row["passes"]) for row in rows] == [
        ("pure", "", "False", "0"), ("second", "", "False", "1"), ("mean", "1", "True", "0"),
    ]  # fmt: skip
    assert rows[2]["operations"].endswith("2: mean of 0, 1")
    assert {row["passes"] for row in table(out / "run_config.csv") if row["arm"] == "half"} == {"1"}
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    assert "half" in summary["families"]["general"]["psnr"]["arms"]
    fsrbench("report", str(out))
    assert "half" in (out / "report" / "index.html").read_text(encoding="utf-8")

    assert "9 of 9 pictures" in fsrbench("check", str(out), "--pictures")
    images.write(out / last.path, np.zeros_like(expected))
    assert "changed after the run" in fsrbench("check", str(out), "--pictures", status=1)

    (out / last.path).unlink()
    fsrbench(*OWN, *faces, "--out", str(out), "--arm", "rerun")  # the arm itself is not asked for, and is mended
    assert pictures(out) == whole
    again = tmp_path / "again"
    fsrbench(*OWN, *faces, "--out", str(again), "--arm", "half", "--arm", "rerun")
    assert pictures(again) == whole


def _again(out: Path, trail: Any, backend: str) -> Image:
    lr = images.read(Path(yaml.safe_load((out / "study.yaml").read_text("utf-8"))["inputs"]["lr"]) / "1.png")
    opened = plugins.load("backends", backend).open({"scale": 4}, Machine())
    return images.as_stored(opened(lr, {}, trail.pure.seed, "fp32").image)


KILLED = """
import os, signal, sys
from fsrbench.files import atomic
left, whole = 5, atomic.os.replace
def replace(a, b):
    global left
    left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
    whole(a, b)
atomic.os.replace = replace
from fsrbench.cli import app
sys.argv = ["fsrbench", *sys.argv[1:]]
app.main()
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_killed_one_goes_on(mine: Path, faces: tuple[str, ...], tmp_path: Path) -> None:
    command = [*OWN, *faces, "--arm", "half", "--workers", "1", "--no-evaluate"]
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, *command, "--out", str(tmp_path / "out")], env=dict(os.environ), timeout=120
    )
    assert killed.returncode == -signal.SIGKILL
    fsrbench(*command, "--out", str(tmp_path / "out"))
    fsrbench(*command, "--out", str(tmp_path / "whole"))
    assert pictures(tmp_path / "out") == pictures(tmp_path / "whole")
    assert len(pictures(tmp_path / "out")) == 6


# -------------------------------------------------------------------- constant


def test_the_constant_is_a_control_and_turns_the_same_for_all(faces: tuple[str, ...], tmp_path: Path) -> None:
    out = tmp_path / "out"
    arm = 'arms.same={"way": "constant", "with": {"knobs": {"dehalo": 0.3}}}'
    fsrbench(*COMMON, *faces, "--set", arm, "--out", str(out), "--arm", "same")
    rows = [row for row in table(out / "run_config.csv") if row["arm"] == "same"]
    assert {row["dehalo"] for row in rows} == {"0.3"}
    assert {row["passes"] for row in rows} == {"0"}  # a knob that acts after the network takes no pass
    assert {row["origin"] for row in table(out / "candidates.csv")} == {"pure", "constant"}
    stored = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    assert stored["roles"]["same"] == "control"


@pytest.mark.parametrize(
    ("judge", "standing"),
    [("random", "control"), ("medoid", "control"), ("metric", "contender"), ("consistency", "contender"),
     ("oracle", "headroom")],
)  # fmt: skip
def test_a_judge_chooses_among_constants(faces: tuple[str, ...], tmp_path: Path, judge: str, standing: str) -> None:
    out = tmp_path / "out"
    arm = {"way": "constant", "with": {"knobs": [{"dehalo": 0.2}, {"dehalo": 0.5}]}, "judge": judge}
    arm["keep_candidates"] = judge == "medoid"
    fsrbench(*COMMON, *faces, "--set", f"arms.some={json.dumps(arm)}", "--out", str(out), "--arm", "some")
    rows = table(out / "candidates.csv")
    assert len(rows) == 9
    for case in "012":
        own = [row for row in rows if row["case"] == case]
        assert sorted(row["rank"] for row in own) == ["1", "2", "3"]
        assert [row["rank"] for row in own if row["chosen"] == "True"] == ["1"]
        best = max(own, key=lambda row: float(row["score"]))
        assert best["rank"] == "1"
    assert json.loads((out / "summary.json").read_text(encoding="utf-8"))["roles"]["some"] == standing
    kept = {path.stem: images.pixel_hash(images.read(path)) for path in out.glob("general/fsr+some/candidates/*.png")}
    left = {f"{row['case']}-1-{row['candidate']}": row["sha256"] for row in rows
            if row["chosen"] == "False" and row["origin"] != "pure"}  # fmt: skip
    assert kept == (left if judge == "medoid" else {})


def test_a_metric_that_chose_is_no_evidence(faces: tuple[str, ...], tmp_path: Path) -> None:
    """It is marked where its number stands, tested nowhere, and the sentence says so; other metrics are tested."""
    out = tmp_path / "out"
    arm = {"way": "constant", "with": {"knobs": [{"dehalo": 0.2}, {"dehalo": 0.5}]}, "judge": "metric"}
    fsrbench(*COMMON, *faces, "--set", f"arms.some={json.dumps(arm)}", "--out", str(out), "--arm", "some")
    stored = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    effects = {metric: entry["arms"]["some"] for metric, entry in stored["families"]["general"].items()}
    assert {metric: effect["chose"] for metric, effect in effects.items()} == {"psnr": False, "niqe": True}
    assert effects["niqe"]["p"] is None
    assert effects["psnr"]["p"] is not None
    assert stored["statistics"]["tests"] == 1
    assert "chose its pictures by NIQE" in stored["findings"]["general"]
    told = (out / "summary.md").read_text(encoding="utf-8")
    assert told.count("◊") >= 2
    assert "were chosen by this metric, which is no evidence" in (out / "report" / "index.html").read_text("utf-8")


def test_a_wrong_constant_is_refused_before_any_work(faces: tuple[str, ...], tmp_path: Path) -> None:
    for knobs, words in (({"dehallo": 0.1}, "is no knob of the family"), ({"dehalo": 9.0}, "the nearest is")):
        arm = json.dumps({"way": "constant", "with": {"knobs": knobs}})
        with pytest.raises(SettingsError, match=words):
            fsrbench(*COMMON, *faces, "--set", f"arms.same={arm}", "--out", str(tmp_path / "out"), "--arm", "same")
        assert not list((tmp_path / "out").glob("trails/*/*"))


# ---------------------------------------------------------------------- budget


@pytest.mark.parametrize(
    ("budget", "asked", "bound"),
    [
        (Budget(), {"passes": 10**6, "calls": 10**6}, ""),
        (Budget(passes=2), {"passes": 2}, ""),
        (Budget(passes=2), {"passes": 3}, "passes"),
        (Budget(calls=0), {"calls": 1}, "calls"),
        (Budget(seconds=1e-9), {}, "seconds"),
        (Budget(cost=1.0), {"calls": 1}, ""),
    ],
)
def test_a_bound_is_said_before_the_step(budget: Budget, asked: dict[str, int], bound: str) -> None:
    assert Spending(budget).bound(**asked) == bound


def test_what_was_paid_counts() -> None:
    spending = Spending(Budget(calls=3, cost=1.0))
    spending.called(2, None)
    assert spending.bound(calls=1) == ""
    assert spending.bound(calls=2) == "calls"
    spending.called(0, 1.0)
    assert spending.bound() == "cost"


@pytest.mark.parametrize(("limits", "bound", "rounds"), [({"calls": 0}, "calls", 1), ({"passes": 0}, "", 2)])
def test_when_the_budget_is_spent_the_best_so_far_stands(
    faces: tuple[str, ...], tmp_path: Path, limits: dict[str, int], bound: str, rounds: int
) -> None:
    """A knob that acts after the network takes no pass, so `passes: 0` lets it be turned."""
    out = tmp_path / "out"
    replies = [{"score": 30, "confidence": 95, "hints": {"dehalo": 0.3}}, {"score": 90, "confidence": 95}]
    arm = {"auditor": "scripted", "limits": limits, "replies": replies}
    fsrbench(*COMMON, *faces, "--set", f"arms.s={json.dumps(arm)}", "--out", str(out), "--arm", "s")
    steps: tuple[Round, ...] = RunFolder(out).trail("general", "0").arms["s"]  # type: ignore[union-attr]
    assert [step.bound for step in steps] == [*[""] * (rounds - 1), bound]
    if bound:
        assert steps[-1].restoration.sha256 == RunFolder(out).trail("general", "0").pure.sha256  # type: ignore[union-attr]


# ------------------------------------------------------------------ operations


class Grey:
    """A network that answers with other noise for each seed."""

    def __init__(self, model: str) -> None:
        self.model = model
        self.weights: dict[str, str] = {}

    def __call__(self, lr: Image, knobs: dict[str, Any], seed: int, precision: str) -> Output:
        draw = np.random.default_rng(seed + len(self.model) + int(1000 * lr.sum()))
        return Output(draw.random((lr.shape[0] * 4, lr.shape[1] * 4, 3), dtype=np.float32))


LR = np.linspace(0, 1, 8 * 8 * 3, dtype=np.float32).reshape(8, 8, 3)


def pipeline(model: str) -> Pipeline:
    return Pipeline(Grey(model), {}, 4, "fp32", backend=model)


class Openers:
    """Networks by name, and every tool that is shipped."""

    def __init__(self, **pipelines: Pipeline) -> None:
        self.pipelines = pipelines

    def other(self, network: Network) -> Pipeline:
        return self.pipelines[network.backend]

    def tool(self, choice: ToolChoice) -> making.OpenTool:
        declared = plugins.load("tools", choice.tool)
        own = None if declared.settings is None else declared.settings(**choice.settings)
        return declared.open(own, Machine())  # type: ignore[no-any-return]


def test_operations_make_the_picture_again() -> None:
    """Of two networks, after a tool and before one, blended and averaged."""
    own, openers = pipeline("one"), Openers(another=pipeline("another"))
    parts = making.Parts({"other": Network("another")}, {"clean": ToolChoice("denoise", {"strength": 0.5})})
    spending = Spending()
    make = making.Making(LR, own.restore(LR, {}, 1), own, openers, parts, spending)
    first, second = make.restore({}), make.restore({}, seed=2, network="other")
    cleaned = make.restore({}, of=make.treat("clean"))
    assert cleaned.sha256 != first.sha256
    treated = make.treat("clean", make.mean([first, second]))
    picture = make.mean([make.blend(first, treated, 0.25), cleaned, make.restore({}, seed=3)])
    again = making.replay(picture.operations, LR, own, openers)
    assert again.sha256 == picture.sha256
    assert again.operations == picture.operations
    assert making.backends(picture.operations) == "one + another"
    assert spending.passes == 3  # the first is pure's
    assert make.extra({}, of=make.treat("clean")) == 0
    assert make.restore({}, of=treated).seconds > treated.seconds  # what went in was made, too


@pytest.mark.parametrize("name", plugins.names("tools"))
def test_every_tool_keeps_the_size_and_does_what_it_is_for(name: str) -> None:
    declared = plugins.load("tools", name)
    use = declared.open(declared.settings() if declared.settings else None, Machine())
    face = images.as_stored(draw_face(96))
    made = images.check(use(face, 1).image)
    assert made.shape == face.shape
    assert (made == face).all() == (declared.treats == "nothing")


def test_a_blend_is_the_line_between_two() -> None:
    one, other = pipeline("one").restore(LR, {}, 1), pipeline("another").restore(LR, {}, 2)
    assert making.blend(one, other, 0.0).sha256 == one.sha256
    assert making.blend(one, other, 1.0).sha256 == other.sha256
    assert making.mean([one, other]).sha256 == making.blend(one, other, 0.5).sha256


# ---------------------------------------------------------------------- judges


def contest(*pictures: Image, reference: Image | None = None) -> Contest:
    return Contest("a", "general", 7, LR, pictures, reference)


def judged(name: str, asked: Contest, **settings: Any) -> Any:
    declared = plugins.load("judges", name)
    own = declared.settings(**settings) if declared.settings else None
    return declared.open(own, Machine())(asked)


def test_each_judge_finds_what_it_looks_for() -> None:
    good = images.resize(LR, 32, 32)
    bad = 1 - good
    middle = (good + 2 * bad) / 3
    assert judged("consistency", contest(bad, middle, good)).order == (2, 1, 0)
    assert judged("medoid", contest(good, bad, middle)).order[0] == 2
    assert judged("oracle", contest(bad, good, reference=good)).order == (1, 0)
    one, same = judged("random", contest(bad, good)), judged("random", contest(bad, good))
    assert one == same


def test_equal_candidates_leave_pure_first() -> None:
    assert judged("consistency", contest(LR.repeat(4, 0).repeat(4, 1), LR.repeat(4, 0).repeat(4, 1))).order == (0, 1)


def test_a_judge_that_is_not_privileged_goes_by_no_reference() -> None:
    with pytest.raises(SettingsError, match="needs the reference"):
        judged("metric", contest(LR), metric="psnr")


def test_arms_have_a_long_form_and_keep_the_short_one(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(
        "arms:\n  long: {way: audit, auditor: {name: oracle, budget: 3}, policy: guarded}\n"
        "  short: {auditor: oracle, budget: 3, policy: guarded}\n",
        encoding="utf-8",
    )
    arms = config.load(file)[0].arms
    assert arms["long"] == arms["short"]
    stored = arms["short"].model_dump()
    assert "with" not in stored
    assert "judge" not in stored
    assert (ROOT / "configs" / "default.yaml").is_file()
