"""Blots a key out of whatever a server says, however it comes back: whole, cut, escaped, encoded, split or changed.

Every run of WIDTH characters of the key counts as the key. A text is looked at as it is and as it reads once its
escapes are undone, without what stands between the characters, as base64 and as hex; what is found there is blotted
out in the text itself. Where a server's words pass, and what is made of them, is left to `_chat.py`, `_dialogue.py`.
"""

from __future__ import annotations

import base64
import html
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

WIDTH = 8
"""Characters from which a piece of a key is the key; shorter keys are words (`none`, `EMPTY`) and stay."""
BLOT = "[key]"
"""What stands in its place."""
ROUNDS = 4
"""Escapes within escapes that are undone."""
_ESCAPE = re.compile(
    r"\\u\{(?P<braced>[0-9a-fA-F]{1,6})\}|\\[uU](?P<long>[0-9a-fA-F]{8}|[0-9a-fA-F]{4})|\\x(?P<short>[0-9a-fA-F]{2})"
    r"|\\(?P<octal>[0-7]{3})|\\(?P<plain>.)|%u(?P<percent4>[0-9a-fA-F]{4})|%(?P<percent>[0-9a-fA-F]{2})"
    r"|&(?P<entity>#?[0-9a-zA-Z]{1,12};?)|=(?P<quoted>[0-9A-F]{2})",
    re.DOTALL,
)
_SOLID = re.compile("[!-~]+")
"""What a key can consist of."""
_BARE = re.compile("[0-9a-z]+")
"""What of it is most likely to be left as it is."""
_WHITE = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", "v": "\v", "a": "\a"}


@dataclass(frozen=True, slots=True)
class _View:
    """One way to read a text."""

    chars: str
    """What it reads as."""
    begin: Sequence[int]
    """Where in the text each character begins."""
    end: Sequence[int]
    """And where it ends."""

    def only(self, kept: re.Pattern[str]) -> _View:
        """Without everything else; letters of another width or style are read as the usual ones."""
        view = self
        if not view.chars.isascii():
            plain = [unicodedata.normalize("NFKD", char) for char in view.chars]
            at = [index for index, form in enumerate(plain) for _ in form]
            view = _View("".join(plain), [view.begin[index] for index in at], [view.end[index] for index in at])
        stretches = [found.span() for found in kept.finditer(view.chars)]
        if stretches == [(0, len(view.chars))]:
            return view
        return _View(
            "".join([view.chars[start:stop] for start, stop in stretches]),
            [place for start, stop in stretches for place in view.begin[start:stop]],
            [place for start, stop in stretches for place in view.end[start:stop]],
        )


class Secret:
    """A key, known in all its disguises."""

    def __init__(self, key: str) -> None:
        self._plain = _runs(key)
        self._bare = _runs("".join(_BARE.findall(key.lower())))
        self._hex = {run.encode().hex() for run in self._plain}
        self._base64 = {code for run in self._plain for code in _base64(run)}

    def blot(self, value: Any) -> Any:
        """The same JSON-ready value without the key, in names and in texts."""
        if not self._plain:
            return value
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, Mapping):
            return {self.blot(name): self.blot(item) for name, item in value.items()}
        return type(value)(self.blot(item) for item in value) if isinstance(value, list | tuple) else value

    def _text(self, text: str) -> str:
        out, last = [], 0
        for begin, end in _merged(place for view in _views(text) for place in self._places(view)):
            out += [text[last:begin], BLOT]
            last = end
        return "".join([*out, text[last:]])

    def _places(self, view: _View) -> Iterator[tuple[int, int]]:
        """Where in the text the key shows, read in this way."""
        solid = view.only(_SOLID)
        bare = _View(solid.chars.lower(), solid.begin, solid.end).only(_BARE)
        standard = _View(solid.chars.replace("-", "+").replace("_", "/"), solid.begin, solid.end)
        for form, runs in ((solid, self._plain), (bare, self._bare), (bare, self._hex), (standard, self._base64)):
            if any(run in form.chars for run in runs):
                width = len(next(iter(runs)))
                for at in range(len(form.chars) - width + 1):
                    if form.chars[at : at + width] in runs:
                        yield form.begin[at], form.end[at + width - 1]


def _runs(text: str) -> set[str]:
    return {text[at : at + WIDTH] for at in range(len(text) - WIDTH + 1)}


def _base64(run: str) -> Iterator[str]:
    """The characters of base64 that the run alone decides, at each of the three places where it may begin."""
    for before in range(3):
        code = base64.b64encode(bytes(before) + run.encode()).decode()
        first = -(-before * 8 // 6)
        yield code[first : first + (WIDTH * 8 - (first * 6 - before * 8)) // 6]


def _views(text: str) -> Iterator[_View]:
    """The text as it is, then with its escapes undone, and those that this brought to light."""
    view = _View(text, range(len(text)), range(1, len(text) + 1))
    for _ in range(ROUNDS):
        yield view
        undone = _undone(view)
        if undone.chars == view.chars:
            return
        view = undone
    yield view


def _undone(view: _View) -> _View:
    chars: list[str] = []
    begin: list[int] = []
    end: list[int] = []
    last = 0
    for found in _ESCAPE.finditer(view.chars):
        start, stop = found.span()
        means = _meant(found)
        chars += [view.chars[last:start], means]
        begin += [*view.begin[last:start], *[view.begin[start]] * len(means)]
        end += [*view.end[last:start], *[view.end[stop - 1]] * len(means)]
        last = stop
    return _View("".join([*chars, view.chars[last:]]), [*begin, *view.begin[last:]], [*end, *view.end[last:]])


def _meant(found: re.Match[str]) -> str:
    """What an escape stands for."""
    kind = found.lastgroup or ""
    code = found[kind]
    if kind == "plain":
        return _WHITE.get(code, code)
    if kind == "entity":
        return html.unescape(found[0])
    number = int(code, 8 if kind == "octal" else 16)
    return chr(number) if number < 0x110000 else found[0]


def _merged(places: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Places that overlap or touch, as one."""
    begin = end = -1
    for one, other in sorted(places):
        if one > end:
            if end > begin:
                yield begin, end
            begin, end = one, other
        end = max(end, other)
    if end > begin:
        yield begin, end
