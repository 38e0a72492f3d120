"""Finding, aligning, pasting back and naming regions of faces."""

from __future__ import annotations

import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsrbench.core.contracts import Machine
from fsrbench.core.errors import WeightsError
from fsrbench.core.values import Image
from fsrbench.imaging import faces, images
from support import draw_face


@pytest.fixture(scope="module")
def detector(shared_weights: Path) -> faces.Detector:
    return faces.open_detector(Machine(detector=shared_weights / "scrfd_2.5g_bnkps.onnx"))


def canonical(size: int = 512) -> faces.Points:
    return faces.CANONICAL * np.float32(size)


# -------------------------------------------------------------------- finding


@pytest.mark.slow
def test_faces_that_fill_the_frame_are_found(detector: faces.Detector, eval_faces: Path) -> None:
    for path in sorted(eval_faces.glob("*.png"))[:3]:
        picture = images.fit_square(images.read(path), 512)
        for image in (picture, picture[70:460, 61:451]):  # FFHQ's own frame, and one that cuts forehead and ears off
            found = detector(image)
            assert len(found) == 1, path.name
            assert found[0].landmarks.shape == (5, 2)
            assert found[0].landmarks.dtype == np.float32
        # FFHQ aligns by many points, so five landmarks of one face lie near the canonical places, not on them.
        assert np.abs(detector(picture)[0].landmarks / 512 - faces.CANONICAL).max() < 0.08


def test_small_and_many_faces_largest_first(detector: faces.Detector, face: Image) -> None:
    canvas = np.full((600, 900, 3), 0.4, np.float32)
    canvas[40:140, 60:160] = images.resize(face, 100, 100)
    canvas[250:550, 500:800] = images.resize(face, 300, 300)
    large, small = detector(canvas)
    assert large.size > small.size
    assert 500 < large.landmarks[:, 0].min() < large.landmarks[:, 0].max() < 800
    assert 60 < small.landmarks[:, 0].min() < small.landmarks[:, 0].max() < 160
    x0, y0, x1, y1 = small.box
    assert 0 <= x0 < x1 <= 900
    assert 0 <= y0 < y1 <= 600


@pytest.mark.parametrize("shape", [(1, 1, 3), (15, 400, 3), (20, 1500, 3), (64, 64, 3)])
def test_no_face_is_no_error(detector: faces.Detector, shape: tuple[int, int, int]) -> None:
    assert detector(np.full(shape, 0.5, np.float32)) == ()


def test_the_same_from_many_threads(detector: faces.Detector, face: Image) -> None:
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(detector, [face] * 6))
    assert len({(f.box, f.score, f.landmarks.tobytes()) for answer in answers for f in answer}) == 1


def test_what_is_no_detector_is_refused_by_name(shared_weights: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "schäden.onnx"
    damaged.write_bytes(b"not a model")
    for path in (shared_weights / "mobilefacenet_arcface.onnx", damaged, tmp_path / "absent.onnx"):
        with pytest.raises(WeightsError, match=path.name):
            faces.open_detector(Machine(detector=path))


def test_an_absent_detector_names_the_cure() -> None:
    with pytest.raises(WeightsError, match="fsrbench weights --download"):
        faces.open_detector(Machine(offline=True))


# ------------------------------------------------------------------- alignment


def smooth(size: int) -> Image:
    """A picture without detail near the pixel, so that resampling twice loses next to nothing."""
    y, x = np.mgrid[0:size, 0:size] / size
    waves = [0.5 + 0.4 * np.sin(7 * x + 5 * y + phase) * np.cos(6 * y - phase) for phase in (0.0, 1.0, 2.0)]
    return np.stack(waves, axis=2).astype(np.float32)


def test_canonical_landmarks_need_no_change() -> None:
    picture = smooth(512)
    crop, affine = faces.align(picture, canonical())
    np.testing.assert_allclose(affine, [[1, 0, 0], [0, 1, 0]], atol=1e-4)
    np.testing.assert_allclose(crop, picture, atol=1e-3)


@pytest.mark.parametrize(("turn", "scale"), [(0.0, 1.0), (0.3, 0.7), (-0.5, 0.4), (0.1, 1.6)])
def test_align_then_paste_changes_nothing_to_see(turn: float, scale: float) -> None:
    picture = smooth(600)
    rotation = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    landmarks = ((canonical() - 256) @ rotation.T + 300).astype(np.float32)
    crop, affine = faces.align(picture, landmarks)
    assert crop.shape == (512, 512, 3)
    np.testing.assert_allclose(landmarks @ affine[:, :2].T + affine[:, 2], canonical(), atol=0.01)
    before = picture.copy()
    back = faces.paste(picture, crop, affine)
    np.testing.assert_array_equal(picture, before)
    images.check(back)
    assert np.abs(back - picture).max() < 2 / 255


def test_a_pasted_face_leaves_no_seam_and_nothing_outside() -> None:
    canvas = np.full((400, 500, 3), 0.3, np.float32)
    landmarks = canonical(200) + np.float32((150, 100))
    crop, affine = faces.align(canvas, landmarks)
    pasted = faces.paste(canvas, np.full_like(crop, 0.9), affine)
    assert pasted[200, 250, 0] == pytest.approx(0.9, abs=1e-3)
    np.testing.assert_array_equal(pasted[:100], canvas[:100])
    np.testing.assert_array_equal(pasted[:, 352:], canvas[:, 352:])
    for axis in (0, 1):  # a hard edge would be a step of 0.6
        assert np.abs(np.diff(pasted, axis=axis)).max() < 0.06


def test_a_face_outside_the_picture_is_pasted_nowhere() -> None:
    canvas = draw_face(64)
    affine = np.array([[1.0, 0, 1000], [0, 1, 1000]])
    np.testing.assert_array_equal(faces.paste(canvas, np.ones((128, 128, 3), np.float32), affine), canvas)


def test_arcface_crops_are_those_of_insightface(detector: faces.Detector, face: Image) -> None:
    landmarks = detector(face)[0].landmarks
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-image has renamed what insightface calls
        from insightface.utils import face_align

        expected = face_align.norm_crop(images.to_8bit(face), landmarks)
    crop, _ = faces.align(face, landmarks, 112, "arcface")
    assert np.abs(crop * 255 - expected.astype(np.float32)).mean() < 0.6


@given(
    angle=st.floats(-3.1, 3.1),
    scale=st.floats(0.05, 20),
    x=st.floats(-1000, 1000),
    y=st.floats(-1000, 1000),
)
@settings(max_examples=50, deadline=None)
def test_a_similarity_is_recovered(angle: float, scale: float, x: float, y: float) -> None:
    a, b = scale * np.cos(angle), scale * np.sin(angle)
    expected = np.array([[a, -b, x], [b, a, y]])
    source = faces.CANONICAL * np.float32(100)
    found = faces.similarity(source, source.astype(np.float64) @ expected[:, :2].T + expected[:, 2])
    np.testing.assert_allclose(found, expected, atol=1e-6 * (1 + scale))


def test_landmarks_in_one_place_are_refused() -> None:
    with pytest.raises(ValueError, match="no similarity"):
        faces.similarity(np.zeros((5, 2), np.float32), canonical())


# --------------------------------------------------------------------- regions


@given(
    height=st.integers(1, 900),
    width=st.integers(1, 900),
    points=st.none() | st.lists(st.tuples(st.floats(-200, 1200), st.floats(-200, 1200)), min_size=5, max_size=5),
)
@settings(max_examples=100, deadline=None)
def test_regions_are_squares_within_the_picture(
    height: int, width: int, points: list[tuple[float, float]] | None
) -> None:
    landmarks = None if points is None else np.array(points, np.float32)
    boxes = faces.regions((height, width), landmarks)
    assert list(boxes) == ["left_eye", "right_eye", "nose", "mouth", "skin"]
    for x0, y0, x1, y1 in boxes.values():
        assert 0 <= x0 < x1 <= width
        assert 0 <= y0 < y1 <= height
        assert x1 - x0 == y1 - y0 >= min(16, height, width)


def test_regions_lie_where_they_are_named() -> None:
    boxes = faces.regions((512, 512), canonical())
    assert boxes == faces.regions((512, 512), None)
    for name, point in zip(("left_eye", "right_eye", "nose"), canonical(), strict=False):
        x0, y0, x1, y1 = boxes[name]
        assert x0 < point[0] < x1, name
        assert y0 < point[1] < y1, name
    x0, y0, x1, y1 = boxes["mouth"]
    assert (canonical()[3:] > (x0, y0)).all()
    assert (canonical()[3:] < (x1, y1)).all()
    wide = faces.regions((512, 1024), None)
    assert wide["nose"] == (boxes["nose"][0] + 256, boxes["nose"][1], boxes["nose"][2] + 256, boxes["nose"][3])


def test_skin_is_the_cheek_that_shows_more() -> None:
    turned = canonical()
    turned[2, 0] += 50  # the nose points to the right, so the left cheek shows
    left = faces.regions((512, 512), turned)["skin"]
    turned[2, 0] -= 100
    right = faces.regions((512, 512), turned)["skin"]
    assert left[2] < 256 < right[0]
