"""One restoration: knobs before the network, the network, knobs after it, and a look at what came out.

A network that answers with NaN or one flat colour is asked once more in fp32; if that does not help, the
case has failed. Which network it is, and how it tiles, is the backend's business.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fsrbench import images
from fsrbench.errors import BadOutput
from fsrbench.plugins import Knob, Output, Restorer
from fsrbench.values import Image, Knobs, KnobValue


@dataclass(frozen=True, slots=True)
class Picture:
    """A restoration in memory, before it is stored."""

    image: Image
    """As it will be read back: already rounded to 8 bits."""
    knobs: dict[str, KnobValue]
    """Every offered knob with its value."""
    seed: int
    """Seed of the backend's noise."""
    seconds: float
    """What it takes: knobs and network, waiting for the network's turn not counted, what is remembered counted."""
    precision: str
    """What was really used."""
    notes: tuple[str, ...]
    """What a reader must know."""


REMEMBERED = 16
"""Network outputs that a pipeline keeps: a knob that acts after the network does not run it again."""


class Pipeline:
    """A backend, opened, with its knobs. Many threads may ask; the network runs for one at a time."""

    def __init__(self, restorer: Restorer, offered: Mapping[str, Knob], scale: int, precision: str) -> None:
        self.restorer = restorer
        self.offered = offered
        self._scale = scale
        self._precision = precision
        self._turn = threading.Lock()
        self._outputs: OrderedDict[tuple[object, ...], tuple[Output, str, float]] = OrderedDict()

    def restore(self, lr: Image, changes: Knobs, seed: int) -> Picture:
        """Restore with the given knobs, all others at their defaults."""
        knobs = {name: changes.get(name, knob.default) for name, knob in self.offered.items()}
        moved = {name: value for name, value in knobs.items() if value != self.offered[name].default}
        started = time.perf_counter()
        prepared = self._turn_knobs("before", lr, moved, lr)
        before = time.perf_counter() - started
        inside = {name: value for name, value in moved.items() if self.offered[name].stage == "restore"}
        with self._turn:
            output, precision, network = self._remembered(prepared, inside, seed)
        started = time.perf_counter()
        finished = self._turn_knobs("after", output.image, moved, lr)
        image = images.as_stored(images.check(finished, "restoration"))
        seconds = before + network + time.perf_counter() - started
        return Picture(image, knobs, seed, seconds, precision, output.notes)

    def _remembered(self, lr: Image, knobs: Knobs, seed: int) -> tuple[Output, str, float]:
        """The network's answer and what it took, from memory where it was asked the same a moment ago."""
        key = (hashlib.sha256(lr.tobytes()).digest(), lr.shape, tuple(sorted(knobs.items())), seed)
        if key not in self._outputs:
            started = time.perf_counter()
            output, precision = self._call(lr, knobs, seed)
            self._outputs[key] = output, precision, time.perf_counter() - started
            if len(self._outputs) > REMEMBERED:
                self._outputs.popitem(last=False)
        self._outputs.move_to_end(key)
        return self._outputs[key]

    def _call(self, lr: Image, knobs: Knobs, seed: int) -> tuple[Output, str]:
        output = self.restorer(lr, knobs, seed, self._precision)
        wrong = _what_is_wrong(output.image, lr, self._scale)
        if not wrong:
            return output, self._precision
        output = self.restorer(lr, knobs, seed, "fp32")
        still = _what_is_wrong(output.image, lr, self._scale)
        if still:
            raise BadOutput(f"{self.restorer.model} answered with {still}, also when repeated in fp32")
        note = f"repeated in fp32: {self._precision} gave {wrong}"
        return Output(output.image, (*output.notes, note)), "fp32"

    def _turn_knobs(self, stage: str, image: Image, moved: Knobs, lr: Image) -> Image:
        for name, value in moved.items():
            knob = self.offered[name]
            if knob.stage == stage and knob.apply is not None:
                image = knob.apply(image, value, lr)
        return image


def _what_is_wrong(image: Image, lr: Image, scale: int) -> str:
    """In words, why an output cannot be a restoration of `lr`; empty if nothing is wrong."""
    height, width = lr.shape[0] * scale, lr.shape[1] * scale
    if image.shape != (height, width, 3):
        return f"{image.shape[1]}×{image.shape[0]} pixels instead of {width}×{height}"
    if not np.isfinite(image).all():
        return "NaN or infinity"
    if _flat(image) and not _flat(lr):
        return "one flat colour"
    return ""


def _flat(image: Image) -> bool:
    return bool(np.ptp(image, axis=(0, 1)).max() < 1 / 255)
