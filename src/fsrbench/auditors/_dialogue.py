"""One task for a chat server: asked, read, asked once more where the reply cannot be used, paid and remembered.

What is asked and how a reply is read is the task's (`asking/task.py`): no kind is known here by name. How a server is
talked to is in `_chat.py`.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from fsrbench.asking import reply
from fsrbench.asking.reply import Problem
from fsrbench.asking.task import Exchange, Said, Task
from fsrbench.auditors._cache import Cache, Ledger, usage
from fsrbench.auditors._chat import Chat
from fsrbench.auditors._price import estimate
from fsrbench.auditors._purse import Account, Bill, Need
from fsrbench.auditors._wire import Completion
from fsrbench.core import foreign
from fsrbench.core.errors import AuditorUnreachable
from fsrbench.core.questions import Bounds
from fsrbench.core.values import Usage
from fsrbench.imaging import images

QUOTED = 4000
"""Characters of an unusable reply that are shown to the model again."""
PROBLEM = 320
"""Characters that are kept of why a reply cannot be used."""
NAME = 200
"""Characters that are kept of the model and of why it stopped, as the server names them."""
BEYOND = 8000
"""Characters behind those that are kept in which a key is looked for too: none is longer in any disguise."""
REQUEST = 250
"""Tokens, at most, of the words that say what is wrong with it."""
NUMBERS = {3: "three", 5: "five"}


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

    @contextmanager
    def reserving(
        self, most: Sequence[tuple[Task[Any], int]], kept: Path | None, excuse: Callable[[float], None]
    ) -> Iterator[Dialogue]:
        """This one for a case that asks each task at most so often; every one of which may need a repair."""
        needs: dict[str, tuple[int, int]] = {}
        for task, number in most:
            tokens, others = needs.get(task.kind, (0, 0))
            needs[task.kind] = max(tokens, tokens_of(task)), others + number
        first = {Need(kind, tokens): number for kind, (tokens, number) in needs.items()}
        longer = repairing(self.chat.server.max_tokens)
        repairs = {Need(again(one.kind), one.estimate + longer, one): number for one, number in first.items()}
        account = Account(self.chat.purse, {**first, **repairs}, excuse)
        try:
            yield dataclasses.replace(self, ledger=Ledger(kept), account=account)
        finally:
            account.close()

    def until(self) -> float:
        """When a question that is begun now is given up; what is waited for money from now on comes on top of it."""
        return time.monotonic() + self.chat.server.deadline - (self.account.waited if self.account else 0.0)

    def ask(self, task: Task[Said], seed: int, repeat: int, until: float) -> Exchange[Said]:
        """Ask; where the reply cannot be used, say why and ask once more. `repeat` tells equal questions apart.

        What the case has paid for before is not asked again, and is recorded as it was when it came. Where nothing
        comes back, the error has the replies that did.
        """
        account, kinds = self.account, (task.kind, again(task.kind))
        if account is None or not account.knows(task.kind):
            raise TypeError(f"no {task.kind} was reserved")
        content = _content(task)
        asked = self._everything(content, task.schema, seed, repeat)
        entry, completions = self.ledger.open(asked)
        remembered = self.cache.find(asked) if self.cache and not completions else []
        found = [self._understood(completion, task) for completion in completions or remembered]
        for name, one in zip(kinds, completions or remembered, strict=False):
            account.known(name, one.prompt_tokens, one.completion_tokens)
        if remembered and self._worth_keeping(found[-1]):
            account.spare(*kinds)
            return self._exchange(task, seed, remembered, found, cached=True)
        found = found[: len(completions)]
        account.spare(*kinds[: len(completions)])
        messages: list[dict[str, Any]] = [{"role": "user", "content": content}]
        while not _is_over(found):
            if found and isinstance(last := found[-1], Problem):
                messages += _request_to_repair(completions[-1], last, task.schema)
            try:
                bill = account.bill(kinds[len(found)])
                completion = self.chat.ask(messages, task.schema, seed, until + account.waited, bill)
            except AuditorUnreachable as error:
                replies = self._records(completions, found, cached=False)
                raise AuditorUnreachable(str(error), replies, cure=error.cure) from None
            completions.append(self._scrubbed(completion))
            self.ledger.keep(entry, completions)
            found.append(self._understood(completion, task))
        account.spare(*kinds[len(found) :])
        said = found[-1]
        if self.cache and self._worth_keeping(said) and _alike(self._understood(completions[-1], task), said):
            self.cache.keep(asked, completions)  # what reads differently without the key would be another reply
        return self._exchange(task, seed, completions, found, cached=False)

    def _exchange(
        self,
        task: Task[Said],
        seed: int,
        completions: Sequence[Completion],
        found: Sequence[Said | Problem],
        *,
        cached: bool,
    ) -> Exchange[Said]:
        """What came of it, from the last reply."""
        last = found[-1]
        said, problem = (None, last) if isinstance(last, Problem) else (last, None)
        took = Usage(cost=0.0) if cached else usage(completions)
        replies = tuple(self._records(completions, found, cached=cached))
        return Exchange(task.asked(), self._whom(seed), said, problem, replies, took)

    def _whom(self, seed: int) -> dict[str, Any]:
        """Who is asked and how it is sampled, for the record."""
        server = self.chat.server
        sampling = {"temperature": server.temperature, "seed": seed, "max_tokens": server.max_tokens}
        return {"auditor": "openai", "server": server.shown, "model": server.model, "sampling": sampling}

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

    def preflight(self, task: Task[Any], seconds: float, bill: Bill, kept: Path | None) -> Completion | None:
        """One question that must be answered soon, and only once: None where the cache has its answer."""
        asked = self._plainly(task)
        if self.knows(task):
            return None
        messages = [{"role": "user", "content": asked["content"]}]
        found = self._scrubbed(self.chat.ask(messages, task.schema, 0, time.monotonic() + seconds, bill, attempts=1))
        if kept is not None:
            Cache(kept).keep({**asked, "time": time.time_ns()}, [found])
        if self.cache:
            self.cache.keep(asked, [found])
        return found

    def knows(self, task: Task[Any]) -> bool:
        """Has the cache the answer to a question that is asked only once?"""
        return self.cache is not None and bool(self.cache.find(self._plainly(task)))

    def _plainly(self, task: Task[Any]) -> dict[str, Any]:
        """All that is sent of a question that is asked only once."""
        server = self.chat.server
        return {"base_url": server.base_url, "model": server.model, "content": _content(task), "schema": task.schema}

    def _worth_keeping(self, said: object) -> bool:
        return not isinstance(said, Problem) or (self.cache is not None and self.cache.unusable)

    def _understood(self, completion: Completion, task: Task[Said]) -> Said | Problem:
        """The fields or what kind of unusable it is, without the key. Read from the reply as it came: a key may be a
        word that the reply needs."""
        said = _read(completion, task, self.bounds)
        if isinstance(said, Problem):
            return Problem(said.fault, foreign.line(self._bounded(said.told, PROBLEM))[:PROBLEM])
        words = {name: getattr(said, name) for name in task.words}
        return cast("Said", dataclasses.replace(cast("Any", said), **self.chat.scrub(words)))

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
        self, completions: Sequence[Completion], found: Sequence[object], *, cached: bool
    ) -> list[dict[str, Any]]:
        return [self._record(one, said, cached=cached) for one, said in zip(completions, found, strict=True)]

    def _record(self, completion: Completion, said: object, *, cached: bool) -> dict[str, Any]:
        """One reply for the exchange's record."""
        fields = dataclasses.asdict(completion)
        kept = {name: fields[name][: self.bounds.max_reply] for name in ("text", "refusal")}
        names = {name: fields[name][:NAME] for name in ("model", "finish_reason")}
        problem = {"problem": "", "fault": None}
        if isinstance(said, Problem):
            problem = {"problem": said.told, "fault": said.fault}
        return {**fields, **kept, **names, **problem, "cached": cached}


def tokens_of(task: Task[Any]) -> int:
    """Tokens that it sends, estimated."""
    texts = (task.prompt, json.dumps(task.schema), *(one.label for one in task.pictures))
    return estimate(texts, [one.image.shape for one in task.pictures])


def _content(task: Task[Any]) -> list[dict[str, Any]]:
    """The prompt, then each picture after its label."""
    parts: list[dict[str, Any]] = [{"type": "text", "text": task.prompt}]
    for one in task.pictures:
        parts.append({"type": "text", "text": one.label})
        parts.append({"type": "image_url", "image_url": {"url": images.data_url(one.image)}})
    return parts


def again(kind: str) -> str:
    """The kind of request that repairs one of this kind."""
    return f"{kind} again"


def repairing(max_tokens: int) -> int:
    """Tokens at most by which a request to repair is longer than the one that it repairs."""
    return min(max_tokens, QUOTED // 3) + REQUEST


def _is_over(found: Sequence[object]) -> bool:
    """A reply that can be used ends a dialogue; so does a refusal, which is an answer; so does a second reply."""
    last = found[-1] if found else None
    return len(found) > 1 or (bool(found) and (not isinstance(last, Problem) or last.fault == "refused"))


def _alike(one: object, other: object) -> bool:
    """Are these the same fields, or is neither usable?"""
    return one == other or (isinstance(one, Problem) and isinstance(other, Problem))


def _read(completion: Completion, task: Task[Said], bounds: Bounds) -> Said | Problem:
    """The fields, or what kind of unusable it is."""
    if completion.refusal:
        return Problem("refused", f"refused: {completion.refusal}")
    if completion.finish_reason == "content_filter":
        return Problem("refused", "refused: the server's content filter stopped the reply")
    cut_off = completion.finish_reason == "length"
    if not completion.text.strip():
        cut = " (the token limit was used up before any text: raise max_tokens)" * cut_off
        return Problem("empty", f"empty reply{cut}")
    try:
        return task.read(completion.text, bounds)
    except reply.Unusable as error:
        if cut_off:
            return Problem("cut off at the token limit", f"cut off at the token limit (setting max_tokens): {error}")
        return Problem(error.fault, f"unusable: {error}")
    except MemoryError:
        raise
    except Exception as error:  # nothing that a model writes may end a run
        return Problem(reply.Unusable.fault, f"unusable: it could not be read ({type(error).__name__})")


def _request_to_repair(completion: Completion, problem: Problem, schema: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The reply, and what is wrong with it."""
    told = f"Your reply could not be used ({problem.told}). Look at the same pictures and answer again"
    if schema:
        fields = NUMBERS.get(len(schema["required"]), "the")
        text = (
            f"{told} with exactly one JSON object of the form given above: all {fields} fields, nothing before or "
            "after it, and a short reason."
        )
    else:
        text = f"{told} in the form that was asked for, with nothing before or after it."
    quoted = completion.text[:QUOTED]
    earlier = [{"role": "assistant", "content": quoted}] if quoted.strip() else []
    return [*earlier, {"role": "user", "content": text}]
