"""fsrbench certify: what was planted is found, an interrupt costs nothing twice, what cannot be certified is said."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fsrbench.case import certificate
from fsrbench.case.restore import Pipeline
from fsrbench.core import execute, passes, plugins
from fsrbench.core.contracts import Machine, Output
from fsrbench.core.errors import BadOutput, FsrbenchError, InputError, SettingsError
from fsrbench.core.stored import Knobs
from fsrbench.core.values import Image
from fsrbench.experiments import certify, certifybench
from fsrbench.experiments.certifybench import CertifyPlan
from fsrbench.imaging import images
from fsrbench.show import certifying as showing
from fsrbench.study import config, networks
from fsrbench.study.store import RunFolder
from support import draw_face
from support.command import typed

MACHINE = Machine(offline=True)
GENERAL = [
    "families.general.backend=bicubic", "families.general.second=bicubic", "families.general.knobs=second_opinion",
    "hr_size=64", "metrics=psnr",
]  # fmt: skip
ARM = {"way": "constant", "with": {"knobs": {passes.SECOND_OPINION: 0.75}}}
NOISE = np.random.default_rng(5).normal(0, 0.02, (64, 64, 3)).astype(np.float32)


class Wrong:
    """Enlarges, and adds so much of a fixed error; it fails on inputs that are darker than it bears."""

    weights: dict[str, str] = {}  # noqa: RUF012

    def __init__(self, error: float, darkest: float = 0.0) -> None:
        self.model = f"wrong by {error:g}"
        self.error, self.darkest = np.float32(error) * NOISE, darkest

    def __call__(self, lr: Image, knobs: Knobs, seed: int, precision: str) -> Output:
        if float(lr.mean()) < self.darkest:
            raise BadOutput("It is too dark.")
        return Output(np.clip(images.resize(lr, 64, 64) + self.error, 0, 1))


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    """Fourteen smooth faces, which enlarging brings back nearly whole: two are dark, and eight are darker than four."""
    for number in range(14):
        smooth = np.clip(images.resize(images.resize(draw_face(64, number), 16, 16), 64, 64), 0, 1)
        light = 0.3 if number < 2 else 0.5 if number < 10 else 0.7
        images.write(tmp_path / "others" / f"p{number:02}.png", 0.15 + light * smooth)
    return tmp_path / "others"


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network, and an arm whose picture has twice its error with the other sign: two thirds of the way are safe."""
    planting(monkeypatch)


def planting(monkeypatch: pytest.MonkeyPatch, darkest: float = 0.0) -> None:
    offered = {passes.SECOND_OPINION: plugins.load("knobs", passes.SECOND_OPINION)}
    opened = Pipeline(Wrong(1.0), offered, 4, "fp32", second=Wrong(-3.0, darkest))
    monkeypatch.setattr(networks, "pipeline", lambda *_: opened)


def plan(hr: Path, **given: Any) -> CertifyPlan:
    settings = config.load(None, [*GENERAL, f"arms.same={json.dumps(ARM)}"])[0]
    settings = config.with_arms(config.with_families(settings, ["general"]), ["same"])
    fit = {"fit": hr.parent / "fit"} if (hr.parent / "fit").is_dir() else {}
    usual = {"recipe": "bicubic", "draws": 1, "alpha": 0.2, **fit}
    return CertifyPlan(settings, "general", "same", hr, **{**usual, **given})


def test_a_planted_radius_is_found_and_nobody_of_the_calibration_goes_beyond_it(
    planted: None, faces: Path, tmp_path: Path
) -> None:
    out = tmp_path / "c.json"
    found = certify.run(plan(faces), MACHINE, out)
    assert certificate.read(out, "general", "same") == found
    assert (found.persons, len(found.fitted), len(found.calibrated)) == (7, 7, 7)
    assert not {*found.fitted} & {*found.calibrated}
    assert (found.seen.proposed, found.seen.followed, found.seen.harmed) == (7, 7, 0)
    assert found.prediction(dict.fromkeys(found.prediction.weights, 0.0)) is not None
    assert found.offset == pytest.approx(0, abs=0.05)
    assert found.metrics == {"psnr": 0.0005, "ssim": 0.00005}
    assert "arcface" not in found.metrics  # it cannot be had here, which is said
    assert any(note.startswith("ArcFace is not promised") for note in found.notes)
    assert any("half of the persons" in note for note in found.notes)
    told = " ".join(showing.lines(found))
    assert "exchangeable with the 7 calibration persons" in told
    assert "comes out worse than pure in any of these is at most 0.2: psnr by more than 0.0005" in told
    assert "the arm proposed a picture for 7, 7 of them are followed, and 0 come to harm" in told


def test_an_interrupted_one_goes_on(planted: None, faces: Path, tmp_path: Path) -> None:
    seen: list[tuple[str, int]] = []

    def cut(title: str, items: Any, total: int) -> Iterator[Any]:
        for number, item in enumerate(items):
            if title == "measure" and number == 5:
                raise KeyboardInterrupt
            yield item

    def counted(title: str, items: Any, total: int) -> Any:
        seen.append((title, total))
        return execute.untracked(title, items, total)

    with pytest.raises(KeyboardInterrupt):
        certify.run(plan(faces), MACHINE, tmp_path / "c.json", track=cut)
    assert not (tmp_path / "c.json").exists()
    found = certify.run(plan(faces), MACHINE, tmp_path / "c.json", track=counted)
    assert seen == [("degrade", 14), ("measure", 9)]  # the arm's run is finished: nothing of it is done again
    assert found == certify.run(plan(faces), MACHINE, tmp_path / "whole.json")
    other = certify.run(plan(faces, alpha=0.3), MACHINE, tmp_path / "c.json", track=counted)
    assert other.alpha == 0.3
    assert [title for title, _ in seen[2:]] == ["degrade"]  # another promise takes no new run


def test_with_delta_all_draws_count_and_persons_are_the_unit(planted: None, faces: Path, tmp_path: Path) -> None:
    (tmp_path / "fit").mkdir()
    for number in (0, 1, 2):
        (faces / f"p{number:02}.png").rename(tmp_path / "fit" / f"p{number:02}.png")
    found = certify.run(plan(faces, alpha=0.3, delta=0.1, draws=2), MACHINE, tmp_path / "c.json")
    assert (found.method, found.delta, found.persons) == ("learn-then-test", 0.1, 11)
    assert (found.seen.draws, found.seen.harmed) == (22, 0)
    assert len(found.fitted) == 3
    assert "With a chance of at least 0.9 over the choice of calibration persons" in found.claim


def test_who_the_arm_failed_on_counts_as_harmed(faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two of fourteen are too dark for it, then ten."""
    levels = sorted(float(images.read(path).mean()) for path in faces.iterdir())
    planting(monkeypatch, darkest=(levels[1] + levels[2]) / 2)
    found = certify.run(plan(faces, alpha=0.4), MACHINE, tmp_path / "c.json")
    assert any("The arm failed on 2 of 14 inputs" in note and "too dark" in note for note in found.notes)
    planting(monkeypatch, darkest=(levels[9] + levels[10]) / 2)
    with pytest.raises(FsrbenchError, match=r"The arm failed on \d+ of 7 calibration persons|The prediction is fitted"):
        certify.run(plan(faces, alpha=0.2), MACHINE, tmp_path / "d.json")


def test_what_cannot_be_measured_is_left_out_and_named(planted: None, faces: Path, tmp_path: Path) -> None:
    (faces / "broken.png").write_bytes(b"no picture")
    found = certify.run(plan(faces), MACHINE, tmp_path / "c.json")
    told = " ".join(found.notes)
    assert "1 inputs could not be made" in told
    assert "could not be measured and are left out: broken.png" in told
    assert found.persons == 8  # of 15, seven are fitted to


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"alpha": 0.1}, r"Alpha 0.1 takes 9 calibration persons at least, and .* has 7, which are half of the 14"),
        ({"alpha": 0.05, "delta": 0.1}, "Alpha 0.05 at delta 0.1 takes 45 calibration persons"),
        ({"alpha": 1.5}, "--alpha is 1.5; a chance is between 0 and 1"),
        ({"delta": 0.0}, "--delta is 0; a chance"),
        ({"draws": 0}, "--draws is 0"),
        ({"metrics": ("pnsr",)}, "no metric 'pnsr'. Did you mean psnr"),
        ({"allowed": {"lpips": 0.1}}, "--allow lpips: that is no metric of the promise"),
        ({"allowed": {"psnr": -0.1}}, "what a metric may lose is a number from 0 on"),
    ],
)
def test_what_cannot_be_certified_is_refused_before_any_work(
    planted: None, faces: Path, tmp_path: Path, given: dict[str, Any], said: str
) -> None:
    with pytest.raises((InputError, SettingsError), match=said):
        certify.run(plan(faces, **given), MACHINE, tmp_path / "c.json")
    assert not list(tmp_path.glob("c.json*"))


def test_nobody_is_on_both_sides(planted: None, faces: Path, tmp_path: Path) -> None:
    (tmp_path / "fit").mkdir()
    (tmp_path / "fit" / "other.png").write_bytes((faces / "p03.png").read_bytes())
    with pytest.raises(InputError, match=r"other.png of .* shows somebody who is in .*, too"):
        certify.run(plan(faces), MACHINE, tmp_path / "c.json")


def test_losses_are_read_from_the_command_line() -> None:
    assert certifybench.losses(["psnr=0.01", "ssim=0"]) == {"psnr": 0.01, "ssim": 0.0}
    with pytest.raises(SettingsError, match="write it as METRIC=LOSS"):
        certifybench.losses(["psnr"])


@pytest.mark.slow
def test_the_command_and_a_run_under_what_it_wrote(tmp_path: Path) -> None:
    """With the embedded network, small."""
    for number in range(12):
        images.write(tmp_path / "hr" / f"p{number:02}.png", draw_face(64, number))
    for number in range(2):
        images.write(tmp_path / "new" / f"q{number}.png", draw_face(64, 50 + number))
    own = json.dumps({"way": "constant", "with": {"knobs": {"detail_damping": 0.5}}})
    common = ("--family", "general", "--arm", "same", "--offline", "--set", f"arms.same={own}", "--set", "hr_size=64")
    promise = ("--alpha", "0.2", "--metric", "psnr", "--allow", "psnr=0.5", "--draws", "1")
    done = typed("certify", *common, "--hr", "hr", "--out", "c.json", *promise, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "at most 0.2: psnr by more than 0.5" in done.stdout
    assert typed("degrade", "--hr", "new", "--lr", "lr", "--hr-size", "64", cwd=tmp_path).returncode == 0
    run = ("run", *common, "--hr", "new", "--lr", "lr", "--policy", "certified", "--no-evaluate", "--out", "out")
    done = typed(*run, "--set", "arms.same.certificate=c.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    made = json.loads((tmp_path / "c.json").read_text(encoding="utf-8"))
    promised = RunFolder(tmp_path / "out").study()["promises"]["general"]["same"]
    assert promised["metrics"] == made["metrics"] == {"psnr": 0.5}
    assert all(trail.arms["same"][-1].verdict is not None for trail in RunFolder(tmp_path / "out").trails())
    elsewhere = ("--set", "arms.same.certificate=c.json", "--set", "policy.retries=2", "--out", "b")
    other = typed(*run, *elsewhere, cwd=tmp_path)
    assert "certified with limits" in other.stderr
