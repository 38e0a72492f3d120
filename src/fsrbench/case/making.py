"""Makes the pictures of one case, and makes them again: a picture is its operations; replayed, they give its pixels.

What a way asks for goes through the network that it named, counts against its budget, and carries its operations.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeAlias, TypeVar

import numpy as np

from fsrbench.case.restore import Pipeline, made
from fsrbench.core.budget import Spending
from fsrbench.core.contracts import Knob, Output
from fsrbench.core.errors import FsrbenchError, StoreError
from fsrbench.core.operations import Blend, Mean, Operation, Restore, Treat, View
from fsrbench.core.stored import Knobs
from fsrbench.core.values import Image
from fsrbench.core.ways import Network, Restored, ToolChoice
from fsrbench.imaging import images

OpenTool: TypeAlias = Callable[[Image, int], Output]
"""An opened tool: from a picture and a seed to what it makes of it."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What a way has declared that it uses, by the names it calls them."""

    networks: Mapping[str, Network] = field(default_factory=dict)
    """Networks beside the family's own."""
    tools: Mapping[str, ToolChoice] = field(default_factory=dict)
    """Tools."""


class Openers(Protocol):
    """Opens what stands beside the family's own network, once."""

    def other(self, network: Network) -> Pipeline:
        """Another network."""

    def tool(self, choice: ToolChoice) -> OpenTool:
        """A tool."""


class Making:
    """Makes pictures of one case for one arm."""

    def __init__(
        self,
        lr: Image,
        pure: Restored,
        pipeline: Pipeline,
        openers: Openers,
        parts: Parts,
        spending: Spending,
    ) -> None:
        """`pure` is the case's own restoration, which every arm begins with, made by the family's own `pipeline`.

        `parts` are what the arm's way has declared that it uses besides, `openers` open them.
        """
        self.offered: Mapping[str, Knob] = pipeline.offered
        self._lr = lr
        self._pure = pure
        self._seed = pure.seed
        self._pipeline = pipeline
        self._openers = openers
        self._parts = parts
        self._spending = spending
        self._passed = set(pipeline.passes_of({}, pure.seed))
        self._given: dict[str, list[tuple[Operation, ...]]] = {}

    def restore(self, knobs: Knobs, *, seed: int | None = None, network: str = "", of: Restored | None = None,
            view: View | None = None) -> Restored:  # fmt: skip
        """Restore with these knobs; a pass that the arm has made before costs none."""
        self._check(knobs)
        self._all_known(() if of is None else (of,))
        pipeline, seed = self._chosen(network), self._seed if seed is None else seed
        passes = self._spend(self._fresh(knobs, seed, network, of, view=view))
        return self._remembered(replace(restored(pipeline, self._lr, knobs, seed, of, view), passes=passes))

    def rehearse(self, lr: Image, knobs: Knobs) -> Image | str:
        """What the family's own network makes of another input, which no arm can end with; or what forbids it."""
        self._check(knobs)
        fresh = self._fresh(knobs, lr=lr)
        if bound := self._spending.bound(passes=len(fresh)):
            return bound
        self._spend(fresh)
        return self._pipeline.restore(lr, knobs, self._seed).image

    def count(self, knobs: Knobs) -> int:
        """Count the passes that `restore` would take, and say how many they are."""
        return self._spend(self._fresh(knobs))

    def treat(self, tool: str, of: Restored | None = None, *, seed: int | None = None) -> Restored:
        """Let a tool treat a picture, or the input."""
        choice = _declared("tool", tool, self._parts.tools)
        self._all_known(() if of is None else (of,))
        seed = self._seed if seed is None else seed
        return self._remembered(treated(self._openers.tool(choice), choice, self._lr, seed, of))

    def extra(self, knobs: Knobs, *, seed: int | None = None, network: str = "", of: Restored | None = None,
            view: View | None = None) -> int:  # fmt: skip
        """Passes that `restore` would take."""
        return len(self._fresh(knobs, seed, network, of, view=view))

    def mean(self, pictures: Sequence[Restored]) -> Restored:
        """The mean of several, pixel by pixel."""
        if not pictures:
            raise TypeError("there is no mean of no pictures")
        self._all_known(pictures)
        return self._remembered(mean(pictures))

    def blend(self, first: Restored, second: Restored, share: float) -> Restored:
        """So much of the second, the rest of the first."""
        self._all_known((first, second))
        return self._remembered(blend(first, second, share))

    def knows(self, picture: Restored) -> bool:
        """Is this pure, or a picture that was made here and not touched since?"""
        if picture is self._pure:
            return True
        return (
            picture.operations in self._given.get(picture.sha256, [])
            and images.hash_8bit(picture.pixels) == picture.sha256
            and np.array_equal(images.from_8bit(picture.pixels), picture.image)
        )

    def _check(self, knobs: Knobs) -> None:
        """A knob that is not there, or cannot stand so, is not silently another."""
        for name, value in knobs.items():
            if name not in self.offered:
                raise TypeError(f"a way turned {name}, which is no knob of this family ({', '.join(self.offered)})")
            if not self.offered[name].allows(value):
                raise TypeError(f"a way turned {name} to {value}, which is beyond its bounds")

    def _remembered(self, picture: Restored) -> Restored:
        self._given.setdefault(picture.sha256, []).append(picture.operations)
        return picture

    def _all_known(self, pictures: Sequence[Restored]) -> None:
        if not all(map(self.knows, pictures)):
            raise TypeError("a way may go on with pictures that were made by case.make, and pure, but with no others")

    def _chosen(self, network: str) -> Pipeline:
        if not network:
            return self._pipeline
        return self._openers.other(_declared("network", network, self._parts.networks))

    def _spend(self, fresh: set[tuple[object, ...]]) -> int:
        """Count passes that the arm has not made before."""
        self._spending.passes += len(fresh)
        self._passed |= fresh
        return len(fresh)

    def _fresh(self, knobs: Knobs, seed: int | None = None, network: str = "", of: Restored | None = None,
            lr: Image | None = None, view: View | None = None) -> set[tuple[object, ...]]:  # fmt: skip
        """The passes through networks that this restoration takes and that the arm has not made before."""
        of_setting = self._chosen(network).passes_of(knobs, self._seed if seed is None else seed)
        key = None if lr is None else images.exact_key(lr)
        given = tuple(one for one in (of and of.sha256, key, view) if one is not None)
        return {(*one, *given) for one in of_setting} - self._passed


Part = TypeVar("Part")


def _declared(kind: str, name: str, parts: Mapping[str, Part]) -> Part:
    """What a way called so when it was declared."""
    if name not in parts:
        known = ", ".join(parts) or "none"
        raise TypeError(f"a way asked for the {kind} {name!r}, which it did not declare (declared: {known})")
    return parts[name]


def restored(
    pipeline: Pipeline, lr: Image, knobs: Knobs, seed: int, of: Restored | None = None, view: View | None = None
) -> Restored:
    """A network's restoration of the input, or of a picture that was made of it, shown to it as it is or otherwise."""
    made_now = pipeline.restore(lr if of is None else of.image, knobs, seed, view)
    if of is None:
        return made_now
    (step,) = made_now.operations
    if not isinstance(step, Restore):
        raise TypeError("a network's restoration is one step")
    operations = (*of.operations, replace(step, of=len(of.operations) - 1))
    return replace(made_now, seconds=of.seconds + made_now.seconds, operations=operations)


def treated(use: OpenTool, choice: ToolChoice, lr: Image, seed: int, of: Restored | None = None) -> Restored:
    """A tool's treatment of the input, or of a picture."""
    started = time.perf_counter()
    output = use(lr if of is None else of.image, seed)
    pixels = images.to_8bit(images.check(output.image, f"what the tool {choice.tool} made"))
    before = () if of is None else of.operations
    step = Treat(choice.tool, dict(choice.settings), seed, None if of is None else len(before) - 1)
    notes = (*(() if of is None else of.notes), *output.notes)
    seconds = (0.0 if of is None else of.seconds) + time.perf_counter() - started
    knobs, precision = ({}, "fp32") if of is None else (of.knobs, of.precision)
    return made(pixels, knobs, seed, seconds, precision, tuple(dict.fromkeys(notes)), (*before, step))


def mean(pictures: Sequence[Restored]) -> Restored:
    """The mean of several pictures of one size, pixel by pixel."""
    stacked = np.stack([picture.image for picture in pictures])
    image: Image = np.asarray(stacked.mean(axis=0, dtype=np.float64), dtype=np.float32)
    steps, places = _joined(pictures)
    return _composed(pictures, image, (*steps, Mean(places)))


def blend(first: Restored, second: Restored, share: float) -> Restored:
    """A point on the line between two pictures: 0 is the first, 1 the second."""
    if not 0 <= share <= 1:
        raise TypeError(f"a share is between 0 and 1, not {share}")
    steps, (one, other) = _joined((first, second))
    return _composed((first, second), between(first.image, second.image, share), (*steps, Blend(one, other, share)))


def between(first: Image, second: Image, share: float) -> Image:
    """The pixels of that, before they are rounded."""
    near, far = first.astype(np.float64), second.astype(np.float64)
    return np.asarray((1 - share) * near + share * far, dtype=np.float32)


def replay(operations: Sequence[Operation], lr: Image, pipeline: Pipeline, openers: Openers) -> Restored:
    """Make a picture again from its operations. `pipeline` is the family's own network, `openers` open all else."""
    done: list[Restored] = []
    for step in operations:
        if isinstance(step, Restore):
            own = step.checkpoint is None and step.backend == pipeline.backend
            network = pipeline if own else openers.other(Network(step.backend, step.checkpoint or None))
            for name, value in step.knobs.items():
                if name not in network.offered or not network.offered[name].allows(value):
                    raise StoreError(f"Its record turns {name} to {value!r:.40}, which cannot be.")
            of = None if step.of is None else done[step.of]
            done.append(restored(network, lr, step.knobs, step.seed, of, step.view))
        elif isinstance(step, Treat):
            choice = ToolChoice(step.tool, step.settings)
            of = None if step.of is None else done[step.of]
            done.append(treated(openers.tool(choice), choice, lr, step.seed, of))
        elif isinstance(step, Blend):
            done.append(blend(done[step.first], done[step.second], step.share))
        else:
            done.append(mean([done[place] for place in step.of]))
    if not done:
        raise FsrbenchError("It is not recorded how this picture was made. Use another --out.")
    return done[-1]


def backends(operations: Sequence[Operation]) -> str:
    """Which backends made a picture, for tables."""
    return " + ".join(dict.fromkeys(step.backend for step in operations if isinstance(step, Restore)))


def models(operations: Sequence[Operation]) -> str:
    """Which models made a picture, for tables."""
    return " + ".join(dict.fromkeys(step.model for step in operations if isinstance(step, Restore)))


def _joined(pictures: Sequence[Restored]) -> tuple[tuple[Operation, ...], tuple[int, ...]]:
    """The operations of several pictures one after another, and where each of the pictures is among them."""
    steps: list[Operation] = []
    places: list[int] = []
    for picture in pictures:
        base = len(steps)
        steps += [_moved(step, base) for step in picture.operations]
        places.append(len(steps) - 1)
    return tuple(steps), tuple(places)


def _moved(step: Operation, by: int) -> Operation:
    """The same step, further down a list."""
    if isinstance(step, Blend):
        return Blend(step.first + by, step.second + by, step.share)
    if isinstance(step, Mean):
        return Mean(tuple(place + by for place in step.of))
    return step if step.of is None else replace(step, of=step.of + by)


def _composed(parts: Sequence[Restored], image: Image, operations: tuple[Operation, ...]) -> Restored:
    """A picture made of others. Its knobs and its seed are those of the first."""
    return made(
        images.to_8bit(image),
        parts[0].knobs,
        parts[0].seed,
        sum(part.seconds for part in parts),
        "+".join(dict.fromkeys(part.precision for part in parts)),
        tuple(dict.fromkeys(note for part in parts for note in part.notes)),
        operations,
    )
