"""What changed most comes first: which cases, in which words, and the picture of a difference."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from fsrbench.case import evidence
from fsrbench.core import plugins
from fsrbench.core.values import Score
from fsrbench.imaging import faces
from fsrbench.measure import changes
from fsrbench.measure.results import Numbers
from fsrbench.measure.standings import Standing
from fsrbench.measure.subjects import Evaluation, Subject
from fsrbench.show import difference, highlights, regions
from fsrbench.show.patches import PatchPlaces
from fsrbench.study.store import RunFolder
from fsrbench.ways import audit
from support import draw_face
from support.reports import Study

ROLES: dict[str, Standing] = {"mine": "contender", "oracle": "headroom"}


def evaluation(moved: dict[str, dict[str, float]], metric: str = "psnr") -> tuple[Evaluation, Numbers]:
    """Cases whose arms moved by so much in the one metric that could be measured."""
    metrics = {name: plugins.load("metrics", name) for name in ("psnr", "niqe")}
    subjects = [Subject("general", case, None, None, {"pure": Path("x")}) for case in moved]
    scores = [Score(case, "general", "pure", metric, 20.0) for case in moved]
    scores += [Score(c, "general", arm, metric, 20.0 + by) for c, own in moved.items() for arm, by in own.items()]
    return Evaluation(subjects, metrics, roles=ROLES), Numbers(scores)


MOVED = {"a": {"mine": 0.0, "oracle": 0.4}, "b": {"mine": 0.0}, "c": {"mine": -0.5, "oracle": 0.1}, "d": {"mine": 0.2}}


def test_the_largest_change_comes_first_whichever_way_it_goes() -> None:
    what, numbers = evaluation(MOVED)
    found = changes.largest(what, numbers)
    assert [(one.case, one.arm, one.delta) for one in found] == [
        ("c", "mine", -0.5),
        ("a", "oracle", 0.4),
        ("d", "mine", 0.2),
    ]
    assert changes.cases(what, found) == ["c", "a", "d", "b"]
    assert [one.case for one in changes.largest(what, numbers, ["mine"])] == ["c", "d"]
    assert highlights.sentence(what, numbers, found, 2) == (
        "The 2 of 4 cases in which an arm changed PSNR most, the largest change first."
    )
    assert "The 3 cases in which an arm changed PSNR, the largest change first; then others" in (
        highlights.sentence(what, numbers, found, 6)
    )


def test_where_the_first_metric_is_missing_the_next_one_says_what_changed() -> None:
    what, numbers = evaluation({"a": {"mine": 0.1}, "b": {"mine": 0.3}}, "niqe")
    assert changes.metric(what, numbers) == "niqe"
    assert changes.cases(what, changes.largest(what, numbers)) == ["b", "a"]


def test_where_nothing_changed_the_first_cases_stand() -> None:
    what, numbers = evaluation({"b": {"mine": 0.0}, "a": {"mine": 0.0}})
    found = changes.largest(what, numbers)
    assert changes.cases(what, found) == ["a", "b"]
    assert (
        highlights.sentence(what, numbers, found, 1) == "No arm changed PSNR anywhere: the first 1 of 2 cases, by name."
    )
    nothing = Numbers([])
    assert changes.metric(what, nothing) is None
    assert highlights.sentence(what, nothing, [], 6) == "No arm changed a number anywhere: all cases, by name."


def test_a_difference_is_amplified_as_much_as_its_brightest_part_bears() -> None:
    pure = np.full((20, 20, 3), 100, np.uint8)
    other = pure.copy()
    other[:, :10, 1] = 97
    plane = difference.plane(pure, other)
    assert np.array_equal(plane, difference.plane(other, pure))
    assert plane[0, 0] == 3
    assert plane[0, 19] == 0
    assert difference.factor([plane]) == 64
    assert difference.factor([plane, plane * 20]) == 4, "one scale for all: 60 times 4 is still seen"
    shown = difference.drawn(plane, 64)
    assert tuple(shown[0, 19]) == difference.MAGMA[0]
    assert shown[0, 0].sum() > 300
    steps = difference.drawn(np.arange(256, dtype=np.uint8)[None], 1)[0].astype(int) @ [299, 587, 114]
    assert (np.diff(steps) >= 0).all(), "brighter is more"


def test_patches_stand_where_auditors_saw_them(tmp_path: Path) -> None:
    results = Study(tmp_path, ["one"]).results()
    subject = results.what.subjects[0]
    usual = regions.shown(subject, subject.trail, results.what, (64, 64))
    assert usual == PatchPlaces((64, 64), faces.regions((64, 64), None), regions.USUAL)
    assert regions.shown(subject, subject.trail, results.what, (64, 50)) is None
    assert regions.shown(subject, None, results.what, (64, 64)) is None, "nobody looked"
    detected = replace(results.what, run=cast(Any, SimpleNamespace(detector="a detector")))
    assert regions.shown(subject, subject.trail, detected, (64, 64)) is None, "where it found them is not known"
    folder, boxes = RunFolder(tmp_path), dict.fromkeys(faces.regions((64, 64), None), (3, 4, 35, 36))
    folder.write_exchange("general", "random", "one", 1, {"patches": boxes})
    found = regions.shown(replace(subject, told=folder), subject.trail, detected, (64, 50))
    assert found == PatchPlaces((64, 50), boxes, regions.FOUND)


def test_places_that_a_detector_found_are_recorded() -> None:
    points = faces.CANONICAL * 64 + 3
    tools = evidence.Tools(cast(Any, lambda _: (SimpleNamespace(landmarks=points),)), {})
    picture = draw_face(64)
    seen = tools(picture[::4, ::4].copy(), picture)
    boxes = faces.regions((64, 64), points)
    assert audit._found(seen) == {"patches": {name: list(box) for name, box in boxes.items()}}
    assert boxes != faces.regions((64, 64), None)
    assert audit._found(evidence.Tools(None, {})(picture[::4, ::4].copy(), picture)) == {}
