"""One restoration: knobs before the network, the network, knobs after it, and a look at what came out.

A network that answers with NaN or one flat colour is asked once more in fp32; if that does not help, the
case has failed. Which network it is, and how it tiles, is the backend's business. Results do not depend on how
many cases are in flight: on a CPU, passes run side by side with a core each; on a GPU, what waits goes through the
network together.
"""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fsrbench.case import around
from fsrbench.case.around import PassResult
from fsrbench.core import passes
from fsrbench.core.contracts import Batching, Knob, Output, Restorer
from fsrbench.core.errors import BadOutput
from fsrbench.core.execute import Clock
from fsrbench.core.operations import Operation, Restore, View
from fsrbench.core.stored import Knobs, KnobValue
from fsrbench.core.values import Image, derive_seed
from fsrbench.core.ways import Restored
from fsrbench.imaging import images

if TYPE_CHECKING:
    from numpy.typing import NDArray


REMEMBERED = 256_000_000
"""Bytes of network outputs that are kept for one case: a knob that acts after the network does not run it again."""
BATCH = 16
"""Pictures that a GPU takes at once, at most: more gain nothing for pictures of these sizes."""
BATCH_PIXELS = 1_000_000
"""Input pixels that it takes at once, at most: large pictures fill it alone."""


@dataclass(eq=False, slots=True)
class _WaitingPicture:
    """One picture that waits for a network."""

    restorer: Restorer
    lr: Image
    knobs: Knobs
    seed: int
    answer: PassResult | None = None
    error: Exception | None = None

    @property
    def settled(self) -> bool:
        return self.answer is not None or self.error is not None

    def goes_with(self, other: _WaitingPicture) -> bool:
        return self.restorer is other.restorer and self.lr.shape == other.lr.shape and self.knobs == other.knobs


class SharedNetwork:
    """The one place where a family's networks run. Many threads ask; they run in so many `lanes` at a time.

    Whoever finds a free one takes along what waits and is alike, up to `batch` pictures (1: nobody else's). Each
    picture keeps its own seed, so company moves it by no more than the device's rounding.
    """

    def __init__(self, restorer: Restorer, scale: int, precision: str, batch: int = 1, lanes: int = 1) -> None:
        self.restorer = restorer
        self._scale = scale
        self._precision = precision
        self._batch = batch
        self._waiting: list[_WaitingPicture] = []
        self._free = lanes
        self._changed = threading.Condition()

    def __call__(self, lr: Image, knobs: Knobs, seed: int, restorer: Restorer | None = None) -> PassResult:
        """Restore one picture, when it is its turn; BadOutput if the network cannot. `restorer`: another network."""
        asked = _WaitingPicture(restorer or self.restorer, lr, knobs, seed)
        with self._changed:
            self._waiting.append(asked)
            self._changed.wait_for(lambda: asked.settled or (self._free and asked in self._waiting))
            together = [] if asked.settled else self._take(asked)
            self._free -= bool(together)
        if together:
            try:
                self._serve(together)
            finally:
                with self._changed:  # whom a bug or an interrupt left without an answer waits again
                    self._waiting += [other for other in together if other is not asked and not other.settled]
                    self._free += 1
                    self._changed.notify_all()
        if asked.error is not None:
            raise asked.error
        if asked.answer is None:
            raise TypeError("a batch left out one of its pictures")
        return asked.answer

    def _take(self, asked: _WaitingPicture) -> list[_WaitingPicture]:
        """The picture and what goes with it, no longer waiting."""
        batch = self._batch if isinstance(asked.restorer, Batching) else 1
        room = min(batch, max(1, BATCH_PIXELS // (asked.lr.shape[0] * asked.lr.shape[1])))
        others = [other for other in self._waiting if other is not asked and other.goes_with(asked)]
        together = [asked, *others[: room - 1]]
        self._waiting = [other for other in self._waiting if other not in together]
        return together

    def _serve(self, together: Sequence[_WaitingPicture]) -> None:
        """Answer all of them; where they fail together, each alone, so that it learns of its own error."""
        started = time.perf_counter()
        try:
            outputs = self._run(together)
        except Exception as error:  # a bug, too, belongs to whoever asked
            if len(together) == 1:
                together[0].error = error
                return
            for asked in together:
                self._serve([asked])
            return
        share = (time.perf_counter() - started) / len(together)
        for asked, output in zip(together, outputs, strict=True):
            try:
                asked.answer = self._sane(asked, output, share)
            except Exception as error:
                asked.error = error

    def _run(self, together: Sequence[_WaitingPicture]) -> Sequence[Output]:
        first = together[0]
        if len(together) > 1 and isinstance(first.restorer, Batching):
            lrs, seeds = [asked.lr for asked in together], [asked.seed for asked in together]
            return first.restorer.together(lrs, first.knobs, seeds, self._precision)
        return [first.restorer(first.lr, first.knobs, first.seed, self._precision)]

    def _sane(self, asked: _WaitingPicture, output: Output, seconds: float) -> PassResult:
        """The output, if it can be a restoration; otherwise what comes out in fp32."""
        wrong = _what_is_wrong(output.image, asked.lr, self._scale)
        if not wrong:
            return output, self._precision, seconds
        started = time.perf_counter()
        output = asked.restorer(asked.lr, asked.knobs, asked.seed, "fp32")
        still = _what_is_wrong(output.image, asked.lr, self._scale)
        if still:
            raise BadOutput(f"{asked.restorer.model} answered with {still}, also when repeated in fp32")
        note = f"repeated in fp32: {self._precision} gave {wrong}"
        return Output(output.image, (*output.notes, note)), "fp32", seconds + time.perf_counter() - started


class Pipeline:
    """A network with its knobs, for one case after another: it keeps what the network made of the case in hand."""

    def __init__(
        self,
        restorer: Restorer,
        offered: Mapping[str, Knob],
        scale: int,
        precision: str,
        batch: int = 1,
        lanes: int = 1,
        backend: str = "",
        checkpoint: str | None = None,
        second: Restorer | None = None,
    ) -> None:
        """`backend` is the plugin's name; `checkpoint` its setting `model` (empty for the usual one) where it is not
        the family's own network. `second` is whose opinion the knob `second_opinion` blends in."""
        self.restorer = restorer
        self.offered = offered
        self.backend = backend
        self.checkpoint = checkpoint
        self.second = second
        self._weights = dict(restorer.weights)  # what a knob opens later is not in every picture
        self._network = SharedNetwork(restorer, scale, precision, batch, lanes)
        self._outputs: dict[tuple[object, ...], PassResult] = {}
        self.clock = Clock()
        """The time of the case in hand; without a limit until one is set."""

    def for_case(self) -> Pipeline:
        """The same network and knobs with a memory of its own: cases in flight do not push out each other's."""
        own = copy.copy(self)
        own._outputs = {}
        return own

    def restore(self, lr: Image, changes: Knobs, seed: int, view: View | None = None) -> Restored:
        """Restore with the given knobs, all others at their defaults; TookTooLong if the case's time is up.

        `view` is how the network is shown its input, after the knobs that act before it.
        """
        self.clock.check()
        knobs = {name: changes.get(name, knob.default) for name, knob in self.offered.items()}
        moved = passes.moved(self.offered, knobs)
        started = time.perf_counter()
        prepared = self._turn_knobs("before", lr, moved, lr)
        before = time.perf_counter() - started
        output, precision, network = around.through(view, prepared, lambda seen: self._seen(seen, moved, seed))
        started = time.perf_counter()
        finished = self._turn_knobs("after", output.image, moved, lr)
        pixels = images.to_8bit(images.check(finished, "restoration"))
        seconds = before + network + time.perf_counter() - started
        model, weights = self._made_with(moved)
        step = Restore(self.backend, model, knobs, seed, weights, self.checkpoint, view=view)
        return made(pixels, knobs, seed, seconds, precision, output.notes, (step,))

    def passes_of(self, changes: Knobs, seed: int) -> frozenset[passes.Pass]:
        """The passes behind a restoration of one input: those that another one had need not be made again."""
        return frozenset((self.backend, self.checkpoint, seed, *one) for one in passes.of(self.offered, changes))

    def _made_with(self, moved: Knobs) -> tuple[str, dict[str, str]]:
        """What the networks of a picture were, and their files: the second one's where its opinion is in it."""
        if self.second is None or not moved.get(passes.SECOND_OPINION):
            return self.restorer.model, self._weights
        return f"{self.restorer.model}, second {self.second.model}", self._weights | _second_weights(self.second)

    @property
    def weights(self) -> dict[str, str]:
        """Files of its networks that were opened, the second one's too, with their hashes."""
        return {**self.restorer.weights, **(_second_weights(self.second) if self.second is not None else {})}

    def keep_only(self, lr: Image, seed: int) -> None:
        """Forget what knobs were tried: the plain output of this input stays, which whoever comes next begins with."""
        kept = _key(self.restorer, lr, {}, seed)
        self._outputs = {key: answer for key, answer in self._outputs.items() if key == kept}

    def _seen(self, lr: Image, moved: Knobs, seed: int) -> PassResult:
        """What the network makes of a picture in as many views as are asked for, blended with the second opinion."""
        inside = {name: value for name, value in moved.items() if self.offered[name].stage == "restore"}
        views, share = passes.around(moved)

        def own() -> PassResult:
            return around.mean_of_views(lr, views, lambda view: self._remembered(self.restorer, view, inside, seed))

        if share == 0:
            return own()
        if self.second is None:
            raise TypeError(f"{passes.SECOND_OPINION} is turned, and there is no second network")
        second = around.opinion(self._remembered(self.second, lr, {}, derive_seed(seed, "second")))
        return second if share == 1 else around.blend(own(), second, share)

    def _remembered(self, restorer: Restorer, lr: Image, knobs: Knobs, seed: int) -> PassResult:
        """A network's answer, from memory where it was asked the same for this case. The first stays longest."""
        key = _key(restorer, lr, knobs, seed)
        if key not in self._outputs:
            started = time.perf_counter()
            answer = self._outputs[key] = self._network(lr, knobs, seed, restorer)
            self.clock.excuse(time.perf_counter() - started - answer[2])
            if len(self._outputs) > max(2, REMEMBERED // answer[0].image.nbytes):
                del self._outputs[list(self._outputs)[1]]
        return self._outputs[key]

    def _turn_knobs(self, stage: str, image: Image, moved: Knobs, lr: Image) -> Image:
        for name, value in moved.items():
            knob = self.offered[name]
            if knob.stage == stage and knob.apply is not None:
                image = knob.apply(image, value, lr)
        return image


def _second_weights(second: Restorer) -> dict[str, str]:
    """Files of a second network beside the family's own: two files may have one name."""
    return {f"{file} (second)": digest for file, digest in second.weights.items()}


def made(
    pixels: NDArray[np.uint8],
    knobs: dict[str, KnobValue],
    seed: int,
    seconds: float,
    precision: str,
    notes: tuple[str, ...],
    operations: tuple[Operation, ...],
) -> Restored:
    """A picture as it is handed on: rounded once, hashed once, and looked at as it will be read back."""
    image, sha256 = images.from_8bit(pixels), images.hash_8bit(pixels)
    return Restored(image, pixels, sha256, knobs, seed, seconds, precision, notes, operations)


def _key(restorer: Restorer, lr: Image, knobs: Knobs, seed: int) -> tuple[object, ...]:
    """What decides a network's output."""
    return id(restorer), images.exact_key(lr), tuple(sorted(knobs.items())), seed


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
    """One colour? A few pixels answer for nearly every picture; the others are looked at whole."""
    return all(bool(np.ptp(part, axis=(0, 1)).max() < 1 / 255) for part in (image[::16, ::16], image))
