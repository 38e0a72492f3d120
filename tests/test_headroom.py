"""The upper bound: its numbers, the knobs that carry it, and what arms of a run caught of it."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fsrbench.core import plugins
from fsrbench.core.contracts import Machine
from fsrbench.core.errors import InputError
from fsrbench.core.execute import untracked
from fsrbench.core.stored import to_json
from fsrbench.core.values import Score
from fsrbench.experiments import gains, headroom
from fsrbench.imaging import images
from fsrbench.measure import captured
from fsrbench.measure import scores as scorefile
from fsrbench.measure.results import Numbers
from fsrbench.show import overviews, publish
from fsrbench.study import config, schema
from fsrbench.study.run import run_study
from fsrbench.study.store import RunFolder
from support import draw_face

MACHINE = Machine(offline=True)
PLAIN = [
    "families.general.backend=bicubic",
    "families.blind.backend=bicubic",
    "families.prior.backend=bicubic",
    "metrics=ssim,lpips",
    "arms.oracle.budget=9",
]
FOLLOW = {"score": 30, "confidence": 95, "hints": {"color_balance": 1.0}}


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Three faces; the LRs are noisy, so that damping detail helps."""
    root = tmp_path_factory.mktemp("faces")
    rng = np.random.default_rng(3)
    for number in range(3):
        hr = draw_face(96, number)
        lr = images.resize(hr, 24, 24) + rng.normal(0, 0.04, (24, 24, 3))
        images.write(root / "hr" / f"face {number}.png", hr)
        images.write(root / "lr" / f"face {number}.png", np.clip(lr, 0, 1).astype(np.float32))
    return root / "lr", root / "hr"


def settings_of(*changes: str, families: tuple[str, ...] = ("general",)) -> schema.Settings:
    return config.with_families(config.load(None, [*PLAIN, *changes])[0], families)


@pytest.fixture(scope="module")
def a_run(faces: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run with an arm that turns one knob everywhere, and one that never does."""
    out = tmp_path_factory.mktemp("run")
    arms = {"eager": [FOLLOW], "shy": [{"score": 99}]}
    own = [f"arms.{name}={json.dumps({'auditor': 'scripted', 'replies': said})}" for name, said in arms.items()]
    settings = config.with_arms(settings_of(*own, "metrics=psnr"), [*arms, "oracle"])
    assert run_study(settings, MACHINE, *faces, out).failures == []
    publish.run(RunFolder(out), MACHINE, 1, untracked)
    return out


@pytest.fixture(scope="module")
def found(faces: tuple[Path, Path], a_run: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    out = tmp_path_factory.mktemp("headroom")
    plan = headroom.Plan(settings_of(), *faces, RunFolder(a_run))
    return headroom.run(plan, MACHINE, out) | {"out": out}


# -------------------------------------------------------------------- numbers


def test_only_cases_with_both_numbers_are_paired() -> None:
    scores = [
        Score("a", "general", "pure", "psnr", 30.0),
        Score("a", "general", "oracle", "psnr", 31.0),
        Score("b", "general", "pure", "psnr", None, "why"),
        Score("b", "general", "oracle", "psnr", 31.0),
        Score("c", "blind", "pure", "psnr", 30.0),
        Score("c", "blind", "oracle", "psnr", 35.0),
    ]
    assert Numbers(scores).deltas("general", "psnr", "oracle") == {"a": 1.0}


# ------------------------------------------------------------------- the result


def test_gains_are_those_of_the_scores(found: dict[str, Any]) -> None:
    entry = found["families"]["general"]["paper"]
    assert found["objectives"] == ["psnr", "ssim"]  # the oracle's own comes first, although the settings do not name it
    scores = scorefile.read(found["out"] / "paper" / "scores.csv")
    for metric in ("ssim", "psnr"):
        by_case = {(s.case, s.arm): s.value for s in scores if s.metric == metric}
        deltas = [by_case[f"face {n}", f"oracle-{metric}"] - by_case[f"face {n}", "pure"] for n in range(3)]  # type: ignore[operator]
        gain = entry["objectives"][metric]["gain"]
        assert gain["n"] == 3
        assert gain["delta"] == pytest.approx(np.mean(deltas), abs=1e-6)
        assert gain["low"] < gain["delta"] < gain["high"]
    assert entry["objectives"]["psnr"]["gain"]["delta"] > 0
    assert "lpips" not in entry["objectives"]  # it cannot be computed here, which is said
    assert any("LPIPS" in note for note in found["notes"])
    assert entry["knobs"] == ["color_balance", "dehalo", "detail_damping"]
    deep = [*entry["knobs"][:2], "denoise_strength", "detail_damping", "self_ensemble"]
    assert found["families"]["general"]["deep"]["knobs"] == deep


def test_the_knobs_that_carry_it(found: dict[str, Any]) -> None:
    for sets in found["families"]["general"].values():
        entry = sets["objectives"]["psnr"]
        carriers = entry["carriers"]
        assert "denoise_strength" not in carriers  # bicubic has no such thing
        assert carriers["detail_damping"]["share"] == 1  # against noise
        assert carriers["detail_damping"]["gain"] == entry["gain"]["delta"]
        assert all(0 < about["cases"] <= 3 for about in carriers.values())
        assert entry["changed"] == 3
        assert 0 < carriers["detail_damping"]["alone"] <= carriers["detail_damping"]["gain"]


def test_the_best_constant_stands_beside_the_oracle(found: dict[str, Any]) -> None:
    """Against noise the same damping helps everywhere: looking adds little. It is told from what the oracle tried."""
    bound = found["families"]["general"]["paper"]["objectives"]["psnr"]
    constant = bound["constant"]
    assert constant["knobs"].keys() == {"detail_damping"}
    assert constant["settings"] >= 10  # pure, and each knob on three levels
    assert 0 < constant["delta"] <= bound["gain"]["delta"]
    assert constant["low"] < constant["delta"] < constant["high"]
    assert constant["share"] == pytest.approx(constant["delta"] / bound["gain"]["delta"], abs=1e-3)
    assert constant["share"] > 0.5
    told = overviews.headroom_markdown(found)
    assert "## What takes no looking" in told
    assert any("the best constant of" in line for line in overviews.headroom_lines(found))


def test_what_arms_caught(found: dict[str, Any]) -> None:
    bounds = found["families"]["general"]["paper"]["objectives"]
    assert "caught" not in bounds["ssim"]  # that run has no scores for it
    caught = bounds["psnr"]["caught"]
    assert caught["oracle"]["share"] == 1
    assert caught["oracle"]["mark"].startswith("privileged")
    none = {"share": 0, "share_low": 0, "share_high": 0}
    nothing = {"n": 3, "delta": 0, "low": 0, "high": 0, "oracle": caught["oracle"]["delta"], "mark": ""}
    assert caught["shy"] == nothing | none | {"predictable": none}
    eager = caught["eager"]
    assert eager["share"] == pytest.approx(eager["delta"] / eager["oracle"], abs=1e-4)
    assert eager["share"] < 1
    assert eager["low"] <= eager["delta"] <= eager["high"]
    assert eager["share_low"] <= eager["share"] <= eager["share_high"]


def test_what_can_be_predicted_stands_beside_the_oracle(found: dict[str, Any]) -> None:
    bound = found["families"]["general"]["paper"]["objectives"]["psnr"]
    predictor, caught = bound["predictor"], bound["caught"]
    assert {"consistency", "input_noise"} <= set(predictor["features"])
    assert predictor["settings"] == bound["constant"]["settings"]
    assert 0 < predictor["delta"] <= bound["gain"]["delta"]
    most = max(predictor["delta"], bound["constant"]["delta"])
    for arm in ("eager", "oracle"):
        assert caught[arm]["predictable"]["share"] == pytest.approx(caught[arm]["delta"] / most, abs=1e-3)
    assert caught["oracle"]["predictable"]["share"] >= 1
    told = overviews.headroom_markdown(found)
    assert "## What can be predicted" in told
    assert "3 persons are few to learn from" in told
    lines = list(overviews.headroom_lines(found))
    assert any("the best predictor, of" in line for line in lines)
    assert any("of the predictable" in line for line in lines)


def test_each_metric_has_a_bound_of_its_own(found: dict[str, Any]) -> None:
    """No arm may exceed it: an oracle gains most in its own metric, and no table shows what it does to another."""
    scores = Numbers(scorefile.read(found["out"] / "paper" / "scores.csv"))
    for metric, other in (("psnr", "ssim"), ("ssim", "psnr")):
        own = scores.deltas("general", metric, gains.arm(metric))
        foreign = scores.deltas("general", metric, gains.arm(other))
        assert all(own[case] >= foreign[case] - 1e-5 for case in own)
        printed = found["families"]["general"]["paper"]["objectives"][metric]["gain"]["delta"]
        assert printed == pytest.approx(np.mean(list(own.values())), abs=1e-6)
    text = overviews.headroom_markdown(found)
    assert "Each column has its own oracle, which chose by that metric alone" in text
    assert "| n | PSNR ↑ | SSIM ↑ |" in text


def test_what_one_oracle_measured_the_others_take_over(
    faces: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A setting that no oracle chose is restored once for both metrics."""
    from fsrbench.case.restore import Pipeline

    made: list[tuple[object, ...]] = []
    original = Pipeline.restore

    def counted(self: Pipeline, lr: Any, knobs: Any, seed: int, *how: Any) -> Any:
        made.append((seed, tuple(sorted(knobs.items()))))
        return original(self, lr, knobs, seed, *how)

    monkeypatch.setattr(Pipeline, "restore", counted)
    plan = headroom.Plan(settings_of("arms.oracle.combine=1"), *faces)
    monkeypatch.setattr(headroom, "SETS", ("paper",))
    headroom.run(plan, MACHINE, tmp_path, limit=1)
    singles = [knobs for _, knobs in made if sum(bool(value) for _, value in knobs) == 1]
    searched = Counter(singles)
    assert len(searched) >= 6
    assert sum(times > 1 for times in searched.values()) <= 2  # each oracle's choice, which its arm restores


@pytest.mark.parametrize(
    ("gain", "low", "high", "floor", "worth"),
    [
        (0.5, 0.2, 0.8, 0.0, True),
        (0.007, 0.001, 0.01, 0.02, False),  # a single case moves by more when nothing is done
        (0.0004, 0.0001, 0.0006, 0.0, False),  # it does not show in print
        (0.5, -0.1, 0.8, 0.0, False),
        (0.5, None, None, 0.0, False),  # one case: nothing is known of its spread
        (0.0, 0.0, 0.0, 0.0, False),
    ],
)
def test_a_share_of_next_to_nothing_is_no_percentage(
    gain: float, low: float | None, high: float | None, floor: float, worth: bool
) -> None:
    psnr = plugins.load("metrics", "psnr")
    assert captured.worth_a_share(gain, low, high, psnr, floor) is worth
    turned = [None if end is None else -end for end in (high, low)]
    falls = plugins.load("metrics", "niqe")
    assert captured.worth_a_share(-gain, *turned, falls, floor) is worth  # type: ignore[arg-type]


def test_no_headroom_to_speak_of_is_said(found: dict[str, Any]) -> None:
    import copy

    poor = copy.deepcopy({key: value for key, value in found.items() if key != "out"})
    poor["families"]["general"]["paper"]["objectives"]["psnr"]["caught"]["eager"] |= {
        "oracle": 0.007, "delta": -0.007, "low": -0.02, "high": 0.01, "share": None,
    }  # fmt: skip
    lines = list(overviews.headroom_lines(poor))
    assert any(
        "no headroom to speak of in PSNR beside eager (the oracle's is +0.007, 3 cases)" in line for line in lines
    )
    rows = [line for line in overviews.headroom_markdown(poor).splitlines() if "| eager |" in line]
    assert "| no headroom to speak of |" in rows[0]
    assert "−100%" not in "".join(rows)


def test_it_is_said_that_the_oracle_is_privileged(found: dict[str, Any]) -> None:
    stored = (found["out"] / "headroom.json").read_text(encoding="utf-8")
    assert json.loads(stored) == to_json({key: value for key, value in found.items() if key != "out"})
    overviews.write_headroom(found, found["out"])
    text = (found["out"] / "headroom.md").read_text(encoding="utf-8")
    assert "privileged" in text
    assert "saw the reference" in text
    assert "upper bound" in stored
    assert "| bicubic" not in text
    assert "general · bicubic" in text
    assert "How much of it each arm caught" in text
    assert "oracle (privileged" in text
    assert str(overviews.headroom_terminal(found).title).count("privileged") == 1
    assert any("shy caught 0%" in line for line in overviews.headroom_lines(found))


def test_again_changes_nothing_and_restores_nothing(
    faces: tuple[Path, Path], found: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from fsrbench.case.restore import Pipeline

    monkeypatch.delattr(Pipeline, "restore")
    again = headroom.run(headroom.Plan(settings_of(), *faces), MACHINE, found["out"])
    for one, other in zip(again["families"]["general"].values(), found["families"]["general"].values(), strict=True):
        for metric, bound in other["objectives"].items():
            mine = one["objectives"][metric]
            assert mine == {key: value for key, value in bound.items() if key != "caught"}


def test_an_objective_that_falls(tmp_path: Path) -> None:
    hr = draw_face(192)
    lr = images.resize(hr, 48, 48) + np.random.default_rng(3).normal(0, 0.04, (48, 48, 3))
    images.write(tmp_path / "hr" / "a.png", hr)
    images.write(tmp_path / "lr" / "a.png", np.clip(lr, 0, 1).astype(np.float32))
    settings = settings_of("arms.oracle.objective=niqe", families=("blind",))
    found = headroom.run(headroom.Plan(settings, tmp_path / "lr", tmp_path / "hr"), MACHINE, tmp_path / "out")
    assert list(found["families"]["blind"]) == ["paper", "deep"]
    entry = found["families"]["blind"]["paper"]["objectives"]["niqe"]
    assert entry["constant"] is None  # there is one person alone
    assert entry["gain"]["delta"] < 0  # NIQE fell, which is better, and the knob's gain is a gain
    assert [about["gain"] for about in entry["carriers"].values()] == [-entry["gain"]["delta"]]
    assert entry["gain"]["low"] is None


def test_what_it_needs(faces: tuple[Path, Path], a_run: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--hr"):
        headroom.run(headroom.Plan(settings_of(), faces[0], None), MACHINE, tmp_path)
    changed = settings_of('arms.oracle={"auditor": "heuristic"}')
    with pytest.raises(InputError, match="auditor heuristic"):
        headroom.run(headroom.Plan(changed, *faces), MACHINE, tmp_path)
    plan = headroom.beside(a_run)
    assert (plan.lr, plan.hr) == faces
    assert plan.settings.metrics == ("psnr",)
    other = headroom.Plan(settings_of("arms.oracle.objective=ssim", "arms.oracle.budget=1"), *faces, RunFolder(a_run))
    with pytest.raises(InputError, match="no scores for ssim"):
        headroom.run(other, MACHINE, tmp_path / "a", limit=1)
    other = headroom.Plan(
        settings_of("families.general.backend=realesrgan", "arms.oracle.budget=1"), *faces, plan.beside
    )
    with pytest.raises(InputError, match="pure restoration"):
        headroom.run(other, MACHINE, tmp_path / "b", limit=1)
