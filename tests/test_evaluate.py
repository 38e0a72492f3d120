"""Evaluation of plain folders, what is missing, and the arithmetic of summaries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fsrbench.core.contracts import Machine, Metric
from fsrbench.core.errors import InputError, StoreError
from fsrbench.core.execute import untracked
from fsrbench.core.values import Image, Score
from fsrbench.imaging import images
from fsrbench.measure import evaluate, subjects, summary_file
from fsrbench.measure import scores as scorefile
from fsrbench.measure.results import Numbers
from fsrbench.measure.summary import summarise
from fsrbench.show import publish
from fsrbench.study import config, schema
from fsrbench.study.store import RunFolder
from support import draw_face

pytestmark = pytest.mark.usefixtures("no_plots")
MACHINE = Machine(offline=True)


def chosen(metrics: list[str], hr_size: int) -> schema.Settings:
    return config.load(None, [f"metrics={','.join(metrics)}", f"hr_size={hr_size}"])[0]


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, dict[str, Path]]:
    rng = np.random.default_rng(0)
    arms = {"pure": tmp_path / "pure", "lvlm": tmp_path / "lv lm"}
    for number in range(3):
        hr = draw_face(192, number)
        images.write(tmp_path / "hr" / f"{number}.png", hr)
        for arm, sigma in (("pure", 0.02), ("lvlm", 0.05)):
            noisy = np.clip(hr + rng.normal(0, sigma, hr.shape), 0, 1).astype(np.float32)
            images.write(arms[arm] / f"{number}.png", noisy)
    return tmp_path / "hr", arms


def test_plain_folders(folders: tuple[Path, dict[str, Path]], tmp_path: Path) -> None:
    what = subjects.of_folders(folders[0], folders[1], "mine", chosen(["psnr", "ssim"], 192))
    summary = publish.publish(what, RunFolder(tmp_path / "out"), MACHINE, 2, untracked)
    psnr = summary.families["mine"]["psnr"]
    scores = scorefile.read(tmp_path / "out" / "scores.csv")
    pure = {s.case: s.value for s in scores if (s.metric, s.arm) == ("psnr", "pure")}
    arm = {s.case: s.value for s in scores if (s.metric, s.arm) == ("psnr", "lvlm")}
    assert psnr.n == 3
    assert psnr.pure == pytest.approx(np.mean(list(pure.values())), abs=1e-6)
    assert psnr.arms["lvlm"].delta == pytest.approx(np.mean([arm[c] - pure[c] for c in pure]), abs=1e-6)
    assert psnr.arms["lvlm"].delta < -5
    assert summary_file.read(tmp_path / "out" / "summary.json") == summary
    assert len(list((tmp_path / "out" / "mine" / "panels").glob("*.png"))) == 3


def test_a_case_that_an_arm_lacks_does_not_enter_its_delta(folders: tuple[Path, dict[str, Path]]) -> None:
    (folders[1]["lvlm"] / "1.png").unlink()
    what = subjects.of_folders(folders[0], folders[1], "mine", chosen(["psnr"], 192))
    summary = summarise(what, Numbers(evaluate.measure(what, MACHINE)))
    entry = summary.families["mine"]["psnr"]
    assert (entry.n, entry.arms["lvlm"].n) == (3, 2)
    assert entry.arms["lvlm"].pure != entry.pure


@pytest.mark.parametrize("workers", [1, 3])
def test_a_network_of_a_metric_has_one_thread_as_after_a_run(
    folders: tuple[Path, dict[str, Path]], workers: int
) -> None:
    found = []

    def opened(_machine: Machine) -> Callable[..., list[float]]:
        def score(variants: Sequence[Image], _reference: Image | None) -> list[float]:
            found.append(torch.get_num_threads())
            return [0.0] * len(variants)

        return score

    what = subjects.of_folders(folders[0], folders[1], "mine", chosen(["psnr"], 192))
    metric = Metric("X", "higher", reference=False, digits=1, open=opened, depends=("device",))
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(4)
        evaluate.measure(replace(what, metrics={"lpips": metric}), MACHINE, workers)
    finally:
        torch.set_num_threads(before)
    assert found == [1] * 3


def test_a_table_that_was_edited_into_no_numbers_is_refused_in_words(tmp_path: Path) -> None:
    scorefile.write(tmp_path / "scores.csv", [Score("0", "general", "pure", "psnr", 23.5, "")])
    text = (tmp_path / "scores.csv").read_text(encoding="utf-8")
    (tmp_path / "scores.csv").write_text(text.replace("23.5", '"23,5"'), encoding="utf-8")
    with pytest.raises(StoreError, match=r"scores\.csv was changed: .*23,5.*fsrbench evaluate"):
        scorefile.read(tmp_path / "scores.csv")


def test_missing_is_said_and_never_zero(folders: tuple[Path, dict[str, Path]], tmp_path: Path) -> None:
    (folders[0] / "2.png").unlink()
    names = ["psnr", "niqe", "lpips", "arcface"]
    what = subjects.of_folders(folders[0], folders[1], "mine", chosen(names, 192))
    summary = publish.publish(what, RunFolder(tmp_path / "out"), MACHINE, 1, untracked)
    own = summary.families["mine"]
    assert (own["psnr"].n, own["psnr"].na) == (2, 1)
    assert own["psnr"].why_na == ("no reference for this case",)
    assert own["niqe"].n == 3
    for name in ("lpips", "arcface"):
        assert own[name].pure is None
        assert {getattr(own[name].arms["lvlm"], key) for key in ("pure", "mean", "delta", "low", "p")} == {None}
        assert "fsrbench weights --download" in " ".join(own[name].why_na)
    text = (tmp_path / "out" / "summary.md").read_text(encoding="utf-8")
    assert "n/a" in text
    assert "fsrbench weights --download" in text
    missing = [s for s in scorefile.read(tmp_path / "out" / "scores.csv") if s.metric == "lpips"]
    assert all(s.value is None and s.note for s in missing)


def test_a_damaged_picture_costs_its_case_only(folders: tuple[Path, dict[str, Path]], tmp_path: Path) -> None:
    (folders[1]["lvlm"] / "0.png").write_bytes(b"broken")
    what = subjects.of_folders(folders[0], folders[1], "mine", chosen(["psnr"], 192))
    summary = publish.publish(what, RunFolder(tmp_path / "out"), MACHINE, 1, untracked)
    psnr = summary.families["mine"]["psnr"]
    assert (psnr.n, psnr.arms["lvlm"].n) == (3, 2)
    assert "0.png" in psnr.why_na[0]


def test_a_reference_of_another_size_is_explained(folders: tuple[Path, dict[str, Path]]) -> None:
    images.write(folders[0] / "0.png", draw_face(100))
    what = subjects.of_folders(folders[0], folders[1], "mine", chosen(["psnr"], 80))
    why = [s.note for s in evaluate.measure(what, MACHINE) if s.case == "0"]
    assert "100×100" in why[0]
    assert "192×192" in why[0]


def test_identical_pictures_have_no_finite_psnr(folders: tuple[Path, dict[str, Path]]) -> None:
    what = subjects.of_folders(folders[0], {"pure": folders[0]}, "same", chosen(["psnr", "ssim"], 192))
    scores = {(s.metric, s.case): s for s in evaluate.measure(what, MACHINE)}
    assert scores["psnr", "0"].value is None
    assert "inf" in scores["psnr", "0"].note
    assert scores["ssim", "0"].value == 1.0


def test_a_baseline_is_needed(folders: tuple[Path, dict[str, Path]]) -> None:
    with pytest.raises(InputError, match="pure=DIR"):
        subjects.of_folders(folders[0], {"lvlm": folders[1]["lvlm"]}, "mine", chosen(["psnr"], 192))


def test_an_arm_that_pairs_with_nothing_is_refused(folders: tuple[Path, dict[str, Path]], tmp_path: Path) -> None:
    images.write(tmp_path / "other" / "else.png", draw_face(64, 0))
    with pytest.raises(InputError, match="nothing is paired"):
        subjects.of_folders(folders[0], {**folders[1], "mine": tmp_path / "other"}, "mine", chosen(["psnr"], 192))


def test_what_an_arm_lacks_is_noted(folders: tuple[Path, dict[str, Path]]) -> None:
    (folders[1]["lvlm"] / "1.png").unlink()
    what = subjects.of_folders(folders[0], folders[1], "mine", chosen(["psnr"], 192))
    assert what.notes == ("lvlm: 1 pure pictures have none of this arm beside them.",)


def test_persons_of_other_cases_are_refused(folders: tuple[Path, dict[str, Path]], tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("case,cluster\n0.png,anna\n", encoding="utf-8")
    settings = chosen(["psnr"], 192).model_copy(update={"clusters": tmp_path / "people.csv"})
    with pytest.raises(InputError, match="names no case of this evaluation"):
        subjects.of_folders(folders[0], folders[1], "mine", settings)


def test_references_that_are_cropped_are_named(folders: tuple[Path, dict[str, Path]], tmp_path: Path) -> None:
    oblong = images.read(folders[0] / "1.png")
    images.write(folders[0] / "1.png", np.concatenate([oblong, oblong[:, :20]], axis=1))
    what = subjects.of_folders(folders[0], folders[1], "mine", chosen(["psnr"], oblong.shape[0]))
    for _ in range(2):  # measured, then known
        publish.publish(what, RunFolder(tmp_path / "out"), MACHINE, 1, untracked)
        text = (tmp_path / "out" / "summary.md").read_text(encoding="utf-8")
        assert "1 of 3 references are not square: only their centre square is compared (1)" in text
        assert "cut a square around it first" in text
