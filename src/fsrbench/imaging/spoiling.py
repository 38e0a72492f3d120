"""Pictures spoilt on purpose, so that anybody who looks prefers the one that was not."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from fsrbench.core.values import Image
from fsrbench.imaging import images

QUALITY = 5
"""JPEG quality of the planted blocks."""
BLOCK = 8
"""Side of their squares."""
AMOUNT = 3.0
"""How often the detail is added to a picture that gets halos."""
TINT = 0.16
"""By which share red is raised and blue is lowered."""


def blocks(picture: Image) -> Image:
    """Half squares of one colour, then JPEG at a quality that nobody would call good."""
    import cv2

    height, width = picture.shape[:2]
    whole = np.pad(picture, ((0, -height % BLOCK), (0, -width % BLOCK), (0, 0)), mode="edge")
    tiles = whole.reshape(whole.shape[0] // BLOCK, BLOCK, whole.shape[1] // BLOCK, BLOCK, 3)
    means = np.broadcast_to(tiles.mean(axis=(1, 3), keepdims=True), tiles.shape)
    squares = means.reshape(whole.shape)[:height, :width]
    data = images.encode((picture + squares) * np.float32(0.5), "jpeg", QUALITY)
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if decoded is None:  # pragma: no cover - it was encoded a line above
        raise TypeError("OpenCV could not decode its own JPEG")
    return images.from_8bit(np.ascontiguousarray(decoded[:, :, ::-1]).astype(np.uint8))


def halos(picture: Image) -> Image:
    """Sharpened until bright and dark fringes stand beside every edge."""
    import cv2

    return images.as_stored(picture + np.float32(AMOUNT) * (picture - cv2.GaussianBlur(picture, (0, 0), 1.5)))


def tint(picture: Image) -> Image:
    """The colours of another light: more red, less blue."""
    return images.as_stored(picture * np.array([1 + TINT, 1, 1 - TINT], np.float32))


def blank(picture: Image) -> Image:
    """Nothing: one grey."""
    return images.as_stored(np.full_like(picture, 0.5))


FAULTS: Mapping[str, Callable[[Image], Image]] = {"blocks": blocks, "halos": halos, "tint": tint, "blank": blank}
"""Every way to spoil a picture, by the name under which it is recorded."""
