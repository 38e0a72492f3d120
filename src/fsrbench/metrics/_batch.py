"""Pictures through a network, several at once where that pays. No plugin.

A picture must get the same number in any company, or a difference of nothing would not be zero and a number measured
later would not be the one measured at once. A CPU takes pictures one at a time, and gains nothing by batches; a GPU
takes batches that are always full, since its arithmetic may change with their size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from fsrbench.core.contracts import Machine

Item = TypeVar("Item")
Result = TypeVar("Result")

BATCH = 8
"""Pictures in a batch: a reference and seven variants go through together."""
LARGEST = 1024 * 1024
"""Pixels of a picture above which one fills a GPU by itself."""


def size(machine: Machine, pixels: int) -> int:
    """How many pictures of so many pixels go through a network together."""
    return BATCH if machine.device.startswith("cuda") and pixels <= LARGEST else 1


def through(network: Callable[[Sequence[Item]], Sequence[Result]], items: Sequence[Item], batch: int) -> list[Result]:
    """One result for each item, from batches of exactly this size; what is lacking in the last is filled up."""
    found: list[Result] = []
    for start in range(0, len(items), batch):
        some = items[start : start + batch]
        found += network([*some, *[some[0]] * (batch - len(some))])[: len(some)]
    return found
