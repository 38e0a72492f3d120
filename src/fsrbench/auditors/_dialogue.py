"""One question to a chat server: asked, read, asked once more where the reply cannot be used, and remembered.

What is asked and how a reply is read comes from `_lvlm.py`; how a server is talked to is in `_chat.py`.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

from fsrbench.asking import reply
from fsrbench.auditors._cache import Cache, Ledger, usage
from fsrbench.auditors._chat import Chat
from fsrbench.auditors._purse import Account, Bill
from fsrbench.auditors._wire import Completion
from fsrbench.core import foreign
from fsrbench.core.errors import AuditorUnreachable
from fsrbench.core.values import Bounds, Fault, Usage

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
REQUEST = 250
"""Tokens, at most, of the words that say what is wrong with it."""
NUMBERS = {3: "three", 5: "five"}


@dataclass(frozen=True, slots=True)
class Understood(Generic[T]):
    """What one reply says."""

    said: T | None
    """Its fields; None where it could not be used."""
    problem: str
    """Why it could not be used; empty where it could."""
    fault: Fault | None
    """What was wrong with it; None where it could be used."""


@dataclass(frozen=True, slots=True)
class Asked(Understood[T]):
    """What one question led to: what its last reply says."""

    replies: list[dict[str, Any]]
    """Every reply, JSON-ready, for the record."""
    usage: Usage
    """What it cost; nothing, where it was remembered."""


@dataclass(frozen=True, slots=True)
class Dialogue:
    """A chat server, what it once said, and one case that asks it."""

    chat: Chat
    """The server."""
    cache: Cache | None
    """Remembered exchanges; None to remember nothing."""
    bounds: Bounds
    """How much of a reply is read."""
    ledger: Ledger = field(default_factory=lambda: Ledger(None))
    """What the case has paid for."""
    account: Account | None = None
    """What the case may still ask; None where none is begun."""

    def ask(
        self,
        kind: str,
        content: list[dict[str, Any]],
        schema: Mapping[str, Any],
        read: Callable[[str, Mapping[str, Any]], T],
        seed: int,
        repeat: int,
        until: float,
    ) -> Asked[T]:
        """Ask; where the reply cannot be used, say why and ask once more. `repeat` tells equal questions apart.

        What the case has paid for before is not asked again, and is recorded as it was when it came. Where nothing
        comes back, the error has the replies that did.
        """
        account, kinds = self.account, (kind, again(kind))
        if account is None:
            raise TypeError("no case was begun")
        asked = self._everything(content, schema, seed, repeat)
        entry, completions = self.ledger.open(asked)
        remembered = self.cache.find(asked) if self.cache and not completions else []
        found = [self._understood(completion, schema, read) for completion in completions or remembered]
        for name, one in zip(kinds, completions or remembered, strict=False):
            account.known(name, one.prompt_tokens, one.completion_tokens)
        if remembered and self._worth_keeping(found[-1].said):
            account.spare(*kinds)
            return _asked(found[-1], self._records(remembered, found, cached=True), Usage(cost=0.0))
        found = found[: len(completions)]
        account.spare(*kinds[: len(completions)])
        messages: list[dict[str, Any]] = [{"role": "user", "content": content}]
        while not _is_over(found):
            if found:
                messages += _request_to_repair(completions[-1], found[-1].problem, schema)
            try:
                bill = account.bill(kinds[len(found)])
                completion = self.chat.ask(messages, schema, seed, until + account.waited, bill)
            except AuditorUnreachable as error:
                replies = self._records(completions, found, cached=False)
                raise AuditorUnreachable(str(error), replies, cure=error.cure) from None
            completions.append(self._scrubbed(completion))
            self.ledger.keep(entry, completions)
            found.append(self._understood(completion, schema, read))
        account.spare(*kinds[len(found) :])
        said = found[-1].said
        if self.cache and self._worth_keeping(said) and self._understood(completions[-1], schema, read).said == said:
            self.cache.keep(asked, completions)  # what reads differently without the key would be another reply
        return _asked(found[-1], self._records(completions, found, cached=False), usage(completions))

    def _everything(
        self, content: list[dict[str, Any]], schema: Mapping[str, Any], seed: int, repeat: int
    ) -> dict[str, Any]:
        """All that is sent and could change the reply."""
        server = self.chat.server
        return {
            "base_url": server.base_url,
            "model": server.model,
            "sampling": [server.temperature, server.max_tokens, seed, repeat],
            "content": content,
            "schema": schema,
        }

    def preflight(
        self, content: list[dict[str, Any]], schema: Mapping[str, Any], seconds: float, bill: Bill, kept: Path | None
    ) -> Completion | None:
        """One question that must be answered soon, and only once: None where the cache has its answer."""
        server = self.chat.server
        asked = {"base_url": server.base_url, "model": server.model, "content": content, "schema": schema}
        if self.cache and self.cache.find(asked):
            return None
        messages = [{"role": "user", "content": content}]
        found = self._scrubbed(self.chat.ask(messages, schema, 0, time.monotonic() + seconds, bill, attempts=1))
        if kept is not None:
            Cache(kept).keep({**asked, "time": time.time_ns()}, [found])
        if self.cache:
            self.cache.keep(asked, [found])
        return found

    def _worth_keeping(self, said: T | None) -> bool:
        return said is not None or (self.cache is not None and self.cache.unusable)

    def _understood(
        self, completion: Completion, schema: Mapping[str, Any], read: Callable[[str, Mapping[str, Any]], T]
    ) -> Understood[T]:
        """What a reply says, without the key. Read from the reply as it came: a key may be a word that it needs."""
        found = _read(completion, schema, read)
        said, told = found.said, foreign.line(self._bounded(found.problem, PROBLEM))[:PROBLEM]
        if said is not None:
            words = {name: getattr(said, name) for name in WORDS if hasattr(said, name)}
            said = dataclasses.replace(cast("Any", said), **self.chat.scrub(words))
        return Understood(said, told, found.fault)

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

    def _records(
        self, completions: Sequence[Completion], found: Sequence[Understood[T]], *, cached: bool
    ) -> list[dict[str, Any]]:
        return [self._record(c, one.problem, cached=cached) for c, one in zip(completions, found, strict=True)]

    def _record(self, completion: Completion, problem: str, *, cached: bool) -> dict[str, Any]:
        """One reply for the exchange's record."""
        fields = dataclasses.asdict(completion)
        kept = {name: fields[name][: self.bounds.max_reply] for name in ("text", "refusal")}
        names = {name: fields[name][:NAME] for name in ("model", "finish_reason")}
        return {**fields, **kept, **names, "problem": problem, "cached": cached}


def again(kind: str) -> str:
    """The kind of request that repairs one of this kind."""
    return f"{kind} again"


def repairing(max_tokens: int) -> int:
    """Tokens at most by which a request to repair is longer than the one that it repairs."""
    return min(max_tokens, QUOTED // 3) + REQUEST


def _asked(last: Understood[T], replies: list[dict[str, Any]], spent: Usage) -> Asked[T]:
    """What a question led to, by its last reply."""
    return Asked(last.said, last.problem, last.fault, replies, spent)


def _is_over(found: Sequence[Understood[T]]) -> bool:
    """A reply that can be used ends a dialogue; so does a refusal, which is an answer; so does a second reply."""
    return bool(found) and (found[-1].fault in (None, "refused") or len(found) > 1)


def _read(
    completion: Completion, schema: Mapping[str, Any], read: Callable[[str, Mapping[str, Any]], T]
) -> Understood[T]:
    """The fields, or why there are none."""
    if completion.refusal:
        return Understood(None, f"refused: {completion.refusal}", "refused")
    if completion.finish_reason == "content_filter":
        return Understood(None, "refused: the server's content filter stopped the reply", "refused")
    if not completion.text.strip():
        cut = " (the token limit was used up before any text: raise max_tokens)" * (
            completion.finish_reason == "length"
        )
        return Understood(None, f"empty reply{cut}", "empty")
    try:
        return Understood(read(completion.text, schema), "", None)
    except reply.Unusable as error:
        if completion.finish_reason == "length":
            why = f"cut off at the token limit (setting max_tokens): {error}"
            return Understood(None, why, "cut off at the token limit")
        return Understood(None, f"unusable: {error}", error.fault)
    except MemoryError:
        raise
    except Exception as error:  # nothing that a model writes may end a run
        why = f"unusable: it could not be read ({type(error).__name__})"
        return Understood(None, why, reply.Unusable.fault)


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
