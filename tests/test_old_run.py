"""A run's folder that an earlier fsrbench left behind works on: the same pictures, the same numbers.

`data/run-format-1.zip` was made by the state of 2026-11-20: three drawn faces of 192 pixels, the families general (a
made network of a few kilobytes) and blind (bicubic), the arms lvlm (against a loopback server), script, guarded,
unkept, rerun, random, oracle and heuristic; one case of script failed. Report, plots and panels are left out: they are
made again.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import json
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from fsrbench.cli.app import app
from fsrbench.core import order
from fsrbench.core.stored import to_json
from fsrbench.measure import summary_file
from fsrbench.measure.compute_values import Spread
from fsrbench.measure.summary_values import Summary
from fsrbench.show import compute, tables
from fsrbench.study.store import as_json
from support import ROOT

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


def unpacked(root: Path) -> Path:
    """The folder, where a test works."""
    with zipfile.ZipFile(ROOT / "tests" / "data" / "run-format-1.zip") as packed:
        packed.extractall(root)
    study = root / "run" / "study.yaml"
    study.write_text(study.read_text(encoding="utf-8").replace("ROOT", root.as_posix()), encoding="utf-8")
    return root


@pytest.fixture
def old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Unpacked for one test."""
    monkeypatch.chdir(tmp_path)
    return unpacked(tmp_path)


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Measured and drawn anew, once for several tests."""
    root = unpacked(tmp_path_factory.mktemp("evaluated"))
    shutil.copy(root / "run" / "scores.csv", root / "then.csv")
    (root / "run" / "scores.csv").unlink()
    (root / "run" / ".journal").unlink()
    with contextlib.chdir(root):
        fsrbench("evaluate", "run")
        yield root


def fsrbench(*words: str, status: int = 0) -> str:
    done = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert done.exit_code == status, done.output
    return done.output


def pictures(run: Path, *kinds: str) -> dict[str, str]:
    """Every restoration with its hash."""
    found = [path for kind in kinds or ("pure-fsr", "fsr+*") for path in run.glob(f"*/{kind}/**/*.png")]
    return {path.relative_to(run).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


def numbers(table: Path) -> list[tuple[str, ...]]:
    """Every score, as far as its metric was measured then."""
    with table.open(encoding="utf-8", newline="") as file:
        return sorted(tuple(row[name] for name in COLUMNS) for row in csv.DictReader(file))


@pytest.mark.slow
def test_it_resumes_without_a_change(old: Path) -> None:
    """The case that failed fails again, for the same reason; a picture that was deleted comes back as it was."""
    before = pictures(old / "run")
    for lost in ("general/fsr+oracle/béla.png", "blind/pure-fsr/anna.png"):
        (old / "run" / lost).unlink()
    arms = [word for arm in ARMS for word in ("--arm", arm)]
    said = fsrbench(*SAME, "--out", "run", *arms, "--no-evaluate", status=3)
    assert "the script says so" in said
    assert pictures(old / "run") == before


@pytest.mark.slow
def test_its_numbers_are_measured_again_to_the_last_digit(evaluated: Path) -> None:
    assert numbers(evaluated / "run" / "scores.csv") == numbers(evaluated / "then.csv")


@pytest.mark.slow
def test_its_summary_is_written_byte_by_byte_as_before(evaluated: Path) -> None:
    """But for what came later.

    `data/summary-format-3.json` was written before the summary became a typed value; it is also read back whole.
    """
    expected = ROOT / "tests" / "data" / "summary-format-3.json"
    now = json.loads(as_then(summary_file.read(evaluated / "run" / "summary.json")))
    assert as_json(in_the_order_of_then(now)) == expected.read_bytes()
    assert as_then(summary_file.read(expected)) == expected.read_bytes()


def in_the_order_of_then(stored: dict[str, Any]) -> dict[str, Any]:
    """Families and arms by name: since then they stand in the one order that all tables have."""
    names = {*stored["families"], *stored["run"]["arms"]}
    assert list(stored["families"]) == order.families(stored["families"])

    def by_name(part: Any) -> Any:
        if not isinstance(part, dict):
            return part
        told = part.items() if set(part).isdisjoint(names) else sorted(part.items())
        return {name: by_name(one) for name, one in told}

    ordered: dict[str, Any] = by_name(stored)
    return ordered


def as_then(summary: Summary) -> bytes:
    """Without what was not in a summary then."""
    stored = to_json(summary)
    assert stored.pop("people") is None
    for newer in ("harm", "shares", "choosing"):
        del stored[newer]
    for arm in stored["run"]["arms"].values():
        del arm["way"], arm["judge"], arm["chosen_by"]
    for family in stored["counts"].values():
        for counted in (family, *family["arms"].values()):
            del counted["took"]
    for entry in (entry for metrics in stored["families"].values() for entry in metrics.values()):
        for effect in entry["arms"].values():
            del effect["chose"]
    return as_json(stored)


@pytest.mark.slow
def test_what_its_cases_took_is_told_as_far_as_it_was_recorded(evaluated: Path) -> None:
    """Passes were not counted then; questions, tokens, money and seconds are told by `run_config.csv`, too."""
    counts = summary_file.read(evaluated / "run" / "summary.json").counts["blind"]
    assert counts.took is not None
    assert all(arm.took is not None and arm.took.passes is None for arm in (counts, *counts.arms.values()))
    spent: dict[str, list[float]] = {"tokens": [], "cost": []}
    for case in ("anna", "béla", "c d"):
        own = [row for key, row in rounds(evaluated).items() if key[:3] == ("blind", case, "lvlm")]
        spent["tokens"].append(sum(int(row["prompt_tokens"]) + int(row["completion_tokens"]) for row in own))
        spent["cost"].append(sum(float(row["cost"]) for row in own))
    lvlm = counts.arms["lvlm"].took
    assert lvlm is not None
    for name, values in spent.items():
        median, p95 = np.percentile(values, [50, 95])
        assert to_json(getattr(lvlm, name)) == pytest.approx({"median": median, "p95": p95})
    assert (lvlm.questions, lvlm.requests) == (Spread(2, 2), Spread(2, 2))
    unkept = counts.arms["unkept"].took  # its pictures were taken back, and nothing was kept of them
    assert unkept is not None
    assert (unkept.questions, unkept.seconds) == (Spread(3, 3), None)
    told = (evaluated / "run" / "summary.md").read_text(encoding="utf-8")
    assert "\n| blind | lvlm | n/a | 2 | 2,100 | 0.0048 | " in told


def test_a_summary_of_then_has_no_table_of_what_a_case_took() -> None:
    then = summary_file.read(ROOT / "tests" / "data" / "summary-format-3.json")
    assert compute.TITLE not in tables.markdown(then)
    assert "What happened to the cases" in tables.markdown(then)


@pytest.mark.slow
def test_it_holds_against_its_own_baseline(evaluated: Path) -> None:
    fsrbench("check", "run", "--baseline", "baseline.json")


@pytest.mark.slow
def test_it_is_reported(evaluated: Path) -> None:
    fsrbench("report", "run")
    page = (evaluated / "run" / "report" / "data.js").read_text(encoding="utf-8")
    assert all(case in page for case in ("anna", "béla", "c d"))


def rounds(root: Path) -> dict[tuple[str, ...], dict[str, str]]:
    """The rows of `run_config.csv`, by what they are about."""
    with (root / "run" / "run_config.csv").open(encoding="utf-8", newline="") as file:
        return {tuple(row[name] for name in ("family", "case", "arm", "round")): row for row in csv.DictReader(file)}


NEW = ("rule", "verdict_rule", "passes", "bound")
"""Columns that came later. How many passes a round took was not counted then: it is not known, and not zero."""


def test_its_decisions_get_the_names_of_their_rules_and_its_files_stay(old: Path) -> None:
    before, files = rounds(old), {path: path.read_bytes() for path in (old / "run" / "trails").glob("*/*.json")}
    arms = [word for arm in ARMS for word in ("--arm", arm)]
    fsrbench(*SAME, "--out", "run", *arms, "--no-evaluate", status=3)
    after = rounds(old)
    named = {key: {name: row.pop(name) for name in NEW} for key, row in after.items()}
    assert after == before
    assert {names[name] for names in named.values() for name in ("passes", "bound")} == {""}
    assert {path: path.read_bytes() for path in files} == files
    audited = {key for key, row in before.items() if row["decision"]}
    assert {key for key, names in named.items() if names["rule"]} == audited
    assert {key for key, names in named.items() if names["verdict_rule"]} == {k for k in before if before[k]["verdict"]}
    told = {(before[key]["decision"], names["rule"]) for key, names in named.items() if key in audited}
    assert told >= {("retry", "hints followed"), ("stop", "no retry left"), ("accept", "score reached")}


def test_an_arm_that_is_added_is_written_beside_what_was_there(old: Path) -> None:
    file = old / "run" / "trails" / "general" / "anna.json"
    before = json.loads(file.read_text(encoding="utf-8"))
    fsrbench(*SAME, "--out", "run", "--set", "arms.more={auditor: heuristic}", "--arm", "more", "--no-evaluate")
    after = json.loads(file.read_text(encoding="utf-8"))
    assert (before["format"], after["format"]) == (1, 2)
    assert {step["arm"] for step in after["rounds"]} - {step["arm"] for step in before["rounds"]} == {"more"}
    assert all(step["decision"]["rule"] for step in after["rounds"] if step["decision"] is not None)


def test_its_replies_answer_no_other_question(old: Path) -> None:
    """What an auditor is told has changed since: a reply that was given to other numbers is not passed off as one."""
    replay = "arms.lvlm={auditor: replay, run: run, arm: lvlm}"
    said = fsrbench(*SAME, "--out", "again", "--set", replay, "--arm", "lvlm", "--no-evaluate", status=3)
    assert "is not the one that run recorded; it differs: '- consistency" in said
    assert pictures(old / "again", "pure-fsr") == pictures(old / "run", "pure-fsr") != {}
