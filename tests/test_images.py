"""The image contract: whatever people have is read into it, or refused in a sentence that names the file."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image as Pillow

from fsrbench.core.errors import InputError, StoreError
from fsrbench.files import atomic
from fsrbench.imaging import decode, images
from support import draw_face


def save(path: Path, picture: Pillow.Image, **options: object) -> Path:
    picture.save(path, **options)
    return path


def rgb8(size: int = 24) -> np.ndarray:
    return images.to_8bit(draw_face(size))


def test_png_round_trip_is_exact(tmp_path: Path) -> None:
    image = draw_face(40)
    images.write(tmp_path / "a.png", image)
    assert np.array_equal(images.read(tmp_path / "a.png"), images.as_stored(image))


def test_sixteen_bit_keeps_its_depth_even_when_dark(tmp_path: Path) -> None:
    dark = (np.arange(24 * 24 * 3).reshape(24, 24, 3) % 200).astype(np.uint16)  # all below 256: a trap
    ok, data = cv2.imencode(".png", dark[:, :, ::-1])
    assert ok
    (tmp_path / "deep.png").write_bytes(data.tobytes())
    assert np.allclose(images.read(tmp_path / "deep.png"), dark / 65535, atol=1e-7)


def test_sixteen_bit_grey(tmp_path: Path) -> None:
    grey = np.linspace(0, 65535, 24 * 24).reshape(24, 24).astype(np.uint16)
    Pillow.fromarray(grey).save(tmp_path / "g.png")
    image = images.read(tmp_path / "g.png")
    assert np.allclose(image[:, :, 0], grey / 65535, atol=1e-6)
    assert np.array_equal(image[:, :, 0], image[:, :, 2])


def test_sixteen_bit_colour_tiff(tmp_path: Path) -> None:
    deep = (np.arange(24 * 24 * 3).reshape(24, 24, 3) * 37 % 65536).astype(np.uint16)
    ok, data = cv2.imencode(".tiff", deep[:, :, ::-1])
    assert ok
    (tmp_path / "deep.tif").write_bytes(data.tobytes())
    assert np.allclose(images.read(tmp_path / "deep.tif"), deep / 65535, atol=1e-6)


def test_accents_taken_apart_are_the_same_name(tmp_path: Path) -> None:
    images.write(tmp_path / "e\u0301t\u00e9.png", draw_face(16))
    assert list(images.find(tmp_path)) == ["\u00e9t\u00e9"]


def test_eight_bit_grey_alpha_palette_cmyk(tmp_path: Path) -> None:
    colour = Pillow.fromarray(rgb8())
    grey = images.read(save(tmp_path / "l.png", colour.convert("L")))
    assert np.array_equal(grey[:, :, 0], grey[:, :, 1])
    clear = Pillow.new("RGBA", (24, 24), (200, 10, 10, 0))
    assert np.allclose(images.read(save(tmp_path / "a.png", clear)), 1.0)  # what is transparent is white
    palette = images.read(save(tmp_path / "p.png", colour.convert("P", palette=Pillow.Palette.ADAPTIVE)))
    assert np.abs(palette - images.read(save(tmp_path / "c.png", colour))).mean() < 0.05
    cmyk = images.read(save(tmp_path / "k.jpg", colour.convert("CMYK"), quality=95))
    assert np.abs(cmyk - images.read(tmp_path / "c.png")).mean() < 0.05


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_applied(tmp_path: Path, orientation: int) -> None:
    from PIL import ImageOps

    picture = Pillow.fromarray(rgb8()[:16])
    exif = picture.getexif()
    exif[0x0112] = orientation
    path = save(tmp_path / "e.png", picture, exif=exif)
    expected = np.asarray(ImageOps.exif_transpose(Pillow.open(path)))
    assert np.array_equal(images.to_8bit(images.read(path)), expected)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_of_deep_pictures(orientation: int) -> None:
    from PIL import ImageOps

    picture = Pillow.fromarray(rgb8()[:16])
    picture.getexif()[0x0112] = orientation
    expected = np.asarray(ImageOps.exif_transpose(picture))
    assert np.array_equal(images.to_8bit(decode._turn(np.asarray(picture) / np.float32(255), orientation)), expected)


def bad_files(folder: Path) -> dict[str, tuple[Path, str]]:
    """Name → file and a word that its message must hold."""
    good = images.encode(draw_face(32))
    (folder / "empty.png").write_bytes(b"")
    (folder / "cut.png").write_bytes(good[: len(good) // 2])
    (folder / "text.png").write_text("no picture", encoding="utf-8")
    frames = [Pillow.new("RGB", (16, 16), c) for c in ("red", "blue")]
    buffer = io.BytesIO()
    frames[0].save(buffer, "WEBP", save_all=True, append_images=frames[1:])
    (folder / "moving.webp").write_bytes(buffer.getvalue())
    save(folder / "large.png", Pillow.new("L", (3000, 3000)))
    return {
        "empty": (folder / "empty.png", "empty"),
        "cut": (folder / "cut.png", "damaged"),
        "text": (folder / "text.png", "not a picture"),
        "moving": (folder / "moving.webp", "animated"),
        "large": (folder / "large.png", "limit"),
        "gone": (folder / "gone.png", "not there"),
    }


def test_every_bad_file_is_named_and_explained(tmp_path: Path) -> None:
    for path, word in bad_files(tmp_path).values():
        with pytest.raises(InputError, match=word) as caught:
            images.read(path, max_pixels=1_000_000)
        assert path.name in str(caught.value)


def test_samples_without_a_known_white_are_refused(tmp_path: Path) -> None:
    for number, values in enumerate((np.full((8, 8), 200.0, np.float32), np.full((8, 8), np.nan, np.float32))):
        Pillow.fromarray(values).save(tmp_path / f"{number}.tif")
        with pytest.raises(InputError, match="8 or 16 bits"):
            images.read(tmp_path / f"{number}.tif")


def test_a_name_that_is_no_text_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    images.write(tmp_path / "good.png", draw_face(16))
    try:
        images.write(tmp_path / "new\nline.png", draw_face(16))
    except StoreError:
        pytest.skip("this file system has no such names")
    assert list(images.find(tmp_path)) == ["good"]
    assert "is left out" in caplog.text


def test_file_size_limit(tmp_path: Path) -> None:
    images.write(tmp_path / "a.png", draw_face(32))
    with pytest.raises(InputError, match=r"limits\.max_bytes"):
        images.read(tmp_path / "a.png", max_bytes=100)


def test_one_pixel(tmp_path: Path) -> None:
    save(tmp_path / "dot.png", Pillow.new("RGB", (1, 1), (255, 0, 0)))
    assert images.read(tmp_path / "dot.png").tolist() == [[[1.0, 0.0, 0.0]]]


def test_find_sorts_and_refuses_one_stem_twice(tmp_path: Path) -> None:
    for name in ("b.png", "a b é.PNG", "-dash.jpg", "..dots.png", "notes.txt"):
        (tmp_path / name).write_bytes(b"x")
    assert list(images.find(tmp_path)) == ["-dash", "a b é", "b"]
    (tmp_path / "b.jpg").write_bytes(b"x")
    with pytest.raises(InputError, match=r"b\.jpg and b\.png"):
        images.find(tmp_path)


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "a.png"
    target.write_bytes(b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StoreError, match="No space left"):
        atomic.write_bytes(target, b"new")
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_check_refuses_what_breaks_the_contract() -> None:
    good = draw_face(16)
    assert images.check(good) is good
    nan = good.copy()
    nan[0, 0, 0] = np.nan
    for bad in (good.astype(np.float64), good[:, :, 0], good * 2, nan):
        with pytest.raises(TypeError):
            images.check(bad)


@given(hnp.arrays(np.float32, (5, 7, 3), elements=st.floats(0, 1, width=32)))
def test_rounding_is_stable_and_near(image: np.ndarray) -> None:
    stored = images.as_stored(image)
    assert np.abs(stored - image).max() <= 0.5 / 255 + 1e-6
    assert np.array_equal(images.as_stored(stored), stored)
    assert images.pixel_hash(stored) == images.pixel_hash(image)


@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from(["bicubic", "area", "lanczos"]))
def test_resize_keeps_the_contract(width: int, height: int, kernel: str) -> None:
    out = images.resize(draw_face(24), width, height, kernel)  # type: ignore[arg-type]
    assert out.shape == (height, width, 3)
    images.check(out)
    flat = np.full((24, 24, 3), 0.25, np.float32)
    assert np.allclose(images.resize(flat, width, height, kernel), 0.25, atol=1e-5)  # type: ignore[arg-type]


def test_fit_square_takes_the_middle() -> None:
    image = np.zeros((10, 30, 3), np.float32)
    image[:, 10:20] = 1
    assert images.fit_square(image, 10).min() == 1


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")
def test_a_link_that_was_named_stays_and_what_it_names_is_replaced(tmp_path: Path) -> None:
    real, link, nowhere = tmp_path / "é" / "real", tmp_path / "link", tmp_path / "nowhere"
    atomic.write_bytes(real, b"old")
    link.symlink_to(Path("é", "real"))
    nowhere.symlink_to(Path("made", "later"))
    for path in (link, nowhere):
        atomic.write_named(path, b"new")
        assert path.is_symlink()
    assert real.read_bytes() == (tmp_path / "made" / "later").read_bytes() == b"new"
    assert sorted(path.name for path in real.parent.iterdir()) == ["real"]
    (tmp_path / "ring").symlink_to("ring")
    atomic.write_named(tmp_path / "ring", b"new")
    assert (tmp_path / "ring").read_bytes() == b"new"


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")
def test_in_a_folder_of_results_no_link_is_followed(tmp_path: Path) -> None:
    """Else a run's folder that somebody sends could have any file of the receiver's written over."""
    (tmp_path / "mine").write_bytes(b"mine")
    for name, target in (("summary.md", "mine"), ("scores.csv", "not there"), ("study.yaml", "/dev/null")):
        (tmp_path / name).symlink_to(target)
        atomic.write_bytes(tmp_path / name, b"new")
        assert not (tmp_path / name).is_symlink()
        assert (tmp_path / name).read_bytes() == b"new"
    assert (tmp_path / "mine").read_bytes() == b"mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "scores.csv", "study.yaml", "summary.md"]


@pytest.mark.skipif(not Path("/dev/stdout").exists(), reason="there is no such name here")
def test_what_a_process_prints_into_is_not_replaced(tmp_path: Path) -> None:
    """By a link of its own: a test that goes wrong must not replace the system's."""
    (tmp_path / "out").symlink_to("/dev/stdout")
    words = "from fsrbench.files import atomic; from pathlib import Path; import sys; print('first', flush=True); "
    words += "atomic.write_named(Path(sys.argv[1]), b'second')"
    command = [sys.executable, "-c", words, str(tmp_path / "out")]
    assert subprocess.run(command, capture_output=True, check=True).stdout == b"first\nsecond"
    with (tmp_path / "kept").open("wb") as file:
        subprocess.run(command, stdout=file, check=True)
    assert (tmp_path / "kept").read_bytes() == b"first\nsecond"
    assert (tmp_path / "out").is_symlink()
    with pytest.raises(StoreError, match="directory"):
        atomic.write_named(tmp_path, b"")


@pytest.mark.parametrize("strength", [0.0, 0.5, 2.4])
def test_sharpening_adds_what_a_picture_differs_by_from_its_means(strength: float) -> None:
    from scipy.ndimage import uniform_filter

    from fsrbench.models import sharpening

    picture = np.random.default_rng(0).uniform(0.3, 0.7, (40, 50, 3)).astype(np.float32)
    coarse = picture.astype(np.float64)
    for _ in range(2):
        coarse = uniform_filter(coarse, (5, 5, 0), mode="mirror")
    expected = np.clip(picture + strength * (picture - coarse), 0, 1)
    np.testing.assert_allclose(sharpening.sharpened(picture, strength), expected, atol=1e-5)
