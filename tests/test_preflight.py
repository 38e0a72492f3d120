"""One question before any restoration; failures that asking again cannot mend, told once and not repeated for ever."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fsrbench.auditors import _preflight
from fsrbench.cli.app import app
from fsrbench.core.contracts import Machine
from fsrbench.core.errors import SettingsError
from fsrbench.core.values import PURE, Failure
from fsrbench.imaging import images
from fsrbench.measure import mishaps
from fsrbench.study import config
from fsrbench.study.run import RunOutcome, run_study
from support import draw_face
from support.loopback import GOOD, Loopback, Step, drips, fails, html, overloaded, resets, says

FINE = says(json.dumps({**GOOD, "score": 90, "hints": {}}))
PLAIN = ("families.general.backend=bicubic", "families.general.knobs=[]")
DEAD = "http://127.0.0.1:9/v1"
"""Nobody listens at the discard port."""


@pytest.fixture(autouse=True)
def _direct(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def run(tmp_path: Path, url: str, cases: int = 3, **more: Any) -> RunOutcome:
    """A run of arm `lvlm` and the noise floor on some faces."""
    for number in range(cases):
        if not (file := tmp_path / "lr" / f"face{number}.png").exists():
            images.write(file, draw_face(24, number))
    arm = {"auditor": "openai", "base_url": url, "model": "vlm", "backoff": 0.001, "attempts": 1, **more}
    settings, _ = config.load(None, [*PLAIN, f"arms.lvlm={json.dumps(arm)}"])
    settings = config.with_arms(config.with_families(settings, ["general"]), ["lvlm", "rerun"])
    return run_study(settings, Machine(offline=True), tmp_path / "lr", None, tmp_path / "out")


def nothing_restored(tmp_path: Path) -> bool:
    return not list((tmp_path / "out").rglob("*.png")) and not (tmp_path / "out" / "trails").exists()


@pytest.mark.parametrize(
    ("step", "told", "cure"),
    [
        (fails(404, "page not found"), "404, there is no such model or address", "the address"),
        (fails(404, "model 'vlm' not found"), "model 'vlm' not found", "--lvlm-model"),
        (fails(401, "bad key"), "401, the key is missing or not accepted", "Check the key: OPENAI_API_KEY"),
        (fails(403, "not yours"), "403, the key is missing or not accepted", "Check the key: OPENAI_API_KEY"),
        (fails(402, "pay first"), "402", "Check the account's credit"),
        (html, "not JSON", "Check that a server is running there, and the address"),
        (fails(400, "image_url is only supported by certain models"), "image_url", "a model that takes pictures"),
        (says('{"colour": "no picture"}'), "says that there is none", "a model that takes pictures"),
    ],
    ids=("address", "model", "key", "forbidden", "credit", "html", "no pictures", "pictures dropped"),
)
def test_what_the_user_must_mend_ends_the_run_before_any_restoration(
    tmp_path: Path, step: Step, told: str, cure: str
) -> None:
    with Loopback(step) as server, pytest.raises(SettingsError) as caught:
        run(tmp_path, server.url)
    assert len(server.requests) == 1
    for words in ("Arm lvlm: ", told, cure, "Nothing was restored", "preflight: false"):
        assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert nothing_restored(tmp_path)


def test_a_dead_port_is_exit_two_and_one_sentence(tmp_path: Path) -> None:
    images.write(tmp_path / "lr" / "a.png", draw_face(24, 0))
    words = ["run", "--family", "general", "--lvlm", "--lvlm-model", "vlm", "--base-url", DEAD, "--offline"]
    words += ["--lr", str(tmp_path / "lr"), "--out", str(tmp_path / "out"), "--set", PLAIN[0]]
    done = CliRunner().invoke(app, words)
    assert isinstance(done.exception, SettingsError)  # `main` prints it, and exits with 2
    assert "the connection failed (ConnectionRefusedError" in str(done.exception)
    assert "Check that a server is running there" in str(done.exception)
    assert nothing_restored(tmp_path)


@pytest.mark.parametrize("step", [fails(429), fails(503), overloaded, resets, drips], ids=lambda step: step.__name__)
def test_what_may_pass_does_not_end_the_run(
    tmp_path: Path, step: Step, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(_preflight, "SOON", 0.3)
    with Loopback(step, FINE) as server:
        outcome = run(tmp_path, server.url)
    assert outcome.failures == []
    assert "That may pass, so the run goes on." in caplog.text
    assert len(server.requests) == 1 + 3


def test_it_is_one_small_question_with_a_picture(tmp_path: Path) -> None:
    with Loopback(FINE) as server:
        assert run(tmp_path, server.url).failures == []
    first, *audits = server.requests
    assert len(audits) == 3
    kinds = [part["type"] for part in first["messages"][0]["content"]]
    assert kinds == ["text", "text", "image_url"]
    assert first["response_format"]["json_schema"]["schema"]["properties"].keys() == {"colour"}
    assert len(json.dumps(first)) < 3000


def test_a_finished_run_typed_again_asks_nothing(tmp_path: Path) -> None:
    with Loopback(FINE) as server:
        run(tmp_path, server.url)
        sent = len(server.requests)
        (tmp_path / "out" / "general" / "fsr+lvlm" / "face1.png").unlink()
        assert run(tmp_path, server.url).done == 1  # a lost picture is made again without a question
        assert len(server.requests) == sent
    assert run(tmp_path, server.url).done == 0  # nor does anybody have to be there


def test_it_can_be_left_out(tmp_path: Path) -> None:
    outcome = run(tmp_path, DEAD, preflight=False)
    assert {(failure.arm, failure.case) for failure in outcome.failures} == {("lvlm", f"face{n}") for n in range(3)}
    assert [set(trail.arms) for trail in outcome.folder.trails()] == [{"rerun"}] * 3


def test_it_counts_against_the_limit_on_cost(tmp_path: Path) -> None:
    prices = {"vlm": {"input": 1000, "output": 0}}  # a reply of 1000 tokens costs 1
    with Loopback(FINE) as server:
        outcome = run(tmp_path, server.url, prices=prices, max_cost=3, concurrency=1)
    assert len(server.requests) == 1  # what is left is not enough for a whole case
    assert "1.0000 of 3 spent by this command" in outcome.stopped
    assert "--max-cost" in outcome.stopped


def test_an_arm_is_left_after_a_few_failures_that_asking_again_cannot_mend(tmp_path: Path) -> None:
    """Its key ran out in the middle: the other arms and the pipeline alone go on, and later so does it."""
    cases = 12
    with Loopback(FINE, FINE, FINE, fails(401, "expired, request id 0123456789abcdef")) as server:
        outcome = run(tmp_path, server.url, cases, give_up=4)
        assert len(server.requests) == 3 + 4  # one before, two audits, four failures; a thread at a time
        server.steps[:] = [FINE]
        assert run(tmp_path, server.url, cases, give_up=4).failures == []  # the same command goes on
    told = [failure.why for failure in outcome.failures]
    assert len(told) == cases - 2
    assert sum(why.startswith("not tried: after 4 failures in a row") and "401" in why for why in told) == cases - 6
    groups = mishaps.grouped(outcome.failures)
    assert sorted(group.count for group in groups) == [4, cases - 6]
    assert str(groups[1]).startswith("general lvlm, 6 cases (face4, face5, face6, …): not tried")
    assert all({PURE, "rerun"} <= {PURE, *trail.arms} for trail in outcome.folder.trails())


def test_an_answer_in_between_shows_that_it_can_be_asked(tmp_path: Path) -> None:
    bad = fails(400, "this picture is too large")
    with Loopback(FINE, bad, bad, FINE, bad, bad, FINE) as server:
        outcome = run(tmp_path, server.url, 6, give_up=3)
    assert not [failure for failure in outcome.failures if failure.why.startswith("not tried")]


def test_a_thousand_failures_of_one_kind_are_one_line() -> None:
    found = [Failure("blind", f"{n:04d}", "lvlm", f"no reply about {n:04d}; request {n:016x}") for n in range(1000)]
    found += [Failure("prior", "0001", "lvlm", "no reply about 0001; request 00aa00bb00cc00dd")]
    found += [Failure("blind", "0007", "pure", "lr/0007.png is cut off")]
    assert [str(group) for group in mishaps.grouped(found)] == [
        "blind, prior lvlm, 1,001 cases (0000, 0001, 0002, …): no reply about 0000; request 0000000000000000",
        "blind pure, 0007: lr/0007.png is cut off",
    ]


def test_a_missing_key_and_a_missing_model_are_told_together(tmp_path: Path) -> None:
    images.write(tmp_path / "lr" / "a.png", draw_face(24, 0))
    settings = config.with_arms(config.load(None, PLAIN)[0], ["lvlm"])
    with pytest.raises(
        SettingsError, match=r"No LVLM is named\. Give --lvlm-model.*Nor is there a key.*OPENAI_API_KEY"
    ):
        run_study(settings, Machine(offline=True), tmp_path / "lr", None, tmp_path / "out")
