"""Does a knob move any pixel? Restores with each knob at the ends of its band and compares with the default.

A knob that moves no pixel of the pictures on which it was tried is called dead: what an auditor asks of it is
nothing, and every number about it is noise. One that moves them by one 8-bit level at most is called nearly dead. A
knob that needs pictures of a kind (`Knob.needs`) is tried on such a picture only, and where there is none, it could not
be tried, which is not dead. What a run shows later takes it back. The sentences about all this stand here, so that
`fsrbench knobs`, a run and its summary say the same; which pictures are tried is the callers' choice.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import asdict, dataclass
from itertools import combinations
from statistics import fmean
from typing import Any, TypeAlias

import numpy as np

from fsrbench.case.restore import Pipeline
from fsrbench.core.contracts import Backend, Knob, Machine
from fsrbench.core.errors import FsrbenchError
from fsrbench.core.stored import KnobValue
from fsrbench.core.values import Case, Image, Trail
from fsrbench.imaging import faces, images

Measure: TypeAlias = Callable[[Image, Image | None], float | None]
"""From (restoration, reference or None) to a number, or None where it cannot be had."""


PICTURES = 2
"""Pictures that knobs are tried on."""
SEARCHED = 16
"""Pictures among which one with several faces is looked for."""
NEARLY = 1
"""8-bit levels by which a nearly dead knob moves a value at most."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of trying a knob; it is stored in `study.yaml`."""

    pictures: int
    """On how many pictures it was tried; 0: it could not be."""
    largest: int
    """Largest change of one 8-bit value; larger ones than NEARLY are not looked for."""
    why: str = ""
    """Why it could not be tried."""
    moved: str = ""
    """A case in which it moved pixels after all, in a run."""

    @property
    def dead(self) -> bool:
        """It moved no pixel when it was tried, whatever came later: what a control that draws goes by."""
        return self.pictures > 0 and self.largest == 0

    def told(self, name: str) -> str:
        """What must be said of it, in a sentence without its end; empty where it moves pixels."""
        pictures = f"the {self.pictures} pictures" if self.pictures != 1 else "the 1 picture"
        if self.moved:
            before = f"moved no pixel of {pictures} on which it was tried" if self.pictures else "could not be tried"
            return f"{name} is not dead: it {before}, but moved pixels of {self.moved}"
        if not self.pictures:
            return f"{name} could not be tried: {self.why}" if self.why else ""
        if self.largest > NEARLY:
            return ""
        if self.largest:
            return f"{name} is nearly dead: it moves {pictures} on which it was tried by one 8-bit level at most"
        return f"{name} is dead: it moves no pixel of {pictures} on which it was tried"


def stored(trials: Mapping[str, Trial]) -> dict[str, dict[str, Any]]:
    """Trials as `study.yaml` holds them."""
    return {name: asdict(trial) for name, trial in trials.items()}


def recorded(study: Mapping[str, Any], family: str) -> dict[str, Trial]:
    """A family's trials from a study's record; none of an older one, and none that somebody garbled."""
    of_family = study.get("knob_trials")
    held = of_family.get(family) if isinstance(of_family, Mapping) else None
    found = {}
    for name, trial in held.items() if isinstance(held, Mapping) else ():
        kinds = {"pictures": int, "largest": int, "why": str, "moved": str}
        if isinstance(trial, Mapping) and {key: type(value) for key, value in trial.items()} == kinds:
            found[str(name)] = Trial(**trial)
    return found


def notes(family: str, trials: Mapping[str, Trial]) -> Iterator[str]:
    """Sentences on those knobs of a family of which something must be said."""
    for name, trial in trials.items():
        if told := trial.told(name):
            yield f"{family}: {told}."


@dataclass(frozen=True, slots=True)
class Specimen:
    """One picture to try knobs on."""

    lr: Image
    """The input."""
    seed: int
    """Seed of the backend's noise, the same for all settings: so noise is no movement."""
    reference: Image | None = None
    """The HR, for measures that compare with it."""


@dataclass(frozen=True, slots=True)
class End:
    """A knob at one end of its band (or at one of its choices), against its default."""

    value: KnobValue
    """Where it was turned to."""
    mean: float
    """Mean absolute change of all 8-bit values, over all pictures."""
    largest: int
    """Largest change of one 8-bit value."""
    changes: dict[str, float | None]
    """Measure → its mean change; None where it could be had for no picture."""


@dataclass(frozen=True, slots=True)
class Movement:
    """What a knob moves."""

    ends: tuple[End, ...]
    """Its ends other than the default; none where it could not be turned."""
    trial: Trial
    """What follows from it."""

    @property
    def dead(self) -> bool:
        """It could be turned, and no pixel of any picture moved."""
        return self.trial.dead


def ends(knob: Knob) -> tuple[KnobValue, ...]:
    """Where a knob is furthest from its default: the ends of its band, or all other choices."""
    candidates: Sequence[KnobValue | None] = knob.choices or (knob.low, knob.high)
    return tuple(value for value in candidates if value is not None and value != knob.default)


def reach(pipeline: Pipeline, lr: Image, seed: int, among: Iterable[str]) -> dict[str, int]:
    """Knob → by how many 8-bit levels it moves this picture at most; once beyond NEARLY, no further end is tried."""
    plain = pipeline.restore(lr, {}, seed).image
    found = {}
    for name in among:
        found[name] = 0
        for value in ends(pipeline.offered[name]):
            if found[name] <= NEARLY:
                found[name] = max(found[name], _apart(pipeline.restore(lr, {name: value}, seed).image, plain)[1])
    return found


def choosy(offered: Mapping[str, Knob], backend: Backend) -> tuple[str, ...]:
    """Knobs that act on pictures with several faces alone. One that the backend does not have acts on none."""
    return tuple(
        name
        for name, knob in offered.items()
        if knob.needs == "several faces" and (knob.stage != "restore" or name in backend.consumes)
    )


def several_faces(
    cases: Sequence[Case], read: Callable[[Case], Image], scale: int, machine: Machine
) -> tuple[Case, Image] | str:
    """The first case with several faces, and its LR, or why there is none."""
    if machine.detector is None:
        return "it acts where there are several faces, and no face detector is set (faces.detector)"
    detector = faces.open_detector(machine)
    for case in cases[:SEARCHED]:
        try:
            lr = read(case)
        except FsrbenchError:  # it is reported when its turn comes
            continue
        if len(detector(images.resize(lr, lr.shape[1] * scale, lr.shape[0] * scale))) > 1:
            return case, lr
    return f"no picture with several faces among the first {min(len(cases), SEARCHED)}"


def disproved(trail: Trail, names: Set[str]) -> set[str]:
    """Those of the named knobs that moved pixels in a finished case.

    Two of its restorations from one seed differ in pixels, and in the values of these knobs alone.
    """
    made = [step.restoration for step in trail.rounds]
    found: set[str] = set()
    for one, other in combinations(made, 2):
        turned = {name for name in one.knobs | other.knobs if one.knobs.get(name) != other.knobs.get(name)}
        if one.seed == other.seed and one.sha256 != other.sha256 and turned <= names:
            found |= turned
    return found


def probe(
    pipeline: Pipeline,
    specimens: Sequence[Specimen],
    measures: Mapping[str, Measure] | None = None,
    special: Mapping[str, Sequence[Specimen] | str] | None = None,
) -> dict[str, Movement]:
    """How far every offered knob moves pixels and measures.

    `special` has the pictures of knobs that are not tried on the others, or why there are none.
    """
    found = {}
    for name, knob in pipeline.offered.items():
        own = (special or {}).get(name, specimens)
        if isinstance(own, str):
            found[name] = Movement((), Trial(0, 0, own))
            continue
        try:
            reached = _turn(pipeline, name, ends(knob), own, measures or {})
            found[name] = Movement(reached, Trial(len(own), max((end.largest for end in reached), default=0)))
        except FsrbenchError as error:
            found[name] = Movement((), Trial(0, 0, str(error)))
    return found


def _turn(
    pipeline: Pipeline,
    name: str,
    values: Sequence[KnobValue],
    specimens: Sequence[Specimen],
    tools: Mapping[str, Measure],
) -> tuple[End, ...]:
    """A knob at each of these values, on these pictures."""
    plain = [pipeline.restore(each.lr, {}, each.seed).image for each in specimens]
    before = {
        tool: [measure(image, each.reference) for image, each in zip(plain, specimens, strict=True)]
        for tool, measure in tools.items()
    }

    def turn(value: KnobValue) -> End:
        moved = [pipeline.restore(each.lr, {name: value}, each.seed).image for each in specimens]
        apart = [_apart(one, other) for one, other in zip(plain, moved, strict=True)]
        changes = {}
        for tool, measure in tools.items():
            after = [measure(image, each.reference) for image, each in zip(moved, specimens, strict=True)]
            changes[tool] = _mean_change(before[tool], after)
        return End(value, fmean(mean for mean, _ in apart), max(most for _, most in apart), changes)

    return tuple(map(turn, values))


def _apart(one: Image, other: Image) -> tuple[float, int]:
    """Mean and largest difference in 8-bit steps."""
    steps = np.abs(images.to_8bit(one).astype(np.int16) - images.to_8bit(other))
    return float(steps.mean()), int(steps.max())


def _mean_change(before: Sequence[float | None], after: Sequence[float | None]) -> float | None:
    changes = [
        now - then
        for then, now in zip(before, after, strict=True)
        if then is not None and now is not None and math.isfinite(now - then)
    ]
    return fmean(changes) if changes else None
