"""JSON that was stored, read back strictly: numbers that are numbers, nothing too deep, nothing too long.

What it must hold is said by whoever reads it, as a pydantic adapter; what a mistake means for a run, too.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from fsrbench.core.errors import StoreError
from fsrbench.files import atomic

if TYPE_CHECKING:
    from pydantic import TypeAdapter

Value = TypeVar("Value")
MAX_BYTES = 20_000_000
"""Bytes of a record; a usual one has some thousand."""
MAX_DIGITS = 19
"""Digits of a whole number: those of 64 bits."""


def read(path: Path, shape: TypeAdapter[Value], cure: str) -> Value:
    """What a file holds, if it has this shape; a StoreError ending with `cure` if not. One that is gone says so."""
    try:
        return shape.validate_python(parse(atomic.read_bytes(path, MAX_BYTES)))
    except FileNotFoundError:
        raise
    except (OSError, ValueError, OverflowError) as error:
        raise StoreError(f"{path} cannot be read ({why(error)}). {cure}") from None


def parse(data: bytes) -> Any:
    """JSON to a value; ValueError for all that no careful program writes: NaN, 5,000 digits, 1,000 brackets."""
    from pydantic_core import from_json

    from_json(data)  # it bears no nesting beyond 200, no half of a surrogate pair, and no text that is not UTF-8
    return json.loads(data, parse_constant=_refuse, parse_float=_finite, parse_int=_bounded)


def why(error: Exception) -> str:
    """What is wrong with a file, in a line of moderate length."""
    from pydantic import ValidationError

    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        said = "no such key is known" if first["type"] == "unexpected_keyword_argument" else first["msg"]
        told = f"{place:.80}: {said.removeprefix('Value error, ')}".removeprefix(": ")
    else:
        told = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
    return one_line(told)[:200].rstrip(".")


def one_line(text: str) -> str:
    """Words from outside, for a terminal and for XML."""
    return "".join(c if c.isprintable() else "?" for c in " ".join(text.split()))


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"a number is too large ({text:.20})")
    return value


def _bounded(text: str) -> int:
    if len(text) > MAX_DIGITS + 1:
        raise ValueError(f"a number has {len(text)} digits")
    return int(text)
