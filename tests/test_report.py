"""The report's folder: what is in it, how it says what is missing, and what stays as it is when it is built again."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsrbench.core.errors import FsrbenchError
from fsrbench.core.values import PURE, Candidate, Failure, Image, Ranking, Restoration, Round, Score
from fsrbench.files import atomic
from fsrbench.imaging import images
from fsrbench.measure import subjects
from fsrbench.measure import summary as summarising
from fsrbench.measure.results import Numbers, Results
from fsrbench.show import inline, report, wording
from fsrbench.show.report import pictures, rounds, strip
from fsrbench.study import config, inputs
from fsrbench.study.store import RunFolder
from support import draw_face
from support.command import PLAIN, typed
from support.reports import EVIL, EVIL_CASE, Study


def handed(path: Path) -> list[Any]:
    """What a data file hands to the page."""
    text = path.read_text(encoding="utf-8")
    found: list[Any] = json.loads(f"[{text[text.index('(') + 1 : text.rindex(')')]}]")
    return found


def told(root: Path, case: str) -> dict[str, Any]:
    """The details of a case of a small report, as the page gets them."""
    _, _, cases = handed(root / "report" / "cases" / "000.js")
    return next(one for one in cases if one["case"] == case)


@pytest.fixture
def small(tmp_path: Path) -> Study:
    return Study(tmp_path / "a run, é", ["one", "two", EVIL_CASE])


def test_a_second_build_writes_and_decodes_nothing(small: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    results = small.results()
    page = report.build(results)
    assert page == small.root / "report" / "index.html"
    before = {path: path.stat().st_mtime_ns for path in page.parent.rglob("*") if path.is_file()}

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a picture was decoded, or a file written")

    for name in ("read", "read_stored", "write"):
        monkeypatch.setattr(images, name, refuse)
    monkeypatch.setattr(atomic, "replacing", refuse)
    assert report.build(results) == page
    assert {path: path.stat().st_mtime_ns for path in page.parent.rglob("*") if path.is_file()} == before


def test_pictures_are_links_and_equal_ones_are_one_file(small: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    results = small.results()
    decoded, read = [], images.read_stored

    def counted(path: Path) -> Image:
        decoded.append(path)
        return read(path)

    monkeypatch.setattr(images, "read_stored", counted)
    shown = report.build(results).parent / "pictures"
    assert {path.parent for path in decoded} == {shown}, "a restoration was decoded that is only linked"
    assert len(decoded) == 2 * strip.MOST, "those whose difference opens the first page"
    pictures_ = told(small.root, "one")["pictures"]
    assert (shown / pictures_["pure:"]["file"]).samefile(small.faces[0][0])
    assert pictures_["pure:"]["file"] == pictures_["rerun:"]["file"] == f"{small.faces[0][1][:24]}.png"
    assert len(list(shown.iterdir())) == 6 + strip.MOST  # four restorations, the input, the reference, differences


def test_copies_serve_where_links_cannot(small: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    results = small.results()

    def refuse(*_: object) -> None:
        raise OSError(18, "another disk")

    monkeypatch.setattr(os, "link", refuse)
    shown = report.build(results).parent / "pictures" / told(small.root, "one")["pictures"]["pure:"]["file"]
    assert shown.read_bytes() == small.faces[0][0].read_bytes()


def test_inputs_are_shown_as_they_are_compared(small: Study, tmp_path: Path) -> None:
    results = small.results()
    hr = tmp_path / "hr.jpg"
    hr.write_bytes(images.encode(draw_face(100), "jpeg"))
    subject = replace(results.what.subjects[0], hr=hr)
    what = replace(results.what, subjects=[subject], hr_size=small.side)
    page = report.build(replace(results, what=what))
    shown = page.parent / "pictures" / told(small.root, "one")["pictures"]["reference"]["file"]
    wanted = inputs.reference(hr, (small.side, small.side), small.side, 10**6, 10**7)
    assert np.array_equal(images.to_8bit(images.read(shown)), images.to_8bit(wanted))
    made = shown.stat().st_mtime_ns
    report.build(replace(results, what=what))
    assert shown.stat().st_mtime_ns == made
    hr.write_bytes(images.encode(draw_face(100, 5), "jpeg"))
    report.build(replace(results, what=what))
    assert not shown.exists(), "the picture of the old reference stays behind"


def test_what_cannot_be_shown_is_said(small: Study) -> None:
    results = small.results()
    subject = results.what.subjects[0]
    cut = small.root / "general" / "cut.png"
    cut.write_bytes(small.faces[0][0].read_bytes()[:-30])
    variants = {**subject.variants, "lvlm": small.root / "gone.png", "random": cut}
    what = replace(results.what, subjects=[replace(subject, variants=variants, lr=small.root / "no.png")])
    report.build(replace(results, what=what))
    found = told(small.root, "one")["pictures"]
    assert found["lvlm:"]["file"] == ""
    assert "gone.png is not there" in found["lvlm:"]["why"]
    assert "cut.png cannot be decoded" in found["random:"]["why"]
    assert "no.png is not there" in found["lr"]["why"]
    assert found["pure:"]["file"]
    assert found["reference"]["file"]


def test_failures_are_cases_too(small: Study) -> None:
    small.failures = [
        Failure("general", "two", "lvlm", f"no answer {EVIL}"),
        Failure("general", "zero", PURE, "the file is empty"),
    ]
    results = small.results()
    two = next(s for s in results.what.subjects if s.case == "two")
    assert two.trail
    trail = replace(two.trail, rounds=tuple(r for r in two.trail.rounds if r.arm != "lvlm"))
    lost = replace(two, told=trail, variants={a: p for a, p in two.variants.items() if a != "lvlm"})
    what = replace(results.what, subjects=[lost if s is two else s for s in results.what.subjects])
    RunFolder(small.root).write_exchange("general", "lvlm", "two", 1, {"prompt": "Look.", "replies": []})
    page = report.build(replace(results, what=what))
    found = told(small.root, "two")
    assert found["failed"] == {"lvlm": f"no answer {EVIL}".replace("\u2028", "\ufffd")}  # it would break a line
    assert [step["number"] for step in found["arms"]["lvlm"]] == [1], "what was asked before it failed is kept"
    assert told(small.root, "zero")["pictures"] == {}
    (data,) = handed(page.parent / "data.js")
    failed = data["outcomes"].index("failed")
    rows = [data["case"][e] for e, o in zip(data["rows"]["entry"], data["rows"]["outcome"], strict=True) if o == failed]
    assert rows == ["two", "zero"]


def test_the_exchange_comes_through_whole(small: Study) -> None:
    results = small.results()
    prompt = f"Judge.\n\n## Measurements\n\n- niqe: 5\n\n## Tags\n\n{EVIL}"
    exchange = {
        "auditor": "openai",
        "prompt": prompt,
        "pictures": [{"label": "1. INPUT", "sha256": "ab"}],
        "schema": {"a": 1},
        "replies": [{"text": "{\n}", "problem": ""}],
        "comparisons": [{"prompt": "Which?", "replies": []}],
    }
    RunFolder(small.root).write_exchange("general", "lvlm", "two", 1, exchange)
    RunFolder(small.root).write_exchange("general", "random", "two", 1, {})
    (small.root / "audits/general/random/two-1.json").write_text("{", encoding="utf-8")
    report.build(results)
    _, lines, cases = handed(small.root / "report" / "cases" / "000.js")
    arms = next(one for one in cases if one["case"] == "two")["arms"]
    texts = {title: "\n".join(lines[n] for n in numbers) for title, numbers in arms["lvlm"][0]["saw"]}
    assert texts["The whole prompt"] == prompt
    assert texts["Numbers that it was given"] == "- niqe: 5"
    assert texts["Reply 1, as it came"] == "{\n}"
    assert texts["Blind comparison 1: the whole prompt"] == "Which?"
    assert json.loads(texts["Schema"]) == {"a": 1}
    assert "1. INPUT: ab" in texts.values()
    ((title, _),) = arms["random"][0]["saw"]
    assert "cannot be read" in title
    assert arms["lvlm"][0]["restoration"]["seed"] == str(2**60 + 1), "a browser would round the number"


def test_a_round_that_nobody_audited_says_who_chose() -> None:
    def made(sha256: str) -> Restoration:
        return Restoration("bicubic", "none", {}, 0, f"{sha256}.png", sha256, 0.1, "fp32")

    pure, other = Candidate("pure", "a", (), chosen=False), Candidate("constant 1", "b", (), chosen=True)
    ranking = Ranking("metric niqe", (-9.5, -9.25), (1, 0))
    judged = Round("some", 1, made("b"), candidates=(pure, other), ranking=ranking)
    shown = rounds.shown(judged, {"b": "arm:c1"})
    assert shown["choice"] == "of 2 candidates, metric niqe chose constant 1"
    assert [(one["origin"], one["score"], one["chosen"]) for one in shown["ranked"]] == [
        ("constant 1", "−9.25", True), ("pure", "−9.5", False),
    ]  # fmt: skip
    assert [one["picture"] for one in shown["ranked"]] == ["arm:c1", ""]
    assert rounds.outcome((judged,)) == "chose constant 1"
    again = rounds.shown(Round("rerun", 1, made("c"), bound="seconds"), {})
    assert (again["choice"], again["ranked"]) == ("nobody was asked", [])
    assert again["bound"] == "its limit of seconds was reached"


def test_plain_folders_have_a_report(tmp_path: Path) -> None:
    for arm in (PURE, "mine"):
        for case in ("a", "b"):
            images.write(tmp_path / arm / f"{case}.png", draw_face(48, len(arm)))
    (tmp_path / "mine" / "b.png").unlink()
    settings, _ = config.load(None, ("metrics=psnr",))
    what = subjects.of_folders(None, {PURE: tmp_path / PURE, "mine": tmp_path / "mine"}, "pictures", settings)
    numbers = Numbers([Score("a", "pictures", PURE, "psnr", None, "no reference for this case")])
    results = Results(tmp_path / "out", what, numbers, summarising.summarise(what, numbers))
    page = report.build(results)
    (data,) = handed(page.parent / "data.js")
    assert data["case"] == ["a", "b"]
    assert [arm["name"] for arm in data["arms"]] == [PURE, "mine"]
    assert "no reference for this case" in page.read_text(encoding="utf-8")
    assert told(tmp_path / "out", "a")["arms"] == {"mine": []}


def test_what_an_earlier_report_showed_goes(small: Study) -> None:
    results = small.results()
    root = report.build(results).parent
    stale = [root / "cases" / "007.js", root / "pictures" / f"{'0' * 24}.png", root / "plots" / "old.png"]
    kept = [root / "pictures" / "mine.png", root / "cases" / "notes.txt"]
    for path in (*stale, *kept):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    plot = small.root / "plots" / "forest plot.png"
    images.write(plot, draw_face(16))
    page = report.build(results)
    assert not any(path.exists() for path in stale)
    assert all(path.exists() for path in kept)
    assert (root / "plots" / "forest plot.png").samefile(plot)
    assert 'src="plots/forest%20plot.png"' in page.read_text(encoding="utf-8")


@given(st.recursive(st.text() | st.none() | st.floats(allow_nan=False, allow_infinity=False), st.lists, max_leaves=5))
def test_nothing_in_the_data_ends_its_script(value: Any) -> None:
    text = inline.as_json([value, EVIL])
    assert not set(text) & set("<>&\u2028\u2029")
    assert json.loads(text) == [value, EVIL]


@pytest.mark.parametrize("kind", ["L", "P", "RGBA", "CMYK", "I;16", "profile", "turned", "cut", "text"])
def test_only_what_a_browser_shows_as_it_is_measured_is_linked(tmp_path: Path, kind: str) -> None:
    from PIL import Image as Pillow

    path = tmp_path / "picture.png"
    face = Pillow.fromarray(images.to_8bit(draw_face(32)))
    exif = Pillow.Exif()
    exif[0x0112] = 6
    saved: dict[str, Callable[[], object]] = {
        "CMYK": lambda: face.convert("CMYK").save(path, "JPEG"),
        "I;16": lambda: Pillow.fromarray(np.full((32, 32), 40000, np.uint16)).save(path),
        "profile": lambda: face.save(path, icc_profile=b"profile"),
        "turned": lambda: face.save(path, exif=exif),
        "cut": lambda: path.write_bytes(images.encode(draw_face(32))[:-40]),
        "text": lambda: path.write_text("no picture at all, but long enough to hold a header"),
    }
    saved.get(kind, lambda: face.convert(kind).save(path))()
    assert pictures.plain(path) is None
    shown = pictures.Gallery(tmp_path / "shown").add(path, lambda: images.read(path))
    if kind in ("cut", "text"):
        assert shown.file == ""
        assert shown.why
    else:
        again = images.read(tmp_path / "shown" / shown.file)
        assert np.array_equal(images.to_8bit(again), images.to_8bit(images.read(path)))
    face.save(path)
    assert pictures.plain(path) == (32, 32)


@given(st.binary(max_size=80))
def test_any_file_may_lie_where_a_picture_should(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.png"
    path.write_bytes(images.encode(draw_face(16))[:33] + data)
    size = pictures.plain(path)
    assert size in (None, (16, 16))
    path.write_bytes(data)
    assert pictures.plain(path) is None


def test_colours_can_be_read() -> None:
    """WCAG AA: 4.5 to 1 for every ink on every ground that it stands on, light and dark."""
    style = (Path(report.__file__).parent / "page" / "style.css").read_text(encoding="utf-8")
    light = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", style.split("@media")[0]))
    dark = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", style.split(':root[data-theme="dark"]')[1].split("}")[0]))
    assert light.keys() == dark.keys()

    def luminance(colour: str) -> float:
        channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    grounds = {"ink": ("paper", "back", "raised", "hover", "chosen", "badge-back")}
    grounds |= dict.fromkeys(("better", "worse", "accent"), ("paper", "back", "raised", "hover", "chosen"))
    grounds |= {"faint": ("paper", "back", "raised", "hover", "badge-back"), "marked": ("marked-back",)}
    for theme in (light, dark):
        for ink, places in grounds.items():
            for ground in places:
                high, low = sorted((luminance(theme[ink]), luminance(theme[ground])), reverse=True)
                assert (high + 0.05) / (low + 0.05) >= 4.5, f"{ink} on {ground}"


def test_a_refusal_to_fit_is_an_error_that_a_reader_sees(small: Study, tmp_path: Path) -> None:
    results = small.results()
    hr = tmp_path / "hr.png"
    images.write(hr, draw_face(40))
    what = replace(results.what, subjects=[replace(results.what.subjects[0], hr=hr)], hr_size=512)
    report.build(replace(results, what=what))
    why = told(small.root, "one")["pictures"]["reference"]["why"]
    with pytest.raises(FsrbenchError, match=re.escape(why)):
        inputs.reference(hr, (small.side, small.side), 512, 10**6, 10**7)


def test_the_command_brings_back_what_was_lost(tmp_path: Path) -> None:
    root = tmp_path / "mes données"
    images.write(root / "inputs" / "low_res_imgs" / "face 1.png", draw_face(24))
    ran = typed("run", "--family", "general", "--arm", "rerun", *PLAIN, "--out", "run", cwd=root)
    assert ran.returncode == 0, ran.stderr
    page = root / "run" / "report" / "index.html"
    assert f"Open {Path('run', 'report', 'index.html')}" in ran.stderr
    shown = page.parent / "pictures" / told(root / "run", "face 1")["pictures"]["pure:"]["file"]
    shown.unlink()
    less = typed("evaluate", "run", "--set", "metrics=psnr", cwd=root)
    assert less.returncode == 0, less.stderr
    again = typed("report", "run", cwd=root)
    assert again.returncode == 0, again.stderr
    assert again.stdout.strip() == str(Path("run", "report", "index.html"))
    assert shown.is_file()
    assert page.is_file()
    (data,) = handed(page.parent / "data.js")
    assert [metric["name"] for metric in data["metrics"]] == ["psnr"], "the report is of what was measured last"
    refused = typed("report", "inputs", cwd=root)
    assert refused.returncode == 2
    assert "not a run's folder" in refused.stderr


@pytest.mark.usefixtures("no_plots")
def test_a_report_does_not_forget_how_it_was_measured(tmp_path: Path) -> None:
    for number in range(3):
        images.write(tmp_path / "inputs" / "low_res_imgs" / f"{number}.png", draw_face(48, number))
    ran = typed("run", "--family", "general", "--arm", "rerun", *PLAIN, "--out", "run", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    (tmp_path / "who.csv").write_text("case,cluster\n0,Ann\n1,Ann\n2,Bob\n", encoding="utf-8")
    assert typed("evaluate", "run", "--set", "clusters=who.csv", cwd=tmp_path).returncode == 0
    before = (tmp_path / "run" / "summary.json").read_bytes()
    refused = typed("report", "run", cwd=tmp_path)
    assert refused.returncode == 2
    assert "--set clusters=FILE" in refused.stderr
    assert typed("report", "run", "--set", "clusters=who.csv", cwd=tmp_path).returncode == 0
    assert (tmp_path / "run" / "summary.json").read_bytes() == before
    assert typed("report", "run", "--set", "clusters=null", cwd=tmp_path).returncode == 0
    assert json.loads((tmp_path / "run" / "summary.json").read_bytes())["statistics"]["clusters"] is None


@pytest.mark.usefixtures("no_plots")
def test_plain_folders_are_not_written_into_and_not_reported_again(tmp_path: Path) -> None:
    for number in range(2):
        images.write(tmp_path / "pure" / f"{number}.png", draw_face(48, number))
    words = ("evaluate", "--arm", "pure=pure", "--set", "metrics=psnr", "--out")
    refused = typed(*words, "./pure", cwd=tmp_path)
    assert refused.returncode == 2
    assert "Use another --out" in refused.stderr
    assert len(list((tmp_path / "pure").iterdir())) == 2
    for name in ("other", "1"):
        images.write(tmp_path / "arm" / f"{name}.png", draw_face(48))
    done = typed(*words, "mine", "--arm", "arm=arm", cwd=tmp_path)
    assert done.returncode == 0
    assert "note: arm: 1 pictures without a pure one are left out." in done.stderr
    again = typed("report", "mine", cwd=tmp_path)
    assert again.returncode == 2
    assert "evaluated from plain folders" in again.stderr


def test_the_page_gets_numbers_as_texts_and_rounds_none_itself(small: Study) -> None:
    results = small.results()
    page = report.build(results)
    (data,) = handed(page.parent / "data.js")
    psnr = results.what.metrics["psnr"]
    for place, (entry, arm) in enumerate(zip(data["rows"]["entry"], data["rows"]["arm"], strict=True)):
        case, name = data["case"][entry], data["arms"][arm]["name"]
        delta = results.numbers.delta("general", "psnr", name, case)
        text = wording.number(psnr, delta, signed=True)
        assert data["texts"][data["shown"]["psnr"][place]] == [text, wording.better(psnr, delta)]
        value = results.numbers.values("general", "psnr", name)[case]
        assert told(small.root, case)["numbers"][name]["psnr"] == {
            "value": wording.number(psnr, value),
            "missing": False,
            "delta": [text, wording.better(psnr, delta)],
            "note": "",
        }
    scripts = "".join(path.read_text(encoding="utf-8") for path in page.parent.glob("*.js") if path.name != "data.js")
    assert not re.search(r"toFixed|toPrecision|pictures/|cases/\d", scripts)
