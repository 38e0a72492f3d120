"""Records of earlier versions are brought up to this one, step by step, and come out as they would be made now."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsrbench.case.policy import GuardLimits, PolicyLimits, decide, judge
from fsrbench.core.contracts import Knob
from fsrbench.core.errors import StoreError
from fsrbench.core.operations import Restore
from fsrbench.core.stored import to_json
from fsrbench.core.values import PURE, Audit, DecisionRule, Fault, Restoration, Round, Trail, VerdictRule
from fsrbench.files import migrations, shapes
from fsrbench.files.migrations import Format
from fsrbench.study.store import RunFolder

OFFERED = {"strength": Knob("more of it", ("general",), "after", 0.0, low=0.0, high=0.5)}
LIMITS = PolicyLimits(min_confidence=80, accept_score=80, retries=1, max_changes=None)
GUARDS = GuardLimits(consistency=1.0, identity=0.05, niqe=0.5)
CHOICES = ("candidate", "current", "neither")
MADE = (Restore("bicubic", "bicubic", {"strength": 0.0}, 1),)
DONE = Restoration(
    "bicubic", "bicubic", {"strength": 0.0}, 1, "general/pure-fsr/a.png", "0", 0.1, "fp32", operations=MADE
)
AUDITS = st.builds(
    Audit,
    st.just("ok"),
    st.none() | st.floats(0, 100),
    st.none() | st.floats(0, 100),
    hints=st.dictionaries(st.sampled_from(["strength", "nose"]), st.none() | st.floats(-1, 1), max_size=2),
) | st.just(Audit("invalid", reason="unusable: prose", fault="not in the form that was asked for"))
ADDED_BY_2 = {"audit": "fault", "decision": "rule", "verdict": "rule"}
"""What format 2 says of a round beyond format 1."""


def made(audit: Audit, retries: int, preferences: tuple[str, ...], niqe: float) -> Trail:
    """A trail of one audited round, decided by today's policy."""
    decision = decide(audit, {"strength": 0.0}, OFFERED, LIMITS, retries)
    guards = GUARDS if len(preferences) == 2 else None
    verdict = judge(preferences, {"niqe": 5.0}, {"niqe": niqe}, guards) if decision.action == "retry" else None
    return Trail("a", "general", "0", (Round(PURE, 0, DONE), Round("s", 1, DONE, audit, decision, verdict)))


def in_format_1(trail: Trail) -> dict[str, Any]:
    """What format 1 stored of it."""
    data = json.loads(json.dumps({"format": 1, **to_json(trail)}))
    for step, (part, name) in itertools.product(data["rounds"], ADDED_BY_2.items()):
        if step[part] is not None:
            del step[part][name]
    for step in data["rounds"]:
        del step["restoration"]["operations"], step["candidates"], step["ranking"], step["passes"], step["bound"]
    return data  # type: ignore[no-any-return]


@given(
    AUDITS, st.integers(0, 1), st.lists(st.sampled_from(CHOICES), min_size=1, max_size=2).map(tuple), st.floats(4, 6)
)
def test_a_trail_of_format_1_is_read_as_it_would_be_made_now(
    audit: Audit, retries: int, preferences: tuple[str, ...], niqe: float
) -> None:
    trail = made(audit, retries, preferences, niqe)
    assert shapes.trail().validate_python(in_format_1(trail)) == trail


@pytest.mark.parametrize(
    ("reason", "fault"),
    [
        ("refused: no faces", "refused"),
        ("empty reply (the token limit was used up before any text: raise max_tokens)", "empty"),
        ("cut off at the token limit (setting max_tokens): it is not JSON", "cut off at the token limit"),
        ("unusable: it is not JSON (Expecting value at character 0)", "not JSON"),
        ("unusable: there is no complete JSON object in the reply", "not JSON"),
        ("unusable: score is 600, outside 0 to 100", "not in the form that was asked for"),
        ("", "not in the form that was asked for"),
    ],
)
def test_what_was_wrong_with_a_reply_of_format_1(reason: str, fault: Fault) -> None:
    trail = made(Audit("invalid", reason=reason, fault=fault), 1, ("candidate",), 5.0)
    assert shapes.trail().validate_python(in_format_1(trail)) == trail


def test_a_sentence_that_format_1_did_not_know_is_refused() -> None:
    data = in_format_1(made(Audit("ok", 90, 90), 1, ("candidate",), 5.0))
    data["rounds"][1]["decision"]["why"] = "because"
    with pytest.raises(ValueError, match="for no reason that format 1 knows: because"):
        migrations.TRAIL.upgraded(data)


def test_every_earlier_number_has_a_step() -> None:
    for one in (migrations.TRAIL, migrations.STUDY, migrations.EXCHANGE):
        assert list(one.steps) == list(range(1, one.number))


def test_steps_follow_each_other_and_leave_their_record_alone() -> None:
    steps = {old: lambda record, old=old: {**record, "been": [*record.get("been", ()), old]} for old in (1, 2, 3)}
    record = {"format": 2, "case": "a"}
    assert Format(4, steps).upgraded(record) == {"format": 4, "case": "a", "been": [2, 3]}
    assert Format(2, steps).upgraded(record) == record == {"format": 2, "case": "a"}


@pytest.mark.parametrize("number", [0, -1, 3, 10**9, True, 1.0, "1", None, [1]])
def test_a_number_that_is_not_known_is_refused_with_the_cure(number: object) -> None:
    with pytest.raises(ValueError, match=r"it has another format than 1, 2: use the fsrbench that made it"):
        migrations.TRAIL.upgraded({"format": number})


@pytest.mark.parametrize("record", [None, [], "x", {}, {"rounds": []}])
def test_what_has_no_number_is_refused(record: object) -> None:
    with pytest.raises(ValueError, match="another format"):
        migrations.TRAIL.upgraded(record)


@pytest.mark.parametrize(
    "rounds", [None, 1, [1], ["x"], [{"audit": 1}], [{"decision": {}}], [{"verdict": {"preferences": []}}]]
)
def test_what_only_says_that_it_is_of_format_1_is_refused(rounds: object) -> None:
    with pytest.raises(ValueError, match="it says that it has format 1, and has not"):
        migrations.TRAIL.upgraded({"format": 1, "rounds": rounds})


def test_reading_an_old_trail_leaves_its_file_as_it_is_and_a_later_one_is_refused(tmp_path: Path) -> None:
    trail, file = made(Audit("ok", 90, 90), 1, ("candidate",), 5.0), tmp_path / "trails/general/a.json"
    stored = in_format_1(trail)
    for step, place in zip(stored["rounds"], ("pure-fsr", "fsr+s"), strict=True):
        step["restoration"]["path"] = f"general/{place}/a.png"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(stored), encoding="utf-8")
    read = RunFolder(tmp_path).trail("general", "a")
    assert read is not None
    assert [step.decision for step in read.rounds] == [step.decision for step in trail.rounds]
    assert json.loads(file.read_text(encoding="utf-8")) == stored
    RunFolder(tmp_path).write_trail(read)
    written = json.loads(file.read_text(encoding="utf-8"))
    assert (written["format"], written["rounds"][1]["decision"]["rule"]) == (2, "score reached")
    file.write_text(json.dumps({**written, "format": 3}), encoding="utf-8")
    with pytest.raises(StoreError, match=r"another format than 1, 2: use the fsrbench that made it"):
        RunFolder(tmp_path).trail("general", "a")


def test_every_name_is_one_that_the_first_step_gives() -> None:
    """Those of format 1: what a later policy decides by has no sentence there."""
    rules = {migrations._decision_rule({"action": a, "why": w}) for a, w in migrations._DECISIONS}
    assert rules == set(get_args(DecisionRule))
    both = itertools.product(CHOICES, CHOICES, (True, False))
    given = {migrations._verdict_rule({"preferences": [a, b], "kept": k}) for a, b, k in both}
    assert given == set(get_args(VerdictRule)) - {"certified", "not certified", "uncertified"}
