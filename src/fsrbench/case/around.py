"""What is made around a network: the mean of what it makes of several views of an input, and a second one's opinion."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from fsrbench.core.contracts import Output
from fsrbench.core.values import Image

PassResult: TypeAlias = tuple[Output, str, float]
"""A network's output, the precision really used, and its share of the seconds."""


def turned(picture: Image, view: int) -> Image:
    """One of the eight views of a picture: odd ones are mirrored, every second one is turned by a further quarter."""
    mirrored = picture[:, ::-1] if view % 2 else picture
    return np.ascontiguousarray(np.rot90(mirrored, view // 2))


def turned_back(picture: Image, view: int) -> Image:
    """The picture of which this is a view."""
    upright = np.rot90(picture, -(view // 2))
    return np.ascontiguousarray(upright[:, ::-1] if view % 2 else upright)


def mean_of_views(lr: Image, views: int, look: Callable[[Image], PassResult]) -> PassResult:
    """What a network makes of an input in so many views, each turned back, in the mean. One view is as it is."""
    if views == 1:
        return look(lr)
    made = [look(turned(lr, view)) for view in range(views)]
    total = np.zeros(made[0][0].image.shape)
    for view, (output, _, _) in enumerate(made):
        total += turned_back(output.image, view)
    return _together(np.asarray(total / views, dtype=np.float32), made)


def opinion(second: PassResult) -> PassResult:
    """What a second network made, and that it was the second one of which its notes tell."""
    output, precision, seconds = second
    return Output(output.image, tuple(f"second network: {note}" for note in output.notes)), precision, seconds


def blend(own: PassResult, second: PassResult, share: float) -> PassResult:
    """So much of a second network's picture, the rest of the first one's."""
    near, far = own[0].image, second[0].image
    return _together(np.asarray(near + np.float32(share) * (far - near), dtype=np.float32), [own, second])


def _together(image: Image, made: Sequence[PassResult]) -> PassResult:
    """A picture of several passes: what is to be said of each, the first one's precision, the seconds of all."""
    notes = tuple(dict.fromkeys(note for output, _, _ in made for note in output.notes))
    return Output(image, notes), made[0][1], sum(seconds for _, _, seconds in made)
