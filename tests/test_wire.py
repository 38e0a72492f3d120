"""What a server's bytes and words can do: nothing to the clock, the key, the terminal, or a run."""

from __future__ import annotations

import base64
import csv
import datetime
import html
import io
import ipaddress
import json
import math
import re
import socket
import ssl
import sys
import threading
import time
import unicodedata
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from rich.table import Table
from rich.text import Text

from fsrbench.asking import audit, reply
from fsrbench.auditors import _wire
from fsrbench.auditors._secret import BLOT, WIDTH, Secret
from fsrbench.auditors._transport import Transport
from fsrbench.cli import app, console
from fsrbench.core import foreign, plugins
from fsrbench.core.contracts import Machine
from fsrbench.core.errors import AuditorUnreachable
from fsrbench.core.questions import Bounds
from fsrbench.files import csvfile
from fsrbench.imaging import images
from fsrbench.measure.check import Check
from fsrbench.show import md, verdicts
from fsrbench.study.store import as_json
from support import draw_face
from support.harm import CONTROL, KEY, echoes, endless, unicode_escapes
from support.hostile import RETRY_AFTER
from support.loopback import GOOD, Loopback, fails, good, says
from support.questions import question

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def ask(url: str, **settings: Any) -> Any:
    chosen = {"base_url": url, "model": "vlm", "attempts": 1, "timeout": 20, **settings}
    return plugins.load("auditors", "openai").open(chosen, Machine())(question())


# ------------------------------------------------------ one clock and one size


@pytest.fixture
def listener() -> Iterator[Callable[[Callable[[socket.socket], None]], int]]:
    """A port at which one connection is met by a function that has read nothing yet."""
    server = socket.create_server(("127.0.0.1", 0))
    lines: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def meet(talk: Callable[[socket.socket], None]) -> int:
        def accept() -> None:
            try:
                lines.append(server.accept()[0])
                talk(lines[-1])
            except OSError:  # the client has gone
                pass

        threads.append(threading.Thread(target=accept, daemon=True))
        threads[-1].start()
        return int(server.getsockname()[1])

    yield meet
    for thread in threads:
        thread.join(20)
    for one in (server, *lines):
        one.close()


def test_a_server_that_never_reads_is_left_at_the_deadline(listener: Any) -> None:
    gone = threading.Event()
    port = listener(lambda _: gone.wait(10) and None)
    began = time.monotonic()
    client = httpx.Client(transport=cast("Any", Transport(httpx, 1_000_000)))
    with pytest.raises(_wire.Failed, match="no reply"):
        client.post(f"http://127.0.0.1:{port}/", content=bytes(30_000_000), timeout=0.3)
    gone.set()
    assert time.monotonic() - began < 5


def test_raw_bytes_are_counted_wherever_they_come(listener: Any) -> None:
    port = listener(endless(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n" * 20_000))
    client = httpx.Client(transport=cast("Any", Transport(httpx, 50_000)))
    with pytest.raises(_wire.Failed, match="50,000 bytes"):
        client.get(f"http://127.0.0.1:{port}/", timeout=20)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate of 127.0.0.1, signed by itself."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "loopback")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = tmp_path_factory.mktemp("tls") / "loopback.pem"
    path.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
    return path


def test_tls_is_spoken_and_checked(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with Loopback(good) as server:
        server._server.socket = context.wrap_socket(server._server.socket, server_side=True)
        url = server.url.replace("http:", "https:")
        with pytest.raises(AuditorUnreachable, match=r"connection failed \(SSLCertVerificationError"):
            ask(url)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert ask(url).audit.score == 72
        assert len(server.requests) == 1


@pytest.mark.parametrize("first", [b"", b"\x16\x03\x03\x40\x00"])
def test_a_handshake_in_drips_ends_at_the_deadline(listener: Any, first: bytes) -> None:
    port = listener(endless(first, b"\x02", 0.02) if first else lambda line: line.settimeout(10) or line.recv(10_000))
    began = time.monotonic()
    with pytest.raises(AuditorUnreachable, match=r"0\.3 s \(setting timeout\)"):
        ask(f"https://127.0.0.1:{port}/v1", timeout=0.3)
    assert time.monotonic() - began < 5


def test_the_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with Loopback(good) as proxy:
        place = proxy.url.removesuffix("/v1").replace("http://", "http://me:pass%21@")
        monkeypatch.setenv("HTTP_PROXY" if sys.platform == "win32" else "http_proxy", place)
        assert ask("http://models.invalid/v1").audit.score == 72
        assert proxy.requests[0]["path"] == "http://models.invalid/v1/chat/completions"
        given = base64.b64decode(proxy.headers[0]["proxy-authorization"].removeprefix("Basic "))
        assert given == b"me:pass!"
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        with Loopback(good) as server:
            assert ask(server.url).audit.score == 72
            assert len(server.requests) == len(proxy.requests) == 1


def test_nothing_compressed_is_asked_for() -> None:
    with Loopback(good) as server:
        ask(server.url)
    assert server.headers[0]["accept-encoding"] == "identity"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(status: int) -> None:
    with Loopback(good) as other, Loopback(fails(status, Location=f"{other.url}/chat/completions")) as server:
        with pytest.raises(AuditorUnreachable) as error:
            ask(server.url, attempts=3)
        assert other.requests == []
    assert len(server.requests) == 1
    assert f"{status}: the server sends the pictures elsewhere, to 127.0.0.1, and no" in str(error.value)
    assert "give that address as base_url" in str(error.value)


# -------------------------------------------------------------------- the key

SIGNS = st.characters(min_codepoint=33, max_codepoint=126)
KEYS = st.text(SIGNS, min_size=WIDTH, max_size=60)
DISGUISES: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "JSON": unicode_escapes,
    "long escapes": lambda text: "".join(f"\\U{ord(char):08x}" for char in text),
    "braced escapes": lambda text: "".join(f"\\u{{{ord(char):x}}}" for char in text),
    "bytes": lambda text: "".join(f"\\x{ord(char):02x}" for char in text),
    "octal": lambda text: "".join(f"\\{ord(char):03o}" for char in text),
    "percent": lambda text: "".join(f"%{ord(char):02X}" for char in text),
    "quoted for an address": lambda text: urllib.parse.quote(text, safe=""),
    "entities": lambda text: "".join(f"&#x{ord(char):x};" for char in text),
    "names of entities": html.escape,
    "a JSON text": json.dumps,
    "a JSON text in a JSON text": lambda text: json.dumps(json.dumps(text)),
    "split by nothing to see": "\u200b".join,
    "split by controls": "\x00".join,
    "split by lines": "\r\n".join,
    "wide letters": lambda text: "".join(chr(ord(char) + 0xFEE0) for char in text),
}
READINGS: tuple[Callable[[str], str], ...] = (
    str,
    html.unescape,
    urllib.parse.unquote,
    lambda text: "".join(char for char in text if "!" <= char <= "~"),
    lambda text: unicodedata.normalize("NFKC", text),
    lambda text: re.sub(r"\\u(....)|\\x(..)", lambda found: chr(int(found[1] or found[2], 16)), text),
)
"""How somebody may read what was written."""


def runs(key: str) -> set[str]:
    return {key[at : at + WIDTH] for at in range(len(key) - WIDTH + 1)}


def shows(key: str, text: str) -> list[str]:
    readings = [_tried(read, text) for read in READINGS]
    return [run for run in runs(key) for reading in readings if run in reading]


def _tried(read: Callable[[str], str], text: str) -> str:
    try:
        return read(text)
    except ValueError:  # half an escape
        return text


@settings(max_examples=60, deadline=None)
@given(KEYS, st.sampled_from([*DISGUISES]), st.text(max_size=20), st.text(max_size=20), st.data())
def test_no_piece_of_a_key_is_left(key: str, disguise: str, before: str, after: str, data: st.DataObject) -> None:
    first = data.draw(st.integers(0, len(key) - WIDTH))
    piece = key[first : data.draw(st.integers(first + WIDTH, len(key)))]
    told = Secret(key).blot(before + DISGUISES[disguise](piece) + after)
    assert not shows(key, told)
    assert BLOT in told


@settings(max_examples=60, deadline=None)
@given(KEYS, st.integers(0, 2), st.booleans(), st.data())
def test_no_piece_is_left_in_base64_or_hex(key: str, shift: int, safe: bool, data: st.DataObject) -> None:
    encode = base64.urlsafe_b64encode if safe else base64.b64encode
    whole = encode(b"\xff" * shift + key.encode() + b"\xfe").decode()
    first = data.draw(st.integers(0, 3))
    told = Secret(key).blot(f"see {whole[first:]}.")
    assert BLOT in told or first
    for part in told.removeprefix("see ").removesuffix(".").replace("-", "+").replace("_", "/").split(BLOT):
        for start in range(4):
            code = part[start:].rstrip("=")
            if len(code) % 4 == 1:
                code = code[:-1]
            assert not [run for run in runs(key) if run.encode() in base64.b64decode(code + "=" * (-len(code) % 4))]
    assert Secret(key).blot(key.encode().hex()) == BLOT


@settings(max_examples=60, deadline=None)
@given(KEYS, st.integers(1, 1000), st.sampled_from(["", "?", "\u00e9", "-"]))
def test_pieces_on_both_sides_of_a_change_go(key: str, place: int, other: str) -> None:
    at = place % len(key)
    assert not shows(key, Secret(key).blot(f"[{key[:at]}{other}{key[at + 1 :]}]"))


@settings(max_examples=60, deadline=None)
@given(st.text("0123456789", min_size=WIDTH, max_size=40), st.text("ghijkl \\%&;=un\u200b", max_size=200))
def test_other_words_are_left_as_they_are(key: str, text: str) -> None:
    assert Secret(key).blot(text) == text
    value = {"a": [text, 1, None, (text, True)], text: 2.5}
    assert Secret(key).blot(value) == value


@settings(max_examples=60, deadline=None)
@given(KEYS, st.text(max_size=60))
def test_blotting_twice_changes_nothing(key: str, text: str) -> None:
    assume(BLOT not in key)
    secret = Secret(key)
    once = secret.blot(text + key)
    assert secret.blot(once) == once


def test_short_keys_are_words() -> None:
    for key in ("none", "EMPTY", "ollama", ""):
        assert Secret(key).blot(f"the key {key} of none is EMPTY") == f"the key {key} of none is EMPTY"


def test_a_key_of_ordinary_words_costs_no_audit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "confidence-and-required-tags")
    with Loopback(good) as server:
        first, second = (ask(server.url, cache=str(tmp_path)) for _ in range(2))
    assert first.audit == second.audit.__class__(**{**_fields(second.audit), "usage": first.audit.usage})
    assert (first.audit.status, first.audit.score, first.audit.confidence) == ("ok", 72, 85)
    assert first.exchange["prompt"] == audit.task(question()).prompt
    assert first.exchange["replies"][0]["text"].count(BLOT) == 1
    assert len(server.requests) == 2, "what reads differently without the key is not remembered"


def _fields(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


# ------------------------------------------------------------- a run and its files


def readable(data: bytes) -> str:
    return data.decode("utf-8")


@pytest.mark.slow
def test_neither_key_nor_control_reaches_a_file_or_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = list(echoes(KEY).values())
    steps = [fails(402, f"{CONTROL} {echo}") for echo in told]
    for number, echo in enumerate(told):
        said = {**GOOD, "reason": f"{CONTROL}{echo}", "hints": {f"{echo}": echo, "dehalo": 0.1}, "tags": [echo]}
        reads, refuses = says(json.dumps(said), f"{CONTROL}{echo}"), says(None, refusal=f"{CONTROL}{echo}")
        steps += [refuses if number % 3 else reads]
    steps += [says(f"{CONTROL}{KEY[:-1]} no JSON"), says(json.dumps({**GOOD, "score": KEY}))]
    for number in range(len(steps)):
        images.write(tmp_path / "lr" / f"{number:02}.png", draw_face(16, number))
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    streams = {name: io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for name in ("stdout", "stderr")}
    out = tmp_path / "out"
    with Loopback(*steps, good) as server:
        arm = {"auditor": "openai", "base_url": server.url, "model": "vlm", "attempts": 1,
               "preflight": False, "give_up": 0, "cache": str(tmp_path / "cache"), "cache_unusable": True}  # fmt: skip
        changes = ["families.general.backend=bicubic", f"arms.lvlm={json.dumps(arm)}"]
        words = ["run", "--lvlm", "--family", "general", "--lr", str(tmp_path / "lr"), "--out", str(out), "--offline"]
        monkeypatch.setattr(sys, "argv", ["fsrbench", *words, "--no-evaluate", *(f"--set={one}" for one in changes)])
        for name, stream in streams.items():
            monkeypatch.setattr(sys, name, stream)
        with pytest.raises(SystemExit) as ended:
            app.main()
    assert ended.value.code == 3, streams["stderr"].buffer.getvalue()
    printed = {name: stream.buffer.getvalue() for name, stream in streams.items()}
    stored = {str(path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".png"}
    assert len([name for name in stored if "audits" in name]) >= len(told)
    assert b"failed:" in printed["stderr"]
    with (out / "failures.csv").open(encoding="utf-8", newline="") as file:
        assert len(list(csv.DictReader(file))) == len(told)
    for name, data in {**stored, **printed}.items():
        text = readable(data)
        assert not shows(KEY, text), name
        assert not [char for char in text if char not in "\n\t" and not foreign.printable(char)], name


def test_a_damaged_setting_cannot_write_to_the_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own.yaml").write_text('"\\e]0;x\\a[bold]\\e[2J\\u202e": 1\n', encoding="utf-8")
    stream = io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True)
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(sys, "argv", ["fsrbench", "run", "--config", str(tmp_path / "own.yaml"), "--family", "\x1b[2J"])
    with pytest.raises(SystemExit) as ended:
        app.main()
    assert ended.value.code == 2
    text = readable(stream.buffer.getvalue())
    assert "[bold]" in text
    assert not [char for char in text if char != "\n" and not foreign.printable(char)]


# ------------------------------------------------------------------ harmless


@settings(max_examples=60, deadline=None)
@given(st.text())
def test_harmless_text_holds_nothing_that_a_terminal_obeys(text: str) -> None:
    told = foreign.harmless(text)
    assert len(told) == len(text)
    assert all(char in "\n\t" or foreign.printable(char) for char in told)
    assert "\n" not in foreign.line(text)
    assert foreign.harmless(told) == told
    assert "\n" not in md.escape(text)
    assert all(foreign.printable(char) or char == "\t" for char in md.escape(text))


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.text(max_size=5), st.text(), max_size=3))
def test_harmless_json_loses_nothing(value: Any) -> None:
    text = foreign.as_json(value, indent=1)
    assert json.loads(text) == value
    assert all(char == "\n" or foreign.printable(char) for char in text if char != "\x7f")
    assert json.loads(as_json(value)) == value


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(min_size=1), min_size=1, max_size=5))
def test_tables_hold_harmless_text(tmp_path_factory: pytest.TempPathFactory, words: list[str]) -> None:
    path = tmp_path_factory.getbasetemp() / "words.csv"
    csvfile.write(path, ("family", "why"), [(word, word) for word in words])
    text = readable(path.read_bytes())
    assert all(char in "\n\t" or foreign.printable(char) for char in text)
    assert [row["why"] for row in csvfile.read(path, ("family", "why"))] == [foreign.harmless(word) for word in words]


def test_tables_on_a_terminal_are_drawn_from_harmless_text(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True)
    monkeypatch.setattr(sys, "stdout", stream)
    console.guard()
    table = Table(f"a[red]{CONTROL}")
    table.add_row(f"[bold]b{CONTROL}")
    table.add_row(Text(f"c{CONTROL}"))
    console.show_table(table)
    print(f"d{CONTROL}")
    text = readable(stream.buffer.getvalue())
    assert "a[red]" in text
    assert "[bold]b" in text
    assert all(char == "\n" or foreign.printable(char) for char in text)


def test_junit_holds_no_character_that_xml_has_not() -> None:
    from xml.etree import ElementTree

    ElementTree.fromstring(verdicts.junit(Check(obstacles=(CONTROL,))).decode().split("\n", 1)[1])


# ------------------------------------------------------------- nothing ends a run


@settings(max_examples=60, deadline=None)
@given(
    st.text()
    | st.sampled_from(RETRY_AFTER)
    | st.from_regex(r"\w{3}, \d{1,6} \w{3} \d{1,6} \d\d:\d\d:\d\d [+-]\d{4,20}")
)
def test_any_retry_after_is_seconds_or_nothing(value: str) -> None:
    seconds = _wire.retry_after({"retry-after": value})
    assert seconds is None or (seconds >= 0 and not math.isnan(seconds))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["stop", "error", 10**400]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["choices", "message", "content", "text", "usage", "error", "code", "detail", "refusal", "model"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None)
@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()), st.integers(100, 999), st.text())
def test_any_reply_is_read_or_a_sentence(body: bytes, status: int, location: str) -> None:
    told = _wire.from_status(status, {"location": location}, body)
    assert str(status) in str(told)
    try:
        value = _wire.parse_body(body)
    except _wire.Failed:
        return
    made = _wire.completion(value, "text", 1, 0.5, None)
    made.text.encode()
    _wire.tokens(value)


@settings(max_examples=60, deadline=None)
@given(st.text() | JSON.map(json.dumps) | JSON.map(lambda value: json.dumps({**GOOD, "hints": value, "reason": value})))
def test_any_words_of_a_model_are_fields_or_unusable(text: str) -> None:
    try:
        said = audit.parse(text, question_schema(), Bounds())
    except reply.Unusable:
        return
    assert said.reason.isprintable()


def question_schema() -> dict[str, Any]:
    return {"properties": {"hints": {"properties": {"dehalo": {"type": ["number", "null"]}}}}}


def test_a_parser_that_fails_is_a_failed_reply(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise OverflowError("date value out of range")

    monkeypatch.setattr(_wire, "json", SimpleNamespace(loads=broken))
    with Loopback(good) as server, pytest.raises(AuditorUnreachable, match=r"could not be read \(OverflowError\)"):
        ask(server.url)
    monkeypatch.undo()
    monkeypatch.setattr(audit, "parse", broken)
    with Loopback(good) as server:
        said = ask(server.url).audit
    assert (said.status, said.reason) == ("invalid", "unusable: it could not be read (OverflowError)")
