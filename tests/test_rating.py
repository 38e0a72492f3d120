"""What people are shown and under which names, and what becomes of what they choose: without a browser."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import sys
import threading
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fsrbench.core.errors import InputError, SettingsError
from fsrbench.core.execute import untracked
from fsrbench.imaging import images
from fsrbench.measure import choices, subjects
from fsrbench.measure.choices import SPOILT, Choice
from fsrbench.measure.subjects import Evaluation
from fsrbench.show.rating import document, export, sheets, spoiling, taking
from fsrbench.show.rating.server import MAX_BODY, RatingServer
from fsrbench.show.rating.session import RatingSession
from fsrbench.show.rating.sheets import RatedPair, SheetPlan, Showing
from fsrbench.show.rating.shots import BlindNames
from fsrbench.study import config
from fsrbench.study.store import RunFolder
from support import draw_face
from support.command import typed
from support.rated import ARMS, rated_run
from support.reports import EVIL_CASE

PLAN = SheetPlan(pairs=20, repeats=4, checks=3)
EVERY = ("pure", *ARMS)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return rated_run(tmp_path_factory.mktemp("rated"))


@pytest.fixture
def folder(run: Path) -> Iterator[RunFolder]:
    """The run, of which nobody has chosen anything."""
    found = RunFolder(run)
    yield found
    for path in found.choices.glob("*.jsonl"):
        path.unlink()


def opened(folder: RunFolder) -> Evaluation:
    return subjects.of_run(folder, config.stored(folder.study()["settings"], folder.study_file))


def session(folder: RunFolder, plan: SheetPlan = PLAN) -> RatingSession:
    what = opened(folder)
    return RatingSession(folder, what, sheets.drawn(what, EVERY, ["general"], plan), plan, reference=True)


# --------------------------------------------------------------------- drawing


def test_pairs_are_the_same_for_all_and_as_many_of_each_two_arms(folder: RunFolder) -> None:
    what = opened(folder)
    pairs = sheets.drawn(what, EVERY, ["general"], PLAN)
    assert len(set(pairs)) == 20
    assert sorted(Counter(pair.arms for pair in pairs).values()) == [6, 7, 7]
    assert sheets.drawn(what, EVERY, ["general"], PLAN) == pairs
    assert sheets.drawn(what, EVERY, ["general"], replace(PLAN, seed=1)) != pairs
    assert {pair.arms for pair in sheets.drawn(what, ("pure", "quokka"), ["general"], PLAN)} == {("pure", "quokka")}
    assert sheets.drawn(what, EVERY, ["blind"], PLAN) == []


def test_two_pictures_that_are_one_are_not_asked_about(folder: RunFolder) -> None:
    subject = opened(folder).subjects[0]
    alike = replace(subject, made={**subject.made, "quokka": subject.made["pure"]})
    assert len(list(sheets.pairs_of(subject, EVERY))) == 3
    assert {pair.arms for pair in sheets.pairs_of(alike, EVERY)} == {("pure", "axolotl"), ("quokka", "axolotl")}


def test_a_sheet_is_balanced_and_its_persons_own() -> None:
    pairs = [RatedPair("general", f"face {number}", ("pure", "quokka")) for number in range(40)]
    plan = SheetPlan(pairs=40, repeats=6, checks=6)
    ann, bo = (sheets.sheet(pairs, plan, rater) for rater in ("Ann", "Bo"))
    assert ann == sheets.sheet(pairs, plan, "Ann")
    assert ann != bo
    plain = [one for one in ann if not one.repeat and not one.check]
    assert Counter(one.first for one in plain) == {"pure": 20, "quokka": 20}
    assert {(one.family, one.case) for one in plain} == {(pair.family, pair.case) for pair in pairs}
    repeats, checks = [one for one in ann if one.repeat], [one for one in ann if one.check]
    assert (len(repeats), len(checks)) == (6, 6)
    for one in repeats:
        before = Showing(one.family, one.case, one.second, one.first)
        assert ann.index(before) + 1 < ann.index(one), "in the other order, and not at once"
    assert {one.check for one in checks} == set(spoiling.FAULTS)
    assert all((one.first == SPOILT) != (one.second == SPOILT) for one in checks)
    assert len({ann.index(one) * 6 // len(ann) for one in checks}) >= 4, "spread over the sheet"


def test_few_pairs_make_a_small_sheet() -> None:
    one = [RatedPair("general", "a", ("pure", "quokka"))]
    assert len(sheets.sheet(one, SheetPlan(checks=0), "Ann")) == 1
    assert sheets.sheet([], SheetPlan(), "Ann") == []


@pytest.mark.parametrize("fault", spoiling.FAULTS)
@pytest.mark.parametrize("size", [(64, 64), (50, 31), (5, 3)])
def test_a_spoilt_picture_is_a_picture_and_clearly_another(fault: str, size: tuple[int, int]) -> None:
    face = images.resize(draw_face(64), size[1], size[0])
    spoilt = images.check(spoiling.FAULTS[fault](face))
    assert spoilt.shape == face.shape
    if size[0] == 64:
        assert float(np.abs(spoilt - face).mean()) > 0.02


# ------------------------------------------------------------------- blindness


def test_names_tell_nothing_and_are_kept(folder: RunFolder, tmp_path: Path) -> None:
    names, other = BlindNames.of(folder), BlindNames(bytes(32))
    assert BlindNames.of(folder) == names
    one = Showing("general", "face 1", "pure", "quokka")
    turned, beside = Showing("general", "face 1", "quokka", "pure"), Showing("general", "face 1", "pure", "axolotl")
    assert names.showing(one) != names.showing(turned)
    assert names.picture(one, "pure") == names.picture(turned, "pure") != names.picture(one, "quokka")
    assert names.picture(one, "pure") != names.picture(beside, "pure"), "pure cannot be known again by its name"
    assert names.picture(one, "pure") != other.picture(one, "pure")


def test_the_page_is_the_same_whatever_the_run() -> None:
    served = document.html({}, reference=False)
    assert "script-src 'sha256-" in served
    assert not any(arm in served for arm in ARMS)
    assert "</script><b>" not in document.html({"x": "</script><b>"}, reference=False)


def test_pictures_go_out_as_pixels_alone(folder: RunFolder) -> None:
    import struct

    ours = session(folder)
    for one in ours.begin({"rater": "Ann"})["showings"][:8]:
        for part in ("left", "right", "input", "reference"):
            data, kinds, place = ours.png(one[part]) or b"", [], 8
            while place < len(data):
                length, kind = struct.unpack(">I4s", data[place : place + 8])
                kinds.append(kind)
                place += length + 12
            assert set(kinds) == {b"IHDR", b"IDAT", b"IEND"}
    assert ours.png("pure") is None


# ---------------------------------------------------------------------- choices


def test_choices_are_stored_as_they_were_shown_and_gone_on_with(folder: RunFolder) -> None:
    ours = session(folder)
    told = ours.begin({"rater": "  Ann "})
    assert told["done"] == {}
    sheet = sheets.sheet(sheets.drawn(opened(folder), EVERY, ["general"], PLAN), PLAN, "Ann")
    assert len(told["showings"]) == len(sheet) == 27
    for place in range(5):
        ours.choose({"rater": "Ann", "id": told["showings"][place]["id"], "chosen": "first", "seconds": 1.5})
    stored = choices.read(folder)
    assert [(c.first, c.second, c.repeat, c.check) for c in stored] == [
        (one.first, one.second, one.repeat, one.check) for one in sheet[:5]
    ]
    assert {(c.rater, c.chosen, c.seconds) for c in stored} == {("Ann", "first", 1.5)}
    again = session(folder).begin({"rater": "Ann"})
    assert again["showings"] == told["showings"]
    assert [one["id"] in again["done"] for one in again["showings"]] == [True] * 5 + [False] * 22
    assert session(folder).begin({"rater": "Bo"})["done"] == {}
    other = session(folder, replace(PLAN, seed=3, pairs=36)).begin({"rater": "Ann"})
    turned = {c.key: c for c in stored if not c.check}
    found = sheets.sheet(
        sheets.drawn(opened(folder), EVERY, ["general"], replace(PLAN, seed=3, pairs=36)),
        replace(PLAN, seed=3, pairs=36), "Ann",
    )  # fmt: skip
    for one, shown in zip(found, other["showings"], strict=True):
        if before := turned.get(one.key("Ann")):
            side = "first" if before.first == one.first else "second"
            assert other["done"][shown["id"]]["chosen"] == side, "the same picture, wherever it stands now"


@pytest.mark.parametrize(
    "wrong", [{"rater": ""}, {"id": "nobody"}, {"chosen": "both"}, {"chosen": None}, {"rater": "a\x00"}]
)
def test_what_no_page_says_is_refused(folder: RunFolder, wrong: dict[str, Any]) -> None:
    ours = session(folder)
    one = ours.begin({"rater": "Ann"})["showings"][0]
    with pytest.raises(InputError):
        ours.choose({"rater": "Ann", "id": one["id"], "chosen": "tie", "seconds": 1, **wrong})
    assert choices.read(folder) == []


@pytest.mark.parametrize("seconds", [-1, float("nan"), True, "3", None, 1e9])
def test_a_time_that_cannot_be_is_none(folder: RunFolder, seconds: object) -> None:
    ours = session(folder)
    one = ours.begin({"rater": "Ann"})["showings"][0]
    ours.choose({"rater": "Ann", "id": one["id"], "chosen": "tie", "seconds": seconds})
    assert [c.seconds for c in choices.read(folder)] == [None]


# ----------------------------------------------------------------------- served


@contextmanager
def serving(folder: RunFolder) -> Iterator[RatingServer]:
    server = RatingServer(session(folder), reference=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def asked(
    server: RatingServer, path: str, method: str = "GET", body: bytes | None = None, **headers: str
) -> tuple[int, bytes, dict[str, str]]:
    with_names = {"Host": f"127.0.0.1:{server.server_port}", "Content-Type": "application/json", **headers}
    link = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)
    try:
        link.request(method, path, body, with_names)
        reply = link.getresponse()
        return reply.status, reply.read(), dict(reply.headers)
    finally:
        link.close()


def test_only_who_has_the_secret_and_comes_from_here_is_answered(folder: RunFolder) -> None:
    with serving(folder) as server:
        assert server.server_address[0] == "127.0.0.1"
        own, begin = f"/{server.secret}/", json.dumps({"rater": "Ann"}).encode()
        status, page, headers = asked(server, own)
        assert (status, page) == (200, document.html({}, reference=True).encode())
        assert headers["Cache-Control"] == "no-store"
        assert "Server" not in headers
        local = f"localhost:{server.server_port}"
        assert asked(server, own, Host=local, Origin=f"http://{local}")[0] == 200
        assert asked(server, own + "begin", "POST", begin)[0] == 200
        for path in (
            "/",
            "/x/",
            f"/{server.secret[:-1]}/",
            f"/{server.secret}",
            "//",
            "/x/begin",
        ):
            assert asked(server, path)[:2] == (403, b"")
        for strange in (
            {"Host": "evil.example"},
            {"Host": f"evil.example:{server.server_port}"},
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
            {"Origin": f"http://127.0.0.1:{server.server_port + 1}"},
        ):
            assert asked(server, own, **strange)[:2] == (403, b"")
            assert asked(server, own + "begin", "POST", begin, **strange)[:2] == (403, b"")
        assert asked(server, own + "begin", "POST", begin, **{"Content-Type": "text/plain"})[:2] == (403, b"")
    assert choices.read(folder) == []


def test_what_is_no_request_of_the_page_gets_no_more_than_a_number(folder: RunFolder) -> None:
    with serving(folder) as server:
        own = f"/{server.secret}/"
        for path in ("pictures/x.png", "pictures/../study.yaml", "nothing", "pictures/"):
            assert asked(server, own + path)[:2] == (404, b"")
        assert asked(server, own + "nothing", "POST", b"{}")[:2] == (404, b"")
        for body in (b"", b"[]", b"nonsense", b"[" * 5000, b" " * (MAX_BODY + 1)):
            assert asked(server, own + "begin", "POST", body)[:2] == (400, b"")
        status, said, _ = asked(server, own + "begin", "POST", b'{"rater": ""}')
        assert status == 400
        assert "A rater's name" in json.loads(said)["error"]


def test_a_port_in_use_is_a_sentence(folder: RunFolder) -> None:
    with serving(folder) as server, pytest.raises(SettingsError, match=f"--port {server.server_port} cannot be used"):
        RatingServer(session(folder), server.server_port, reference=True)


def test_picture_and_answer_name_no_arm(folder: RunFolder) -> None:
    with serving(folder) as server:
        own = f"/{server.secret}/"
        _, said, _ = asked(server, own + "begin", "POST", b'{"rater": "Ann"}')
        assert not any(arm in said.decode() for arm in (*EVERY, "general", "spoilt", "blur", "repeat"))
        one = json.loads(said)["showings"][0]
        status, data, headers = asked(server, f"{own}pictures/{one['left']}.png")
        assert (status, headers["Content-Type"], data[:4]) == (200, "image/png", b"\x89PNG")


# --------------------------------------------------------------- out and back in


def exported(folder: RunFolder, target: Path, plan: SheetPlan = PLAN) -> dict[str, Any]:
    """What an exported page is handed."""
    what = opened(folder)
    pairs = sheets.drawn(what, EVERY, ["general"], plan)
    page = export.write(folder, what, pairs, plan, target, untracked, reference=False).read_text(encoding="utf-8")
    handed: dict[str, Any] = json.loads(page.partition('type="application/json">')[2].partition("</script>")[0])
    return handed


def test_an_exported_folder_names_no_arm_and_its_file_is_taken_in(folder: RunFolder, tmp_path: Path) -> None:
    handed = exported(folder, tmp_path / "out")
    files = [path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert not any(arm in json.dumps([handed, files]) for arm in (*EVERY, "general", "spoilt", "blur", "repeat"))
    sheet = handed["sheets"][3]
    assert {f"pictures/{one[part]}.png" for one in sheet for part in ("left", "right", "input")} <= set(files)
    answers = [{"id": one["id"], "chosen": "second", "seconds": 2, "at": "2026-01-02T03:04:05.678Z"} for one in sheet]
    file = tmp_path / "choices.json"
    file.write_text(json.dumps({"fsrbench": "choices", "format": 1, "rater": "Ann", "answers": answers}))
    assert taking.add(folder, opened(folder), file) == (27, 0)
    assert taking.add(folder, opened(folder), file) == (27, 27), "once is enough"
    stored = choices.read(folder)
    plan_pairs = sheets.drawn(opened(folder), EVERY, ["general"], PLAN)
    shown = sheets.sheet(plan_pairs, PLAN, "sheet 3")
    assert [(c.first, c.second, c.repeat, c.check) for c in stored] == [
        (one.first, one.second, one.repeat, one.check) for one in shown
    ]
    assert {c.at for c in stored} == {"2026-01-02T03:04:05.678Z"}
    with pytest.raises(SettingsError, match="there is something already"):
        exported(folder, tmp_path / "out")


def test_a_table_of_others_is_taken_in(folder: RunFolder, tmp_path: Path) -> None:
    table = tmp_path / "people.csv"
    head = "case,family,first,second,chosen,rater\n"
    rows = (
        "face 1,general,pure,quokka,second,Ann\nface 1,general,quokka,pure,tie,Ann\nface 1,general,pure,quokka,tie,Bo\n"
    )
    table.write_text(head + rows)
    assert taking.add(folder, opened(folder), table) == (3, 0)
    assert taking.add(folder, opened(folder), table) == (3, 3)
    assert choices.read(folder) == [
        Choice("Ann", "general", "face 1", "pure", "quokka", "second"),
        Choice("Ann", "general", "face 1", "quokka", "pure", "tie", repeat=True),
        Choice("Bo", "general", "face 1", "pure", "quokka", "tie"),
    ]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", "case,family\n", "columns case,family,first,second,chosen,rater"),
        ("a.csv", "face 1,blind,pure,quokka,tie,Ann\n", "line 2: this run has no case 'face 1' of the family 'blind'"),
        ("a.csv", "face 1,general,pure,gone,tie,Ann\n", "no picture of the arm 'gone'"),
        ("a.csv", "face 1,general,pure,pure,tie,Ann\n", "the same arm"),
        ("a.csv", "face 1,general,pure,quokka,left,Ann\n", "one of first, second, tie; left is none"),
        ("a.csv", "face 1,general,pure,quokka,tie,\n", "A rater's name"),
        ("a.csv", "face 1,general,pure,quokka,tie,Ann\n" * 3, "line 4: this person judged this pair twice above"),
        ("a.json", "nonsense", "cannot be read"),
        ("a.json", "{}", "neither a table"),
        ("a.json", '{"format": 1, "rater": "Ann", "answers": [{"id": "x"}]}', "answer 1 is of no pair of this run"),
        ("a.json", '{"format": 1, "answers": []}', "A rater's name"),
    ],
)
def test_a_file_that_cannot_be_taken_in_adds_nothing(
    folder: RunFolder, tmp_path: Path, name: str, content: str, said: str
) -> None:
    head = "case,family,first,second,chosen,rater\n" if "general" in content or "blind" in content else ""
    (tmp_path / name).write_text(head + content)
    with pytest.raises(InputError) as found:
        taking.add(folder, opened(folder), tmp_path / name)
    assert said in str(found.value)
    assert str(tmp_path / name) in str(found.value)
    assert choices.read(folder) == []


# ---------------------------------------------------------------------- command


def test_the_command_exports_adds_and_refuses(folder: RunFolder, tmp_path: Path) -> None:
    done = typed("rate", folder.root, "--export", tmp_path / "out", "--pairs", 4)
    assert (done.returncode, done.stdout.strip()) == (0, str(tmp_path / "out" / "index.html"))
    (tmp_path / "p.csv").write_text("case,family,first,second,chosen,rater\nface 1,general,pure,quokka,tie,Ann\n")
    done = typed("rate", folder.root, "--add", tmp_path / "p.csv")
    assert done.stdout.startswith("1 choices added, 0 known before. Next: fsrbench report")
    for words, said in (
        (["--arm", "quoka"], "--arm quoka: this run has none. Did you mean quokka? Known: pure, quokka, axolotl."),
        (["--family", "blind"], "--family blind: this run has none."),
        (["--arm", "pure"], "There is nothing to choose between"),
        (["--add", tmp_path / "no.csv"], "there is no such file"),
    ):
        done = typed("rate", folder.root, *words)
        assert done.returncode == 2
        assert said in done.stderr
    assert EVIL_CASE in {subject.case for subject in opened(folder).subjects}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="sends the signal of Ctrl-C")
def test_the_command_serves_until_ctrl_c(folder: RunFolder) -> None:
    command = [sys.executable, "-m", "fsrbench", "rate", str(folder.root), "--pairs", "4"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        address = running.stdout.readline().strip()
        with urllib.request.urlopen(address, timeout=20) as page:
            assert "Which is better?" in page.read().decode()
        running.send_signal(signal.SIGINT)
        said = running.communicate(timeout=60)[1]
    assert running.returncode == 130
    assert f"next: fsrbench report {folder.root}" in said
    assert "Traceback" not in said
