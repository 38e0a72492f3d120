"""Who audited, with what and when: it stands wherever the numbers stand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from fsrbench import __version__
from fsrbench.core.contracts import Machine
from fsrbench.imaging import images
from fsrbench.measure import subjects
from fsrbench.measure.provenance import AskedAuditor
from fsrbench.measure.results import Numbers, Results
from fsrbench.measure.summary import summarise
from fsrbench.measure.summary_values import Summary
from fsrbench.show import imprint, tables
from fsrbench.show.report import overview, strip
from fsrbench.study import config, record, schema
from fsrbench.study.run import RunOutcome, run_study
from support import draw_face
from support.loopback import GOOD, Loopback, says

FINE = says(json.dumps({**GOOD, "score": 90, "hints": {}}))
PLAIN = ("families.general.backend=bicubic", "metrics=psnr", "hr_size=48", "seed=7")


def go(tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch, *arms: str) -> tuple[RunOutcome, Summary]:
    """Two faces; server and model come from the environment, so that settings do not name them."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    monkeypatch.setenv("FSRBENCH_LVLM_MODEL", "tiny")
    for number in range(2):
        images.write(tmp_path / "hr" / f"face{number}.png", draw_face(48, number))
        images.write(tmp_path / "lr" / f"face{number}.png", images.resize(draw_face(48, number), 12, 12))
    settings = config.with_arms(config.with_families(config.load(None, PLAIN)[0], ["general"]), arms)
    outcome = run_study(settings, Machine(offline=True), tmp_path / "lr", tmp_path / "hr", tmp_path / "out")
    what = subjects.of_run(outcome.folder, schema.Settings.model_validate(outcome.folder.study()["settings"]))
    return outcome, summarise(what, Numbers([]))


def test_it_stands_in_summary_report_and_panels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "today", lambda: "2031-05-06")
    with Loopback(FINE) as server:
        outcome, summary = go(tmp_path, server.url, monkeypatch, "lvlm", "rerun")
    host, run = server.url.removeprefix("http://").removesuffix("/v1"), summary.run
    assert run is not None
    assert run.arms["lvlm"] == AskedAuditor("openai", "paper", ("tiny",), (host,), ("vlm-7b-really",))
    assert run.arms["rerun"].auditor is None
    assert (run.started, run.fsrbench, run.seed, run.device) == ("2031-05-06", __version__, 7, "cpu")
    assert run.prompts == outcome.folder.study()["prompts"]
    assert run.versions["numpy"] == record.version("numpy")
    short = f"lvlm: tiny (it answers as vlm-7b-really) at {host}, policy paper · begun 2031-05-06 (UTC) · fsrbench"
    assert imprint.short(summary).startswith(short)
    text = tables.markdown(summary)
    assert "## What was run" in text
    assert f"- Arm lvlm: auditor openai, model tiny (it answers as vlm-7b-really) at {host}, policy paper" in text
    assert "- Arm rerun: way rerun, nobody was asked" in text
    what = subjects.of_run(outcome.folder, schema.Settings.model_validate(outcome.folder.study()["settings"]))
    page = overview.page(Results(tmp_path / "out", what, Numbers([]), summary), [], strip.Strip("", ()), [], [])
    assert short in page
    assert page.index(short) < page.index('class="card"')  # on the first page, above everything found


def test_the_day_is_that_of_the_beginning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "today", lambda: "2031-05-06")
    with Loopback(FINE) as server:
        outcome, first = go(tmp_path, server.url, monkeypatch, "lvlm")
        monkeypatch.setattr(record, "today", lambda: "2031-05-09")
        _, later = go(tmp_path, server.url, monkeypatch, "lvlm", "rerun")
    assert [told.run and told.run.started for told in (first, later)] == ["2031-05-06", "2031-05-06"]
    stored = yaml.safe_load(outcome.folder.study_file.read_text(encoding="utf-8"))
    del stored["started"]  # a run of an earlier version: nobody knows when it was begun
    outcome.folder.study_file.write_text(yaml.safe_dump(stored), encoding="utf-8")
    _, old = go(tmp_path, server.url, monkeypatch, "lvlm", "rerun")
    assert old.run is not None
    assert old.run.started == ""
    assert "begun" not in imprint.short(old)


def test_weights_say_whose_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images.write(tmp_path / "lr" / "a.png", draw_face(16, 0))
    settings = config.with_families(config.load(None, ["metrics=psnr"])[0], ["general"])
    settings = config.with_arms(settings, [])
    outcome = run_study(settings, Machine(offline=True), tmp_path / "lr", None, tmp_path / "out")
    run = subjects.of_run(outcome.folder, settings).run
    assert run is not None
    (file,) = run.families["general"].files
    assert (file.name, file.source, len(file.sha256)) == ("general.safetensors", "embedded", 64)
    assert (run.detector, run.recogniser, run.arms) == (None, None, {})


def test_plain_folders_know_nothing_of_it(tmp_path: Path) -> None:
    for folder in ("pure", "mine"):
        images.write(tmp_path / folder / "a.png", draw_face(16, 0))
    settings = config.load(None, ["metrics=psnr"])[0]
    what = subjects.of_folders(None, {"pure": tmp_path / "pure", "mine": tmp_path / "mine"}, "x", settings)
    assert what.run is None
    found = summarise(what, Numbers([]))
    assert imprint.short(found) == ""
    assert list(imprint.lines(found)) == []
