"""The LVLM client: how many requests, at what cost, what is remembered, how often it is asked, and whether it looks."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsrbench.asking import comparison, reply
from fsrbench.auditors import _canary, _price, _purse
from fsrbench.auditors._limiter import Limiter, NoTurn
from fsrbench.core.auditing import Comparer
from fsrbench.core.errors import AuditorUnreachable, CostLimitReached, SettingsError
from fsrbench.core.questions import Bounds, Evidence, Patch, Question
from fsrbench.core.stored import to_json
from fsrbench.core.values import Image
from fsrbench.imaging import images
from support import draw_face
from support.loopback import GOOD, Loopback, Step, drips, fails, good, says, watch
from support.questions import CHOICE, COST, PRICES, opened, pair, question, seen

NEVER = math.inf


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


def scores(*values: float) -> list[Step]:
    return [says(json.dumps({**GOOD, "score": value, "reason": f"It is {value}."})) for value in values]


# ----------------------------------------------------------------- comparison


def test_a_comparison_shows_input_then_both_and_says_which_is_preferred() -> None:
    asked = pair()
    with Loopback(says(json.dumps(CHOICE))) as server:
        ask = opened(server, prices=PRICES)
        assert isinstance(ask, Comparer)
        preference = ask.compare(asked)
    assert preference.chosen == "second"
    assert (preference.usage.requests, preference.usage.cost) == (1, COST)
    parts = server.requests[0]["messages"][0]["content"]
    assert parts[0]["text"] == comparison.task(asked).prompt
    assert [part["text"] for part in parts[1::2]] == list(comparison.labels(asked.first, asked.second))
    expected = [asked.first.lr, asked.first.sr, asked.first.patches[0].image]
    expected += [asked.second.sr, asked.second.patches[0].image]
    assert [part["image_url"]["url"] for part in parts[2::2]] == [images.data_url(picture) for picture in expected]
    assert server.requests[0]["response_format"]["json_schema"]["schema"] == comparison.SCHEMA
    record = preference.exchange
    assert [picture["sha256"] for picture in record["pictures"]] == [images.pixel_hash(p) for p in expected]
    assert record["replies"][0]["text"] == json.dumps(CHOICE)
    assert "base64" not in json.dumps(to_json(preference))


@pytest.mark.parametrize("text", ["", "The second.", json.dumps({**CHOICE, "preferred": "candidate"}), "{}"])
def test_an_unusable_choice_is_neither_after_one_request_to_repair(text: str) -> None:
    with Loopback(says(text)) as server:
        assert opened(server).compare(pair()).chosen == "neither"
    assert len(server.requests) == 2
    assert "all three fields" in server.requests[1]["messages"][-1]["content"]
    with Loopback(says(text), says(json.dumps(CHOICE))) as server:
        assert opened(server).compare(pair()).chosen == "second"
    with Loopback(fails(500)) as server, pytest.raises(AuditorUnreachable):
        opened(server).compare(pair())


def test_a_choice_is_read_strictly() -> None:
    said = comparison.parse("```json\n" + json.dumps({**CHOICE, "preferred": "FIRST ", "mood": 1}) + "\n```", Bounds())
    assert (said.preferred, said.confidence, said.reason) == ("first", 90, "Calmer edges.")
    assert said.repairs == ("fenced block", "dropped field 'mood'", "letter case")
    for wrong in ({"preferred": 1}, {"preferred": ["first"]}, {"preferred": None}, {"confidence": 101}, {"reason": 1}):
        with pytest.raises(reply.Unusable):
            comparison.parse(json.dumps({**CHOICE, **wrong}), Bounds())


# ---------------------------------------------------------------- concurrency


@pytest.fixture
def in_flight(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many requests were in flight whenever one began."""
    return watch(monkeypatch)


def test_requests_in_flight_are_bounded(in_flight: list[int]) -> None:
    def slow(handler: Any) -> None:
        time.sleep(0.05)
        good(handler)

    with Loopback(slow) as server, ThreadPoolExecutor(12) as pool:
        ask = opened(server, concurrency=3)
        answers = list(pool.map(lambda n: ask(question(f"c{n}")), range(12)))
    assert {answer.audit.status for answer in answers} == {"ok"}
    assert max(in_flight) == 3


def test_width_halves_once_a_burst_and_grows_back_by_one() -> None:
    limiter = Limiter(8)
    with limiter.turn(NEVER) as one, limiter.turn(NEVER) as other:
        pass
    limiter.shrink(one)
    limiter.shrink(other)
    assert limiter.width == 4
    for _ in range(5):
        with limiter.turn(NEVER) as token:
            limiter.shrink(token)
    assert limiter.width == 1
    limiter.grow()
    assert limiter.width == 2
    limiter.grow()
    limiter.grow()
    assert limiter.width == 3
    for _ in range(100):
        limiter.grow()
    assert limiter.width == 8


def test_a_pause_holds_for_everyone_and_a_turn_has_a_deadline() -> None:
    limiter = Limiter(4)
    began = time.monotonic()
    limiter.hold(0.2)
    limiter.hold(0.05)
    with limiter.turn(NEVER):
        assert time.monotonic() - began >= 0.2
    limiter.hold(60)
    with pytest.raises(NoTurn), limiter.turn(time.monotonic() + 0.02):
        pass
    narrow = Limiter(1)
    with narrow.turn(NEVER), pytest.raises(NoTurn), narrow.turn(time.monotonic() + 0.02):
        pass
    with narrow.turn(time.monotonic() + 0.02):
        pass


def test_turns_are_taken_in_the_order_of_coming() -> None:
    limiter, served = Limiter(1), list[int]()

    def take(number: int) -> None:
        with limiter.turn(NEVER):
            served.append(number)

    threads = [threading.Thread(target=take, args=(number,)) for number in range(12)]
    with limiter.turn(NEVER):
        for number, thread in enumerate(threads, start=1):
            thread.start()
            while len(limiter._queue) < number:
                time.sleep(0.001)
    for thread in threads:
        thread.join()
    assert served == list(range(12))


def test_only_429_shrinks_and_its_pause_keeps_others_waiting() -> None:
    with Loopback(fails(500), fails(503), good) as server:
        ask = opened(server)
        ask(question())
        assert ask.dialogue.chat._limiter.width == 8
    with Loopback(fails(429, Retry_After="0.4"), good) as server:
        ask = opened(server)
        with ThreadPoolExecutor(1) as pool:
            told = pool.submit(ask, question("told"))
            while ask.dialogue.chat._limiter.width == 8:
                time.sleep(0.005)
            ask(question("other"))
            assert told.result().audit.status == "ok"
        assert ask.dialogue.chat._limiter.width < 8
    assert min(server.arrivals[1:]) - server.arrivals[0] >= 0.4


def test_a_case_has_a_deadline_over_all_its_attempts() -> None:
    with Loopback(fails(500)) as server, pytest.raises(AuditorUnreachable, match=r"0\.3 s of the setting deadline"):
        opened(server, backoff=0.2, attempts=20, deadline=0.3)(question())
    assert len(server.requests) < 6
    with Loopback(fails(429, Retry_After="50")) as server, pytest.raises(AuditorUnreachable, match="setting deadline"):
        opened(server, deadline=5)(question())
    assert len(server.requests) == 1
    with Loopback(drips) as server, pytest.raises(AuditorUnreachable):
        opened(server, deadline=0.3)(question())
    assert len(server.requests) == 1


# ----------------------------------------------------------------------- cost


def test_cost_is_counted_with_repairs_and_unknown_without_a_price() -> None:
    with Loopback(says(""), good) as server:
        usage = opened(server, prices=PRICES)(question()).audit.usage
    assert usage.cost == pytest.approx(2 * COST)
    assert (usage.requests, usage.prompt_tokens, usage.completion_tokens) == (2, 2000, 100)
    with Loopback(good) as server:
        answer = opened(server, prices={"another": PRICES["vlm"]})(question())
    assert answer.audit.usage.cost is None
    assert answer.exchange["replies"][0]["cost"] is None


def test_the_limit_on_cost_stops_before_a_question_that_it_may_not_reach() -> None:
    """A reply takes COST; the question that brought it could have taken 2.2 times as much, with one repair."""
    with Loopback(good) as server:
        ask = opened(server, prices=PRICES, max_tokens=50, max_cost=3.5 * COST)
        for _ in range(2):
            ask(question())
        with pytest.raises(CostLimitReached, match="higher --max-cost"):
            ask(question())
        with pytest.raises(CostLimitReached):
            ask.compare(pair())
    assert len(server.requests) == 2
    with Loopback(good) as server, pytest.raises(CostLimitReached):
        opened(server, prices=PRICES, max_cost=0)(question())
    assert server.requests == []
    with Loopback(good) as server:
        free = opened(server, prices={"vlm": {"input": 0, "output": 0}}, max_cost=1)
        assert [free(question()).audit.usage.cost for _ in range(2)] == [0, 0]


def test_a_limit_needs_a_price_and_counted_tokens() -> None:
    for prices in ({}, {"other": {"input": 1, "output": 1}}):
        with pytest.raises(SettingsError, match=r"max_cost.*vlm.*prices: \{vlm: \{input: 2.5, output: 10\}\}"):
            opened("http://localhost:1/v1", max_cost=1, prices=prices)
    body = json.dumps({"choices": [{"message": {"content": json.dumps(GOOD)}}]}).encode()

    def uncounted(handler: Any) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    with Loopback(uncounted) as server:
        ask = opened(server, max_cost=1, prices=PRICES)
        assert ask(question()).audit.usage.cost is None
        with pytest.raises(CostLimitReached, match="does not say how many tokens"):
            ask(question())


@pytest.mark.parametrize("entry", [1, {}, {"input": 1}, {"input": 1, "output": -1}, {"input": 1, "output": "2"},
                                   {"input": True, "output": 1}, {"input": float("nan"), "output": 1},
                                   {"input": 1, "output": 1, "cached": 1}])  # fmt: skip
def test_prices_are_checked(entry: Any) -> None:
    with pytest.raises(SettingsError, match="prices for vlm"):
        opened("http://localhost:1/v1", prices={"vlm": entry})


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), max_size=20))
def test_a_purse_adds_up(tokens: list[tuple[int, int]]) -> None:
    purse = _purse.Purse(_price.Price(3, 15), None, "m", 100)
    paid = [purse.pay(_purse.Need("audit", 10), pair) for pair in tokens]
    assert purse.spent == pytest.approx(sum((3 * a + 15 * b) / 1e6 for a, b in tokens))
    assert purse.spent == pytest.approx(sum(cost or 0 for cost in paid))


# ---------------------------------------------------------------------- cache


def test_a_cached_reply_is_free_the_same_and_marked(tmp_path: Path) -> None:
    with Loopback(says(""), good) as server:
        ask = opened(server, cache=str(tmp_path / "cäche"), prices=PRICES)
        first, second = ask(question()), ask(question())
        third = opened(server, cache=str(tmp_path / "cäche"))(question())
    assert len(server.requests) == 2
    for again in (second, third):
        assert (again.audit.score, again.audit.hints, again.audit.repairs) == (72, {"dehalo": 0.4}, ("asked again",))
        assert (again.audit.usage.requests, again.audit.usage.prompt_tokens, again.audit.usage.cost) == (0, 0, 0)
        assert [one["cached"] for one in again.exchange["replies"]] == [True, True]
    assert [one["cached"] for one in first.exchange["replies"]] == [False, False]


def test_whatever_changes_is_a_miss(tmp_path: Path) -> None:
    def nudged(part: str) -> Question:
        evidence = seen()
        picture = {"sr": evidence.sr, "lr": evidence.lr, "patch": evidence.patches[0].image}[part].copy()
        picture[3, 3, 0] += np.float32(1 / 255) * (1 if picture[3, 3, 0] < 0.5 else -1)
        patches = (Patch("nose", picture, (20, 20, 44, 44)),) if part == "patch" else evidence.patches
        sr, lr = (picture if part == name else getattr(evidence, name) for name in ("sr", "lr"))
        return changed(Evidence(lr, sr, patches, evidence.places, evidence.qa))

    def changed(evidence: Evidence, more: str = "", high: float = 1.0, seed: int = 0) -> Question:
        offered = {"dehalo": replace(base.offered["dehalo"], high=high)}
        return Question("c", "general", 1, seed, evidence, base.knobs, offered, base.brief + more)

    base = question()
    asked = [base, *(nudged(part) for part in ("sr", "lr", "patch")), changed(base.evidence, "."),
             changed(base.evidence, high=0.9),
             changed(base.evidence, seed=1)]  # fmt: skip
    others: list[dict[str, Any]] = [{"model": "vlm2"}, {"temperature": 0.5}, {"max_tokens": 999}]
    with Loopback(good) as server:
        for _ in range(2):
            ask = opened(server, cache=str(tmp_path))
            for one in asked:
                ask(one)
            for settings in others:
                opened(server, cache=str(tmp_path), **settings)(base)
        opened(server.url.replace("127.0.0.1", "localhost"), cache=str(tmp_path))(base)
        opened(server, cache=str(tmp_path))(base)
    assert len(server.requests) == len(asked) + len(others) + 1


def test_only_usable_replies_are_kept_and_damage_is_a_miss(tmp_path: Path) -> None:
    with Loopback(says("no")) as server:
        opened(server, cache=str(tmp_path))(question())
    with Loopback(says(None, refusal="no")) as server:
        opened(server, cache=str(tmp_path))(question())
    assert list(tmp_path.rglob("*.json")) == []
    with Loopback(good) as server:
        ask = opened(server, cache=str(tmp_path))
        ask(question())
        (entry,) = tmp_path.rglob("*.json")
        whole = entry.read_bytes()
        damaged = [
            b"",
            whole[:-9],
            whole.replace(b"72", b"99"),
            b"[]",
            b'{"format": 1}',
            b"\xff",
            whole.replace(b"stop", b"soup"),
        ]
        for number, data in enumerate(damaged, start=2):
            entry.write_bytes(data)
            assert ask(question()).audit.score == 72
            assert len(server.requests) == number
            assert entry.read_bytes() != data
        ask(question())
        assert len(server.requests) == 1 + len(damaged)


def test_a_cache_never_holds_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = "sk-test-0123456789abcdef"
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with Loopback(says(json.dumps({**GOOD, "reason": key}))) as server:
        opened(server, cache=str(tmp_path))(question())
    stored = [path.read_text(encoding="utf-8") for path in tmp_path.rglob("*.json")]
    assert len(stored) == 1
    assert key not in stored[0]
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="cache folder"):
        opened("http://localhost:1/v1", cache=str(tmp_path / "file"))


# --------------------------------------------------------------------- repeat


def test_repeats_take_the_median_reply_and_report_their_spread(tmp_path: Path) -> None:
    with Loopback(*scores(60, 90, 20, 70), says(""), says("")) as server:
        ask = opened(server, repeat=5, prices=PRICES, cache=str(tmp_path))
        answer = ask(question())
    assert (answer.audit.score, answer.audit.reason) == (60, "It is 60.")
    assert answer.audit.repairs == ()
    spread = answer.exchange["spread"]
    assert (spread["asked"], spread["usable"]) == (5, 4)
    assert spread["score"]["mean"] == 60
    assert spread["score"]["sd"] == pytest.approx(np.std([60, 90, 20, 70], ddof=1))
    assert spread["confidence"] == {"mean": 85, "sd": 0}
    assert answer.exchange["chosen"] == 0
    assert [one["repeat"] for one in answer.exchange["replies"]] == [0, 1, 2, 3, 4, 4]
    assert (answer.audit.usage.requests, answer.audit.usage.cost) == (6, pytest.approx(6 * COST))
    seeds = [request["seed"] for request in server.requests]
    assert len(set(seeds)) == 5
    with Loopback(*scores(50)) as server:
        assert ask.repeat == 5
        again = opened(server, repeat=5, cache=str(tmp_path))(question())
    assert again.audit.score == 50  # another address, so nothing is remembered
    assert again.exchange["spread"]["score"] == {"mean": 50, "sd": 0}


def test_repeats_that_are_all_unusable_are_invalid() -> None:
    with Loopback(says("no")) as server:
        answer = opened(server, repeat=2)(question())
    assert answer.audit.status == "invalid"
    assert answer.exchange["chosen"] is None
    assert answer.exchange["spread"]["score"] == {"mean": None, "sd": None}
    assert len(server.requests) == 4


# --------------------------------------------------------------------- canary


def judge(score: Callable[[int], float]) -> Callable[[dict[str, Any]], Step]:
    """A server that scores by the number of the restoration it is shown for the first time: 0 is the real one."""
    known: list[str] = []

    def choose(request: dict[str, Any]) -> Step:
        url = request["messages"][0]["content"][4]["image_url"]["url"]
        if url not in known:
            known.append(url)
        return scores(score(known.index(url)))[0]

    return choose


def test_canaries_tell_who_looks_and_never_touch_the_audit() -> None:
    with Loopback(choose=judge(lambda n: (70, 20, 5)[n])) as server:
        answer = opened(server, canary=1, prices=PRICES)(question())
    found = answer.exchange["canary"]
    assert (found["real"], found["planted"], found["blank"], found["looking"]) == (70, 20, 5, True)
    assert answer.audit.score == 70
    assert (answer.audit.usage.requests, answer.audit.usage.cost) == (3, pytest.approx(3 * COST))
    hashes = {name: found["exchanges"][name]["pictures"] for name in ("planted", "blank")}
    assert hashes["planted"][0] == answer.exchange["pictures"][0]  # the input stays
    for pictures in hashes.values():
        for one, real in zip(pictures[1:], answer.exchange["pictures"][1:], strict=True):
            assert one["label"] == real["label"]
            assert one["sha256"] != real["sha256"]
    texts = {request["messages"][0]["content"][0]["text"] for request in server.requests}
    assert len(texts) == 1
    with Loopback(choose=judge(lambda n: (70, 68, 5)[n])) as server:
        assert opened(server, canary=1)(question()).exchange["canary"]["looking"] is False


def test_canaries_that_fail_are_recorded_and_leave_the_audit() -> None:
    with Loopback(good, fails(500)) as server:
        answer = opened(server, canary=1)(question())
    found = answer.exchange["canary"]
    assert answer.audit.score == 72
    assert (found["planted"], found["blank"], found["looking"]) == (None, None, None)
    assert "no reply after 3 requests" in found["exchanges"]["blank"]["failed"]
    with Loopback(good, says(""), fails(500)) as server:
        answer = opened(server, canary=1, prices=PRICES)(question())
    lost = answer.exchange["canary"]["exchanges"]["planted"]
    assert "no reply after 3 requests" in lost["failed"]
    assert [one["problem"] for one in lost["replies"]] == ["empty reply"]
    assert answer.audit.usage.cost == pytest.approx(2 * COST)  # the useless reply was paid, too
    with Loopback(good) as server, pytest.raises(CostLimitReached):  # money for the audit, and not for the canaries
        opened(server, canary=1, prices=PRICES, max_tokens=50, max_cost=3 * COST)(question())
    assert len(server.requests) == 1
    with Loopback(says("no")) as server:
        assert "canary" not in opened(server, canary=1)(question()).exchange
    with Loopback(good) as server:
        assert "canary" not in opened(server, canary=1)(question(number=2)).exchange


def test_the_sample_of_canaries_depends_on_names_only() -> None:
    names = [f"face {n}" for n in range(1000)]
    chosen = {name for name in names if _canary.sampled(name, 10)}
    assert 60 < len(chosen) < 140
    assert chosen == {name for name in reversed(names) if _canary.sampled(name, 10)}
    assert not any(_canary.sampled(name, 0) for name in names)
    assert all(_canary.sampled(name, 1) for name in names)


@pytest.mark.parametrize(
    ("real", "others", "told"),
    [(80, (70, 5), True), (80, (71, 5), False), (10, (5, 0), True), (10, (6, 0), False), (0, (0, 0), None),
     (80, (None, 5), True), (80, (None, 80), False), (80, (None, None), None), (15, (15, 15), False)],
)  # fmt: skip
def test_looking_is_a_clear_difference(
    real: float, others: tuple[float | None, float | None], told: bool | None
) -> None:
    assert _canary.looking(real, dict(zip(("planted", "blank"), others, strict=True))) is told


def test_what_is_planted_is_strong_and_keeps_the_contract() -> None:
    from fsrbench.imaging import artifacts

    for size in (40, 96, 131):
        sr = images.as_stored(draw_face(size))
        evidence = Evidence(images.resize(sr, 10, 10), sr, (Patch("skin", sr[1:21, 3:30], (3, 1, 30, 21)),), "", {})
        made = _canary.spoilt(evidence)
        for one in made.values():
            images.check(one.sr)
            assert one.sr.shape == sr.shape
            assert np.array_equal(one.patches[0].image, one.sr[1:21, 3:30])
            assert one.lr is evidence.lr
        assert np.ptp(made["blank"].sr) == 0
        lr: Image = evidence.lr
        planted, plain = (artifacts.Look(one, lr) for one in (made["planted"].sr, sr))
        assert artifacts.blockiness(planted) > artifacts.blockiness(plain) + 0.5  # clean pictures stay below 0.1
