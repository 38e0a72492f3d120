"""reply.py: strict, repaired only in listed ways, and never anything but its own error."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsrbench.asking import audit, reply
from fsrbench.case import policy
from fsrbench.core.contracts import Knob
from fsrbench.core.questions import MAX_REASON, Bounds, PolicyLimits
from fsrbench.core.stored import to_json
from fsrbench.core.values import TAGS, Audit

KNOBS = {
    "dehalo": Knob("Removes halos.", ("general",), "after", 0.0, 0.0, 1.0),
    "scale": Knob("Switches.", ("blind",), "restore", 4, choices=(2, 4)),
    "only": Knob("One face.", ("prior",), "restore", default=False, choices=(False, True)),
}
SCHEMA = audit.schema(KNOBS)
GOOD: dict[str, Any] = {
    "score": 72,
    "confidence": 85.5,
    "tags": ["ringing"],
    "hints": {"dehalo": 0.4, "scale": None, "only": None},
    "reason": "Halos at the jaw.",
}


def parse(text: str) -> audit.AuditReply:
    return audit.parse(text, SCHEMA, Bounds())


def changed(**fields: Any) -> str:
    return json.dumps({**GOOD, **fields})


def test_a_clean_reply_needs_no_repair() -> None:
    said = parse(json.dumps(GOOD))
    assert said == audit.AuditReply(72.0, 85.5, ("ringing",), {"dehalo": 0.4}, "Halos at the jaw.", ())


@pytest.mark.parametrize(
    ("text", "repairs"),
    [
        (f"```json\n{json.dumps(GOOD)}\n```", ("fenced block",)),
        (f"Here you are:\n```\n{json.dumps(GOOD)}\n```\nDone.", ("fenced block", "prose around the object")),
        (f"It isn't bad, I'd say {{roughly}}: {json.dumps(GOOD)} Bye!", ("prose around the object",)),
        (str({**GOOD, "hints": {"dehalo": 0.4}}), ("single quotes",)),
        (json.dumps(GOOD)[:-1] + ",\n}", ("trailing comma",)),
        (changed(tags=["ringing"]).replace('"ringing"]', '"ringing" , ]'), ("trailing comma",)),
        (changed(score="72", hints={"dehalo": " 0.4 "}), ("number as string",)),
        (changed(score="7.2/10"), ("score out of 10",)),
        (changed(score="0.72 / 1"), ("score out of 1",)),
        (changed(score="72 out of 100"), ("score out of 100",)),
        (changed(confidence="8.55/10"), ("score out of 10",)),
    ],
)
def test_listed_repairs_are_made_and_named(text: str, repairs: tuple[str, ...]) -> None:
    said = parse(text)
    assert (said.score, said.confidence, said.tags, said.hints) == (72, 85.5, ("ringing",), {"dehalo": 0.4})
    assert said.repairs == repairs
    assert set(repairs) <= set(reply.REPAIRS)


def test_single_quotes_keep_what_is_inside() -> None:
    text = "{'score': 1, 'confidence': 2, 'tags': [], 'hints': {}, 'reason': 'don\\'t say \"no\", a}'}"
    assert parse(text).reason == 'don\'t say "no", a}'


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty"),
        ("  \n ", "empty"),
        ("I cannot judge faces.", "no complete JSON object"),
        (json.dumps(GOOD)[:-20], "no complete JSON object"),
        (json.dumps([GOOD, GOOD]), "2 JSON objects"),
        (json.dumps(GOOD) + json.dumps(GOOD), "2 JSON objects"),
        ('{"score": 1, "score": 2, "confidence": 3, "tags": [], "hints": {}, "reason": ""}', "more than once"),
        (changed(score=float("nan")), "NaN"),
        (changed(confidence=float("inf")), "Infinity"),
        (changed(score="@").replace('"@"', "1e999"), "not finite"),
        (changed(score="@").replace('"@"', "9" * 400), "not finite"),
        (changed(score=101), "outside 0 to 100"),
        (changed(score=-1), "outside 0 to 100"),
        (changed(score="12/10"), "outside 0 to 100"),
        (changed(score=True), "not a number"),
        (changed(score=None), "not a number"),
        (changed(score="good"), "not a number"),
        (changed(score="8.5/7"), "not a number"),
        (changed(tags="ringing"), "not a list"),
        (changed(tags=[1]), "not a list"),
        (changed(hints=[]), "not an object"),
        (changed(hints=None), "not an object"),
        (changed(reason=["x"]), "not a text"),
        (json.dumps({"score": 5}), "no confidence and no tags"),
        ("{" * 500_000, "characters"),
        ("{" * 5000, "nested"),
        (changed(hints={"dehalo": [[[[[[[[[1]]]]]]]]]}), "nested"),
    ],
)
def test_anything_else_is_unusable_and_says_why(text: str, why: str) -> None:
    with pytest.raises(reply.Unusable, match=why):
        parse(text)


def test_what_is_superfluous_is_dropped_and_recorded() -> None:
    said = parse(changed(tags=["color shift", "ringing", "ringing"], verdict="ok"))
    assert said.tags == ("ringing",)
    assert said.repairs == ("dropped field 'verdict'", "dropped tag 'color shift'")


def test_a_megabyte_of_reason_is_refused_and_a_long_one_cut() -> None:
    with pytest.raises(reply.Unusable, match="the limit is"):
        parse(changed(reason="a" * 1_000_000))
    said = parse(changed(reason="a" * 5000))
    assert len(said.reason) == MAX_REASON
    assert said.repairs == ("shortened reason",)


@given(st.text(min_size=1, max_size=80), st.integers(1, 100), st.integers(200, 600))
def test_what_is_read_and_what_is_kept_have_bounds(reason: str, most: int, longest: int) -> None:
    text = changed(reason=reason)
    bounds = Bounds(longest, most)
    if len(text) > longest:
        with pytest.raises(
            reply.Unusable, match=rf"{len(text)} characters; the limit is {longest} \(limits\.max_reply"
        ):
            audit.parse(text, SCHEMA, bounds)
        return
    said, whole = audit.parse(text, SCHEMA, bounds), parse(text)
    assert len(said.reason) <= most
    assert whole.reason.startswith(said.reason.removesuffix("…"))
    assert (said.reason == whole.reason) == ("shortened reason" not in said.repairs)
    assert (said.score, said.tags, said.hints) == (whole.score, whole.tags, whole.hints)


def test_text_is_one_printable_line() -> None:
    said = parse(changed(reason="a\nb\x1b[31m\u202e\ud800 c\x00", hints={"x\ud800\n": "../../etc \u202e"}))
    assert said.reason == "a b[31m c"
    assert said.hints == {"x": "../../etc"}
    said.reason.encode()


def test_hints_pass_unchecked_but_plain_and_bounded() -> None:
    asked = {"dehalo": 7, "scale": 3, "only": "true", "rm -rf": {"deep": [1]}, "structure": "x" * 500}
    said = parse(changed(hints=asked))
    assert said.hints == {"dehalo": 7, "scale": 3, "only": "true", "rm -rf": '{"deep": [1]}', "structure": "x" * 80}
    assert len(parse(changed(hints={f"k{i}": i for i in range(100)})).hints) == audit.MAX_HINTS


@given(st.text() | st.text(alphabet="{}[]\"':,.0123456789eE-+ \n\\abntruefalsNI`j"))
def test_no_text_raises_anything_else(text: str) -> None:
    for candidate in (
        text,
        "{" + text + "}",
        json.dumps(GOOD).replace("72", text),
        json.dumps(GOOD)[: len(text)] + text,
    ):
        try:
            said = parse(candidate)
        except reply.Unusable:
            continue
        assert 0 <= said.score <= 100
        assert 0 <= said.confidence <= 100


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
        max_leaves=12,
    ),
    st.sampled_from(audit.FIELDS),
)
def test_no_value_in_any_field_raises_anything_else(value: Any, field: str) -> None:
    try:
        said = parse(changed(**{field: value}))
    except reply.Unusable:
        return
    json.dumps([said.hints, said.reason, said.repairs], allow_nan=False).encode()


@given(
    score=st.floats(0, 100),
    confidence=st.integers(0, 100),
    tags=st.lists(st.sampled_from(TAGS), unique=True),
    dehalo=st.none() | st.floats(0, 1),
    reason=st.text(alphabet=st.characters(categories=["L", "N", "P"]), max_size=200),
    wrap=st.sampled_from(["{}", "```json\n{}\n```", "Well, it's this: {} I think."]),
)
def test_valid_replies_come_through_whole(
    score: float, confidence: int, tags: list[str], dehalo: float | None, reason: str, wrap: str
) -> None:
    fields = {"score": score, "confidence": confidence, "tags": tags, "hints": {"dehalo": dehalo}, "reason": reason}
    if "```" in reason:
        return
    said = parse(wrap.replace("{}", json.dumps(fields)))
    assert (said.score, said.confidence, list(said.tags)) == (score, confidence, tags)
    assert said.hints == ({} if dehalo is None else {"dehalo": dehalo})
    assert said.reason == reason


NOISE = ("null", "{", "}", "[", "]", '"', "'", "\\u0000", "\\", "NaN", "-Infinity", "1e999", "8.5/10", "```",
         "\x00", "\ud83d", "true", "__import__(0)", ",,", ": :", "No.", '"score": 3, ', "\u2028")  # fmt: skip
LIMITS = PolicyLimits(min_confidence=80, accept_score=80, retries=1, max_changes=2)


@pytest.mark.slow
def test_a_thousand_mutated_replies_have_a_recorded_outcome(record_property: Any) -> None:
    """From its text through the reader to the policy: understood, or invalid with a reason; knobs in bounds."""
    ends = {"ok": 0, "invalid": 0}
    start = json.dumps(GOOD)

    @settings(max_examples=1000, deadline=None, derandomize=True, database=None)
    @given(st.text(max_size=40) | st.sampled_from(NOISE), st.integers(0, len(start)), st.integers(0, 40))
    def reads(noise: str, at: int, cut: int) -> None:
        try:
            said = parse(start[:at] + noise + start[at + cut :])
        except reply.Unusable as error:
            made = Audit("invalid", reason=str(error))
        else:
            made = Audit("ok", said.score, said.confidence, said.tags, said.hints, said.reason, said.repairs)
        decision = policy.decide(made, {}, KNOBS, LIMITS, 1)
        assert decision.why
        assert made.status == "ok" or (made.reason.strip() and decision.action == "stop")
        assert all(value == KNOBS[name].clamp(value) for name, value in decision.applied.items())
        json.dumps(to_json([made, decision]), allow_nan=False).encode()
        ends[made.status] += 1

    reads()
    assert sum(ends.values()) >= 1000
    record_property("fault", f"{sum(ends.values())} mutated auditor replies: {ends['ok']} understood, "
                             f"{ends['invalid']} recorded as invalid, no traceback")  # fmt: skip
