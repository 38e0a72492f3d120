"""A run in MLflow: everything arrives as it is, what is missing stays missing, and without MLflow there is a cure."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from fsrbench.imaging import images
from fsrbench.show import notebook, tracking
from support import draw_face
from support.command import PLAIN, typed


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> notebook.Run:
    root = tmp_path_factory.mktemp("tracked")
    for number in range(2):
        images.write(root / "hr" / f"{number}.png", draw_face(96, number))
        images.write(root / "lr" / f"{number}.png", images.resize(draw_face(96, number), 24, 24))
    words = ["--hr", "hr", "--lr", "lr", "--set", "hr_size=96", *PLAIN, "--out", "monday"]
    done = typed("run", "--family", "general", "--arm", "heuristic", *words, cwd=root)
    assert done.returncode == 0, done.stderr
    return notebook.load(root / "monday")


def test_numbers_are_the_summarys_and_missing_ones_are_left_out(run: notebook.Run) -> None:
    found = dict(tracking.metrics(run))
    told = run.summary.set_index(["arm", "metric"])
    assert found["general/pure/psnr"] == told.loc[("pure", "psnr"), "mean"]
    assert found["general/heuristic/ssim/delta"] == told.loc[("heuristic", "ssim"), "delta"]
    finite = told.loc["heuristic", ["delta", "low", "high"]].notna().to_numpy().sum()
    assert len(found) == 2 + finite


def test_settings_of_what_took_part(run: notebook.Run) -> None:
    settings = run.folder.study()["settings"]
    found = dict(tracking.parameters(settings, {"general"}, {"pure", "heuristic"}))
    assert found["families.general.backend"] == "bicubic"
    assert found["arms.heuristic.auditor"] == "heuristic"
    assert found["hr_size"] == "96"
    assert not any(key.startswith(("families.blind", "arms.lvlm")) for key in found)


def test_without_mlflow_the_cure_is_named(run: notebook.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    done = typed("log", run.path)
    assert done.returncode == 2
    assert "pip install 'fsrbench[mlflow]'" in done.stderr


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # MLflow's own
def test_everything_arrives(run: notebook.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "store").as_uri())
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow: Any = pytest.importorskip("mlflow", reason="pip install 'fsrbench[mlflow]'")
    done = typed("log", run.path, "--experiment", "faces")
    assert done.returncode == 0, done.stderr
    stored = mlflow.get_run(done.stdout.split()[-1])
    assert stored.data.metrics == pytest.approx(dict(tracking.metrics(run)))
    assert stored.data.params["families.general.backend"] == "bicubic"
    assert mlflow.get_experiment(stored.info.experiment_id).name == "faces"
    there = {entry.path for entry in mlflow.MlflowClient().list_artifacts(stored.info.run_id)}
    assert {"summary.md", "summary.json", "scores.csv", "run_config.csv", "study.yaml", "plots"} <= there


def test_what_mlflow_refuses_is_one_sentence(run: notebook.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mlflow", reason="pip install 'fsrbench[mlflow]'")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "nowhere://at-all")
    done = typed("log", run.path)
    assert done.returncode == 2
    assert done.stderr.startswith("fsrbench: MLflow cannot take it: ")
