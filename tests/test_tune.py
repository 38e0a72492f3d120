"""The constant: found where it was planted, nothing where nothing is, and taken only where it was made for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fsrbench.case import tuned
from fsrbench.case.restore import Pipeline
from fsrbench.core import execute, passes, plugins
from fsrbench.core.contracts import Knob, Machine, Output
from fsrbench.core.errors import InputError, SettingsError
from fsrbench.core.stored import Knobs, to_json
from fsrbench.core.values import Image
from fsrbench.experiments import tune, tunegrid
from fsrbench.experiments.tunebench import TuningPlan
from fsrbench.imaging import images
from fsrbench.measure import crossfit
from fsrbench.models import weights
from fsrbench.show import tuning
from fsrbench.study import config, networks
from support import ROOT, draw_face
from support.command import typed

MACHINE = Machine(offline=True)
TWO = {name: plugins.load("knobs", name) for name in (passes.SECOND_OPINION, "detail_damping")}
GENERAL = ["families.general.backend=bicubic", "hr_size=96", "metrics=psnr"]


class Wrong:
    """Enlarges, and adds so much of a fixed error."""

    weights: dict[str, str] = {}  # noqa: RUF012

    def __init__(self, error: float) -> None:
        self.model = f"wrong by {error:g}"
        self.error = np.float32(error) * np.random.default_rng(5).normal(0, 0.02, (96, 96, 3)).astype(np.float32)

    def __call__(self, lr: Image, knobs: Knobs, seed: int, precision: str) -> Output:
        return Output(np.clip(images.resize(lr, 96, 96) + self.error, 0, 1))


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    """Six smooth faces, which enlarging brings back nearly whole."""
    for number in range(6):
        smooth = images.resize(images.resize(draw_face(96, number), 24, 24), 96, 96)
        images.write(tmp_path / "others" / f"p{number}.png", 0.1 + 0.8 * np.clip(smooth, 0, 1))
    return tmp_path / "others"


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> dict[str, Knob]:
    """A network and a second one whose errors cancel where a quarter of the picture is the second's."""
    offered = dict(TWO)
    opened = Pipeline(Wrong(1.0), offered, 4, "fp32", second=Wrong(-3.0))
    monkeypatch.setattr(networks, "pipeline", lambda *_: opened)
    return offered


def plan(hr: Path, **given: Any) -> TuningPlan:
    settings = config.with_families(config.load(None, GENERAL)[0], ["general"])
    return TuningPlan(settings, "general", hr, **{"recipe": "bicubic", "draws": 1, "steps": 4, **given})


# ------------------------------------------------------------------- cross-fitting


def test_a_person_has_no_part_in_the_setting_that_measures_them() -> None:
    gains = {"a": [0.0, 1.0, 0.0], "b": [0.0, 1.0, 0.5], "c": [0.0, 1.0, 0.2]}
    before = crossfit.without(gains)
    for wild in ([9.0, 0.0, 0.0], [0.0, 0.0, 99.0]):
        after = crossfit.without({**gains, "a": wild})
        assert after["a"] == before["a"] == 1
    assert crossfit.best({**gains, "a": [0.0, 0.0, 99.0]}) == 2
    with pytest.raises(ValueError, match="only person"):
        crossfit.without({"a": [0.0, 1.0]})


def test_where_nothing_helps_nothing_seems_to() -> None:
    """400 studies of 20 persons and 40 settings without effect: to choose and measure on the same looks like gain."""
    rng = np.random.default_rng(11)
    honest, naive = [], []
    for _ in range(400):
        noise = np.hstack([np.zeros((20, 1)), rng.normal(0, 1, (20, 40))])
        gains = {f"{n:02}": row.tolist() for n, row in enumerate(noise)}
        chosen = crossfit.without(gains)
        honest.append(np.mean([gains[person][place] for person, place in chosen.items()]))
        naive.append(noise[:, crossfit.best(gains)].mean())
    error = np.std(honest) / np.sqrt(len(honest))
    assert np.mean(naive) > 0.3
    assert np.mean(honest) < 2 * error


def test_a_true_effect_is_kept() -> None:
    rng = np.random.default_rng(12)
    table = rng.normal(0, 0.3, (30, 5)) + np.array([0, 0.1, 1.0, 0.2, -1.0])
    table[:, 0] = 0
    gains = {f"{n:02}": row.tolist() for n, row in enumerate(table)}
    chosen = crossfit.without(gains)
    assert set(chosen.values()) == {crossfit.best(gains)} == {2}


# ------------------------------------------------------------------------ grid


def test_a_grid_has_pure_first_and_every_combination() -> None:
    grid = tunegrid.settings(TWO, 2)
    assert grid[0] == {}
    assert len(grid) == 9 == len({json.dumps(one, sort_keys=True) for one in grid})
    assert [len(one) for one in grid] == sorted(len(one) for one in grid)
    twice = replace(TWO["detail_damping"], default=0.2, low=0.0, high=0.6)
    assert tunegrid.values(twice, 2) == (0.0, 0.2, 0.3, 0.6)


def test_a_grid_fits_or_is_refused() -> None:
    assert tunegrid.steps(TWO, None) == 10
    before = {name: plugins.load("knobs", name) for name in ("denoise", "deblock", "scale")}
    assert tunegrid.steps(before, None) == 2  # each setting has a pass of its own
    many = {f"k{n}": TWO["detail_damping"] for n in range(9)}
    for asked in (None, 3):
        with pytest.raises(SettingsError, match="Name fewer knobs"):
            tunegrid.steps(many, asked)


# ------------------------------------------------------------------------ tune


def test_a_planted_blend_is_found_and_what_it_gains_is_told(planted: object, faces: Path, tmp_path: Path) -> None:
    out = tmp_path / "c.json"
    found = tune.run(plan(faces), MACHINE, out)
    assert found.knobs == {passes.SECOND_OPINION: 0.25}
    assert tuned.read(str(out), "general") == found
    gain = found.gains["psnr"]
    assert (gain.persons, gain.harmed, found.agreed) == (6, 0.0, 1.0)
    assert gain.low is not None
    assert gain.low > 1
    assert found.gains["ssim"].delta is not None
    assert found.gains["ssim"].delta > 0
    assert "arcface" not in found.gains  # it cannot be had here, which is said
    assert any("ArcFace" in note for note in found.notes)
    assert "NIQE could not be had of 6 inputs, p0.png among them" in " ".join(found.notes)  # they are too small
    assert any("6 persons are few" in note for note in found.notes)
    assert not (tmp_path / "c.json.parts").exists()
    told = "\n".join(tuning.lines(found))
    assert "recipe bicubic, 1 draws of each of 6 faces" in told
    assert "the choice stays the same for 100 % of them" in told
    assert ("Averaging smooths" in told) == (found.gains["niqe"].delta is not None and found.gains["niqe"].delta > 0)


def test_another_metric_may_decide(planted: object, faces: Path, tmp_path: Path) -> None:
    found = tune.run(plan(faces, objective="ssim", steps=2), MACHINE, tmp_path / "c.json")
    assert found.objective == "ssim"
    assert next(iter(found.gains)) == "ssim"


def test_an_interrupted_tuning_goes_on(planted: object, faces: Path, tmp_path: Path) -> None:
    out, seen = tmp_path / "c.json", []

    def cut(title: str, items: Any, total: int) -> Iterator[Any]:
        for number, item in enumerate(items):
            if number == 4:
                raise KeyboardInterrupt
            yield item

    def counted(title: str, items: Any, total: int) -> Any:
        seen.append((title, total))
        return execute.untracked(title, items, total)

    with pytest.raises(KeyboardInterrupt):
        tune.run(plan(faces), MACHINE, out, track=cut)
    assert not out.exists()
    found = tune.run(plan(faces), MACHINE, out, track=counted)
    assert seen == [("tune", 2), ("measure", 6)]
    assert found == tune.run(plan(faces), MACHINE, tmp_path / "whole.json")


def test_the_same_face_twice_is_one_person(planted: object, faces: Path, tmp_path: Path) -> None:
    (faces / "again.png").write_bytes((faces / "p0.png").read_bytes())
    found = tune.run(plan(faces, steps=1), MACHINE, tmp_path / "c.json")
    assert found.gains["psnr"].persons == len(found.persons) == 6


def test_one_person_is_too_few(planted: object, faces: Path, tmp_path: Path) -> None:
    (empty := tmp_path / "none").mkdir()
    with pytest.raises(InputError, match=r"on 2 persons at least, and .* has 1"):
        tune.run(plan(faces, limit=1), MACHINE, tmp_path / "c.json")
    with pytest.raises(InputError, match="holds no pictures"):
        tune.run(plan(empty), MACHINE, tmp_path / "c.json")


# ------------------------------------------------------------ the way constant


@pytest.fixture
def made(faces: Path, tmp_path: Path) -> tuple[Path, tuple[str, ...]]:
    """A constant, tuned on some faces; and inputs of others made by the same recipe."""
    fresh = tmp_path / "hr"
    for number in (7, 8):
        images.write(fresh / f"q{number}.png", draw_face(96, number))
    (fresh / "p0.png").write_bytes((faces / "p0.png").read_bytes())
    low = ["--hr", "hr", "--lr", "lr", "--hr-size", "96"]
    assert typed("degrade", *low, "--recipe", "bicubic", cwd=tmp_path).returncode == 0
    path = tmp_path / "general.json"
    grid = {"searched": {"dehalo": (0.0, 0.3)}, "weights": {}, "recipe": "bicubic"}
    hashes = tuple(images.read_hashed(file)[1] for file in sorted(faces.iterdir()))
    write(path, {**BASE, **grid, "knobs": {"dehalo": 0.3}, "persons": hashes})
    return path, ("run", "--family", "general", "--hr", "hr", "--lr", "lr", "--offline", "--arm", "same", *(
        word for change in GENERAL for word in ("--set", change)
    ))  # fmt: skip


BASE: dict[str, Any] = {
    "format": 1, "family": "general", "model": "bicubic", "scale": 4, "hr_size": 96, "draws": 1, "seed": 0,
    "objective": "psnr", "gains": {}, "agreed": 1.0, "versions": {}, "notes": (),
}  # fmt: skip


def write(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(to_json(value)), encoding="utf-8")


def arm(**given: Any) -> tuple[str, str]:
    return "--set", "arms.same=" + json.dumps({"way": "constant", "with": given})


def test_a_run_takes_the_constant_and_says_whom_it_knows(made: tuple[Path, tuple[str, ...]], tmp_path: Path) -> None:
    path, command = made
    done = typed(*command, *arm(**{"from": "general.json"}), "--out", "a", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "tuned on the very faces of 1 of these inputs (p0)" in done.stderr
    assert "tuned on the very faces" in (tmp_path / "a" / "summary.md").read_text(encoding="utf-8")
    plain = typed(*command, *arm(knobs={"dehalo": 0.3}), "--out", "b", cwd=tmp_path)
    assert plain.returncode == 0, plain.stderr
    pictures = [sorted((tmp_path / run / "general" / "fsr+same").glob("*.png")) for run in ("a", "b")]
    assert len(pictures[0]) == 3
    assert all(one.read_bytes() == other.read_bytes() for one, other in zip(*pictures, strict=True))
    changed = {**json.loads(path.read_text(encoding="utf-8")), "knobs": {"dehalo": 0.2}}
    write(path, changed)
    again = typed(*command, *arm(**{"from": "general.json"}), "--out", "a", "--family", "general", cwd=tmp_path)
    assert again.returncode == 0  # nothing is missing, so nothing is made
    (tmp_path / "a" / "trails" / "general" / "q7.json").unlink()
    again = typed(*command, *arm(**{"from": "general.json"}), "--out", "a", cwd=tmp_path)
    assert again.returncode == 2
    assert "weights.general.general.json (arm same)" in again.stderr


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"recipe": "paper"}, "tuned on recipe paper, and inputs here were made by bicubic"),
        ({"weights": {"x.pth": "1" * 64}}, "tuned on other networks"),
        ({"scale": 2}, "tuned at scale 2, and this is 4"),
        ({"family": "blind"}, "tuned for the family blind, and this is general"),
        ({"knobs": {"self_ensemble": 2}}, "self_ensemble is no knob of the family"),
        ({"knobs": {"dehalo": 7.0}}, "the nearest is 1"),
        ({"format": 9}, "has format 9"),
        ({"agreed": "all"}, "cannot be read"),
    ],
)
def test_a_constant_of_something_else_is_refused(
    made: tuple[Path, tuple[str, ...]], tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    path, command = made
    write(path, {**json.loads(path.read_text(encoding="utf-8")), **change})
    done = typed(*command, *arm(**{"from": "general.json"}), "--out", "a", cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert not list(tmp_path.glob("a/trails/*/*"))


def test_inputs_of_which_nothing_is_known_are_said(made: tuple[Path, tuple[str, ...]], tmp_path: Path) -> None:
    (tmp_path / "lr" / "degradations.csv").unlink()
    done = typed(*made[1], *arm(**{"from": "general.json"}), "--out", "a", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "how these inputs were made is not known" in done.stderr


def test_one_of_the_two_is_named() -> None:
    for options in ({}, {"knobs": {"dehalo": 0.1}, "from": "x.json"}):
        with pytest.raises(SettingsError, match="name one of the two"):
            config.load(None, [f"arms.same={json.dumps({'way': 'constant', 'with': options})}"])
    with pytest.raises(SettingsError, match="There is no tuned constant for the family general at"):
        tuned.read("nowhere.json", "general")


# --------------------------------------------------------------------- shipped


@pytest.mark.parametrize("family", ["general", "blind", "prior"])
def test_the_shipped_constants_are_of_the_shipped_networks(family: str) -> None:
    found = tuned.read(tuned.SHIPPED, family)
    settings = config.load(ROOT / "configs" / "hooks.yaml")[0]
    own = {weights.sha256(weights.embedded(family))}
    second = settings.families[family].second
    assert second is not None
    assert second.backend == "faithful"
    own.add(weights.sha256(weights.embedded(second.backend)))
    assert set(found.weights.values()) == own, "make them again: python scripts/tune_embedded.py --hr DIR"
    assert set(found.knobs) <= set(settings.offered(family))
    assert found.recipe == "paper"
