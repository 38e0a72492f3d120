"""What comes over the wire from a chat-completions server, in words: a completion, a refusal, a failure.

Pure functions from bodies, statuses and headers to values; sending is in `_transport.py`, waiting in `_chat.py`. Texts
are whole and as they came: `_chat.py` and `_dialogue.py` blot the key out of them, and then cut them.
"""

from __future__ import annotations

import email.utils
import json
import math
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

REFUSED = (400, 415, 422, 501)
"""Statuses with which servers turn down a parameter that they do not know."""
RETRIED = (408, 409, 425, 429)
"""Statuses besides 5xx after which the same request may succeed."""
TOO_MANY = 429
"""The status that asks for fewer requests."""
ADDRESS = (
    "Check that a server is running there, and the address: --base-url, the arm's base_url or OPENAI_BASE_URL; many "
    "end in /v1."
)
"""The cure where nothing that speaks this protocol was found."""
KEY = "Check the key: OPENAI_API_KEY, or what the arm's api_key_env or api_key_file names."
"""The cure where the key is at fault."""
MODEL = (
    "Check the model's name (--lvlm-model, the arm's model or FSRBENCH_LVLM_MODEL) and the address (--base-url; many "
    "end in /v1)."
)
"""The cure where the address or the model is not known."""
PICTURES = "Check the model's name, and that it is a model that takes pictures."
"""The cure where a question with pictures is turned down."""
ELSEWHERE = "The address is set by --base-url, the arm's base_url or OPENAI_BASE_URL."
"""The cure where a server sends on to another address."""
CREDIT = "Check the account's credit and limits with whoever runs the server."
"""The cure where the account may ask no more."""
PARTS = 300_000
"""Values that a body may hold: read, each takes some hundred bytes of memory."""
STARTS = 2000
"""Bytes of a body that is no JSON from which its beginning is told."""


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
    cost: float | None
    """Money; None where no price is known or the server counts no tokens."""


class Refused(Exception):
    """The server turned the request down as it is; the text is its message."""

    final = True
    cure = PICTURES


class Failed(Exception):
    """This attempt brought no reply."""

    def __init__(
        self, what: str, wait: float | None = None, *, final: bool = False, too_many: bool = False, cure: str = ""
    ) -> None:
        super().__init__(what)
        self.wait = wait
        """Seconds that the server asked to wait."""
        self.final = final
        """True where another attempt cannot help."""
        self.too_many = too_many
        """True where the server asks for fewer requests."""
        self.cure = cure
        """What the user can mend; empty for what may pass by itself."""


def from_status(status: int, headers: Mapping[str, str], body: bytes) -> Refused | Failed:
    """What an HTTP status other than success means."""
    told, code = _trouble(body)
    if status in REFUSED:
        return Refused(f"{status}: {told}")
    if status in (401, 403):
        return Failed(f"{status}, the key is missing or not accepted: {told}", final=True, cure=KEY)
    if status == 404:
        return Failed(f"404, there is no such model or address (many end in /v1): {told}", final=True, cure=MODEL)
    if 300 <= status < 400 and "location" in headers:
        return Failed(_elsewhere(status, headers["location"]), final=True, cure=ELSEWHERE)
    again = status in RETRIED or status >= 500
    spent = status == 402 or code == "insufficient_quota"
    return Failed(
        f"{status}: {told}",
        retry_after(headers),
        final=not again or spent,
        too_many=status == TOO_MANY,
        cure=CREDIT if spent else "" if again else ADDRESS,
    )


def _elsewhere(status: int, location: str) -> str:
    """What is said of a redirect: pictures of faces go where the settings say, and nowhere else."""
    try:
        host = urlsplit(location).hostname
    except ValueError:
        host = None
    return (
        f"{status}: the server sends the pictures elsewhere{f', to {host}' if host else ''}, and no redirect is "
        "followed. If they may go there, give that address as base_url"
    )


def _trouble(body: bytes) -> tuple[str, object]:
    """What a body says is wrong, and the code that it gives for it; the start of the body where it is no JSON."""
    said: object = body.decode("utf-8", "replace")
    code: object = None
    with suppress(ValueError, RecursionError):
        said = json.loads(body)
    for name in ("error", "message", "detail"):
        if isinstance(said, dict) and said.get(name):
            code = said.get("code", code)
            said = said[name]
    if isinstance(said, dict):
        code = said.get("code", code)
    text = said if isinstance(said, str) else json.dumps(said, ensure_ascii=False)
    return text.strip() or "it says no more", code


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds from a Retry-After header, which holds seconds or a date; None where it holds neither."""
    value = headers.get("retry-after", "").strip()
    try:
        try:
            seconds = float(value)
        except ValueError:
            seconds = email.utils.parsedate_to_datetime(value).timestamp() - time.time()
    except (TypeError, ValueError, OverflowError, OSError):  # no date, or one that no calendar or clock has
        return None
    return None if math.isnan(seconds) else max(0.0, seconds)


def parse_body(body: bytes) -> dict[str, Any]:
    """A chat completion's JSON, with one choice at least."""
    if sum(body.count(mark) for mark in (b",", b"[", b"{")) > PARTS:
        raise Failed(f"it answered with more than {PARTS:,} values, which is no completion")
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        start = body[:STARTS].decode("utf-8", "replace")
        told = f"it answered with something that is not JSON (is the address right?): {start}"
        raise Failed(told, cure=ADDRESS) from None
    choices = value.get("choices") if isinstance(value, dict) else None
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        error = value.get("error") if isinstance(value, dict) else None
        raise Failed(f"it answered without a completion{f': {_trouble(body)[0]}' if error else ''}")
    return dict(value)


def tokens(body: Mapping[str, Any]) -> tuple[int, int] | None:
    """Tokens sent and received, as the server counted them; None where it does not say."""
    usage = body.get("usage")
    if not isinstance(usage, dict):
        return None
    counts = [usage.get(name) for name in ("prompt_tokens", "completion_tokens")]
    whole = [n for n in counts if isinstance(n, int) and not isinstance(n, bool) and 0 <= n < 10**12]
    return (whole[0], whole[1]) if len(whole) == len(counts) else None


def completion(body: dict[str, Any], used_format: str, requests: int, seconds: float, cost: float | None) -> Completion:
    """The fields that matter, whatever types the server has put there."""
    choice = body["choices"][0]
    message = choice.get("message")
    message = message if isinstance(message, dict) else {}
    sent, received = tokens(body) or (0, 0)
    return Completion(
        text=_text(message.get("content")),
        refusal=_text(message.get("refusal")),
        finish_reason=_text(choice.get("finish_reason")),
        model=_text(body.get("model")),
        prompt_tokens=sent,
        completion_tokens=received,
        format=used_format,
        requests=requests,
        seconds=round(seconds, 3),
        cost=cost,
    )


def _text(value: Any) -> str:
    """A text, or the texts of a list of parts, joined; anything else is no text. Always fit for UTF-8."""
    if isinstance(value, list):
        texts = [part.get("text") for part in value if isinstance(part, dict)]
        value = "".join(text for text in texts if isinstance(text, str))
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""
