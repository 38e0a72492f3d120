"""png.py: what others read of it is what was written, for pictures of every size and content."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image as Pillow

from fsrbench.imaging import images, png
from support import draw_face

PIXELS = st.one_of(
    arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=40).map(lambda side: (*side, 3))),
    st.builds(
        lambda height, width, seed: np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8),
        st.integers(1, 90), st.integers(1, 90), st.integers(0, 9),
    ),
)  # fmt: skip


def decoded(data: bytes) -> tuple[np.ndarray, np.ndarray]:
    """By two independent decoders; Pillow's checks every chunk's checksum."""
    with Pillow.open(io.BytesIO(data)) as picture:
        picture.verify()
    with Pillow.open(io.BytesIO(data)) as picture:
        assert (picture.format, picture.mode, picture.info) == ("PNG", "RGB", {})
        one = np.asarray(picture)
    return one, cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)[:, :, ::-1]


@given(PIXELS)
def test_two_decoders_read_what_was_written(pixels: np.ndarray) -> None:
    for found in decoded(png.encode(pixels)):
        assert np.array_equal(found, pixels)


def test_a_view_of_a_larger_picture_is_written_as_it_looks() -> None:
    pixels = images.to_8bit(draw_face(64))
    for view in (pixels[8:40, 16:48], pixels[::-1], pixels.transpose(1, 0, 2), pixels[:, :, ::-1]):
        assert np.array_equal(decoded(png.encode(view))[0], view)


def test_the_same_pixels_give_the_same_bytes_and_few_of_them() -> None:
    pixels = images.to_8bit(draw_face(256))
    data = png.encode(pixels)
    assert data == png.encode(pixels.copy())
    strongest = cv2.imencode(".png", pixels[:, :, ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 9])[1]
    assert len(data) < 1.6 * len(strongest)
    with pytest.raises(ValueError, match="unpack"):
        png.encode(pixels[:, :, 0])
