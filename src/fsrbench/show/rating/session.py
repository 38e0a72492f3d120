"""What the served page asks, answered: what a person is shown next, a picture by its name, a choice to be stored."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, get_args

from fsrbench.core.errors import InputError
from fsrbench.measure import choices
from fsrbench.measure.choices import Choice, Side
from fsrbench.measure.subjects import Evaluation
from fsrbench.show.rating import sheets
from fsrbench.show.rating.sheets import RatedPair, SheetPlan, Showing
from fsrbench.show.rating.shots import BlindNames, Shots
from fsrbench.study.paths import RunPaths

SIDES: tuple[Side, ...] = get_args(Side)
SLOWEST = 86_400.0
"""Seconds of a choice, at most: what is longer was left open."""


class RatingSession:
    """One run that people are asked about. May be used by several threads."""

    def __init__(
        self, folder: RunPaths, what: Evaluation, pairs: Sequence[RatedPair], plan: SheetPlan, *, reference: bool
    ) -> None:
        self._folder, self._pairs, self._plan = folder, pairs, plan
        self._names = BlindNames.of(folder)
        shown = [Showing(pair.family, pair.case, *pair.arms) for pair in pairs]
        self._shots = Shots(what, shown, self._names, reference=reference)
        self._known: dict[str, Showing] = {}
        self._lock = threading.Lock()

    def begin(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """What a person is shown, and what they chose of it before."""
        rater = _rater(asked)
        sheet = sheets.sheet(self._pairs, self._plan, rater)
        before = [choice for choice in choices.read(self._folder) if choice.rater == rater]
        known = {choice.key: choice for choice in before}
        done = {}
        for one in sheet:
            if choice := known.get(one.key(rater)):
                chosen = choice.chosen if choice.first == one.first or choice.chosen == "tie" else _other(choice.chosen)
                done[self._names.showing(one)] = {"chosen": chosen, "seconds": choice.seconds}
        with self._lock:
            self._known.update({self._names.showing(one): one for one in sheet})
            return {"rater": rater, "showings": [self._shots.told(one) for one in sheet], "done": done}

    def choose(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Store a choice; it is on the disk when this returns."""
        rater, one = _rater(asked), self._known.get(str(asked.get("id")))
        if one is None:
            raise InputError("This pair is not known any more. Load the page again.")
        choices.add(self._folder, [choice_of(rater, one, asked, datetime.now(UTC).isoformat(timespec="seconds"))])
        return {}

    def png(self, name: str) -> bytes | None:
        """A picture by its name."""
        return self._shots.png(name)


def choice_of(rater: str, one: Showing, told: Mapping[str, Any], at: str) -> Choice:
    """What a page says of a choice, as it is stored; an InputError for what no page says."""
    chosen = next((side for side in SIDES if side == told.get("chosen")), None)
    if chosen is None:
        raise InputError(f"A choice is one of {', '.join(SIDES)}; {told.get('chosen')!s:.40} is none.")
    return Choice(rater, *one.parts(), chosen, one.repeat, one.check, _seconds(told.get("seconds")), at)


def _seconds(told: object) -> float | None:
    """A time that can have been taken; None for any other."""
    if isinstance(told, bool) or not isinstance(told, int | float) or not 0 <= told <= SLOWEST:
        return None
    return round(float(told), 3)


def _rater(asked: Mapping[str, Any]) -> str:
    return choices.named(str(asked.get("rater", "")))


def _other(side: Side) -> Side:
    return "second" if side == "first" else "first"
