"""The way `choose`: what is tried, who decides, by how much it must be better, and what the budget leaves of it."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fsrbench.case import making
from fsrbench.case.restore import Pipeline
from fsrbench.cli.app import app
from fsrbench.core import knobgrid, plugins
from fsrbench.core.budget import Budget, Spending
from fsrbench.core.contracts import Knob, Output
from fsrbench.core.errors import SettingsError
from fsrbench.core.judging import Contest
from fsrbench.core.values import Image, Ranking
from fsrbench.core.ways import ArmSetup, CaseContext, RoundDraft
from fsrbench.imaging import images
from fsrbench.judges import _ordered
from fsrbench.ways import choose
from support import draw_face

LR = images.as_stored(images.resize(draw_face(48), 12, 12))


class Enlarged:
    """A network that interpolates."""

    def __init__(self) -> None:
        self.model = "enlarged"
        self.weights: dict[str, str] = {}

    def __call__(self, lr: Image, knobs: dict[str, Any], seed: int, precision: str) -> Output:
        return Output(images.resize(lr, lr.shape[1] * 4, lr.shape[0] * 4))


def offered(*names: str) -> dict[str, Knob]:
    return {name: plugins.load("knobs", name) for name in names}


def decided(
    scores: Callable[[Contest], list[float | None]],
    *names: str,
    budget: Budget | None = None,
    **settings: Any,
) -> tuple[RoundDraft, CaseContext]:
    """The one round of an arm whose judge gives these scores."""
    knobs = offered(*names)
    own = Pipeline(Enlarged(), knobs, 4, "fp32", backend="enlarged")
    pure, spending = own.restore(LR, {}, 1), Spending(budget or Budget())
    make = making.Making(LR, pure, own, None, making.Parts(), spending)  # type: ignore[arg-type]
    case = CaseContext("general", "a", LR, pure, make, spending=spending)

    def judge(contest: Contest) -> Ranking:
        return _ordered.ranking("planted", scores(contest))

    setup = ArmSetup("pick", "general", choose.Choosing(**settings), knobs, judge=judge)
    (draft,) = choose.WAY.open(setup)(case)
    return draft, case


def origins(draft: RoundDraft) -> list[str]:
    return [one.origin for one in draft.candidates]


def test_the_settings_of_each_knob_alone_are_tried_and_pure_is_the_first() -> None:
    draft, _ = decided(lambda contest: [0.0] * len(contest.pictures), "dehalo", "detail_damping", levels=2)
    high = plugins.load("knobs", "detail_damping").high
    assert origins(draft) == [
        "pure", "dehalo 1.0", f"detail_damping {high}", "dehalo 0.5", f"detail_damping {high / 2}"
    ]  # fmt: skip


def test_the_judge_sees_every_candidate_the_input_and_no_reference() -> None:
    seen: list[Contest] = []

    def notes(contest: Contest) -> list[float | None]:
        seen.append(contest)
        return [0.0] * len(contest.pictures)

    draft, case = decided(notes, "dehalo")
    (contest,) = seen
    assert contest.lr is LR
    assert contest.reference is None
    assert [id(picture) for picture in contest.pictures] == [id(one.picture.image) for one in draft.candidates]
    assert case.spending.calls == 1


@pytest.mark.parametrize(
    ("last", "margin", "kept"),
    [(1.0, 0.5, True), (1.0, 1.0, False), (1e-9, 0.0, True), (0.0, 0.0, False), (-1.0, 0.0, False), (None, 0.0, False)],
)
def test_only_what_is_better_by_more_than_the_margin_is_kept(last: float | None, margin: float, kept: bool) -> None:
    """Equal is not better, and what could not be judged is not better either."""

    def scores(contest: Contest) -> list[float | None]:
        return [0.0, *[-9.0] * (len(contest.pictures) - 2), last]

    draft, case = decided(scores, "dehalo", margin=margin)
    assert draft.picture is (draft.candidates[-1].picture if kept else case.pure)
    assert draft.ranking is not None


def test_where_pure_could_not_be_judged_it_stands() -> None:
    draft, case = decided(lambda contest: [None, *[5.0] * (len(contest.pictures) - 1)], "dehalo")
    assert draft.picture is case.pure


def test_a_budget_without_passes_leaves_the_knobs_that_take_none() -> None:
    """`denoise` acts before the network, so each of its values is a pass; `dehalo` acts after it."""

    def latest(contest: Contest) -> list[float | None]:
        return [float(place) for place in range(len(contest.pictures))]

    whole, free = decided(latest, "denoise", "dehalo", levels=2)
    assert (whole.bound, free.spending.passes) == ("", 2)
    draft, case = decided(latest, "denoise", "dehalo", levels=2, budget=Budget(passes=1))
    assert (draft.bound, case.spending.passes) == ("passes", 1)
    assert sum(text.startswith("denoise") for text in origins(draft)) == 1
    assert sum(text.startswith("dehalo") for text in origins(draft)) == 2
    assert draft.picture is draft.candidates[-1].picture


@pytest.mark.parametrize(("budget", "bound"), [(Budget(calls=0), "calls"), (Budget(seconds=0.0), "seconds")])
def test_when_the_judge_may_not_be_asked_pure_stands(budget: Budget, bound: str) -> None:
    draft, case = decided(lambda contest: [1.0] * len(contest.pictures), "dehalo", budget=budget)
    assert (draft.picture, draft.bound, draft.ranking) == (case.pure, bound, None)
    assert case.spending.calls == 0


def test_what_it_will_take_is_known_before() -> None:
    knobs = offered("denoise", "dehalo")
    setup = ArmSetup("pick", "blind", choose.Choosing(levels=2), knobs)
    assert choose.WAY.demand is not None
    assert choose.WAY.demand(setup).passes == (2, 2)


def test_settings_of_one_knob_alone_begin_with_the_far_ends() -> None:
    knobs = offered("dehalo", "scale")
    defaults = {name: knob.default for name, knob in knobs.items()}
    tried = knobgrid.singles(knobs, defaults, 4)
    assert tried[:2] == [{"dehalo": 1.0}, {"scale": 2}]
    assert len(tried) == 5
    assert {} not in tried
    assert not any(all(defaults[name] == value for name, value in one.items()) for one in tried)


# ---------------------------------------------------------------- on a command


@pytest.fixture
def faces(tmp_path: Path) -> tuple[str, ...]:
    low, high = tmp_path / "low", tmp_path / "high"
    for number in range(2):
        face = draw_face(96, seed=number)
        images.write(high / f"{number}.png", face)
        images.write(low / f"{number}.png", images.resize(face, 24, 24))
    return ("--lr", str(low), "--hr", str(high))


def run(faces: tuple[str, ...], out: Path, arm: dict[str, Any]) -> list[dict[str, str]]:
    words = ["run", "--family", "general", "--set", "families.general.backend=bicubic", "--set", "metrics=psnr"]
    words += ["--set", f"arms.pick={json.dumps(arm)}", "--arm", "pick", "--set", "hr_size=96", "--out", str(out)]
    done = CliRunner().invoke(app, [*words, *faces], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    with (out / "candidates.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    ("judge", "standing"), [("random", "control"), ("oracle", "headroom"), ("consistency", "contender")]
)
def test_controls_come_from_the_judge(faces: tuple[str, ...], tmp_path: Path, judge: str, standing: str) -> None:
    rows = run(faces, tmp_path / "out", {"way": "choose", "judge": judge})
    for case in "01":
        own = [row for row in rows if row["case"] == case]
        scores = [float(row["score"]) for row in own]
        (chosen,) = [float(row["score"]) for row in own if row["chosen"] == "True"]
        assert own[0]["origin"] == "pure"
        assert chosen == max(scores)
        assert len({row["sha256"] for row in own}) > 2
    stored = json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))
    assert stored["roles"]["pick"] == standing


def test_an_endless_margin_leaves_pure(faces: tuple[str, ...], tmp_path: Path) -> None:
    rows = run(faces, tmp_path / "out", {"way": "choose", "judge": "oracle", "with": {"margin": 1e6}})
    assert {row["origin"] for row in rows if row["chosen"] == "True"} == {"pure"}


def test_without_a_judge_it_is_refused(faces: tuple[str, ...], tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="the way choose needs one"):
        run(faces, tmp_path / "out", {"way": "choose"})
