"""Where files come from: the search order, and a download that survives what networks do."""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
import os
import socket
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from fsrbench.core.errors import WeightsError
from fsrbench.files import downloads
from fsrbench.models import published, weights

CONTENT = np.random.default_rng(0).bytes(300_000)
NAME = "test.pth"


class Server(ThreadingHTTPServer):
    """Serves one file, misbehaving as the test asks: `script` holds one word per request, then all is well."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = CONTENT
        self.script: list[str] = []
        self.asked: list[str | None] = []
        self.over = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/files"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        server = self.server
        asked = self.headers.get("Range")
        server.asked.append(asked)
        word = server.script.pop(0) if server.script else ""
        if word.isdigit():
            self.send_error(int(word))
            return
        if word in MODES:
            with contextlib.suppress(ConnectionError):
                MODES[word](self)
            self.close_connection = True
            return
        if word in ("sent on", "sent on with a page", "compressed", "more and more"):
            self.bound(word)
            return
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and word != "no range" else 0
        body = server.content[start:]
        self.send_response(206 if start else 200)
        if start:
            claimed = start + 7 if word == "other range" else start
            self.send_header("Content-Range", f"bytes {claimed}-{len(server.content) - 1}/{len(server.content)}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if word == "steadily":
            for place in range(0, len(body), len(body) // 8):
                self.wfile.write(body[place : place + len(body) // 8])
                self.server.over.wait(0.2)
        else:
            self.wfile.write(body[: len(body) // 2] if word == "cut" else body)
        self.close_connection = True

    def bound(self, word: str) -> None:
        """Answer without an end: what is sent on comes back, and a body has no length."""
        self.send_response(302 if word.startswith("sent") else 200)
        if word.startswith("sent"):
            self.send_header("Location", self.path)
        if word == "compressed":
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length" if word == "sent on" else "X-Nothing", "0")
        self.end_headers()
        self.close_connection = True
        with contextlib.suppress(ConnectionError):
            if word != "sent on":
                endlessly(self, bytes(100_000), 0.0)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("FSRBENCH_CACHE", str(tmp_path / "cache ü"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("FSRBENCH_OFFLINE")
    monkeypatch.setattr(downloads.time, "sleep", lambda _seconds: None)
    add(monkeypatch, NAME, server.url, CONTENT)
    yield server
    server.over.set()
    server.shutdown()
    thread.join(5)
    server.server_close()


def add(monkeypatch: pytest.MonkeyPatch, name: str, folder: str, content: bytes, **more: object) -> None:
    entry = published.Weight(name, folder, len(content), hashlib.sha256(content).hexdigest(), "MIT", (), **more)
    monkeypatch.setitem(published.TABLE, name, entry)


def part() -> Path:
    return weights.cache() / f"{NAME}.part"


def begin(content: bytes) -> None:
    part().parent.mkdir(parents=True, exist_ok=True)
    part().write_bytes(content)


def test_downloads_once_and_whole(server: Server) -> None:
    seen: list[tuple[int, int]] = []
    weights.download(published.TABLE[NAME], lambda done, whole: seen.append((done, whole)))
    found = weights.locate(NAME)
    assert found.path.read_bytes() == CONTENT
    assert found.official
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert server.asked == [None]
    assert not part().exists()


def test_goes_on_where_it_broke_off(server: Server) -> None:
    begin(CONTENT[:100_000])
    assert weights.locate(NAME).path.read_bytes() == CONTENT
    assert server.asked == ["bytes=100000-"]


def test_server_that_knows_no_ranges(server: Server) -> None:
    begin(CONTENT[:100_000])
    server.script = ["no range"]
    assert weights.locate(NAME).path.read_bytes() == CONTENT


@pytest.mark.parametrize("script", [["cut"], ["500"], ["503", "cut", "429"]])
def test_bounded_retries_get_there(server: Server, script: list[str]) -> None:
    server.script = script
    assert weights.locate(NAME).path.read_bytes() == CONTENT


def test_truncated_answer_is_continued(server: Server) -> None:
    server.script = ["cut"]
    weights.locate(NAME)
    assert server.asked == [None, f"bytes={len(CONTENT) // 2}-"]


@pytest.mark.parametrize("trouble", ["416", "other range"])
def test_a_part_that_cannot_be_continued_is_thrown_away(server: Server, trouble: str) -> None:
    begin(CONTENT[:5])
    server.script = [trouble]
    assert weights.locate(NAME).path.read_bytes() == CONTENT
    assert server.asked == ["bytes=5-", None]


@pytest.mark.parametrize("stale", [b"x" * 1000, b"x" * len(CONTENT), b"x" * (len(CONTENT) + 1)])
def test_a_stale_part_does_not_spoil_the_file(server: Server, stale: bytes) -> None:
    begin(stale)
    assert weights.locate(NAME).path.read_bytes() == CONTENT


def test_gives_up_and_keeps_the_part(server: Server) -> None:
    server.script = ["cut"] * 20
    with pytest.raises(WeightsError, match=r"closed connection.*fsrbench weights --download test\.pth"):
        weights.locate(NAME)
    assert len(server.asked) == downloads.ATTEMPTS
    assert CONTENT.startswith(part().read_bytes())
    assert part().stat().st_size > len(CONTENT) // 2


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"y" * len(CONTENT), "wrong sha256"), (b"<html>sorry</html>", "broke off"), (CONTENT + b"!", "more came")],
)
def test_wrong_content_never_gets_the_name(server: Server, content: bytes, words: str) -> None:
    server.content = content
    with pytest.raises(WeightsError, match=words):
        weights.locate(NAME)
    assert not (weights.cache() / NAME).exists()


def test_not_found_is_said_at_once(server: Server) -> None:
    server.script = ["404"]
    with pytest.raises(WeightsError, match="answered 404"):
        weights.locate(NAME)
    assert len(server.asked) == 1


def test_nobody_there(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FSRBENCH_MIRROR", "http://127.0.0.1:9/")
    with pytest.raises(WeightsError, match=r"http://127\.0\.0\.1:9/test\.pth"):
        weights.locate(NAME)


@pytest.mark.parametrize("why", [socket.EAI_NONAME, socket.EAI_AGAIN])
def test_a_name_that_cannot_be_resolved_is_said_at_once(
    server: Server, monkeypatch: pytest.MonkeyPatch, why: int
) -> None:
    asked: list[object] = []

    def resolve(host: object, *_: object, **__: object) -> None:
        asked.append(host)
        raise socket.gaierror(why, "no such name")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("FSRBENCH_MIRROR", "http://files.example")
    monkeypatch.setattr(downloads.time, "sleep", lambda _seconds: pytest.fail("it waited"))
    with pytest.raises(WeightsError, match=r"no such name.*fsrbench weights --download test\.pth.*elsewhere"):
        weights.locate(NAME)
    assert len(asked) == 1


def test_other_failures_of_the_connection_are_tried_again(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def refuse(*place: object, **_: object) -> None:
        asked.append(place)
        raise ConnectionRefusedError("refused")

    monkeypatch.setattr(socket, "create_connection", refuse)
    with pytest.raises(WeightsError, match="refused"):
        weights.locate(NAME)
    assert len(asked) == downloads.ATTEMPTS


def test_what_could_not_be_had_is_asked_for_once_in_a_process(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Instruments and metrics want the same files, and each would wait for the same dead end."""
    server.script = ["404"] * 9
    said = set()
    for _ in range(3):
        with pytest.raises(WeightsError, match=r"answered 404.*fsrbench weights --download test\.pth") as caught:
            weights.locate(NAME)
        said.add(str(caught.value))
    assert (len(server.asked), len(said)) == (1, 1)
    monkeypatch.setenv("FSRBENCH_MIRROR", server.url + "/other")
    with pytest.raises(WeightsError):  # another server is another question
        weights.locate(NAME)
    assert len(server.asked) == 2
    monkeypatch.delenv("FSRBENCH_MIRROR")
    server.script = []
    weights.download(published.TABLE[NAME])  # asked for by name, it is tried again, and then it is there
    assert weights.locate(NAME).official


def test_what_a_run_can_do_without_is_not_tried_again_by_the_next_command(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.script = ["404"] * 9
    with pytest.raises(WeightsError, match="answered 404"):
        weights.locate(NAME, optional=True)
    monkeypatch.setattr(weights, "_FAILED", {})  # another process
    with pytest.raises(WeightsError, match=r"answered 404.*This was 0 min ago.*after an hour"):
        weights.locate(NAME, optional=True)
    assert len(server.asked) == 1
    with pytest.raises(WeightsError):  # what a run cannot do without is tried each time
        weights.locate(NAME)
    assert len(server.asked) == 2
    note = weights.cache() / f"{NAME}.failed"
    os.utime(note, (0, 0))  # long ago
    monkeypatch.setattr(weights, "_FAILED", {})
    with pytest.raises(WeightsError):
        weights.locate(NAME, optional=True)
    assert len(server.asked) == 3
    server.script = []
    monkeypatch.setattr(weights, "_FAILED", {})
    assert weights.locate(NAME).official
    assert not note.exists()


def test_mirror_replaces_the_folder(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    add(monkeypatch, NAME, "http://127.0.0.1:9/nowhere", CONTENT)
    monkeypatch.setenv("FSRBENCH_MIRROR", server.url + "/")
    assert weights.locate(NAME).official


@pytest.mark.parametrize("how", ["argument", "environment"])
def test_offline_forbids_and_names_the_cure(server: Server, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    if how == "environment":
        monkeypatch.setenv("FSRBENCH_OFFLINE", "1")
    with pytest.raises(WeightsError, match=r"fsrbench weights --download test\.pth") as caught:
        weights.locate(NAME, offline=how == "argument")
    assert str(weights.cache()) in str(caught.value)
    assert server.asked == []


def test_two_at_once_download_once(server: Server) -> None:
    found: list[Path] = []
    threads = [threading.Thread(target=lambda: found.append(weights.locate(NAME).path)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(found) == 4
    assert server.asked == [None]


def test_non_commercial_is_said_aloud(
    server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    add(monkeypatch, NAME, server.url, CONTENT, non_commercial=True)
    with caplog.at_level(logging.WARNING):
        weights.locate(NAME)
    assert "licensed for MIT only" in caplog.text


def bundle(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, content in members.items():
            file.writestr(name, content)
    return buffer.getvalue()


def test_member_of_a_zip(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = bundle({"models/other.onnx": b"o", "models/member.onnx": b"inside"})
    server.content = archive
    add(monkeypatch, "bundle.zip", server.url, archive)
    add(monkeypatch, "member.onnx", "bundle.zip", b"inside", member_of="bundle.zip")
    found = weights.locate("member.onnx")
    assert found.path.read_bytes() == b"inside"
    assert found.official
    weights.locate("member.onnx")
    assert len(server.asked) == 1


def test_member_from_a_zip_in_the_users_folder(server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FSRBENCH_WEIGHTS", str(tmp_path))
    add(monkeypatch, "bundle.zip", server.url, b"another zip")
    add(monkeypatch, "member.onnx", "bundle.zip", b"inside", member_of="bundle.zip")
    (tmp_path / "bundle.zip").write_bytes(bundle({"member.onnx": b"outsid"}))
    with pytest.raises(WeightsError, match="wrong sha256"):
        weights.locate("member.onnx")
    (tmp_path / "bundle.zip").write_bytes(bundle({"another.onnx": b"inside"}))
    with pytest.raises(WeightsError, match=r"holds no member\.onnx"):
        weights.locate("member.onnx")
    (tmp_path / "bundle.zip").write_bytes(b"PK no zip at all")
    with pytest.raises(WeightsError, match="not a whole zip"):
        weights.locate("member.onnx")
    (tmp_path / "bundle.zip").write_bytes(bundle({"member.onnx": b"inside"}))
    assert weights.locate("member.onnx").official
    assert server.asked == []


def test_order_explicit_folder_cache(server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    weights.locate(NAME)
    folder = tmp_path / "my weights"
    folder.mkdir()
    monkeypatch.setenv("FSRBENCH_WEIGHTS", str(folder))
    assert weights.locate(NAME).path == weights.cache() / NAME
    (folder / NAME).write_bytes(b"mine")
    found = weights.locate(NAME)
    assert found.path == folder / NAME
    assert not found.official
    explicit = tmp_path / "renamed.bin"
    explicit.write_bytes(CONTENT)
    assert weights.locate(NAME, explicit=explicit) == weights.FoundWeights(
        explicit, published.TABLE[NAME].sha256, published.TABLE[NAME]
    )


def test_damaged_cache_is_an_error(server: Server) -> None:
    path = weights.locate(NAME).path
    path.write_bytes(CONTENT[:-1])
    with pytest.raises(WeightsError, match=r"wrong sha256.*Delete it"):
        weights.locate(NAME)


def test_what_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"Did you mean BSRGAN\.pth"):
        weights.locate("BSRGAN.pt")
    with pytest.raises(WeightsError, match="is not there"):
        weights.locate("BSRGAN.pth", explicit=tmp_path / "no.pth")
    with pytest.raises(WeightsError, match="no embedded model for the family 'nobody'"):
        weights.embedded("nobody")
    monkeypatch.setenv("FSRBENCH_WEIGHTS", str(tmp_path / "typo"))
    with pytest.raises(WeightsError, match="FSRBENCH_WEIGHTS names"):
        weights.locate("BSRGAN.pth")


def test_status(server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def state(verify: bool) -> str:
        return next(s.state for s in weights.status(verify=verify) if s.weight.name == NAME)

    assert state(verify=False) == "absent"
    weights.locate(NAME)
    assert (state(verify=False), state(verify=True)) == ("present", "official")
    monkeypatch.setenv("FSRBENCH_WEIGHTS", str(tmp_path))
    (tmp_path / NAME).write_bytes(b"z" * len(CONTENT))
    assert (state(verify=False), state(verify=True)) == ("present", "other content")


def test_the_table_is_sound() -> None:
    for name, weight in published.TABLE.items():
        assert weight.name == name
        assert len(weight.sha256) == 64
        assert set(weight.sha256) <= set("0123456789abcdef")
        assert weight.member_of in (None, *published.TABLE)
        assert weights.url(weight).startswith("https://")
    assert len({w.sha256 for w in published.TABLE.values()}) == len(published.TABLE)


# ------------------------------------------------------------- hostile servers


@pytest.fixture
def impatient(server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setattr(downloads, "WINDOW", 0.2)
    return server


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n"


def endlessly(handler: Handler, piece: bytes, pause: float) -> None:
    """Send a piece again and again, until the other side is gone, at most for a minute."""
    until = time.monotonic() + 60
    while time.monotonic() < until and not handler.server.over.wait(pause):
        handler.wfile.write(piece)
        handler.wfile.flush()


MODES = {
    "body that drips": lambda handler: (handler.wfile.write(HEAD), endlessly(handler, b"x", 0.01)),
    "head that drips": lambda handler: (handler.wfile.write(HEAD[:20]), endlessly(handler, b"x", 0.01)),
    "head that never comes": lambda handler: endlessly(handler, b"", 0.05),
    "body that never comes": lambda handler: (handler.wfile.write(HEAD), endlessly(handler, b"", 0.05)),
    "endless 1xx": lambda handler: endlessly(handler, b"HTTP/1.1 103 Early Hints\r\n\r\n", 0.001),
}


@pytest.mark.parametrize("mode", MODES)
def test_a_server_that_is_too_slow_is_given_up_soon_and_what_came_is_kept(
    impatient: Server, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient.script = [mode]
    began = time.monotonic()
    begin(CONTENT[:100])
    with pytest.raises(WeightsError, match=r"too slow.*next command goes on.*FSRBENCH_MIRROR.*elsewhere"):
        weights.locate(NAME)
    assert time.monotonic() - began < 20  # the server would go on for a minute
    assert len(impatient.asked) <= 1
    assert part().stat().st_size < 1000
    begin(CONTENT[:100])
    monkeypatch.setattr(downloads, "WINDOW", 60.0)
    assert weights.download(published.TABLE[NAME]).read_bytes() == CONTENT
    assert impatient.asked[-1] == "bytes=100-"


def test_what_comes_steadily_is_never_too_slow(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "WINDOW", 1.0)
    server.script = ["steadily"]
    began = time.monotonic()
    assert weights.locate(NAME).path.read_bytes() == CONTENT
    assert time.monotonic() - began > 1


@pytest.mark.parametrize("mode", ["sent on", "sent on with a page", "compressed", "more and more"])
def test_what_has_no_end_is_bounded(server: Server, mode: str) -> None:
    server.script = [mode] * 60
    with pytest.raises(WeightsError, match=r"sent on more than|compressed it|more came than the 300,000 bytes"):
        weights.locate(NAME)
    assert len(server.asked) <= downloads.ATTEMPTS * downloads.HOPS
    assert not (weights.cache() / NAME).exists()
    assert not part().exists() or part().stat().st_size <= len(CONTENT)


def test_a_file_that_was_sent_on_arrives(server: Server) -> None:
    server.script = ["sent on", "sent on with a page"]
    assert weights.locate(NAME).path.read_bytes() == CONTENT


def test_nothing_is_left_of_a_lock(server: Server) -> None:
    weights.locate(NAME)
    assert [path.name for path in weights.cache().iterdir()] == [NAME]


COUNTING = """
import sys, time
from pathlib import Path
from fsrbench.files import locks
number = Path(sys.argv[1])
for _ in range(20):
    with locks.held(number.with_name("lock")):
        now = int(number.read_text())
        time.sleep(0.0005)
        number.write_text(str(now + 1))
"""


def test_a_lock_that_is_removed_keeps_others_out(tmp_path: Path) -> None:
    number = tmp_path / "number"
    number.write_text("0")
    started = [subprocess.Popen([sys.executable, "-c", COUNTING, str(number)]) for _ in range(3)]
    assert [process.wait(120) for process in started] == [0] * 3
    assert number.read_text() == "60"
    assert not (tmp_path / "lock").exists()
