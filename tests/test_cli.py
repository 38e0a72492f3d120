"""The command as a user types it: exit status, one sentence for what can be mended, JSON where a program reads."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fsrbench.cli.app import app
from fsrbench.core import plugins
from fsrbench.core.errors import SettingsError
from fsrbench.imaging import images
from support import draw_face
from support.command import PLAIN, fsrbench, typed
from support.pages import PAGES

pytestmark = pytest.mark.usefixtures("no_plots")


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    """A folder laid out as the defaults expect, with a space and an accent in its path."""
    root = tmp_path / "mes données"
    for number in range(2):
        images.write(root / "inputs" / "high_res_imgs" / f"face {number}.png", draw_face(96, number))
    return root


def test_help_of_every_command() -> None:
    top = fsrbench("--help")
    assert top.returncode == 0
    commands = re.findall(r"^  ([a-z]+)  ", top.stdout, re.MULTILINE)
    assert commands == [
        "demo",
        "degrade",
        "run",
        "evaluate",
        "restore",
        "headroom",
        "tune",
        "certify",
        "knobs",
        "plugins",
        "prompt",
        "check",
        "sweep",
        "judge",
        "compare",
        "runs",
        "tables",
        "report",
        "rate",
        "log",
        "weights",
        "doctor",
    ]
    for command in commands:
        said = typed(command, "--help")
        assert said.returncode == 0
        assert "Example: fsrbench" in said.stdout
        assert any(f"| `{command}` |" in page.text for page in PAGES)


def test_version() -> None:
    assert re.fullmatch(r"fsrbench \d+\.\d+\.\d+\n", fsrbench("--version").stdout)


@pytest.mark.slow
def test_degrade_run_evaluate(faces: Path) -> None:
    made = fsrbench("degrade", "--hr-size", 96, "--json", cwd=faces)
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout)["done"] == ["face 0", "face 1"]
    ran = fsrbench("run", "--family", "general", "--set", "hr_size=96", *PLAIN, "--json", cwd=faces)
    assert ran.returncode == 0, ran.stderr
    assert "Writing to outputs" in ran.stderr
    again = fsrbench("evaluate", "outputs/low_res_imgs-embedded-seed0", "--json", cwd=faces)
    assert json.loads(again.stdout) == json.loads(ran.stdout)
    assert json.loads(ran.stdout)["families"]["general"]["psnr"]["n"] == 2


def test_a_failed_case_is_exit_status_3(faces: Path) -> None:
    typed("degrade", "--hr-size", 96, cwd=faces)
    (faces / "inputs" / "low_res_imgs" / "cut.png").write_bytes(images.encode(draw_face(24))[:60])
    ran = typed("run", "--family", "general", "--set", "hr_size=96", *PLAIN, cwd=faces)
    assert ran.returncode == 3
    assert "cut.png" in ran.stderr
    assert "failures.csv" in ran.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "--lr", "nowhere"], "nowhere is not a folder"),
        (["run", "--family", "blnd"], "Did you mean blind"),
        (["run", "--arm", "heuristik"], "Did you mean heuristic"),
        (["run", "--set", "polcy.retries=1"], "Did you mean policy"),
        (["run", "--lvlm"], "OPENAI_API_KEY"),
        (["run", "--config", "missing.yaml"], "missing.yaml is not there"),
        (["degrade", "--recipe", "papr"], "Did you mean paper"),
        (["degrade", "--hr-size", "97"], "97 cannot be divided"),
        (["evaluate"], "Name a run's folder"),
        (["evaluate", "inputs"], "no study.yaml"),
        (["evaluate", "--arm", "pure"], "NAME=DIR"),
        (["weights", "--download", "GFPGANv9.pth"], "GFPGANv9.pth"),
        (["run", "--device", "quantum"], "quantum"),
        (["run", "--precision", "fp8"], "fp8"),
        (["run", "--limit", "0"], "--limit"),
        (["run", "--concurrency", "0"], "--concurrency"),
        (["run", "--max-cost", "-1"], "--max-cost"),
        (["run", "--arm", "replay"], "set run in the arm's settings"),
        (["run", "--arm", "oracle", "--set", "arms.oracle.objective=psrn"], "Did you mean psnr"),
        (["run", "--arm", "heuristic", "--policy", "gaurded"], "guarded"),
        (["headroom", "--lr", "nowhere"], "nowhere is not a folder"),
        (["headroom", "--run", "inputs"], "no study.yaml"),
        (["knobs", "--family", "genral"], "Did you mean general"),
        (["knobs", "--lr", "nowhere"], "nowhere is not a folder"),
        (["plugins", "judge"], "Did you mean judges"),
        (["prompt"], "--family"),
        (["prompt", "--family", "blnd"], "Did you mean blind"),
        (["prompt", "--family", "general", "--case", "b"], "no picture 'b'"),
        (["frobnicate"], "frobnicate"),
    ],
)
def test_mistakes_are_one_sentence_and_status_2(faces: Path, words: list[str], said: str) -> None:
    (faces / "inputs" / "low_res_imgs").mkdir()
    images.write(faces / "inputs" / "low_res_imgs" / "a.png", draw_face(24))
    done = typed(*words, cwd=faces)
    assert done.returncode == 2, done.stderr
    assert said in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_plugins_of_ones_own_are_listed_and_a_broken_one_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "judges"
    own.mkdir()
    (own / "cut.py").write_text("JUDGE =", encoding="utf-8")
    monkeypatch.setenv("FSRBENCH_PLUGINS", str(tmp_path))
    listed = fsrbench("plugins", "judges")  # in a process of its own: a folder once searched stays so
    assert listed.returncode == 0, listed.stderr
    assert re.search(r"^  medoid +Control: .+\.$", listed.stdout, re.MULTILINE)
    assert re.search(r"^  metric .+ Settings: metric\.$", listed.stdout, re.MULTILINE)
    assert re.search(r"^  cut +The judge cut cannot be imported: SyntaxError", listed.stdout, re.MULTILINE)
    assert {line for line in listed.stdout.splitlines() if not line.startswith(" ")} == {"judges"}


def test_every_kind_of_plugin_is_listed() -> None:
    found = json.loads(typed("plugins", "--json").stdout)
    assert {(entry["kind"], entry["name"]) for entry in found} == {
        (kind, name) for kind in plugins.KINDS for name in plugins.names(kind)
    }
    assert all(entry["text"] for entry in found)


def test_an_empty_folder_names_the_cure(tmp_path: Path) -> None:
    (tmp_path / "lr").mkdir()
    done = fsrbench("run", "--lr", "lr", cwd=tmp_path)
    assert done.returncode == 2
    assert "fsrbench degrade" in done.stderr


def test_references_that_are_gone_are_asked_for(faces: Path) -> None:
    typed("degrade", "--hr-size", 96, cwd=faces)
    typed("run", "--family", "general", "--set", "hr_size=96", *PLAIN, "--out", "out", cwd=faces)
    scores = (faces / "out" / "scores.csv").read_bytes()
    (faces / "inputs" / "high_res_imgs").rename(faces / "moved")
    gone = typed("evaluate", "out", cwd=faces)
    assert gone.returncode == 2
    assert "--hr DIR" in gone.stderr
    assert typed("evaluate", "out", "--hr", "moved", cwd=faces).returncode == 0
    assert (faces / "out" / "scores.csv").read_bytes() == scores


def test_an_evaluation_changes_what_is_measured_and_nothing_else(faces: Path) -> None:
    typed("degrade", "--hr-size", 96, cwd=faces)
    typed("run", "--family", "general", "--set", "hr_size=96", *PLAIN, "--out", "out", cwd=faces)
    done = typed("evaluate", "out", "--set", "metrics=psnr_y", "--json", cwd=faces)
    assert list(json.loads(done.stdout)["metrics"]) == ["psnr_y"]
    refused = typed("evaluate", "out", "--set", "seed=3", cwd=faces)
    assert refused.returncode == 2
    assert "seed belongs to the finished run" in refused.stderr


def test_pairs_that_do_not_close_are_said(faces: Path) -> None:
    typed("degrade", "--hr-size", 96, cwd=faces)
    (faces / "inputs" / "high_res_imgs" / "face 0.png").rename(faces / "inputs" / "high_res_imgs" / "other.png")
    ran = typed("run", "--family", "general", "--set", "hr_size=96", *PLAIN, cwd=faces)
    assert "1 case (face 0) without a reference" in ran.stderr
    assert "1 reference (other) without an LR" in ran.stderr


def test_weights_and_doctor_change_nothing_and_answer() -> None:
    listed = json.loads(typed("weights", "--json").stdout)
    assert {"GFPGANv1.4.pth", "BSRGAN.pth", "w600k_r50.onnx"} <= {row["name"] for row in listed}
    findings = json.loads(typed("doctor", "--json").stdout)
    assert {"torch", "device", "OPENAI_API_KEY"} <= {f["what"] for f in findings}


@pytest.mark.slow
def test_headroom_of_a_run(faces: Path) -> None:
    typed("degrade", "--hr-size", 96, cwd=faces)
    small = ["--set", "hr_size=96", *PLAIN]
    ran = typed("run", "--family", "general", "--arm", "random", *small, "--out", "outputs/a", cwd=faces)
    assert ran.returncode == 0, ran.stderr
    done = typed("headroom", "--run", "outputs/a", cwd=faces)
    assert done.returncode == 0, done.stderr
    assert "privileged" in done.stdout
    assert "random caught" in done.stdout or "no headroom to speak of" in done.stdout
    found = json.loads((faces / "outputs" / "headroom" / "headroom.json").read_text(encoding="utf-8"))
    bounds = found["families"]["general"]["paper"]["objectives"]
    assert bounds.keys() == set(found["objectives"])
    assert all("random" in bound["caught"] for bound in bounds.values())
    assert "saw the reference" in (faces / "outputs" / "headroom" / "headroom.md").read_text(encoding="utf-8")
    again = typed("headroom", "--run", "outputs/a", "--json", cwd=faces)
    assert json.loads(again.stdout) == found


@pytest.mark.slow
def test_knobs_and_prompt(faces: Path) -> None:
    listed = typed("knobs", cwd=faces)
    assert listed.returncode == 0, listed.stderr
    assert "restore_weight" in listed.stdout
    assert "No pictures were given" in listed.stdout
    typed("degrade", "--hr-size", 96, cwd=faces)
    tried = json.loads(typed("knobs", "--family", "general", "--set", "hr_size=96", *PLAIN, "--json", cwd=faces).stdout)
    assert tried["families"]["general"]["knobs"]["detail_damping"]["dead"] is False
    sent = typed("prompt", "--family", "general", *PLAIN, cwd=faces)
    assert sent.returncode == 0, sent.stderr
    assert "case face 0, bicubic" in sent.stdout
    assert "JSON schema of a reply" in sent.stdout


def test_concurrency_and_cost_reach_the_arm() -> None:
    from fsrbench.study import config

    settings = config.with_arms(config.load(None)[0], ["lvlm", "heuristic"])
    changed = config.with_options(settings, concurrency=16, max_cost=2.5)
    assert changed.arms["lvlm"].settings == {"concurrency": 16, "max_cost": 2.5}
    assert changed.arms["heuristic"].settings == {}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["run", "--arm", "heuristic", "--lvlm-model", "m"], "--lvlm-model is for an arm that asks a model"),
        (["run", "--policy", "guard"], "Did you mean guarded"),
        (["run", "--arm", "heuristic", "--no-evaluate", "--json"], "Give one of the two"),
        (["degrade", "--from", "x.csv", "--recipe", "bsrgan"], "leave these options out"),
        (["headroom", "--run", "x", "--lr", "y"], "leave --hr and --lr out"),
    ],
)
def test_an_option_that_would_do_nothing_is_refused(words: list[str], told: str) -> None:
    done = CliRunner().invoke(app, words)
    assert isinstance(done.exception, SettingsError)
    assert told in str(done.exception)
