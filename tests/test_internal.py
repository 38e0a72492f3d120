"""The auditor internal: what it asks for, that no reference reaches it, and that its passes are counted and bounded."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fsrbench.case.making import Making, Parts
from fsrbench.case.restore import Pipeline
from fsrbench.core import plugins
from fsrbench.core.budget import Budget, Spending
from fsrbench.core.contracts import Machine, Output
from fsrbench.core.errors import SettingsError
from fsrbench.core.questions import Answer, Question, Rehearsal
from fsrbench.core.stored import Knobs
from fsrbench.core.values import Image
from fsrbench.experiments.listener import Listener
from fsrbench.imaging import images
from fsrbench.recipes import paper
from fsrbench.study import config, families
from fsrbench.study.run import run_study
from fsrbench.study.store import RunFolder
from support import draw_face
from support.questions import bare_tools
from support.studies import PLAIN, everything, rows

MACHINE = Machine(offline=True)
LOOK = bare_tools()


def opened(**settings: Any) -> Callable[[Question], Answer]:
    ask: Callable[[Question], Answer] = plugins.load("auditors", "internal").open(settings, MACHINE)
    return ask


def asked(restore: Callable[[Image, Knobs], Image | None], **changes: Any) -> Question:
    """About a drawn face, of which `restore` makes a picture."""
    sr = images.as_stored(draw_face(128))
    lr = images.as_stored(images.resize(sr, 32, 32))
    offered = {name: plugins.load("knobs", name) for name in ("color_balance", "dehalo", "detail_damping")}
    knobs = {name: knob.default for name, knob in offered.items()}
    return replace(
        Question("case-1", "general", 1, 77, LOOK(lr, sr), knobs, offered, rehearsal=Rehearsal(lr, restore)), **changes
    )


def noisy(level: float) -> Image:
    """The known face, so far from itself."""
    known = images.as_stored(draw_face(128))
    return np.asarray(known + level * np.random.default_rng(0).standard_normal(known.shape), np.float32)


class Pretender:
    """A pipeline whose pictures are the known face with noise: as much as the setting says, and some by chance."""

    def __init__(self, level: Callable[[Knobs], float], luck: float = 0.0) -> None:
        self.level, self.luck, self.seen = level, luck, list[tuple[bytes, str]]()

    def __call__(self, lr: Image, knobs: Knobs) -> Image:
        key = lr.tobytes(), json.dumps(dict(knobs))
        self.seen.append(key)
        rng = np.random.default_rng(list(key[0][:64]) + list(key[1].encode()))
        level = self.level(knobs) * (1 + self.luck * rng.standard_normal())
        return noisy(level)


def test_it_asks_for_what_helped_on_inputs_like_this() -> None:
    best = {"dehalo": 1.0}
    restore = Pretender(lambda knobs: 0.05 - 0.02 * float(knobs["dehalo"]) + 0.01 * float(knobs["color_balance"]))
    answer = opened()(asked(restore))
    assert answer.audit.hints == best
    assert (answer.audit.status, answer.audit.score, answer.audit.confidence) == ("ok", 0, 100)
    assert "2 inputs made like this one" in answer.audit.reason
    assert len({lr for lr, _ in restore.seen}) == 2
    assert answer.exchange["chosen"] == best
    assert answer.exchange["estimated"]["quality"] is None
    assert "too smooth" in answer.exchange["control"]
    assert json.loads(json.dumps(answer.exchange)) == answer.exchange


def test_where_nothing_helps_pure_stands() -> None:
    answer = opened()(asked(Pretender(lambda knobs: 0.05 + 0.01 * sum(map(float, knobs.values())))))
    assert (answer.audit.hints, answer.audit.score) == ({}, 100)
    assert "No setting clearly improved PSNR" in answer.audit.reason


def test_a_gain_that_is_not_clear_is_none() -> None:
    """One setting gains much on one made-up input and loses a little on the other: its mean does not count."""

    made_up = list[bytes]()

    def restore(lr: Image, knobs: Knobs) -> Image:
        if lr.tobytes() not in made_up:
            made_up.append(lr.tobytes())
        lucky = lr.tobytes() == made_up[0]
        return noisy(0.05 if knobs["dehalo"] != 1.0 else 0.03 if lucky else 0.052)

    answer = opened()(asked(restore))
    gains = next(one["gains"] for one in answer.exchange["rehearsed"] if one["knobs"] == {"dehalo": 1.0})
    assert sum(gains) > 0
    assert answer.audit.hints == {}


def test_a_metric_where_less_is_better_is_turned_round(monkeypatch: pytest.MonkeyPatch) -> None:
    psnr = plugins.load("metrics", "psnr")
    error = replace(
        psnr, better="lower", open=lambda _: lambda some, reference: [float(np.abs(some[0] - reference).mean())]
    )
    monkeypatch.setattr(
        plugins, "load", lambda kind, name, load=plugins.load: error if name == "worse" else load(kind, name)
    )
    answer = opened(objective="worse")(asked(Pretender(lambda knobs: 0.05 - 0.02 * float(knobs["dehalo"]))))
    assert answer.audit.hints == {"dehalo": 1.0}


def test_it_looks_once_and_the_same_question_has_the_same_answer() -> None:
    question = asked(Pretender(lambda knobs: 0.05 - 0.02 * float(knobs["dehalo"]), luck=0.3))
    assert opened()(question) == opened()(question)
    assert opened()(replace(question, seed=78)).exchange != opened()(question).exchange
    again = opened()(replace(question, round=2))
    assert (again.audit.hints, again.exchange["rehearsed"]) == ({}, [])


def test_its_own_budget_bounds_what_it_restores() -> None:
    restore = Pretender(lambda knobs: 0.05)
    opened(times=3, budget=9)(asked(restore))
    assert len(restore.seen) == 9
    assert len({lr for lr, _ in restore.seen}) == 3


def test_what_the_arm_cannot_pay_for_is_left_out() -> None:
    left = iter([True] * 5 + [False] * 50)
    full = Pretender(lambda knobs: 0.05 - 0.02 * float(knobs["color_balance"]))
    answer = opened()(asked(lambda lr, knobs: full(lr, knobs) if next(left) else None))
    assert [one["knobs"] for one in answer.exchange["rehearsed"]] == [{"color_balance": 1.0}]
    assert answer.audit.hints == {"color_balance": 1.0}
    nothing = opened()(asked(lambda lr, knobs: None))
    assert (nothing.audit.hints, nothing.audit.score) == ({}, 100)
    assert "no room" in nothing.audit.reason


def test_an_input_that_shows_nothing_is_left_alone() -> None:
    question = asked(Pretender(lambda knobs: 0.0))
    tiny = replace(question, rehearsal=Rehearsal(np.zeros((16, 16, 3), np.float32), lambda lr, knobs: None))
    assert "too small" in opened()(tiny).audit.reason
    assert "cannot rehearse" in opened()(replace(question, rehearsal=None)).audit.reason
    assert opened()(replace(question, max_changes=0)).audit.hints == {}


@pytest.mark.parametrize(("settings", "said"), [
    ({"objective": "niqe"}, "Take psnr or ssim"),
    ({"recipe": "bicubic"}, "cannot be fitted to an input. Set recipe to paper"),
    ({"times": 1}, "from 2 to"),
    ({"times": 8, "budget": 15}, "from 16 to"),
    ({"time": 3}, "Did you mean"),
])  # fmt: skip
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        opened(**settings)


def test_it_declares_what_it_is() -> None:
    declared = plugins.load("auditors", "internal")
    assert (declared.control, declared.privileged, declared.compares) == (True, False, False)
    assert declared.measures({}) == ()


# ------------------------------------------------------------------- the seam


class Counting:
    """A network that counts how often it runs."""

    model = "counting"
    weights: dict[str, str] = {}  # noqa: RUF012

    def __init__(self) -> None:
        self.passes = 0

    def __call__(self, lr: Image, knobs: Knobs, seed: int, precision: str) -> Output:
        self.passes += 1
        return Output(images.resize(lr, lr.shape[1] * 4, lr.shape[0] * 4))


def test_a_rehearsal_is_a_pass_and_no_picture_to_end_with() -> None:
    network = Counting()
    pipeline = Pipeline(network, {"dehalo": plugins.load("knobs", "dehalo")}, 4, "fp32")
    lr, other = draw_face(24), draw_face(24, 1)
    pure = pipeline.restore(lr, {}, 5)
    spending = Spending(Budget(passes=1))
    make = Making(lr, pure, pipeline, None, Parts(), spending)  # type: ignore[arg-type]
    made = make.rehearse(other, {})
    assert (spending.passes, network.passes) == (1, 2)
    assert isinstance(made, np.ndarray)
    assert np.array_equal(made, pipeline.restore(other, {}, 5).image)
    make.rehearse(other, {"dehalo": 0.5})
    assert (spending.passes, network.passes) == (1, 2), "a knob after the network takes no pass"
    assert make.rehearse(draw_face(24, 2), {}) == "passes", "another input is another pass, for which there is no room"
    assert (spending.passes, network.passes) == (1, 2)
    assert not make.knows(pipeline.restore(other, {}, 5))
    with pytest.raises(TypeError, match="no knob of this family"):
        make.rehearse(other, {"scale": 2})


def test_only_who_rehearses_is_given_the_pipeline(faces: tuple[Path, Path], tmp_path: Path) -> None:
    """And no reference with it, though the cases have one."""
    settings = config.with_arms(settings_of(), ["internal", "heuristic"])
    rehearsing, looking = Listener(opened()), Listener()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(families, "open_auditors", lambda *_: {"internal": rehearsing, "heuristic": looking})
        assert run_study(settings, MACHINE, *faces, tmp_path).failures == []
    assert rehearsing.question is not None
    assert looking.question is not None
    assert rehearsing.question.rehearsal is not None
    assert {field.name for field in fields(Rehearsal)} == {"lr", "restore"}
    assert looking.question.rehearsal is None
    assert rehearsing.question.insight is None


# ----------------------------------------------------------------- whole runs


def settings_of(*changes: str) -> Any:
    settings = config.load(None, [*PLAIN, "hr_size=192", *changes])[0]
    return config.with_families(settings, ("general",))


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Drawn faces with much noise: on the plain backend, damping detail helps."""
    root = tmp_path_factory.mktemp("faces")
    for number in range(3):
        hr = images.as_stored(draw_face(192, number))
        values = paper.draw(np.random.default_rng(number)) | {
            "noise": "gaussian", "noise_sigma": 14.0, "blur_b_sigma_x": 0.3, "blur_b_sigma_y": 0.3,
        }  # fmt: skip
        images.write(root / "hr" / f"{number}.png", hr)
        images.write(root / "lr" / f"{number}.png", paper.apply(hr, values, 4))
    return root / "lr", root / "hr"


def ran(faces: tuple[Path, Path], out: Path, *changes: str, workers: int = 1) -> Path:
    settings = config.with_arms(settings_of(*changes), ["internal"])
    assert run_study(settings, MACHINE, *faces, out, workers=workers).failures == []
    return out


@pytest.fixture(scope="module")
def a_run(faces: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ran(faces, tmp_path_factory.mktemp("run") / "a")


def of_arm(out: Path) -> list[dict[str, str]]:
    return [row for row in rows(out / "run_config.csv") if row["arm"] == "internal"]


def test_a_planted_fault_is_asked_for_and_its_remedy_helps(a_run: Path, faces: tuple[Path, Path]) -> None:
    psnr = plugins.load("metrics", "psnr").open(MACHINE)
    first = [row for row in of_arm(a_run) if row["round"] == "1"]
    assert {row["applied"].split("=")[0] for row in first} == {"detail_damping"}
    for number in range(3):
        hr = images.read(faces[1] / f"{number}.png")
        pure, helped = (images.read(a_run / "general" / arm / f"{number}.png") for arm in ("pure-fsr", "fsr+internal"))
        before, after = psnr([pure, helped], hr)
        assert after > before


def test_what_it_took_is_counted(a_run: Path) -> None:
    assert [row["passes"] for row in of_arm(a_run)] == ["2", "0"] * 3


def test_a_budget_of_passes_bounds_it(faces: tuple[Path, Path], tmp_path: Path) -> None:
    out = ran(faces, tmp_path / "b", 'arms.internal={"auditor": "internal", "limits": {"passes": 1}}')
    for row in of_arm(out):
        assert (row["passes"], row["bound"], row["decision"]) == ("1", "passes", "accept")


def test_the_reference_changes_nothing(a_run: Path, faces: tuple[Path, Path], tmp_path: Path) -> None:
    """The same inputs with other people's references: the same questions, answers and pictures."""
    others = tmp_path / "hr"
    for number in range(3):
        images.write(others / f"{number}.png", images.as_stored(draw_face(192, number + 50)))
    out = ran((faces[0], others), tmp_path / "other")
    for name in ("fsr+internal/0.png", "fsr+internal/2.png"):
        assert (out / "general" / name).read_bytes() == (a_run / "general" / name).read_bytes()
    for path in sorted((a_run / "audits").rglob("*.json")):
        assert (out / path.relative_to(a_run)).read_bytes() == path.read_bytes()


def test_any_number_of_workers_and_a_second_start_give_the_same(
    a_run: Path, faces: tuple[Path, Path], tmp_path: Path
) -> None:
    assert everything(ran(faces, tmp_path / "w", workers=3)) == everything(a_run)
    cut = ran(faces, tmp_path / "cut")
    (cut / "trails" / "general" / "1.json").unlink()
    (cut / "general" / "fsr+internal" / "1.png").unlink()
    assert everything(ran(faces, cut)) == everything(a_run)


def test_what_it_will_take_is_said_before(faces: tuple[Path, Path], tmp_path: Path) -> None:
    settings = config.with_arms(settings_of(), ["internal"])
    asks = families.open_auditors(settings, MACHINE)
    demand = families.open_family("general", settings, MACHINE, asks, LOOK, RunFolder(tmp_path)).demands["internal"]
    assert demand is not None
    assert demand.passes == (2, 2), "knobs of the general family act after the network"
    inside = config.load(None, [*PLAIN, "families.general.knobs=detail_damping,denoise", "policy.retries=1"])[0]
    inside = config.with_arms(config.with_families(inside, ("general",)), ["internal"])
    demand = families.open_family("general", inside, MACHINE, asks, LOOK, RunFolder(tmp_path)).demands["internal"]
    assert demand is not None
    assert demand.passes == (2, 33)
