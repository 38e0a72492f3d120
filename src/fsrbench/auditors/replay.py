"""Answers from a finished run's records: the same run again, without its model and without a network.

Settings: `run`, the folder; `arm`, whose answers are given (may be left out where the run has one arm with an
auditor). An answer is given only to the question that was recorded: the same picture to the last bit and, where
the exchange kept it, the same prompt. What an answer cost is what it cost then. A privileged arm is not
replayed: its mark would be lost, and it asks nobody.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from fsrbench import images, plugins
from fsrbench.auditors import _settings
from fsrbench.errors import AuditorUnreachable, SettingsError
from fsrbench.plugins import Auditor
from fsrbench.values import PURE, Answer, Audit, Comparison, Preference, Question, Usage

if TYPE_CHECKING:
    from fsrbench.plugins import Machine

CHOSEN: dict[tuple[int, str], Literal["first", "second", "neither"]] = {
    (1, "current"): "first",
    (1, "candidate"): "second",
    (2, "candidate"): "first",
    (2, "current"): "second",
}
"""What was preferred, by the order in which the two were shown."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """One recorded round of the arm."""

    before: str
    """Hash of the picture that was audited."""
    round: dict[str, Any]
    """The round, as the trail holds it."""


@dataclass(frozen=True, slots=True)
class Replay:
    """A run's recorded arm."""

    run: Path
    """The run's folder."""
    arm: str
    """The arm."""

    def __call__(self, question: Question) -> Answer:
        """The recorded audit, if the question is the recorded one."""
        rounds = self._rounds(question.family, question.case)
        if question.round > len(rounds):
            raise AuditorUnreachable(
                f"{self.run} recorded {len(rounds)} rounds of {self.arm} for {question.case}, and this is round "
                f"{question.round}: the policy asks for more than it did then."
            )
        recorded = rounds[question.round - 1]
        if images.pixel_hash(question.evidence.sr) != recorded.before:
            raise AuditorUnreachable(
                f"The restoration of {question.case} in round {question.round} is not the picture that {self.arm} "
                f"judged in {self.run}: its inputs, networks or settings differ."
            )
        exchange = self._exchange(question.family, question.case, question.round)
        exchange.pop("comparisons", None)  # they are given when they are asked for
        self._same(question.case, exchange.get("prompt", question.prompt), question.prompt)
        return Answer(_audit(recorded.round["audit"]), exchange)

    def compare(self, comparison: Comparison) -> Preference:
        """The recorded preference between the same two pictures."""
        standing = comparison.first if comparison.order == 1 else comparison.second
        digest = images.pixel_hash(standing.sr)
        for number, recorded in enumerate(self._rounds(comparison.family, comparison.case), start=1):
            if recorded.before == digest and recorded.round["verdict"] is not None:
                preferred = recorded.round["verdict"]["preferences"][comparison.order - 1]
                exchange = self._exchange(comparison.family, comparison.case, number)
                one = exchange["comparisons"][comparison.order - 1]
                self._same(comparison.case, one.get("prompt", comparison.prompt), comparison.prompt)
                # What it cost is in the recorded audit's usage already.
                return Preference(CHOSEN.get((comparison.order, preferred), "neither"), Usage(cost=0.0), one)
        raise AuditorUnreachable(f"{self.run} recorded no such comparison of {self.arm} for {comparison.case}.")

    def _rounds(self, family: str, case: str) -> list[Recorded]:
        trail = _read(self.run / "trails" / family / f"{case}.json")
        own = [step for step in trail["rounds"] if step["arm"] == self.arm]
        if not own:
            raise AuditorUnreachable(f"{self.run} holds no finished {self.arm} for {case} in family {family}.")
        pure = next(step for step in trail["rounds"] if step["arm"] == PURE)
        before = [step["restoration"]["sha256"] for step in (pure, *own)]
        return [Recorded(digest, step) for digest, step in zip(before, own, strict=False)]

    def _exchange(self, family: str, case: str, number: int) -> dict[str, Any]:
        exchange = _read(self.run / "audits" / family / self.arm / f"{case}-{number}.json")
        exchange.pop("format", None)
        return exchange

    def _same(self, case: str, then: str, now: str) -> None:
        if then == now:
            return
        pairs = zip(then.splitlines(), now.splitlines(), strict=False)
        line = next((f": {one!r:.120} then, {other!r:.120} now" for one, other in pairs if one != other), " in length")
        raise AuditorUnreachable(f"The question about {case} is not the one that {self.run} recorded; it differs{line}")


def _open(settings: Mapping[str, Any], _machine: Machine) -> Replay:
    chosen = _settings.check(settings, {"run": (str,), "arm": (str,)})
    if "run" not in chosen:
        raise SettingsError("The auditor replay needs the folder of a finished run: set run in the arm's settings.")
    folder = Path(chosen["run"]).expanduser()
    auditors = _auditors(folder)
    name = chosen.get("arm") or (next(iter(auditors)) if len(auditors) == 1 else None)
    if name not in auditors:
        known = ", ".join(auditors) or "none"
        asked = "needs the setting arm" if name is None else f"cannot replay {name!r}"
        raise SettingsError(f"The auditor replay {asked}: the arms of {folder} that have an auditor are {known}.")
    if plugins.load("auditors", auditors[name]).privileged:
        raise SettingsError(
            f"The arm {name} of {folder} saw the reference, and a replay would not be marked so. Run the auditor "
            f"{auditors[name]} itself: it asks nobody and answers the same."
        )
    return Replay(folder, name)


def _auditors(folder: Path) -> dict[str, str]:
    """Arm → auditor, of the run's arms that have one."""
    import yaml

    try:
        study = yaml.safe_load((folder / "study.yaml").read_text(encoding="utf-8"))
        arms = study["settings"]["arms"]
        return {name: arm["auditor"] for name, arm in arms.items() if arm.get("auditor")}
    except FileNotFoundError:
        raise SettingsError(f"The auditor replay cannot use {folder}: it is no run's folder (no study.yaml).") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError, TypeError, KeyError, AttributeError) as error:
        raise SettingsError(f"{folder / 'study.yaml'} cannot be read: {error}.") from None


def _read(path: Path) -> dict[str, Any]:
    """One stored record."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise AuditorUnreachable(f"There is no record {path}: the run did not come to this case.") from None
    except (OSError, ValueError) as error:
        raise AuditorUnreachable(f"The record {path} cannot be read: {error}.") from None
    if not isinstance(data, dict):
        raise AuditorUnreachable(f"The record {path} is not what fsrbench writes.")
    return data


def _audit(stored: Mapping[str, Any]) -> Audit:
    """An audit as the trail holds it."""
    fields = {**stored, "tags": tuple(stored["tags"]), "repairs": tuple(stored["repairs"])}
    return Audit(**{**fields, "usage": Usage(**stored["usage"])})


AUDITOR = Auditor(
    "answers from a finished run's records, without its model and without a network", _open, compares=True
)
