"""What is made around a network: what it makes of an input that is shown otherwise, the mean of several such views, and
a second network's opinion.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from fsrbench.core.contracts import Output
from fsrbench.core.operations import View
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


def shown(picture: Image, view: View) -> Image:
    """A picture as a network is shown it: shifted, then turned, then noisy."""
    image = turned(_shifted(picture, view.right, view.down), view.turn)
    if view.noise:
        drawn = np.random.default_rng(view.seed).standard_normal(image.shape)
        image = np.asarray(image + view.noise / 255 * drawn, dtype=np.float32)
    return np.clip(image, 0, 1)


def put_back(picture: Image, view: View, scale: float) -> Image:
    """What was made of a picture that was shown so, turned back and shifted back; it is so many times as large."""
    image = _shifted(turned_back(picture, view.turn), -scale * view.right, -scale * view.down)
    return np.clip(image, 0, 1)


def through(view: View | None, lr: Image, look: Callable[[Image], PassResult]) -> PassResult:
    """What a network makes of an input that it is shown so."""
    if view is None:
        return look(lr)
    seen = shown(lr, view)
    output, precision, seconds = look(seen)
    image = put_back(output.image, view, output.image.shape[0] / seen.shape[0])
    return Output(image, output.notes), precision, seconds


def _shifted(picture: Image, right: float, down: float) -> Image:
    """Moved by so many pixels: whole ones as they are, parts of one by cubic interpolation. Edges are repeated."""
    for axis, by in ((1, right), (0, down)):
        if by:
            picture = _moved(picture, axis, by)
    return picture


def _moved(picture: Image, axis: int, by: float) -> Image:
    """Moved along one axis, by Catmull and Rom's cubic."""
    first, last = math.floor(-by), picture.shape[axis] - 1
    t = -by - first
    weights = (t * (t * (2 - t) - 1), t * t * (3 * t - 5) + 2, t * (t * (4 - 3 * t) + 1), t * t * (t - 1))
    places = np.arange(last + 1) + first
    total = np.zeros(picture.shape)
    for tap, weight in enumerate(weights, start=-1):
        if weight:
            total += weight / 2 * np.take(picture, np.clip(places + tap, 0, last), axis=axis)
    return np.asarray(total, dtype=np.float32)


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
