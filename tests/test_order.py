"""Families, arms and metrics stand in one order in all products of a run, whose names make the alphabet's wrong."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fsrbench.core import order
from fsrbench.core.contracts import Machine
from fsrbench.core.execute import untracked
from fsrbench.imaging import images
from fsrbench.measure import frames, subjects, summary_file
from fsrbench.measure import scores as scorefile
from fsrbench.measure.results import Numbers, Results
from fsrbench.measure.summary_values import Summary
from fsrbench.show import drawing, publish, tables
from fsrbench.show.plots import _data
from fsrbench.study import config
from fsrbench.study.run import run_study
from fsrbench.study.store import RunFolder
from support import draw_face
from support.studies import ACCEPT, ASK

FAMILIES = ["general", "blind", "prior"]
ARMS = ["z-first", "y-second", "d-control", "c-floor", "b-oracle"]
"""As they must stand: backwards by name, and not as the settings name them."""
METRICS = ["ssim", "psnr"]
TITLES = [f"+{arm}" for arm in ARMS]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunFolder, list[str]]:
    """A finished run, and everything that was written on its panels and its contact sheet."""
    root = tmp_path_factory.mktemp("order")
    for number in range(2):
        hr = draw_face(96, number)
        lr = images.resize(hr, 24, 24) + np.random.default_rng(number).normal(0, 0.03, (24, 24, 3))
        images.write(root / "hr" / f"face{number}.png", hr)
        images.write(root / "lr" / f"face{number}.png", np.clip(lr, 0, 1).astype(np.float32))
    arms = {
        "b-oracle": {"auditor": "oracle", "budget": 3},
        "c-floor": {"way": "rerun"},
        "z-first": {"auditor": "scripted", "replies": [ASK, ACCEPT]},
        "d-control": {"auditor": "random"},
        "y-second": {"auditor": "scripted", "replies": [ACCEPT]},
    }
    plain = [f"families.{family}.backend=bicubic" for family in FAMILIES]
    settings, _ = config.load(None, [*plain, f"metrics={','.join(METRICS)}", f"arms={json.dumps(arms)}"])
    settings = config.with_arms(settings, arms)
    said: list[str] = []
    write = drawing.Page.write

    def written(page: drawing.Page, x: float, y: float, text: str, *args: Any, **more: Any) -> float:
        said.append(text)
        return write(page, x, y, text, *args, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drawing.Page, "write", written)
        machine = Machine(offline=True)
        outcome = run_study(
            settings, machine, root / "lr", root / "hr", root / "out", limit=None, workers=1, track=untracked
        )
        assert outcome.failures == []
        publish.run(outcome.folder, machine, 1, untracked)
    return outcome.folder, said


def told(found: list[str], known: list[str]) -> list[str]:
    """Those of `known` that stand in a list, each where it stands first."""
    return [name for name in dict.fromkeys(found) if name in known]


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_one_function_says_it() -> None:
    assert order.families(["zoo", "prior", "ant", "blind", "general"]) == [*FAMILIES, "ant", "zoo"]
    standings = {"o": "headroom", "z": "contender", "f": "floor", "a": "contender", "c": "control"}
    assert order.arms(["pure", *standings, "b", "a"][::-1], standings) == ["pure", "z", "a", "c", "f", "o", "b"]


def test_in_summary_and_tables(run: tuple[RunFolder, list[str]]) -> None:
    folder, _ = run
    found: Summary = summary_file.read(folder.summary_file)
    assert [*found.families] == [*found.counts] == FAMILIES
    assert [*found.metrics] == [*found.families["blind"]] == METRICS
    assert [*found.roles] == [*found.counts["prior"].arms] == [*found.families["prior"]["psnr"].arms] == ARMS
    text = folder.summary_text.read_text(encoding="utf-8")
    for part in text.split("## ")[1:]:
        titles = [cell.strip() for line in part.splitlines() if line.startswith("|") for cell in line.split("|")[1:3]]
        assert (names := told(titles, FAMILIES)) == [name for name in FAMILIES if name in names]
        shown = [cell.removeprefix("FSR+").partition(" (")[0] for cell in titles]
        assert (names := told(shown, ARMS)) == [name for name in ARMS if name in names]
    first = [str(cell) for cell in tables.terminal(found).columns[0].cells]
    assert [name.partition(" (")[0] for name in first if name.startswith("FSR+")][:5] == [f"FSR{t}" for t in TITLES]


def test_in_files_and_frames(run: tuple[RunFolder, list[str]]) -> None:
    folder, _ = run
    for table in (folder.scores_file, folder.run_config_file):
        assert told([row["family"] for row in rows(table)], FAMILIES) == FAMILIES
    one = [row for row in rows(folder.scores_file) if (row["family"], row["case"]) == ("blind", "face0")]
    assert told([row["arm"] for row in one], ["pure", *ARMS]) == ["pure", *ARMS]
    assert told([row["metric"] for row in one], METRICS) == METRICS
    frame = frames.summary(folder)
    assert list(frame["family"].unique()) == FAMILIES
    assert list(frame["arm"].unique()) == ["pure", *ARMS]
    assert list(frame["metric"].unique()) == METRICS


def test_on_panels_and_the_contact_sheet(run: tuple[RunFolder, list[str]]) -> None:
    said = run[1]
    start = said.index("Pure")
    assert told(said[start : said.index("Reference", start)], ["Pure", *TITLES]) == ["Pure", *TITLES]
    for family in {one.partition(" · ")[0] for one in said if one.endswith(" · Pure")}:
        sheet = [f"{family} · {title}" for title in ("Pure", *TITLES)]
        assert told(said, sheet) == sheet


def test_in_plots(run: tuple[RunFolder, list[str]]) -> None:
    folder, _ = run
    summary = summary_file.read(folder.summary_file)
    what = subjects.of_run(folder, config.stored(folder.study()["settings"], folder.study_file))
    results = Results(folder.root, what, Numbers(scorefile.read(folder.scores_file)), summary)
    assert [(row.family, row.arm) for row in _data.rows(results, order.STANDINGS)] == [
        (family, arm) for family in FAMILIES for arm in ARMS
    ]
    assert [*_data.metrics(results)] == METRICS


def test_in_the_report(run: tuple[RunFolder, list[str]]) -> None:
    folder, _ = run
    data = handed(folder.report / "data.js")[0]
    assert data["families"] == FAMILIES
    assert [arm["name"] for arm in data["arms"]] == ARMS
    assert [metric["name"] for metric in data["metrics"]] == METRICS
    details = handed(folder.report / "cases" / "000.js")[2]
    assert told([case["family"] for case in details], FAMILIES) == FAMILIES
    assert all([*case["arms"]] == ARMS for case in details)
    assert all([*case["numbers"]] == ["pure", *ARMS] for case in details)
    pictures = [key.removesuffix(":") for key in details[0]["pictures"]]
    assert told(pictures, ["lr", "pure", *ARMS, "reference"]) == ["lr", "pure", *ARMS, "reference"]
    page = folder.report_page.read_text(encoding="utf-8")
    assert told(re.findall(r"<h2>(\w+)", page), [f.capitalize() for f in FAMILIES]) == [
        family.capitalize() for family in FAMILIES
    ]
    assert told(re.findall(r'<th scope="row">FSR\+(\S+) ', page), ARMS) == ARMS
    assert told(re.findall(r"<dt>Arm (\S+)</dt>", page), ARMS) == ARMS


def handed(path: Path) -> list[Any]:
    """The values that a script hands to the page."""
    text = path.read_text(encoding="utf-8")
    found: list[Any] = json.loads(f"[{text[text.index('(') + 1 : text.rindex(')')]}]")
    return found
