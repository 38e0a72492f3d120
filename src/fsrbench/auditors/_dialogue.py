"""One question to a chat server: asked, read, asked once more where the reply cannot be used, and remembered.

What is asked and how a reply is read comes from `_lvlm.py`; how a server is talked to is in `_chat.py`.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from fsrbench import foreign, reply
from fsrbench.auditors._cache import Cache
from fsrbench.auditors._chat import Chat
from fsrbench.auditors._wire import Completion
from fsrbench.values import Bounds, Usage

T = TypeVar("T")
QUOTED = 4000
"""Characters of an unusable reply that are shown to the model again."""
PROBLEM = 320
"""Characters that are kept of why a reply cannot be used."""
NAME = 200
"""Characters that are kept of the model and of why it stopped, as the server names them."""
BEYOND = 8000
"""Characters behind those that are kept in which a key is looked for too: none is longer in any disguise."""
WORDS = ("hints", "reason", "repairs")
"""Fields of a reply that hold words of the model's own."""
NUMBERS = {3: "three", 5: "five"}


@dataclass(frozen=True, slots=True)
class Asked(Generic[T]):
    """What one question led to."""

    said: T | None
    """The fields of the reply; None where it could not be used."""
    problem: str
    """Why it could not be used; empty where it could."""
    replies: list[dict[str, Any]]
    """Every reply, JSON-ready, for the record."""
    usage: Usage
    """What it cost; nothing, where it was remembered."""


@dataclass(frozen=True, slots=True)
class Dialogue:
    """A chat server and what it once said."""

    chat: Chat
    """The server."""
    cache: Cache | None
    """Remembered exchanges; None to remember nothing."""
    bounds: Bounds
    """How much of a reply is read."""

    def ask(
        self,
        content: list[dict[str, Any]],
        schema: Mapping[str, Any],
        read: Callable[[str, Mapping[str, Any]], T],
        seed: int,
        repeat: int,
        until: float,
    ) -> Asked[T]:
        """Ask; where the reply cannot be used, say why and ask once more. `repeat` tells equal questions apart."""
        started = time.monotonic()
        server = self.chat.server
        asked = {
            "base_url": server.base_url,
            "model": server.model,
            "sampling": [server.temperature, server.max_tokens, seed, repeat],
            "content": content,
            "schema": schema,
        }
        remembered = self.cache.find(asked) if self.cache else None
        if remembered:
            found = [self._understood(completion, schema, read) for completion in remembered]
            if self._worth_keeping(found[-1][0]):
                replies = [
                    self._record(c, problem, cached=True) for c, (_, problem) in zip(remembered, found, strict=True)
                ]
                return Asked(*found[-1], replies, Usage(cost=0.0, seconds=_since(started)))
        messages = [{"role": "user", "content": content}]
        completions: list[Completion] = []
        problems: list[str] = []
        said: T | None = None
        while said is None and len(completions) < 2:
            completion = self.chat.ask(messages, schema, seed, until)
            said, problem = self._understood(completion, schema, read)
            completions.append(self._scrubbed(completion))
            problems.append(problem)
            if problem.startswith("refused"):  # a refusal is an answer, and asking again would be pressing
                break
            messages = [*messages, *_request_to_repair(completions[-1], problem, schema)]
        if self.cache and self._worth_keeping(said) and self._understood(completions[-1], schema, read)[0] == said:
            self.cache.keep(asked, completions)  # what reads differently without the key would be another reply
        replies = [self._record(c, problem, cached=False) for c, problem in zip(completions, problems, strict=True)]
        return Asked(said, problems[-1], replies, _usage(completions, started))

    def _worth_keeping(self, said: T | None) -> bool:
        return said is not None or (self.cache is not None and self.cache.unusable)

    def _understood(
        self, completion: Completion, schema: Mapping[str, Any], read: Callable[[str, Mapping[str, Any]], T]
    ) -> tuple[T | None, str]:
        """The fields or what kind of unusable it is, without the key. Read from the reply as it came: a key may be a
        word that the reply needs."""
        said, problem = _read(completion, schema, read)
        told = foreign.line(self._bounded(problem, PROBLEM))[:PROBLEM]
        if said is None:
            return None, told
        words = {name: getattr(said, name) for name in WORDS if hasattr(said, name)}
        return dataclasses.replace(cast("Any", said), **self.chat.scrub(words)), told

    def _scrubbed(self, completion: Completion) -> Completion:
        """Without the key, should the server have echoed it: before anything is kept or cut to what is kept."""
        kept = {"text": self.bounds.max_reply, "refusal": self.bounds.max_reply, "model": NAME, "finish_reason": NAME}
        fields: dict[str, Any] = {
            name: self._bounded(getattr(completion, name), length) for name, length in kept.items()
        }
        return dataclasses.replace(completion, **fields)

    def _bounded(self, text: str, length: int) -> str:
        """As much of a text as may be needed, without the key, which may lie across the place where it will be cut."""
        told: str = self.chat.scrub(text[: length + BEYOND])
        return told

    def _record(self, completion: Completion, problem: str, *, cached: bool) -> dict[str, Any]:
        """One reply for the exchange's record."""
        fields = dataclasses.asdict(completion)
        kept = {name: fields[name][: self.bounds.max_reply] for name in ("text", "refusal")}
        names = {name: fields[name][:NAME] for name in ("model", "finish_reason")}
        return {**fields, **kept, **names, "problem": problem, "cached": cached}


def _read(
    completion: Completion, schema: Mapping[str, Any], read: Callable[[str, Mapping[str, Any]], T]
) -> tuple[T | None, str]:
    """The fields, or what kind of unusable it is."""
    if completion.refusal:
        return None, f"refused: {completion.refusal}"
    if completion.finish_reason == "content_filter":
        return None, "refused: the server's content filter stopped the reply"
    if not completion.text.strip():
        cut = " (the token limit was used up before any text: raise max_tokens)" * (
            completion.finish_reason == "length"
        )
        return None, f"empty reply{cut}"
    try:
        return read(completion.text, schema), ""
    except reply.Unusable as error:
        if completion.finish_reason == "length":
            return None, f"cut off at the token limit (setting max_tokens): {error}"
        return None, f"unusable: {error}"
    except MemoryError:
        raise
    except Exception as error:  # nothing that a model writes may end a run
        return None, f"unusable: it could not be read ({type(error).__name__})"


def _request_to_repair(completion: Completion, problem: str, schema: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The reply, and what is wrong with it."""
    fields = NUMBERS.get(len(schema["required"]), "the")
    text = (
        f"Your reply could not be used ({problem}). Look at the same pictures and answer again with exactly one JSON "
        f"object of the form given above: all {fields} fields, nothing before or after it, and a short reason."
    )
    quoted = completion.text[:QUOTED]
    earlier = [{"role": "assistant", "content": quoted}] if quoted.strip() else []
    return [*earlier, {"role": "user", "content": text}]


def _usage(completions: list[Completion], started: float) -> Usage:
    total = Usage(cost=0.0)
    for c in completions:
        total += Usage(c.requests, c.prompt_tokens, c.completion_tokens, c.cost)
    return dataclasses.replace(total, seconds=_since(started))


def _since(started: float) -> float:
    return round(time.monotonic() - started, 3)
