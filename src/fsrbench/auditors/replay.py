"""Answers from a finished run's records: the same run again, without its model and without a network.

Settings: `run`, the folder; `arm`, whose answers are given (may be left out where the run has one arm with an
auditor). An answer is given only to the question that was recorded: the same picture to the last bit and, where
the exchange kept it, the same prompt. What an answer cost is what it cost then. A privileged arm is not
replayed: its mark would be lost, and it asks nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from fsrbench.auditors import _settings
from fsrbench.core import plugins
from fsrbench.core.contracts import Auditor
from fsrbench.core.errors import AuditorUnreachable, SettingsError, StoreError
from fsrbench.core.values import Answer, Comparison, Preference, Question, Round, Usage
from fsrbench.files import atomic, jsonfile, names, shapes, yamlfile
from fsrbench.imaging import images

if TYPE_CHECKING:
    from pydantic import TypeAdapter

    from fsrbench.core.contracts import Machine

Stored = TypeVar("Stored")
MAX_STUDY = 20_000_000
"""Bytes of a `study.yaml`."""

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
    round: Round
    """The round, as the trail holds it."""


@dataclass(frozen=True, slots=True)
class Replay:
    """A run's recorded arm."""

    run: Path
    """The run's folder."""
    arm: str
    """The arm."""
    takes_back: bool
    """Did its auditor take changes back that it did not like better?"""

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
        if recorded.round.audit is None:
            raise AuditorUnreachable(f"{self.run} recorded no audit of {self.arm} for {question.case}.")
        return Answer(recorded.round.audit, exchange)

    def compare(self, comparison: Comparison) -> Preference:
        """The recorded preference between the same two pictures."""
        standing = comparison.first if comparison.order == 1 else comparison.second
        digest = images.pixel_hash(standing.sr)
        for number, recorded in enumerate(self._rounds(comparison.family, comparison.case), start=1):
            verdict = recorded.round.verdict
            if recorded.before != digest or verdict is None:
                continue
            comparisons = self._exchange(comparison.family, comparison.case, number).get("comparisons", ())
            if comparison.order <= min(len(verdict.preferences), len(comparisons)):
                preferred, one = verdict.preferences[comparison.order - 1], comparisons[comparison.order - 1]
                self._same(comparison.case, one.get("prompt", comparison.prompt), comparison.prompt)
                # What it cost is in the recorded audit's usage already.
                return Preference(CHOSEN.get((comparison.order, preferred), "neither"), Usage(cost=0.0), one)
        raise AuditorUnreachable(f"{self.run} recorded no such comparison of {self.arm} for {comparison.case}.")

    def _rounds(self, family: str, case: str) -> list[Recorded]:
        path = Path(self.run, "trails", family, names.of(case, ".json"))
        trail = _read(path, shapes.trail())
        own = trail.arms.get(self.arm, ())
        if not own:
            raise AuditorUnreachable(f"{self.run} holds no finished {self.arm} for {case} in family {family}.")
        before = [step.restoration.sha256 for step in (trail.rounds[0], *own)]
        return [Recorded(digest, step) for digest, step in zip(before, own, strict=False)]

    def _exchange(self, family: str, case: str, number: int) -> dict[str, Any]:
        path = Path(self.run, "audits", family, self.arm, names.of(case, f"-{number}.json"))
        exchange = _read(path, shapes.exchange())
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
    return Replay(folder, name, _took_back(folder, name))


def _auditors(folder: Path) -> dict[str, str]:
    """Arm → auditor, of the run's arms that have one."""
    import yaml

    file = folder / "study.yaml"
    try:
        text = atomic.read_bytes(file, MAX_STUDY).decode()
        if why := yamlfile.unfit(text):
            raise SettingsError(f"{file} {why}.")
        arms = yamlfile.load(text)["settings"]["arms"]
        found = {name: arm["auditor"] for name, arm in arms.items() if arm.get("auditor")}
    except FileNotFoundError:
        raise SettingsError(f"The auditor replay cannot use {folder}: it is no run's folder (no study.yaml).") from None
    except (OSError, yaml.YAMLError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise SettingsError(f"{file} cannot be read: {jsonfile.why(error)}.") from None
    if not all(isinstance(text, str) for entry in found.items() for text in entry):
        raise SettingsError(f"{file} was edited: an arm or its auditor is no name.")
    return found


def _took_back(folder: Path, arm: str) -> bool:
    """Was the arm's auditor asked once more, and alone, about what its hints had made? The first such case tells."""
    for path in sorted(folder.glob("trails/*/*.json")):
        try:
            steps = _read(path, shapes.trail()).arms.get(arm, ())
        except AuditorUnreachable:
            continue  # its own case says so when it is asked for
        restored = [step.verdict for step in steps if step.decision is not None and step.decision.action == "retry"]
        if restored:
            return restored[0] is not None and len(restored[0].preferences) == 1
    return False


def _read(path: Path, shape: TypeAdapter[Stored]) -> Stored:
    """One stored record."""
    try:
        return jsonfile.read(path, shape, "This case cannot be replayed.")
    except FileNotFoundError:
        raise AuditorUnreachable(f"There is no record {path}: the run did not come to this case.") from None
    except StoreError as error:
        raise AuditorUnreachable(str(error)) from None


AUDITOR = Auditor(
    "answers from a finished run's records, without its model and without a network", _open, compares=True
)
