"""Text on plots: how much room it takes, how it is cut and broken to fit, and which characters can be drawn."""

from __future__ import annotations

import re
from functools import cache

FONT = "DejaVu Sans"
"""It comes with Matplotlib: the same glyphs on every machine."""
TEXT = 10.0
"""Its usual size, in points."""


@cache
def _glyphs() -> frozenset[int]:
    from matplotlib import font_manager

    return frozenset(font_manager.get_font(font_manager.findfont(FONT)).get_charmap())


def plain(words: str) -> str:
    """One line that the font can draw."""
    line = "".join(c if c.isprintable() else " " for c in words)
    return "".join(c if ord(c) in _glyphs() else "□" for c in line)


def width(words: str, size: float = TEXT, weight: str = "normal") -> float:
    """How long a line is, in inches; a little more, since hinting moves glyphs apart."""
    return sum(_advance(letter, weight) for letter in words) * size / 72 * 1.04


@cache
def _advance(letter: str, weight: str) -> float:
    """How much room a letter takes in a line of size 1, in points."""
    from matplotlib import font_manager

    font = font_manager.get_font(font_manager.findfont(font_manager.FontProperties(family=FONT, weight=weight)))
    font.set_size(100, 72)
    return float(font.load_char(ord(letter)).linearHoriAdvance) / 65536 / 100


def fit(words: str, room: float, size: float = TEXT, weight: str = "normal") -> str:
    """One line that fits into so many inches; what is left out is left out of the middle, where names differ least."""
    words = plain(words)
    if width(words, size, weight) <= room:
        return words
    kept = len(words) - 1
    while kept > 2 and width(_cut(words, kept), size, weight) > room:
        kept -= max(1, kept // 20)
    return _cut(words, kept)


def _cut(words: str, kept: int) -> str:
    return words[: kept - kept // 2] + "…" + words[len(words) - kept // 2 :]


def wrap(words: str, room: float, size: float = TEXT, weight: str = "normal") -> list[str]:
    """Lines that fit into so many inches, broken between words, but not before a per cent sign."""
    lines = [""]
    for word in re.split(" +(?!%)", plain(words).strip()):
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and width(longer, size, weight) > room:
            lines.append(fit(word, room, size, weight))
        else:
            lines[-1] = fit(longer, room, size, weight) if not lines[-1] else longer
    return lines
