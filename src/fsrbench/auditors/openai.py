"""A vision-language model behind any OpenAI-compatible server: the vendor's, vLLM, Ollama, llama.cpp, LM Studio, …

Sends the prompt and the labelled pictures, reads the reply strictly, asks once more where it cannot be used,
and records the whole exchange: pictures by hash, never the key. How a server is talked to is in `_chat.py`;
how a reply is read, in `reply.py`. Nothing is ever asked elsewhere than where the settings say.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fsrbench import images, prompts, reply
from fsrbench.auditors import _chat, _settings
from fsrbench.errors import SettingsError
from fsrbench.plugins import Auditor
from fsrbench.values import Answer, Audit, Question, Usage

if TYPE_CHECKING:
    from fsrbench.plugins import Machine

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
}
"""An arm's settings. The key is not among them: settings are stored with a run."""
NO_KEY = "none"
"""Sent to a server of one's own that needs no key."""
QUOTED = 4000
"""Characters of an unusable reply that are shown to the model again."""


def _open(settings: Mapping[str, Any], _machine: Machine) -> Callable[[Question], Answer]:
    if "api_key" in settings:
        raise SettingsError(
            "The key is not written into settings, since they are stored with the run. Set OPENAI_API_KEY, or name "
            "another variable in api_key_env or a file in api_key_file."
        )
    chosen = _settings.check(settings, SETTINGS)
    base_url = chosen.get("base_url") or os.environ.get("OPENAI_BASE_URL") or None
    model = chosen.get("model") or os.environ.get("FSRBENCH_LVLM_MODEL")
    key = _key(chosen, base_url)
    if base_url is not None and (not base_url.startswith(("http://", "https://")) or "@" in base_url):
        raise SettingsError(
            "The LVLM server's address (base_url) must begin with http:// or https:// and hold no user or password."
        )
    if not model:
        raise SettingsError(
            "No LVLM is named. Give --lvlm-model NAME, the arm's setting model, or set FSRBENCH_LVLM_MODEL."
        )
    server = _chat.Server(
        base_url=base_url,
        key=key,
        model=model,
        temperature=_settings.bounded(chosen, "temperature", 0, 0, 2),
        max_tokens=round(_settings.bounded(chosen, "max_tokens", 1000, 16, 100_000)),
        timeout=_settings.bounded(chosen, "timeout", 120, 0.05, 3600),
        attempts=round(_settings.bounded(chosen, "attempts", 5, 1, 20)),
        backoff=_settings.bounded(chosen, "backoff", 1, 0, 60),
    )
    chat = _chat.Chat(server)
    seed = chosen.get("seed")
    return lambda question: audit(chat, question, question.seed % 2**31 if seed is None else seed)


def _key(chosen: Mapping[str, Any], base_url: str | None) -> str:
    """The key from where the settings say; none is needed for a server that is named."""
    if "api_key_file" in chosen:
        try:
            key = Path(chosen["api_key_file"]).expanduser().read_text(encoding="utf-8").strip()
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
            f"There is no key for the LVLM: {source} is empty or not set. Set OPENAI_API_KEY, or name another variable "
            "in the arm's api_key_env or a file in api_key_file; for a server of your own that needs no key, name it "
            "with --base-url URL, the arm's base_url or OPENAI_BASE_URL."
        )
    if not key.isascii() or not key.isprintable() or " " in key:
        raise SettingsError(f"What is in {source} is no key: it holds spaces or characters that no key has.")
    return key


def audit(chat: _chat.Chat, question: Question, seed: int) -> Answer:
    """Ask; where the reply cannot be used, say why and ask once more."""
    started = time.monotonic()
    messages = [{"role": "user", "content": _content(question)}]
    completions: list[_chat.Completion] = []
    problems: list[str] = []
    said: reply.Reply | None = None
    while said is None and len(completions) < 2:
        completion = chat.ask(messages, question.schema, seed)
        completions.append(completion)
        said, problem = _read(completion, question.schema)
        problems.append(problem)
        if problem.startswith("refused"):  # a refusal is an answer, and asking again would be pressing
            break
        messages = [*messages, *_request_to_repair(completion, problem)]
    usage = Usage(
        requests=sum(c.requests for c in completions),
        prompt_tokens=sum(c.prompt_tokens for c in completions),
        completion_tokens=sum(c.completion_tokens for c in completions),
        seconds=round(time.monotonic() - started, 3),
    )
    if said is None:
        verdict = Audit("invalid", reason=chat.scrub(problems[-1]), usage=usage)
    else:
        hints, reason = chat.scrub(said.hints), chat.scrub(said.reason)
        asked_again = ("asked again",) if len(completions) > 1 else ()
        repairs = (*asked_again, *said.repairs)
        verdict = Audit("ok", said.score, said.confidence, said.tags, hints, reason, repairs, usage)
    return Answer(verdict, chat.scrub(_record(chat.server, question, seed, completions, problems)))


def _content(question: Question) -> list[dict[str, Any]]:
    """The prompt, then each picture after its label."""
    parts: list[dict[str, Any]] = [{"type": "text", "text": question.prompt}]
    for label, picture in _pictures(question):
        parts.append({"type": "text", "text": label})
        parts.append({"type": "image_url", "image_url": {"url": images.data_url(picture)}})
    return parts


def _pictures(question: Question) -> list[tuple[str, Any]]:
    """Label and picture, in the order that the prompt announces."""
    evidence = question.evidence
    pictures = (evidence.lr, evidence.sr, *(patch.image for patch in evidence.patches))
    return list(zip(prompts.picture_labels(evidence), pictures, strict=True))


def _read(completion: _chat.Completion, schema: Mapping[str, Any]) -> tuple[reply.Reply | None, str]:
    """The fields, or what kind of unusable it is."""
    if completion.refusal:
        return None, f"refused: {completion.refusal[:300]}"
    if completion.finish_reason == "content_filter":
        return None, "refused: the server's content filter stopped the reply"
    if not completion.text.strip():
        cut = " (the token limit was used up before any text: raise max_tokens)" * (
            completion.finish_reason == "length"
        )
        return None, f"empty reply{cut}"
    try:
        return reply.parse(completion.text, schema), ""
    except reply.Unusable as error:
        if completion.finish_reason == "length":
            return None, f"cut off at the token limit (setting max_tokens): {error}"
        return None, f"unusable: {error}"


def _request_to_repair(completion: _chat.Completion, problem: str) -> list[dict[str, Any]]:
    """The reply, and what is wrong with it."""
    text = (
        f"Your reply could not be used ({problem}). Look at the same pictures and answer again with exactly one JSON "
        "object of the form given above: all five fields, nothing before or after it, and a short reason."
    )
    quoted = completion.text[:QUOTED]
    earlier = [{"role": "assistant", "content": quoted}] if quoted.strip() else []
    return [*earlier, {"role": "user", "content": text}]


def _record(
    server: _chat.Server, question: Question, seed: int, completions: list[_chat.Completion], problems: list[str]
) -> dict[str, Any]:
    """The whole exchange, JSON-ready; pictures by the hash of their pixels."""
    return {
        "auditor": "openai",
        "server": server.shown,
        "model": server.model,
        "sampling": {"temperature": server.temperature, "seed": seed, "max_tokens": server.max_tokens},
        "prompt": question.prompt,
        "pictures": [{"label": label, "sha256": images.pixel_hash(picture)} for label, picture in _pictures(question)],
        "schema": question.schema,
        "replies": [
            {
                "text": c.text[: reply.MAX_REPLY],
                "refusal": c.refusal[: reply.MAX_REPLY],
                "problem": problem,
                "finish_reason": c.finish_reason,
                "model": c.model,
                "format": c.format,
                "requests": c.requests,
                "prompt_tokens": c.prompt_tokens,
                "completion_tokens": c.completion_tokens,
                "seconds": c.seconds,
            }
            for c, problem in zip(completions, problems, strict=True)
        ],
    }


AUDITOR = Auditor("a vision-language model behind any OpenAI-compatible server", _open)
