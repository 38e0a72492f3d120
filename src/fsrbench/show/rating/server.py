"""The page served to browsers of this machine: on 127.0.0.1, below a secret, and to nobody else.

Every request must name the secret in its path, this server in its Host, and no other page as its Origin; all else is
refused with 403 and no word. Work is done by a fixed number of threads.
"""

from __future__ import annotations

import hmac
import json
import secrets
import socket
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from fsrbench.core.errors import FsrbenchError, SettingsError
from fsrbench.show.rating import document
from fsrbench.show.rating.session import RatingSession

HOST = "127.0.0.1"
THREADS = 8
"""Requests that are worked on at once."""
SECONDS = 10.0
"""That a request may take to arrive, and a reply to be taken."""
MAX_BODY = 10_000
"""Bytes of what a browser may send."""
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class RatingServer(HTTPServer):
    """Serves one session below `/SECRET/`."""

    request_queue_size = 64

    def __init__(self, session: RatingSession, port: int = 0, *, reference: bool) -> None:
        self.session = session
        self.page = document.html({}, reference=reference).encode()
        self.secret = secrets.token_urlsafe(24)
        self._pool = ThreadPoolExecutor(THREADS, "fsrbench-rate")
        try:
            super().__init__((HOST, port), _Handler)
        except (OSError, OverflowError) as error:
            raise SettingsError(f"--port {port} cannot be used: {error}. Name another, or none.") from None
        self.names = {f"{host}:{self.server_port}" for host in (HOST, "localhost")}

    @property
    def address(self) -> str:
        """What is opened in a browser."""
        return f"http://{HOST}:{self.server_port}/{self.secret}/"

    def process_request(self, request: socket.socket | tuple[bytes, socket.socket], client_address: Any) -> None:
        """Handled by one of the threads."""
        self._pool.submit(self._work, request, client_address)

    def _work(self, request: socket.socket | tuple[bytes, socket.socket], client_address: Any) -> None:
        try:
            self.finish_request(request, client_address)
        except OSError:  # the browser went away
            pass
        finally:
            self.shutdown_request(request)

    def server_close(self) -> None:
        """No further request; those that are worked on are finished."""
        super().server_close()
        self._pool.shutdown(cancel_futures=True)


class _Handler(BaseHTTPRequestHandler):
    """One request."""

    server: RatingServer
    timeout = SECONDS

    def do_GET(self) -> None:
        """The page, or a picture."""
        asked = self._asked()
        if asked is None:
            self._send(403)
        elif asked == "":
            self._send(200, self.server.page, "text/html; charset=utf-8")
        else:
            folder, _, name = asked.partition("/")
            known = self._picture(name.removesuffix(".png")) if folder == "pictures" else None
            self._send(404) if known is None else self._send(200, known, "image/png")

    def do_POST(self) -> None:
        """Who begins, or what was chosen."""
        asked = self._asked()
        session = self.server.session
        answers: dict[str | None, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
            "begin": session.begin,
            "choose": session.choose,
        }
        if asked is None or self.headers.get_content_type() != "application/json":
            self._send(403)
        elif asked not in answers:
            self._send(404)
        else:
            self._answer(answers[asked])

    def _answer(self, answer: Callable[[Mapping[str, Any]], dict[str, Any]]) -> None:
        try:
            length = int(self.headers.get("Content-Length", ""))
            told = json.loads(self.rfile.read(length)) if 0 <= length <= MAX_BODY else None
        except (ValueError, RecursionError):
            told = None
        if not isinstance(told, dict):
            self._send(400)
            return
        try:
            status, reply = 200, answer(told)
        except FsrbenchError as error:
            status, reply = 400, {"error": str(error)}
        self._send(status, json.dumps(reply).encode(), "application/json")

    def _picture(self, name: str) -> bytes | None:
        try:
            return self.server.session.png(name)
        except FsrbenchError:  # it is gone or damaged: the page says so
            return None

    def _asked(self) -> str | None:
        """What lies behind the secret in the path; None for whoever may not ask."""
        secret, slash, rest = self.path.removeprefix("/").partition("/")
        known = hmac.compare_digest(secret.encode(errors="replace"), self.server.secret.encode())
        host, origin = self.headers.get("Host", ""), self.headers.get("Origin")
        own = host in self.server.names and origin in (None, f"http://{host}")
        return rest if known and slash and own else None

    def _send(self, status: int, body: bytes = b"", kind: str = "text/plain") -> None:
        self.send_response_only(status)
        for name, value in {**HEADERS, "Content-Type": kind, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: the address would show the secret."""
