"""Thousands of damaged and hostile files in a run's folder: what reads them says a sentence, or makes them again.

Everything that the commands do with a folder is done, but for drawing: joining a study to it, looking for what is
missing, gathering, measuring, summing up, telling, building the report, checking, replaying. It happens in processes
of their own, whose memory and time are their own, too.
"""

from __future__ import annotations

import faulthandler
import hashlib
import json
import multiprocessing
import os
import random
import re
import shutil
import time
from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from fsrbench.auditors._cache import Cache
from fsrbench.auditors._wire import Completion
from fsrbench.case import degrade
from fsrbench.core import execute, plugins
from fsrbench.core.contracts import Machine
from fsrbench.core.errors import FsrbenchError
from fsrbench.files import csvfile, journal, yamlfile
from fsrbench.imaging import images
from fsrbench.measure import baseline, check, evaluate, frames, scores, subjects, summary, summary_file
from fsrbench.measure.results import Numbers, Results
from fsrbench.show import findings, publish, report, tables
from fsrbench.study import config, families, inputs, record, schema, sheets, unit
from fsrbench.study.remake import remake
from fsrbench.study.run import run_study
from fsrbench.study.store import RunFolder
from support import draw_face
from support.mutations import MOST_MB, PROCESSES, mutated
from support.process import peak_megabytes

MUTATIONS = 2_000
SECONDS = 60.0
"""One folder of two small cases never takes so long."""
SETTINGS = [
    "families.general.backend=bicubic",
    "metrics=psnr",
    'arms.s={"auditor":"scripted","replies":[{"score":30,"confidence":95,"tags":["ringing"],"hints":{"dehalo":9.0},'
    '"reason":"halo"}]}',
]
ASKED = {"question": 1}
RAW = {
    "nested": "[" * 5000 + "]" * 5000, "deep": "[" * 150 + "]" * 150, "digits": "9" * 5000, "nan": "NaN",
    "infinite": "1e999", "sexagesimal": "1:30", "many": "[" + "psnr, " * 20_000 + "psnr]", "tag": "!!python/none x",
    "date": "2026-02-30", "hex": "0x" + "f" * 5000, "alias": "*a", "half": '"\\ud800"', "list": '["a", {"b": []}]',
}  # fmt: skip
"""What no value of Python becomes when it is stored: it is written as it stands."""
VALUES = [
    None, True, False, 0, -1, 10**18, -0.0, 0.5, 1e308, "", "pure", "s", "general", "../../x", "/etc/passwd", "a\\b",
    "C:\\x", "\0", "\n", "\x1b[31m", "é" * 300, "x" * 20_000, [], {}, [None], {"": {}}, *(f"@{raw}@" for raw in RAW),
]  # fmt: skip
NAMES = ["", "x", "pure", "seed", "\0", "é" * 200, "__class__", "self", "format", "@digits@"]


def write_run(root: Path) -> None:
    """A finished run of two cases with everything that a run stores, but for plots and panels."""
    for number in range(2):
        hr = draw_face(96, number)
        images.write(root / "high" / f"{number}.png", hr)
    degrade.degrade(root / "high", root / "low", recipe="bicubic", hr_size=96)
    folder = run_study(chosen(), Machine(), root / "low", root / "high", root / "out").folder
    with folder.locked():
        show(folder, settings_of(folder))
    csvfile.write(folder.root / "failures.csv", ("family", "case", "arm", "why"), [["general", "9", "s", "gone"]])
    baseline.write(root / "baseline.json", check.trusted(folder.root))
    said = Completion("{}", "", "stop", "m", 1, 1, "json", 1, 0.5, None)
    Cache(root / "cache").keep(ASKED, [said])


@cache
def chosen() -> schema.Settings:
    settings = config.load(None, SETTINGS)[0]
    return config.with_arms(config.with_families(settings, ["general"]), ["s"])


def settings_of(folder: RunFolder) -> schema.Settings:
    return config.stored(folder.study()["settings"], folder.study_file)


def show(folder: RunFolder, settings: schema.Settings) -> None:
    """What `evaluate` and `report` do, but for drawing."""
    what = subjects.of_run(folder, settings)
    failures = subjects.failures(folder, what)
    numbers = evaluate.measure(what, Machine(), 1, execute.untracked, folder.journal)
    scores.hold(folder.root / "scores.csv", numbers)
    scores.write(folder.root / "scores.csv", numbers)
    what = replace(what, notes=(*what.notes, *evaluate.notes(what, folder.journal)))
    cases = publish._Cases.of(what, numbers, folder.journal)
    assert cases.content
    found = summary.summarise(what, Numbers(numbers), failures)
    found = replace(found, findings=findings.tell(found))
    publish.write_summary(folder, found)
    tables.terminal(found)
    report.build(Results(folder.root, what, Numbers(numbers), found))
    folder.journal.save()


def steps(root: Path, file: Path) -> list[Callable[[], object]]:
    """All that is done with a file, each step as a command would do it: what one refuses costs that one alone."""
    folder, settings = RunFolder(root / "out"), chosen()
    cases = inputs.pair(root / "low", root / "high")[0]

    def join() -> None:
        described = record.describe(settings, Machine(), (root / "low", root / "high"), families.asked(settings))
        study_of = record.join(folder.started(), described, folder.root)
        folder.write_study(record.join(study_of, {**study_of, "weights": {"general": {}}}, folder.root))

    def evaluated() -> None:
        with folder.locked():
            show(folder, settings_of(folder))

    def replayed() -> None:
        replay = plugins.load("auditors", "replay").open({"run": str(folder.root), "arm": "s"}, Machine())
        for case in cases:
            replay._rounds("general", case.id)
            replay._exchange("general", case.id, 1)

    def looked() -> None:
        assert all(isinstance(unit.missing(folder, "general", case, settings.arms), bool) for case in cases)

    def compared() -> None:
        check.check(folder.root, root / "baseline.json", {})

    def summed() -> None:
        summary_file.read(folder.root / "summary.json")

    def tabled() -> None:
        sheets.write(folder)

    def framed() -> None:
        frames.rounds(folder)
        frames.candidates(folder)

    def made_again() -> None:
        remake(folder.root, offline=True)

    def failed() -> None:
        folder.write_failures([], lambda earlier: earlier.case == "0")

    def remembered() -> None:
        Cache(root / "cache").find(ASKED)

    return {
        "study.yaml": [join, replayed, evaluated],
        "trails": [looked, replayed, tabled, made_again, evaluated],
        "audits": [replayed, evaluated],
        journal.NAME: [looked, tabled, evaluated],
        "failures.csv": [failed, evaluated],
        "scores.csv": [evaluated],
        "degradations.csv": [evaluated],
        "run_config.csv": [framed, tabled],
        "candidates.csv": [framed, tabled],
        "summary.json": [compared, summed],
        "baseline.json": [compared],
        "cache": [remembered],
    }[file.name if file.name in STORED else next(part for part in file.parts if part in STORED)]


STORED = (
    "study.yaml", "trails", "audits", journal.NAME, "failures.csv", "scores.csv", "degradations.csv", "run_config.csv",
    "candidates.csv", "summary.json", "baseline.json", "cache",
)  # fmt: skip


# ------------------------------------------------------------------- mutations


def damage(draw: random.Random, path: Path) -> None:
    """Change one stored file: what it says, or its bytes."""
    data = path.read_bytes()
    if path.name == journal.NAME:
        _, _, data = data.partition(b"\n")
    if draw.random() < 0.25:
        data = mutated(draw, data, [data])
    elif path.suffix == ".csv":
        data = cells(draw, data.decode()).encode("utf-8", "surrogatepass")
    else:
        held = yaml.safe_load(data) if path.suffix == ".yaml" else json.loads(data)
        for _ in range(draw.choice((1, 1, 1, 3))):
            held = changed(draw, held)
        data = (as_yaml(held) if path.suffix == ".yaml" else as_json(held)).encode("utf-8", "surrogatepass")
    if path.name == journal.NAME:  # with the hash that makes it a whole one
        data = f"fsrbench journal {journal.FORMAT} {hashlib.sha256(data).hexdigest()}\n".encode() + data
    if "cache" in path.parts and draw.random() < 0.5:
        try:
            held = json.loads(data)
            held["sha256"] = hashlib.sha256(json.dumps([1, held["completions"]], sort_keys=True).encode()).hexdigest()
            data = json.dumps(held).encode()
        except (ValueError, KeyError, TypeError, RecursionError):
            pass
    path.unlink()
    path.write_bytes(data)


def changed(draw: random.Random, held: Any) -> Any:
    """Somewhere in it another value, another name, one key more or one less."""
    if not isinstance(held, dict | list) or not held or draw.random() < 0.1:
        return draw.choice(VALUES)
    keys = list(held) if isinstance(held, dict) else list(range(len(held)))
    key = draw.choice(keys)
    what = draw.random()
    if what < 0.7:
        held[key] = changed(draw, held[key])
    elif what < 0.8:
        del held[key]
    elif isinstance(held, list):
        held.insert(key, held[key] if draw.random() < 0.5 else draw.choice(VALUES))
    elif what < 0.9:
        held[draw.choice(NAMES)] = held.pop(key)
    else:
        held[draw.choice(NAMES)] = draw.choice(VALUES)
    return held


def as_json(held: Any) -> str:
    return raw(json.dumps(held, ensure_ascii=False))


def as_yaml(held: Any) -> str:
    return raw(yaml.safe_dump(held, sort_keys=False, allow_unicode=True, width=10**6))


def raw(text: str) -> str:
    return re.sub(r"[\"']?@(\w+)@[\"']?", lambda found: RAW.get(found[1], found[0]), text)


def cells(draw: random.Random, text: str) -> str:
    """A table with another cell, another row, another head."""
    rows = [line.split(",") for line in text.splitlines()]
    row = draw.choice(rows)
    what = draw.random()
    if what < 0.7:
        value = draw.choice(VALUES)
        row[draw.randrange(len(row))] = raw(value) if isinstance(value, str) else str(value)
    elif what < 0.8:
        row.append("x" * draw.choice((1, 200_000)))
    elif what < 0.9:
        rows.append(list(row))
    else:
        row.pop()
    return "\n".join(",".join(row) for row in rows) + "\n"


# ------------------------------------------------------------------------ test


def read_many(seed: int, number: int, root: Path, answer: Any) -> None:
    """In a process of its own: what became of each folder, and how much memory it took."""
    os.environ["FSRBENCH_OFFLINE"] = "1"
    os.fsync = lambda _file: None  # type: ignore[assignment]  # no power is cut here
    yamlfile.unfit, parse = lru_cache(4)(yamlfile.unfit), lru_cache(4)(yamlfile.load)
    yamlfile.load = lambda text: deepcopy(parse(text))  # study.yaml, which is read by every step, is parsed once
    draw, whole, place = random.Random(seed), root / "whole", root / "now"
    write_run(place)
    place.rename(whole)
    hidden = [whole / "out" / journal.NAME]
    files = [*sorted(p for p in whole.rglob("*") if p.suffix in (".json", ".csv", ".yaml")), *hidden]
    files = [path.relative_to(whole) for path in files if "report" not in path.parts]
    ends: Counter[str] = Counter()
    for _ in range(number):
        shutil.copytree(whole, place, copy_function=os.link)  # nothing is written into a file that is there
        file = draw.choice(files)
        damage(draw, place / file)
        refused = False
        for step in steps(place, file):
            faulthandler.dump_traceback_later(SECONDS, exit=True)
            try:
                step()
            except FsrbenchError as error:  # anything else is a traceback, and ends this process
                refused = bool(str(error).strip())
        ends["refused" if refused else "gone on"] += 1
        shutil.rmtree(place)
    faulthandler.cancel_dump_traceback_later()
    answer.send((ends, peak_megabytes(), len(files)))


@pytest.mark.slow
def test_two_thousand_mutated_stored_files_are_refused_in_words_or_made_again(
    tmp_path: Path, record_property: Any
) -> None:
    pytest.importorskip("resource")
    spawn = multiprocessing.get_context("spawn")
    began, started = time.monotonic(), []
    for number in range(PROCESSES):
        ours, theirs = spawn.Pipe(duplex=False)
        root = tmp_path / str(number)
        root.mkdir()
        started.append((spawn.Process(target=read_many, args=(number, MUTATIONS // PROCESSES, root, theirs)), ours))
        started[-1][0].start()
        theirs.close()
    ends, peaks = Counter[str](), []
    for process, ours in started:
        process.join()
        assert process.exitcode == 0, f"what it was reading is in {tmp_path}"
        found, peak, files = ours.recv()
        ends += found
        peaks.append(peak)
        ours.close()
    assert sum(ends.values()) == MUTATIONS
    assert min(ends.values()) > MUTATIONS // 10
    assert max(peaks) < MOST_MB
    record_property("fault", f"{MUTATIONS} mutations of {files} stored files: {ends['refused']} refused in words by a "
                             f"command, {ends['gone on']} by none, no traceback, {max(peaks):.0f} MB, "
                             f"{time.monotonic() - began:.0f} s")  # fmt: skip
