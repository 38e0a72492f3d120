"""Data presets: tiny trees of each well-known set, what is made of them, and what is said of a folder that is none."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

import fsrbench
from fsrbench.case import presetfolder
from fsrbench.case.presets import IDENTITIES, MAPPING, PRESETS
from fsrbench.core.errors import InputError, SettingsError
from fsrbench.imaging import images
from support import draw_face
from support.command import PLAIN, typed


def lay(folder: Path, *paths: str, side: int = 32) -> Path:
    for number, path in enumerate(paths):
        images.write(folder / path, draw_face(side, number))
    return folder


def persons(table: Path | None) -> dict[str, str]:
    assert table is not None
    with table.open(encoding="utf-8") as file:
        return {row["case"]: row["cluster"] for row in csv.DictReader(file)}


LFW = ("Ana_G/Ana_G_0001.jpg", "Ana_G/Ana_G_0002.jpg", "Bo_Li/Bo_Li_0001.jpg")


def test_lfw_is_read_by_its_folders(tmp_path: Path) -> None:
    lay(tmp_path / "set" / "lfw", *LFW)
    made = fsrbench.degrade(tmp_path / "set", tmp_path / "lr", "bicubic", preset="lfw")
    assert made.done == ("Ana_G_0001", "Ana_G_0002", "Bo_Li_0001")
    assert persons(made.persons) == {"Ana_G_0001": "Ana_G", "Ana_G_0002": "Ana_G", "Bo_Li_0001": "Bo_Li"}
    assert images.read(tmp_path / "lr" / "Bo_Li_0001.png").shape == (62, 62, 3)
    assert "lfw: 3; in LFW: 13,233. Numbers are not those of the whole set." in made.remarks[0]
    assert "Ana_G_0001.jpg has 32×32 pixels; those of LFW have 250×250" in made.remarks[1]


def test_the_next_command_runs_and_counts_persons(tmp_path: Path) -> None:
    lay(tmp_path / "lfw", *LFW)
    done = typed("degrade", "--preset", "lfw", "--hr", "lfw", "--lr", "lr", "--recipe", "bicubic", cwd=tmp_path)
    assert done.returncode == 0
    next_ = done.stdout.splitlines()[-1]
    assert next_ == "Next: fsrbench run --hr lfw --lr lr --set hr_size=248 --set clusters=lr/persons.csv"
    words = [*next_.split()[2:], "--family", "general", *PLAIN, "--device", "cpu", "--out", "out"]
    ran = typed(*words, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    run = fsrbench.load(tmp_path / "out")
    assert run.scores.query("metric == 'psnr'")["value"].notna().sum() == 3
    assert run.details.statistics.clusters == 2


@pytest.mark.parametrize(
    "paths", [("images1024x1024/00000/00000.png", "images1024x1024/01000/01000.png"), ("00000.png", "00001.png")]
)
def test_ffhq_is_a_tree_or_one_folder(tmp_path: Path, paths: tuple[str, ...]) -> None:
    lay(tmp_path / "ffhq", *paths)
    lay(tmp_path / "ffhq" / "thumbnails128x128", *([] if "/" not in paths[0] else ["00000/00000.png"]))
    made = fsrbench.degrade(tmp_path / "ffhq", tmp_path / "lr", "bicubic", hr_size=32, preset="ffhq")
    assert made.done == tuple(Path(path).stem for path in paths)
    assert made.persons is None
    assert "--set hr_size=32" in made.following
    assert any("each picture counts as a person of its own" in line for line in made.remarks)


def test_a_tree_is_made_again_from_its_table(tmp_path: Path) -> None:
    hr = lay(tmp_path / "lfw", *LFW)
    first = fsrbench.degrade(hr, tmp_path / "lr", preset="lfw")
    again = fsrbench.degrade(hr, tmp_path / "again", table=first.table)
    assert again.done == first.done
    for case in first.done:
        assert (tmp_path / "lr" / f"{case}.png").read_bytes() == (tmp_path / "again" / f"{case}.png").read_bytes()


@pytest.mark.parametrize("source", ["../Bo_Li_0001.jpg", "/tmp/Bo_Li_0001.jpg", "C:/x/Bo_Li_0001.jpg", "Bo_Li/x.jpg"])
def test_a_table_leads_out_of_no_folder(tmp_path: Path, source: str) -> None:
    hr = lay(tmp_path / "lfw", "Bo_Li/Bo_Li_0001.jpg")
    table = fsrbench.degrade(hr, tmp_path / "lr", "bicubic", preset="lfw").table
    table.write_text(table.read_text().replace("Bo_Li/Bo_Li_0001.jpg", source))
    with pytest.raises(InputError, match="is not the file name of case"):
        fsrbench.degrade(hr, tmp_path / "again", table=table)


def test_celeba_hq_numbers_are_found_by_both_tables(tmp_path: Path) -> None:
    hr = lay(tmp_path / "celeba" / "hq", "00000003.png", "00000012.png")
    (tmp_path / "celeba" / IDENTITIES).write_text("000009.jpg 2880\n119613.jpg 7\n")
    (tmp_path / "celeba" / MAPPING).write_text("idx orig_idx orig_file\n3 119612 119613.jpg\n12 8 000009.jpg\n")
    made = fsrbench.degrade(hr, tmp_path / "lr", "bicubic", preset="celeba-test")
    assert persons(made.persons) == {"00000003": "7", "00000012": "2880"}
    images.write(hr / "00000013.png", draw_face(32))
    with pytest.raises(InputError, match="do not say who is on 00000013"):
        presetfolder.look("celeba-test", hr)


def test_celeba_names_need_one_table(tmp_path: Path) -> None:
    hr = lay(tmp_path / "celeba", "000009.png")
    (hr / IDENTITIES).write_text("000009.jpg 2880\n")
    assert presetfolder.look("celeba-test", hr).persons == {"000009": "2880"}
    (hr / IDENTITIES).write_text("000009.jpg\n")
    with pytest.raises(InputError, match="line 1 does not hold 2 words"):
        presetfolder.look("celeba-test", hr)


def test_without_tables_nobody_is_known(tmp_path: Path) -> None:
    hr = lay(tmp_path / "celeba", "000001.png")
    found = presetfolder.look("celeba-test", hr)
    assert found.persons == {}
    assert any(f"{IDENTITIES} is not there" in line and "mmlab.ie.cuhk.edu.hk" in line for line in found.remarks)


def test_wider_is_not_degraded(tmp_path: Path) -> None:
    hr = lay(tmp_path / "wider test", "0034_x.png")
    done = typed("degrade", "--preset", "wider", "--hr", hr, "--lr", tmp_path / "lr")
    assert done.returncode == 2
    assert "no reference, so nothing is degraded" in done.stderr
    assert f"fsrbench run --lr '{hr}' --set scale=1" in done.stderr
    assert not (tmp_path / "lr").exists()


@pytest.mark.parametrize("name", PRESETS)
def test_a_set_that_is_not_there_says_where_to_get_it(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    for folder in (tmp_path / "nowhere", tmp_path / "empty"):
        with pytest.raises(InputError) as raised:
            presetfolder.look(name, folder)
        assert "https://" in str(raised.value) or "http://" in str(raised.value)
        assert PRESETS[name].licence in str(raised.value)


@pytest.mark.parametrize("name", ["celeba-test", "ffhq", "lfw"])
def test_another_set_is_refused(tmp_path: Path, name: str) -> None:
    hr = lay(tmp_path / "mine", "holiday/anna.png")
    with pytest.raises(InputError, match=r"1 of 1 pictures in .* are not called as in .*: holiday/anna\.png\. Move"):
        presetfolder.look(name, hr)


def test_an_unknown_preset_names_the_known(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="Did you mean lfw"):
        fsrbench.degrade(tmp_path, tmp_path / "lr", preset="lfv")
    with pytest.raises(SettingsError, match="leave these options out"):
        fsrbench.degrade(tmp_path, tmp_path / "lr", preset="lfw", table=tmp_path / "x.csv")
