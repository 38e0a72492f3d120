"""Finished cases are measured while others are waited for: the same numbers, found again, and no trouble of its own."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import wait
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import fsrbench
from fsrbench.core.contracts import Machine
from fsrbench.core.errors import Unavailable
from fsrbench.core.values import Score
from fsrbench.files.journal import Journal
from fsrbench.imaging import images
from fsrbench.measure import ahead, evaluate, subjects
from fsrbench.study import config
from fsrbench.study.run import RunOutcome, run_study
from fsrbench.study.schema import Settings
from fsrbench.study.store import RunFolder
from support import draw_face
from support.studies import ASK, PLAIN, scripted

MACHINE = Machine(offline=True)
CASES = ("a", "b", "c")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Of a small run, whose faces lie in the folder."""
    for number, case in enumerate(CASES):
        images.write(tmp_path / "hr" / f"{case}.png", draw_face(96, number))
        images.write(tmp_path / "lr" / f"{case}.png", draw_face(24, number))
    loaded, _ = config.load(None, [*PLAIN, scripted(ASK), "metrics=psnr,ssim", "hr_size=96"])
    return config.with_arms(config.with_families(loaded, ["general"]), ["s"])


class Ahead(ahead._Ahead):
    """Is done with a case before it is told of the next one."""

    def measure(self, folder: RunFolder, family: str, case: str) -> None:
        super().measure(folder, family, case)
        wait(self._running)


def run(root: Path, settings: Settings, **options: Any) -> RunOutcome:
    """The run, with every case measured ahead."""
    beside = Ahead(MACHINE)
    try:
        return run_study(settings, MACHINE, root / "lr", root / "hr", root / "out", finished=beside.measure, **options)
    finally:
        beside.leave()


def measured(root: Path, journal: Journal, *, may_measure: bool) -> list[Score]:
    """What an evaluation says of the run; where nothing may be measured, a number that is not known is missing."""
    folder = RunFolder(root / "out")
    what = subjects.of_run(folder, config.stored(folder.study()["settings"], folder.study_file))

    def closed(_machine: Machine) -> Any:
        raise Unavailable("nothing is measured here")

    if not may_measure:
        what = replace(what, metrics={name: replace(one, open=closed) for name, one in what.metrics.items()})
    return evaluate.measure(what, MACHINE, journal=journal)


def test_what_was_measured_ahead_is_found_and_is_what_would_be_measured_afterwards(
    tmp_path: Path, settings: Settings
) -> None:
    outcome = run(tmp_path, settings)
    found = measured(tmp_path, outcome.folder.journal, may_measure=False)
    assert len(found) == len(CASES) * 2 * 2
    assert all(score.value is not None for score in found)
    assert found == measured(tmp_path, Journal(None), may_measure=True)


def test_an_interrupt_keeps_what_was_measured(tmp_path: Path, settings: Settings) -> None:
    def interrupted(_title: str, items: Iterable[Any], _total: int) -> Iterable[Any]:
        for number, item in enumerate(items):
            if number == 2:
                raise KeyboardInterrupt
            yield item

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, settings, track=interrupted)
    found = measured(tmp_path, Journal(tmp_path / "out"), may_measure=False)
    known = {score.case for score in found if score.value is not None}
    assert CASES[0] in known
    assert CASES[2] not in known


def test_a_case_that_cannot_be_measured_does_not_disturb_the_run(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Any:
        raise ValueError("a bug in a metric")

    monkeypatch.setattr(evaluate, "measured", broken)
    outcome = run(tmp_path, settings)
    assert (outcome.done, outcome.failures) == (len(CASES), [])
    with pytest.raises(ValueError, match="a bug in a metric"):
        measured(tmp_path, outcome.folder.journal, may_measure=True)


def test_beside_a_network_that_takes_all_cores_nothing_is_measured(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ahead, "plugins", SimpleNamespace(load=lambda *_: SimpleNamespace(reentrant=False)))
    outcome = run(tmp_path, settings)
    assert all(score.value is None for score in measured(tmp_path, outcome.folder.journal, may_measure=False))


@pytest.mark.parametrize("evaluated", [False, True])
def test_only_a_run_that_is_evaluated_measures(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch, *, evaluated: bool
) -> None:
    told = []
    monkeypatch.setattr(ahead._Ahead, "measure", lambda _, __, family, case: told.append((family, case)))
    monkeypatch.chdir(tmp_path)
    fsrbench.run(
        lr="lr", hr="hr", out="out", families="general", evaluate=evaluated, offline=True, device="cpu",
        settings={"families": {"general": {"backend": "bicubic"}}, "metrics": ["psnr"], "hr_size": 96},
    )  # fmt: skip
    assert sorted(told) == ([("general", case) for case in CASES] if evaluated else [])
