"""A second evaluation measures, draws and writes what has changed, and nothing else; its numbers are a full one's."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest
from numpy.typing import NDArray

from fsrbench.cli import app, evidence_commands
from fsrbench.core import execute, plugins
from fsrbench.core.contracts import Machine, Metric
from fsrbench.core.errors import SettingsError, Unavailable, WeightsError
from fsrbench.core.values import PURE, Image, Score
from fsrbench.files import atomic, csvfile, journal
from fsrbench.imaging import images
from fsrbench.measure import evaluate, identity, subjects
from fsrbench.measure import scores as scorefile
from fsrbench.measure.results import Results
from fsrbench.measure.standings import Standing
from fsrbench.measure.subjects import Evaluation, Subject
from fsrbench.show import panels, plots, publish, report
from fsrbench.study import config, record
from fsrbench.study.run import RunOutcome, run_study
from fsrbench.study.schema import LimitSettings
from fsrbench.study.store import RunFolder
from support import draw_face

MACHINE = Machine(offline=True)
METRICS = ("psnr", "niqe")
CASES = ("0", "1", "2")


@dataclass
class Watch:
    """What an evaluation did: pictures decoded, pictures scored, panels drawn, files written, metrics opened."""

    read: list[str] = field(default_factory=list)
    scored: Counter[str] = field(default_factory=Counter)
    drawn: list[str] = field(default_factory=list)
    written: list[str] = field(default_factory=list)
    opened: list[str] = field(default_factory=list)

    def nothing(self) -> bool:
        return not (self.read or self.scored or self.drawn or self.written or self.opened)


def watched(name: str, metric: Metric, watch: Watch) -> Metric:
    """A metric that tells what it is asked."""

    def open_(machine: Machine) -> Callable[[Sequence[Image], Image | None], Sequence[float]]:
        watch.opened.append(name)
        scorer = metric.open(machine)

        def score(variants: Sequence[Image], reference: Image | None) -> Sequence[float]:
            watch.scored[name] += len(variants)
            return scorer(variants, reference)

        return score

    return replace(metric, open=open_)


class Bench:
    """Three cases of two arms in plain folders, and an evaluation of them in `out`."""

    def __init__(self, root: Path) -> None:
        self.root, self.out = root, root / "öut put"
        rng = np.random.default_rng(0)
        for number, case in enumerate(CASES):
            hr = draw_face(192, number)
            images.write(self.hr(case), hr)
            for arm, sigma in (("pure", 0.02), ("lvlm", 0.05)):
                images.write(self.picture(arm, case), np.clip(hr + rng.normal(0, sigma, hr.shape), 0, 1).astype("f4"))
        self.settle()

    def hr(self, case: str) -> Path:
        return self.root / "hr" / f"{case}.png"

    def picture(self, arm: str, case: str) -> Path:
        return self.root / arm / f"{case}.png"

    def panel(self, case: str) -> Path:
        return self.out / "mine" / "panels" / f"{case}.png"

    def settle(self) -> None:
        """Let every file be old enough for its stamp to be trusted."""
        for path in self.root.rglob("*.png"):
            stamp = path.stat()
            os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns - 2 * journal.GRAIN))

    def what(self, metrics: Sequence[str] = METRICS, arms: Sequence[str] = ("pure", "lvlm")) -> Evaluation:
        found = [
            Subject("mine", case, None, hr if (hr := self.hr(case)).exists() else None, variants)
            for case in sorted(path.stem for path in (self.root / "pure").glob("*.png"))
            for variants in [{arm: self.picture(arm, case) for arm in arms}]
        ]
        roles: dict[str, Standing] = dict.fromkeys(arms[1:], "contender")
        return Evaluation(found, subjects.load_metrics(metrics), roles=roles, hr_size=192)

    def full(self, what: Evaluation, machine: Machine = MACHINE) -> list[Score]:
        return evaluate.measure(what, machine)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture
def go(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Watch]:
    """Evaluate, watched, with tokens for pictures; scores.csv must hold what an evaluation without memory finds."""

    def run(what: Evaluation | None = None, machine: Machine = MACHINE, workers: int = 1) -> Watch:
        what = what or bench.what()
        expected, watch = bench.full(what, machine), Watch()
        metrics = {name: watched(name, metric, watch) for name, metric in what.metrics.items()}
        read, write = images.read, atomic.replacing

        def reading(path: Path, **bounds: int) -> Image:
            watch.read.append(path.name)
            return read(path, **bounds)

        def drawing(subject: Subject, *_: object) -> NDArray[np.uint8]:
            watch.drawn.append(subject.case)
            return np.full((8, 8, 3), len(subject.case), np.uint8)

        def writing(path: Path) -> AbstractContextManager[BinaryIO]:
            watch.written.append(path.name)
            return write(path)

        with monkeypatch.context() as patch:
            patch.setattr(images, "read", reading)
            patch.setattr(atomic, "replacing", writing)
            patch.setattr(panels, "draw", drawing)
            patch.setattr(panels, "sheet", lambda *_: np.zeros((8, 8, 3), np.uint8))
            patch.setattr(plots, "draw", lambda results, *_: [token(results, "plots/plot.svg")])
            patch.setattr(report, "build", lambda results, *_: token(results, "report/index.html"))
            publish.publish(replace(what, metrics=metrics), RunFolder(bench.out), machine, workers, execute.untracked)
        assert scorefile.read(bench.out / "scores.csv") == expected
        return watch

    return run


def token(results: Results, name: str) -> Path:
    """Something in place of a plot or of the report."""
    atomic.write_bytes(results.root / name, b"token")
    return results.root / name


def spoil(path: Path, seed: int = 7) -> None:
    """Other pixels in a file."""
    image = images.read(path)
    noise = np.random.default_rng(seed).normal(0, 0.03, image.shape)
    images.write(path, np.clip(image + noise, 0, 1).astype(np.float32))


# ------------------------------------------------------------------- nothing new


@pytest.mark.parametrize("workers", [1, 2])
def test_the_second_time_computes_nothing(bench: Bench, go: Callable[..., Watch], workers: int) -> None:
    first = go(workers=workers)
    assert first.scored == {"psnr": 6, "niqe": 6}
    assert sorted(first.drawn) == list(CASES)
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in bench.out.rglob("*") if path.is_file()}
    assert go(workers=workers).nothing()
    assert before == {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in bench.out.rglob("*") if p.is_file()}


def test_the_second_time_decodes_and_scores_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = RunFolder(bench.out)
    summary = publish.publish(bench.what(), folder, MACHINE, 2, execute.untracked)

    def forbidden(*_: Any, **__: Any) -> Any:
        raise AssertionError("something was computed")

    for name in ("read", "read_stored", "write"):
        monkeypatch.setattr(images, name, forbidden)
    monkeypatch.setattr(atomic, "replacing", forbidden)
    what = bench.what()
    shut = replace(what, metrics={n: replace(m, open=forbidden) for n, m in what.metrics.items()})
    assert publish.publish(shut, RunFolder(bench.out), MACHINE, 2, execute.untracked) == summary


def test_a_copied_folder_is_not_measured_anew(bench: Bench, go: Callable[..., Watch]) -> None:
    go()
    copy = Bench.__new__(Bench)
    copy.root, copy.out = bench.root / "copy", bench.root / "copy" / bench.out.name
    for name in ("hr", "pure", "lvlm", bench.out.name):
        shutil.copytree(bench.root / name, copy.root / name, copy_function=shutil.copy)
    bench.root, bench.out = copy.root, copy.out
    watch = go()
    assert watch.scored == {}
    assert watch.read == []
    assert watch.drawn == []
    assert set(watch.written) == {journal.NAME}


# ---------------------------------------------------------------------- changes


def test_a_changed_picture(bench: Bench, go: Callable[..., Watch]) -> None:
    go()
    spoil(bench.picture("lvlm", "1"))
    watch = go()
    assert watch.scored == {"psnr": 1, "niqe": 1}
    assert watch.drawn == ["1"]
    made = {"scores.csv", "summary.json", "summary.md", "contact_sheet.png", "1.png", "plot.svg", "index.html"}
    assert set(watch.written) == made | {journal.NAME}
    bench.settle()
    assert go().scored == {}


def test_a_changed_pure_picture_is_compared_anew_with_the_reference(bench: Bench, go: Callable[..., Watch]) -> None:
    go()
    spoil(bench.picture("pure", "1"))
    watch = go()
    assert watch.scored == {"psnr": 2, "niqe": 1}  # the reference is brought to pure's size: both arms depend on it
    assert watch.drawn == ["1"]


def test_a_picture_of_the_same_size_and_time_of_change_but_too_young_is_hashed(
    bench: Bench, go: Callable[..., Watch]
) -> None:
    path = bench.picture("lvlm", "1")
    now = path.stat().st_mtime_ns + 4 * journal.GRAIN * 10**6
    small = images.encode(np.zeros((192, 192, 3), np.float32))
    for data in (small, small[:-20] + bytes(20)):
        path.write_bytes(data)
        os.utime(path, ns=(now, now))
        go()


def test_a_deleted_picture_and_its_return(bench: Bench, go: Callable[..., Watch]) -> None:
    go()
    path = bench.picture("lvlm", "2")
    kept = path.read_bytes()
    path.unlink()
    watch = go()
    assert watch.scored == {}
    assert watch.drawn == ["2"]
    missing = [s for s in scorefile.read(bench.out / "scores.csv") if s.value is None]
    assert {(s.case, s.arm) for s in missing} == {("2", "lvlm")}
    assert all("2.png" in s.note for s in missing)
    path.write_bytes(kept)
    assert go().scored == {"psnr": 1, "niqe": 1}


def test_a_changed_reference_concerns_only_what_needs_it(bench: Bench, go: Callable[..., Watch]) -> None:
    go()
    spoil(bench.hr("0"))
    watch = go()
    assert watch.scored == {"psnr": 2}
    assert watch.drawn == ["0"]
    bench.hr("0").unlink()
    watch = go()
    assert watch.scored == {}
    assert watch.read == []


def test_a_changed_size_of_references_concerns_only_what_needs_one(bench: Bench, go: Callable[..., Watch]) -> None:
    go()
    assert go(replace(bench.what(), hr_size=256)).scored == {"psnr": 6}
    assert go(replace(bench.what(), hr_size=256, limits=LimitSettings(max_pixels=10**6))).scored == {"psnr": 6}


def test_an_added_arm(bench: Bench, go: Callable[..., Watch]) -> None:
    go()
    (bench.root / "same").mkdir()
    for case in CASES:
        shutil.copy(bench.picture("lvlm", case), bench.picture("same", case))
        images.write(bench.picture("other", case), draw_face(192, 9))
    watch = go(bench.what(arms=("pure", "lvlm", "other", "same")))
    assert watch.scored == {"psnr": 3, "niqe": 1}  # `same` is known by its content, `other` is one picture three times
    assert sorted(watch.drawn) == list(CASES)


def test_an_added_metric_and_one_left_out(bench: Bench, go: Callable[..., Watch]) -> None:
    go()
    assert go(bench.what((*METRICS, "ssim"))).scored == {"ssim": 6}
    assert go(bench.what(("ssim",))).scored == {}
    assert go(bench.what(("psnr", "ssim"))).scored == {}


def test_an_added_case_and_one_that_went(bench: Bench, go: Callable[..., Watch]) -> None:
    go()
    images.write(bench.hr("3"), draw_face(192, 3))
    for arm in ("pure", "lvlm"):
        images.write(bench.picture(arm, "3"), draw_face(192, 4 + (arm == "pure")))
    watch = go()
    assert watch.scored == {"psnr": 2, "niqe": 2}
    assert watch.drawn == ["3"]
    for folder in ("hr", "pure", "lvlm"):
        (bench.root / folder / "0.png").unlink()
    assert go().scored == {}
    assert "0.png" not in (bench.out / journal.NAME).read_text(encoding="utf-8").replace("mine/panels/0.png", "")


# --------------------------------------------------------------- what cannot be


def test_references_that_were_enlarged_are_counted_once_and_remembered(bench: Bench, go: Callable[..., Watch]) -> None:
    def told() -> list[str]:
        found: list[str] = json.loads((bench.out / "summary.json").read_bytes())["notes"]
        return found

    go()
    assert told() == []
    for case in CASES[:2]:
        images.write(bench.hr(case), draw_face(100 + int(case), int(case)))
    assert go().scored == {"psnr": 4}
    assert told() == ["2 of 3 references have less than 192 pixels a side and were enlarged to 192."]
    bench.settle()
    go()
    assert go().nothing()
    assert told() == ["2 of 3 references have less than 192 pixels a side and were enlarged to 192."]
    assert go(bench.what(("niqe",))).scored == {}
    go()
    assert told() == ["2 of 3 references have less than 192 pixels a side and were enlarged to 192."]
    for case in CASES[:2]:
        images.write(bench.hr(case), draw_face(300, int(case)))
    go()
    assert told() == []


def test_equal_pictures_have_an_infinite_psnr_once(bench: Bench, go: Callable[..., Watch]) -> None:
    shutil.copy(bench.hr("0"), bench.picture("lvlm", "0"))
    go()
    assert go().nothing()


def test_what_is_missing_is_tried_again_and_decodes_nothing_where_it_need_not(
    bench: Bench, go: Callable[..., Watch], monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.hr("1").unlink()
    absent = {"is": True}

    def open_(_machine: Machine) -> Callable[[Sequence[Image], Image | None], list[float]]:
        if absent["is"]:
            raise WeightsError("The weights are not there.")
        return lambda variants, _reference: [float(image.mean()) for image in variants]

    def declared(kind: str, name: str) -> Any:
        return own if name == "niqe" else load(kind, name)

    load, own = plugins.load, replace(plugins.load("metrics", "niqe"), open=open_)
    monkeypatch.setattr(plugins, "load", declared)
    go()
    watch = go()
    assert watch.read == []
    assert watch.opened == ["niqe"]
    absent["is"] = False
    assert go().scored == {"niqe": 6}
    assert go().nothing()


def test_a_metric_that_refuses_a_picture_is_asked_again(bench: Bench, go: Callable[..., Watch]) -> None:
    images.write(bench.picture("lvlm", "0"), draw_face(100))
    assert go().scored == {"psnr": 6 + 2, "niqe": 6 + 2}  # together, and each alone, since together was refused
    watch = go()
    assert watch.scored == {"psnr": 1, "niqe": 1}
    assert set(watch.read) == {"0.png"}
    assert watch.drawn == []


def test_nothing_heavy_is_opened_when_nothing_is_to_be_measured(bench: Bench, go: Callable[..., Watch]) -> None:
    assert go().opened == ["psnr", "niqe"]
    assert go().opened == []
    spoil(bench.hr("0"))
    assert go().opened == ["psnr"]


# ------------------------------------------------------------ a metric's identity


def test_another_recogniser_measures_identities_anew(bench: Bench, go: Callable[..., Watch], tmp_path: Path) -> None:
    def open_(machine: Machine) -> Callable[[Sequence[Image], Image | None], list[float]]:
        share = float(machine.recogniser.read_bytes()) if machine.recogniser else 1.0
        return lambda variants, _reference: [float(image.mean()) * share for image in variants]

    recogniser = tmp_path / "recogniser.onnx"
    what = bench.what((*METRICS, "arcface"))
    what.metrics["arcface"] = replace(what.metrics["arcface"], open=open_)
    machine = replace(MACHINE, recogniser=recogniser)
    go(what)
    recogniser.write_bytes(b"0.5")
    assert go(what, machine).scored == {"arcface": 6}
    copy = tmp_path / "copy.onnx"
    copy.write_bytes(b"0.5")
    assert go(what, replace(MACHINE, recogniser=copy)).scored == {}
    recogniser.write_bytes(b"0.25")
    assert go(what, machine).scored == {"arcface": 6}


def test_what_decides_a_number_is_in_the_identity(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def decided(name: str, machine: Machine = MACHINE) -> str:
        return identity.of(name, bench.what((name,)), machine, journal.Journal(None))

    assert decided("psnr") == decided("psnr", replace(MACHINE, device="cuda", recogniser=tmp_path / "a"))
    assert decided("lpips") != decided("lpips", replace(MACHINE, device="cuda"))
    assert decided("lpips", replace(MACHINE, device="cuda:1")) == decided("lpips", replace(MACHINE, device="cuda:0"))
    plain = decided("lpips")
    monkeypatch.setenv("FSRBENCH_WEIGHTS", str(tmp_path))
    assert decided("lpips") == plain
    (tmp_path / "alexnet-owt-7be5be79.pth").write_bytes(b"my own")
    assert decided("lpips") != plain
    before = decided("niqe")
    monkeypatch.setattr(record, "version", lambda package: f"another {package}")
    assert decided("niqe") != before


def test_a_changed_plugin_of_the_user_is_measured_anew(
    bench: Bench, go: Callable[..., Watch], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "plugins" / "metrics" / "brightness_of_mine.py"
    file.parent.mkdir(parents=True)
    text = """
from fsrbench.plugins import Metric
METRIC = Metric("Brightness", "higher", False, 3, lambda machine: lambda images, _: [float(i.mean()) for i in images])
"""
    file.write_text(text, encoding="utf-8")
    monkeypatch.setenv("FSRBENCH_PLUGINS", str(tmp_path / "plugins"))
    monkeypatch.setattr(plugins._package("metrics"), "__path__", [*plugins._package("metrics").__path__])
    what = bench.what(("psnr", "brightness_of_mine"))
    assert go(what).scored == {"psnr": 6, "brightness_of_mine": 6}
    assert go(what).nothing()
    file.write_text(text + "# mended", encoding="utf-8")
    assert go(what).scored == {"brightness_of_mine": 6}


# -------------------------------------------------------------------- products


@pytest.mark.parametrize(
    "name",
    ["mine/panels/1.png", "contact_sheet.png", "summary.md", "scores.csv", "plots/plot.svg", "report/index.html"],
)
def test_what_was_deleted_or_changed_is_made_again(bench: Bench, go: Callable[..., Watch], name: str) -> None:
    go()
    path = bench.out / name
    before = path.read_bytes()
    for harm in (path.unlink, lambda: path.write_bytes(b"something else")):
        harm()
        watch = go()
        assert path.read_bytes() == before
        assert watch.scored == {}
        assert path.name in watch.written
        assert set(watch.written) <= {path.name, "summary.json", journal.NAME}


@pytest.mark.parametrize("change", [{"labels": {"mine": ["other"]}}, {"marks": {"lvlm": "noise floor"}}])
def test_words_on_a_panel(bench: Bench, go: Callable[..., Watch], change: Mapping[str, Any]) -> None:
    go()
    watch = go(replace(bench.what(), **change))
    assert watch.scored == {}
    assert sorted(watch.drawn) == list(CASES)
    assert "contact_sheet.png" in watch.written


def test_a_note_concerns_the_summary_alone(bench: Bench, go: Callable[..., Watch]) -> None:
    go()
    watch = go(replace(bench.what(), notes=("Read me.",)))
    assert watch.drawn == []
    assert "contact_sheet.png" not in watch.written
    assert "Read me." in (bench.out / "summary.md").read_text(encoding="utf-8")


# ------------------------------------------------------------ faults and memory


def test_an_interrupted_evaluation_keeps_what_it_measured(bench: Bench, go: Callable[..., Watch]) -> None:
    def interrupted(title: str, items: Any, _total: int) -> Iterator[Any]:
        for number, item in enumerate(items):
            if title == "evaluate" and number == 2:
                raise KeyboardInterrupt
            yield item

    with pytest.raises(KeyboardInterrupt):
        publish.publish(bench.what(), RunFolder(bench.out), MACHINE, 1, interrupted)
    assert not (bench.out / "scores.csv").exists()
    assert go().scored == {"psnr": 2, "niqe": 2}


def test_the_journal_is_written_meanwhile(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluate, "SAVED", 0.0)
    seen = []

    def look(_title: str, items: Any, _total: int) -> Iterator[Any]:
        for item in items:
            path = bench.out / journal.NAME
            seen.append(len(journal.Journal(bench.out)._values.get("psnr", ["", {}])[1]) if path.is_file() else 0)
            yield item

    bench.out.mkdir()
    evaluate.measure(bench.what(), MACHINE, 1, look, journal.Journal(bench.out))
    assert seen == [0, 2, 4]


def test_a_damaged_journal_is_no_journal(bench: Bench, go: Callable[..., Watch]) -> None:
    go()
    path = bench.out / journal.NAME
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(200):
        data = bytearray(whole)
        place = int(rng.integers(len(data)))
        data[place] ^= int(rng.integers(1, 256))
        path.write_bytes(data if rng.random() < 0.5 else whole[:place])
        assert journal._read(path) == {}
    assert go().scored == {"psnr": 6, "niqe": 6}
    path.write_bytes(whole.replace(b"fsrbench journal 2", b"fsrbench journal 9"))
    assert go().scored == {"psnr": 6, "niqe": 6}


def test_a_file_that_changes_while_it_is_measured_is_not_remembered(bench: Bench, go: Callable[..., Watch]) -> None:
    what = bench.what(("niqe",))
    path = bench.picture("lvlm", "0")

    def open_(_machine: Machine) -> Callable[[Sequence[Image], Image | None], list[float]]:
        def score(variants: Sequence[Image], _reference: Image | None) -> list[float]:
            path.write_bytes(images.encode(draw_face(192, 11)))
            return [float(image.mean()) for image in variants]

        return score

    own = replace(what, metrics={"niqe": replace(what.metrics["niqe"], open=open_)})
    bench.out.mkdir()
    first = evaluate.measure(own, MACHINE, 1, execute.untracked, journal.Journal(bench.out))
    second = evaluate.measure(own, MACHINE, 1, execute.untracked, journal.Journal(bench.out))
    changed = [a.value != b.value for a, b in zip(first, second, strict=True)]
    assert sum(changed) == 1


def test_the_journal_knows_nothing_of_other_folders(bench: Bench, go: Callable[..., Watch]) -> None:
    go()
    text = (bench.out / journal.NAME).read_bytes().partition(b"\n")[2]
    names = json.loads(text)["files"]
    assert not [name for name in names if bench.out.name in name]
    assert {"scores.csv", "mine/panels/0.png"} <= set(names)


def test_unavailable_on_one_case_costs_the_others_nothing(bench: Bench, go: Callable[..., Watch]) -> None:
    def open_(_machine: Machine) -> Callable[[Sequence[Image], Image | None], list[float]]:
        def score(variants: Sequence[Image], reference: Image | None) -> list[float]:
            if reference is not None and abs(float(reference.mean()) - dark) < 1e-6:
                raise Unavailable("No face was found on the reference.")
            return [float(image.mean()) for image in variants]

        return score

    dark = float(images.read(bench.hr("1")).mean())
    what = bench.what(("psnr",))
    own = replace(what, metrics={"psnr": replace(what.metrics["psnr"], open=open_)})
    go(own)
    assert set(go(own).read) == {"1.png"}


# ------------------------------------------------------------------ a run again


@pytest.fixture
def typed(tmp_path: Path) -> Callable[[], RunOutcome]:
    """A run of three tiny cases that can be typed again and again."""
    for number in range(3):
        images.write(tmp_path / "lr" / f"{number}.png", draw_face(24, number))
    changes = ["families.general.backend=bicubic", "metrics=psnr,ssim"]
    settings = config.with_families(config.load(None, changes)[0], ["general"])
    settings = config.with_arms(settings, ["rerun"])

    def again() -> RunOutcome:
        outcome = run_study(settings, MACHINE, tmp_path / "lr", None, tmp_path / "out")
        publish.run(outcome.folder, MACHINE, 1, execute.untracked)
        return outcome

    return again


def test_a_report_changes_no_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The references, bounds and networks that the last evaluation was told are told again, or it is refused."""
    for number in range(2):
        hr = draw_face(96, number)
        images.write(tmp_path / "hr" / f"{number}.png", hr)
        images.write(tmp_path / "lr" / f"{number}.png", images.resize(hr, 24, 24))
        images.write(tmp_path / "other" / f"{number}.png", draw_face(96, number + 2))
    changes = ["families.general.backend=bicubic", "metrics=psnr,ssim", "hr_size=96"]
    settings = config.with_arms(config.with_families(config.load(None, changes)[0], ["general"]), ["rerun"])
    out = run_study(settings, MACHINE, tmp_path / "lr", tmp_path / "hr", tmp_path / "out").folder.root
    monkeypatch.setattr(plots, "draw", lambda results, *_: [token(results, "plots/plot.svg")])
    monkeypatch.setattr(report, "build", lambda results, *_: token(results, "report/index.html"))

    def told() -> list[bytes]:
        return [(out / name).read_bytes() for name in ("scores.csv", "summary.json", "report/index.html")]

    app.evaluate(out)
    evidence_commands.report(out, changes=["metrics=psnr,ssim,psnr_y"])  # one more is no other
    app.evaluate(out, hr=tmp_path / "other")
    before = told()
    with pytest.raises(SettingsError, match=r"other numbers \(8\): psnr of 0 \(general, pure\) is .*--hr DIR"):
        evidence_commands.report(out)
    assert told() == before
    evidence_commands.report(out, hr=tmp_path / "other")
    assert told() == before
    with pytest.raises(SettingsError, match=r"would be .*limits\.max_pixels"):
        evidence_commands.report(out, hr=tmp_path / "other", changes=["limits.max_pixels=9000"])
    assert told() == before
    app.evaluate(out)
    evidence_commands.report(out)
    assert told() != before


@pytest.mark.parametrize("what", ["a case less", "a case more", "an arm less", "a metric less", "a last digit"])
def test_a_report_loses_and_adds_none(tmp_path: Path, what: str) -> None:
    stored = [Score(c, "general", arm, m, 20.5, "") for c in "ab" for arm in (PURE, "s") for m in ("psnr", "niqe")]
    stored.append(Score("c", "general", PURE, "psnr", None, "it is gone"))
    now = {
        "a case less": [s for s in stored if s.case != "b"],
        "a case more": [replace(s, value=20.5) for s in stored],
        "an arm less": [s for s in stored if s.arm == PURE],
        "a metric less": [s for s in stored if s.metric == "psnr"],
        "a last digit": [replace(s, value=s.value and s.value + 1e-5) for s in stored],
    }[what]
    scorefile.write(tmp_path / "scores.csv", stored)
    assert scorefile.hold(tmp_path / "scores.csv", stored) == stored
    if what == "a last digit":
        assert scorefile.hold(tmp_path / "scores.csv", now) == stored
        return
    with pytest.raises(SettingsError, match=r"(missing and would be 20\.5|gone and would be 20\.5|would be missing)"):
        scorefile.hold(tmp_path / "scores.csv", now)


@pytest.mark.usefixtures("no_plots")
@pytest.mark.parametrize("folder", ["pure-fsr", "fsr+s"])
def test_pictures_of_a_run_that_were_exchanged_have_no_number(tmp_path: Path, folder: str) -> None:
    """Also where the number is known by the file itself, and nothing would have to be decoded for it."""
    for number in range(3):
        hr = draw_face(192, number)
        images.write(tmp_path / "hr" / f"{number}.png", hr)
        images.write(tmp_path / "lr" / f"{number}.png", images.resize(hr, 48, 48))
    reply = {"score": 30, "confidence": 95, "hints": {"dehalo": 0.8}}
    changes = ["families.general.backend=bicubic", "metrics=psnr,ssim,niqe", "hr_size=192"]
    changes.append(f"arms.s={json.dumps({'auditor': 'scripted', 'replies': [reply]})}")
    settings = config.with_arms(config.with_families(config.load(None, changes)[0], ["general"]), ["s"])
    out = run_study(settings, MACHINE, tmp_path / "lr", tmp_path / "hr", tmp_path / "out").folder.root

    def found() -> dict[tuple[str, str, str], tuple[float | None, str]]:
        publish.run(RunFolder(out), MACHINE, 1, execute.untracked)
        return {(s.case, s.arm, s.metric): (s.value, s.note) for s in scorefile.read(out / "scores.csv")}

    def exchange() -> None:
        one, other, aside = (out / "general" / folder / name for name in ("0.png", "1.png", "aside"))
        for source, target in ((one, aside), (other, one), (aside, other)):
            source.rename(target)

    before = found()
    assert len(before) == 3 * 2 * 3
    assert all(value is not None for value, _ in before.values())
    exchange()
    arm = "pure" if folder == "pure-fsr" else "s"
    after = found()
    for place, outcome in after.items():
        if place[0] in ("0", "1") and place[1] == arm:
            assert outcome[0] is None
            assert "was changed after the run" in outcome[1]
        else:
            assert outcome == before[place]
    assert found() == after
    exchange()
    assert found() == before


def test_a_finished_run_typed_again_writes_nothing(
    typed: Callable[[], RunOutcome], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed()

    def told() -> dict[Path, int]:
        files = (path for path in (tmp_path / "out").rglob("*") if path.name not in (".lock", journal.NAME))
        return {path: path.stat().st_mtime_ns for path in files if path.is_file()}

    def forbidden(*_: Any, **__: Any) -> Any:
        raise AssertionError("something was computed or written")

    before = told()
    monkeypatch.setattr(images, "read", forbidden)
    monkeypatch.setattr(csvfile, "write", forbidden)
    assert typed().done == 0
    assert told() == before


@pytest.mark.usefixtures("no_plots")
def test_a_changed_input_is_noticed_and_one_that_is_only_newer_is_not(
    typed: Callable[[], RunOutcome], tmp_path: Path
) -> None:
    typed()
    newer, other = tmp_path / "lr" / "0.png", tmp_path / "lr" / "1.png"
    newer.write_bytes(newer.read_bytes())
    assert typed().done == 0
    images.write(other, draw_face(24, 9))
    assert [(f.case, f.arm) for f in typed().failures] == [("1", "pure")]
    other.unlink()
    assert typed().failures == []


@pytest.mark.usefixtures("no_plots")
@pytest.mark.parametrize("name", ["run_config.csv", "failures.csv", "summary.json"])
def test_a_table_that_a_kill_left_out_is_written_by_the_next(
    typed: Callable[[], RunOutcome], tmp_path: Path, name: str
) -> None:
    typed()
    file = tmp_path / "out" / name
    before = file.read_bytes()
    file.unlink()
    typed()
    assert file.read_bytes() == before


@pytest.mark.usefixtures("no_plots")
def test_a_trail_is_parsed_once_and_again_when_it_changed(tmp_path: Path, typed: Callable[[], RunOutcome]) -> None:
    folder = typed().folder
    first = folder.trail("general", "0")
    assert folder.trail("general", "0") is first
    file = folder.trail_file("general", "0")
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace('"rerun"', '"other"').replace("fsr+rerun", "fsr+other"), encoding="utf-8")
    changed = folder.trail("general", "0")
    assert changed is not None
    assert list(changed.arms) == ["other"]


@pytest.mark.usefixtures("no_plots")
def test_a_changed_trail_redraws_its_panel_alone(
    typed: Callable[[], RunOutcome], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = typed().folder.trail_file("general", "0")
    file.write_text(file.read_text(encoding="utf-8").replace('"notes": []', '"notes": ["x"]'), encoding="utf-8")
    drawn, draw = [], panels.draw

    def drawing(subject: Subject, *rest: Any) -> NDArray[np.uint8]:
        drawn.append(subject.case)
        return draw(subject, *rest)

    monkeypatch.setattr(panels, "draw", drawing)
    typed()
    assert drawn == ["0"]


def test_files_that_change_names_are_noticed_although_size_and_time_are_alike(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).write_bytes(name.encode())
        os.utime(tmp_path / name, (1_000_000_000, 1_000_000_000))
    memory = journal.Journal(tmp_path)
    before = [memory.sha256(tmp_path / name) for name in ("one", "two")]
    (tmp_path / "one").rename(tmp_path / "three")
    (tmp_path / "two").rename(tmp_path / "one")
    (tmp_path / "three").rename(tmp_path / "two")
    assert [memory.sha256(tmp_path / name) for name in ("two", "one")] == before
