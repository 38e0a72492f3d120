"""What servers that do harm send: bodies, how they are framed and packed, and in what time."""

from __future__ import annotations

import base64
import functools
import gzip
import json
import socket
import time
import zlib
from collections.abc import Callable
from typing import Any

from support.loopback import GOOD

KEY = "sk-proj-4fQ9_zLm2XcV8bN-1aS7dF5gH3jK6lP0"
PATIENCE = 20.0
CONTROL = "\x1b[2J\x1b]8;;http://evil/\x07\x9b31m\u202egnp.exe\r\x00\ufeff"
"""What a terminal would obey."""
Send = Callable[[socket.socket], None]


# -------------------------------------------------------------------- bodies


def completion(**changed: Any) -> bytes:
    """A chat completion that could be used, but for what is changed."""
    message = {"role": "assistant", "content": json.dumps(GOOD)}
    whole = {
        "model": "vlm",
        "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5},
    }
    return json.dumps({**whole, **changed}).encode()


def says(content: Any, finish: Any = "stop", **message: Any) -> bytes:
    """A completion with these words."""
    return completion(choices=[{"finish_reason": finish, "message": {"content": content, **message}}])


def wrong(message: Any, **more: Any) -> bytes:
    """An error in the usual form."""
    return json.dumps({"error": {"message": message, **more}}).encode()


def unicode_escapes(text: str) -> str:
    return "".join(f"\\u{ord(char):04x}" for char in text)


def echoes(key: str) -> dict[str, str]:
    """The key, as servers and those who mean harm may hand it back."""
    half = len(key) // 2
    return {
        "whole": key,
        "cut": key[:-4],
        "last part": key[-9:],
        "escaped": unicode_escapes(key),
        "twice escaped": unicode_escapes(key).replace("\\", "\\\\"),
        "percent": "".join(f"%{ord(char):02x}" for char in key),
        "entities": "".join(f"&#{ord(char)};" for char in key),
        "base64": base64.b64encode(f"key={key}".encode()).decode(),
        "base64 for addresses": base64.urlsafe_b64encode(f"{key}!".encode()).decode(),
        "hex": key.encode().hex(),
        "control characters": "\x00".join(key),
        "zero width": "\u200b".join(key),
        "spaces": " ".join(key),
        "one missing": key[:half] + key[half + 1 :],
        "one changed": key[:half] + "?" + key[half + 1 :],
        "capitals": key.upper(),
        "across the cut": "x" * 290 + key,
    }


BAD_BODIES: dict[str, bytes] = {
    "echo": wrong(f"{CONTROL} Incorrect API key provided: {KEY}.", code="invalid_api_key"),
    "page": f"<html><title>{CONTROL}{KEY[:-3]}</title>[bold]x[/bold]</html>".encode(),
    "nothing": b"",
    "nested": b'{"error":' * 30_000,
    "raw": bytes(range(256)) * 8,
}


# ------------------------------------------------------------------- framing


def head(status: int | str, *lines: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status} X", *lines, "", ""]).encode("latin-1")


def whole(status: int, body: bytes, *lines: str) -> bytes:
    """With its length."""
    return head(status, f"Content-Length: {len(body)}", *lines) + body


def chunked(status: int, body: bytes, *lines: str, size: int = 1000) -> bytes:
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    framed = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return head(status, "Transfer-Encoding: chunked", *lines) + framed + b"0\r\n\r\n"


def to_the_end(status: int, body: bytes, *lines: str) -> bytes:
    """Without a length: the connection's end is the body's."""
    return head(status, *lines) + body


FRAMINGS: dict[str, Callable[..., bytes]] = {"length": whole, "chunked": chunked, "to the end": to_the_end}
ENCODINGS: dict[str, Callable[[bytes], bytes]] = {
    "identity": lambda body: body,
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": lambda body: b"\x8b" + body,
    "zstd": lambda body: b"\x28\xb5\x2f\xfd" + body,
    "gzip, gzip": lambda body: gzip.compress(gzip.compress(body)),
}


@functools.cache
def bomb(megabytes: int, wrap: int = 31) -> bytes:
    """Zeros, some hundredth as long as they will be."""
    packer = zlib.compressobj(1, zlib.DEFLATED, wrap)
    block = bytes(1_000_000)
    return b"".join([*(packer.compress(block) for _ in range(megabytes)), packer.flush()])


# -------------------------------------------------------------------- timing


def at_once(data: bytes) -> Send:
    return lambda line: line.sendall(data)


def endless(first: bytes, piece: bytes, pause: float = 0.0) -> Send:
    """The first bytes at once, then the same piece for ever."""

    def send(line: socket.socket) -> None:
        line.sendall(first)
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            line.sendall(piece)
            if pause:
                time.sleep(pause)

    return send


def drips(first: bytes, piece: bytes) -> Send:
    return endless(first, piece, 0.02)


def then_silence(first: bytes) -> Send:
    def send(line: socket.socket) -> None:
        line.sendall(first)
        line.settimeout(PATIENCE)
        line.recv(1)  # until the client has had enough

    return send
