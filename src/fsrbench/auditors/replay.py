"""Answers from a finished run's records: the same run again, without its model and without a network.

Settings: `run`, the folder; `arm`, whose answers are given (may be left out where the run has one arm with an
auditor). An exchange is found by the hash of its task, whatever its kind: an answer is given only to the question that
was recorded. Where a record names no task (its auditor reads no text, or an earlier fsrbench kept it), it is found by
its round, and must be about the same picture to the last bit and, where it kept one, have the same prompt. What an
answer cost is what it cost then. A privileged arm is not replayed: its mark would be lost, and it asks nobody.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from fsrbench.asking import audit
from fsrbench.asking.comparison import task as comparison_task
from fsrbench.asking.reply import Problem, Unusable
from fsrbench.asking.task import Asked, Exchange, Said, Task, taken
from fsrbench.auditors import _settings
from fsrbench.core import plugins
from fsrbench.core.auditing import Auditor
from fsrbench.core.errors import AuditorUnreachable, SettingsError, StoreError
from fsrbench.core.questions import Answer, Bounds, Comparison, Preference, Question
from fsrbench.core.values import Round, Usage
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
WHOM = ("auditor", "server", "model", "sampling")
"""Parts of a record that say who was asked."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """One recorded round of the arm."""

    before: str
    """Hash of the picture that was audited."""
    round: Round
    """The round, as the trail holds it."""


@dataclass(frozen=True, slots=True)
class FoundRecord:
    """A recorded exchange."""

    round: int
    """The round that it belongs to."""
    record: dict[str, Any]
    """What was kept of it."""


@dataclass(frozen=True, slots=True)
class Replay:
    """A run's recorded arm."""

    run: Path
    """The run's folder."""
    arm: str
    """The arm."""
    takes_back: bool
    """Did its auditor take changes back that it did not like better?"""
    bounds: Bounds
    """How much of a reply is read."""

    def __call__(self, question: Question) -> Answer:
        """The recorded audit, if the question is the recorded one."""
        asked, rounds = audit.task(question).asked(), self._rounds(question.family, question.case)
        found = self._found(question.family, question.case, asked, rounds) or self._unnamed(question, asked, rounds)
        recorded = rounds[found.round - 1].round.audit
        if recorded is None:
            raise AuditorUnreachable(f"{self.run} recorded no audit of {self.arm} for {question.case}.")
        # Comparisons are given when they are asked for.
        return Answer(recorded, {key: value for key, value in found.record.items() if key != "comparisons"})

    def compare(self, comparison: Comparison) -> Preference:
        """The recorded preference between the same two pictures."""
        asked, rounds = comparison_task(comparison).asked(), self._rounds(comparison.family, comparison.case)
        found = self._found(comparison.family, comparison.case, asked, rounds)
        found = found or self._unnamed_pair(comparison, asked, rounds)
        verdict = rounds[found.round - 1].round.verdict
        if verdict is None or comparison.order > len(verdict.preferences):
            raise AuditorUnreachable(f"{self.run} recorded no such comparison of {self.arm} for {comparison.case}.")
        preferred = verdict.preferences[comparison.order - 1]
        # What it cost is in the recorded audit's usage already.
        return Preference(CHOSEN.get((comparison.order, preferred), "neither"), Usage(cost=0.0), found.record)

    def ask(self, task: Task[Said]) -> Exchange[Said]:
        """The recorded exchange of any other task, its last reply read again."""
        asked = task.asked()
        found = self._found(task.family, task.case, asked, self._rounds(task.family, task.case))
        replies = _replies(found.record) if found is not None else []
        if found is None or not replies:
            raise AuditorUnreachable(
                f"{self.run} recorded no such {task.kind} of {self.arm} for {task.case}: the question differs, in its "
                "text, its pictures or its form."
            )
        last = replies[-1]
        said, problem = None, Problem(last["fault"], last["problem"]) if last.get("fault") else None
        if problem is None:
            try:
                said = task.read(last["text"], self.bounds)
            except Unusable as error:
                problem = Problem(error.fault, f"unusable: {error}")
        whom = {name: found.record[name] for name in WHOM if name in found.record}
        return Exchange(asked, whom, said, problem, tuple(replies), taken(replies))

    @contextmanager
    def reserving(self, *_: Any, **__: Any) -> Iterator[Replay]:
        """Itself: what is replayed costs nothing now."""
        yield self

    def _found(self, family: str, case: str, asked: Asked, rounds: Sequence[Recorded]) -> FoundRecord | None:
        """The recorded exchange of this task, in whichever of the rounds."""
        wanted = asked.sha256
        for number in range(1, len(rounds) + 1):
            for record in _tasks(self._exchange(family, case, number, needed=False)):
                if record["task"] == wanted:
                    return FoundRecord(number, record)
        return None

    def _unnamed(self, question: Question, asked: Asked, rounds: Sequence[Recorded]) -> FoundRecord:
        """The record of this round, which names no task; or why it is not the one that is looked for."""
        if question.round > len(rounds):
            raise AuditorUnreachable(
                f"{self.run} recorded {len(rounds)} rounds of {self.arm} for {question.case}, and this is round "
                f"{question.round}: the policy asks for more than it did then."
            )
        if images.pixel_hash(question.evidence.sr) != rounds[question.round - 1].before:
            raise AuditorUnreachable(
                f"The restoration of {question.case} in round {question.round} is not the picture that {self.arm} "
                f"judged in {self.run}: its inputs, networks or settings differ."
            )
        record = self._exchange(question.family, question.case, question.round)
        self._same(question.case, record, asked)
        return FoundRecord(question.round, record)

    def _unnamed_pair(self, comparison: Comparison, asked: Asked, rounds: Sequence[Recorded]) -> FoundRecord:
        """The record of a comparison that names no task: that of the round in which the same picture stood."""
        standing = comparison.first if comparison.order == 1 else comparison.second
        digest = images.pixel_hash(standing.sr)
        for number, recorded in enumerate(rounds, start=1):
            if recorded.before != digest or recorded.round.verdict is None:
                continue
            comparisons = self._exchange(comparison.family, comparison.case, number).get("comparisons", ())
            if comparison.order <= len(comparisons):
                self._same(comparison.case, comparisons[comparison.order - 1], asked)
                return FoundRecord(number, comparisons[comparison.order - 1])
        raise AuditorUnreachable(f"{self.run} recorded no such comparison of {self.arm} for {comparison.case}.")

    def _rounds(self, family: str, case: str) -> list[Recorded]:
        path = Path(self.run, "trails", family, names.of(case, ".json"))
        trail = _read(path, shapes.trail())
        own = trail.arms.get(self.arm, ())
        if not own:
            raise AuditorUnreachable(f"{self.run} holds no finished {self.arm} for {case} in family {family}.")
        before = [step.restoration.sha256 for step in (trail.rounds[0], *own)]
        return [Recorded(digest, step) for digest, step in zip(before, own, strict=False)]

    def _exchange(self, family: str, case: str, number: int, *, needed: bool = True) -> dict[str, Any]:
        """What was exchanged in a round; nothing, where it is not needed and nobody was asked."""
        path = Path(self.run, "audits", family, self.arm, names.of(case, f"-{number}.json"))
        if not needed and not path.exists():
            return {}
        exchange = _read(path, shapes.exchange())
        exchange.pop("format", None)
        return exchange

    def _same(self, case: str, record: Mapping[str, Any], asked: Asked) -> None:
        """Is a record that was not found by its task about the same question, as far as it can be told?"""
        then = record.get("prompt", asked.prompt)
        if then == asked.prompt and "task" not in record:
            return
        pairs = zip(then.splitlines(), asked.prompt.splitlines(), strict=False)
        other = ", in its other pictures, or in the form of the reply" if then == asked.prompt else " in length"
        line = next((f": {one!r:.120} then, {two!r:.120} now" for one, two in pairs if one != two), other)
        raise AuditorUnreachable(f"The question about {case} is not the one that {self.run} recorded; it differs{line}")


def _tasks(record: Any) -> Iterator[dict[str, Any]]:
    """Every exchange in a record that names its task, however deep it lies: a round may ask several."""
    if isinstance(record, dict):
        if "task" in record:
            yield record
        for value in record.values():
            yield from _tasks(value)
    elif isinstance(record, list):
        for value in record:
            yield from _tasks(value)


def _replies(record: dict[str, Any]) -> list[dict[str, Any]]:
    """The replies of an exchange, checked."""
    try:
        found: list[dict[str, Any]] = shapes.exchange().validate_python(record).get("replies", [])
    except ValueError as error:
        raise AuditorUnreachable(
            f"The record of this {record.get('kind')} was changed: {jsonfile.why(error)}."
        ) from None
    return found


def _open(settings: Mapping[str, Any], machine: Machine) -> Replay:
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
    return Replay(folder, name, _took_back(folder, name), machine.bounds)


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
    "Answers from a finished run's records, without its model and without a network.", _open, compares=True
)
