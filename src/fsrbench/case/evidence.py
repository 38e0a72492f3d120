"""What an auditor may look at, made from the input and its restoration alone.

Nothing here takes a `Case` or a reference, so none can reach an auditor on this way. Landmarks are looked for on the
restoration. Numbers are measured by `instruments/`, one file each; what cannot be measured here (weights absent,
picture too small) is None, never a number.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, TypeVar

from fsrbench.core import plugins
from fsrbench.core.errors import Unavailable, WeightsError
from fsrbench.core.questions import Evidence, Patch
from fsrbench.imaging import artifacts, faces, images

if TYPE_CHECKING:
    from fsrbench.core.contracts import Instrument, Machine, Sight
    from fsrbench.core.values import Image

T = TypeVar("T")
MAX_LR = 256
"""Longest side of the input as an auditor sees it; a larger one is shrunk."""
REMEMBERED = 256
"""Pictures of which the findings are kept: numbers, not pixels."""


@dataclass(frozen=True, slots=True)
class _Examined:
    """What was found on a restoration."""

    boxes: dict[str, faces.Box]
    """Face regions by name."""
    places: str
    """Where they come from."""
    qa: dict[str, float | None]
    """Measured numbers."""


@dataclass(frozen=True, slots=True)
class OpenInstrument:
    """An instrument, and what it was opened to."""

    instrument: Instrument
    """As its file declares it."""
    measure: Callable[[Sight], float | None] | None
    """Measures one restoration; None where it cannot run here."""


@dataclass(frozen=True, slots=True)
class Tools:
    """The opened tools that evidence is made with."""

    detector: faces.Detector | None
    """Finds the face on the restoration; None where there is none."""
    instruments: dict[str, OpenInstrument]
    """Those that measure it, in the order in which their numbers are told."""
    turn: Lock = field(default_factory=Lock)
    """Guards what follows."""
    seen: OrderedDict[tuple[object, ...], _Examined] = field(default_factory=OrderedDict)
    """What was found a moment ago: arms of one case look at the same pictures."""

    @property
    def available(self) -> dict[str, bool]:
        """Which of those are here that need not be: what an auditor is told depends on it, so a run records it."""
        varying = {name: one for name, one in self.instruments.items() if not one.instrument.everywhere}
        return {
            "detector": self.detector is not None,
            **{name: one.measure is not None for name, one in varying.items()},
        }

    @property
    def missing(self) -> dict[str, list[str]]:
        """Those that are not here for want of files → the files, by their names in the table of weights."""
        needed = {"detector": ([faces.DETECTOR], self.detector)} | {
            name: ([*one.instrument.weights], one.measure) for name, one in self.instruments.items()
        }
        return {name: files for name, (files, opened) in needed.items() if files and opened is None}

    def __call__(self, lr: Image, sr: Image) -> Evidence:
        """Gather evidence; may be called from many threads."""
        pixels = images.to_8bit(images.check(sr, "restoration"))
        sr = images.from_8bit(pixels)
        key = (images.exact_key(lr), images.hash_8bit(pixels))
        with self.turn:
            found = self.seen.get(key)
        if found is None:
            found = _examine(lr, sr, self)
        with self.turn:
            self.seen[key] = found
            self.seen.move_to_end(key)
            if len(self.seen) > REMEMBERED:
                self.seen.popitem(last=False)
        return _present(lr, sr, found, self)


def open_tools(machine: Machine) -> Tools:
    """Open every tool that can run here, once for a whole run."""
    detector = _or_none(lambda: faces.open_detector(machine), named=machine.detector is not None)
    return Tools(detector, {name: _opened(one, machine) for name, one in instruments().items()})


def instruments() -> dict[str, Instrument]:
    """All that there are, in the order in which their numbers are told."""
    found: dict[str, Instrument] = {name: plugins.load("instruments", name) for name in plugins.names("instruments")}
    return dict(sorted(found.items(), key=lambda entry: (entry[1].place, entry[0])))


def _opened(instrument: Instrument, machine: Machine) -> OpenInstrument:
    named = bool(instrument.setting) and getattr(machine, instrument.setting) is not None
    return OpenInstrument(instrument, _or_none(lambda: instrument.open(machine), named=named))


def _examine(lr: Image, sr: Image, tools: Tools) -> _Examined:
    images.check(lr, "input")
    found = tools.detector(sr) if tools.detector else ()
    landmarks = found[0].landmarks if found else None
    sight = artifacts.Look(sr, lr)
    qa = {name: _measured(one.measure, sight) for name, one in tools.instruments.items()}
    boxes = faces.regions((sr.shape[0], sr.shape[1]), landmarks)
    return _Examined(boxes, "landmarks" if found else "canonical FFHQ places", qa)


def _present(lr: Image, sr: Image, found: _Examined, tools: Tools) -> Evidence:
    patches = tuple(Patch(name, sr[y0:y1, x0:x1], (x0, y0, x1, y1)) for name, (x0, y0, x1, y1) in found.boxes.items())
    meanings = {name: one.instrument.meaning for name, one in tools.instruments.items()}
    return Evidence(_shown(lr), sr, patches, found.places, dict(found.qa), meanings)


def _shown(lr: Image) -> Image:
    """The input with its longest side at most MAX_LR."""
    height, width = lr.shape[:2]
    factor = MAX_LR / max(height, width)
    if factor >= 1:
        return lr
    return images.resize(lr, max(1, round(width * factor)), max(1, round(height * factor)), "area")


def _or_none(opened: Callable[[], T], *, named: bool) -> T | None:
    """The opened tool; None where it is not here (`evaluate` and `doctor` say why). One that the settings name must
    open."""
    try:
        return opened()
    except (Unavailable, WeightsError):
        if named:
            raise
        return None


def _measured(measure: Callable[[Sight], float | None] | None, sight: Sight) -> float | None:
    """A number, or None: the instrument is not here, or this picture is too small for it, or shows no face."""
    try:
        value = measure(sight) if measure is not None else None
    except Unavailable:
        return None
    return float(value) if value is not None and math.isfinite(value) else None
