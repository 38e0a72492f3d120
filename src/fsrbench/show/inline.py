"""Words put into a web page itself: values as JSON that is no markup, and the hashes by which a policy allows them."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from typing import Any


def as_json(value: Any, other: Callable[[object], object] | None = None) -> str:
    """JSON that cannot end its script, nor be markup: what could stands escaped."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=other)
    for mark in "<>&\u2028\u2029":
        text = text.replace(mark, f"\\u{ord(mark):04x}")
    return text


def allowed(words: str) -> str:
    """How a policy names a script or a style."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(words.encode()).digest()).decode()}'"
