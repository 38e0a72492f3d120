"""`import fsrbench` as a notebook does it: small real runs, tables with types, pictures, one sentence for a mistake."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import fsrbench
from fsrbench.cli.app import app
from fsrbench.core.stored import to_json
from fsrbench.measure import frames
from fsrbench.show import progress
from fsrbench.study.store import RunFolder
from support import ROOT, draw_face
from support.studies import untimed

SMALL: dict[str, Any] = {
    "hr_size": 96, "metrics": ["psnr", "ssim", "niqe"], "families": {"general": {"backend": "bicubic"}},
}  # fmt: skip
CASES = ["007", "1e5"]
"""Names that a careless reader would take for numbers."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with faces, their LR, and a run of them."""
    root = tmp_path_factory.mktemp("api")
    for number, case in enumerate(CASES):
        fsrbench.images.write(root / "hr" / f"{case}.png", draw_face(96, number))
    made = fsrbench.degrade(root / "hr", root / "lr", "bicubic", hr_size=96)
    assert made.done == tuple(CASES)
    start(root, out=root / "out", arms=["random", "rerun"])
    return root


def start(root: Path, **options: Any) -> fsrbench.Run:
    given: dict[str, Any] = {"families": "general", "settings": SMALL, "device": "cpu", "offline": True, "workers": 1}
    return fsrbench.run(**{"lr": root / "lr", "hr": root / "hr", **given, **options})


# --------------------------------------------------------------------- package


def test_importing_it_loads_nothing_heavy() -> None:
    code = (
        "import sys, fsrbench, fsrbench.api\nassert 'run' in dir(fsrbench)\nfsrbench.run, fsrbench.FsrbenchError\n"
        "print(sorted({'numpy', 'torch', 'pandas', 'pydantic', 'yaml', 'typer', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_all_that_is_offered_is_there_and_known_to_editors() -> None:
    tree = ast.parse((ROOT / "src" / "fsrbench" / "__init__.py").read_text(encoding="utf-8"))
    (checked,) = (node for node in tree.body if isinstance(node, ast.If))
    typed = {alias.name for node in ast.walk(checked) if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert typed | {"__version__"} == set(fsrbench.__all__) == set(dir(fsrbench))
    for name in fsrbench.__all__:
        assert getattr(fsrbench, name) is not None
    assert callable(fsrbench.plugins.Metric)
    with pytest.raises(AttributeError, match="no attribute 'runn'"):
        fsrbench.runn  # type: ignore[attr-defined]  # noqa: B018


def test_every_function_says_what_it_does() -> None:
    for name in ("degrade", "restore", "run", "evaluate", "load"):
        assert len(getattr(fsrbench, name).__doc__) > 100


# ------------------------------------------------------------------------ runs


def test_tables_have_types(home: Path) -> None:
    run = fsrbench.load(str(home / "out"))
    scores = run.scores
    assert list(scores.columns) == ["family", "case", "arm", "metric", "value", "note"]
    assert scores["value"].dtype == np.float64
    assert sorted(scores["case"].unique()) == CASES
    assert scores.loc[scores["metric"] == "psnr", "value"].between(10, 60).all()
    assert scores.loc[scores["metric"] == "niqe", "value"].isna().all()
    assert scores.loc[scores["metric"] == "niqe", "note"].str.contains("96×96").all()
    rounds = run.rounds
    assert rounds["round"].dtype == np.int64
    assert sorted(rounds["case"].unique()) == CASES
    assert {"dehalo", "score", "seconds", "cost"} <= set(rounds.select_dtypes("float64").columns)
    assert rounds.loc[rounds["arm"] == "pure", "score"].isna().all()
    assert run.failures.empty
    assert list(run.failures.columns) == ["family", "case", "arm", "why"]


def test_the_summary_is_tidy(home: Path) -> None:
    summary = fsrbench.load(home / "out").summary.set_index(["arm", "metric"])
    assert len(summary) == 3 * 3
    stored = json.loads((home / "out" / "summary.json").read_text(encoding="utf-8"))["families"]["general"]["psnr"]
    assert summary.loc[("pure", "psnr"), "mean"] == stored["pure"]
    assert summary.loc[("random", "psnr"), "delta"] == stored["arms"]["random"]["delta"]
    assert summary.loc[("rerun", "psnr"), "role"] == "floor"
    assert summary["shown"].dtype == bool
    assert not summary["shown"].any()
    assert summary["n"].dtype == np.int64
    assert np.isnan(summary.loc[("random", "niqe"), "delta"])


def test_candidates_are_read_where_an_arm_chose(home: Path, tmp_path: Path) -> None:
    shutil.copytree(home / "lr", tmp_path / "lr")
    arms = {"pick": {"way": "constant", "judge": "random", "with": {"knobs": [{"dehalo": 0.1}, {"dehalo": 0.3}]}}}
    run = start(
        tmp_path, hr=None, out=tmp_path / "out", arms=["pick"], settings={**SMALL, "arms": arms}, evaluate=False
    )
    found = run.candidates
    assert sorted(found["case"].unique()) == CASES
    assert found.groupby("case")["chosen"].sum().tolist() == [1, 1]
    assert found["chosen"].dtype == bool
    assert {"round", "candidate"} == set(found.select_dtypes("int64").columns)
    assert {"parent", "score", "rank", "seconds", "passes"} == set(found.select_dtypes("float64").columns)
    assert found["judge"].unique().tolist() == ["random"]
    none = frames.candidates(RunFolder(tmp_path / "nowhere"))
    assert none.empty
    assert none.dtypes.to_dict() == found.dtypes.to_dict()


def test_a_table_that_was_changed_is_named(home: Path, tmp_path: Path) -> None:
    shutil.copytree(home / "out", tmp_path / "out")
    table = tmp_path / "out" / "scores.csv"
    table.write_text(re.sub(r"psnr,[\d.]+", "psnr,much", table.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(fsrbench.FsrbenchError, match=r"scores\.csv was changed: .*much"):
        _ = fsrbench.load(tmp_path / "out").scores
    (tmp_path / "out" / "summary.json").write_text("{", encoding="utf-8")
    with pytest.raises(fsrbench.FsrbenchError, match=r"summary\.json cannot be read"):
        _ = fsrbench.load(tmp_path / "out").summary


def test_settings_and_pictures_of_a_run(home: Path) -> None:
    run = fsrbench.load(home / "out")
    assert run.path == home / "out"
    assert run.settings.hr_size == 96
    assert list(run.settings.arms) == ["random", "rerun"]
    picture = run.picture("general", "1e5", "random")
    assert (picture.dtype, picture.shape) == (np.float32, (96, 96, 3))
    assert np.array_equal(picture, fsrbench.images.read(home / "out" / "general" / "fsr+random" / "1e5.png"))
    with pytest.raises(fsrbench.FsrbenchError, match="Did you mean 1e5"):
        run.picture("general", "1e6")
    with pytest.raises(fsrbench.FsrbenchError, match="Did you mean random"):
        run.picture("general", "007", "randm")


def test_a_notebook_shows_table_and_link(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    shown = fsrbench.load("out")._repr_html_()
    assert "FSR+random" in shown
    assert "PSNR" in shown
    (link,) = re.findall(r'href="([^"]+)"', shown)
    assert (home / link).is_file()


def test_settings_as_mapping_as_texts_and_in_a_file_are_the_same(home: Path, tmp_path: Path) -> None:
    arm = {"arms": {"mine": {"auditor": "random"}}}
    texts = ["hr_size=96", "metrics=psnr", "families.general.backend=bicubic", f"arms={json.dumps(arm['arms'])}"]
    (tmp_path / "own.yaml").write_text(json.dumps({**SMALL, "metrics": ["psnr"]}), encoding="utf-8")
    mapping = {**SMALL, "metrics": ["psnr"], **arm}
    runs = [
        start(home, out=tmp_path / "mapping", settings=mapping, evaluate=False),
        start(home, out=tmp_path / "texts", settings=texts, arms="mine", evaluate=False),
        start(home, out=tmp_path / "file", settings=arm, config=tmp_path / "own.yaml", evaluate=False),
    ]
    assert [list(run.settings.arms) for run in runs] == [["mine"]] * 3
    assert runs[0].settings == runs[1].settings == runs[2].settings
    assert start(home, out=tmp_path / "mapping", settings=mapping, seed=0, evaluate=False).settings.seed == 0
    with pytest.raises(fsrbench.FsrbenchError, match="seed: 0 there, 5 now"):
        start(home, out=tmp_path / "mapping", settings=mapping, seed=5, evaluate=False)


@pytest.mark.slow
def test_the_command_line_writes_the_same(home: Path, tmp_path: Path) -> None:
    words = ["run", "--lr", home / "lr", "--hr", home / "hr", "--out", tmp_path / "typed", "--family", "general"]
    words += ["--arm", "random", "--arm", "rerun", "--set", "hr_size=96", "--set", "metrics=psnr,ssim,niqe"]
    words += ["--set", "families.general.backend=bicubic", "--device", "cpu", "--offline", "--workers", "1", "--json"]
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    assert untimed(json.loads(done.stdout)) == untimed(to_json(fsrbench.load(home / "out").details))
    for name in ("study.yaml", "scores.csv", "general/fsr+random/007.png"):
        assert (tmp_path / "typed" / name).read_bytes() == (home / "out" / name).read_bytes()


def test_what_fails_is_told_and_does_not_raise(home: Path, tmp_path: Path) -> None:
    shutil.copytree(home / "lr", tmp_path / "lr")
    (tmp_path / "lr" / "cut.png").write_bytes((tmp_path / "lr" / "007.png").read_bytes()[:60])
    run = start(tmp_path, hr=home / "hr", out=tmp_path / "out")
    assert run.failures["case"].tolist() == ["cut"]
    assert run.outcome is not None
    assert (run.outcome.done, len(run.outcome.failures)) == (3, 1)
    assert run.evaluated


def test_an_interrupt_is_an_interrupt_and_the_run_goes_on(home: Path, tmp_path: Path) -> None:
    def interrupted(title: str, items: Iterable[Any], total: int) -> Iterable[Any]:
        for item in items:
            yield item
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        start(home, out=tmp_path / "out", progress=interrupted)
    run = start(home, out=tmp_path / "out")
    assert run.outcome is not None
    assert run.outcome.done == 1
    assert sorted(run.scores["case"].unique()) == CASES


def test_it_is_silent_unless_asked(home: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    start(home, out=tmp_path / "out", evaluate=False)
    assert capfd.readouterr() == ("", "")
    start(home, out=tmp_path / "more", evaluate=False, progress=True)
    assert re.search(r"general █+ 2/2\n", capfd.readouterr().err)
    drawn = progress._line("blind", 1, 2)
    assert drawn == f"\r     blind {'█' * 15}{'░' * 15} 1/2"


def test_plain_folders_are_evaluated(home: Path, tmp_path: Path) -> None:
    family = home / "out" / "general"
    found = fsrbench.evaluate(
        hr=home / "hr",
        arms={"pure": family / "pure-fsr", "mine": family / "fsr+random"},
        out=tmp_path / "plain",
        settings={"metrics": ["psnr"], "hr_size": 96},
        device="cpu",
    )
    whole = fsrbench.load(home / "out").scores.query("metric == 'psnr' and arm != 'rerun'")
    assert found.scores["value"].tolist() == whole["value"].tolist()
    assert found.rounds.empty
    assert fsrbench.load(tmp_path / "plain").summary["arm"].tolist() == ["pure", "mine"]
    with pytest.raises(fsrbench.FsrbenchError, match=r"no study\.yaml"):
        _ = found.settings


@pytest.mark.slow
def test_a_run_is_evaluated_again(home: Path, tmp_path: Path) -> None:
    shutil.copytree(home / "out", tmp_path / "out")
    found = fsrbench.evaluate(fsrbench.load(tmp_path / "out"), settings={"metrics": ["psnr_y"]}, device="cpu")
    assert found.summary["metric"].unique().tolist() == ["psnr_y"]
    with pytest.raises(fsrbench.FsrbenchError, match="seed belongs to the finished run"):
        fsrbench.evaluate(tmp_path / "out", settings={"seed": 3})


# ----------------------------------------------------------------- one picture


def test_one_picture_is_what_a_run_makes_of_it(home: Path) -> None:
    pure = fsrbench.load(home / "out").picture("general", "007")
    done = fsrbench.restore(home / "lr" / "007.png", settings=SMALL, device="cpu")
    assert np.array_equal(done.image, pure)
    assert done.image.dtype == np.float32
    assert (done.model, done.notes) == ("bicubic", ())
    lr = fsrbench.images.read(home / "lr" / "007.png")
    for array in (lr, lr.astype(np.float64), fsrbench.images.to_8bit(lr)):
        assert np.array_equal(fsrbench.restore(array, settings=SMALL, device="cpu"), pure)
    turned = fsrbench.restore(lr, knobs={"detail_damping": 0.4}, settings=SMALL, device="cpu")
    assert turned.knobs["detail_damping"] == 0.4
    assert not np.array_equal(turned.image, pure)


def test_a_restored_picture_is_shown_and_saved(home: Path, tmp_path: Path) -> None:
    done = fsrbench.restore(str(home / "lr" / "007.png"), settings=SMALL, device="cpu")
    assert repr(done) == "<96×96, general: bicubic>"
    done.save(tmp_path / "x.png")
    assert (tmp_path / "x.png").read_bytes() == done._repr_png_()
    assert np.asarray(done, dtype=np.float64).shape == (96, 96, 3)


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.zeros((24, 24), np.uint8), "this array is 24×24.*repeat grey three times"),
        (np.zeros((24, 24, 4), np.uint8), "Drop alpha"),
        (np.zeros((24, 24, 3), np.int64), "holds int64"),
        (np.full((24, 24, 3), 128.0), "0 to 1; this array holds 128 to 128. Divide 8-bit values by 255"),
        (np.full((24, 24, 3), np.nan), "0 to 1; this array holds nan"),
        (np.zeros((0, 24, 3)), "this array is 0×24×3"),
    ],
)
def test_an_array_that_is_no_picture_is_refused(array: Any, said: str) -> None:
    with pytest.raises(fsrbench.FsrbenchError, match=said):
        fsrbench.restore(array, settings=SMALL, device="cpu")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"family": "blnd"}, "Did you mean blind"),
        ({"knobs": {"dehallo": 0.1}}, "Did you mean dehalo"),
        ({"knobs": {"dehalo": 9}}, "Knob dehalo cannot be 9: it takes 0 to"),
        ({"knobs": {"dehalo": "much"}}, "Knob dehalo: 'much' is not a number"),
        ({"models": "oficial"}, "models"),
        ({"settings": {"polcy": {}}}, "Did you mean policy"),
        ({"device": "quantum"}, "quantum"),
    ],
)
def test_mistakes_name_the_cure(options: dict[str, Any], said: str) -> None:
    with pytest.raises(fsrbench.FsrbenchError, match=said):
        fsrbench.restore(draw_face(24), **{"settings": SMALL, "device": "cpu", **options})


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"limit": 0}, "--limit is 0"),
        ({"workers": 0}, "--workers is 0"),
        ({"executor": "rya"}, "Did you mean ray"),
        ({"families": "genral"}, "Did you mean general"),
        ({"arms": "heuristik"}, "Did you mean heuristic"),
        ({"lr": "nowhere"}, "nowhere is not a folder"),
        ({"config": "missing.yaml"}, r"missing\.yaml is not there"),
        ({"precision": "fp8"}, "no precision 'fp8'"),
    ],
)
def test_a_run_that_cannot_be_is_refused(home: Path, tmp_path: Path, options: dict[str, Any], said: str) -> None:
    with pytest.raises(fsrbench.FsrbenchError, match=said):
        fsrbench.run(
            **{"lr": home / "lr", "out": tmp_path / "out", "settings": SMALL, "device": "cpu", "families": "general"}
            | options
        )


def test_other_mistakes_are_errors_of_its_own(home: Path, tmp_path: Path) -> None:
    with pytest.raises(fsrbench.FsrbenchError, match=r"no study\.yaml"):
        fsrbench.load(home / "hr")
    with pytest.raises(fsrbench.FsrbenchError, match="Name a run's folder, or plain folders"):
        fsrbench.evaluate()
    with pytest.raises(fsrbench.FsrbenchError, match="holds a run"):
        fsrbench.evaluate(arms={"pure": home / "hr"}, out=home / "out")
    with pytest.raises(fsrbench.FsrbenchError, match="leave these options out"):
        fsrbench.degrade(home / "hr", tmp_path / "lr", "bsrgan", table=home / "lr" / "degradations.csv")
