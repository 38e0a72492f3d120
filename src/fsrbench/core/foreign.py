"""Words from outside (servers, models, files, settings) made harmless before they are printed or stored as a table.

A terminal obeys control characters: they move its cursor, set its title, write its clipboard; direction marks turn
text around. Here each of them becomes one `�`. What a key is, and that it goes, is `auditors/_secret.py`'s.
"""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any

BROKEN = "\ufffd"
"""Stands for a character that nobody should be shown."""
_SPECIAL = re.compile(r"[^\x20-\x7e\n\t]")


def printable(char: str) -> bool:
    """Is it a letter, a mark, a sign or a space: no control or direction character, no half of a pair?"""
    return unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def harmless(text: str) -> str:
    """The same text, line for line, with nothing in it that a terminal obeys."""
    return _SPECIAL.sub(lambda found: found[0] if printable(found[0]) else BROKEN, text)


def line(text: str) -> str:
    """The same as one line, without doubled spaces."""
    return harmless(" ".join(text.split()))


def as_json(value: Any, **how: Any) -> str:
    """JSON that loses nothing and can still be looked at in a terminal: what is not shown is written as an escape."""
    text = json.dumps(value, ensure_ascii=False, **how)
    return _SPECIAL.sub(lambda found: found[0] if printable(found[0]) else json.dumps(found[0])[1:-1], text)
