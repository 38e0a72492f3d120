"""The policy is a pure function: every rule, and that no hint is lost without a word."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsrbench.case.policy import decide, judge
from fsrbench.core.contracts import Knob
from fsrbench.core.questions import GuardLimits, PolicyLimits
from fsrbench.core.values import Audit, Decision, DecisionRule

OFFERED = {
    "strength": Knob("more of it", ("general",), "after", 0.0, low=0.0, high=0.5),
    "scale": Knob("times", ("general",), "restore", 4, choices=(2, 4)),
    "centre": Knob("only it", ("general",), "restore", False, choices=(False, True)),
}
START = {name: knob.default for name, knob in OFFERED.items()}
LIMITS = PolicyLimits(min_confidence=80, accept_score=80, retries=1, max_changes=None)


def audit(score: float | None = 50, confidence: float | None = 90, **hints: object) -> Audit:
    return Audit("ok", score, confidence, hints=dict(hints))


def test_a_reached_score_is_accepted_whatever_the_confidence() -> None:
    assert decide(audit(80, 10, strength=0.3), START, OFFERED, LIMITS, 1).action == "accept"


@pytest.mark.parametrize("confidence", [79.9, 0, None])
def test_low_or_missing_confidence_changes_nothing(confidence: float | None) -> None:
    decision = decide(audit(10, confidence, strength=0.3), START, OFFERED, LIMITS, 1)
    assert decision.action == "stop"
    assert decision.applied == {}


def test_invalid_is_not_accepted() -> None:
    decision = decide(Audit("invalid", reason="prose"), START, OFFERED, LIMITS, 1)
    assert decision.action == "stop"
    assert decision.rule == "unusable"


def test_no_effective_hint_is_accepted() -> None:
    for hints in ({}, {"strength": 0.0}, {"strength": None}, {"unknown": 1}):
        assert decide(audit(10, 90, **hints), START, OFFERED, LIMITS, 1).action == "accept"


def test_out_of_bounds_is_clamped_and_said() -> None:
    decision = decide(audit(strength=7, scale=3), START, OFFERED, LIMITS, 1)
    assert decision.action == "retry"
    assert decision.applied == {"strength": 0.5, "scale": 2}
    assert decision.clamped == {"strength": "7 → 0.5", "scale": "3 → 2"}


def test_what_cannot_be_a_value_is_dropped_with_the_reason() -> None:
    decision = decide(audit(strength="much", centre=1, scale=True, nose="bigger"), START, OFFERED, LIMITS, 1)
    assert decision.applied == {}
    assert set(decision.dropped) == {"strength", "centre", "scale", "nose"}
    assert "not a knob" in decision.dropped["nose"]


def test_at_most_the_familys_number_of_changes_counted_against_the_defaults() -> None:
    one = PolicyLimits(80, 80, 2, max_changes=1)
    first = decide(audit(strength=0.2, scale=2), START, OFFERED, one, 2)
    assert first.applied == {"strength": 0.2}
    assert "limit of 1 change" in first.dropped["scale"]
    later = decide(audit(scale=2, strength=0.4), {**START, **first.applied}, OFFERED, one, 1)
    assert later.applied == {"strength": 0.4}  # the same knob again is no further change


def test_used_up_retries_stop() -> None:
    decision = decide(audit(strength=0.2), START, OFFERED, LIMITS, 0)
    assert decision.action == "stop"
    assert decision.applied == {}


RULES: dict[DecisionRule, Decision] = {
    "unusable": decide(Audit("invalid"), START, OFFERED, LIMITS, 1),
    "score reached": decide(audit(80, 10, strength=0.3), START, OFFERED, LIMITS, 1),
    "low confidence": decide(audit(10, None, strength=0.3), START, OFFERED, LIMITS, 1),
    "no effective hint": decide(audit(10, 90, strength=0.0), START, OFFERED, LIMITS, 1),
    "no retry left": decide(audit(10, 90, strength=0.3), START, OFFERED, LIMITS, 0),
    "hints followed": decide(audit(10, 90, strength=0.3), START, OFFERED, LIMITS, 1),
}
FOLLOWS: dict[DecisionRule, str] = {
    "unusable": "stop",
    "score reached": "accept",
    "low confidence": "stop",
    "no effective hint": "accept",
    "no retry left": "stop",
    "hints followed": "retry",
}


def test_each_rule_decides_where_it_should() -> None:
    assert set(RULES) == set(get_args(DecisionRule))
    assert {rule: decision.rule for rule, decision in RULES.items()} == {rule: rule for rule in RULES}
    assert {rule: decision.action for rule, decision in RULES.items()} == FOLLOWS
    assert len({decision.why for decision in RULES.values()}) == len(RULES)


JSON = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.lists(st.integers(), max_size=2)
)


@given(
    st.floats(0, 100), st.one_of(st.none(), st.floats(0, 100)),
    st.dictionaries(st.one_of(st.sampled_from(sorted(OFFERED)), st.text(max_size=4)), JSON, max_size=5),
    st.integers(0, 3), st.one_of(st.none(), st.integers(1, 3)),
)  # fmt: skip
def test_whatever_is_asked_stays_in_bounds_and_is_accounted_for(
    score: float, confidence: float | None, hints: dict[str, object], left: int, most: int | None
) -> None:
    limits = PolicyLimits(80, 80, 3, most)
    decision = decide(Audit("ok", score, confidence, hints=hints), START, OFFERED, limits, left)
    for name, value in decision.applied.items():
        assert value == OFFERED[name].clamp(value) != START[name]
    assert len(decision.applied) <= (most or len(OFFERED))
    assert (decision.action == "retry") == bool(decision.applied)
    assert decision.action == FOLLOWS[decision.rule]
    if decision.action == "retry":
        assert {n for n, v in hints.items() if v is not None} == set(decision.applied) | set(decision.dropped)


GUARDS = GuardLimits(consistency=1.0, identity=0.05, niqe=0.5)
BEFORE = {"consistency": 30.0, "identity": 0.5, "niqe": 5.0}
BOTH = ("candidate", "candidate")


def test_a_candidate_is_kept_only_if_preferred_in_both_orders() -> None:
    assert judge(BOTH, BEFORE, BEFORE, GUARDS).kept
    for one in ("candidate", "current", "neither"):
        for other in ("candidate", "current", "neither"):
            verdict = judge((one, other), BEFORE, BEFORE, GUARDS)
            assert verdict.kept == ((one, other) == BOTH)
            assert (verdict.rule == "orders disagree") == (one != other)
            assert (verdict.rule == "preferred") == verdict.kept


@pytest.mark.parametrize(("name", "worse"), [("consistency", 28.9), ("identity", 0.44), ("niqe", 5.6)])
def test_each_guard_trips_alone_and_only_beyond_its_limit(name: str, worse: float) -> None:
    verdict = judge(BOTH, BEFORE, {**BEFORE, name: worse}, GUARDS)
    assert not verdict.kept
    assert (verdict.rule, list(verdict.guards)) == ("guard tripped", [name])
    bit_worse = BEFORE[name] + 0.7 * (worse - BEFORE[name])
    assert judge(BOTH, BEFORE, {**BEFORE, name: bit_worse}, GUARDS).kept
    better = BEFORE[name] - 3 * (worse - BEFORE[name])
    assert judge(BOTH, BEFORE, {**BEFORE, name: better}, GUARDS).kept


def test_what_was_not_measured_trips_nothing() -> None:
    assert judge(BOTH, BEFORE, dict.fromkeys(BEFORE), GUARDS).kept
    assert judge(BOTH, {}, BEFORE, GUARDS).kept


@pytest.mark.parametrize("said", ["candidate", "current", "neither"])
def test_an_auditor_that_takes_back_keeps_only_what_it_prefers(said: str) -> None:
    """No guard is looked at: it is the auditor's own choice, made once."""
    verdict = judge((said,), BEFORE, dict.fromkeys(BEFORE, -100.0), None)
    assert verdict.kept == (said == "candidate")
    assert verdict.guards == {}
    assert verdict.rule == ("preferred" if verdict.kept else "not preferred")
    assert verdict.why == ("kept: preferred" if verdict.kept else f"taken back: preferred: {said}")
