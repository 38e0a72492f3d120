"""What comes from outside has bounds: each has a default, a setting, and words that name it where it is reached."""

from __future__ import annotations

import json
import random
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from fsrbench import auditors, backends
from fsrbench.asking import prompts
from fsrbench.auditors import openai, scripted
from fsrbench.case import degradations
from fsrbench.case.restore import Pipeline
from fsrbench.cli.app import app
from fsrbench.core import contracts, execute, plugins
from fsrbench.core.contracts import Machine
from fsrbench.core.errors import AuditorUnreachable, InputError, SettingsError, StoreError, TookTooLong
from fsrbench.core.questions import Bounds
from fsrbench.core.values import PURE, Audit
from fsrbench.files import atomic, csvfile, journal, jsonfile, yamlfile
from fsrbench.imaging import images
from fsrbench.measure import case_tables, identity, subjects
from fsrbench.study import config, schema
from fsrbench.study.run import RunOutcome, run_study
from fsrbench.study.store import RunFolder
from support import draw_face
from support.loopback import GOOD, Loopback, says
from support.questions import pair, question

PLAIN = ["families.general.backend=bicubic", "metrics=psnr"]
ASKS: dict[str, Any] = {
    "score": 30,
    "confidence": 95,
    "tags": ["ringing"],
    "hints": {"dehalo": 0.5},
    "reason": "Halo. " * 40,
}


@pytest.fixture
def lr(tmp_path: Path) -> Path:
    """One LR face."""
    images.write(tmp_path / "lr" / "a.png", images.resize(draw_face(96), 24, 24))
    return tmp_path / "lr"


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of plugins that goes with the test."""
    for package in (auditors, backends):
        (tmp_path / "plugins" / package.__name__.rpartition(".")[2]).mkdir(parents=True)
        monkeypatch.setattr(package, "__path__", [*package.__path__])
    monkeypatch.setenv("FSRBENCH_PLUGINS", str(tmp_path / "plugins"))
    return tmp_path / "plugins"


def arm(name: str = "s", **settings: Any) -> str:
    return f"arms.{name}={json.dumps({'auditor': 'scripted', 'replies': [ASKS], **settings})}"


def go(
    lr: Path, *changes: str, arms: tuple[str, ...] = ("s",), out: str = "out", machine: Machine | None = None
) -> Any:
    settings, _ = config.load(None, [*PLAIN, *changes])
    settings = config.with_arms(config.with_families(settings, ["general"]), arms)
    return run_study(settings, machine or Machine(), lr, None, lr.parent / out)


def audits(outcome: RunOutcome, arm: str = "s") -> list[Audit]:
    trail = outcome.folder.trail("general", "a")
    assert trail is not None
    return [step.audit for step in trail.rounds if step.arm == arm and step.audit is not None]


def rounds(outcome: RunOutcome) -> list[str]:
    trail = outcome.folder.trail("general", "a")
    return [step.arm for step in trail.rounds] if trail is not None else []


# ------------------------------------------------------------------- settings


def test_every_limit_has_its_default_in_the_shipped_file() -> None:
    stated = yaml.safe_load((plugins.shipped("configs") / "default.yaml").read_text(encoding="utf-8"))["limits"]
    assert schema.LimitSettings().model_dump() == stated
    assert Bounds() == schema.LimitSettings().of_replies()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("max_pixels", 0), ("max_bytes", 0), ("max_reply", 199), ("max_reply", 2_000_001), ("max_reason", 0),
        ("max_reason", 100_001), ("max_seconds", 0), ("max_seconds", -1), ("max_seconds", ".inf"),
        ("max_seconds", ".nan"), ("max_seconds", "long"), ("max_reply", 300.5),
    ],
)  # fmt: skip
def test_a_limit_has_limits_of_its_own(key: str, value: Any) -> None:
    with pytest.raises(SettingsError, match=rf"limits\.{key}"):
        config.load(None, [f"limits.{key}={value}"])


@pytest.mark.parametrize("where", ["policy", "arms.heuristic.limits"])
def test_retries_are_bounded(where: str) -> None:
    config.load(None, [f"{where}.retries=10"])
    for wrong in (11, -1, 10**30):
        with pytest.raises(SettingsError, match="retries"):
            config.load(None, [f"{where}.retries={wrong}"])


def test_the_size_of_references_is_bounded() -> None:
    with pytest.raises(SettingsError, match="hr_size"):
        config.load(None, ["hr_size=16385"])


@pytest.mark.parametrize("retries", [0, 2])
def test_no_more_rounds_than_retries_and_one(lr: Path, retries: int) -> None:
    replies = [{**ASKS, "hints": {"dehalo": strength}} for strength in (0.3, 0.6, 0.9, 0.2)]
    outcome = go(lr, arm(replies=replies), f"policy.retries={retries}")
    assert rounds(outcome) == [PURE, *["s"] * (retries + 1)]


@pytest.mark.parametrize(("limit", "words"), [("max_pixels=575", "576 pixels"), ("max_bytes=99", "the limit is 99")])
def test_a_picture_beyond_its_limits_fails_in_words(lr: Path, limit: str, words: str) -> None:
    (failure,) = go(lr, arm(), f"limits.{limit}").failures
    assert words in failure.why
    assert f"limits.{limit.partition('=')[0]}" in failure.why
    assert go(lr, arm()).failures == []  # another limit may go on in the same folder


# -------------------------------------------------------------------- replies


def test_a_reply_beyond_its_limit_is_unusable(lr: Path) -> None:
    long = json.dumps(ASKS)
    (audit,) = audits(go(lr, arm(replies=[long]), f"limits.max_reply={len(long) - 1}"))
    assert audit.status == "invalid"
    assert f"the limit is {len(long) - 1} (limits.max_reply)" in audit.reason
    assert audits(go(lr, arm(replies=[long]), f"limits.max_reply={len(long)}", out="other"))[0].status == "ok"


def test_a_reason_is_cut_where_the_setting_says(lr: Path) -> None:
    audit = audits(go(lr, arm(preferences=["second", "first"]), "limits.max_reason=20"))[0]
    assert audit.reason == "Halo. Halo. Halo. H…"
    assert "shortened reason" in audit.repairs
    assert audits(go(lr, arm(), out="other"))[0].reason == ASKS["reason"].strip()


def opened(server: Loopback, bounds: Bounds, **settings: Any) -> Any:
    chosen = {"base_url": server.url, "model": "vlm", "backoff": 0.001, "attempts": 2, "timeout": 20, **settings}
    return plugins.load("auditors", "openai").open(chosen, Machine(bounds=bounds))


def test_an_lvlm_is_read_within_the_same_bounds() -> None:
    good = json.dumps({**GOOD, "reason": "Halo. " * 40})
    with Loopback(says(good)) as server:
        answer = opened(server, Bounds(max_reason=20))(question())
        assert (answer.audit.reason, answer.exchange["replies"][0]["text"]) == ("Halo. Halo. Halo. H…", good)
    with Loopback(says(good)) as server:
        answer = opened(server, Bounds(max_reply=len(good) - 1))(question())
        assert answer.audit.status == "invalid"
        assert "limits.max_reply" in answer.audit.reason
        assert len(answer.exchange["replies"][0]["text"]) == len(good) - 1
        assert len(server.requests) == 2  # it was told, and asked once more
    preferred = json.dumps({"preferred": "second", "confidence": 90, "reason": "Calm. " * 40})
    for most, chosen in ((len(preferred), "second"), (len(preferred) - 1, "neither")):
        with Loopback(says(preferred)) as server:
            assert opened(server, Bounds(max_reply=most)).compare(pair()).chosen == chosen


def test_a_remembered_reply_is_read_within_the_bounds_of_now(tmp_path: Path) -> None:
    good = json.dumps({**GOOD, "reason": "Halo. " * 40})
    with Loopback(says(good)) as server:
        for most, requests in ((600, 1), (20, 1)):
            answer = opened(server, Bounds(max_reason=most), cache=str(tmp_path / "cache"))(question())
            assert len(answer.audit.reason) <= most
            assert len(server.requests) == requests
        assert opened(server, Bounds(200), cache=str(tmp_path / "cache"))(question()).audit.status == "invalid"


def test_the_body_of_an_http_reply_follows_from_the_replys_limit() -> None:
    """A million bytes at least: what is refused for its length alone is the auditor's text, not what stands beside."""
    beside = says(json.dumps(GOOD), reasoning_content="x" * 1_100_000)
    with Loopback(beside) as server:
        assert opened(server, Bounds())(question()).audit.status == "ok"
    with Loopback(beside) as server, pytest.raises(AuditorUnreachable, match=r"1,000,000 bytes \(limits\.max_reply\)"):
        opened(server, Bounds(max_reply=200))(question())
    worst = json.dumps({"content": "\U0001f600" * 10_000})
    assert len(worst) / 10_000 < openai.BODY


# ----------------------------------------------------------------------- time

SLOW_AUDITOR = """
from fsrbench.core import execute
from fsrbench.plugins import Auditor
from fsrbench.values import Answer, Audit

def ask(question):
    execute.time.forward(2000)
    said = Audit("ok", score=10, confidence=95, hints={"dehalo": 0.3 * question.round}, reason="More.")
    return Answer(said, {"auditor": "slow", "round": question.round})

AUDITOR = Auditor("Takes its time.", open=lambda settings, machine: ask)
"""
SLOW_BACKEND = """
from fsrbench import images
from fsrbench.core import execute
from fsrbench.plugins import Backend, Output

class Slow:
    model, weights = "slow", {}

    def __call__(self, lr, knobs, seed, precision):
        execute.time.forward(4000)
        return Output(images.resize(lr, lr.shape[1] * 4, lr.shape[0] * 4))

BACKEND = Backend("Takes its time.", family="general", consumes=(), open=lambda settings, machine: Slow())
"""


class Time:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Time:
    clock = Time()
    monkeypatch.setattr(execute, "time", clock)
    return clock


def test_a_case_past_its_time_starts_nothing_and_the_next_run_goes_on(lr: Path, own: Path, clock: Time) -> None:
    """The network that is under way is not cut off, and what it made stays; no arm begins. 3600 s are the default."""
    (own / "backends" / "dawdles.py").write_text(SLOW_BACKEND, encoding="utf-8")
    changes = ("families.general.backend=dawdles", arm(), arm("t"))
    first = go(lr, *changes, arms=("rerun",))
    assert rounds(first) == [PURE]
    (failure,) = first.failures
    assert (failure.arm, "longer than 3600 s (limits.max_seconds)" in failure.why) == ("rerun", True)
    made = (first.folder.root / "general" / "pure-fsr" / "a.png").stat().st_mtime_ns
    second = go(lr, *changes, arms=("rerun", "s", "t"))  # of the pure picture nothing is left to do
    assert rounds(second) == [PURE, "rerun"]
    assert [failure.arm for failure in second.failures] == ["s", "t"]
    assert not (second.folder.root / "audits").exists()  # nobody was asked any more
    third = go(lr, *changes, "limits.max_seconds=null", arms=("rerun", "s", "t"))
    assert rounds(third) == [PURE, "rerun", "s", "s", "t", "t"]
    assert (third.failures, third.folder.failures()) == ([], [])
    assert (third.folder.root / "general" / "pure-fsr" / "a.png").stat().st_mtime_ns == made


def test_an_arm_stops_between_its_steps_and_what_came_back_is_recorded(lr: Path, own: Path, clock: Time) -> None:
    """Arms that are finished stay; what one auditor said may have been paid for."""
    (own / "auditors" / "dallies.py").write_text(SLOW_AUDITOR, encoding="utf-8")
    changes = ("arms.late.auditor=dallies", arm("early"), "policy.retries=5")
    outcome = go(lr, *changes, arms=("early", "late"))
    assert set(rounds(outcome)) == {PURE, "early"}
    (failure,) = outcome.failures
    assert (failure.arm, "limits.max_seconds" in failure.why) == ("late", True)
    assert not (outcome.folder.root / "general" / "fsr+late").exists()
    kept = sorted((outcome.folder.root / "audits" / "general" / "late").glob("*.json"))
    assert [json.loads(path.read_text(encoding="utf-8"))["round"] for path in kept] == [1, 2]
    assert go(lr, *changes, arms=("early", "late")).failures == [
        failure
    ]  # its time starts anew, and is too short again
    assert go(lr, *changes, "limits.max_seconds=20000", arms=("early", "late")).failures == []


def test_a_search_stops_between_two_restorations(own: Path, clock: Time) -> None:
    (own / "backends" / "trudges.py").write_text(SLOW_BACKEND, encoding="utf-8")
    opened = plugins.load("backends", "trudges").open({}, Machine())
    pipeline = Pipeline(opened, {}, 4, "fp32").for_case()
    pipeline.clock = execute.Clock(5000)
    for seed in (1, 2):
        pipeline.restore(draw_face(24), {}, seed)
    with pytest.raises(TookTooLong):
        pipeline.restore(draw_face(24), {}, 3)


def test_a_clock_counts_no_waiting(clock: Time) -> None:
    limited, free = execute.Clock(10), execute.Clock(None)
    clock.forward(10)
    limited.check()
    clock.forward(1)
    with pytest.raises(TookTooLong, match=r"limits\.max_seconds"):
        limited.check()
    limited.excuse(5)
    limited.excuse(-3)
    clock.forward(4)
    limited.check()
    clock.forward(0.1)
    with pytest.raises(TookTooLong):
        limited.check()
    clock.forward(1e9)
    free.check()


def test_the_turn_of_others_at_the_network_is_not_counted() -> None:
    entered, leave = threading.Event(), threading.Event()

    class Holds:
        model, weights = "holds", {}  # type: ignore[var-annotated]

        def __call__(self, lr: Any, knobs: Any, seed: int, precision: str) -> contracts.Output:
            entered.set()
            leave.wait(20)
            return contracts.Output(images.resize(lr, 96, 96))

    class Told(execute.Clock):
        excused = 0.0

        def excuse(self, seconds: float) -> None:
            self.excused += seconds

    whole = Pipeline(Holds(), {}, 4, "fp32")
    first, second = whole.for_case(), whole.for_case()
    first.clock, second.clock = Told(), Told()
    threads: list[threading.Thread] = []
    for case in (first, second):
        threads.append(threading.Thread(target=case.restore, args=(draw_face(24), {}, len(threads))))
        threads[-1].start()
        assert entered.wait(20)
    time.sleep(0.5)
    leave.set()
    for thread in threads:
        thread.join(20)
    assert first.clock.excused < 0.2 <= second.clock.excused


# ------------------------------------------------------------ going on with others


def test_limits_may_change_in_a_folder_but_not_what_makes_a_reply_unusable(lr: Path) -> None:
    go(lr, arm())
    others = ("max_pixels=600", "max_bytes=90000", "max_reason=20", "max_seconds=null")
    assert go(lr, arm(), arm("t"), *(f"limits.{other}" for other in others), arms=("s", "t")).failures == []
    with pytest.raises(StoreError, match=r"limits\.max_reply: 200000 there, 1000 now"):
        go(lr, arm(), arm("t"), "limits.max_reply=1000", arms=("s", "t"))


def test_a_folder_from_before_the_limit_was_a_setting_goes_on(lr: Path) -> None:
    folder = go(lr, arm()).folder
    told = yaml.safe_load(folder.study_file.read_text(encoding="utf-8"))
    told["settings"]["limits"] = {"max_pixels": 40_000_000, "max_bytes": 200_000_000}
    folder.study_file.write_text(yaml.safe_dump(told), encoding="utf-8")
    assert go(lr, arm(), arm("t"), arms=("s", "t")).failures == []


def test_only_the_limits_of_pictures_belong_to_a_number(lr: Path) -> None:
    """A run's numbers are not measured again because a case may take longer now."""
    folder = go(lr, arm()).folder
    base = folder.study()["settings"]
    identities = {}
    for change in (
        "seed=0",
        "limits.max_seconds=9",
        "limits.max_reason=9",
        "limits.max_reply=900",
        "limits.max_pixels=900",
    ):
        settings, _ = config.load(None, [change], base)
        what = subjects.of_run(folder, settings)
        identities[change] = identity.of("psnr", what, Machine(), journal.Journal(None))
    same, other = identities["seed=0"], identities.pop("limits.max_pixels=900")
    assert set(identities.values()) == {same}
    assert other != same


# ------------------------------------------------------------ files that are too long


@pytest.fixture
def long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file beyond every bound, with the bounds made small."""
    for module, name in (
        (yamlfile, "MAX_BYTES"), (csvfile, "MAX_BYTES"), (prompts, "MAX_PROMPT"), (scripted, "MAX_SCRIPT"),
        (jsonfile, "MAX_BYTES"), (journal, "MAX_BYTES"), (openai, "MAX_KEY"),
    ):  # fmt: skip
        assert getattr(module, name) >= 10_000
        monkeypatch.setattr(module, name, 9000)
    path = tmp_path / "l ö ng"
    path.write_text("# so long\n" * 1000, encoding="utf-8")
    return path


def test_a_file_is_read_up_to_a_bound(tmp_path: Path) -> None:
    path = tmp_path / "file"
    draw = random.Random(3)
    for size in (0, 1, 65_535, 65_536, 65_537, 200_000):
        content = draw.randbytes(size)
        path.write_bytes(content)
        assert atomic.read_bytes(path, size) == content
        if size:
            with pytest.raises(OSError, match="longer than"):
                atomic.read_bytes(path, size - 1)


def test_an_endless_file_is_never_opened() -> None:
    if not Path("/dev/zero").exists():
        pytest.skip("there is no endless file on this system")
    with pytest.raises(SettingsError, match="only a plain file is opened"):
        yamlfile.read(Path("/dev/zero"))


def test_too_long_a_file_is_refused_in_words(long: Path, lr: Path) -> None:
    said = r"l ö ng.*longer than 9,000 bytes"
    with pytest.raises(SettingsError, match=said):
        config.load(long)
    with pytest.raises(SettingsError, match=said):
        prompts.read("general", long)
    with pytest.raises(SettingsError, match=said):
        plugins.load("auditors", "scripted").open({"file": str(long)}, Machine())
    with pytest.raises(SettingsError, match=r"key's file .*l ö ng"):
        plugins.load("auditors", "openai").open({"api_key_file": str(long), "model": "m"}, Machine())
    with pytest.raises(InputError, match=said):
        degradations.read(long)
    with pytest.raises(InputError, match=r"clusters.*l ö ng"):
        case_tables.clusters(long, ())
    with pytest.raises(StoreError, match=said):
        csvfile.read(long, ("case",))


def test_too_long_a_trail_or_journal_costs_what_it_holds(lr: Path, tmp_path: Path, long: Path) -> None:
    folder = go(lr, arms=()).folder
    path = folder.trail_file("general", "a")
    path.write_text(path.read_text(encoding="utf-8") + " " * 9000, encoding="utf-8")
    with pytest.raises(StoreError, match=r"longer than 9,000 bytes.*Delete it"):
        RunFolder(folder.root).trail("general", "a")
    kept = journal.Journal(tmp_path)
    kept.keep("psnr", "one", {"a" * 9000: 1.0})
    kept.save()
    assert journal.Journal(tmp_path).values("psnr", "one") == {}


@pytest.mark.parametrize("text", ["[" * 50_000, "{a: " * 50_000, "- " * 50_000, "{a: &x [1], b: *x}"])
def test_what_is_nested_without_end_or_repeats_itself_is_refused_at_once(tmp_path: Path, text: str) -> None:
    path = tmp_path / "deep.yaml"
    path.write_text(text, encoding="utf-8")
    why = "holds an alias" if "*" in text else "is nested more than 50 deep"
    with pytest.raises(SettingsError, match=rf"deep\.yaml {why}"):
        config.load(path)
    with pytest.raises(SettingsError, match=rf"--set .{{1,220}} {why}"):
        config.load(None, [f"seed={text}"])
    with pytest.raises(SettingsError, match=rf"deep\.yaml {why}"):
        plugins.load("auditors", "scripted").open({"file": str(path)}, Machine())


@pytest.mark.parametrize("command", [["run"], ["evaluate", "x"], ["degrade"]])
def test_workers_are_bounded(command: list[str]) -> None:
    done = CliRunner().invoke(app, [*command, "--workers", "1000000000"])
    assert done.exit_code == 2
    assert "1024" in done.output
