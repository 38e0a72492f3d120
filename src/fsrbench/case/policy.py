"""What follows from an audit, and whether a candidate is kept: pure functions of what was said and measured.

Nothing here restores or asks; `ways/audit.py` does. Every hint ends up applied, clamped and applied,
or dropped with a reason, so that a reader of `run_config.csv` can see what became of it.
"""

from __future__ import annotations

from collections.abc import Mapping

from fsrbench.core.contracts import Knob
from fsrbench.core.questions import GuardLimits, PolicyLimits
from fsrbench.core.stored import Knobs, KnobValue
from fsrbench.core.values import Audit, Decision, Verdict


def decide(
    audit: Audit, current: Knobs, offered: Mapping[str, Knob], limits: PolicyLimits, retries_left: int
) -> Decision:
    """Accept, retry with changed knobs, or stop.

    The order of the rules: a reply that could not be used changes nothing; a reached score is accepted;
    a hint without confidence is not followed; a hint without effect is none; then retries decide.
    """
    if audit.status == "invalid" or audit.score is None:
        return Decision("stop", "unusable", "the reply could not be used: the current picture stands")
    if audit.score >= limits.accept_score:
        return Decision("accept", "score reached", f"score {audit.score:g} reached {limits.accept_score:g}")
    if audit.confidence is None or audit.confidence < limits.min_confidence:
        said = "no confidence given" if audit.confidence is None else f"confidence {audit.confidence:g}"
        why = f"{said}, below {limits.min_confidence:g}: the current picture stands"
        return Decision("stop", "low confidence", why)
    applied, clamped, dropped = _sort_hints(audit, current, offered, limits.max_changes)
    if not applied:
        return Decision("accept", "no effective hint", "no hint that would change anything", {}, clamped, dropped)
    if retries_left < 1:
        return Decision("stop", "no retry left", "no retry is left", {}, clamped, dropped)
    asked = ", ".join(f"{name} {value:g}" for name, value in applied.items())
    why = f"score {audit.score:g} below {limits.accept_score:g}: {asked}"
    return Decision("retry", "hints followed", why, applied, clamped, dropped)


def judge(
    preferences: tuple[str, ...],
    before: Mapping[str, float | None],
    after: Mapping[str, float | None],
    guards: GuardLimits | None,
) -> Verdict:
    """Keep a candidate only if it was preferred whenever it was shown and no guard trips.

    `before` and `after` are the measured numbers of the picture that stands and of the candidate. What could
    not be measured on both cannot trip a guard. A disagreement between the orders is no preference. Without guards
    it is an auditor that takes its own changes back: it was asked once.
    """
    tripped = _tripped(before, after, guards) if guards is not None else {}
    if len(set(preferences)) > 1:
        return Verdict(False, "orders disagree", "not kept: the two orders disagree", preferences, tripped)
    if preferences[0] != "candidate":
        lost = "taken back" if guards is None else "not kept"
        return Verdict(False, "not preferred", f"{lost}: preferred: {preferences[0]}", preferences, tripped)
    if tripped:
        return Verdict(False, "guard tripped", f"not kept: guard {', '.join(tripped)}", preferences, tripped)
    liked = "preferred" if guards is None else "preferred in both orders, no guard tripped"
    return Verdict(True, "preferred", f"kept: {liked}", preferences, tripped)


def _tripped(
    before: Mapping[str, float | None], after: Mapping[str, float | None], guards: GuardLimits
) -> dict[str, str]:
    """Guards beyond which the candidate has become worse: "before → after"."""
    falls = {"consistency": 1, "identity": 1, "niqe": -1}
    tripped = {}
    for name, sign in falls.items():
        one, other = before.get(name), after.get(name)
        if one is not None and other is not None and sign * (one - other) > getattr(guards, name):
            tripped[name] = f"{one:.4g} → {other:.4g}"
    return tripped


def _sort_hints(
    audit: Audit, current: Knobs, offered: Mapping[str, Knob], max_changes: int | None
) -> tuple[dict[str, KnobValue], dict[str, str], dict[str, str]]:
    """Hints that take effect, those that were clamped ("asked → given"), and those dropped, with the reason."""
    applied: dict[str, KnobValue] = {}
    clamped: dict[str, str] = {}
    dropped: dict[str, str] = {}
    changed = {name for name, value in current.items() if value != offered[name].default}
    for name, asked in audit.hints.items():
        if asked is None:
            continue
        if name not in offered:
            dropped[name] = "not a knob of this family"
            continue
        try:
            given = offered[name].clamp(asked)
        except ValueError as error:
            dropped[name] = str(error)
            continue
        if given == current.get(name, offered[name].default):
            dropped[name] = f"{given:g} is where it stands"
        elif max_changes is not None and len(changed | {name}) > max_changes:
            dropped[name] = f"over the limit of {max_changes} change{'s' * (max_changes > 1)}"
        else:
            applied[name] = given
            changed = changed - {name} if given == offered[name].default else changed | {name}
        if given != asked:
            clamped[name] = f"{asked!r:.40} → {given:g}"
    return applied, clamped, dropped
