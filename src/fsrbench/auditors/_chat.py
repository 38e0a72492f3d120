"""Chat completions over the `openai` client: one reply, however badly the server behaves, or AuditorUnreachable.

Bounds the requests in flight and the money spent, retries with jitter, honours Retry-After, finds out once which
reply format and parameters the server takes, and blots the key out of what is told. Time and size of one exchange are
bounded in `_transport.py`; what is asked and what the reply means is left to the auditor.
"""

from __future__ import annotations

import dataclasses
import importlib
import random
import threading
import time
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from fsrbench.auditors._limiter import Limiter, NoTurn
from fsrbench.auditors._patience import Patience
from fsrbench.auditors._purse import Bill, Purse
from fsrbench.auditors._secret import Secret
from fsrbench.auditors._transport import Transport
from fsrbench.auditors._wire import Completion, Failed, Refused, completion, from_status, parse_body, tokens
from fsrbench.core import foreign
from fsrbench.core.errors import AuditorUnreachable

if TYPE_CHECKING:
    from openai import OpenAI

MAX_WAIT = 120.0
"""Longest pause in seconds that a server may ask for; beyond it the question is given up for this time."""
SENTENCE = 300
"""Characters of a server's own words in a sentence."""
LOOKED_AT = 10_000
"""Characters in which the key is looked for before that: it may lie across the place where they are cut."""
SCHEMA = "audit"
"""What the schema of a reply is called, whatever the question: it is sent, and so stays as it was."""
FORMATS = ("json_schema", "json_object", "text")
"""From the strictest reply format to none."""


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
    deadline: float
    """Seconds for everything that one question takes: waiting, retries, repair and repeats."""
    max_body: int
    """Bytes of one HTTP reply; more is cut off and counts as a failure of the server."""
    give_up: int
    """Failures in a row that asking again cannot mend, after which nothing more is asked; 0: never."""

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
        if not about_format and any(word in said for word in ("image", "vision", "multimodal")):
            return None  # the model takes no pictures, whatever form its reply has
        if self.format != FORMATS[-1] and (about_format or not format_works):
            return dataclasses.replace(self, format=FORMATS[FORMATS.index(self.format) + 1])
        return None


class Chat:
    """A server, ready to be asked from many threads; what one thread learns of it serves all."""

    def __init__(self, server: Server, limiter: Limiter, purse: Purse) -> None:
        from openai import OpenAI

        self.server = server
        self.purse = purse
        self.patience = Patience(server.give_up)
        self._limiter = limiter
        self._secret = Secret(server.key)
        library = _http_library()
        self._client: OpenAI = OpenAI(
            api_key=server.key,
            base_url=server.base_url,
            max_retries=0,
            http_client=library.Client(
                transport=Transport(library, server.max_body),
                headers={"Accept-Encoding": "identity"},
                follow_redirects=False,
            ),
        )
        weakref.finalize(self, self._client.close)  # its own cycles would leave open connections to chance
        self._lock = threading.Lock()
        self._dialect = Dialect()
        self._format_works = False
        self._jitter = random.Random()  # decides on pauses only, never on a result

    def ask(
        self,
        messages: list[dict[str, Any]],
        schema: Mapping[str, Any],
        seed: int,
        until: float,
        bill: Bill,
        attempts: int | None = None,
    ) -> Completion:
        """One reply, at the latest at `until` (of time.monotonic), in the server's attempts or in so many.

        AuditorUnreachable after bounded retries, or at once where a retry cannot help; CostLimitReached when
        nothing more may be spent.
        """
        started, requests, failures, trouble = 0.0, 0, 0, "none was sent"
        dialect, attempts = self._dialect, attempts or self.server.attempts
        last: Failed | None = None
        while failures < attempts:
            try:
                with self._limiter.turn(until) as token, bill:
                    self.patience.check()
                    started = started or time.monotonic()
                    requests += 1
                    body = self._request(dialect, messages, schema, seed, until)
                    cost = bill.pay(tokens(body))
            except NoTurn:
                told = f"gave no reply in {self.server.deadline:g} s (setting deadline); the last: {trouble}"
                raise AuditorUnreachable(self._sentence(told)) from None
            except Refused as error:
                next_dialect = dialect.after(str(error), format_works=self._format_works)
                if next_dialect is None:
                    raise self._lost(f"refused the request: {self._told(error)}", error) from None
                dialect = next_dialect
            except Failed as error:
                failures += 1
                trouble, last = self._told(error), error
                if error.too_many:
                    self._limiter.shrink(token)
                if error.final or (error.wait or 0) > MAX_WAIT:
                    break
                if error.wait:
                    self._limiter.hold(error.wait)
                if failures < attempts and not self._pause(failures, error.wait, until):
                    trouble += f"; waiting longer would pass the {self.server.deadline:g} s of the setting deadline"
                    break
            else:
                self._limiter.grow()
                self.patience.answered()
                with self._lock:
                    self._dialect, self._format_works = dialect, True
                return completion(body, dialect.format, requests, time.monotonic() - started, cost)
        tries = f"gave no reply after {requests} request{'s' * (requests > 1)}; the last: "
        raise self._lost(tries + trouble, last)

    def _lost(self, what: str, error: Failed | Refused | None) -> AuditorUnreachable:
        """Nothing was answered; remembered, where asking again cannot help."""
        told = self._sentence(what)
        if error is not None and error.final:
            self.patience.failed(told)
        return AuditorUnreachable(told, cure=error.cure if error is not None else "")

    def scrub(self, value: Any) -> Any:
        """The same JSON-ready value with the key, should a server have echoed it, blotted out."""
        return self._secret.blot(value)

    def _told(self, error: Exception) -> str:
        """A server's words for a sentence: without the key first, then harmless, then cut."""
        told: str = self.scrub(str(error)[:LOOKED_AT])
        return foreign.line(told)[:SENTENCE]

    def _sentence(self, what: str) -> str:
        return f"{self.server.shown}, model {self.server.model}, {what}"

    def _pause(self, failures: int, asked: float | None, until: float) -> bool:
        """What the server asks for, else twice as long each time; spread, so that threads do not come back as one.

        False, at once, where the deadline would come first."""
        own = min(self.server.backoff * 2 ** (failures - 1), MAX_WAIT) * self._jitter.uniform(0.5, 1.0)
        pause = own if asked is None else asked + own * 0.1
        if time.monotonic() + pause >= until:
            return False
        time.sleep(pause)
        return True

    def _request(
        self, dialect: Dialect, messages: list[dict[str, Any]], schema: Mapping[str, Any], seed: int, until: float
    ) -> dict[str, Any]:
        """Send one request and read its reply. Whatever a server's words make a parser raise is a failure of theirs."""
        options: dict[str, Any] = {
            "temperature": self.server.temperature,
            "seed": seed,
            dialect.limit: self.server.max_tokens,
        }
        options = {name: value for name, value in options.items() if name not in dialect.left_out}
        if schema and dialect.format == "json_schema":
            strict = {"name": SCHEMA, "strict": True, "schema": dict(schema)}
            options["response_format"] = {"type": "json_schema", "json_schema": strict}
        elif schema and dialect.format == "json_object":
            options["response_format"] = {"type": "json_object"}
        allowed = max(0.001, min(self.server.timeout, until - time.monotonic()))
        try:
            return self._exchange(timeout=allowed, messages=messages, **options)
        except (Refused, Failed, MemoryError):
            raise
        except Exception as error:
            raise Failed(f"its reply could not be read ({type(error).__name__})") from None

    def _exchange(self, **asked: Any) -> dict[str, Any]:
        """The reply's body, or what its status means."""
        import openai

        create: Any = self._client.chat.completions.with_streaming_response.create
        try:
            with create(model=self.server.model, **asked) as response:
                return parse_body(response.read())
        except openai.APIStatusError as error:
            reply = error.response
            raise from_status(reply.status_code, reply.headers, reply.content) from None
        except openai.APIConnectionError as error:  # before its version 3 openai wraps what goes wrong below it
            raise (error.__cause__ or error) from None


def _http_library() -> Any:
    """What openai speaks through: httpx, or from its version 3 on httpx2."""
    import openai

    return importlib.import_module("httpx" if int(openai.__version__.split(".")[0]) < 3 else "httpx2")
