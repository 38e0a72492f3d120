"""A vision-language model behind any OpenAI-compatible server: the vendor's, vLLM, Ollama, llama.cpp, LM Studio, …

Reads the arm's settings and opens it, or says what is missing. What is asked is in `_lvlm.py`, one dialogue in
`_dialogue.py`, the server's ways in `_chat.py`. Nothing is ever asked elsewhere than where the settings say.

- `base_url`, `model`, `api_key_env` or `api_key_file`, `temperature`, `seed`, `max_tokens`: whom and what to ask
- `timeout`: seconds for one request; `attempts`, `backoff`: retries; `deadline`: seconds for one question in all
- `preflight`: one small question with a picture before a run's first case, so that a wrong address, key or model costs
  no restoration; true unless it says false
- `give_up`: failures in a row that asking again cannot mend (key, model, refused) before nobody is asked any more; 0:
  no such limit
- `concurrency`: requests in flight at most; fewer while the server answers 429
- `prices`: model → {input, output}, money per million tokens
- `max_cost`: money that one command may spend on the arm; a case begins only if all that it can cost still fits
- `cache`: a folder that runs share; a question that was answered usably is not sent again
- `cache_unusable`: nor is one whose reply could not be used: a sweep's variants must all get the same reply
- `repeat`: how often each question is asked: the reply of median score counts, the record holds the spread
- `canary`: one case in so many is also shown with a planted artifact, and blank
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fsrbench.auditors import _cache, _price, _settings
from fsrbench.auditors._chat import Chat, Server
from fsrbench.auditors._dialogue import Dialogue
from fsrbench.auditors._limiter import Limiter
from fsrbench.auditors._lvlm import Lvlm
from fsrbench.auditors._purse import Purse
from fsrbench.core.auditing import CONCURRENCY, Auditor
from fsrbench.core.errors import SettingsError
from fsrbench.files import atomic

if TYPE_CHECKING:
    from fsrbench.core.contracts import Machine
    from fsrbench.core.questions import Bounds

NUMBER = (int, float)
SETTINGS: dict[str, tuple[type, ...]] = {
    "base_url": (str,),
    "model": (str,),
    "api_key_env": (str,),
    "api_key_file": (str,),
    "temperature": NUMBER,
    "seed": (int,),
    "max_tokens": (int,),
    "timeout": NUMBER,
    "attempts": (int,),
    "backoff": NUMBER,
    "deadline": NUMBER,
    "preflight": (bool,),
    "give_up": (int,),
    "concurrency": (int,),
    "prices": (dict,),
    "max_cost": NUMBER,
    "cache": (str,),
    "cache_unusable": (bool,),
    "repeat": (int,),
    "canary": (int,),
}
"""An arm's settings. The key is not among them: settings are stored with a run."""
BODY = 40
"""Bytes of an HTTP reply for each character of an auditor's reply: 12 if all are escaped, and what comes beside it."""
LEAST_BODY = 1_000_000
"""Bytes that any HTTP reply may have: a short limit is to refuse the auditor's words, not the server's."""
MAX_KEY = 10_000
"""Bytes of a key's file."""
NO_MODEL = "No LVLM is named. Give --lvlm-model NAME, the arm's setting model, or set FSRBENCH_LVLM_MODEL."
NO_KEY = "none"
"""Sent to a server of one's own that needs no key."""


def _open(settings: Mapping[str, Any], machine: Machine) -> Lvlm:
    if "api_key" in settings:
        raise SettingsError(
            "The key is not written into settings, since they are stored with the run. Set OPENAI_API_KEY, or name "
            "another variable in api_key_env or a file in api_key_file."
        )
    chosen = _settings.check(settings, SETTINGS)
    server = _server(chosen, machine.bounds)
    limiter = Limiter(_whole(chosen, "concurrency", CONCURRENCY, 1, 256))
    limit = _settings.bounded(chosen, "max_cost", 0, 0, 1e9) if "max_cost" in chosen else None
    purse = Purse(_price.read(chosen.get("prices", {}), server.model), limit, server.model, server.max_tokens)
    folder = _cache.made(Path(chosen["cache"]).expanduser()) if "cache" in chosen else None
    cache = _cache.Cache(folder, unusable=chosen.get("cache_unusable", False)) if folder else None
    return Lvlm(
        dialogue=Dialogue(Chat(server, limiter, purse), cache, machine.bounds),
        seed=chosen.get("seed"),
        repeat=_whole(chosen, "repeat", 1, 1, 20),
        canary=_whole(chosen, "canary", 0, 0, 1_000_000),
        tried_out=chosen.get("preflight", True),
    )


def _server(chosen: Mapping[str, Any], bounds: Bounds) -> Server:
    """Where to ask, and how patiently."""
    base_url = chosen.get("base_url") or os.environ.get("OPENAI_BASE_URL") or None
    model = chosen.get("model") or os.environ.get("FSRBENCH_LVLM_MODEL")
    key = _key(chosen, base_url, "" if model else NO_MODEL)
    if base_url is not None and (not base_url.startswith(("http://", "https://")) or "@" in base_url):
        raise SettingsError(
            "The LVLM server's address (base_url) must begin with http:// or https:// and hold no user or password."
        )
    if not model:
        raise SettingsError(NO_MODEL)
    return Server(
        base_url=base_url,
        key=key,
        model=model,
        temperature=_settings.bounded(chosen, "temperature", 0, 0, 2),
        max_tokens=_whole(chosen, "max_tokens", 1000, 16, 100_000),
        timeout=_settings.bounded(chosen, "timeout", 120, 0.05, 3600),
        attempts=_whole(chosen, "attempts", 5, 1, 20),
        backoff=_settings.bounded(chosen, "backoff", 1, 0, 60),
        deadline=_settings.bounded(chosen, "deadline", 600, 0.05, 86_400),
        max_body=max(LEAST_BODY, BODY * bounds.max_reply),
        give_up=_whole(chosen, "give_up", 5, 0, 1_000_000),
    )


def _whole(chosen: Mapping[str, Any], name: str, default: int, low: int, high: int) -> int:
    return round(_settings.bounded(chosen, name, default, low, high))


def _key(chosen: Mapping[str, Any], base_url: str | None, lacking: str) -> str:
    """The key from where the settings say; none is needed for a server that is named.

    Where there is none, what is `lacking` besides is said together with it.
    """
    if "api_key_file" in chosen:
        try:
            key = atomic.read_bytes(Path(chosen["api_key_file"]).expanduser(), MAX_KEY).decode().strip()
        except (OSError, UnicodeDecodeError):
            raise SettingsError(f"The key's file {chosen['api_key_file']} (api_key_file) cannot be read.") from None
        source = f"the file {chosen['api_key_file']}"
    else:
        variable = chosen.get("api_key_env", "OPENAI_API_KEY")
        key = os.environ.get(variable, "").strip()
        source = f"the variable {variable}"
        if not key and "api_key_env" not in chosen and base_url is not None:
            return NO_KEY
    if not key:
        raise SettingsError(
            f"{lacking + ' Nor is there a' if lacking else 'There is no'} key for the LVLM: {source} is empty or not "
            "set. Set OPENAI_API_KEY, or name another variable in the arm's api_key_env or a file in api_key_file; for "
            "a server of your own that needs no key, name it with --base-url URL, the arm's base_url or "
            "OPENAI_BASE_URL."
        )
    if not key.isascii() or not key.isprintable() or " " in key:
        raise SettingsError(f"What is in {source} is no key: it holds spaces or characters that no key has.")
    return key


AUDITOR = Auditor(
    "A vision-language model behind any OpenAI-compatible server.",
    _open,
    compares=True,
    takes=("base_url", "model", "concurrency", "max_cost", "cache", "cache_unusable"),
    handling=(
        "concurrency", "max_cost", "prices", "cache", "cache_unusable", "timeout", "deadline", "attempts", "backoff",
        "api_key_env", "api_key_file", "preflight", "give_up",
    ),
)  # fmt: skip
