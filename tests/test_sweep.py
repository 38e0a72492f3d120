"""Sweeps: a grid becomes one study, nothing is asked twice, and every point is what a run of its own would be."""

from __future__ import annotations

import csv
import hashlib
import itertools
import json
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import fields
from io import StringIO
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from fsrbench.asking import prompts
from fsrbench.case import evidence
from fsrbench.core import plugins
from fsrbench.core.contracts import Machine
from fsrbench.core.errors import SettingsError
from fsrbench.core.execute import untracked
from fsrbench.core.questions import Question
from fsrbench.core.stored import to_json
from fsrbench.core.values import Image, Trail, derive_seed
from fsrbench.experiments import (
    grid,
    gridpoints,  # fmt: skip
    sweep,
)
from fsrbench.experiments.sweep import PointEffect
from fsrbench.imaging import images
from fsrbench.measure import subjects
from fsrbench.measure.summary_values import MetricFacts, Statistics, Summary
from fsrbench.show import publish, sweep_views
from fsrbench.show.plots import sweep as plot
from fsrbench.study import config, following, schema
from fsrbench.study.run import RunOutcome, run_study
from fsrbench.study.store import RunFolder
from support import draw_face
from support.loopback import Loopback, Step, says
from support.questions import bare_tools

pytestmark = pytest.mark.usefixtures("no_plots")
MACHINE = Machine()
PLAIN = {
    "families": {name: {"backend": "bicubic"} for name in ("general", "blind", "prior")},
    "metrics": ["psnr", "ssim"],
    "hr_size": 96,
}
PRICES = {"vlm": {"input": 1.0, "output": 2.0}}
THRESHOLDS = {"policy.accept_score": [40, 60, 80, 100], "policy.retries": [0, 1]}


@pytest.fixture
def faces(tmp_path: Path) -> tuple[Path, Path]:
    """LR and HR of three faces, in folders with a space and an accent."""
    for number in range(3):
        hr = draw_face(96, number)
        images.write(tmp_path / "hé r" / f"face {number}.png", hr)
        images.write(tmp_path / "lé r" / f"face {number}.png", images.resize(hr, 24, 24))
    return tmp_path / "lé r", tmp_path / "hé r"


def write(folder: Path, **data: Any) -> Path:
    """A grid's file, in the order that is given; every key of a mapping but `settings` on a line of its own."""
    lines = []
    for key, value in {**data, "settings": data.get("settings", PLAIN)}.items():
        spread = isinstance(value, dict) and key != "settings"
        own = [f"  {name}: {json.dumps(one)}" for name, one in value.items()] if spread else []
        lines += [f"{key}:", *own] if own else [f"{key}: {json.dumps(value)}"]
    path = folder / "grille é.yaml"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def go(file: Path, faces: tuple[Path, Path], out: Path, workers: int = 1) -> tuple[grid.SweepGrid, RunOutcome]:
    plan = grid.read(file)
    return plan, sweep.run(plan, MACHINE, *faces, out, workers=workers)


def content(request: Mapping[str, Any]) -> str:
    """What tells one question to the server from another: its first message, text and pictures."""
    return hashlib.sha256(json.dumps(request["messages"][0]).encode()).hexdigest()


def answer(request: Mapping[str, Any]) -> Step:
    """A reply that depends on the question alone: scores from 0 to 90, one hint; every third is of no use."""
    drawn = int(content(request)[:8], 16)
    if drawn % 3 == 0:
        return says("It looks nice.")
    reply = {"score": drawn % 10 * 10, "confidence": 90, "tags": [], "reason": "So."}
    return says(json.dumps({**reply, "hints": {"dehalo": 0.1 + drawn % 8 / 10}}))


def lvlm(server: Loopback, **more: Any) -> dict[str, Any]:
    """Settings with an arm that asks this server."""
    arm = {"auditor": "openai", "base_url": server.url, "model": "vlm", "prices": PRICES, "backoff": 0.001, **more}
    arm["preflight"] = False  # what is counted here are audits
    return {**PLAIN, "arms": {"lvlm": arm}}


def rounds(trail: Trail, arm: str) -> Any:
    """What was decided and what was made, without what it took and where it lies."""

    def calm(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: calm(v) for k, v in value.items() if k not in ("seconds", "usage", "path", "arm")}
        return [calm(v) for v in value] if isinstance(value, list) else value

    return calm(to_json(trail.arms[arm]))


# ------------------------------------------------------------------ what it is for


@pytest.mark.slow
def test_nothing_is_asked_twice_and_every_point_is_what_a_run_of_its_own_would_be(
    faces: tuple[Path, Path], tmp_path: Path
) -> None:
    with Loopback(choose=answer) as server:
        file = write(tmp_path, arm="lvlm", families=["general"], settings=lvlm(server), grid=THRESHOLDS)
        plan, outcome = go(file, faces, tmp_path / "out", workers=3)
        assert outcome.failures == []
        assert len(plan.arms) == 8
        firsts = [content(r) for r in server.requests if len(r["messages"]) == 1]
        repairs = [content(r) for r in server.requests if len(r["messages"]) > 1]
        assert len(firsts) == len(set(firsts)) > 3
        assert len(repairs) == len(set(repairs)) > 0  # nor is one that could not be used
        found = sweep.gather(plan, outcome.folder, publish.run(outcome.folder, MACHINE, 1, untracked))
        sent = len(server.requests)
        assert go(file, faces, tmp_path / "out")[1].done == 0
        assert len(server.requests) == sent
        alone = 0
        for point in plan.arms:
            arm = plan.settings.arms[point.name].model_copy(update={"variant_of": None})
            own = plan.settings.model_copy(update={"arms": {"lvlm": arm}})
            before = len(server.requests)
            ran = run_study(own, MACHINE, *faces, tmp_path / point.name)
            requests = len(server.requests) - before
            row = next(row for row in found["points"] if row["arm"] == point.name)
            assert row["alone"]["requests"] == requests
            alone += requests
            for trail in ran.folder.trails():
                swept = outcome.folder.trail("general", trail.case)
                assert swept is not None
                assert swept.pure.sha256 == trail.pure.sha256
                assert rounds(swept, point.name) == rounds(trail, "lvlm")
    assert found["spent"]["requests"] == sent
    assert found["alone"]["requests"] == alone > sent
    assert found["spent"]["cost"] == pytest.approx(sent * 1100e-6)
    assert found["spent"]["tokens"] == sent * 1050
    actions = {
        step.decision.action for t in outcome.folder.trails() for s in t.arms.values() for step in s if step.decision
    }
    assert actions == {"accept", "retry", "stop"}


def test_values_may_be_added_and_what_was_asked_is_not_asked_again(faces: tuple[Path, Path], tmp_path: Path) -> None:
    with Loopback(choose=answer) as server:
        base = {"arm": "lvlm", "families": ["general"], "settings": lvlm(server)}
        go(
            write(tmp_path, **base, grid={"policy.accept_score": [40, 100], "policy.retries": [1]}),
            faces,
            tmp_path / "out",
        )
        sent = len(server.requests)
        more = {"policy.accept_score": [40, 100], "policy.retries": [0, 1]}
        plan, outcome = go(write(tmp_path, **base, grid=more), faces, tmp_path / "out")
        assert outcome.done == 3
        assert len(server.requests) == sent  # without a retry, only what was asked already is asked
        trail = next(iter(outcome.folder.trails()))
        assert set(trail.arms) == {point.name for point in plan.arms}


def test_the_variants_share_one_purse_and_another_policy_asks_the_same(
    faces: tuple[Path, Path], tmp_path: Path
) -> None:
    with Loopback(choose=answer) as server:
        cap = 7 * 1100e-6
        settings = lvlm(server, max_cost=cap)
        file = write(tmp_path, arm="lvlm", families=["general"], settings=settings, grid=THRESHOLDS)
        _, outcome = go(file, faces, tmp_path / "out")
        assert "limit on cost" in outcome.stopped
        assert 0 < len(server.requests) * 1100e-6 <= cap
    with Loopback(choose=answer) as server:
        grid_ = {"policy": ["paper", "guarded"], "policy.accept_score": [10, 100]}
        go(
            write(tmp_path, arm="lvlm", families=["general"], settings=lvlm(server), grid=grid_),
            faces,
            tmp_path / "two",
        )
        firsts = [content(r) for r in server.requests if len(r["messages"]) == 1]
        assert len(firsts) == len(set(firsts))


def test_a_useless_reply_is_remembered_only_where_that_is_asked_for(tmp_path: Path) -> None:
    sr = images.as_stored(draw_face(64))
    knob = plugins.load("knobs", "dehalo")
    seen = bare_tools()(images.resize(sr, 16, 16), sr)
    brief = prompts.read("general").text
    question = Question("a", "general", 1, 0, seen, {"dehalo": 0.0}, {"dehalo": knob}, brief)
    for keeps, sent in ((False, 4), (True, 2)):
        with Loopback(says("no")) as server:
            own = {"base_url": server.url, "model": "vlm", "cache": str(tmp_path / str(keeps)), "cache_unusable": keeps}
            ask = plugins.load("auditors", "openai").open(own, MACHINE)
            one, other = ask(question), ask(question)
        assert len(server.requests) == sent
        assert (one.audit.status, one.audit.reason) == (other.audit.status, other.audit.reason) == ("invalid", ANY)
        assert other.audit.usage.requests == sent - 2


def test_the_points_of_a_case_look_at_a_picture_once(
    faces: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []
    real = evidence._examine

    def counted(lr: Image, sr: Image, tools: evidence.Tools) -> Any:
        looked.append(images.pixel_hash(sr))
        return real(lr, sr, tools)

    monkeypatch.setattr(evidence, "_examine", counted)
    file = write(tmp_path, arm="random", families=["general"], grid={"policy.accept_score": [0, 50, 100]})
    go(file, faces, tmp_path / "out")
    assert len(looked) == len(set(looked)) == 6


@pytest.mark.parametrize("arm", ["heuristic", "random"])
def test_a_sweep_without_a_model(arm: str, faces: tuple[Path, Path], tmp_path: Path) -> None:
    """The same draw in every point: only the limits differ."""
    file = write(
        tmp_path, arm=arm, families=["general", "blind"], grid={"policy.retries": [1, 2], "policy.accept_score": [100]}
    )
    plan, outcome = go(file, faces, tmp_path / "out")
    settings, _ = config.load(None)
    one = config.with_arms(plan.settings.model_copy(update={"arms": settings.arms}), [arm])
    one = one.model_copy(update={"policy": following.Policy(retries=2, accept_score=100)})
    ran = run_study(one, MACHINE, *faces, tmp_path / "one")
    for trail in ran.folder.trails():
        swept = outcome.folder.trail(trail.family, trail.case)
        assert swept is not None
        assert rounds(swept, f"{arm}-retries2-accept_score100") == rounds(trail, arm)
        short, long = (swept.arms[f"{arm}-retries{n}-accept_score100"] for n in (1, 2))
        assert short[0].audit == long[0].audit


def test_fixed_strengths_and_families_that_have_the_knobs(faces: tuple[Path, Path], tmp_path: Path) -> None:
    file = write(tmp_path, hints={"dehalo": [0, 0.4, 0.8]}, beside=["rerun"])
    plan, outcome = go(file, faces, tmp_path / "out")
    assert list(plan.settings.families) == ["general"]
    assert list(plan.settings.arms) == ["rerun", "fixed-dehalo0", "fixed-dehalo0.4", "fixed-dehalo0.8"]
    for trail in outcome.folder.trails():
        assert [trail.final(p.name).knobs["dehalo"] for p in plan.arms] == [0, 0.4, 0.8]
        assert trail.final("fixed-dehalo0").sha256 == trail.pure.sha256
    found = sweep.gather(plan, outcome.folder, publish.run(outcome.folder, MACHINE, 1, untracked))
    assert [row["again"] for row in found["points"]] == [0, 3, 3]
    assert found["points"][0]["metrics"]["psnr"].delta == 0
    assert [row["arm"] for row in found["beside"]] == ["rerun"]


def test_several_arms_are_varied_alike(tmp_path: Path) -> None:
    plan = grid.read(write(tmp_path, arm=["heuristic", "random"], grid={"policy.retries": [1, 2]}))
    assert [(point.base, point.values["retries"]) for point in plan.arms] == [
        (arm, retries) for arm in ("heuristic", "random") for retries in (1, 2)
    ]


def test_a_grid_over_a_family_keeps_its_prompt_knobs_and_seeds(faces: tuple[Path, Path], tmp_path: Path) -> None:
    file = write(
        tmp_path,
        arm="heuristic",
        families=["general", "blind"],
        grid={"families.blind.max_changes": [1, 2], "policy.retries": [1]},
    )
    plan, outcome = go(file, faces, tmp_path / "out")
    assert [point.name for point in plan.families] == ["general", "blind-max_changes1", "blind-max_changes2"]
    assert plan.settings.offered("blind-max_changes2").keys() == {"denoise", "deblock"}
    one, two = (outcome.folder.trail(f"blind-max_changes{n}", "face 0") for n in (1, 2))
    assert one is not None
    assert two is not None
    assert one.pure.seed == two.pure.seed == derive_seed(0, "blind", "face 0")
    assert one.pure.sha256 == two.pure.sha256
    found = sweep.gather(plan, outcome.folder, publish.run(outcome.folder, MACHINE, 1, untracked))
    assert {row["family"]: row["values"].get("max_changes") for row in found["points"]} == {
        "general": None,
        "blind-max_changes1": 1,
        "blind-max_changes2": 2,
    }


# -------------------------------------------------------------------- the file


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"arm": "heuristic", "gird": {}}, "line 2, gird: there is no such key. Did you mean grid?"),
        ({"arm": "heuristik", "grid": {"policy.retries": [1]}}, "arm: There is no arm, auditor or way.*mean heuristic"),
        ({"arm": "heuristic", "beside": ["rerum"], "grid": {"policy.retries": [1]}}, "beside: .*Did you mean rerun"),
        ({"arm": "heuristic", "families": ["genral"], "grid": {"policy.retries": [1]}}, "families: .*mean general"),
        ({"arm": "heuristic"}, "nothing to vary"),
        ({"grid": {"policy.retries": [1]}}, "name the arm"),
        ({"arm": "heuristic", "grid": {"policy.retry": [1]}}, "line 3, grid.policy.retry: .*mean policy.retries"),
        ({"arm": "heuristic", "grid": {"families.general.modle": ["a"]}}, "mean families.general.model"),
        ({"arm": "heuristic", "grid": {"families.general.variant_of": ["a"]}}, "no such setting here"),
        ({"arm": "heuristic", "grid": {"arms.lvlm.model": ["a"]}}, "for the arms heuristic"),
        ({"arm": "heuristic", "grid": {"policy.retries": []}}, "line 3, .*at least one value"),
        ({"arm": "heuristic", "grid": {"policy.retries": 1}}, "at least one value"),
        ({"arm": "heuristic", "grid": {"policy.retries": [1, 2, 1.0]}}, "line 3, .*1.0 stands there twice"),
        ({"arm": "heuristic", "grid": {"policy.retries": [1, "many"]}}, "line 3, .*1: 'many' is not a number"),
        ({"arm": "heuristic", "grid": {"policy.retries": [True, False]}}, "line 3, .*0: True is not a number"),
        ({"arm": "heuristic", "grid": {"policy.accept_score": [80, "80"]}}, "line 3, .*1: '80' is not a number"),
        ({"arm": "heuristic", "grid": {"families.general.tile": [False, 64]}}, "line 3, .*0: False is not a number"),
        ({"arm": "heuristic", "grid": {"policy.accept_score": [60, 101]}}, "line 3, .*less than or equal to 100"),
        ({"arm": "heuristic", "grid": {"policy": ["paper", "gaurded"]}}, "line 3, .*'paper', 'guarded' or 'certified'"),
        ({"arm": "heuristic", "grid": {"families.general.backend": ["bicubik"]}}, "line 3, .*Did you mean bicubic"),
        ({"arm": "heuristic", "grid": {"policy.accept_score": list(range(50))}}, "150 points .*max_points: 150"),
        ({"arm": "heuristic", "grid": {letter: list(range(99)) for letter in "abcdefgh"}}, "points .arms"),
        ({"arm": "heuristic", "max_points": 0, "grid": {"policy.retries": [1]}}, "max_points: .*from 1 on"),
        ({"arm": "heuristic", "hints": {"dehalo": [0.1]}}, "hints replace the auditor"),
        ({"hints": {"dehalo": [0.1]}, "grid": {"policy.retries": [1]}}, "only hold families"),
        ({"hints": {"dehalo": [0.1, 5]}}, "line 2, hints.dehalo.1: 5 is not allowed; the nearest value is 1.0"),
        ({"hints": {"dehallo": [0.1]}, "families": ["general"]}, "no knob of family general. Did you mean dehalo"),
        ({"hints": {"denoise": [0.1], "deblock": [0.1]}}, "blind allows 1 change: set families.blind.max_ch"),
        ({"hints": {"dehalo": ["strong"]}}, "'strong' is not a number"),
        ({"hints": {"dehalo": 0.4}}, "at least one value"),
        ({"hints": [1]}, "this must hold keys"),
        ({"arm": 3, "grid": {"policy.retries": [1]}}, "a list of names"),
        ({"arm": "heuristic", "settings": {"sede": 1}, "grid": {"policy.retries": [1]}}, "line 2, sede: .*mean seed"),
        ({"arm": "heuristic", "settings": 1, "grid": {"policy.retries": [1]}}, "settings: this must hold keys"),
    ],
)  # fmt: skip
def test_a_mistake_is_answered_with_its_line_and_the_cure(data: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=said) as caught:
        grid.read(write(tmp_path, **data))
    assert "grille é.yaml" in str(caught.value)


def test_what_an_auditor_refuses_is_said_with_the_line_of_the_value(faces: tuple[Path, Path], tmp_path: Path) -> None:
    with Loopback(choose=answer) as server:
        for axis, said in (
            ({"temprature": [0, 1]}, r"line \d+, temprature: .*unknown. Did you mean temperature"),
            ({"temperature": [0, 3]}, r"line \d+, temperature: .*must be from 0 to 2"),
            ({"arms.lvlm.repeat": [1, "x"]}, r"line \d+, arms.lvlm.repeat: .*must be int"),
        ):
            file = write(tmp_path, arm="lvlm", settings=lvlm(server), grid={"policy.retries": [0, 1], **axis})
            with pytest.raises(SettingsError, match=said):
                go(file, faces, tmp_path / "out")
        assert server.requests == []
    file = write(tmp_path, arm="lvlm", grid={"model": ["a", "b"]})
    with pytest.raises(SettingsError, match=r"line \d+, model: There is no key"):
        go(file, faces, tmp_path / "out")


def test_names_are_readable_and_fit_for_a_folder(tmp_path: Path) -> None:
    models = ["Qwen/Qwen2.5-VL-7B", "qwen_qwen2.5-vl-7b", "m" * 80, "nets/my.yaml", "gpt-4o"]
    settings = {**PLAIN, "arms": {"lvlm": {"auditor": "openai"}}}
    plan = grid.read(write(tmp_path, arm="lvlm", settings=settings, grid={"model": models, "policy.retries": [1]}))
    names = [point.name for point in plan.arms]
    assert names[-1] == "lvlm-model_gpt-4o-retries1"
    assert len({name.casefold() for name in names}) == 5  # two that a file system may take for one are told apart
    assert all(len(name) <= 64 for name in names)
    assert [plan.settings.arms[name].settings["model"] for name in names] == models
    fewer = grid.read(write(tmp_path, arm="lvlm", settings=settings, grid={"model": models[2:], "policy.retries": [1]}))
    assert [point.name for point in fewer.arms] == names[2:]


VALUES = st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=100)


@given(st.lists(VALUES, min_size=1, max_size=8, unique_by=gridpoints.canonical))
def test_whatever_the_values_names_differ_and_can_be_folders(values: list[Any]) -> None:
    axis = gridpoints.Axis("model", "model", tuple(values), ("model",), (1,) * len(values), ("lvlm",))
    names = [point.name for point in gridpoints.spread([axis], ["lvlm"])]
    assert len({name.casefold() for name in names}) == len(values)
    assert all(re.fullmatch(schema.NAME, name) and not name.endswith(".") for name in names)


@pytest.mark.parametrize("path", sorted(plugins.shipped("configs").glob("sweep-*.yaml")), ids=lambda p: p.stem)
def test_the_shipped_grids_are_found_by_name_and_valid(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = Path(path.stem.removeprefix("sweep-"))
    assert grid.find(name) == path
    assert len(grid.read(path).arms) > 3
    with pytest.raises(SettingsError, match=f"Did you mean {name}"):
        grid.find(Path(f"{name}s"))


# ------------------------------------------------------------------- what shows


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_table_says_what_the_summary_says(faces: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    axes = {"policy.accept_score": [0, 100], "policy.retries": [0, 1]}
    plan, outcome = go(write(tmp_path, arm="random", families=["general"], beside=["rerun"], grid=axes), faces, out)
    found = sweep.gather(plan, outcome.folder, publish.run(outcome.folder, MACHINE, 1, untracked))
    sweep_views.write(found, out)
    assert json.loads((out / "sweep.json").read_text(encoding="utf-8")) == to_json(found)
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    table = rows_of(out / "sweep.csv")
    assert len(table) == (4 + 1) * 2
    for row in table:
        entry = summary["families"]["general"][row["metric"]]["arms"][row["arm"]]
        for field in fields(PointEffect):
            assert row[field.name] == ("" if entry[field.name] is None else str(entry[field.name]))
    by_arm = {row["arm"]: row for row in table}
    assert by_arm["random-accept_score100-retries1"]["again"] == "3"
    assert [by_arm["random-accept_score100-retries1"][name] for name in ("accept_score", "retries")] == ["100", "1"]
    text = (out / "sweep.md").read_text(encoding="utf-8")
    assert "| general · bicubic | 100 | 1 | 3 |" in text
    assert "rerun (noise floor)" in text
    assert "Holm over the 8 tests" in text
    assert not any(entry.shown for row in found["points"] for entry in row["metrics"].values()), "three cases"
    out = Console(file=StringIO(), width=200)
    out.print(sweep_views.terminal(found))
    assert "*" not in out.file.getvalue().split("shown)")[1], "nothing is starred at n = 3"  # type: ignore[attr-defined]
    assert "**" not in text
    assert sweep_views.terminal(found).row_count == 1 + 5


def made_up(axes: dict[str, list[Any]], families: int = 1) -> dict[str, Any]:
    """What a sweep could have found."""
    points = [
        {
            "family": f"family {f}",
            "family_of": f"family {f}",
            "arm": "lvlm-" + "-".join(map(str, values)),
            "arm_of": "lvlm",
            "mark": "",
            "values": dict(zip(axes, values, strict=True)),
            "metrics": {
                "psnr": PointEffect(
                    delta=0.1 * n - 0.2, low=0.1 * n - 0.4, high=0.1 * n, shown=n % 2 == 1, changed=9, improved=9
                ),
                "niqe": PointEffect(),
            },
        }
        for f in range(families)
        for n, values in enumerate(itertools.product(*axes.values()))
    ]
    return {
        "axes": [{"name": name, "key": name, "values": values, "of": ["lvlm"]} for name, values in axes.items()],
        "metrics": {
            "psnr": MetricFacts("PSNR", "higher", 3, "dB"),
            "niqe": MetricFacts("NIQE", "lower", 3, ""),
        },
        "models": {"family 0": ["made up <b>$x$"]},
        "statistics": Statistics(level=0.95, alpha=0.05, power=0.8, tests=6, clusters=None),
        "points": points,
    }


@pytest.mark.parametrize(
    "axes",
    [
        {"min_confidence": [60, 70, 80]},
        {"retries": [0, 1], "accept_score": [60, 70, 80]},
        {"model": ["gpt-4o", "Qwen/Qwen2.5-VL-7B", "é" * 90], "only_center_face": [True, False]},
        {"a": [1, 2], "b": [1, 2], "c": ["x", "y"]},
        {"a": list("abcdefghi"), "b": list("abcdefg")},
        {"a": [1]},
    ],
)
def test_the_plot_shows_every_point_that_has_a_number(axes: dict[str, list[Any]], tmp_path: Path) -> None:
    found = made_up(axes, families=2)
    paths = plot.draw(found, tmp_path)
    assert [path.name for path in paths] == ["sweep.png", "sweep.svg"]
    svg = paths[1].read_text(encoding="utf-8")
    assert svg.count('id="mean') == len(found["points"])
    assert svg.count('id="interval') == len(found["points"])
    assert "sweep:niqe" not in svg  # nothing was measured
    before = [path.read_bytes() for path in paths]
    assert [path.read_bytes() for path in plot.draw(found, tmp_path)] == before


def test_without_references_there_is_no_number_and_no_plot(faces: tuple[Path, Path], tmp_path: Path) -> None:
    plan = grid.read(write(tmp_path, arm="heuristic", families=["general"], grid={"policy.retries": [0, 1]}))
    outcome = sweep.run(plan, MACHINE, faces[0], None, tmp_path / "out")
    found = sweep.gather(plan, outcome.folder, publish.run(RunFolder(tmp_path / "out"), MACHINE, 1, untracked))
    assert plot.draw(found, tmp_path / "out") == []
    assert "n/a" in sweep_views.markdown(found)
    assert any("no reference" in line for line in sweep_views.lines_below(found))


def test_the_report_has_the_sweep_until_the_numbers_are_others(faces: tuple[Path, Path], tmp_path: Path) -> None:
    file = write(tmp_path, arm="heuristic", families=["general"], grid={"policy.accept_score": [0, 100]})
    plan, outcome = go(file, faces, tmp_path / "out")
    root = outcome.folder.root
    shown = root / "report" / "plots" / "sweep.png"

    def tell(summary: Summary) -> list[Path]:
        return plot.draw(sweep.gather(plan, outcome.folder, summary), root)

    def publishing(also: publish.Also | None = None, **changes: Any) -> None:
        settings = schema.Settings.model_validate(outcome.folder.study()["settings"]).model_copy(update=changes)
        publish.publish(subjects.of_run(RunFolder(root), settings), RunFolder(root), MACHINE, 1, untracked, also=also)

    publishing(tell)
    assert shown.read_bytes() == (root / "plots" / "sweep.png").read_bytes()
    assert plot.QUESTION in (root / "report" / "index.html").read_text(encoding="utf-8")
    publishing()
    assert shown.is_file()
    publishing(metrics=["psnr"])
    assert not shown.exists(), "it shows SSIM, which this evaluation does not have"
    publishing(tell, metrics=["psnr"])
    assert shown.read_bytes() == (root / "plots" / "sweep.png").read_bytes()


@pytest.mark.slow
def test_the_command(faces: tuple[Path, Path], tmp_path: Path) -> None:
    words = ["sweep", "strengths", "--lr", str(faces[0]), "--hr", str(faces[1]), "--limit", "1", "--out", "dehors"]
    words += ["--set", "metrics=psnr", "--set", "families.general.backend=bicubic", "--set", "hr_size=96"]
    command = [sys.executable, "-m", "fsrbench", *words]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, encoding="utf-8", timeout=120)
    assert done.returncode == 0, done.stderr
    assert "0.6, 0.5" in done.stdout
    assert (tmp_path / "dehors" / "plots" / "sweep.png").is_file()
    told = subprocess.run([*command, "--json"], cwd=tmp_path, capture_output=True, encoding="utf-8", timeout=120)
    assert len(json.loads(told.stdout)["points"]) == 12
