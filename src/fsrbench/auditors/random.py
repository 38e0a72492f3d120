"""A control: an auditor that guesses. It looks at nothing, so what an arm with it gains is what luck gains.

How many knobs, which, and their new values are drawn evenly from what the question allows (knobs that are known to
be dead are no draw), once, with full
confidence, so that the policy follows it; the second picture is accepted as it is. Between two pictures it
tosses a coin for each order. Everything is drawn from the question's own seed.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from fsrbench.auditors import _settings
from fsrbench.core.auditing import Auditor
from fsrbench.core.contracts import Knob
from fsrbench.core.questions import Answer, Comparison, Preference, Question
from fsrbench.core.stored import KnobValue
from fsrbench.core.values import Audit, derive_seed

if TYPE_CHECKING:
    from fsrbench.core.contracts import Machine


class Guesser:
    """Answers without looking."""

    def __call__(self, question: Question) -> Answer:
        """Draw changes in the first round; accept in every later one."""
        hints = _draw(question) if question.round == 1 else {}
        said = Audit(
            status="ok",
            score=0 if hints else 100,
            confidence=100,
            hints=hints,
            reason="Drawn at random, without looking: a control.",
        )
        known = {"dead": list(question.dead)} if question.dead else {}
        return Answer(said, {"auditor": "random", "seed": question.seed, **known, "hints": dict(hints)})

    def compare(self, comparison: Comparison) -> Preference:
        """Toss a coin, another one for each order."""
        coin = random.Random(derive_seed(comparison.seed, "order", str(comparison.order)))
        chosen: Literal["first", "second"] = "first" if coin.random() < 0.5 else "second"
        return Preference(chosen, exchange={"auditor": "random", "seed": comparison.seed, "chosen": chosen})


def _open(settings: Mapping[str, Any], _machine: Machine) -> Guesser:
    _settings.check(settings, {})
    return Guesser()


def _draw(question: Question) -> dict[str, KnobValue]:
    """How many knobs, which, and where to."""
    draw = random.Random(question.seed)
    offered = {name: knob for name, knob in question.offered.items() if name not in question.dead}
    most = len(offered) if question.max_changes is None else min(len(offered), question.max_changes)
    if most < 1:
        return {}
    chosen = draw.sample(list(offered), draw.randint(1, most))
    return {name: _value(draw, offered[name], question.knobs.get(name)) for name in chosen}


def _value(draw: random.Random, knob: Knob, current: KnobValue | None) -> KnobValue:
    """Another value of a choice; any value of a band, in which the one where it stands has no weight."""
    if knob.choices:
        return draw.choice([value for value in knob.choices if value != current] or knob.choices)
    return draw.uniform(*knob.band)


AUDITOR = Auditor(
    "Control: guesses, evenly over the allowed knobs, without looking at anything.", _open, control=True, compares=True
)
