"""Servers that do harm: what one connection of each kind sends, byte by byte, after it has read a whole request.

`modes` gives them by name: status × framing × encoding × body × timing, and what no product of those gives. Each stops
by itself after PATIENCE seconds, so that a client without a clock fails its test instead of hanging it.
"""

from __future__ import annotations

import contextlib
import json
import socketserver
import threading
from collections.abc import Iterator

from support.harm import (
    BAD_BODIES,
    CONTROL,
    ENCODINGS,
    FRAMINGS,
    KEY,
    Send,
    at_once,
    bomb,
    chunked,
    completion,
    drips,
    echoes,
    endless,
    head,
    says,
    then_silence,
    to_the_end,
    unicode_escapes,
    whole,
    wrong,
)
from support.loopback import GOOD

STATUSES = (
    101,
    201,
    204,
    300,
    304,
    400,
    401,
    402,
    403,
    404,
    408,
    409,
    413,
    418,
    422,
    425,
    429,
    500,
    501,
    502,
    503,
    529,
)
REDIRECTS = (301, 302, 303, 307, 308)
RETRY_AFTER = (
    "Sat, 01 Jan 0000 00:00:00 GMT", "Sat, 01 Jan 99999 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 -2359",
    "Mon, 01 Jan 0001 00:00:00 +2359", "nan", "inf", "-inf", "-5", "1e999", "1e400", "9" * 400, "", " ", "soon",
    "0x10", "1_000_000", "Wed, 99 Foo 2026 99:99:99 GMT", "Thu, 01 Jan 1970 00:00:00 +99999999999999999999", "\xff\xfe",
    "0.01", "00:00", "1, 2", "Wed, 21 Oct 2015 07:28:00 GMT",
)  # fmt: skip
NUMBER = "9" * 5000
ODD: dict[str, bytes] = {
    "a number of 5,000 digits": b'{"choices": [{"message": {"content": "x"}}], "usage": ' + NUMBER.encode() + b"}",
    "tokens of 5,000 digits": completion().replace(b'"prompt_tokens": 10', b'"prompt_tokens": ' + NUMBER.encode()),
    "tokens of 1e400": completion().replace(b'"prompt_tokens": 10', b'"prompt_tokens": 1e400'),
    "tokens below zero": completion(usage={"prompt_tokens": -1, "completion_tokens": -(10**30)}),
    "tokens are a list": completion(usage=[1, 2]),
    "tokens are true": completion(usage={"prompt_tokens": True, "completion_tokens": None}),
    "NaN": b'{"choices": [NaN], "usage": Infinity}',
    "choices are none": completion(choices=None),
    "choices are empty": completion(choices=[]),
    "choices are text": completion(choices="stop"),
    "a choice is a list": completion(choices=[[1]]),
    "a message is text": completion(choices=[{"message": "hello"}]),
    "content is a number": says(7),
    "content is nested lists": says([[[{"text": {"text": [1]}}]], {"text": 3}]),
    "content is deep": b'{"choices": [{"message": {"content": ' + b"[" * 900 + b"]" * 900 + b"}}]}",
    "too deep": b"[" * 100_000,
    "a list": b"[1, 2, 3]",
    "null": b"null",
    "a million values": b"[" + b"{}," * 1_000_000 + b"{}]",
    "halves of pairs": says("\ud800 \udfff" + json.dumps(GOOD), model="\udcff"),
    "names twice": b'{"choices": [], "choices": [{"message": {"content": "a", "content": "b"}}]}',
    "UTF-16": completion().decode().encode("utf-16"),
    "a mark before it": b"\xef\xbb\xbf" + completion(),
    "finish and model with controls": completion(
        model=CONTROL + KEY, choices=[{"finish_reason": CONTROL + KEY, "message": {"content": ""}}]
    ),
    "a refusal with controls": says(None, refusal=f"{CONTROL} no, {KEY} {unicode_escapes(KEY)}"),
    "an error with success": wrong(f"{CONTROL}{KEY}"),
    "an error that is a number": json.dumps({"error": 10**300}).encode(),
    "score of 5,000 digits": says(json.dumps(GOOD).replace("72", NUMBER)),
    "score of 1e999": says(json.dumps(GOOD).replace("72", "1e999")),
    "reply too deep": says("{" * 50_000),
    "fences without end": says("```json\n" * 20_000),
    "reason with controls": says(json.dumps({**GOOD, "reason": CONTROL + KEY})),
    "hints with controls": says(json.dumps({**GOOD, "hints": {CONTROL + KEY: CONTROL + KEY}})),
    "tags with controls": says(json.dumps({**GOOD, "tags": [CONTROL, KEY]})),
    "names of 100,000 characters": says(json.dumps({**GOOD, "x" * 100_000: 1})),
    "cut off": completion()[:-20],
}  # fmt: skip
HEADS: dict[str, Send] = {
    "nothing, and closed": at_once(b""),
    "no HTTP": at_once(b"SSH-2.0-OpenSSH_9.6\r\n"),
    "another protocol": at_once(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(100)),
    "a status line of control characters": at_once(f"HTTP/1.1 200 {CONTROL}{KEY}\r\n\r\n".encode()),
    "a header that is none": at_once(f"HTTP/1.1 200 OK\r\n{KEY} {CONTROL}\r\n\r\n".encode()),
    "status 000": at_once(head("000") + b"x"),
    "status 999": at_once(whole(999, BAD_BODIES["echo"])),
    "status 20": at_once(head("20")),
    "status of 5,000 digits": at_once(head(NUMBER)),
    "a header of a megabyte": at_once(head(200, "X: " + "y" * 1_000_000)),
    "a hundred thousand headers": at_once(head(200, *(f"X-{number}: y" for number in range(100_000)))),
    "a header without end": endless(b"HTTP/1.1 200 OK\r\nX: ", b"y" * 10_000),
    "headers without end": endless(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 1000),
    "a status line without end": endless(b"HTTP/1.1 ", b"2" * 10_000),
    "folded for ever": endless(b"HTTP/1.1 200 OK\r\nX: y\r\n", b" z\r\n" * 1000),
    "empty lines for ever": endless(b"", b"\r\n" * 1000),
    "1xx for ever": endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
    "103 for ever": endless(b"", b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n" * 100),
    "1xx in drips": drips(b"", b"HTTP/1.1 102 Processing\r\n\r\n"),
    "two lengths": at_once(head(200, "Content-Length: 3", "Content-Length: 5") + b"abc"),
    "a length below zero": at_once(head(200, "Content-Length: -1") + b"abc"),
    "a length of 5,000 digits": at_once(head(200, f"Content-Length: {NUMBER}") + b"abc"),
    "a length of 10 exabytes": endless(head(200, "Content-Length: " + "9" * 19), b"x" * 50_000),
    "a length too long": at_once(head(200, "Content-Length: 99999") + completion()),
    "length and chunks": at_once(head(200, "Content-Length: 3", "Transfer-Encoding: chunked") + b"1\r\na\r\n0\r\n\r\n"),
    "a chunk that has no size": at_once(head(200, "Transfer-Encoding: chunked") + f"{KEY}{CONTROL}\r\n".encode()),
    "a chunk of 5,000 digits": at_once(head(200, "Transfer-Encoding: chunked") + NUMBER.encode() + b"\r\n"),
    "a chunk's extension without end": endless(head(200, "Transfer-Encoding: chunked") + b"1;", b"x" * 10_000),
    "chunks of one byte for ever": endless(head(200, "Transfer-Encoding: chunked"), b"1\r\n \r\n" * 1000),
    "trailers without end": endless(chunked(200, completion())[:-2], b"X: y\r\n" * 1000),
    "trailers in drips": drips(chunked(200, completion())[:-2], b"X: y\r\n"),
    "another encoding of transfer": at_once(head(200, "Transfer-Encoding: gzip") + completion()),
    "cookies and the like": at_once(whole(200, completion(), f"Set-Cookie: k={KEY}", "Refresh: 0;url=http://evil/")),
    "a charset of escapes": at_once(whole(500, BAD_BODIES["echo"], "Content-Type: a/b; charset=unicode_escape")),
    "a charset of bytes": at_once(whole(400, BAD_BODIES["echo"], "Content-Type: text/html; charset=zip")),
    "an encoding of control characters": at_once(
        to_the_end(200, b"x").replace(b"\r\n\r\n", f"\r\nContent-Encoding: {KEY}\x9b\r\n\r\n".encode("latin-1"), 1)
    ),
}  # fmt: skip


def modes(trap: str) -> Iterator[tuple[str, Send]]:
    """Every mode by name; `trap` is an address to which nobody must go."""
    for status in STATUSES:
        for name, body in BAD_BODIES.items():
            yield f"{status}, {name}", at_once(whole(status, body))
    for framing, frame in FRAMINGS.items():
        for encoding, encode in ENCODINGS.items():
            for status in (200, 500):
                body = encode(completion() if status == 200 else BAD_BODIES["echo"])
                yield f"{status}, {framing}, {encoding}", at_once(frame(status, body, f"Content-Encoding: {encoding}"))
    for status in (200, 307, 401, 429, 500):
        begun = to_the_end(status, b"", f"Location: {trap}")
        yield f"{status}, head in drips", drips(begun[:-2] + b"X: ", b"y")
        yield f"{status}, body in drips", drips(begun, b" ")
        yield f"{status}, chunks in drips", drips(head(status, "Transfer-Encoding: chunked"), b"1\r\n \r\n")
        yield f"{status}, body without end", endless(begun, b" " * 50_000)
        yield f"{status}, silence in the head", then_silence(begun[:-2])
        yield f"{status}, silence in the body", then_silence(begun)
        yield f"{status}, gzip without end", endless(head(status, "Content-Encoding: gzip"), bomb(2))
    for name, wrap, encoding in (("gzip", 31, "gzip"), ("zlib", 15, "deflate"), ("raw", -15, "deflate")):
        for status in (200, 404, 500):
            packed = bomb(300, wrap)
            yield f"{status}, {name} bomb", at_once(whole(status, packed, f"Content-Encoding: {encoding}"))
    places = {
        "host": trap,
        "bare host": trap.removeprefix("http:"),
        "key": f"{trap}/{KEY}",
        "path": "/elsewhere",
        "broken": "http://[::1",
        "control": f"http://a{KEY}\x9b.example/",
        "other scheme": "file:///etc/passwd",
    }
    for status in REDIRECTS:
        for name, place in places.items():
            yield f"{status}, to a {name}", at_once(whole(status, b"", f"Location: {place}"))
    for number, value in enumerate(RETRY_AFTER):
        yield f"Retry-After {number}: {value[:30]!r}", at_once(whole(429, wrong("slower"), f"Retry-After: {value}"))
    for name, body in ODD.items():
        yield name, at_once(whole(200, body))
    for name, echo in echoes(KEY).items():
        yield f"key in an error, {name}", at_once(whole(400, wrong(echo)))
        yield f"key in a reply, {name}", at_once(whole(200, says(json.dumps({**GOOD, "reason": echo}))))
    yield "silence", then_silence(b"")
    yield from HEADS.items()


# -------------------------------------------------------------------- server


class Hostile:
    """A listener whose mode is the first part of the path; another one that counts who comes."""

    def __init__(self) -> None:
        self.strays = 0
        """Connections to the address that nobody should go to."""
        outer = self

        class Talk(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                with contextlib.suppress(OSError):
                    path, length = b"", 0
                    while line := self.rfile.readline().strip():
                        path = path or line
                        name, _, value = line.partition(b":")
                        length = int(value) if name.lower() == b"content-length" else length
                    if len(self.rfile.read(length)) < length or not path:
                        return  # a client that had no time left
                    outer.sends[int(path.split()[1].split(b"/")[1])](self.connection)

        class Stray(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                outer.strays += 1

        self._servers = [_Server(("127.0.0.1", 0), kind) for kind in (Talk, Stray)]
        self.port, trap = (server.server_address[1] for server in self._servers)
        found = dict(modes(f"http://127.0.0.1:{trap}/v1"))
        self.names = list(found)
        """Modes by number."""
        self.sends = list(found.values())
        self._threads = [
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True) for server in self._servers
        ]

    def url(self, mode: int) -> str:
        return f"http://127.0.0.1:{self.port}/{mode}/v1"

    def __enter__(self) -> Hostile:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for server, thread in zip(self._servers, self._threads, strict=True):
            server.shutdown()
            server.server_close()
            thread.join(5)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 128
