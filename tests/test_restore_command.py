"""`fsrbench restore`: whole folders without an experiment; what is kept, what is made anew, what is never touched."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fsrbench
from fsrbench.core.errors import InputError, SettingsError
from fsrbench.experiments import pictures
from fsrbench.imaging import faces, images
from support import draw_face
from support.command import typed

BICUBIC = ["families.general.backend=bicubic"]
FACE = faces.Face((10.0, 10.0, 80.0, 80.0), (faces.CANONICAL * 80 + 8).astype(np.float32), 0.9)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of pictures with one below it, one damaged, one hidden."""
    root = tmp_path / "photos"
    images.write(root / "anna.png", draw_face(24))
    images.write(root / "2019" / "müller.png", draw_face(24, 1))
    images.write(root / ".cache" / "hidden.png", draw_face(24, 2))
    (root / "2019" / "notes.txt").write_text("no picture")
    (root / "broken.jpg").write_bytes(b"nothing")
    return root


def restored(*inputs: Path, out: Path, **options: Any) -> fsrbench.RestoreReport:
    given: dict[str, Any] = {"settings": BICUBIC, "device": "cpu", "offline": True, "workers": 1, **options}
    return fsrbench.restore_all(inputs, out, **given)


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))


def test_a_folder_keeps_its_tree_and_a_bad_picture_costs_itself_alone(photos: Path, tmp_path: Path) -> None:
    report = restored(photos, out=tmp_path / "out")
    assert files(tmp_path / "out") == ["2019/müller.png", "anna.png"]
    assert report.done == ("2019/müller.png", "anna.png")
    [(bad, why)] = report.failed
    assert (bad, "cannot be read" in why or "not a picture" in why) == ("broken.jpg", True)
    one = fsrbench.restore(photos / "anna.png", settings=BICUBIC, device="cpu")
    assert np.array_equal(images.read(tmp_path / "out" / "anna.png"), one.image)


def test_what_is_finished_is_not_made_again(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    restored(photos, out=out)
    assert restored(photos, out=out).kept == ("2019/müller.png", "anna.png")
    assert restored(photos, out=out, knobs={"detail_damping": 0.3}).done == ("2019/müller.png", "anna.png")
    (out / "anna.png").unlink()
    images.write(photos / "2019" / "müller.png", draw_face(24, 5))
    images.write(photos / "new.png", draw_face(24, 6))
    report = restored(photos, out=out, knobs={"detail_damping": 0.3})
    assert (report.done, report.kept) == (("2019/müller.png", "anna.png", "new.png"), ())


def test_after_a_kill_what_is_there_is_recognised_by_its_pixels(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    restored(photos, out=out)
    (out / ".journal").unlink()
    assert restored(photos, out=out).done == ("2019/müller.png", "anna.png")


def test_an_interrupt_keeps_what_is_finished(photos: Path, tmp_path: Path) -> None:
    def interrupted(_title: str, items: Iterable[Any], _total: int) -> Iterator[Any]:
        yield next(iter(items))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        restored(photos, out=tmp_path / "out", progress=interrupted)
    [first] = files(tmp_path / "out")
    assert restored(photos, out=tmp_path / "out").kept == (first,)


def test_a_picture_that_was_not_made_here_stays(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    images.write(out / "anna.png", draw_face(30, 9))
    before = (out / "anna.png").read_bytes()
    report = restored(photos, out=out)
    assert "was not made here" in dict(report.failed)["anna.png"]
    assert (out / "anna.png").read_bytes() == before


def test_no_input_is_written_over(photos: Path) -> None:
    with pytest.raises(SettingsError, match="folder of the pictures itself"):
        restored(photos, out=photos)
    before = (photos / "anna.png").read_bytes()
    for out in (photos, photos / "anna.png"):
        report = restored(photos / "anna.png", out=out)
        assert "is not written over" in dict(report.failed)["anna.png"]
    assert (photos / "anna.png").read_bytes() == before


def test_results_below_the_pictures_are_no_pictures(photos: Path) -> None:
    for _ in range(2):
        restored(photos, out=photos / "restored")
    assert files(photos / "restored") == ["2019/müller.png", "anna.png"]


def test_several_inputs_keep_their_folders_apart(photos: Path, tmp_path: Path) -> None:
    other = tmp_path / "more"
    images.write(other / "anna.png", draw_face(24, 3))
    restored(photos, other, photos / "anna.png", out=tmp_path / "out")
    assert files(tmp_path / "out") == ["anna.png", "more/anna.png", "photos/2019/müller.png", "photos/anna.png"]


def test_two_pictures_that_would_share_a_name_are_told(photos: Path, tmp_path: Path) -> None:
    shutil.copy(photos / "anna.png", photos / "anna.webp")
    planned = pictures.plan([photos], tmp_path / "out")
    assert [name for name, _ in planned.failed] == ["anna.webp"]
    assert "Rename one of them" in planned.failed[0][1]


def test_one_picture_into_a_file(photos: Path, tmp_path: Path) -> None:
    target = tmp_path / "new" / "x.png"
    for seed in (0, 1):
        assert restored(photos / "anna.png", out=target, seed=seed).done == ("anna.png",)
    assert [path.name for path in target.parent.iterdir()] == ["x.png"]
    for inputs, out, said in (
        ([photos], target, "Name a folder"),
        ([photos / "anna.png"], tmp_path / "x.jpg", "End it in .png"),
    ):
        with pytest.raises(SettingsError, match=said):
            restored(*inputs, out=out)


def test_nothing_to_restore_is_told(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no pictures are there"):
        restored(tmp_path / "empty", out=tmp_path / "out")
    assert "is not there" in restored(tmp_path / "gone.png", out=tmp_path / "out").failed[0][1]


def test_a_run_is_not_mixed_with_pictures(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "study.yaml").write_text("format: 1")
    with pytest.raises(SettingsError, match="holds a run"):
        restored(photos, out=tmp_path / "run")


# ------------------------------------------------------------------------- arms


def test_an_arm_ends_as_in_a_run(tmp_path: Path) -> None:
    images.write(tmp_path / "lr" / "anna.png", draw_face(24))
    constant = [*BICUBIC, "arms.same.way=constant", "arms.same.with.knobs.dehalo=0.5"]
    run = fsrbench.run(
        lr=tmp_path / "lr", out=tmp_path / "run", families="general", arms="same", settings=constant, device="cpu",
        evaluate=False,
    )  # fmt: skip
    report = restored(tmp_path / "lr", out=tmp_path / "out", arm="same", settings=constant)
    assert report.notes == (("anna.png", "same changed it (dehalo 0.5)"),)
    assert np.array_equal(images.read(tmp_path / "out" / "anna.png"), run.picture("general", "anna", "same"))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"arm": "oracle"}, "oracle looks at the reference, and here is none"),
        ({"arm": "heuristic", "knobs": {"dehalo": 0.1}}, "turns the knobs itself"),
        ({"arm": "heuristik"}, "Did you mean heuristic"),
        ({"family": "blnd"}, "Did you mean blind"),
    ],
)
def test_mistakes_are_told_before_anything_is_written(
    photos: Path, tmp_path: Path, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(fsrbench.FsrbenchError, match=said):
        restored(photos, out=tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


# ------------------------------------------------------------------------ faces


def test_faces_are_saved_before_and_after(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faces, "open_detector", lambda _machine: lambda _image: (FACE, FACE))
    out, crops = tmp_path / "out", tmp_path / "faces"
    restored(photos, out=out)
    assert restored(photos, out=out, save_faces=crops).done == ("2019/müller.png", "anna.png")
    assert restored(photos, out=out, save_faces=crops).kept == ("2019/müller.png", "anna.png")
    assert files(crops) == [
        f"{folder}/{name}_{number:02d}.png"
        for folder in ("cropped_faces", "restored_faces") for name in ("2019/müller", "anna") for number in (0, 1)
    ]  # fmt: skip
    saved = images.read(crops / "restored_faces" / "anna_00.png")
    after = faces.align(images.read(out / "anna.png"), FACE.landmarks, 512)[0]
    assert np.array_equal(saved, images.as_stored(after))


def test_a_picture_without_a_face_says_so(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faces, "open_detector", lambda _machine: lambda _image: ())
    report = restored(photos / "anna.png", out=tmp_path / "out", save_faces=tmp_path / "faces")
    assert report.notes == (("anna.png", "no face found, so none was saved"),)


def test_faces_without_a_detector_name_the_cure(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(fsrbench.FsrbenchError, match=r"in the setting faces\.detector\. .*fsrbench weights --download"):
        restored(photos, out=tmp_path / "out", save_faces=tmp_path / "faces")


# ---------------------------------------------------------------------- command


def test_the_command_says_what_was_done(photos: Path, tmp_path: Path) -> None:
    words = ["restore", photos, "--out", tmp_path / "out", "--knob", "dehalo=0.2", "--set", *BICUBIC, "--device", "cpu"]
    done = typed(*words)
    assert done.returncode == 3
    assert done.stdout == "2 pictures restored with bicubic; 1 failed\n"
    assert "failed: broken.jpg: " in done.stderr
    (photos / "broken.jpg").unlink()
    again = typed(*words, "--json")
    assert again.returncode == 0
    assert json.loads(again.stdout)["kept"] == ["2019/müller.png", "anna.png"]


@pytest.mark.parametrize(("knob", "said"), [("dehalo", "write it as NAME=VALUE"), ("dehalo=much", "not a number")])
def test_a_knob_is_a_name_and_a_value(photos: Path, tmp_path: Path, knob: str, said: str) -> None:
    done = typed("restore", photos, "--out", tmp_path / "out", "--knob", knob, "--set", *BICUBIC, "--device", "cpu")
    assert done.returncode == 2
    assert said in done.stderr
