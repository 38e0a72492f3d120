"""Chat completions over the `openai` client: one reply, however badly the server behaves, or AuditorUnreachable.

Retries with jitter, honours Retry-After, holds each request to a deadline by the clock (a server that drips
one byte a second does not keep us), and finds out once which reply format and parameters the server takes.
What is asked and what the reply means is left to the auditor.
"""

from __future__ import annotations

import dataclasses
import email.utils
import importlib
import json
import random
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from fsrbench.errors import AuditorUnreachable

if TYPE_CHECKING:
    from openai import OpenAI

MAX_BODY = 8_000_000
"""Bytes of one HTTP reply; more is cut off and counts as a failure of the server."""
MAX_WAIT = 120.0
"""Longest pause in seconds that a server may ask for; beyond it the question is given up for this time."""
SECRET = 8
"""Characters from which a key is blotted out wherever it turns up; shorter ones are words (`none`, `EMPTY`)."""
FORMATS = ("json_schema", "json_object", "text")
"""From the strictest reply format to none."""
REFUSED = (400, 415, 422, 501)
"""Statuses with which servers turn down a parameter that they do not know."""
RETRIED = (408, 409, 425, 429)
"""Statuses besides 5xx after which the same request may succeed."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where to ask, and how patiently."""

    base_url: str | None
    """As given; None is the vendor's own."""
    key: str
    """Never stored, logged or shown."""
    model: str
    """The model to ask for."""
    temperature: float
    """Sampling temperature."""
    max_tokens: int
    """Upper bound on a reply."""
    timeout: float
    """Seconds for one request, from sending it to its last byte."""
    attempts: int
    """Requests for one reply before it is given up."""
    backoff: float
    """Seconds of the first pause; doubled for each further one."""

    @property
    def shown(self) -> str:
        """The address without user, password and query."""
        if self.base_url is None:
            return "the vendor's default server"
        parts = urlsplit(self.base_url)
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


@dataclass(frozen=True, slots=True)
class Dialect:
    """What a server was found to take."""

    format: str = FORMATS[0]
    """One of FORMATS."""
    limit: str = "max_tokens"
    """Name of the parameter that bounds a reply: newer models want max_completion_tokens."""
    left_out: frozenset[str] = frozenset()
    """Parameters that it refuses."""

    def after(self, message: str, *, format_works: bool) -> Dialect | None:
        """The next dialect to try after a refusal with this message; None when there is nothing left to give up."""
        said = message.lower()
        if self.limit == "max_tokens" and "max_completion_tokens" in said:
            return dataclasses.replace(self, limit="max_completion_tokens")
        for name in ("temperature", "seed"):
            if name in said and name not in self.left_out:
                return dataclasses.replace(self, left_out=self.left_out | {name})
        about_format = any(word in said for word in ("response_format", "json", "schema", "structured", "grammar"))
        if self.format != FORMATS[-1] and (about_format or not format_works):
            return dataclasses.replace(self, format=FORMATS[FORMATS.index(self.format) + 1])
        return None


@dataclass(frozen=True, slots=True)
class Completion:
    """One reply of a server, as it came."""

    text: str
    """The message's text, empty where there was none."""
    refusal: str
    """The model's refusal where the protocol carries one apart."""
    finish_reason: str
    """stop, length, content_filter, …; empty where the server names none."""
    model: str
    """The model as the server names it."""
    prompt_tokens: int
    """As the server counted."""
    completion_tokens: int
    """As the server counted."""
    format: str
    """Reply format that was asked for."""
    requests: int
    """Requests sent, refused and failed ones included."""
    seconds: float
    """From the first request to this reply."""


class Chat:
    """A server, ready to be asked from many threads; what one thread learns of it serves all."""

    def __init__(self, server: Server) -> None:
        from openai import OpenAI

        self.server = server
        self._client: OpenAI = OpenAI(
            api_key=server.key, base_url=server.base_url, timeout=server.timeout, max_retries=0
        )
        self._lock = threading.Lock()
        self._dialect = Dialect()
        self._format_works = False
        self._jitter = random.Random()  # decides on pauses only, never on a result

    def ask(self, messages: list[dict[str, Any]], schema: Mapping[str, Any], seed: int) -> Completion:
        """One reply. AuditorUnreachable after bounded retries, or at once where a retry cannot help."""
        started, requests, failures, trouble = time.monotonic(), 0, 0, ""
        dialect = self._dialect
        while failures < self.server.attempts:
            requests += 1
            try:
                body = self._request(dialect, messages, schema, seed)
            except _Refused as error:
                next_dialect = dialect.after(str(error), format_works=self._format_works)
                if next_dialect is None:
                    raise AuditorUnreachable(self._sentence(f"refused the request: {error}")) from None
                dialect = next_dialect
                continue
            except _Failed as error:
                failures += 1
                trouble = str(error)
                if error.final or (error.wait or 0) > MAX_WAIT:
                    break
                if failures < self.server.attempts:
                    self._pause(failures, error.wait)
                continue
            with self._lock:
                self._dialect, self._format_works = dialect, True
            return _completion(body, dialect.format, requests, time.monotonic() - started)
        tries = f"gave no reply after {requests} request{'s' * (requests > 1)}; the last: "
        raise AuditorUnreachable(self._sentence(tries + trouble))

    def scrub(self, value: Any) -> Any:
        """The same JSON-ready value with the key, should a server have echoed it, blotted out."""
        if isinstance(value, str):
            return value.replace(self.server.key, "[key]") if len(self.server.key) >= SECRET else value
        if isinstance(value, Mapping):
            return {self.scrub(name): self.scrub(item) for name, item in value.items()}
        return [self.scrub(item) for item in value] if isinstance(value, list | tuple) else value

    def _sentence(self, what: str) -> str:
        told: str = self.scrub(f"{self.server.shown}, model {self.server.model}, {what}")
        return told[:600]

    def _pause(self, failures: int, asked: float | None) -> None:
        """What the server asks for, else twice as long each time; spread, so that threads do not come back as one."""
        own = min(self.server.backoff * 2 ** (failures - 1), MAX_WAIT) * self._jitter.uniform(0.5, 1.0)
        time.sleep(own if asked is None else asked + own * 0.1)

    def _request(
        self, dialect: Dialect, messages: list[dict[str, Any]], schema: Mapping[str, Any], seed: int
    ) -> dict[str, Any]:
        """Send one request and read its body against the clock."""
        import openai

        options: dict[str, Any] = {
            "temperature": self.server.temperature,
            "seed": seed,
            dialect.limit: self.server.max_tokens,
        }
        options = {name: value for name, value in options.items() if name not in dialect.left_out}
        if dialect.format == "json_schema":
            strict = {"name": "audit", "strict": True, "schema": dict(schema)}
            options["response_format"] = {"type": "json_schema", "json_schema": strict}
        elif dialect.format == "json_object":
            options["response_format"] = {"type": "json_object"}
        deadline = time.monotonic() + self.server.timeout
        create: Any = self._client.chat.completions.with_streaming_response.create
        try:
            with create(model=self.server.model, messages=messages, **options) as response:
                body = bytearray()
                for piece in response.iter_bytes():
                    body += piece
                    if len(body) > MAX_BODY:
                        raise _Failed(f"its reply is longer than {MAX_BODY:,} bytes")
                    if time.monotonic() > deadline:
                        raise _Failed(f"its reply was not complete after {self.server.timeout:g} s")
        except openai.APITimeoutError:
            raise _Failed(f"no reply within {self.server.timeout:g} s (setting timeout)") from None
        except openai.APIStatusError as error:
            raise _from_status(error) from None
        except (openai.APIConnectionError, _transport_error()) as error:
            cause = error.__cause__ or error
            raise _Failed(f"the connection failed ({type(cause).__name__}: {cause})") from None
        return _parse_body(bytes(body))


class _Refused(Exception):
    """The server turned the request down as it is; the text is its message."""


class _Failed(Exception):
    """This attempt brought no reply."""

    def __init__(self, what: str, wait: float | None = None, *, final: bool = False) -> None:
        super().__init__(what)
        self.wait = wait
        """Seconds that the server asked to wait."""
        self.final = final
        """True where another attempt cannot help."""


def _transport_error() -> type[Exception]:
    """Base of the errors that reading a body raises: openai speaks through httpx2 from its version 3 on."""
    import openai

    library = importlib.import_module("httpx" if int(openai.__version__.split(".")[0]) < 3 else "httpx2")
    error: type[Exception] = library.HTTPError
    return error


def _from_status(error: Any) -> _Refused | _Failed:
    """What an HTTP status other than 200 means."""
    status = int(error.status_code)
    told = " ".join(str(error.message).split())[:300]
    if status in REFUSED:
        return _Refused(f"{status}: {told}")
    if status in (401, 403):
        return _Failed(f"{status}, the key is missing or not accepted: {told}", final=True)
    if status == 404:
        return _Failed(f"404, there is no such model or address (many end in /v1): {told}", final=True)
    again = status in RETRIED or status >= 500
    return _Failed(
        f"{status}: {told}",
        _retry_after(error.response.headers),
        final=not again or error.code == "insufficient_quota",
    )


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds from a Retry-After header, which holds seconds or a date."""
    value = headers.get("retry-after", "").strip()
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (TypeError, ValueError):
        return None


def _parse_body(body: bytes) -> dict[str, Any]:
    """A chat completion's JSON, with one choice at least."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        start = body[:60].decode("utf-8", "replace")
        raise _Failed(f"it answered with something that is not JSON: {start!r} (is the address right?)") from None
    choices = value.get("choices") if isinstance(value, dict) else None
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        error = value.get("error") if isinstance(value, dict) else None
        raise _Failed(f"it answered without a completion: {json.dumps(error)[:200]}")
    return dict(value)


def _completion(body: dict[str, Any], used_format: str, requests: int, seconds: float) -> Completion:
    """The fields that matter, whatever types the server has put there."""
    choice = body["choices"][0]
    message = choice.get("message")
    message = message if isinstance(message, dict) else {}
    usage = body.get("usage")
    usage = usage if isinstance(usage, dict) else {}

    def tokens(name: str) -> int:
        value = usage.get(name)
        return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0

    return Completion(
        text=_text(message.get("content")),
        refusal=_text(message.get("refusal")),
        finish_reason=_text(choice.get("finish_reason"))[:40],
        model=_text(body.get("model"))[:200],
        prompt_tokens=tokens("prompt_tokens"),
        completion_tokens=tokens("completion_tokens"),
        format=used_format,
        requests=requests,
        seconds=round(seconds, 3),
    )


def _text(value: Any) -> str:
    """A text, or the texts of a list of parts, joined; anything else is no text. Always fit for UTF-8."""
    if isinstance(value, list):
        value = "".join(str(part["text"]) for part in value if isinstance(part, dict) and "text" in part)
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""
