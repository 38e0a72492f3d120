"""`degrade`: bytes that belong to (seed, case), the table that brings them back, and what is refused."""

from __future__ import annotations

import csv
import hashlib
import itertools
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fsrbench.case import degrade as subject
from fsrbench.case.degradations import TABLE
from fsrbench.case.degrade import degrade, standardise
from fsrbench.core import contracts, plugins
from fsrbench.core.errors import InputError, SettingsError
from fsrbench.core.values import derive_seed
from fsrbench.imaging import images
from support import draw_face

SIZES = {"scale": 4, "hr_size": 64}


@pytest.fixture
def hr(tmp_path: Path) -> Path:
    folder = tmp_path / "hr"
    for number, name in enumerate(("anna.png", "-b c.png", "élodie 2.png")):
        images.write(folder / name, draw_face(64 + 8 * number, number))
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir())}


def rows(table: Path) -> list[dict[str, str]]:
    with table.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def edit(table: Path, case: str, /, **cells: str) -> None:
    """Change cells of one row."""
    all_rows = rows(table)
    for row in all_rows:
        if row["case"] == case:
            row.update(cells)
    with table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(all_rows[0]))
        writer.writeheader()
        writer.writerows(all_rows)


# -------------------------------------------------------------- what is written


def test_writes_lr_and_a_row_for_each(hr: Path, tmp_path: Path) -> None:
    report = degrade(hr, tmp_path / "lr", seed=7, **SIZES)
    assert report.done == ("-b c", "anna", "élodie 2")
    assert report.failed == ()
    assert report.notes == ()
    assert report.table == tmp_path / "lr" / TABLE
    recipe = plugins.load("recipes", "paper")
    for row in rows(report.table):
        lr = images.read(tmp_path / "lr" / f"{row['case']}.png")
        values = recipe.draw(np.random.default_rng(derive_seed(7, "degrade", row["case"])))
        expected = recipe.apply(standardise(images.read(hr / row["source"]), 64), values, 4)
        assert np.array_equal(lr, expected)
        assert row["lr_sha256"] == images.pixel_hash(expected)
        assert {k: row[k] for k in ("format", "recipe", "scale", "hr_size", "seed")} == {
            "format": "3",
            "recipe": "paper",
            "scale": "4",
            "hr_size": "64",
            "seed": "7",
        }
        for name, value in values.items():
            assert row[name] == str(value) or row[name] == str(value).lower()
            if isinstance(value, float):
                assert float(row[name]) == value


@pytest.mark.parametrize("recipe", plugins.names("recipes"))
def test_neither_workers_nor_other_files_change_a_byte(recipe: str, hr: Path, tmp_path: Path) -> None:
    degrade(hr, tmp_path / "one", recipe=recipe, **SIZES)
    images.write(hr / "aaa.png", draw_face(64, 9))
    degrade(hr, tmp_path / "two", recipe=recipe, workers=3, **SIZES)
    one, two = contents(tmp_path / "one"), contents(tmp_path / "two")
    for name in one:
        if name != TABLE:
            assert one[name] == two[name]
    assert {r["case"]: r for r in rows(tmp_path / "one" / TABLE)}.items() <= {
        r["case"]: r for r in rows(tmp_path / "two" / TABLE)
    }.items()


def test_another_seed_gives_another_picture(hr: Path, tmp_path: Path) -> None:
    degrade(hr, tmp_path / "one", **SIZES)
    degrade(hr, tmp_path / "two", seed=1, **SIZES)
    assert contents(tmp_path / "one")["anna.png"] != contents(tmp_path / "two")["anna.png"]


def test_again_gives_the_same_bytes_and_a_new_seed_replaces_them(hr: Path, tmp_path: Path) -> None:
    lr = tmp_path / "lr"
    degrade(hr, lr, **SIZES)
    first = contents(lr)
    degrade(hr, lr, **SIZES)
    assert contents(lr) == first
    assert degrade(hr, lr, seed=1, **SIZES).failed == ()
    assert contents(lr) != first
    assert {r["seed"] for r in rows(lr / TABLE)} == {"1"}


def test_progress_counts_to_all(hr: Path, tmp_path: Path) -> None:
    seen: list[object] = []

    def track(title: str, items: Iterable[Any], total: int) -> Iterator[Any]:
        seen.append((title, total))
        for item in items:
            seen.append(len(seen))
            yield item

    degrade(hr, tmp_path / "lr", workers=2, track=track, **SIZES)
    assert seen == [("degrade", 3), 1, 2, 3]


def test_standardise_is_the_centre_square_in_8_bits() -> None:
    face = images.as_stored(draw_face(64))
    assert np.array_equal(standardise(face, 64), face)
    assert np.array_equal(standardise(np.concatenate([face, face[:, :20]], axis=1), 64).shape, (64, 64, 3))
    wide = np.concatenate([face[:, :10] * 0, face, face[:, :10] * 0], axis=1)
    assert np.array_equal(standardise(wide, 64), face)
    small = standardise(face, 40)
    assert np.array_equal(small, images.as_stored(small))


def test_small_hr_is_enlarged_and_said(hr: Path, tmp_path: Path) -> None:
    images.write(hr / "tiny.png", draw_face(40))
    report = degrade(hr, tmp_path / "lr", **SIZES)
    assert report.notes == (("tiny", "HR has 40×40 pixels and was enlarged to 64"),)
    assert [r["note"] for r in rows(report.table)].count("") == 3
    assert images.read(tmp_path / "lr" / "tiny.png").shape == (16, 16, 3)


def test_what_is_cropped_is_counted_named_and_recorded(hr: Path, tmp_path: Path) -> None:
    assert degrade(hr, tmp_path / "none", **SIZES).cropping == ""
    for number, width in enumerate((90, 80, 70, 66)):
        images.write(hr / f"wide {number}.png", images.as_stored(images.resize(draw_face(64, number), width, 64)))
    images.write(hr / "tall.png", images.as_stored(images.resize(draw_face(64), 64, 101)))
    report = degrade(hr, tmp_path / "lr", **SIZES)
    assert report.cropped[:2] == (("tall", "64x64+0+18 of 64x101"), ("wide 0", "64x64+13+0 of 90x64"))
    assert report.cropping.startswith("5 of 8 pictures are not square: only the centre square is used")
    assert "(tall: 64x64+0+18 of 64x101, wide 0: 64x64+13+0 of 90x64, wide 1: 64x64+8+0 of 80x64, …;" in report.cropping
    assert "cut a square around it first" in report.cropping
    crops = {row["case"]: row["crop"] for row in rows(report.table)}
    assert {case: crop for case, crop in crops.items() if crop} == dict(report.cropped)
    again = degrade(hr, tmp_path / "again", table=report.table)
    assert again.cropped == report.cropped
    assert contents(tmp_path / "again") == contents(tmp_path / "lr")


# --------------------------------------------------------------- from the table


@pytest.mark.parametrize("recipe", plugins.names("recipes"))
def test_the_table_makes_the_same_bytes_again(recipe: str, hr: Path, tmp_path: Path) -> None:
    table = degrade(hr, tmp_path / "one", recipe=recipe, seed=3, **SIZES).table
    report = degrade(hr, tmp_path / "two", table=table, workers=2)
    assert report.failed == ()
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    degrade(hr, tmp_path / "one", table=table)  # onto itself
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


@pytest.mark.parametrize("recipe", ["realesrgan", "bsrgan"])
def test_a_table_of_format_2_gives_the_pixels_of_its_day(recipe: str, tmp_path: Path) -> None:
    """Table and picture are those that the last version with format 2 wrote; what is drawn today differs from them."""
    stored = Path(__file__).parent / "data" / "degradations"
    face = tmp_path / "hr" / "face.png"
    images.write(face, draw_face(64))
    table = tmp_path / "earlier.csv"
    table.write_bytes((stored / f"{recipe}-2.csv").read_bytes())
    edit(table, "face", hr_sha256=hashlib.sha256(face.read_bytes()).hexdigest(), lr_sha256="")
    report = degrade(tmp_path / "hr", tmp_path / "lr", table=table)
    assert report.failed == ()
    was = images.read(stored / f"{recipe}-2.png")
    assert (
        np.abs(images.read(tmp_path / "lr" / "face.png") - was).max() < 2.5 / 255
    )  # another OpenCV may round otherwise
    [row] = rows(report.table)
    assert row["format"] == "3"
    degrade(tmp_path / "hr", tmp_path / "again", table=report.table)
    assert contents(tmp_path / "again") == contents(tmp_path / "lr")
    [drawn] = rows(degrade(tmp_path / "hr", tmp_path / "drawn", recipe=recipe, seed=int(row["seed"]), **SIZES).table)
    changed = {name for name in drawn if drawn[name] != row[name] and name != "lr_sha256"}
    assert changed == {"sharpen" if recipe == "realesrgan" else "halve_kernel"}


def test_a_table_of_an_unknown_format_is_refused(hr: Path, tmp_path: Path) -> None:
    table = degrade(hr, tmp_path / "lr", **SIZES).table
    edit(table, "anna", format="1")
    with pytest.raises(InputError, match="column format is '1'; this version reads 2 and 3"):
        degrade(hr, tmp_path / "again", table=table)


def test_a_table_saved_by_a_spreadsheet_still_works(hr: Path, tmp_path: Path) -> None:
    table = degrade(hr, tmp_path / "one", **SIZES).table
    text = table.read_text(encoding="utf-8").replace("true", "TRUE").replace("false", "FALSE")
    copy = tmp_path / "copy.csv"
    copy.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert degrade(hr, tmp_path / "two", table=copy).failed == ()
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_values_count_and_not_the_seed(hr: Path, tmp_path: Path) -> None:
    table = degrade(hr, tmp_path / "one", **SIZES).table
    edit(table, "anna", seed="99")
    degrade(hr, tmp_path / "two", table=table)
    assert contents(tmp_path / "one")["anna.png"] == contents(tmp_path / "two")["anna.png"]


def test_an_edited_value_is_refused_until_the_hash_is_emptied(hr: Path, tmp_path: Path) -> None:
    table = degrade(hr, tmp_path / "one", **SIZES).table
    edit(table, "anna", jpeg_quality="31")
    report = degrade(hr, tmp_path / "two", table=table)
    ((case, why),) = report.failed
    assert case == "anna"
    assert "row 3" in why
    assert "lr_sha256" in why
    assert not (tmp_path / "two" / "anna.png").exists()
    edit(table, "anna", lr_sha256="")
    assert degrade(hr, tmp_path / "two", table=table).failed == ()
    assert contents(tmp_path / "one")["anna.png"] != contents(tmp_path / "two")["anna.png"]


def test_missing_or_changed_hr_is_named_and_the_rest_is_made(hr: Path, tmp_path: Path) -> None:
    table = degrade(hr, tmp_path / "one", **SIZES).table
    (hr / "anna.png").unlink()
    images.write(hr / "élodie 2.png", draw_face(64, 77))
    report = degrade(hr, tmp_path / "two", table=table)
    assert report.done == ("-b c",)
    why = dict(report.failed)
    assert "row 3" in why["anna"]
    assert "anna.png is not there" in why["anna"]
    assert "row 4" in why["élodie 2"]
    assert "hr_sha256" in why["élodie 2"]


@pytest.mark.parametrize(
    ("cells", "says"),
    [
        ({"blur_a_sigma_x": "wide"}, "column blur_a_sigma_x 'wide' is not a number"),
        ({"blur_a_sigma_x": "nan"}, "column blur_a_sigma_x 'nan' is not a number"),
        ({"blur_b_size": "7.5"}, "column blur_b_size '7.5' is not a whole number"),
        ({"noise_grey": "maybe"}, "column noise_grey 'maybe' is not true or false"),
        ({"noise_seed": ""}, "column noise_seed '' is not a whole number"),
        ({"scale": "x4"}, "column scale"),
        ({"scale": "5"}, "cannot be divided"),
        ({"scale": "0"}, "at least 1"),
        ({"recipe": "papre"}, "Did you mean paper"),
        ({"source": "../anna.png"}, "column source"),
        ({"source": "other.png"}, "column source"),
        ({"hr_sha256": "abc"}, "column hr_sha256"),
        ({"lr_sha256": "abc"}, "column lr_sha256"),
        ({"format": "1"}, "column format is '1'; this version reads 2"),
        ({"case": "-b c"}, "twice"),
    ],
)
def test_a_garbled_cell_stops_before_anything_is_made(
    cells: dict[str, str], says: str, hr: Path, tmp_path: Path
) -> None:
    table = degrade(hr, tmp_path / "one", **SIZES).table
    edit(table, "anna", **cells)
    with pytest.raises(InputError, match="row 3") as caught:
        degrade(hr, tmp_path / "two", table=table)
    assert says in str(caught.value)
    assert not (tmp_path / "two").exists()


def test_a_value_out_of_its_stages_reach_fails_its_case(hr: Path, tmp_path: Path) -> None:
    table = degrade(hr, tmp_path / "one", **SIZES).table
    edit(table, "anna", resize_kernel="cubic")
    ((_, why),) = degrade(hr, tmp_path / "two", table=table).failed
    assert "row 3" in why
    assert "'cubic' is none of area, bilinear, bicubic" in why


@pytest.mark.parametrize("column", ["case", "hr_sha256", "lr_sha256", "jpeg_quality"])
def test_a_missing_column_is_named(column: str, hr: Path, tmp_path: Path) -> None:
    table = degrade(hr, tmp_path / "one", **SIZES).table
    all_rows = [{k: v for k, v in row.items() if k != column} for row in rows(table)]
    copy = tmp_path / "copy.csv"
    with copy.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(all_rows[0]))
        writer.writeheader()
        writer.writerows(all_rows)
    with pytest.raises(InputError, match=column):
        degrade(hr, tmp_path / "two", table=copy)


@given(data=st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode)))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_other_file_as_table_is_an_input_error(data: bytes, hr: Path, tmp_path: Path) -> None:
    (tmp_path / "any.csv").write_bytes(data)
    with pytest.raises(InputError):
        degrade(hr, tmp_path / "two", table=tmp_path / "any.csv")


CELLS = st.one_of(st.text(max_size=12), st.integers().map(str), st.floats().map(repr), st.just("1" * 400))


@pytest.mark.parametrize("recipe", ["paper", "realesrgan", "bsrgan"])
@given(data=st.data(), text=CELLS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_in_a_cell_is_used_or_explained(
    recipe: str, data: st.DataObject, text: str, hr: Path, tmp_path: Path
) -> None:
    table, good = tmp_path / "one" / TABLE, tmp_path / "good.csv"
    if not good.exists():
        degrade(hr, table.parent, recipe=recipe, **SIZES)
        shutil.copy(table, good)
    shutil.copy(good, table)
    column = data.draw(st.sampled_from(("scale", "hr_size", *plugins.load("recipes", recipe).columns)))
    edit(table, "anna", **{column: text, "lr_sha256": ""})
    try:
        report = degrade(hr, tmp_path / "two", table=table)
    except InputError as error:
        message = str(error)
    else:
        assert {"-b c", "élodie 2"} <= set(report.done)
        message = " ".join(why for _, why in report.failed)
    assert message == "" or "row 3" in message


def test_no_table_at_all(hr: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not there"):
        degrade(hr, tmp_path / "lr", table=tmp_path / "none.csv")


# ------------------------------------------------------------------ bad input


def test_one_bad_picture_is_reported_and_the_rest_go_on(hr: Path, tmp_path: Path) -> None:
    whole = (hr / "anna.png").read_bytes()
    (hr / "cut.png").write_bytes(whole[: len(whole) // 2])
    (hr / "empty.jpg").write_bytes(b"")
    (hr / "text.png").write_text("hello", encoding="utf-8")
    images.write(hr / "huge.png", draw_face(120))
    report = degrade(hr, tmp_path / "lr", max_pixels=100 * 100, workers=2, **SIZES)
    assert report.done == ("-b c", "anna", "élodie 2")
    assert [case for case, _ in report.failed] == ["cut", "empty", "huge", "text"]
    assert all(f"{case}." in why for case, why in report.failed)
    assert {r["case"] for r in rows(report.table)} == set(report.done)


def test_settings_that_cannot_work(hr: Path, tmp_path: Path) -> None:
    lr = tmp_path / "lr"
    with pytest.raises(SettingsError, match=r"hr-size 66 cannot be divided by scale 4\. Take 64"):
        degrade(hr, lr, scale=4, hr_size=66)
    with pytest.raises(SettingsError, match="under 8 pixels"):
        degrade(hr, lr, scale=4, hr_size=16)
    with pytest.raises(SettingsError, match="at least 1"):
        degrade(hr, lr, scale=0)
    with pytest.raises(SettingsError, match="smaller"):
        degrade(hr, lr, hr_size=4_000_000)
    with pytest.raises(SettingsError, match="workers"):
        degrade(hr, lr, workers=0)
    with pytest.raises(SettingsError, match="Did you mean paper"):
        degrade(hr, lr, recipe="papper")
    with pytest.raises(SettingsError, match="over HR"):
        degrade(hr, hr.parent / "x" / ".." / "hr")
    assert not lr.exists()


def test_no_pictures(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a folder"):
        degrade(tmp_path / "none", tmp_path / "lr")
    (tmp_path / "hr").mkdir()
    with pytest.raises(InputError, match="holds no pictures"):
        degrade(tmp_path / "hr", tmp_path / "lr")
    assert not (tmp_path / "lr").exists()


def test_a_foreign_picture_is_never_written_over(hr: Path, tmp_path: Path) -> None:
    lr = tmp_path / "lr"
    images.write(lr / "anna.png", draw_face(32, 5))
    images.write(lr / "kept.png", draw_face(32, 6))
    before = contents(lr)
    report = degrade(hr, lr, **SIZES)
    ((case, why),) = report.failed
    assert case == "anna"
    assert str(lr / "anna.png") in why
    after = contents(lr)
    assert {name: after[name] for name in before} == before
    assert report.done == ("-b c", "élodie 2")


def test_a_picture_changed_since_is_foreign_too(hr: Path, tmp_path: Path) -> None:
    lr = tmp_path / "lr"
    degrade(hr, lr, **SIZES)
    images.write(lr / "anna.png", draw_face(16, 5))
    ((case, _),) = degrade(hr, lr, **SIZES).failed
    assert case == "anna"
    assert np.array_equal(images.read(lr / "anna.png"), images.as_stored(draw_face(16, 5)))


def test_two_lr_under_one_name_are_refused(hr: Path, tmp_path: Path) -> None:
    lr = tmp_path / "lr"
    lr.mkdir()
    (lr / "anna.jpg").write_bytes(images.encode(draw_face(16), "jpeg"))
    ((case, why),) = degrade(hr, lr, **SIZES).failed
    assert case == "anna"
    assert "anna.jpg" in why


def test_rows_of_other_pictures_are_kept(hr: Path, tmp_path: Path) -> None:
    lr = tmp_path / "lr"
    degrade(hr, lr, recipe="bsrgan", **SIZES)
    (hr / "anna.png").rename(tmp_path / "anna.png")
    degrade(hr, lr, recipe="paper", **SIZES)
    by_case = {r["case"]: r for r in rows(lr / TABLE)}
    assert {case: row["recipe"] for case, row in by_case.items()} == {
        "-b c": "paper",
        "anna": "bsrgan",
        "élodie 2": "paper",
    }
    (tmp_path / "anna.png").rename(hr / "anna.png")
    assert degrade(hr, tmp_path / "again", table=lr / TABLE).failed == ()  # mixed recipes in one table
    assert contents(tmp_path / "again") == contents(lr)


def test_a_damaged_table_in_the_way_stops_before_anything_is_made(hr: Path, tmp_path: Path) -> None:
    lr = tmp_path / "lr"
    lr.mkdir()
    (lr / TABLE).write_text("notes of mine\n", encoding="utf-8")
    with pytest.raises(InputError, match="was not written by"):
        degrade(hr, lr, **SIZES)
    assert list(contents(lr)) == [TABLE]


def test_interrupted_it_keeps_what_is_made_and_the_next_run_ends_as_if_nothing_was(hr: Path, tmp_path: Path) -> None:
    degrade(hr, tmp_path / "whole", **SIZES)

    def interrupt(_: str, items: Iterable[Any], __: int) -> Iterator[Any]:
        yield from itertools.islice(items, 2)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        degrade(hr, tmp_path / "lr", track=interrupt, **SIZES)
    assert len(rows(tmp_path / "lr" / TABLE)) == 2
    (tmp_path / "lr" / TABLE).unlink()  # as after a kill, before the table was written
    assert degrade(hr, tmp_path / "lr", **SIZES).failed == ()
    assert contents(tmp_path / "lr") == contents(tmp_path / "whole")


def test_a_recipe_may_not_draw_a_name_of_the_table(hr: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = contracts.Recipe("", draw=lambda rng: {"seed": 1}, apply=lambda hr, values, scale: hr, columns=("seed",))
    monkeypatch.setattr(subject.plugins, "load", lambda kind, name: bad)
    with pytest.raises(SettingsError, match="draws seed"):
        degrade(hr, tmp_path / "lr", **SIZES)
