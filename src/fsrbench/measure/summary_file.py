"""`summary.json`, read back strictly into the value that it was written from."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from pydantic import TypeAdapter

from fsrbench.core.errors import StoreError
from fsrbench.files import atomic, jsonfile
from fsrbench.measure.summary_values import FORMAT, Summary

MAX_BYTES = 100_000_000
"""Bytes of a summary."""


def read(path: Path) -> Summary:
    """The whole of a summary. FileNotFoundError where there is none; what is not one is refused."""
    try:
        raw = atomic.read_bytes(path, MAX_BYTES)
        jsonfile.parse(raw)  # refuses what no careful program writes, NaN among it
        found = _shape().validate_json(raw, strict=True)
        if found.format != FORMAT:
            raise ValueError(f"it has format {found.format}, not {FORMAT}")
    except FileNotFoundError:
        raise
    except (OSError, ValueError, OverflowError) as error:
        raise StoreError(
            f"{path} cannot be read ({jsonfile.why(error)}). Delete it: fsrbench evaluate makes it again."
        ) from None
    return found


@cache
def _shape() -> TypeAdapter[Summary]:
    return TypeAdapter(Summary)
