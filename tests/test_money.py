"""Money: what is reserved, paid, kept, recorded and never paid again, by a server that counts."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from fsrbench.auditors._price import Price
from fsrbench.auditors._purse import Account, Need, Purse
from fsrbench.cli import console
from fsrbench.core.auditing import Comparer, Paid, Scope
from fsrbench.core.contracts import Machine
from fsrbench.core.errors import CostLimitReached
from fsrbench.core.questions import Comparison
from fsrbench.imaging import images
from fsrbench.measure import subjects
from fsrbench.measure.results import Numbers
from fsrbench.measure.summary import summarise
from fsrbench.measure.summary_values import Summary
from fsrbench.show import tables
from fsrbench.study import config, families, ledger, schema
from fsrbench.study.run import RunOutcome, run_study
from fsrbench.study.store import RunFolder
from support import draw_face
from support.loopback import Loopback, Step, fails, says
from support.questions import question, seen

MACHINE = Machine(offline=True)
PRICE = 2.4
"""What one reply of the server costs: it counts 1,000 tokens sent for each."""
LOW = {"score": 30, "confidence": 95, "tags": [], "hints": {"dehalo": 0.4}, "reason": "Halos."}
SECOND = {"preferred": "second", "confidence": 90, "reason": "Calmer."}


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


class Till:
    """A server that counts what is asked and paid, and by what; it answers low, so that every case asks again."""

    def __init__(self, delay: float = 0.0, odd: Mapping[int, Step] | None = None, second: Step | None = None) -> None:
        self.asked: Counter[str] = Counter()
        self.paid = 0.0
        self._delay = delay
        self._odd = dict(odd or {})
        self._lock = threading.Lock()
        self._second, self._inputs = second, Counter[str]()

    def __call__(self, request: dict[str, Any]) -> Step:
        with self._lock:
            self.asked[json.dumps([request["messages"], request.get("seed")], sort_keys=True)] += 1
            odd = self._odd.pop(sum(self.asked.values()), None)
            shown = re.findall(r"data:image/[^\"]+", json.dumps(request["messages"]))[0]
            self._inputs[shown] += 1
            if self._second is not None and self._inputs[shown] == 2:
                odd = self._second
        if odd is not None:
            return odd
        time.sleep(self._delay)
        with self._lock:
            self.paid += PRICE
        compares = "preferred" in json.dumps(request.get("response_format", {}))
        return says(json.dumps(SECOND if compares else LOW))

    @property
    def requests(self) -> int:
        return sum(self.asked.values())


def low_faces(folder: Path, cases: int, size: int = 16) -> Path:
    for number in range(cases):
        images.write(folder / "lr" / f"face {number:02d}.png", draw_face(size, number))
    return folder / "lr"


def settings(server: Loopback, **more: Any) -> schema.Settings:
    arm = {"auditor": "openai", "preflight": False, "base_url": server.url, "model": "vlm", "backoff": 0.001,
           "concurrency": 8, "prices": {"vlm": {"input": PRICE * 1000, "output": 0}}, **more}  # fmt: skip
    changes = ["families.general.backend=bicubic", "metrics=niqe", f"arms.lvlm={json.dumps(arm)}"]
    return config.with_arms(config.with_families(config.load(None, changes)[0], ["general"]), ["lvlm"])


def run(server: Loopback, lr: Path, out: Path, workers: int = 8, **more: Any) -> RunOutcome:
    return run_study(settings(server, **more), MACHINE, lr, None, out, workers=workers)


def summed(out: Path) -> Summary:
    """The summary of what is stored, nothing measured."""
    folder = RunFolder(out)
    chosen = schema.Settings.model_validate(folder.study()["settings"])
    return summarise(subjects.of_run(folder, chosen), Numbers([]), folder.failures())


def finished(out: Path) -> set[str]:
    return {trail.case for trail in RunFolder(out).trails() if "lvlm" in trail.arms}


def recorded(out: Path) -> float:
    spent = ledger.spent(RunFolder(out)).get("lvlm")
    return spent.usage.cost or 0.0 if spent else 0.0


def kept(out: Path) -> list[Path]:
    return sorted((out / "audits" / "paid").rglob("*.json")) if (out / "audits").is_dir() else []


# ------------------------------------------------------- the numbers of issue 10


@pytest.mark.slow
@pytest.mark.parametrize(("policy", "cases", "cap", "each"), [("paper", 60, 24.0, 2), ("guarded", 24, 60.0, 3)])
def test_sixty_cases_with_money_for_some(tmp_path: Path, policy: str, cases: int, cap: float, each: int) -> None:
    """8 in flight, 2.4 a reply: each command finishes as many cases, none is begun in vain, nothing is asked twice."""
    lr, out = low_faces(tmp_path, cases), tmp_path / "out"
    till, done = Till(), [0]
    with Loopback(choose=till) as server:
        for command in (1, 2, 3):
            before = till.paid
            outcome = run(server, lr, out, max_cost=cap, policy=policy)
            assert "The limit on cost" in outcome.stopped
            assert till.paid - before <= cap
            assert recorded(out) == pytest.approx(till.paid)
            done.append(len(finished(out)))
            assert done[-1] == command * done[1] > 0
        assert till.requests == done[-1] * each  # whoever began also ended
        assert run(server, lr, out, max_cost=1000, policy=policy).stopped == ""
    assert len(finished(out)) == cases
    assert set(till.asked.values()) == {1}
    assert recorded(out) == pytest.approx(till.paid)
    assert kept(out) == []


def test_what_was_paid_is_in_the_summary_and_on_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also where no case was finished: one reply showed that the limit is below what a case can cost."""
    lr, out, till = low_faces(tmp_path, 1), tmp_path / "out", Till()
    with Loopback(choose=till) as server:
        outcome = run(server, lr, out, max_cost=9.5, repeat=2)
        assert "below what a case can cost" in outcome.stopped
        assert (till.requests, finished(out)) == (1, set())
        again = run(
            server, lr, out, max_cost=9.5, repeat=2
        )  # what is known from the reply that is kept refuses the case at once
        assert (till.requests, "below what a case can cost" in again.stopped) == (1, True)
    summary = summed(out)
    arm = summary.counts["general"].arms["lvlm"]
    assert (arm.done, arm.unfinished, arm.requests, arm.tokens, arm.cost) == (0, 1, 1, 1050, PRICE)
    text = tables.markdown(summary)
    assert "includes 1 case that it has not finished" in text
    assert "| lvlm | 0 | 0 | 0 | 0 | 1 | 1050 | 2.4000 |" in text
    with pytest.raises(typer.Exit) as ended:
        console.finish(again, settings(server, max_cost=9.5))
    assert ended.value.exit_code == 3
    told = capsys.readouterr().err
    assert "lvlm has cost 2.4000 in this run (1 request), 2.4000 of it for 1 case not finished" in told


def test_a_case_cut_off_by_an_unreachable_server_goes_on_where_it_was(tmp_path: Path) -> None:
    """The record is the one of a run that was never cut off."""
    lr, till = low_faces(tmp_path, 2), Till(second=fails(400, "no more"))
    with Loopback(choose=till) as server:
        first = run(server, lr, tmp_path / "out", workers=2)
        assert len(first.failures) == 2
        spent = ledger.spent(first.folder)["lvlm"]
        assert (spent.cases, spent.usage.cost, spent.unfinished.cost) == (2, 2 * PRICE, 2 * PRICE)
        arm = summed(tmp_path / "out").counts["general"].arms["lvlm"]
        assert (arm.failed, arm.unfinished, arm.cost) == (2, 2, 2 * PRICE)
        assert run(server, lr, tmp_path / "out").failures == []
        assert till.requests == 6  # two questions twice: they were refused, and are not paid
        assert run(server, lr, tmp_path / "whole").failures == []
    assert recorded(tmp_path / "out") == pytest.approx(4 * PRICE)
    same = [exchanges(tmp_path / name) for name in ("out", "whole")]
    assert same[0] == same[1]
    assert len(same[0]) == 4


def exchanges(out: Path) -> dict[str, Any]:
    """What was recorded of every exchange, but for the time that it took."""

    def calm(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: calm(item) for name, item in value.items() if name != "seconds"}
        return [calm(item) for item in value] if isinstance(value, list) else value

    files = sorted((out / "audits" / "general" / "lvlm").glob("*.json"))
    return {path.name: calm(json.loads(path.read_text(encoding="utf-8"))) for path in files}


def test_an_unusable_reply_that_was_paid_is_repaired_and_not_asked_again(tmp_path: Path) -> None:
    lr, out = low_faces(tmp_path, 1), tmp_path / "out"
    till = Till(odd={1: says("It looks nice."), 2: fails(400, "no more")})
    with Loopback(choose=till) as server:
        assert len(run(server, lr, out).failures) == 1
        assert recorded(out) == PRICE
        assert run(server, lr, out).failures == []
    firsts = [asked for asked in till.asked if len(json.loads(asked)[0]) == 1]
    assert [till.asked[one] for one in firsts] == [1, 1]  # the audit before and the one after the change
    replies = exchanges(out)["face 00-1.json"]["replies"]
    assert [one["problem"].partition(":")[0] for one in replies] == ["unusable", ""]
    assert recorded(out) == pytest.approx(3 * PRICE)


@pytest.mark.parametrize("more", [{"repeat": 3}, {"canary": 1}, {"policy": "guarded"}])
def test_repeats_canaries_and_comparisons_are_reserved_and_kept(tmp_path: Path, more: dict[str, Any]) -> None:
    """Cut off at its last request and run again: each was asked for once, and paid is recorded."""
    lr = low_faces(tmp_path, 1)
    whole = Till()
    with Loopback(choose=whole) as server:
        run(server, lr, tmp_path / "whole", **more)
    assert whole.requests >= 3
    till = Till(odd={whole.requests: fails(400, "no more")})
    with Loopback(choose=till) as server:
        run(server, lr, tmp_path / "out", **more)
        assert recorded(tmp_path / "out") == pytest.approx(till.paid)
        assert run(server, lr, tmp_path / "out", **more).failures == []
    assert recorded(tmp_path / "out") == pytest.approx(till.paid)
    assert till.paid == pytest.approx(whole.paid)


def test_equal_questions_of_one_case_are_paid_each(tmp_path: Path) -> None:
    """A change that moves no pixel makes both orders of a comparison one question: it is asked, and recorded, twice."""
    till, evidence = Till(), seen()
    with Loopback(choose=till) as server:
        auditor = families.open_auditors(settings(server), MACHINE)["lvlm"]
        assert isinstance(auditor, Paid)
        one = Comparison("case", "general", 1, 5, evidence, evidence)
        for _ in range(2):  # the second time both are found
            with auditor.begin(question(evidence=evidence), Scope(1, 2, tmp_path / "kept")) as own:
                assert isinstance(own, Comparer)
                assert [own.compare(one).usage.cost for _ in range(2)] == [PRICE, PRICE]
    assert till.requests == 2


def test_a_shared_cache_is_free_and_what_a_case_paid_itself_is_recorded_as_paid(tmp_path: Path) -> None:
    lr, till = low_faces(tmp_path, 2), Till()
    with Loopback(choose=till) as server:
        shared = {"cache": str(tmp_path / "cache")}
        assert run(server, lr, tmp_path / "one", **shared).failures == []
        assert run(server, lr, tmp_path / "two", max_cost=0.0, **shared).stopped == ""  # nothing need be paid
    assert till.requests == 4
    assert (recorded(tmp_path / "one"), recorded(tmp_path / "two")) == (pytest.approx(4 * PRICE), 0)


def test_a_run_in_which_money_ran_out_can_be_evaluated_and_damaged_entries_are_asked_again(tmp_path: Path) -> None:
    lr, out, till = low_faces(tmp_path, 1), tmp_path / "out", Till()
    with Loopback(choose=till) as server:
        assert run(server, lr, out, max_cost=9.5, repeat=2).stopped
        (entry,) = kept(out)
        whole = json.loads(entry.read_text(encoding="utf-8"))
        for data in (b"{", b"[" * 100_000, json.dumps({**whole, "usage": {"requests": []}}).encode(), b"\xff"):
            entry.write_bytes(data)
            found = summed(out).counts["general"].arms["lvlm"]
            assert (found.unfinished, found.cost) == (1, 0)
        assert run(server, lr, out, repeat=2).failures == []
    assert till.requests == 5  # the damaged one once more
    assert kept(out) == []


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is POSIX")
def test_killed_in_the_middle_of_a_case_nothing_that_came_back_is_asked_again(tmp_path: Path) -> None:
    """The server kills the run instead of giving its fourth reply: that question alone is asked once more."""
    lr, out = low_faces(tmp_path, 3), tmp_path / "out"
    started: list[subprocess.Popen[str]] = []

    def kills(_handler: Any) -> None:
        until = time.monotonic() + 10
        while len(kept(out)) < 3 and time.monotonic() < until:  # another case may be storing its reply just now
            time.sleep(0.01)
        os.kill(started[0].pid, signal.SIGKILL)

    till = Till(odd={4: kills})
    with Loopback(choose=till) as server:
        arm = settings(server, max_cost=30.0).arms["lvlm"].model_dump(exclude_none=True)
        words = ["run", "--family", "general", "--arm", "lvlm", "--lr", str(lr), "--out", str(out), "--workers", "1"]
        words += ["--set", "families.general.backend=bicubic", "--set", "metrics=niqe"]
        words += ["--set", f"arms.lvlm={json.dumps(arm)}", "--set", "arms.lvlm.concurrency=1", "--no-evaluate"]
        command = [sys.executable, "-m", "fsrbench", *words]
        started.append(subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True))
        started[0].communicate(timeout=300)
        assert started[0].returncode == -signal.SIGKILL
        assert len(kept(out)) >= 1
        assert recorded(out) <= till.paid
        again = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert again.returncode == 0, again.stderr
    assert sorted(till.asked.values()) == [1] * 5 + [2]
    assert recorded(out) == pytest.approx(till.paid) == pytest.approx(6 * PRICE)
    assert "lvlm has cost 14.4000 in this run (6 requests)" in again.stderr
    assert kept(out) == []


# ------------------------------------------------------------------- the purse

JUDGE = Need("audit", 2000)
AGAIN = Need("audit again", 2200, JUDGE)


def purse(limit: float | None = 10.0) -> Purse:
    """One at which a request of 1,000 tokens costs 1, and a reply nothing."""
    return Purse(Price(1000, 0), limit, "vlm", 100)


def ask(account: Account, kind: str, tokens: tuple[int, int] | None = (1000, 50)) -> None:
    bill = account.bill(kind)
    with bill:
        bill.pay(tokens)


def test_a_case_waits_until_another_has_ended_and_its_wait_is_not_its_own() -> None:
    own, excused = purse(8.5), list[float]()
    first, second = Account(own, {JUDGE: 2, AGAIN: 2}), Account(own, {JUDGE: 2, AGAIN: 2}, excused.append)
    ask(first, "audit")  # it may still take 1 + 2 × 1.2
    began = threading.Event()

    def later() -> None:
        ask(second, "audit")
        began.set()

    thread = threading.Thread(target=later)
    thread.start()
    assert not began.wait(0.05)
    first.close()
    assert began.wait(30)
    thread.join()
    assert own.spent == 2
    assert second.waited == sum(excused) > 0


def test_who_waits_is_let_go_when_the_run_is_ended() -> None:
    own, told = purse(8.5), list[str]()
    first, second = Account(own, {JUDGE: 2, AGAIN: 2}), Account(own, {JUDGE: 2, AGAIN: 2})
    ask(first, "audit")

    def waits() -> None:
        try:
            second.bill("audit")
        except CostLimitReached as error:
            told.append(str(error))

    thread = threading.Thread(target=waits)
    thread.start()
    own.patient(False)
    thread.join(30)
    assert told == ["The run is being ended: nothing further is asked."]
    ask(first, "audit")  # who has begun may end


def test_before_anything_is_counted_one_goes_ahead_alone_and_estimates_are_corrected() -> None:
    own = purse(10)
    first = Account(own, {JUDGE: 4})
    ask(first, "audit")  # estimated at 2 each, so 8; the server counts 1 for the first
    assert own.spent == 1
    second = Account(own, {JUDGE: 6})
    ask(second, "audit", (1500, 0))  # 1 + 3 + 6 fit; from now on each may take 1.5
    for ended in (first, second):
        ended.close()
    with pytest.raises(CostLimitReached, match="leaves no room"):
        Account(own, {JUDGE: 6}).bill("audit")
    larger = Account(own, {Need("audit", 4000): 3})
    with pytest.raises(CostLimitReached):  # twice as large as what was counted: 3 each
        larger.bill("audit")


def test_a_reply_that_nobody_counted_is_not_free() -> None:
    own = purse(10)
    account = Account(own, {JUDGE: 2})
    ask(account, "audit", None)
    assert own.spent == 2
    with pytest.raises(CostLimitReached, match="does not say how many tokens"):
        ask(account, "audit")
    unbounded = purse(None)
    ask(Account(unbounded, {JUDGE: 1}), "audit", None)
    assert unbounded.spent == 0


@hypothesis.settings(max_examples=25, deadline=None, suppress_health_check=list(hypothesis.HealthCheck))
@given(st.lists(st.integers(1, 4), min_size=1, max_size=10), st.integers(100, 1000), st.integers(1, 20))
def test_cases_side_by_side_never_pass_the_limit_and_never_wait_for_ever(
    cases: list[int], tokens: int, limit: int
) -> None:
    """In several threads, whatever a reply takes: all end, and the limit holds."""
    own, needs = purse(limit), Need("audit", 1000)

    def case(questions: int) -> None:
        account = Account(own, {needs: questions})
        try:
            for _ in range(questions):
                ask(account, "audit", (tokens, 0))
        except CostLimitReached:
            pass
        finally:
            account.close()

    threads = [threading.Thread(target=case, args=(questions,)) for questions in cases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert own.spent <= limit + 1e-6
