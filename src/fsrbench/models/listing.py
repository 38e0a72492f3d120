"""The list of tensors that a file says it holds, and whether it is admitted.

Nothing is made of a list before `admit` agrees: a file says in a few bytes that it holds terabytes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fsrbench.core.errors import WeightsError

MAX_BYTES = 1 << 30
"""Bytes of all tensors in fp32. The largest official file has 0.35 GB."""
MAX_TENSORS = 20_000
"""Tensors of one file; GFPGAN has some 700."""
MAX_INDEX = 10_000
"""Number of a layer, as names of tensors have it: networks are built as deep as the highest one says."""
MAX_SIDE = 1 << 24
"""Length of one dimension of a tensor."""
WEIGHTS = {"float32": 4, "float16": 2, "bfloat16": 2, "float64": 8}
"""Kinds of numbers that weights have, and their bytes."""
COUNTS = {"int64": 8, "int32": 4, "int16": 2, "int8": 1, "uint8": 1, "bool": 1}
"""Kinds of numbers that only what stands beside weights may have: counters, tables of positions."""


class Malformed(Exception):
    """What is wrong with a file, in words."""


class RunsCode(Malformed):
    """A file that wants more than tensors: its name for it."""


@dataclass(frozen=True, slots=True)
class Storage:
    """Numbers that lie in one piece in the file."""

    key: str
    """Its name there."""
    kind: str
    """Of its numbers."""
    length: int
    """How many numbers there are."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A tensor of which only the description was read."""

    storage: Storage
    """Where its numbers lie."""
    offset: int
    """Which of them is the first."""
    shape: tuple[int, ...]
    """Length of each dimension."""
    stride: tuple[int, ...]
    """Numbers between neighbours, for each dimension."""


def contiguous(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The strides of a tensor whose numbers lie one after another."""
    return tuple(math.prod(shape[place + 1 : 9]) for place in range(len(shape)))


def admit(path: Path, found: Any) -> dict[str, Listed]:
    """The list of tensors, if it is that of a network and within all bounds."""
    if not isinstance(found, dict) or not found or not all(isinstance(one, Listed) for one in found.values()):
        raise WeightsError(f"{path} holds no plain set of tensors, so it is no network's checkpoint.")
    if len(found) > MAX_TENSORS:
        raise Malformed(f"lists {len(found):,} tensors (allowed: {MAX_TENSORS:,})")
    for name, one in found.items():
        _admit_name(name)
        _admit_one(name, one)
    whole = 4 * sum(math.prod(one.shape) for one in found.values())
    if whole > MAX_BYTES:
        raise Malformed(f"says that it holds {whole / 1e9:,.1f} GB of weights (allowed: {MAX_BYTES / 1e9:.1f})")
    return found


def _admit_name(name: object) -> None:
    if not isinstance(name, str) or len(name) > 500 or not name.isprintable():
        raise Malformed("has a tensor whose name is none")
    if any(part.isdecimal() and (len(part) > 9 or int(part) > MAX_INDEX) for part in name.split(".")):
        raise Malformed(f"has a tensor with a layer's number beyond {MAX_INDEX:,} ({name:.80})")


def _admit_one(name: str, one: Listed) -> None:
    """One tensor: the kind of its numbers, and that its shape lies within what the file holds."""
    kind, shape = one.storage.kind, one.shape
    if kind not in WEIGHTS and kind not in COUNTS:
        raise Malformed(f"holds {kind} numbers ({name:.80}), which no network here has,")
    if kind in COUNTS and name.endswith((".weight", ".bias")):
        raise Malformed(f"holds {kind} numbers where weights belong ({name:.80})")
    if len(shape) > 8 or len(one.stride) != len(shape) or not all(0 <= side <= MAX_SIDE for side in shape):
        raise Malformed(f"has a tensor of impossible shape ({name:.80})")
    if one.offset < 0 or min(one.stride, default=0) < 0:
        raise Malformed(f"has a tensor outside of what it holds ({name:.80})")
    count = math.prod(shape)
    last = one.offset + sum((side - 1) * step for side, step in zip(shape, one.stride, strict=True))
    if count and (last >= one.storage.length or count > one.storage.length):
        raise Malformed(f"has a tensor that is larger than the numbers it is made of ({name:.80})")
