"""Names, links and shapes of what a run stores: what fits no file name, what leads elsewhere, what is not its own."""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Pillow

from fsrbench.auditors._cache import Cache, made
from fsrbench.auditors._wire import Completion
from fsrbench.core import plugins
from fsrbench.core.contracts import Machine
from fsrbench.core.errors import FsrbenchError, InputError, SettingsError, StoreError
from fsrbench.core.execute import untracked
from fsrbench.files import atomic, csvfile, jsonfile, names, opening
from fsrbench.files.journal import Journal
from fsrbench.imaging import images
from fsrbench.measure import baseline
from fsrbench.measure import subjects as gathering
from fsrbench.measure.results import Numbers, Results
from fsrbench.measure.summary import summarise
from fsrbench.show import publish, report
from fsrbench.show.report.pictures import Gallery
from fsrbench.study import config
from fsrbench.study.run import RunOutcome, run_study
from fsrbench.study.store import RunFolder
from support import draw_face
from support.studies import ASK, PLAIN, scripted

LONG = "f" * 250
WIDE = "\u00e9" * 125
ODD = ["a b", "50% off #1?", "-dash", "a..b", "CON", "x~0123456789ab"]
POSIX = pytest.mark.skipif(os.name == "nt", reason="other names, links and pipes there")


def faces(root: Path, *cases: str) -> tuple[Path, Path]:
    for number, case in enumerate(cases):
        hr = draw_face(96, number)
        images.write(root / "high" / f"{case}.png", hr)
        images.write(root / "low" / f"{case}.png", images.resize(hr, 24, 24))
    return root / "low", root / "high"


def go(folders: tuple[Path, Path], out: Path) -> RunOutcome:
    settings = config.load(None, [*PLAIN, "metrics=psnr", scripted(ASK)])[0]
    settings = config.with_arms(config.with_families(settings, ["general"]), ["s"])
    return run_study(settings, Machine(), *folders, out)


def say(*arguments: object) -> tuple[int, str]:
    """A command as a user types it: exit status and what it says."""
    import subprocess

    done = subprocess.run([sys.executable, "-m", "fsrbench", *map(str, arguments)], capture_output=True, timeout=300)
    return done.returncode, done.stderr.decode()


# ----------------------------------------------------------------------- names


def test_a_name_that_fits_stays_and_any_other_is_cut_and_told_apart() -> None:
    assert names.of("a b", "-1.json") == "a b-1.json"
    assert names.of("x" * 250, ".json") == "x" * 250 + ".json"
    for case in (LONG, WIDE, WIDE + "x", "\U0001f600" * 63, "a\\b", "../../a", "\0", "x~0123456789ab"):
        for ending in (".png", "-10.json"):
            name = names.of(case, ending)
            assert len(name.encode()) <= names.MOST
            assert name.endswith(ending)
            assert not {"\\", "/", "\0"} & set(name)
            assert name == case + ending or "~" in name
    cut = {
        names.of(case, "-1.json") for case in (LONG, LONG + "f", LONG[:-1] + "g", "a\\b", "a_b", names.of("a\\b", ""))
    }
    assert len(cut) == 6


@pytest.mark.slow
@POSIX
def test_long_and_odd_names_finish_and_are_shown(tmp_path: Path) -> None:
    cases = sorted([LONG, WIDE, "a\\b", *ODD])
    folders, out = faces(tmp_path, *cases), tmp_path / "out"
    assert go(folders, out).failures == []
    assert sorted(trail.case for trail in RunFolder(out).trails()) == cases
    assert go(folders, out).done == 0
    assert len(list((out / "audits" / "general" / "s").glob("*.json"))) == 2 * len(cases)
    what = gathering.of_run(RunFolder(out), config.stored(RunFolder(out).study()["settings"], out))
    assert sorted(subject.case for subject in what.subjects) == cases
    assert all(path.is_file() for subject in what.subjects for path in subject.variants.values())


@POSIX
def test_records_none_of_which_can_be_read_are_not_asked_for_for_ever(tmp_path: Path) -> None:
    """The report asked for one exchange after the other until there was none: one that cannot be read was one more."""
    folders, out = faces(tmp_path, "a"), tmp_path / "out"
    go(folders, out)
    folder = RunFolder(out)
    shutil.rmtree(out / "audits" / "general" / "s")
    (out / "audits" / "general" / "s").write_text("no folder: whatever is asked for cannot be read", encoding="utf-8")
    trail = folder.trail("general", "a")
    assert trail is not None
    folder.write_trail(type(trail)(trail.case, trail.family, trail.lr_sha256, trail.rounds[:1]))
    csvfile.write(out / "failures.csv", ("family", "case", "arm", "why"), [["general", "a", "s", "gone"]])
    done: list[int] = []

    def tell() -> None:
        what = gathering.of_run(folder, config.stored(folder.study()["settings"], folder.study_file))
        results = Results(out, what, Numbers([]), summarise(what, Numbers([])))
        entry = report.cases.entries(results)[0]
        told = report.cases.Teller(results, Gallery(tmp_path / "pictures")).tell(entry)
        done.append(len(told.details["arms"]["s"]))

    thread = threading.Thread(target=tell, daemon=True)
    thread.start()
    thread.join(120)
    assert done == [report.cases.ROUNDS]


# ----------------------------------------------------------------------- links


@POSIX
@pytest.mark.parametrize("inner", ["report", "report/cases", "plots", "trails/general", "general/pure-fsr", "general"])
def test_nothing_is_written_or_removed_through_a_link_inside_a_runs_folder(tmp_path: Path, inner: str) -> None:
    root, foreign = tmp_path / "out", tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "000.js").write_text("mine", encoding="utf-8")
    (root / inner).parent.mkdir(parents=True)
    (root / inner).symlink_to(foreign)
    atomic.guard(root)
    acts: list[Callable[[Path], object]] = [
        lambda path: atomic.write_bytes(path, b"x"), atomic.remove, lambda path: csvfile.write(path, ["a"], []),
    ]  # fmt: skip
    for act in acts:
        for path in (root / inner / "000.js", root / inner / "deeper" / "000.js"):
            with pytest.raises(StoreError, match="is a link") as caught:
                act(path)
            assert str(root / inner) in str(caught.value)
    assert [path.name for path in foreign.iterdir()] == ["000.js"]
    assert (foreign / "000.js").read_text(encoding="utf-8") == "mine"


@POSIX
def test_a_linked_folder_inside_a_run_is_said_and_the_run_itself_may_be_a_link(tmp_path: Path) -> None:
    folders, foreign = faces(tmp_path, "a", "b"), tmp_path / "foreign"
    (tmp_path / "real").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "real")
    assert go(folders, tmp_path / "out").failures == []
    pictures = tmp_path / "real" / "general" / "pure-fsr"
    pictures.rename(foreign)
    pictures.symlink_to(foreign)
    (foreign / "a.png").unlink()
    outcome = go(folders, tmp_path / "out")
    assert ["is a link" in failure.why for failure in outcome.failures] == [True]
    assert sorted(path.name for path in foreign.iterdir()) == ["b.png"]


@POSIX
def test_a_cache_and_a_lock_lead_nowhere_else(tmp_path: Path) -> None:
    (tmp_path / "foreign").mkdir()
    (tmp_path / "precious").write_text("mine", encoding="utf-8")
    cache = Cache(made(tmp_path / "cache"))
    said = Completion("{}", "", "stop", "m", 1, 1, "json", 1, 0.5, None)
    cache.keep({"a": 1}, [said])
    folder = next((tmp_path / "cache").iterdir())
    shutil.rmtree(folder)
    folder.symlink_to(tmp_path / "foreign")
    with pytest.raises(StoreError, match="is a link"):
        cache.keep({"a": 1}, [said])
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".lock").symlink_to(tmp_path / "precious")
    with pytest.raises(StoreError, match="cannot be written"), RunFolder(tmp_path / "out").locked():
        pass
    assert (tmp_path / "precious").read_text(encoding="utf-8") == "mine"
    assert not list((tmp_path / "foreign").iterdir())


# ----------------------------------------------------------------------- pipes


@POSIX
def test_a_pipe_or_a_device_is_never_opened_not_behind_a_link_either(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    watching = True
    (tmp_path / "link.png").symlink_to(tmp_path / "pipe")
    (tmp_path / "zero.yaml").symlink_to("/dev/zero")
    opened: list[object] = []

    def is_opened(event: str, args: tuple[Any, ...]) -> bool:
        """By the system itself: Python's own `open` asks its opener first."""
        return watching and event == "open" and args[1] is None

    sys.addaudithook(lambda event, args: opened.append(args[0]) if is_opened(event, args) else None)
    memory = Journal(None)
    readers: list[tuple[Callable[[Path], object], type[Exception]]] = [
        (images.read, InputError), (lambda path: atomic.read_bytes(path, 9), OSError), (opening.plain, OSError),
        (config.load, SettingsError), (lambda path: csvfile.read(path, ("a",)), StoreError),
        (lambda path: baseline.read(path, ""), InputError),
        (lambda path: plugins.load("auditors", "scripted").open({"file": str(path)}, Machine()), SettingsError),
    ]  # fmt: skip
    for name in ("pipe", "link.png", "zero.yaml"):
        path = tmp_path / name
        for read, error in readers:
            with pytest.raises(error, match="a pipe, a device or a socket"):
                read(path)
        assert memory.sha256(path) is None
    watching = False
    assert not [path for path in opened if str(path).startswith((str(tmp_path / "pipe"), "/dev/zero"))]


# ---------------------------------------------------------------------- shapes

ROUND = 1
HOSTILE: dict[str, Callable[[dict[str, Any]], object]] = {
    "another case": lambda d: d.update(case="b"),
    "another family": lambda d: d.update(family="../.."),
    "no round": lambda d: d.update(rounds=[]),
    "pure twice": lambda d: d["rounds"].append(d["rounds"][0]),
    "a picture of the study": lambda d: d["rounds"][0]["restoration"].update(path="study.yaml"),
    "a picture outside": lambda d: d["rounds"][0]["restoration"].update(path="../a.png"),
    "a number of 100 digits": lambda d: d["rounds"][0]["restoration"].update(seed=10**100),
    "an infinite number": lambda d: d["rounds"][0]["restoration"].update(seconds=float("inf")),
    "deep hints": lambda d: d["rounds"][ROUND]["audit"].update(hints={"a": json.loads("[" * 900 + "]" * 900)}),
    "a list for a text": lambda d: d["rounds"][ROUND].update(arm=["s"]),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_trail_that_is_not_its_cases_costs_that_case_alone(
    tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    folders, out = faces(tmp_path, "a", "b"), tmp_path / "out"
    go(folders, out)
    path = out / "trails" / "general" / "a.json"
    data = json.loads(path.read_text(encoding="utf-8"))
    HOSTILE[name](data)
    path.write_text(json.dumps(data), encoding="utf-8")
    assert [trail.case for trail in RunFolder(out).trails()] == ["b"]
    assert "Delete it: the case is then run again." in caplog.text
    outcome = go(folders, out)
    assert [failure.case for failure in outcome.failures] == ["a"]
    path.unlink()
    assert go(folders, out).failures == []


def test_nested_nan_and_huge_numbers_are_no_json() -> None:
    for text in ("[" * 5000, "[" * 300 + "]" * 300, "NaN", "[-Infinity]", "1e999", "9" * 5000, '"\\ud800"', "\xff"):
        with pytest.raises(ValueError, match=r"."):
            jsonfile.parse(text.encode("latin-1"))
    assert jsonfile.parse(b'{"a": [1, -0.5, "\xc3\xa9"]}') == {"a": [1, -0.5, "é"]}


def test_an_arm_that_the_run_does_not_have_is_named_and_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folders, out = faces(tmp_path, "a", "b"), tmp_path / "out"
    go(folders, out)
    folder = RunFolder(out)
    path = out / "trails" / "general" / "a.json"
    text = path.read_text(encoding="utf-8").replace('"arm": "s"', '"arm": "stranger"').replace("fsr+s", "fsr+stranger")
    path.write_text(text, encoding="utf-8")
    rows = [["general", "a", "ghost", "why"], ["../..", "b", "s", "why"], ["general", "b", "s", "why"]]
    csvfile.write(out / "failures.csv", ("family", "case", "arm", "why"), rows)
    what = gathering.of_run(folder, config.stored(folder.study()["settings"], folder.study_file))
    assert [subject.case for subject in what.subjects] == ["b"]
    assert [failure.arm for failure in gathering.failures(folder, what)] == ["s"]
    assert "no arm 'stranger'" in caplog.text
    assert "rows of '../..'" in caplog.text


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ("seed: 0", "seed: " + "9" * 5000, "5000 digits"),
        ("seed: 0", "seed: 0x" + "f" * 5000, "digits"),
        ("seed: 0", "seed: 1:30", "whole number|integer"),
        ("seed: 0", "seed: " + ":".join(["1"] * 3000), "whole number|integer"),
        ("seed: 0", "seed: !!python/none 0", "tag"),
        ("seed: 0", "seed: " + "[" * 5000, "nested"),
        ("seed: 0", "seed: {a: &x 1, b: *x}", "alias"),
        ("dead_knobs: {}", "dead_knobs: {general: 1}", "dead_knobs"),
        ("inputs:", "inputs: 1\nrest:", "inputs"),
    ],
)
def test_a_study_that_was_edited_is_refused_in_a_sentence(tmp_path: Path, old: str, new: str, word: str) -> None:
    folders, out = faces(tmp_path, "a"), tmp_path / "out"
    go(folders, out)
    path = out / "study.yaml"
    text = path.read_text(encoding="utf-8")
    if old not in text:
        old, new = "dead_knobs:\n", "dead_knobs:\n  x: 1\n"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(StoreError, match=word) as caught:
        publish.run(RunFolder(out), Machine(), 1, untracked)
    assert "study.yaml" in str(caught.value)
    assert len(str(caught.value)) < 1000


@pytest.mark.slow
def test_four_hundred_thousand_metrics_and_numbers_of_base_sixty_are_refused_soon(tmp_path: Path) -> None:
    for text in ("metrics: [" + "a," * 449_999 + "a]\n", "metrics: [" + "psnr," * 200 + "ssim]\n", "seed: 1:30\n"):
        path = tmp_path / "c.yaml"
        path.write_text(text, encoding="utf-8")
        with pytest.raises(SettingsError):
            config.load(path)
    with pytest.raises(SettingsError, match="seed"):
        config.load(None, ["seed=1:30"])


@pytest.mark.parametrize(
    "body",
    ['{"files":{"a":1},"values":{},"made":{}}', '{"files":{},"values":{"psnr":["x",{"a":"b"}]},"made":{}}', "[]",
     "null", '{"files":{},"values":{},"made":{"a":[1,{}]}}', '{"files":{}}', "[" * 100_000, "{"],
)  # fmt: skip
def test_a_journal_of_other_types_is_none_whatever_its_hash(tmp_path: Path, body: str) -> None:
    import hashlib

    from fsrbench.files import journal

    head = f"fsrbench journal {journal.FORMAT} {hashlib.sha256(body.encode()).hexdigest()}\n"
    (tmp_path / journal.NAME).write_text(head + body, encoding="utf-8")
    (tmp_path / "a").write_text("x", encoding="utf-8")
    memory = Journal(tmp_path)
    assert memory.sha256(tmp_path / "a") is not None
    assert memory.values("psnr", "x") == {}
    assert not memory.fresh("a", "x")


def test_a_cache_entry_of_other_types_is_none(tmp_path: Path) -> None:
    from fsrbench.auditors import _cache

    cache = Cache(tmp_path)
    said = Completion("{}", "", "stop", "m", 1, 1, "json", 1, 0.5, None)
    cache.keep({"a": 1}, [said])
    assert cache.find({"a": 1}) == [said]
    path = next(tmp_path.rglob("*.json"))
    whole = json.loads(path.read_text(encoding="utf-8"))
    for changed in ({"text": 1}, {"requests": "x"}, {"cost": []}, {"more": 1}):
        stored = [{**whole["completions"][0], **changed}]
        path.write_text(json.dumps({**whole, "completions": stored, "sha256": _cache._hash(stored)}), encoding="utf-8")
        assert cache.find({"a": 1}) == []
    for text in ("[" * 5000, "[]", "1" * 5000):
        path.write_text(text, encoding="utf-8")
        assert cache.find({"a": 1}) == []


@pytest.mark.parametrize("name", ["scores.csv", "failures.csv", "run_config.csv", ".journal"])
def test_a_folder_where_a_file_should_be_is_said(tmp_path: Path, name: str) -> None:
    folders, out = faces(tmp_path, "a"), tmp_path / "out"
    go(folders, out)
    (out / name).unlink(missing_ok=True)
    (out / name / "x").mkdir(parents=True)

    def command() -> None:
        go(folders, out)
        publish.run(RunFolder(out), Machine(), 1, untracked)

    with pytest.raises(FsrbenchError, match=name):
        command()


# ------------------------------------------------------------------------ zero


def test_minus_zero_is_zero() -> None:
    knob = plugins.load("knobs", "dehalo")
    assert str(knob.clamp(-0.0)) == str(knob.clamp(0.0)) == "0.0"
    loaded = config.load(None, ["policy.min_confidence=-0.0", "guards.niqe=-0.0"])[0]
    assert str(loaded.policy.min_confidence) == str(loaded.guards.niqe) == "0.0"


# ------------------------------------------------------------- what is opened


@POSIX
def test_an_eps_named_png_starts_no_interpreter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    low = tmp_path / "low"
    low.mkdir()
    Pillow.new("RGB", (8, 8)).save(low / "x.png", "EPS")
    (low / "x.png").write_bytes((low / "x.png").read_bytes() + b"\n{ } loop\n")
    for name in ("gs", "gswin64c"):
        (tmp_path / name).write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n", encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(InputError, match=r"x\.png: it is EPS.*PNG, JPEG, WebP, BMP or TIFF"):
        images.read(low / "x.png")
    assert not (tmp_path / "ran").exists()


@pytest.mark.slow
def test_a_long_name_and_an_eps_end_a_run_in_words(tmp_path: Path) -> None:
    low, high = faces(tmp_path, LONG, "good")
    Pillow.new("RGB", (8, 8)).save(low / "eps.png", "EPS")
    sets = [part for change in [*PLAIN, "metrics=psnr", scripted(ASK)] for part in ("--set", change)]
    run = ("run", "--family", "general", "--arm", "s", "--lr", low, "--hr", high, "--out", tmp_path / "out", *sets)
    status, said = say(*run)
    assert status == 3, said
    assert "it is EPS" in said
    assert "Traceback" not in said
    assert (tmp_path / "out" / "report" / "index.html").is_file()


def test_a_table_whose_first_line_is_blank_is_no_table(tmp_path: Path) -> None:
    (tmp_path / "failures.csv").write_text("\ngeneral,0,s,why\n", encoding="utf-8")
    with pytest.raises(StoreError, match="has no column family"):
        RunFolder(tmp_path).failures()
