"""Replies that could not be used are said wherever the arm is spoken of, and nothing is concluded from them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fsrbench.cli import console
from fsrbench.core import execute
from fsrbench.core.contracts import Machine
from fsrbench.core.errors import SettingsError
from fsrbench.core.values import Audit
from fsrbench.imaging import images
from fsrbench.measure import evaluate, mishaps, subjects
from fsrbench.measure.results import Numbers
from fsrbench.measure.summary import summarise
from fsrbench.measure.summary_values import Canaries, Summary
from fsrbench.show import caveats, findings, tables
from fsrbench.study import config, schema
from fsrbench.study.run import RunOutcome, run_study
from support import draw_face
from support.loopback import GOOD, Loopback, Step, says
from support.questions import opened, question

FINE = says(json.dumps({**GOOD, "score": 90, "hints": {}}))
COLOUR = says('{"colour": "red"}')
CUT = says('{"score": 7', "length")
REFUSED = says(None, refusal="I do not look at faces.")


@pytest.fixture(autouse=True)
def _direct(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def go(tmp_path: Path, *steps: Step, share: float = 0.5, **more: Any) -> tuple[RunOutcome, Any, Summary]:
    """Four faces audited by a server that answers so, measured; the run, its settings, the summary."""
    for number in range(4):
        images.write(tmp_path / "hr" / f"face{number}.png", draw_face(48, number))
        images.write(tmp_path / "lr" / f"face{number}.png", images.resize(draw_face(48, number), 12, 12))
    changes = ["families.general.backend=bicubic", "metrics=psnr", "hr_size=48", f"limits.max_invalid={share}"]
    with Loopback(COLOUR, *steps) as server:
        arm = {"auditor": "openai", "base_url": server.url, "model": "vlm", "backoff": 0.001, **more}
        settings, _ = config.load(None, [*changes, f"arms.lvlm={json.dumps(arm)}"])
        settings = config.with_arms(config.with_families(settings, ["general"]), ["lvlm"])
        machine = Machine(offline=True)
        outcome = run_study(settings, machine, tmp_path / "lr", tmp_path / "hr", tmp_path / "out")
    made = schema.Settings.model_validate(outcome.folder.study()["settings"])
    what = subjects.of_run(outcome.folder, made)
    scores = evaluate.measure(what, machine, 1, execute.untracked, outcome.folder.journal)
    found = summarise(what, Numbers(scores), outcome.folder.failures())
    return outcome, settings, replace(found, findings=findings.tell(found))


def test_all_replies_cut_off_is_no_finding_and_exit_three(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outcome, settings, summary = go(tmp_path, CUT)
    told = "4 of 4 replies could not be used (cut off at the token limit): nothing can be said of FSR+LVLM."
    assert summary.findings["general"] == told
    counts = summary.counts["general"].arms["lvlm"]
    assert (counts.replies, counts.unusable, counts.void) == (4, {"cut off at the token limit": 4}, True)
    effect = summary.families["general"]["psnr"].arms["lvlm"]
    assert (effect.void, effect.p, effect.p_adjusted) == (True, None, None)
    assert summary.statistics.tests == 0
    text = tables.markdown(summary)
    assert "equal" not in text
    assert "**2" not in text  # no mean is bold
    assert text.count("no finding") == 2  # in its cell, and below the counts
    assert "FSR+LVLM (4 of 4 replies unusable)" in text
    assert "nothing can be said of FSR+LVLM" in text
    console.show(summary, tmp_path / "out", as_json=False)
    said = capsys.readouterr()
    assert "replies unusable)" in said.out.replace("\n", "")
    assert "unusable: general, FSR+LVLM: 4 of 4 replies could not be used" in said.err
    with pytest.raises(console.typer.Exit) as ended:
        console.finish(outcome, settings)
    assert ended.value.exit_code == 3
    assert "No finding: 50% or more of the replies" in capsys.readouterr().err


def test_from_which_share_on_is_a_setting(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outcome, settings, summary = go(tmp_path, REFUSED, FINE)
    told = summary.findings["general"]
    assert "1 of 4 replies could not be used (refused): there the picture stood as it was." in told
    assert "left every picture as it was" in told
    console.finish(outcome, settings)  # a quarter is less than half: exit status 0
    limits = settings.limits.model_copy(update={"max_invalid": 0.25})
    with pytest.raises(console.typer.Exit) as ended:
        console.finish(outcome, settings.model_copy(update={"limits": limits}))
    assert ended.value.exit_code == 3
    assert "25% or more" in capsys.readouterr().err


@pytest.mark.parametrize("share", [-0.1, 1.1, "much"])
def test_a_share_is_a_share(share: object) -> None:
    with pytest.raises(SettingsError, match="max_invalid"):
        config.load(None, [f"limits.max_invalid={share}"])


@pytest.mark.parametrize(
    ("step", "fault"),
    [
        (REFUSED, "refused"),
        (says("It is a face.", "content_filter"), "refused"),
        (says("", "length"), "empty"),
        (CUT, "cut off at the token limit"),
        (says("Refused: no JSON."), "not JSON"),
        (says("{} {}"), "not JSON"),
        (says('{"score": 7'), "not JSON"),
        (says(json.dumps({**GOOD, "score": 600})), "not in the form that was asked for"),
        (says(json.dumps({**GOOD, "JSON": 1, "score": "JSON"})), "not in the form that was asked for"),
    ],
)
def test_what_was_wrong_with_a_reply_has_a_name(step: Step, fault: str) -> None:
    with Loopback(step) as server:
        audit = opened(server)(question()).audit
    assert (audit.status, audit.fault) == ("invalid", fault)


def test_a_usable_reply_has_no_fault() -> None:
    with Loopback(REFUSED, FINE) as server:
        ask = opened(server)
        assert (ask(question()).audit.fault, ask(question()).audit.fault) == ("refused", None)


def test_a_fault_that_an_auditor_does_not_name_is_one_of_form() -> None:
    said = [Audit("invalid", reason="refused: JSON"), Audit("invalid", fault="empty"), Audit("ok", 1, 1)]
    assert mishaps.unusable(said) == {"not in the form that was asked for": 1, "empty": 1}


def test_kinds_are_counted_where_there_are_several() -> None:
    assert mishaps.told(20, {"refused": 2, "empty": 1}) == "3 of 20 replies could not be used (2 refused, 1 empty)"
    assert mishaps.told(1, {}) == ""
    assert not mishaps.mostly_unusable(0, {}, 0)


def test_the_sentence_says_what_else_a_reader_must_know(tmp_path: Path) -> None:
    _, _, summary = go(tmp_path, FINE)
    counts = summary.counts["general"]
    lvlm = replace(counts.arms["lvlm"], failed=3)
    worse = replace(
        summary,
        counts={"general": replace(counts, failed=2, arms={"lvlm": lvlm})},
        canaries={"lvlm": Canaries(shown=4, looked=1)},
        dead_knobs={"general": ("dehalo",)},
    )
    told = findings.tell(worse)["general"]
    for sentence in (
        "FSR+LVLM failed on 3 of 7 cases, which are not in these numbers.",
        "FSR+LVLM told spoilt pictures from real ones in 1 of 4 samples only: it is not looking at the pictures.",
        "2 cases could not be restored at all.",
        "Asking for dehalo is asking for nothing: it moves no pixel, so no arm gained by that.",
    ):
        assert sentence in told
    assert not list(caveats.lines(worse))


def test_failures_stand_in_the_summary_once_for_each_reason(tmp_path: Path) -> None:
    _, _, summary = go(tmp_path, FINE)
    failed = replace(summary, failures=("general lvlm, 1,000 cases (a, b, c, …): 401",))
    assert "- failed: general lvlm, 1,000 cases (a, b, c, …): 401" in tables.markdown(failed)
