"""How far a command is: bars and what was taken on a terminal, plain lines elsewhere, nothing on standard output."""

from __future__ import annotations

import io
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from fsrbench.core.contracts import Machine
from fsrbench.core.tally import Tally
from fsrbench.core.values import Usage
from fsrbench.imaging import images
from fsrbench.show import numbers, plain_lines, progress
from fsrbench.show.plain_lines import PlainLines
from fsrbench.study import config
from fsrbench.study.run import run_study
from support import draw_face
from support.command import PLAIN, typed
from support.loopback import GOOD, Loopback, fails, says


@dataclass(frozen=True)
class Done:
    """A piece of work that took something."""

    tally: Tally


ASKED = Done(Tally(Usage(2, 4000, 100, 0.25), failures=1, invalid=1))


class Told:
    """Plain lines, with a clock that is turned by hand."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.lines: list[str] = []
        self.shown = PlainLines(self.lines.append, lambda: self.now)

    def work(self, title: str, items: list[object], seconds: float) -> None:
        """Work through items, so many seconds each; the clock is looked at once a second."""
        for _ in self.shown.track(title, items, len(items)):
            for _ in range(round(seconds)):
                self.now += 1
                self.shown.beat()


def test_a_line_at_the_start_one_each_half_minute_one_at_the_end() -> None:
    told = Told()
    told.work("general", [ASKED, object(), object(), object()], 20)
    told.work("panels", [object()], 15)
    told.shown.end()
    took = "2 requests, 4,100 tokens, 0.2500 spent, 1 failed, 1 reply of no use"
    assert told.lines == [
        "general 0/4: begun",
        f"general 1/4, about 1 min 30 s left; so far {took}",
        f"general 2/4, about 1 min left; so far {took}",
        f"panels 0/1; so far {took}",
        f"general 4/4, panels 1/1 in 1 min 35 s: {took}",
    ]


def test_a_short_command_has_two_lines_and_one_that_does_nothing_none() -> None:
    told = Told()
    told.shown.beat()
    told.shown.end()
    assert told.lines == []
    told.work("degrade", [object()] * 3, 1)
    told.shown.end()
    assert told.lines == ["degrade 0/3: begun", "degrade 3/3 in 3 s"]


def test_a_long_silence_is_told_while_it_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing passes through, and lines come all the same: somebody else looks at the clock."""
    monkeypatch.setattr(plain_lines, "EVERY", 0.0)
    monkeypatch.setattr(plain_lines, "LOOK", 0.001)
    stream = io.StringIO()
    with progress.bars(Console(file=stream)) as track:
        for _ in track("general", ["one"], 1):
            while stream.getvalue().count("\n") < 3:
                pass
    lines = stream.getvalue().splitlines()
    assert lines[:3] == ["general 0/1: begun", "general 0/1", "general 0/1"]
    assert lines[-1].startswith("general 1/1 in ")


def test_nobody_who_reads_on_is_no_reason_to_stop() -> None:
    stream = io.StringIO()
    stream.close()
    with plain_lines.plain(stream) as track:
        assert list(track("general", [1, 2], 2)) == [1, 2]


def test_a_terminal_shows_bars_and_below_them_what_all_of_it_took() -> None:
    moments = iter(range(1000))
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=80, get_time=lambda: float(next(moments)))
    with progress.bars(console) as track:
        list(track("general", [ASKED, ASKED], 2))
        list(track("plots", range(7), 7))
    shown = Console(file=io.StringIO(), width=80)
    shown.print(stream.getvalue().rpartition("\x1b[2K")[2], markup=False)
    last = shown.file.getvalue()  # type: ignore[attr-defined]
    assert "4 requests, 8,200 tokens, 0.5000 spent, 2 failed, 2 replies of no use" in last
    for words in ("general", "2/2", "plots", "7/7", "0:00:00"):
        assert words in last


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0.4, "0 s"), (59.4, "59 s"), (59.6, "1 min"), (95, "1 min 35 s"), (3600, "1 h"), (7500, "2 h 5 min")],
)
def test_durations(seconds: float, told: str) -> None:
    assert numbers.duration(seconds) == told


def test_what_is_not_known_is_not_told_as_nothing() -> None:
    assert numbers.took(Tally()) == ""
    assert numbers.took(Tally(Usage(1, 30, 12, None))) == "1 request, 42 tokens"


# ------------------------------------------------------------------ a whole run


def lows(folder: Path, cases: int) -> Path:
    for number in range(cases):
        images.write(folder / "lr" / f"face{number}.png", draw_face(24, number))
    return folder / "lr"


@pytest.mark.slow
def test_every_case_says_what_it_took_also_where_it_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One is judged at once, one in a second request, one gets a reply of no use, one gets none."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    good = says(json.dumps({**GOOD, "score": 90, "hints": {}}))
    low = says(json.dumps({**GOOD, "score": 10, "confidence": 99, "hints": {"dehalo": 0.9}}))
    steps = [good, says("No."), good, says("No."), says("No."), low, fails(400, "no")]
    passed: list[Tally] = []

    def track(_title: str, items: Any, _total: int) -> Any:
        for item in items:
            passed.append(item.tally)
            yield item

    with Loopback(*steps) as server:
        arm = {"auditor": "openai", "base_url": server.url, "model": "vlm", "preflight": False, "attempts": 1}
        arm["prices"] = {"vlm": {"input": 100, "output": 0}}
        chosen, _ = config.load(None, ["families.general.backend=bicubic", f"arms.lvlm={json.dumps(arm)}"])
        chosen = config.with_arms(config.with_families(chosen, ["general"]), ["lvlm", "rerun"])
        outcome = run_study(chosen, Machine(offline=True), lows(tmp_path, 4), None, tmp_path / "out", track=track)
    assert [(one.usage.requests, one.failures, one.invalid) for one in passed] == [
        (1, 0, 0),
        (2, 0, 0),
        (2, 0, 1),
        (1, 1, 0),
    ]
    assert [round(one.usage.cost or 0, 6) for one in passed] == [0.1, 0.2, 0.2, 0.1]
    assert len(outcome.failures) == 1


def test_without_a_terminal_a_run_says_little_and_its_json_is_json(tmp_path: Path) -> None:
    lr = lows(tmp_path, 2)
    words = ["run", "--lr", lr, "--family", "general", "--out", tmp_path / "out", "--offline", *PLAIN, "--json"]
    done: subprocess.CompletedProcess[str] = typed(*words)
    assert done.returncode == 0
    assert json.loads(done.stdout)["families"]
    assert "general 0/2: begun\n" in done.stderr
    (last,) = [line for line in done.stderr.splitlines() if line.startswith("general 2/2, ")]
    for title in ("panels", "plots", "report"):
        assert f"{title} " in last
    assert "\r" not in done.stderr
