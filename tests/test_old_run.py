"""A run's folder that an earlier fsrbench left behind works on: the same pictures, the same numbers.

`data/run-format-1.zip` was made by the state of 2026-11-20: three drawn faces of 192 pixels, the families general (a
made network of a few kilobytes) and blind (bicubic), the arms lvlm (against a loopback server), script, guarded,
unkept, rerun, random, oracle and heuristic; one case of script failed. Report, plots and panels are left out: they are
made again.
"""

from __future__ import annotations

import csv
import hashlib
import zipfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from conftest import ROOT
from fsrbench.cli.app import app
from fsrbench.core.values import to_json
from fsrbench.measure import summary_file
from fsrbench.study.store import as_json

ARMS = ("script", "guarded", "unkept", "rerun", "random", "oracle", "heuristic")
COLUMNS = ("family", "case", "arm", "metric", "value")
SAME = [
    "run",
    "--family",
    "general",
    "--family",
    "blind",
    "--config",
    "study.settings.yaml",
    "--hr",
    "hr",
    "--lr",
    "lr",
]


@pytest.fixture
def old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder, unpacked where the test works."""
    with zipfile.ZipFile(ROOT / "tests" / "data" / "run-format-1.zip") as packed:
        packed.extractall(tmp_path)
    study = tmp_path / "run" / "study.yaml"
    study.write_text(study.read_text(encoding="utf-8").replace("ROOT", tmp_path.as_posix()), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def fsrbench(*words: str, status: int = 0) -> str:
    done = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert done.exit_code == status, done.output
    return done.output


def pictures(run: Path, *kinds: str) -> dict[str, str]:
    """Every restoration with its hash."""
    found = [path for kind in kinds or ("pure-fsr", "fsr+*") for path in run.glob(f"*/{kind}/**/*.png")]
    return {path.relative_to(run).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


def numbers(root: Path) -> list[tuple[str, ...]]:
    """Every score, as far as its metric was measured then."""
    with (root / "run" / "scores.csv").open(encoding="utf-8", newline="") as file:
        return sorted(tuple(row[name] for name in COLUMNS) for row in csv.DictReader(file))


def test_it_resumes_without_a_change(old: Path) -> None:
    """The case that failed fails again, for the same reason; a picture that was deleted comes back as it was."""
    before = pictures(old / "run")
    for lost in ("general/fsr+oracle/béla.png", "blind/pure-fsr/anna.png"):
        (old / "run" / lost).unlink()
    arms = [word for arm in ARMS for word in ("--arm", arm)]
    said = fsrbench(*SAME, "--out", "run", *arms, "--no-evaluate", status=3)
    assert "the script says so" in said
    assert pictures(old / "run") == before


def test_its_numbers_are_measured_again_to_the_last_digit(old: Path) -> None:
    before = numbers(old)
    (old / "run" / "scores.csv").unlink()
    (old / "run" / ".journal").unlink()
    fsrbench("evaluate", "run")
    assert numbers(old) == before


def test_its_summary_is_written_byte_by_byte_as_before(old: Path) -> None:
    """`data/summary-format-3.json` was written before the summary became a typed value; it is also read back whole."""
    fsrbench("evaluate", "run")
    expected = ROOT / "tests" / "data" / "summary-format-3.json"
    assert (old / "run" / "summary.json").read_bytes() == expected.read_bytes()
    assert as_json(to_json(summary_file.read(expected))) == expected.read_bytes()


def test_it_holds_against_its_own_baseline(old: Path) -> None:
    fsrbench("evaluate", "run")
    fsrbench("check", "run", "--baseline", "baseline.json")


def test_it_is_reported(old: Path) -> None:
    fsrbench("evaluate", "run")
    fsrbench("report", "run")
    page = (old / "run" / "report" / "data.js").read_text(encoding="utf-8")
    assert all(case in page for case in ("anna", "béla", "c d"))


def test_its_replies_answer_no_other_question(old: Path) -> None:
    """What an auditor is told has changed since: a reply that was given to other numbers is not passed off as one."""
    replay = "arms.lvlm={auditor: replay, run: run, arm: lvlm}"
    said = fsrbench(*SAME, "--out", "again", "--set", replay, "--arm", "lvlm", "--no-evaluate", status=3)
    assert "is not the one that run recorded; it differs: '- consistency" in said
    assert pictures(old / "again", "pure-fsr") == pictures(old / "run", "pure-fsr") != {}
