"""What a run says beforehand that it would take, held against runs: a server counts, in its own way."""

from __future__ import annotations

import base64
import json
import math
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fsrbench.core.budget import Budget
from fsrbench.core.contracts import Machine
from fsrbench.core.errors import SettingsError, StoreError
from fsrbench.core.forecasts import Demand
from fsrbench.core.values import PURE
from fsrbench.experiments.estimate import RunEstimate, estimate
from fsrbench.imaging import images
from fsrbench.show import estimates
from fsrbench.study import config
from fsrbench.study.run import run_study
from fsrbench.study.schema import Settings
from fsrbench.study.store import RunFolder
from fsrbench.ways import rerun
from support import draw_face
from support.command import PLAIN, typed
from support.loopback import Loopback, Step, send

MACHINE = Machine(offline=True)
FINE = {"score": 95, "confidence": 95, "tags": [], "hints": {}, "reason": "A sharp picture without artifacts."}
LOW = {"score": 20, "confidence": 95, "tags": ["ringing"], "hints": {"dehalo": 0.7, "denoise": 0.7}, "reason": "Halos."}
LOOSE = ["guards.consistency=1000", "guards.identity=1000", "guards.niqe=1000"]
"""No guard trips."""


@pytest.fixture(autouse=True)
def _direct(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


class Counter:
    """Counts tokens of what comes over the wire: four characters one, pictures by tiles of 512 pixels, as published.

    A picture is shrunk into 2048 × 2048 and to a shortest side of 768, where it is larger; each tile of 512 × 512 that
    it then touches takes 170 tokens, and any picture 85.
    """

    def __init__(self, fussy: bool = False, reply: dict[str, Any] = FINE) -> None:
        self.sent = self.received = 0
        self.compared = 0
        self._fussy = fussy
        self._reply = reply

    def __call__(self, request: dict[str, Any]) -> Step:
        sent = len(json.dumps(request["response_format"])) / 4
        for message in request["messages"]:
            content = message["content"]
            for part in [{"type": "text", "text": content}] if isinstance(content, str) else content:
                sent += len(part["text"]) / 4 if part["type"] == "text" else tiles(part["image_url"]["url"])
        text = json.dumps(self._said(request))
        tokens = {"prompt_tokens": math.ceil(sent), "completion_tokens": math.ceil(len(text) / 4)}
        self.sent, self.received = self.sent + tokens["prompt_tokens"], self.received + tokens["completion_tokens"]
        message = {"role": "assistant", "content": text}
        body = {"id": "1", "object": "chat.completion", "created": 1, "model": "vlm", "usage": tokens}
        body["choices"] = [{"index": 0, "finish_reason": "stop", "message": message}]
        return lambda handler: send(handler, 200, json.dumps(body).encode())

    def _said(self, request: dict[str, Any]) -> dict[str, Any]:
        """The reply; nonsense first, where it is fussy. A comparison prefers the candidate, in whatever order."""
        form = request["response_format"]["json_schema"]["schema"]["properties"]
        if "colour" in form:
            return {"colour": "red"}
        if self._fussy and len(request["messages"]) == 1:
            return {"nonsense": True}
        if "preferred" in form:
            self.compared += 1
            return {"preferred": "second" if self.compared % 2 else "first", "confidence": 90, "reason": "Calmer."}
        return self._reply


def tiles(url: str) -> int:
    """Tokens of a picture, by the size that its PNG says it has."""
    data = base64.b64decode(url.removeprefix("data:image/png;base64,"))
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", data[16:24])
    for shrink in (2048 / max(width, height), 768 / min(width, height)):
        width, height = (round(side * min(1, shrink)) for side in (width, height))
    return 85 + 170 * math.ceil(width / 512) * math.ceil(height / 512)


def faces(root: Path, cases: int, size: int = 128) -> Path:
    for number in range(cases):
        images.write(root / "lr" / f"face{number}.png", draw_face(size, number))
    return root / "lr"


def settings(url: str, *more: str, arms: tuple[str, ...] = ("lvlm", "rerun"), **own: Any) -> Settings:
    arm = {"auditor": "openai", "base_url": url, "model": "vlm", "backoff": 0.001, "concurrency": 2, **own}
    plain = [f"families.{family}.backend=bicubic" for family in ("general", "blind")]
    chosen, _ = config.load(None, [*plain, f"arms.lvlm={json.dumps(arm)}", *more])
    return config.with_arms(config.with_families(chosen, ["general", "blind"]), arms)


def foretold(chosen: Settings, lr: Path, out: Path, **more: Any) -> RunEstimate:
    return estimate(chosen, MACHINE, lr, None, out, **more)


def passes(out: Path, arm: str) -> int:
    """Passes that a run has counted for an arm."""
    return sum(step.passes or 0 for trail in RunFolder(out).trails() for step in trail.rounds if step.arm == arm)


def restored(found: RunEstimate, arm: str, end: int) -> int:
    return sum(one.passes[end] for family in found.families for one in family.arms if one.arm == arm and one.passes)


def everything(folder: Path) -> dict[str, tuple[bytes, int]]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.as_posix(): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


# ------------------------------------------------------------ against a counting server


@pytest.mark.slow
@pytest.mark.parametrize("own", [{}, {"repeat": 2, "canary": 2}, {"preflight": False}], ids=str)
def test_requests_are_exact_and_tokens_near_where_every_picture_is_accepted(
    tmp_path: Path, own: dict[str, Any]
) -> None:
    lr, counter = faces(tmp_path, 5), Counter()
    prices = {"vlm": {"input": 1000, "output": 0}}
    with Loopback(choose=counter) as server:
        chosen = settings(server.url, prices=prices, **own)
        before = foretold(chosen, lr, tmp_path / "out").asked.least
        assert server.requests == []
        assert not (tmp_path / "out").exists()
        assert run_study(chosen, MACHINE, lr, None, tmp_path / "out", workers=2).failures == []
    assert len(server.requests) == before.requests
    assert before.prompt_tokens == pytest.approx(counter.sent, rel=0.1)
    assert before.cost == pytest.approx(counter.sent / 1000, rel=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["paper", "guarded"])
@pytest.mark.parametrize("fussy", [False, True], ids=["usable", "fussy"])
def test_what_retries_and_repairs_take_lies_within_the_bounds(tmp_path: Path, policy: str, fussy: bool) -> None:
    """Every retry is taken; where every reply must be asked for twice, too, the bound is reached."""
    lr, counter = faces(tmp_path, 3), Counter(fussy, LOW)
    with Loopback(choose=counter) as server:
        chosen = settings(server.url, "policy.retries=2", *LOOSE, policy=policy, canary=2, preflight=False)
        found = foretold(chosen, lr, tmp_path / "out")
        assert run_study(chosen, MACHINE, lr, None, tmp_path / "out").failures == []
    least, most = found.asked.least, found.asked.most
    assert least.requests < len(server.requests) <= most.requests
    assert counter.sent <= most.prompt_tokens
    assert counter.received <= most.completion_tokens
    assert restored(found, "lvlm", 0) <= passes(tmp_path / "out", "lvlm") <= restored(found, "lvlm", 1)


def test_the_bound_is_reached(tmp_path: Path) -> None:
    """Two families, two cases, two audits and two comparisons of each, and every question is asked twice."""
    lr = faces(tmp_path, 2, 32)
    counter = Counter(fussy=True, reply=LOW)
    with Loopback(choose=counter) as server:
        chosen = settings(server.url, *LOOSE, policy="guarded", preflight=False)
        found = foretold(chosen, lr, tmp_path / "out")
        run_study(chosen, MACHINE, lr, None, tmp_path / "out")
    assert found.asked.most.requests == len(server.requests) == 2 * 2 * (2 + 2) * 2


# ----------------------------------------------------------------- what is counted


def test_only_what_is_missing_is_counted(tmp_path: Path) -> None:
    lr, out = faces(tmp_path, 4, 24), tmp_path / "out"
    with Loopback(choose=Counter()) as server:
        chosen = settings(server.url)
        run_study(chosen, MACHINE, lr, None, out, limit=3)
        (out / "general" / "fsr+rerun" / "face1.png").unlink()
        sent, files = len(server.requests), everything(out)
        found = foretold(chosen, lr, out)
        more = foretold(config.with_arms(settings(server.url), ["lvlm", "rerun", "heuristic"]), lr, out)
        assert (len(server.requests), everything(out)) == (sent, files)
        run_study(chosen, MACHINE, lr, None, out)
        assert len(server.requests) - sent == found.asked.least.requests == 3  # two families, and the preflight
        done = foretold(chosen, lr, out)
    general, blind = found.families
    assert [(one.cases, one.pure, one.lost) for one in (general, blind)] == [(2, 1, (1, 1)), (1, 1, (0, 0))]
    assert [[arm.cases for arm in family.arms] for family in found.families] == [[1, 1], [1, 1]]
    assert {arm.arm: arm.cases for arm in more.families[1].arms} == {"heuristic": 4, "lvlm": 1, "rerun": 1}
    assert [family.cases for family in done.families] == [0, 0]
    assert done.asked.most.requests == 0
    assert list(estimates.lines(done)) == ["general: nothing is missing.", "blind: nothing is missing."]


def test_passes_of_ways_that_ask_nobody_are_exact(tmp_path: Path) -> None:
    lr, out = faces(tmp_path, 3, 24), tmp_path / "out"
    same = [{"denoise": 0.5}, {"denoise": 0.5, "dehalo": 0.3}, {"dehalo": 0.3}, {"denoise": 0.2}]
    constant = {"way": "constant", "with": {"knobs": same}, "judge": "random"}
    chosen, _ = config.load(None, ["families.blind.backend=bicubic", f"arms.c={json.dumps(constant)}"])
    chosen = chosen.model_copy(update={"families": {"blind": chosen.families["blind"]}})
    chosen = chosen.model_copy(
        update={"families": {"blind": chosen.families["blind"].model_copy(update={"knobs": ("denoise", "dehalo")})}}
    )
    chosen = config.with_arms(chosen, ["c", "rerun"])
    found = foretold(chosen, lr, out)
    run_study(chosen, MACHINE, lr, None, out)
    for arm, each in (("c", 2), ("rerun", 1)):
        assert restored(found, arm, 0) == restored(found, arm, 1) == passes(out, arm) == 3 * each
    assert found.families[0].pure == passes(out, PURE) == 3
    assert found.asked.most.requests == found.families[0].trials == 0


def test_a_budget_bounds_what_is_foretold() -> None:
    wanted = Demand((0, 5), (1, 3), (0, 4))
    assert wanted.within(Budget()) == wanted
    assert wanted.within(Budget(passes=2, calls=2)) == Demand((0, 2), (1, 2), (0, 1))
    assert wanted.within(Budget(calls=0)) == Demand((0, 5), (0, 0), (0, 0))


def test_time_counts_cores_and_workers_and_is_not_told_of_other_machines(tmp_path: Path) -> None:
    lr = faces(tmp_path, 3, 24)
    chosen = settings("http://127.0.0.1:9/v1", arms=("rerun",))
    alone, many = (foretold(chosen, lr, tmp_path / "out", workers=number).families[0] for number in (1, 8))
    assert (alone.lanes, alone.passes) == (1, (6, 6))
    assert 1 <= many.lanes <= 3  # never more than there are cases
    assert alone.seconds is not None
    assert alone.seconds > 0
    elsewhere = foretold(chosen, lr, tmp_path / "out", here=False)
    assert elsewhere.families[0].seconds is None
    assert not any("one pass takes" in line for line in estimates.lines(elsewhere))


# ------------------------------------------------------------- what cannot be known


def test_a_cost_that_is_not_known_is_no_zero_and_has_its_cure(tmp_path: Path) -> None:
    found = foretold(settings("http://127.0.0.1:9/v1"), faces(tmp_path, 2, 24), tmp_path / "out")
    assert found.asked.least.cost is None
    told = list(estimates.lines(found))
    assert "What vlm costs is not known. Write it into the arm's setting prices" in "\n".join(told)
    assert "n/a" in [cell for family in found.families for row in estimates._rows(family) for cell in row]
    assert len(told) == len(set(told))


def test_a_way_that_does_not_say_what_it_takes_is_not_taken_for_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rerun, "WAY", replace(rerun.WAY, demand=None))
    found = foretold(settings("http://127.0.0.1:9/v1", arms=("rerun",)), faces(tmp_path, 2, 24), tmp_path / "out")
    assert [arm.passes for family in found.families for arm in family.arms] == [None, None]
    assert "rerun: not all that it takes can be said before" in "\n".join(estimates.lines(found))
    assert "all that is known" in [str(cell) for cell in estimates.terminal(found).columns[0].cells]


def test_a_case_that_was_begun_is_not_counted_as_if_it_were_new(tmp_path: Path) -> None:
    lr, out = faces(tmp_path, 3, 24), tmp_path / "out"
    chosen = settings("http://127.0.0.1:9/v1")
    kept = out / "audits" / "paid" / "general" / "lvlm" / "face1" / "ab" / "ab.json"
    kept.parent.mkdir(parents=True)
    kept.write_text("{}")
    found = foretold(chosen, lr, out)
    asked = [arm.asked for family in found.families for arm in family.arms if arm.arm == "lvlm"]
    assert [(one.least.requests, one.most.requests) for one in asked if one] == [(2, 12), (3, 12)]
    assert "lvlm in general: what was answered of cases begun before (1) is not asked again." in found.notes


def test_what_a_run_would_refuse_is_refused_before(tmp_path: Path) -> None:
    lr, out = faces(tmp_path, 2, 24), tmp_path / "out"
    chosen = settings("http://127.0.0.1:9/v1", arms=("rerun",))
    run_study(chosen, MACHINE, lr, None, out)
    with pytest.raises(StoreError, match="other settings"):
        foretold(chosen.model_copy(update={"seed": 3}), lr, out)
    with pytest.raises(SettingsError, match=r"max_cost is set\. What vlm costs is not known"):
        foretold(settings("http://127.0.0.1:9/v1", max_cost=1), lr, tmp_path / "other")


def test_a_family_of_which_nothing_can_be_restored_says_why(tmp_path: Path) -> None:
    lr = faces(tmp_path, 1, 24)
    (lr / "face0.png").write_bytes(b"no picture")
    found = foretold(settings("http://127.0.0.1:9/v1"), lr, tmp_path / "out")
    assert all("face0.png" in family.why for family in found.families)
    assert "general: nothing more is known of it." in "\n".join(estimates.lines(found))


# ---------------------------------------------------------------------- as a command


def test_the_command_prints_a_table_or_json_and_writes_nothing(tmp_path: Path) -> None:
    lr = faces(tmp_path, 2, 24)
    words = ["run", "--lr", lr, "--family", "general", "--arm", "heuristic", "--out", tmp_path / "out", *PLAIN]
    told = typed(*words, "--dry-run")
    assert told.returncode == 0
    assert "Before anything is spent: 2 cases" in told.stdout
    assert "general · bicubic: one pass takes" in told.stderr
    found = json.loads(typed(*words, "--dry-run", "--json").stdout)
    assert (found["families"][0]["pure"], found["complete"]) == (2, True)
    assert found["asked"]["most"]["requests"] == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lr"]
