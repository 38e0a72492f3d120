"""A server on loopback that speaks the real protocol to the real client, and misbehaves on purpose."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from fsrbench.auditors import _chat

GOOD = {"score": 72, "confidence": 85, "tags": ["ringing"], "hints": {"dehalo": 0.4}, "reason": "Halos."}
Step = Callable[[BaseHTTPRequestHandler], None]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


class Loopback:
    """Speaks chat completions on loopback: one step of the script a request, the last one for all that follow.

    Or the step that `choose` names for the request.
    """

    def __init__(self, *steps: Step, choose: Callable[[dict[str, Any]], Step] | None = None) -> None:
        self.steps = list(steps)
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.arrivals: list[float] = []
        lock, outer = threading.Lock(), self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with lock:
                    outer.requests.append({"path": self.path, **json.loads(body)})
                    outer.headers.append({name.lower(): value for name, value in self.headers.items()})
                    outer.arrivals.append(time.monotonic())
                    if choose is not None:
                        step = choose(outer.requests[-1])
                    else:
                        step = outer.steps.pop(0) if len(outer.steps) > 1 else outer.steps[0]
                with contextlib.suppress(ConnectionError):
                    step(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> Loopback:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


def send(
    handler: BaseHTTPRequestHandler, status: int, body: bytes, kind: str = "application/json", **headers: str
) -> None:
    handler.send_response(status)
    handler.send_header("Content-Type", kind)
    handler.send_header("Content-Length", str(len(body)))
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


def completion(content: Any, finish: str = "stop", **message: Any) -> bytes:
    return json.dumps(
        {
            "id": "1",
            "object": "chat.completion",
            "created": 1,
            "model": "vlm-7b-really",
            "choices": [
                {
                    "index": 0,
                    "finish_reason": finish,
                    "message": {"role": "assistant", "content": content, **message},
                }
            ],
            "usage": {"prompt_tokens": 1000, "completion_tokens": 50, "total_tokens": 1050},
        }
    ).encode()


def says(content: Any, finish: str = "stop", **message: Any) -> Step:
    return lambda handler: send(handler, 200, completion(content, finish, **message))


def fails(status: int, message: str = "no", **headers: str) -> Step:
    body = json.dumps({"error": {"message": message, "type": "t", "param": None, "code": None}}).encode()
    return lambda handler: send(handler, status, body, **headers)


def resets(handler: BaseHTTPRequestHandler) -> None:
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.close_connection = True


def breaks_off(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", "5000")
    handler.end_headers()
    handler.wfile.write(b'{"choices": [')
    handler.wfile.flush()
    handler.close_connection = True


def drips(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "5000")
    handler.end_headers()
    for _ in range(100):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.05)


def html(handler: BaseHTTPRequestHandler) -> None:
    send(handler, 200, b"<html>Please log in</html>", "text/html")


def overloaded(handler: BaseHTTPRequestHandler) -> None:
    send(handler, 200, b'{"error": {"message": "overloaded"}}')


good = says(json.dumps(GOOD))


def watch(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many requests were in flight whenever one began."""
    counts: list[int] = []
    lock, busy, real = threading.Lock(), [0], _chat.Chat._request

    def counted(self: Any, *args: Any) -> Any:
        with lock:
            busy[0] += 1
            counts.append(busy[0])
        try:
            return real(self, *args)
        finally:
            with lock:
                busy[0] -= 1

    monkeypatch.setattr(_chat.Chat, "_request", counted)
    return counts
