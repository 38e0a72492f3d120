"""Ways and judges of a user's own that slip: a slip is said, and never ends as a wrong number or a folder spoilt."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from fsrbench.cli.app import app
from fsrbench.core import coherence, plugins
from fsrbench.core.errors import InputError, SettingsError
from fsrbench.core.operations import Blend, Mean, Restore
from fsrbench.core.values import Ranking, Trail
from fsrbench.experiments import grid
from fsrbench.imaging import images
from fsrbench.study import config
from fsrbench.study.store import RunFolder
from support import draw_face
from support.networks import made_compact
from support.studies import rows

WAY = """
from dataclasses import replace

from fsrbench.plugins import Network, Proposal, RoundDraft, Way


def open_it(setup):
    def intervene(case):
{body}
    return intervene


WAY = Way("Of a test.", open=open_it, networks=lambda _settings: {networks})
"""
JUDGE = """
import numpy as np

from fsrbench.plugins import Judge, Ranking

JUDGE = Judge("Of a test.", open=lambda settings, machine: lambda contest: {answer})
"""
Plug = Callable[[str, str, str], None]


@pytest.fixture
def plug(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Plug]:
    """Writes a plugin file of the user's own."""
    (tmp_path / "own").mkdir()
    monkeypatch.setenv("FSRBENCH_PLUGINS", str(tmp_path / "own"))
    monkeypatch.setenv("FSRBENCH_OFFLINE", "1")
    for kind in ("ways", "judges", "backends"):
        package = plugins._package(kind)
        monkeypatch.setattr(package, "__path__", [*package.__path__])

    written: list[str] = []

    def write(kind: str, name: str, text: str) -> None:
        file = tmp_path / "own" / kind / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        written.append(f"fsrbench.{kind}.{name}")

    yield write
    for module in written:  # the next test's file of that name is another
        sys.modules.pop(module, None)


def way(body: str, networks: str = "{}") -> str:
    lines = "\n".join(f"        {line}" for line in body.splitlines())
    return WAY.format(body=lines, networks=networks)


@pytest.fixture
def faces(tmp_path: Path) -> tuple[str, ...]:
    """LR and HR of two drawn faces, as options."""
    for number in range(2):
        face = draw_face(96, seed=number)
        images.write(tmp_path / "high" / f"{number}.png", face)
        images.write(tmp_path / "low" / f"{number}.png", images.resize(face, 24, 24))
    return ("--lr", str(tmp_path / "low"), "--hr", str(tmp_path / "high"))


PLAIN = ("run", "--family", "general", "--set", "metrics=psnr", "--set", "hr_size=96", "--no-evaluate")
BICUBIC = (*PLAIN, "--set", "families.general.backend=bicubic")


def fsrbench(*words: str, status: int = 0) -> str:
    done = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert done.exit_code == status, done.output
    return done.output


def trail(out: Path, family: str = "general") -> Trail:
    found = RunFolder(out).trail(family, "0")
    assert found is not None
    return found


# ------------------------------------------------------------------------ ways


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("return []", "gave no round back"),
        ("return None", "gave no round back"),
        ("picture = case.make.restore({'dehalo': 0.3})\n"
         "return [RoundDraft(replace(picture, image=1 - picture.image))]", "not made by case.make"),
        ("pure = case.pure\nreturn [RoundDraft(replace(pure, image=pure.image[::2], pixels=pure.pixels[::2]))]",
         "not made by case.make"),
        ("return [RoundDraft(case.make.mean([case.pure, replace(case.pure, image=1 - case.pure.image)]))]",
         "may go on with pictures that were made by case.make"),
        ("return [RoundDraft(case.make.mean([]))]", "no mean of no pictures"),
        ("return [RoundDraft(case.make.restore({'dehallo': 0.3}))]", "no knob of this family"),
        ("return [RoundDraft(case.make.restore({'dehalo': 99.0}))]", "beyond its bounds"),
        ("return [RoundDraft(case.make.restore({}, network='b'))]", "did not declare"),
        ("pure = Proposal(case.pure, 'pure')\n"
         "return [RoundDraft(case.make.restore({'dehalo': 0.3}), candidates=(pure,))]", "one of its candidates"),
        ("pure = Proposal(case.pure, 'pure')\nreturn [RoundDraft(case.pure, candidates=(pure, pure))]", "only one"),
        ("return [RoundDraft(case.pure, candidates=(Proposal(case.pure, 'pure', parent=7),))]", "an earlier one"),
    ],
)  # fmt: skip
def test_a_slip_of_a_way_is_said_before_anything_is_stored(
    plug: Plug, faces: tuple[str, ...], tmp_path: Path, body: str, said: str
) -> None:
    plug("ways", "slips", way(body))
    with pytest.raises(TypeError, match=said):
        fsrbench(*BICUBIC, *faces, "--out", str(tmp_path / "out"), "--arm", "slips")
    assert not trail(tmp_path / "out").arms


def test_the_usual_network_is_another_than_the_familys_own_of_that_backend(
    plug: Plug, faces: tuple[str, ...], tmp_path: Path
) -> None:
    """Its pass counts, its files stand apart, and its picture is made again with it and not with the family's."""
    safetensors = pytest.importorskip("safetensors.torch")
    own = tmp_path / "general.safetensors"
    safetensors.save_file(made_compact(seed=3), own)
    body = "return [RoundDraft(case.make.restore({}, network='usual'), passes=case.spending.passes)]"
    plug("ways", "usual", way(body, "{'usual': Network('realesrgan')}"))
    out = tmp_path / "out"
    command = (*PLAIN, "--set", f"families.general.model={own}", *faces, "--limit", "1", "--out", str(out))
    fsrbench(*command, "--arm", "usual")
    done = trail(out)
    assert done.arms["usual"][0].passes == 1
    assert done.final("usual").sha256 != done.pure.sha256
    weights = yaml.safe_load((out / "study.yaml").read_text(encoding="utf-8"))["weights"]["general"]
    assert set(weights) == {"general.safetensors", "general.safetensors (realesrgan)"}

    (out / done.final("usual").path).unlink()
    fsrbench(*command, "--arm", "rerun")
    assert "3 of 3 pictures" in fsrbench("check", str(out), "--pictures")


def test_a_budget_without_a_pass_leaves_no_rerun(faces: tuple[str, ...], tmp_path: Path) -> None:
    arm = json.dumps({"way": "rerun", "limits": {"passes": 0}})
    fsrbench(*BICUBIC, *faces, "--out", str(tmp_path / "out"), "--set", f"arms.none={arm}", "--arm", "none")
    step = trail(tmp_path / "out").arms["none"][0]
    assert (step.bound, step.passes, step.restoration.sha256) == ("passes", 0, trail(tmp_path / "out").pure.sha256)


# ---------------------------------------------------------------------- judges

THREE = {"way": "constant", "with": {"knobs": [{"dehalo": 0.2}, {"dehalo": 0.5}]}, "judge": "slips"}


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("None", "no ranking"),
        ("Ranking('x', (1.0,), (0, 1, 2))", "1 scores"),
        ("Ranking('x', (1.0, 2.0, 3.0), (0, 0, 0))", "the order [0, 0, 0]"),
        ("Ranking('x', (1.0, 2.0, 3.0), (-1, 0, 1))", "the order [-1, 0, 1]"),
        ("Ranking('x', (1.0, 2.0, 3.0), ())", "the order []"),
        ("Ranking('x', (float('nan'), 2.0, 3.0), (0, 1, 2))", "no finite number"),
        ("Ranking('x', (1.0, 2.0, 3.0), (0, 1, 2), parts=({'a': float('inf')},) * 3)", "no finite number"),
    ],
)
def test_what_a_judge_must_not_answer_costs_the_case_alone(
    plug: Plug, faces: tuple[str, ...], tmp_path: Path, answer: str, said: str
) -> None:
    plug("judges", "slips", JUDGE.format(answer=answer))
    out = tmp_path / "out"
    fsrbench(*BICUBIC, *faces, "--set", f"arms.a={json.dumps(THREE)}", "--out", str(out), "--arm", "a", status=3)
    failed = rows(out / "failures.csv")
    assert [(row["case"], row["arm"]) for row in failed] == [("0", "a"), ("1", "a")]
    assert all(said in row["why"] for row in failed)


def test_numbers_of_numpy_are_numbers(plug: Plug, faces: tuple[str, ...], tmp_path: Path) -> None:
    answer = "Ranking('x', tuple(np.float32([1, 3, 2])), tuple(np.argsort([-1, -3, -2])))"
    plug("judges", "slips", JUDGE.format(answer=answer))
    out = tmp_path / "out"
    fsrbench(*BICUBIC, *faces, "--set", f"arms.a={json.dumps(THREE)}", "--out", str(out), "--arm", "a")
    assert trail(out).arms["a"][0].ranking == Ranking("x", (1.0, 3.0, 2.0), (1, 2, 0))


def test_a_judge_that_is_not_privileged_sees_no_reference(plug: Plug, faces: tuple[str, ...], tmp_path: Path) -> None:
    """Nor where its arm may: what its way hands on is taken out."""
    plug("judges", "slips", JUDGE.format(answer="Ranking('x', (float(contest.reference is None), 0.0), (0, 1))"))
    body = (
        "pictures = [Proposal(case.pure, 'pure'), Proposal(case.make.restore({'dehalo': 0.3}), 'b')]\n"
        "from fsrbench.plugins import Contest\n"
        "assert case.reference is not None\n"
        "asked = Contest(case.case, case.family, 0, case.lr, tuple(one.picture.image for one in pictures), "
        "case.reference)\n"
        "return [RoundDraft(case.pure, candidates=tuple(pictures), ranking=setup.judge(asked))]"
    )
    text = way(body).replace("networks=", "privileged=True, takes=('judge',), networks=")
    plug("ways", "sees", text)
    out, arm = tmp_path / "out", json.dumps({"way": "sees", "judge": "slips"})
    fsrbench(*BICUBIC, *faces, "--set", f"arms.a={arm}", "--out", str(out), "--arm", "a")
    ranking = trail(out).arms["a"][0].ranking
    assert ranking is not None
    assert ranking.scores == (1.0, 0.0)


# ---------------------------------------------------------------- stored trails

STEP = Restore("bicubic", "bicubic", {}, 1)


@pytest.mark.parametrize(
    ("operations", "said"),
    [
        ((STEP, Mean((0, 1))), "not before it"),
        ((STEP, Mean((-1,))), "not before it"),
        ((STEP, Mean(())), "not before it"),
        ((STEP, Blend(0, 2, 0.5)), "not before it"),
        ((STEP, STEP, Blend(0, 1, 1.5)), "no share"),
        ((STEP, STEP, Blend(0, 1, float("nan"))), "no share"),
        ((STEP, STEP, Mean((0, 1)), Blend(0, 2, 0.5)), ""),
    ],
)
def test_steps_are_made_of_earlier_ones(operations: tuple[Any, ...], said: str) -> None:
    assert said in coherence.of_operations(operations)
    assert bool(said) == bool(coherence.of_operations(operations))


@pytest.mark.parametrize("spoil", ["order", "scores", "mean"])
def test_a_trail_whose_parts_do_not_fit_costs_its_case_alone(
    faces: tuple[str, ...], tmp_path: Path, spoil: str
) -> None:
    """It may come from anywhere: it is named and left out, and tables of the others are written."""
    out, arm = tmp_path / "out", json.dumps({**THREE, "judge": "random"})
    command = (*BICUBIC, *faces, "--set", f"arms.a={arm}", "--out", str(out), "--arm", "a")
    fsrbench(*command)
    file = out / "trails" / "general" / "0.json"
    data = json.loads(file.read_text(encoding="utf-8"))
    if spoil == "mean":
        data["rounds"][1]["restoration"]["operations"].append({"kind": "mean", "of": [9]})
    else:
        data["rounds"][1]["ranking"][spoil] = [5]
    file.write_text(json.dumps(data), encoding="utf-8")
    said = fsrbench(*command, status=3)
    assert "0.json" in said
    assert {row["case"] for row in rows(out / "candidates.csv")} == {"1"}


def test_a_picture_of_a_way_is_what_it_made(plug: Plug, faces: tuple[str, ...], tmp_path: Path) -> None:
    """Means of means, and pure again, pass the same look."""
    body = (
        "one = case.make.restore({'dehalo': 0.3})\n"
        "both = case.make.mean([one, case.make.blend(case.pure, one, 0.25)])\n"
        "steps = (Proposal(case.pure, 'pure'), Proposal(one, 'one'), Proposal(both, 'both', parent=1))\n"
        "return [RoundDraft(one), RoundDraft(both, candidates=steps), RoundDraft(case.pure)]"
    )
    plug("ways", "fits", way(body))
    out = tmp_path / "out"
    fsrbench(*BICUBIC, *faces, "--out", str(out), "--arm", "fits")
    assert len(trail(out).arms["fits"]) == 3
    assert np.array_equal(images.read(out / trail(out).final("fits").path), images.read(out / trail(out).pure.path))


def test_a_damaged_trail_is_no_picture_that_comes_out(faces: tuple[str, ...], tmp_path: Path) -> None:
    out = tmp_path / "out"
    fsrbench(*BICUBIC, *faces, "--out", str(out), "--arm", "rerun")
    file = out / "trails" / "general" / "0.json"
    whole = file.read_bytes()
    file.write_bytes(whole[:200])
    assert "2 of 3 pictures" in fsrbench("check", str(out), "--pictures", status=1)
    data = json.loads(whole)
    data["rounds"][0]["restoration"]["operations"][0]["knobs"] = {"dehalo": 1e308}
    file.write_text(json.dumps(data), encoding="utf-8")
    assert "turns dehalo to 1e+308" in fsrbench("check", str(out), "--pictures", status=1)
    for path in file.parent.iterdir():
        path.unlink()
    with pytest.raises(InputError, match="no finished case"):
        fsrbench("check", str(out), "--pictures")


def test_what_a_budget_ended_is_told(faces: tuple[str, ...], tmp_path: Path) -> None:
    """An arm that time has cut is not the same twice: a reader of its numbers must know."""
    out = tmp_path / "out"
    arm = json.dumps({"way": "constant", "with": {"knobs": {"dehalo": 0.3}}, "limits": {"seconds": 1e-9}})
    fsrbench(*BICUBIC, *faces, "--set", f"arms.a={arm}", "--out", str(out), "--arm", "a", "--arm", "rerun")
    fsrbench("evaluate", str(out))
    told = (out / "summary.md").read_text(encoding="utf-8")
    assert "a: its budget was spent in 2 of 2 cases (seconds 2). Time is not the same twice" in told
    assert "rerun: its budget" not in told


# -------------------------------------------------------------------- settings


def test_an_arm_that_fits_no_second_family_is_refused_before_the_first(faces: tuple[str, ...], tmp_path: Path) -> None:
    arm = json.dumps({"way": "constant", "with": {"knobs": {"dehalo": 0.3}}})
    words = ("run", *faces, "--out", str(tmp_path / "out"), "--set", f"arms.a={arm}", "--arm", "a")
    with pytest.raises(SettingsError, match="Arm a in the family blind: dehalo is no knob"):
        fsrbench(*words)
    assert not (tmp_path / "out").exists()


def test_an_arm_whose_other_network_cannot_be_opened_is_named(
    plug: Plug, faces: tuple[str, ...], tmp_path: Path
) -> None:
    plug("ways", "needs", way("return []", "{'b': Network('nosuch')}"))
    with pytest.raises(SettingsError, match="Arm needs: There is no backend named 'nosuch'"):
        fsrbench(*BICUBIC, *faces, "--out", str(tmp_path / "out"), "--arm", "needs")


def test_a_name_that_is_two_things_is_asked_back(plug: Plug, faces: tuple[str, ...], tmp_path: Path) -> None:
    plug("ways", "scripted", way("return [RoundDraft(case.pure)]"))
    with pytest.raises(SettingsError, match="is an auditor and a way"):
        fsrbench(*BICUBIC, *faces, "--out", str(tmp_path / "out"), "--arm", "scripted")
    own = ("--set", 'arms.scripted={"way": "scripted"}')
    fsrbench(*BICUBIC, *faces, *own, "--out", str(tmp_path / "out"), "--arm", "scripted")
    assert trail(tmp_path / "out").arms["scripted"][0].audit is None


@pytest.mark.parametrize("key", ["policy", "limits", "way", "with", "judge"])
def test_a_setting_of_the_arm_does_not_stand_below_its_auditor(key: str) -> None:
    with pytest.raises(SettingsError, match=f"{key} is a setting of the arm"):
        config.lay({"arms": {"a": {"auditor": {"name": "oracle", key: "guarded"}}}})


@pytest.mark.parametrize("prefix", ["", "arms.a."])
def test_a_sweep_goes_over_what_a_way_and_a_judge_are_set_to(tmp_path: Path, prefix: str) -> None:
    arm = json.dumps({**THREE, "judge": {"name": "metric", "metric": "niqe"}})
    file = tmp_path / "own.yaml"

    def points(axis: str, base: str = arm) -> list[dict[str, Any]]:
        file.write_text(
            f"arm: a\nfamilies: general\nsettings: {{arms: {{a: {base}}}}}\ngrid:\n  {prefix}{axis}\n", "utf-8"
        )
        return [one.model_dump() for one in grid.read(file).settings.arms.values()]

    judged = points("judge.metric: [niqe, psnr]")
    assert [one["judge"] for one in judged] == [{"name": "metric", "metric": name} for name in ("niqe", "psnr")]
    assert [one["with"]["knobs"] for one in points("with.knobs: [[{dehalo: 0.1}], [{dehalo: 0.2}]]")] == [
        [{"dehalo": 0.1}], [{"dehalo": 0.2}],
    ]  # fmt: skip
    single = json.dumps({"way": "constant", "with": {"knobs": {"dehalo": 0.5}}})
    assert [one["with"]["knobs"]["dehalo"] for one in points("with.knobs.dehalo: [0.1, 0.2]", single)] == [0.1, 0.2]
    with pytest.raises(SettingsError, match=r"line 5.*knobs of the arm a holds no keys"):
        points("with.knobs.dehalo: [0.1, 0.2]")
    with pytest.raises(SettingsError, match=r"line 5.*Did you mean knobs"):
        points("with.knobz: [{dehalo: 0.1}]")


def test_nobody_is_guarded_who_asks_no_auditor() -> None:
    with pytest.raises(SettingsError, match=r"arms\.a\.policy: the way rerun asks no auditor"):
        config.lay({"arms": {"a": {"way": "rerun", "policy": "guarded"}}})


def test_a_search_keeps_its_budget_whoever_searched_before(faces: tuple[str, ...], tmp_path: Path) -> None:
    """Restorations that another privileged arm has measured count as if they had been made."""
    arm = {"auditor": "oracle", "budget": 12, "limits": {"passes": 2}}
    chosen = ("--set", f"arms.o={json.dumps(arm)}", "--set", f"arms.a={json.dumps({**arm, 'limits': {}})}")
    command = ("run", "--family", "blind", "--set", "metrics=psnr", "--set", "hr_size=96", "--no-evaluate", *faces)
    command = (*command, *chosen, "--limit", "1", "--out")
    fsrbench(*command, str(tmp_path / "both"), "--arm", "a", "--arm", "o")
    fsrbench(*command, str(tmp_path / "alone"), "--arm", "o")
    both, alone = trail(tmp_path / "both", "blind").arms, trail(tmp_path / "alone", "blind").arms
    assert [step.passes for step in both["o"]] == [step.passes for step in alone["o"]]
    assert sum(step.passes or 0 for step in alone["o"]) <= 2 < sum(step.passes or 0 for step in both["a"])
    assert {step.bound for step in alone["o"]} >= {"passes"}
    assert both["o"][-1].restoration.sha256 == alone["o"][-1].restoration.sha256
