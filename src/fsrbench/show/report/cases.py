"""Everything that is told of one case: its pictures, its numbers, and each arm's rounds with what its auditor saw."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fsrbench.core import order
from fsrbench.core.errors import StoreError
from fsrbench.core.values import PURE, Round, Score, Trail
from fsrbench.imaging import faces, images
from fsrbench.measure import subjects
from fsrbench.measure.choices import Choice
from fsrbench.measure.results import Results
from fsrbench.measure.subjects import Evaluation, Subject
from fsrbench.show import numbers, patches, people, regions, wording
from fsrbench.show.patches import PatchPlaces
from fsrbench.show.report import rounds
from fsrbench.show.report.pictures import Gallery, Shown
from fsrbench.study import inputs
from fsrbench.study.store import RunFolder

LONG = re.compile(r"-?\d+\.\d{6,}")
"""A number with more digits than anybody reads."""
ROUNDS = 11
"""Most rounds of an arm: the first, and as many retries as a policy may allow."""


@dataclass(frozen=True, slots=True)
class NumberedText:
    """A long text, of which many are alike: stored once a line."""

    words: str
    """What it says."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One case of one family: finished, or failed and therefore without pictures."""

    family: str
    """Its family."""
    case: str
    """Its id."""
    place: int | None
    """Which of the subjects it is; None where nothing could be restored."""
    failed: Mapping[str, str]
    """Arm (or pure) → why there is no result."""
    arms: tuple[str, ...]
    """The arms that have something to tell, finished or failed."""


@dataclass(frozen=True, slots=True)
class Told:
    """One case with everything that is said of it; large, and so never held for all cases."""

    entry: Entry
    """The case."""
    trail: Trail | None
    """What happened to it."""
    details: dict[str, Any]
    """Ready for JSON but for its long texts. Numbers are texts already: the page rounds nothing."""
    deltas: dict[tuple[str, str], float]
    """(arm, metric) → difference from pure, for sorting."""


def entries(results: Results) -> list[Entry]:
    """All cases of an evaluation, by family and name, with what failed."""
    failed: dict[tuple[str, str], dict[str, str]] = {}
    for failure in subjects.failures(RunFolder(results.root), results.what):
        failed.setdefault((failure.family, failure.case), {})[failure.arm] = failure.why
    done = {(s.family, s.case): (place, tuple(s.variants)) for place, s in enumerate(results.what.subjects)}
    found, nothing = [], dict[str, str]()
    alike: dict[tuple[str, ...], tuple[str, ...]] = {}
    for key in sorted({*done, *failed}, key=lambda place: (order.family(place[0]), place[1])):
        (place, variants), why = done.get(key, (None, ())), failed.get(key, nothing)
        arms = tuple(order.arms({*variants, *why} - {PURE}, results.what.roles))
        found.append(Entry(*key, place, why, alike.setdefault(arms, arms)))
    return found


def title(arm: str) -> str:
    """An arm as people read it."""
    return "Pure" if arm == PURE else wording.arm_title(arm)


def difference(metric: wording.MetricLike, delta: float | None) -> tuple[str, int]:
    """A difference as the page shows it, and 1 where it is better, -1 where it is worse, 0 where it is neither."""
    return wording.number(metric, delta, signed=True), wording.better(metric, delta)


class Teller:
    """Tells cases of one evaluation. May be used by several threads."""

    def __init__(self, results: Results, gallery: Gallery) -> None:
        self.results = results
        self.gallery = gallery
        self.folder = RunFolder(results.root)
        self.scores: dict[tuple[str, str], list[Score]] = {}
        for score in results.numbers.scores:
            self.scores.setdefault((score.family, score.case), []).append(score)
        self.choices: dict[tuple[str, str], list[Choice]] = {}
        for choice in results.what.choices:
            self.choices.setdefault((choice.family, choice.case), []).append(choice)

    def tell(self, entry: Entry) -> Told:
        """One case."""
        what = self.results.what
        subject = what.subjects[entry.place] if entry.place is not None else None
        trail = subject.trail if subject is not None else None
        keys: dict[str, str] = {}
        pictures, size = self._pictures(subject, trail, keys) if subject is not None else ({}, (0, 0))
        places = _places(subject, trail, what, size[::-1]) if subject is not None else None
        details = {
            "family": entry.family,
            "case": entry.case,
            "models": [[model, bool(wording.standin([model]))] for model in what.labels.get(entry.family, [])],
            "cluster": (what.clusters or {}).get(entry.case),
            "degraded": {name: _written(text) for name, text in what.degraded.get(entry.case, {}).items()},
            "pictures": pictures,
            "size": size,
            "patches": dict(places.boxes) if places is not None else None,
            "where": places.said if places is not None else "",
            "numbers": self._numbers(entry),
            "people": people.of_case(self.choices.get((entry.family, entry.case), ()), self.results.summary),
            "failed": entry.failed,
            "pure": self._round(entry, trail.rounds[0], keys) if trail is not None else None,
            "lr_sha256": trail.lr_sha256 if trail is not None else "",
            "arms": {arm: list(self._rounds(entry, trail, arm, keys)) for arm in entry.arms},
        }
        return Told(entry, trail, details, self._deltas(entry))

    # --------------------------------------------------------------- pictures

    def _pictures(
        self, subject: Subject, trail: Trail | None, keys: dict[str, str]
    ) -> tuple[dict[str, Any], tuple[int, int]]:
        """Key → picture or why there is none: lr, pure, each arm, its earlier rounds, candidates, reference; and pure's
        size. `keys` is told the first key of each hash."""
        found: dict[str, Shown] = {}
        bounds = self.results.what.limits.of_pictures()
        if subject.lr is not None:
            lr = subject.lr
            found["lr"] = self.gallery.add(lr, lambda: images.read(lr, **bounds))
        for arm, path in subject.variants.items():
            for number, earlier, content in _earlier(self.folder.root, trail, arm):
                found[keys.setdefault(content, f"{arm}:{number}")] = self._restoration(earlier, content)
            content = trail.final(arm).sha256 if trail is not None else ""
            found[f"{arm}:"] = self._restoration(path, content)
            keys.setdefault(content, f"{arm}:")
        size = next((shown.size for key, shown in found.items() if key != "lr" and shown.file), (0, 0))
        for key, path, content in _candidates(self.folder, trail):
            found[keys.setdefault(content, key)] = self._restoration(path, content)
        if subject.hr is not None:
            found["reference"] = self._reference(subject.hr, size)
        return {key: {"file": one.file, "why": one.why, "size": one.size} for key, one in found.items()}, size

    def _restoration(self, path: Path, content: str) -> Shown:
        return self.gallery.add(path, lambda: images.read_stored(path), content=content)

    def _reference(self, hr: Path, size: tuple[int, int]) -> Shown:
        """The HR as it is compared."""
        if size == (0, 0):
            return Shown(why="no picture of this case can be read, so that the reference has nothing to fit")
        what = self.results.what
        bounds = what.limits.of_pictures()
        return self.gallery.add(hr, lambda: inputs.reference(hr, size[::-1], what.hr_size, **bounds), fit=size)

    # ---------------------------------------------------------------- numbers

    def _deltas(self, entry: Entry) -> dict[tuple[str, str], float]:
        """(arm, metric) → difference from pure, where there is one."""
        places = [(s.arm, s.metric) for s in self.scores.get((entry.family, entry.case), ()) if s.arm != PURE]
        numbers = self.results.numbers
        found = ((place, numbers.delta(entry.family, place[1], place[0], entry.case)) for place in places)
        return {place: delta for place, delta in found if delta is not None}

    def _numbers(self, entry: Entry) -> dict[str, dict[str, dict[str, Any]]]:
        """Arm → metric → value and difference from pure as they are shown, or why there is no value."""
        found: dict[str, dict[str, dict[str, Any]]] = {}
        deltas = self._deltas(entry)
        for score in self.scores.get((entry.family, entry.case), ()):
            metric = self.results.what.metrics[score.metric]
            told: dict[str, Any] = {"value": wording.number(metric, score.value), "missing": score.value is None}
            if score.arm != PURE:
                told["delta"] = difference(metric, deltas.get((score.arm, score.metric)))
            found.setdefault(score.arm, {})[score.metric] = {**told, "note": score.note}
        return found

    # ----------------------------------------------------------------- rounds

    def _rounds(self, entry: Entry, trail: Trail | None, arm: str, keys: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        """An arm's rounds; for one that failed, what was exchanged before it did."""
        if trail is not None and arm in trail.arms:
            for step in trail.arms[arm]:
                yield self._round(entry, step, keys)
        elif arm in entry.failed:
            for number in range(1, ROUNDS + 1):
                if not (saw := self._saw(entry, arm, number)):
                    break
                yield {"number": number, "saw": saw}

    def _round(self, entry: Entry, step: Round, keys: Mapping[str, str]) -> dict[str, Any]:
        saw = self._saw(entry, step.arm, step.number) if step.audit else []
        return {**rounds.shown(step, keys), "saw": saw}

    def _saw(self, entry: Entry, arm: str, number: int) -> list[list[Any]]:
        """What was sent to an auditor and what came back: titles and texts."""
        try:
            exchange = self.folder.exchange(entry.family, arm, entry.case, number)
        except StoreError as error:
            return [["The record of the exchange cannot be read", NumberedText(str(error))]]
        return [[title, NumberedText(words)] for title, words in rounds.exchanged(exchange)] if exchange else []


def _earlier(root: Path, trail: Trail | None, arm: str) -> Iterator[tuple[int, Path, str]]:
    """Rounds whose picture is neither pure's nor the arm's last one: number, picture, hash."""
    if trail is None or arm == PURE:
        return
    known = {trail.pure.sha256, trail.final(arm).sha256}
    for step in trail.arms[arm]:
        done = step.restoration
        if done.sha256 not in known:
            known.add(done.sha256)
            yield step.number, root / done.path, done.sha256


def _candidates(folder: RunFolder, trail: Trail | None) -> Iterator[tuple[str, Path, str]]:
    """Candidates that no round ended with and whose picture is kept, each once: key, picture, hash."""
    if trail is None:
        return
    kept, known = folder.kept(trail), {step.restoration.sha256 for step in trail.rounds}
    for arm, steps in trail.arms.items():
        for number, one in enumerate(one for step in steps for one in step.candidates):
            if one.sha256 in kept and one.sha256 not in known:
                known.add(one.sha256)
                yield f"{arm}:c{number}", kept[one.sha256], one.sha256


def _written(text: str) -> str:
    """A part of a degradation: a number with many digits in short, all else as it stands."""
    return numbers.short(float(text)) if LONG.fullmatch(text) else text


def _places(subject: Subject, trail: Trail | None, what: Evaluation, size: tuple[int, int]) -> PatchPlaces | None:
    """Where face patches are cut: as auditors were shown them, or at the usual places of a square picture."""
    if (found := regions.shown(subject, trail, what, size)) is not None:
        return found
    return PatchPlaces(size, faces.regions(size, None), patches.CANONICAL) if size[0] == size[1] > 0 else None
