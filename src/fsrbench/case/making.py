"""Pictures of one case are made here, and made again: a picture is its operations, and replayed they give its pixels.

What a way asks for goes through the network that it named, counts against its budget, and carries its operations.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from fsrbench.case.restore import Pipeline, made
from fsrbench.core.budget import Spending
from fsrbench.core.contracts import Knob
from fsrbench.core.errors import FsrbenchError
from fsrbench.core.operations import Blend, Mean, Operation, Restore
from fsrbench.core.stored import Knobs
from fsrbench.core.values import Image
from fsrbench.core.ways import Network, Restored
from fsrbench.imaging import images


class Making:
    """Makes pictures of one case for one arm."""

    def __init__(
        self,
        lr: Image,
        pure: Restored,
        pipeline: Pipeline,
        others: Callable[[Network], Pipeline],
        named: Mapping[str, Network],
        spending: Spending,
    ) -> None:
        """`pure` is the case's own restoration, which every arm begins with.

        `others` opens a network beside the family's own; `named` are those that the arm's way has declared.
        """
        self.offered: Mapping[str, Knob] = pipeline.offered
        self._lr = lr
        self._pure = pure
        self._seed = pure.seed
        self._pipeline = pipeline
        self._others = others
        self._named = named
        self._spending = spending
        self._passed = {pipeline.same_pass({}, pure.seed)}
        self._given: dict[str, list[tuple[Operation, ...]]] = {}

    def restore(self, knobs: Knobs, *, seed: int | None = None, network: str = "") -> Restored:
        """Restore with these knobs; a pass that the arm has made before costs none."""
        self._check(knobs)
        pipeline, seed = self._chosen(network), self._seed if seed is None else seed
        self.count(knobs, seed=seed, network=network)
        return self._remembered(pipeline.restore(self._lr, knobs, seed))

    def count(self, knobs: Knobs, *, seed: int | None = None, network: str = "") -> None:
        """Count what `restore` would take."""
        self._spending.passes += self.extra(knobs, seed=seed, network=network)
        self._passed.add(self._chosen(network).same_pass(knobs, self._seed if seed is None else seed))

    def extra(self, knobs: Knobs, *, seed: int | None = None, network: str = "") -> int:
        """Passes that `restore` would take."""
        key = self._chosen(network).same_pass(knobs, self._seed if seed is None else seed)
        return int(key not in self._passed)

    def mean(self, pictures: Sequence[Restored]) -> Restored:
        """The mean of several, pixel by pixel."""
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
        if not pictures or not all(map(self.knows, pictures)):
            raise TypeError("a way may join pictures that were made by case.make, and pure, but no others and not none")

    def _chosen(self, network: str) -> Pipeline:
        if not network:
            return self._pipeline
        if network not in self._named:
            known = ", ".join(self._named) or "none"
            raise TypeError(f"a way asked for the network {network!r}, which it did not declare (declared: {known})")
        return self._others(self._named[network])


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
    near, far = first.image.astype(np.float64), second.image.astype(np.float64)
    image: Image = np.asarray((1 - share) * near + share * far, dtype=np.float32)
    steps, (one, other) = _joined((first, second))
    return _composed((first, second), image, (*steps, Blend(one, other, share)))


def replay(operations: Sequence[Operation], restore: Callable[[Restore], Restored]) -> Restored:
    """Make a picture again from its operations; `restore` does the steps that take a network."""
    done: list[Restored] = []
    for step in operations:
        if isinstance(step, Restore):
            done.append(restore(step))
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
    return Mean(tuple(place + by for place in step.of)) if isinstance(step, Mean) else step


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
