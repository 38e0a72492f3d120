"""One HTTP exchange under one clock and one size, in the place of the transport below the `openai` client.

Every byte passes `_Line`, which is a socket: names, TLS, heads, 1xx replies, bodies good and bad, trailers. There the
time that is left of the whole exchange is all that any step may take, and what came is counted. A body is read here
to its end and its compression undone within the same size, so that whoever reads it later reads bounded memory. No
redirect is followed and no connection is kept: nothing that one exchange left behind can be taken for the next one's.
What a status or a body means is left to `_wire.py`.
"""

from __future__ import annotations

import importlib
import socket
import ssl
import time
import urllib.request
import zlib
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from fsrbench.auditors._wire import ADDRESS, Failed

if TYPE_CHECKING:
    from collections.abc import Callable

WORDS = 65_536
"""Bytes that are kept of a body that comes with another status than success: it is only read for its sentence."""
CHUNK = 65_536
"""Bytes that are read at once."""
KEPT = ("retry-after", "location", "content-encoding")
"""Headers that mean something here; nobody further up sees another one."""


class Transport:
    """What the `openai` client sends through; satisfies its library's `BaseTransport`."""

    def __init__(self, library: Any, most: int) -> None:
        """`library` is httpx or the one that has taken its place; `most` are the bytes of a good reply."""
        self._library = library
        self._core = importlib.import_module(library.__name__.replace("httpx", "httpcore"))
        self._most = most

    def handle_request(self, request: Any) -> Any:
        """Send the request and read the whole reply, or raise Failed."""
        seconds = request.extensions["timeout"]["read"]
        allowance = _Allowance(seconds, self._most)
        url = request.url
        target = self._core.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
        asked = self._core.Request(request.method, target, headers=request.headers.raw, content=request.stream)
        try:
            with self._pool(url, allowance) as pool:
                reply = pool.handle_request(asked)
                headers = _headers(reply.headers)
                body = self._body(reply, headers.pop("content-encoding", ""), allowance)
        except (Failed, MemoryError):
            raise
        except TimeoutError:
            raise Failed(allowance.passed) from None
        except Exception as error:  # refused, reset, no such host, no certificate, no HTTP: nothing else is done here
            nobody = isinstance(error, (ConnectionRefusedError, socket.gaierror, ssl.SSLError))
            told = f"the connection failed ({type(error).__name__}: {error})"
            raise Failed(told, cure=ADDRESS if nobody else "") from None
        return self._library.Response(reply.status, headers=headers, content=body)

    def close(self) -> None:
        """Nothing is kept open."""

    @cached_property
    def _trusted(self) -> ssl.SSLContext:
        """The certificates that this machine trusts."""
        context: ssl.SSLContext = self._library.create_ssl_context()
        return context

    def _pool(self, url: Any, allowance: _Allowance) -> Any:
        """Whom to connect to: the server, or the proxy that the environment names for it."""
        context = self._trusted if url.scheme == "https" else None
        common = {"ssl_context": context, "network_backend": _Network(allowance, self._core)}
        place = f"{url.host}:{url.port}" if url.port else url.host
        proxy = None if urllib.request.proxy_bypass(place) else _proxy(url.scheme)
        if proxy is None:
            return self._core.ConnectionPool(**common)
        parts = urlsplit(proxy)
        given = (unquote(parts.username or ""), unquote(parts.password or ""))
        kind = self._core.SOCKSProxy if parts.scheme.startswith("socks") else self._core.HTTPProxy
        bare = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
        return kind(proxy_url=bare, proxy_auth=given if any(given) else None, **common)

    def _body(self, reply: Any, encoding: str, allowance: _Allowance) -> bytes:
        """The body; with a bad status as much of it as came, since the status says what matters."""
        good = 200 <= reply.status < 300
        most = self._most if good else WORDS
        body = bytearray()
        try:
            for piece in reply.stream:
                allowance.seconds()
                body += piece
                if len(body) > most:
                    raise Failed(allowance.too_long)
            return _inflated(bytes(body), encoding, allowance.too_long, most)
        except Exception:
            if good:
                raise
            return b"" if encoding else bytes(body[:most])
        finally:
            reply.close()


class _Allowance:
    """What is left of an exchange's time and size."""

    def __init__(self, seconds: float, most: int) -> None:
        self._until = time.monotonic() + seconds
        self._seconds = seconds
        self._left = 2 * most
        self._begun = False
        self.too_long = f"its reply is longer than {most:,} bytes (limits.max_reply)"
        """Why it failed, where the size is passed."""

    @property
    def passed(self) -> str:
        """Why it failed, where the time is."""
        if self._begun:
            return f"its reply was not complete after {self._seconds:.3g} s (setting timeout)"
        return f"no reply within {self._seconds:.3g} s (setting timeout)"

    def seconds(self) -> float:
        """How long the next step may take."""
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def count(self, data: bytes) -> bytes:
        """The same bytes, counted: a head, or what frames a body, may be as long as the body itself."""
        self._begun = True
        self._left -= len(data)
        if self._left < 0:
            raise Failed(self.too_long)
        return data


class _Network:
    """Opens lines; satisfies `httpcore.NetworkBackend` as far as it is used."""

    def __init__(self, allowance: _Allowance, core: Any) -> None:
        self._allowance = allowance
        self._core = core

    def connect_tcp(self, host: str, port: int, **_: Any) -> _Line:
        """Connect to the first of the host's addresses that answers; each gets its share of the time."""
        places = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        for left, (family, kind, protocol, _name, address) in zip(range(len(places), 0, -1), places, strict=True):
            line = socket.socket(family, kind, protocol)
            try:
                line.settimeout(self._allowance.seconds() / left)
                line.connect(address)
                line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except OSError:
                line.close()
                if left == 1:
                    raise
            else:
                return _Line(line, self._allowance, self._core)
        raise OSError(f"{host} has no address")


class _Line:
    """A socket. Each step takes no longer than what is left of the exchange, and what comes is counted.

    Satisfies `httpcore.NetworkStream` as far as it is used; the time-outs that come with calls are not the clock.
    """

    def __init__(self, line: socket.socket, allowance: _Allowance, core: Any) -> None:
        self._line = line
        self._allowance = allowance
        self._core = core

    def read(self, most: int, **_: Any) -> bytes:
        """What has come; nothing at the end."""
        self._line.settimeout(self._allowance.seconds())
        return self._allowance.count(self._line.recv(most))

    def write(self, data: bytes, **_: Any) -> None:
        """Send all of it."""
        rest = memoryview(data)
        while rest:
            self._line.settimeout(self._allowance.seconds())
            try:
                rest = rest[self._line.send(rest) :]
            except ConnectionError as error:  # the server may have answered before it closed: that is read
                raise self._core.WriteError(str(error)) from None

    def close(self) -> None:
        """Let go."""
        self._line.close()

    def start_tls(self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, **_: Any) -> _Sealed:
        """The same, sealed."""
        return _Sealed(self, ssl_context, server_hostname)

    def get_extra_info(self, _info: str) -> None:
        """Nothing that would lead to another protocol than HTTP/1.1."""


class _Sealed(_Line):
    """TLS over a line, or over one that is sealed already."""

    def __init__(self, line: _Line, context: ssl.SSLContext, host: str | None) -> None:
        self._below = line
        self._came, self._goes = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._came, self._goes, server_hostname=host)
        try:
            self._through(self._tls.do_handshake)
        except BaseException:
            line.close()
            raise

    def read(self, most: int, **_: Any) -> bytes:
        try:
            data: bytes = self._through(self._tls.read, most)
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return b""
        return data

    def write(self, data: bytes, **_: Any) -> None:
        self._through(self._tls.write, data)

    def close(self) -> None:
        self._below.close()

    def _through(self, step: Callable[..., Any], *given: Any) -> Any:
        """One step of TLS, with as much reading and writing below as it wants."""
        while True:
            wants = False
            try:
                done = step(*given)
            except ssl.SSLWantReadError:
                wants = True
            if self._goes.pending:
                self._below.write(self._goes.read())
            if not wants:
                return done
            data = self._below.read(CHUNK)
            self._came.write(data) if data else self._came.write_eof()


def _headers(raw: Any) -> dict[str, str]:
    """Those that are used, the first of each name, as ASCII: nothing else is a number, a date or an address."""
    found: dict[str, str] = {}
    for name, value in raw:
        text = name.decode("latin-1").lower()
        if text in KEPT:
            found.setdefault(text, value.decode("latin-1").encode("ascii", "replace").decode().strip())
    return found


def _inflated(body: bytes, encoding: str, too_long: str, most: int) -> bytes:
    """The body as it was before it was compressed. Nobody asked for that, and only the oldest way is undone."""
    if encoding.lower() in ("", "identity"):
        return body
    if encoding.lower() not in ("gzip", "x-gzip", "deflate"):
        raise Failed(f"its reply is compressed ({encoding[:40]}), which was not asked for")
    inflater = zlib.decompressobj(zlib.MAX_WBITS | 32)
    try:
        plain = inflater.decompress(body, most + 1)
    except zlib.error:
        raise Failed("its reply is compressed, and damaged") from None
    if len(plain) > most:
        raise Failed(too_long)
    if not inflater.eof:
        raise Failed("its reply is compressed, and not complete")
    return plain


def _proxy(scheme: str) -> str | None:
    """The proxy that the environment names for addresses of this kind."""
    named = urllib.request.getproxies()
    proxy = named.get(scheme) or named.get("all")
    return proxy if not proxy or "://" in proxy else f"http://{proxy}"
