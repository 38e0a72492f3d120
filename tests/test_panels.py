"""Panels, the contact sheet and tables: what they show, how large they become, and what they must not say."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow
from PIL import ImageDraw

from fsrbench.cli import doctor
from fsrbench.core import plugins
from fsrbench.core.contracts import Machine
from fsrbench.core.errors import FsrbenchError
from fsrbench.core.values import Image, Score
from fsrbench.imaging import faces, images
from fsrbench.measure.results import Numbers
from fsrbench.measure.subjects import Evaluation, Subject
from fsrbench.measure.summary import summarise
from fsrbench.measure.summary_values import MetricFacts, Summary
from fsrbench.show import drawing, panels, patches
from support import draw_face

RED = (1.0, 0.0, 0.0)


def flat(height: int, width: int, colour: tuple[float, float, float] = RED) -> Image:
    return np.broadcast_to(np.array(colour, dtype=np.float32), (height, width, 3)).copy()


def subject(root: Path, case: str = "one", family: str = "general", **arms: Image) -> Subject:
    """A case on disk; `pure` is a drawn face where none is given."""
    variants = {}
    for arm, image in {"pure": draw_face(64), **arms}.items():
        variants[arm] = root / family / arm / f"{case}.png"
        images.write(variants[arm], image)
    return Subject(family, case, None, None, variants)


def summary(values: dict[str, float | None], *families: str) -> Summary:
    """A summary of one case in which only PSNR and NIQE are declared; `values` are PSNR by arm."""
    named = families or ("general",)
    metrics = {name: plugins.load("metrics", name) for name in ("psnr", "niqe")}
    subjects = [Subject(family, "one", None, None, {arm: Path(arm) for arm in values}) for family in named]
    found = [replace(score, family=family) for family in named for score in scores(values)]
    return summarise(Evaluation(subjects, metrics), Numbers(found))


def scores(values: dict[str, float | None]) -> list[Score]:
    return [Score("one", "general", arm, "psnr", value) for arm, value in values.items()]


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[drawing.DrawnText]:
    """Every line of text that is rendered, as it stands on the page."""
    texts: list[drawing.DrawnText] = []
    rendered = drawing.Page.render

    def render(page: drawing.Page) -> drawing.Pixels:
        texts.extend(page.texts)
        return rendered(page)

    monkeypatch.setattr(drawing.Page, "render", render)
    return texts


def words(texts: list[drawing.DrawnText]) -> str:
    return "\n".join(text.words for text in texts)


def red_box(picture: drawing.Pixels) -> tuple[int, int]:
    """Width and height of what is red."""
    rows, columns = np.nonzero((picture[..., 0] > 230) & (picture[..., 1] < 25) & (picture[..., 2] < 25))
    return int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1


PURE_ONLY: dict[str, float | None] = {"pure": 30.0}


# ------------------------------------------------------------------- pictures


@given(st.integers(1, 5000), st.integers(1, 5000), st.integers(20, 800), st.integers(20, 800))
def test_a_picture_fits_its_cell_and_keeps_its_shape(height: int, width: int, wide: int, tall: int) -> None:
    shown = drawing.fit((height, width), (wide, tall))
    assert 1 <= shown[0] <= wide
    assert 1 <= shown[1] <= tall
    assert shown[0] == wide or shown[1] == tall
    assert abs(shown[0] * height - shown[1] * width) <= max(height, width)


@pytest.mark.parametrize("shape", [(60, 40), (40, 60), (48, 48), (400, 12), (12, 400)])
def test_pictures_are_neither_squeezed_nor_endless(tmp_path: Path, shape: tuple[int, int]) -> None:
    own = subject(tmp_path, pure=flat(*shape))
    what = Evaluation([own], {})
    panel = panels.draw(own, scores(PURE_ONLY), what, summary(PURE_ONLY))
    sheet = panels.sheet(what, scores(PURE_ONLY), summary(PURE_ONLY), {own.case: None})
    assert panel.shape[0] < 3 * panels.PANEL.width + 200
    for picture, style in ((panel, panels.PANEL), (sheet, panels.SHEET)):
        if shape[0] == shape[1]:
            continue  # patches are red too
        width, height = red_box(picture)
        assert width / height == pytest.approx(shape[1] / shape[0], rel=0.05)
        assert width == style.width or height == pytest.approx(style.width * style.tallest, abs=1)


def test_patches_are_named_and_only_shown_where_a_face_is_aligned(
    tmp_path: Path, written: list[drawing.DrawnText]
) -> None:
    square, tall = subject(tmp_path / "a"), subject(tmp_path / "b", pure=draw_face(64)[:, 10:40])
    shown = panels.draw(square, [], Evaluation([square], {}), summary(PURE_ONLY))
    assert {"left eye", "nose", "mouth", "skin", patches.CANONICAL} <= {t.words for t in written}
    written.clear()
    wide = panels.draw(tall, [], Evaluation([tall], {}), summary(PURE_ONLY))
    panels.sheet(Evaluation([tall], {}), [], summary(PURE_ONLY), {tall.case: None})
    assert not {"left eye", "nose", "mouth", "skin", patches.CANONICAL} & {t.words for t in written}
    assert wide.shape[0] < shown.shape[0] + panels.PANEL.width


def found_at(left: float, top: float, side: float) -> faces.Face:
    """A face as FFHQ aligns it, in a square of this side."""
    box = (left, top, left + side, top + side)
    return faces.Face(box, (faces.CANONICAL * side + (left, top)).astype(np.float32), 0.9)


@pytest.mark.parametrize(
    ("found", "shown", "said"),
    [
        ((found_at(70, 2, 40), found_at(5, 5, 30)), {"face 1", "face 2"}, patches.LARGEST),
        ((found_at(70, 2, 40),), {"face", "left eye", "nose", "mouth"}, patches.FOUND),
        ((), set(), ""),
    ],
)
def test_faces_of_a_whole_picture_are_shown_in_every_column(
    tmp_path: Path, written: list[drawing.DrawnText], found: tuple[faces.Face, ...], shown: set[str], said: str
) -> None:
    wide = np.concatenate([draw_face(64), draw_face(64, 1)], axis=1)
    own = subject(tmp_path, pure=wide, mine=wide[:, ::-1].copy())
    panels.draw(own, [], Evaluation([own], {}), summary({"pure": None, "mine": None}), lambda _image: found)
    texts = [text.words for text in written]
    assert {name for name in texts if texts.count(name) == 2} >= shown
    assert [text for text in texts if text.startswith(("Patches", "No detector"))] == ([said] if said else [])


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (None, patches.CANONICAL),
        ((), patches.UNSEEN),
        ((found_at(0, 0, 64),), patches.FOUND),
        ((found_at(30, 30, 30),), patches.FOUND),
    ],
)
def test_how_places_are_known_is_said(found: tuple[faces.Face, ...] | None, said: str) -> None:
    pure = images.to_8bit(draw_face(64))
    places = patches.places(pure, lambda _image: found, panels.PANEL.patches)
    assert places.said == said
    assert ("face" in places.boxes) == (found is not None and found != () and found[0].box[0] == 30)


def test_places_are_the_same_on_a_picture_of_another_size() -> None:
    places = patches.places(np.zeros((40, 80, 3), np.uint8), lambda _image: (found_at(40, 4, 20),), ("mouth",))
    [(x0, y0, x1, y1)] = places.on((40, 80)).values()
    assert list(places.on((80, 160)).values()) == [(2 * x0, 2 * y0, 2 * x1, 2 * y1)]


def test_the_detector_is_the_one_of_the_settings(shared_weights: Path, face: Image) -> None:
    none = patches.FaceFinder(Machine())
    assert (none.sha256, none(images.to_8bit(face))) == ("", None)
    finder = patches.FaceFinder(Machine(detector=shared_weights / "scrfd_2.5g_bnkps.onnx"))
    assert len(finder.sha256) == 64
    found = finder(images.to_8bit(face))
    assert found is not None
    assert len(found) == 1


def test_a_missing_arm_costs_its_column_only(tmp_path: Path, written: list[drawing.DrawnText]) -> None:
    own = subject(tmp_path, here=draw_face(64, 1), gone=draw_face(64, 2), broken=draw_face(64, 3))
    own.variants["gone"].unlink()
    own.variants["broken"].write_bytes(b"no picture")
    what = Evaluation([own], {})
    sheet = panels.sheet(what, [], summary(PURE_ONLY), {own.case: None})
    for picture in (panels.draw(own, [], what, summary(PURE_ONLY)), sheet):
        assert picture.dtype == np.uint8
    said = words(written)
    assert "+here\n" in said
    assert said.count("+gone is not shown: its picture is missing or cannot be read.") == 2
    assert said.count("+broken is not shown") == 2
    assert "general · +gone" not in said


def test_without_pure_there_is_no_panel_but_a_sheet_of_the_rest(
    tmp_path: Path, written: list[drawing.DrawnText]
) -> None:
    lost, there = subject(tmp_path, family="blind"), subject(tmp_path, family="general")
    lost.variants["pure"].unlink()
    what = Evaluation([lost, there], {})
    with pytest.raises(FsrbenchError, match=r"one\.png"):
        panels.draw(lost, [], what, summary(PURE_ONLY))
    panels.sheet(what, [], summary(PURE_ONLY, "blind", "general"), {there.case: None})
    assert "blind is not shown" in words(written)
    assert "general · Pure" in words(written)


def test_a_case_is_shown_in_the_family_that_is_named_with_it(tmp_path: Path, written: list[drawing.DrawnText]) -> None:
    both = [subject(tmp_path, family=family) for family in ("blind", "general")]
    panels.sheet(Evaluation(both, {}), [], summary(PURE_ONLY, "blind", "general"), {both[0].case: "general"})
    assert "general · Pure" in words(written)
    assert "blind" not in words(written)


def test_lr_and_reference_that_cannot_be_shown_are_said(tmp_path: Path, written: list[drawing.DrawnText]) -> None:
    own = replace(subject(tmp_path), lr=tmp_path / "lr.png", hr=tmp_path / "hr.png")
    images.write(tmp_path / "hr.png", draw_face(50))
    (tmp_path / "lr.png").write_bytes(b"no picture")
    panels.draw(own, [], Evaluation([own], {}), summary(PURE_ONLY))
    assert "LR is not shown: it cannot be read." in words(written)
    assert "The reference is not shown" in words(written)


# ----------------------------------------------------------------------- text


def test_a_long_name_takes_no_number_away(tmp_path: Path, written: list[drawing.DrawnText]) -> None:
    own = replace(subject(tmp_path), case="face_" * 60)
    found = [Score(own.case, "general", "pure", "psnr", 30.0)]
    panel = panels.draw(own, found, Evaluation([own], {}), summary(PURE_ONLY))
    assert panel.shape[1] <= 2 * (panels.PANEL.width + drawing.GAP) + drawing.GAP
    assert any(t.words.startswith("face_") and t.words.endswith("…") and t.bold for t in written)
    assert {"30.000", "general"} <= {t.words.strip(" ·") for t in written}


def test_all_metrics_stand_on_a_narrow_panel(tmp_path: Path, written: list[drawing.DrawnText]) -> None:
    own, metrics = subject(tmp_path), {f"m{i}": MetricFacts(f"Metric {i}", "higher", 3, "") for i in range(12)}
    many = replace(summary(PURE_ONLY), metrics=metrics)
    panel = panels.draw(own, [], Evaluation([own], {}), many)
    last = next(t for t in written if t.words == "Metric 11 ")
    assert last.at[0] + drawing.length(last.words, last.size) < panel.shape[1]


def test_the_sheet_names_cases_models_and_privileged_arms(tmp_path: Path, written: list[drawing.DrawnText]) -> None:
    cases = [subject(tmp_path, f"case{i}", oracle=draw_face(64, 1)) for i in range(8)]
    what = Evaluation(cases, {}, {"general": ["embedded (tiny)"]}, {"oracle": "privileged: saw the reference"})
    found = [Score("case0", "general", arm, "psnr", v) for arm, v in {"pure": 30.0, "oracle": 30.5}.items()]
    chosen = [f"case{i}" for i in (7, 5, 4, 3, 1, 0)]
    panels.sheet(what, found, summary(PURE_ONLY), dict.fromkeys(chosen), "The 6 of 8 cases that were asked for.")
    assert [t.words for t in written if t.bold] == chosen
    assert "The 6 of 8 cases that were asked for." in words(written)
    assert words(written).count("difference ×") == 6
    assert words(written).count("embedded (tiny)") == 6
    assert all(t.colour == drawing.MARKED for t in written if t.words.startswith("privileged"))
    assert words(written).count("privileged: saw the reference") == 6
    assert {"30.000", "+0.500"} <= {t.words for t in written}
    assert "NIQE" not in words(written)  # nowhere measured


@pytest.mark.parametrize(
    ("value", "text", "colour"),
    [
        (30.5, "+0.500", drawing.BETTER),
        (29.5, "−0.500", drawing.WORSE),
        (30.00004, "0.000", drawing.INK),
        (29.99996, "0.000", drawing.INK),
        (None, "n/a", drawing.FAINT),
    ],
)
def test_a_delta_has_the_colour_of_what_is_printed(
    tmp_path: Path, written: list[drawing.DrawnText], value: float | None, text: str, colour: str
) -> None:
    values = {"pure": 30.0, "mine": value}
    own = subject(tmp_path, mine=draw_face(64, 1))
    panels.draw(own, scores(values), Evaluation([own], {}), summary(values))
    psnr = [number for label, number in pairwise(written) if label.words == "PSNR "]
    assert [(t.words, t.colour) for t in psnr] == [("30.000", drawing.INK), (text, colour)]


def test_without_pures_number_an_arms_is_no_delta(tmp_path: Path, written: list[drawing.DrawnText]) -> None:
    own = subject(tmp_path, mine=draw_face(64, 1))
    panels.draw(own, scores({"pure": None, "mine": 31.0}), Evaluation([own], {}), summary({"pure": None}))
    assert not any("31" in t.words for t in written)


@given(
    st.text(st.characters(categories=("L", "M", "N", "P", "S", "Zs")), max_size=30),
    st.integers(14, 22),
    st.booleans(),
    st.floats(0, 180),
    st.floats(0, 55),
)
def test_text_is_laid_as_pillow_lays_it(words: str, size: int, bold: bool, x: float, y: float) -> None:
    ground = np.random.default_rng(0).integers(0, 256, (60, 200, 3), np.uint8)
    expected, page = Pillow.fromarray(ground), ground.copy()
    ImageDraw.Draw(expected).text((x, y), words, fill=drawing.BETTER, font=drawing._font(size, bold))
    drawing._write(page, drawing.DrawnText((x, y), words, size, drawing.BETTER, bold))
    assert np.array_equal(page, np.asarray(expected))


def test_equal_pictures_and_their_patches_are_scaled_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = subject(tmp_path, same=draw_face(64), other=draw_face(64, 5))
    scaled, scale = [], drawing._scaled

    def counted(picture: drawing.PlacedPicture, size: tuple[int, int]) -> drawing.Pixels:
        scaled.append(size)
        return scale(picture, size)

    monkeypatch.setattr(drawing, "_scaled", counted)
    page = panels.draw(own, [], Evaluation([own], {}), summary(PURE_ONLY))
    assert len(scaled) == 2 * (1 + len(panels.PANEL.patches)) + 1, "pure and one other, and how they differ"
    step = panels.PANEL.width + drawing.GAP
    first, second, third = (page[90:560, drawing.GAP + n * step :][:, : panels.PANEL.width] for n in range(3))
    assert np.array_equal(first[40:], second[40:])
    assert not np.array_equal(first[40:], third[40:])


@given(st.text(max_size=60), st.integers(30, 400), st.integers(1, 4))
def test_text_stays_in_its_room(text: str, room: int, most: int) -> None:
    lines = list(drawing.wrap(text, room, 14, most))
    assert len(lines) <= most
    assert all(drawing.length(line, 14) <= room for line in lines)
    if text.isprintable() and text.split() and drawing.length(text, 14) <= room:
        assert lines == [" ".join(text.split())]


def test_doctor_speaks_plainly() -> None:
    found = {finding.what: finding for finding in doctor.examine()}
    assert found["RealESRGAN_x4plus.pth"].text.startswith("for realesrgan, upstream_realesrgan: ")
    assert "needed" not in found["OPENAI_BASE_URL"].text
    assert found["OPENAI_BASE_URL"].ok
