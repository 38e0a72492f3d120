"""A question after the nearest of the known names, and all of them, for whoever mistyped one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

ALIKE = 0.5
"""How much of two names must agree."""


def near(name: str, known: Iterable[str], form: str = "{}") -> str:
    """` Did you mean psnr?`; nothing where no known name is near. `form` says how a name is written, e.g. `piq:{}`."""
    found = difflib.get_close_matches(name, list(known), 1, ALIKE)
    return f" Did you mean {form.format(found[0])}?" if found else ""


def among(name: str, known: Iterable[str]) -> str:
    """` Did you mean psnr? Known: psnr, ssim.`: the end of a sentence on a name that nobody knows."""
    known = list(known)
    return f"{near(name, known)} Known: {', '.join(known)}."
