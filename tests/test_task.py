"""A kind of question is one file: here a made-up one, which the client, money, cache and replay have never heard of."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from fsrbench.asking import audit, comparison, reply
from fsrbench.asking.task import Asker, Exchange, Labelled, Task
from fsrbench.core import plugins
from fsrbench.core.contracts import Machine
from fsrbench.core.errors import AuditorUnreachable, CostLimitReached
from fsrbench.core.questions import Bounds, Comparison
from fsrbench.core.values import Image, Restoration, Round, Trail, Verdict
from fsrbench.imaging import images
from fsrbench.study import ledger
from fsrbench.study.store import RunFolder
from support import draw_face
from support.loopback import GOOD, Loopback, says
from support.questions import CHOICE, COST, PRICES, opened, question, seen

RANKED = {"order": [2, 1, 3], "reason": "The second is calm, the third has lost the eyes."}
WRONG = {**RANKED, "order": [2, 2, 3]}


@dataclass(frozen=True, slots=True)
class Order:
    """Which of three is best."""

    order: tuple[int, ...]
    """Their numbers, best first."""
    reason: str
    """One line."""
    repairs: tuple[str, ...]
    """What was mended."""


def ranking(pictures: Sequence[Image], turn: int = 1) -> Task[Order]:
    """Three pictures, best first."""
    schema = {
        "type": "object",
        "properties": {"order": {"type": "array", "items": {"enum": [1, 2, 3]}}, "reason": {"type": "string"}},
        "required": ["order", "reason"],
        "additionalProperties": False,
    }

    def read(text: str, bounds: Bounds) -> Order:
        found, repairs = reply.fields(text, schema["required"], bounds)  # type: ignore[arg-type]
        order = found["order"]
        if not isinstance(order, list) or sorted(order, key=str) != [1, 2, 3]:
            raise reply.Unusable("order is not 1, 2 and 3 in some order")
        return Order(tuple(order), reply.reason(found["reason"], repairs, bounds), tuple(repairs))

    shown = tuple(Labelled(f"PICTURE {number}", one) for number, one in enumerate(pictures, start=1))
    return Task("ranking", "general", "case-1", "Order them.", shown, schema, read, turn=turn)


@pytest.fixture
def three() -> list[Image]:
    return [images.as_stored(draw_face(32, seed)) for seed in range(3)]


def recorded(folder: Path, exchange: Exchange[Any]) -> Any:
    """A run whose arm `duel` kept this exchange in its first round, and the auditor that replays it."""
    run = RunFolder(folder)
    pure = Restoration("bicubic", "plain", {}, 0, "pure.png", "0" * 64, 0.1, "fp32")
    rounds = (Round("pure", 0, pure), Round("duel", 1, pure, verdict=Verdict(True, "preferred", "ranked first")))
    run.write_trail(Trail("case-1", "general", "0" * 64, rounds))
    run.write_exchange("general", "duel", "case-1", 1, {"kept": {"ranking": exchange.record()}})
    (folder / "study.yaml").write_text("settings: {arms: {duel: {auditor: openai}}}\n", encoding="utf-8")
    return plugins.load("auditors", "replay").open({"run": str(folder)}, Machine())


def test_a_third_kind_of_question_is_asked_repaired_paid_and_kept(three: list[Image], tmp_path: Path) -> None:
    with Loopback(says(json.dumps(WRONG)), says(json.dumps(RANKED))) as server:
        ask = opened(server, prices=PRICES, cache=str(tmp_path / "cache"))
        assert isinstance(ask, Asker)
        with ask.reserving([(ranking(three), 1)], tmp_path / "paid") as own:
            first = own.ask(ranking(three))
        again = ask.ask(ranking(three))
    assert first.said == Order((2, 1, 3), "The second is calm, the third has lost the eyes.", ())
    assert first.problem is None
    assert first.repairs == ("asked again",)
    assert (first.usage.requests, first.usage.cost) == (2, pytest.approx(2 * COST))
    parts = server.requests[0]["messages"][0]["content"]
    assert [part["text"] for part in (parts[0], *parts[1::2])] == ["Order them.", "PICTURE 1", "PICTURE 2", "PICTURE 3"]
    assert [part["image_url"]["url"] for part in parts[2::2]] == [images.data_url(picture) for picture in three]
    assert "order is not 1, 2 and 3 in some order" in server.requests[1]["messages"][-1]["content"]
    assert again.said == first.said
    assert (again.usage.requests, again.usage.cost) == (0, 0)
    assert [one["cached"] for one in again.replies] == [True, True]
    assert len(server.requests) == 2
    kept = ledger._taken(tmp_path / "paid")
    assert (kept.requests, kept.cost) == (2, pytest.approx(2 * COST))
    record = first.record()
    assert (record["kind"], record["task"]) == ("ranking", ranking(three).asked().sha256)
    assert [one["sha256"] for one in record["pictures"]] == [images.pixel_hash(picture) for picture in three]
    assert [one["fault"] for one in record["replies"]] == ["not in the form that was asked for", None]
    assert "base64" not in json.dumps(record)


def test_it_is_not_asked_beyond_the_limit_on_cost(three: list[Image]) -> None:
    with Loopback(says(json.dumps(RANKED))) as server:
        ask = opened(server, prices=PRICES, max_tokens=50, max_cost=3.5 * COST)
        for _ in range(2):
            ask.ask(ranking(three))
        with pytest.raises(CostLimitReached):
            ask.ask(ranking(three))
    assert len(server.requests) == 2


def test_what_was_not_reserved_is_not_asked(three: list[Image]) -> None:
    with Loopback(says(json.dumps(RANKED))) as server:
        ask = opened(server)
        with ask.reserving([(ranking(three), 1)]) as own, pytest.raises(TypeError, match="no audit was reserved"):
            own(question())
    assert server.requests == []


def test_it_is_replayed_by_its_hash(three: list[Image], tmp_path: Path) -> None:
    with Loopback(says(json.dumps(RANKED))) as server:
        exchange = opened(server, prices=PRICES).ask(ranking(three))
    replay = recorded(tmp_path, exchange)
    assert isinstance(replay, Asker)
    with replay.reserving([(ranking(three), 1)]) as own:
        told = own.ask(ranking(three))
    assert (told.said, told.problem) == (exchange.said, None)
    assert told.usage == replace(exchange.usage, seconds=0)
    assert told.record() == exchange.record()
    other = [three[0], three[2], three[1]]
    for differing in (ranking(other), ranking(three, turn=2), replace(ranking(three), prompt="Order these.")):
        with pytest.raises(AuditorUnreachable, match="recorded no such ranking of duel for case-1"):
            replay.ask(differing)


def test_a_refusal_is_replayed_as_one(three: list[Image], tmp_path: Path) -> None:
    with Loopback(says(None, refusal="No faces.")) as server:
        exchange = opened(server).ask(ranking(three))
    assert exchange.said is None
    assert exchange.problem == reply.Problem("refused", "refused: No faces.")
    assert len(server.requests) == 1
    assert recorded(tmp_path, exchange).ask(ranking(three)).problem == exchange.problem


def test_a_record_that_was_changed_is_no_answer(three: list[Image], tmp_path: Path) -> None:
    with Loopback(says(json.dumps(RANKED))) as server:
        exchange = opened(server).ask(ranking(three))
    whole = exchange.replies[0]
    for changed in ({**whole, "fault": "odd"}, {**whole, "text": 1}, {**whole, "cost": "much"}):
        replay = recorded(tmp_path, replace(exchange, replies=(changed,)))
        with pytest.raises(AuditorUnreachable, match=r"record of this ranking was changed: replies\.0"):
            replay.ask(ranking(three))
    unread = recorded(tmp_path, replace(exchange, replies=({**whole, "text": "{}"},))).ask(ranking(three))
    told = "unusable: the object has no order and no reason"
    assert unread.problem == reply.Problem("not in the form that was asked for", told)


def test_tasks_that_differ_in_anything_have_another_hash(three: list[Image]) -> None:
    nudged = three[0].copy()
    nudged[3, 3, 0] += (1 if nudged[3, 3, 0] < 0.5 else -1) / 255
    one = ranking(three)
    tasks = [
        one, ranking([nudged, *three[1:]]), ranking(three[:2]), ranking(three, turn=2), replace(one, kind="other"),
        replace(one, prompt="Order"), replace(one, schema={**one.schema, "title": "x"}),
        audit.task(question()), audit.task(question(number=2)),
        *(comparison.task(Comparison("c", "general", order, 0, seen(0), seen(1))) for order in (1, 2)),
    ]  # fmt: skip
    assert len({task.asked().sha256 for task in tasks}) == len(tasks)
    assert replace(one, seed=9, case="other", family="blind").asked().sha256 == one.asked().sha256


def test_audit_and_comparison_name_their_tasks_in_the_record() -> None:
    both = Comparison("case-1", "general", 2, 5, seen(0), seen(1))
    with Loopback(says(json.dumps(GOOD)), says(json.dumps(CHOICE))) as server:
        ask = opened(server)
        records = [ask(question()).exchange, ask.compare(both).exchange]
    assert [record["kind"] for record in records] == ["audit", "comparison"]
    tasks: list[Task[Any]] = [audit.task(question()), comparison.task(both)]
    assert [record["task"] for record in records] == [task.asked().sha256 for task in tasks]


def test_what_is_sent_for_an_audit_and_a_comparison_stays_as_it_was() -> None:
    """Byte for byte, but for the pictures: what a cache holds stays valid. A change here makes all caches miss."""
    told = replace(seen(), meanings={"niqe": plugins.load("instruments", "niqe").meaning})
    with Loopback(says("prose"), says(json.dumps(GOOD)), says(json.dumps(CHOICE))) as server:
        opened(server)(question(evidence=told))
        opened(server).compare(Comparison("case-1", "general", 1, 5, told, seen(1)))
    for request in server.requests:
        for part in request["messages"][0]["content"]:
            if part["type"] == "image_url":
                part["image_url"]["url"] = "…"
    digests = [hashlib.sha256(json.dumps(request).encode()).hexdigest() for request in server.requests]
    assert digests == [
        "1e87c14ea534e7d6357d74aeeeef28702f5dfccc2539cb22a347c05d4f4861b8",
        "bf06a7f632e169c2a4ffdbf752156b33983fb725409ec2cd208541b9e1be52f0",
        "cbd5ad7e48fdd663035bdca6af69c358bd225275d8f56d71c0c356d0861c9ae3",
    ]
