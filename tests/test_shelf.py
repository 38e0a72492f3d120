"""What lies in a folder of outputs, and a run's tables for other programs."""

from __future__ import annotations

import csv
import io
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import fsrbench
from fsrbench.core.errors import InputError
from fsrbench.files import locks
from fsrbench.imaging import images
from fsrbench.measure import shelf, summary_file
from fsrbench.measure.shelf import FamilyProgress, Shelved
from fsrbench.show import exports, shelf_views
from support import draw_face
from support.command import typed
from support.latex import look


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that is finished, one that stopped, one that failed on a case, and what is none."""
    root = tmp_path_factory.mktemp("shelf")
    own: dict[str, Any] = {
        "hr_size": 96, "metrics": ["psnr", "ssim"], "families": {"general": {"backend": "bicubic"}},
    }  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fsrbench.show.plots.draw", lambda _results, _track: [])
        for number in range(3):
            images.write(root / "hr" / f"face {number}.png", draw_face(96, number))
        fsrbench.degrade(root / "hr", root / "lr", hr_size=96)

        def run(name: str, arms: list[str], **how: Any) -> None:
            out = root / "outputs" / name
            fsrbench.run(
                lr=root / "lr",
                hr=root / "hr",
                out=out,
                families=["general"],
                arms=arms,
                settings=own,
                device="cpu",
                **how,
            )

        run("finished", ["heuristic", "rerun"])
        run("stopped", ["heuristic"], limit=2, evaluate=False)
        (root / "lr" / "cut.png").write_bytes(images.encode(draw_face(24))[:60])
        run("failed", ["random"])
        (root / "lr" / "cut.png").unlink()
    (root / "outputs" / "foreign").mkdir()
    (root / "outputs" / "broken").mkdir()
    (root / "outputs" / "broken" / "study.yaml").write_text("a: [", encoding="utf-8")
    return root / "outputs"


def found_in(outputs: Path) -> dict[str, Shelved]:
    return {one.name: one for one in shelf.shelf(outputs)}


def test_every_folder_is_told_for_what_it_is(outputs: Path) -> None:
    found = found_in(outputs)
    kinds = {name: (one.kind, one.state) for name, one in found.items()}
    assert kinds == {
        "finished": ("run", "evaluated"),
        "stopped": ("run", "interrupted"),
        "failed": ("run", "evaluated"),
        "foreign": ("foreign", ""),
        "broken": ("broken", ""),
    }
    assert found["finished"].progress == {"general": FamilyProgress(finished=3, failed=0, waiting=0)}
    assert found["stopped"].progress == {"general": FamilyProgress(finished=2, failed=0, waiting=1)}
    assert found["failed"].progress["general"].failed == 1
    assert found["finished"].families == {"general": "bicubic"}
    assert found["finished"].arms == {"heuristic": "heuristic, paper", "rerun": "rerun"}
    assert "study.yaml cannot be read" in found["broken"].why


def test_the_newest_comes_first_and_a_run_is_told_alone(outputs: Path) -> None:
    found = shelf.shelf(outputs)
    assert [one.changed for one in found] == sorted((one.changed for one in found), reverse=True)
    assert [one.name for one in shelf.shelf(outputs / "finished")] == ["finished"]
    with pytest.raises(InputError, match="There is no folder"):
        shelf.shelf(outputs / "nowhere")


def test_a_file_with_two_names_counts_once(outputs: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "one").write_bytes(b"x" * 1000)
    (tmp_path / "run" / "two").hardlink_to(tmp_path / "run" / "one")
    assert found_in(tmp_path)["run"].bytes == 1000
    assert [shelf_views.size(n) for n in (0, 999, 1000, 25_400_000, 7_200_000_000_000)] == [
        "0 B", "999 B", "1.0 kB", "25 MB", "7200 GB",
    ]  # fmt: skip


def test_a_run_that_goes_on_is_running_and_a_killed_ones_lock_is_nobodys(outputs: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(outputs / "stopped", run)
    (run / ".lock").touch()
    assert found_in(tmp_path)["run"].state == "interrupted"
    with locks.held(run / ".lock", 0):
        assert found_in(tmp_path)["run"].state == "running"


def test_inputs_that_are_gone_and_a_newer_trail_are_told(outputs: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(outputs / "finished", run)
    text = (run / "study.yaml").read_text(encoding="utf-8")
    (run / "study.yaml").write_text(text.replace("/lr", "/gone"), encoding="utf-8")
    (run / "summary.json").unlink()
    one = found_in(tmp_path)["run"]
    assert one.progress["general"].waiting is None
    assert shelf_views.cases(one.progress) == "3 finished, inputs gone"
    assert one.state == "not evaluated"


def test_the_command_prints_a_table_or_json(outputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")  # of a narrow terminal each cell would be broken into lines
    done = typed("runs", outputs)
    assert done.returncode == 0, done.stderr
    assert "2 finished, 1" in done.stdout
    assert "broken: " in done.stderr
    listed = json.loads(typed("runs", outputs, "--json").stdout)
    assert {one["name"] for one in listed} == set(found_in(outputs))
    (outputs.parent / "empty").mkdir()
    assert "Start with: fsrbench demo" in typed("runs", outputs.parent / "empty").stdout


# ------------------------------------------------------------- tables for other programs


def test_the_latex_of_a_run_is_sound(outputs: Path) -> None:
    done = typed("tables", outputs / "finished")
    assert done.returncode == 0, done.stderr
    (rows,) = look(done.stdout + "\n")
    assert rows[0] == ["Method group", "Variant", "n", r"PSNR $\uparrow$", r"SSIM $\uparrow$"]
    assert [row[1] for row in rows[1:]] == ["Pure FSR", "FSR+heuristic", "FSR+rerun (noise floor)"]


def test_what_is_bold_marked_or_missing_in_the_summary_is_so_in_latex(outputs: Path) -> None:
    summary = summary_file.read(outputs / "finished" / "summary.json")
    psnr, ssim = (summary.families["general"][metric] for metric in ("psnr", "ssim"))
    arm = replace(psnr.arms["heuristic"], ties=0, delta=1.0, shown=True, changed=3, improved=3, p_adjusted=0.01)
    missing = replace(ssim.arms["heuristic"], n=0, mean=None, delta=None)
    metrics = {
        "psnr": replace(psnr, arms={**psnr.arms, "heuristic": replace(arm, chose=True)}),
        "ssim": replace(ssim, arms={**ssim.arms, "heuristic": missing}),
    }
    text = exports.tex(replace(summary, families={"general": metrics}, marks={"heuristic": "100% of $5_000 & more"}))
    (rows,) = look(text)
    assert rows[2][3].startswith(r"\textbf{")
    assert r"$\Delta$ +1.000 $\diamond$" in rows[2][3]
    assert rows[2][4] == "n/a"
    assert r"100\% of \$5\_000 \& more" in rows[2][1]
    assert not any("textbf" in cell for number in (1, 3) for cell in rows[number])
    assert r"$\diamond$ The arm's pictures" in text


def test_the_csv_of_a_run_holds_every_number(outputs: Path) -> None:
    done = typed("tables", outputs / "finished", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert len(rows) == 2 * 3
    summary = summary_file.read(outputs / "finished" / "summary.json")
    for row in rows:
        entry = summary.families["general"][row["metric"]]
        effect = None if row["arm"] == "pure" else entry.arms[row["arm"]]
        assert float(row["mean"]) == (entry.pure if effect is None else effect.mean)
        assert row["delta"] == ("" if effect is None else str(effect.delta))
    refused = typed("tables", outputs / "foreign")
    assert refused.returncode == 2
    assert "was not evaluated yet" in refused.stderr
