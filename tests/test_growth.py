"""Memory is bounded by what is in flight, not by the size of the set: what a further case costs is counted."""

from __future__ import annotations

import csv
import json
import os
import tracemalloc
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from fsrbench.case import degradations
from fsrbench.core.contracts import Machine
from fsrbench.core.values import Trail
from fsrbench.files import csvfile, journal
from fsrbench.files.journal import Journal
from fsrbench.imaging import images
from fsrbench.measure import evaluate, subjects, summary_file
from fsrbench.measure import scores as scorefile
from fsrbench.measure import summary as summarising
from fsrbench.measure.results import Numbers, Results
from fsrbench.show import plots, publish, report
from fsrbench.study import config, sheets, store
from fsrbench.study.run import run_study
from fsrbench.study.schema import Settings
from fsrbench.study.store import RunFolder

MACHINE = Machine(offline=True)
ASK = {"score": 30, "confidence": 95, "tags": ["ringing"], "hints": {"dehalo": 0.5}, "reason": "Halos. " * 80}
FIRST, FEW, MANY = 12, 40, 200
ALLOWED = 5
"""KiB a case: its names, its numbers, the hashes of its files, and what the garbage collector has not seen yet."""


def run(root: Path, cases: int, name: str = "out") -> Path:
    """Restore so many cases and have them audited."""
    arm = {"auditor": "scripted", "replies": [ASK]}
    changes = [f"arms.s={json.dumps(arm)}", "families.general.backend=bicubic", "metrics=psnr", "hr_size=16"]
    settings = config.with_arms(config.with_families(config.load(None, changes)[0], ["general"]), ["s"])
    outcome = run_study(settings, MACHINE, root / "lr", root / "hr", root / f"{name} {cases}", limit=cases)
    assert not outcome.failures
    assert outcome.done in (0, cases)
    return outcome.folder.root


def numbers(out: Path) -> None:
    """Measure, summarise, and store both."""
    folder = RunFolder(out)
    what = subjects.of_run(folder, Settings.model_validate(folder.study()["settings"]))
    scores = evaluate.measure(what, MACHINE, journal=folder.journal)
    scorefile.write(out / "scores.csv", scores)
    publish.write_summary(folder, summarising.summarise(what, Numbers(scores)))


def finished(out: Path) -> Results:
    """A run with its numbers, which were stored."""
    folder = RunFolder(out)
    what = subjects.of_run(folder, Settings.model_validate(folder.study()["settings"]))
    numbers = Numbers(scorefile.read(out / "scores.csv"))
    return Results(out, what, numbers, summary_file.read(out / "summary.json"))


def told(out: Path) -> None:
    """Build the report."""
    report.build(finished(out))


def peak(work: Callable[[], object]) -> int:
    """Bytes that were held at once."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """Folders of LR and HR, as small as they may be."""
    for number in range(MANY):
        hr = np.random.default_rng(number).random((16, 16, 3), np.float32)
        images.write(tmp_path / "hr" / f"{number:04}.png", hr)
        images.write(tmp_path / "lr" / f"{number:04}.png", images.resize(hr, 4, 4))
    columns = [*degradations.HEAD, *(f"drawn_{n}" for n in range(20)), *degradations.TAIL]
    same = {"format": str(degradations.FORMAT), "recipe": "paper", "note": 'blur, "and" more'}
    rows = [{"case": f"{n:04}", **same} | {f"drawn_{k}": str((n + k) / 7) for k in range(20)} for n in range(MANY)]
    with (tmp_path / "lr" / degradations.TABLE).open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)
    return tmp_path


@pytest.mark.slow
def test_a_further_case_takes_next_to_no_memory(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "KEPT", 4)  # what is bounded is not what is looked for
    monkeypatch.setattr(report, "CHUNK", 10)
    first = run(tiny, FIRST)
    numbers(first)  # what is imported and opened once
    told(first)
    found = {}
    for cases in (FEW, MANY):
        taken = []
        for name in "ab":  # twice, since a table of the interpreter's own (names that it keeps) may grow once meanwhile
            restored = peak(partial(run, tiny, cases, name))
            works = (numbers, numbers, told, told)
            taken.append([restored, *(peak(partial(work, tiny / f"{name} {cases}")) for work in works)])
        found[cases] = [min(twice) for twice in zip(*taken, strict=True)]
    for few, many in zip(found[FEW], found[MANY], strict=True):
        assert (many - few) / (MANY - FEW) < 1024 * ALLOWED, found


@pytest.mark.slow
def test_plots_and_report_read_every_trail_once(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = run(tiny, FEW)
    numbers(out)
    monkeypatch.setattr(store, "KEPT", 1)  # what was read is not remembered
    results, parsed, parse = finished(out), Counter[str](), RunFolder._parse

    def counted(folder: RunFolder, path: Path) -> Trail:
        parsed[path.stem] += 1
        return parse(folder, path)

    monkeypatch.setattr(RunFolder, "_parse", counted)
    for draw in (plots.draw, report.build):
        draw(results)
        assert parsed == dict.fromkeys(results.numbers.values("general", "psnr", "s"), 1)
        parsed.clear()


def test_rows_of_degradations_are_those_of_the_run(tiny: Path) -> None:
    out = run(tiny, FIRST)
    numbers(out)
    table = degradations.read(tiny / "lr" / degradations.TABLE)
    assert dict(finished(out).what.degraded) == {f"{n:04}": table[f"{n:04}"] for n in range(FIRST)}


def test_trails_are_read_one_by_one(tiny: Path) -> None:
    folder = RunFolder(run(tiny, FIRST))
    (folder.root / "trails" / "general" / "0001.json").write_text("{", encoding="utf-8")
    told = folder.trails()
    first = next(told)
    (folder.root / "trails" / "general" / "0002.json").unlink()
    assert [trail.case for trail in (first, *told)] == ["0000", *(f"{n:04}" for n in range(3, FIRST))]


def test_a_damaged_trail_is_named_once(tiny: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = RunFolder(run(tiny, FIRST))
    (folder.root / "trails" / "general" / "0001.json").write_text("{", encoding="utf-8")
    (folder.root / "run_config.csv").unlink()
    sheets.write(folder)
    assert sum(record.message.count("0001.json") for record in caplog.records) == 1
    rows = csvfile.read(folder.root / "run_config.csv", ("case", "arm"))
    assert [row["case"] for row in rows if row["arm"] == "pure"] == ["0000", *(f"{n:04}" for n in range(2, FIRST))]


def test_a_run_tells_what_its_trails_tell(tiny: Path) -> None:
    folder = RunFolder(run(tiny, FIRST))
    what = subjects.of_run(folder, Settings.model_validate(folder.study()["settings"]))
    assert len(what.subjects) == FIRST
    assert what.subjects[-1] == list(what.subjects)[-1] == what.subjects[FIRST - 2 :][1]
    for subject, trail in zip(what.subjects, folder.trails(), strict=True):
        assert subject.trail == trail
        assert {arm: folder.root / trail.final(arm).path for arm in ("pure", "s")} == subject.variants
        assert (subject.lr, subject.hr) == tuple(tiny / kind / f"{trail.case}.png" for kind in ("lr", "hr"))


def test_what_a_journal_holds_is_written_in_pieces_and_read_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "AT_ONCE", 3)
    files = [tmp_path / f"{name}.txt" for name in "äbcdefg"]
    for file in files:
        file.write_text(file.stem, encoding="utf-8")
        os.utime(file, ns=(10**18, 10**18))
    kept = Journal(tmp_path)
    hashes = [kept.sha256(file) for file in files]
    for metric, values in (("one", {str(n): n / 3 for n in range(8)}), ("none", {}), ("two", {"x": 1.0})):
        kept.keep(metric, "id", values)
    kept.made("product", "inputs", files[:2])
    kept.save()
    again = Journal(tmp_path)
    assert [again.recalled(file) for file in files] == hashes
    assert again.values("one", "id") == {str(n): n / 3 for n in range(8)}
    assert again.values("two", "id") == {"x": 1.0}
    assert again.values("two", "another") == again.values("none", "id") == {}
    assert again.fresh("product", "inputs")
    again.keep("one", "id", {"new": 1.0})
    again.forget_values("one", "id", {"3", "new"})
    again.forget_unseen()
    again.save()
    assert Journal(tmp_path).values("one", "id") == {"3": 1.0, "new": 1.0}
    body = (tmp_path / journal.NAME).read_bytes().partition(b"\n")[2]
    assert list(json.loads(body)["files"]) == [file.name for file in files]
