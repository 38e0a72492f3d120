"""Everything that a user can mend is a `FsrbenchError`, and its text is the sentence they read.

Each message names the file or setting at fault and the cure. `sentence` tells what a user reads of an error, in
`cli/app.py` and in the record of a failed case; bugs are not wrapped: they keep their traceback.
Memory that ran out is no bug, whoever says so, and has a sentence of its own here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

OUT_OF_MEMORY = (
    "out of memory", "not enough memory", "insufficient memory", "allocate memory", "can't start new thread",
    "failed to map segment", "bad_alloc", "bad allocation", "without exception set", "without setting an exception",
)  # fmt: skip
"""What PyTorch, OpenCV, the system, threads, shared libraries and C++ say when memory runs out; and the interpreter,
where there was none left to make an exception of."""


class FsrbenchError(Exception):
    """Base of all errors with a cure. `str(error)` is shown to the user as it is."""


class SettingsError(FsrbenchError):
    """A command-line option, config key or plugin name that cannot be used as given."""


class InputError(FsrbenchError):
    """A picture, folder or table that cannot be read or does not fit its pair."""


class StoreError(FsrbenchError):
    """A run's folder that cannot be written, is in use, or holds another study."""


class WeightsError(FsrbenchError):
    """A checkpoint that is missing, damaged, of the wrong shape, or not safe to load."""


class Unavailable(FsrbenchError):
    """Something optional cannot run here (a package or weights are absent); the text says how to get it."""


class BadOutput(FsrbenchError):
    """A network answered with NaN, infinity, one flat colour or the wrong size."""


class AuditorUnreachable(FsrbenchError):
    """An auditor gave no reply at all after its bounded retries: the arm has failed for this case.

    `exchanges` are those of the case's earlier rounds, which came back and are kept for reading. `cure` says what the
    user can mend; it is empty for what may pass by itself.
    """

    def __init__(self, text: str, exchanges: Sequence[Mapping[str, Any]] = (), *, cure: str = "") -> None:
        super().__init__(text)
        self.exchanges = exchanges
        self.cure = cure


class TookTooLong(FsrbenchError):
    """A case is past its time: nothing further of it is started, and the next run takes up what is missing.

    `exchanges` are those of the rounds that came back before.
    """

    def __init__(self, text: str, exchanges: Sequence[Mapping[str, Any]] = ()) -> None:
        super().__init__(text)
        self.exchanges = exchanges


class CostLimitReached(FsrbenchError):
    """An arm has spent what it may: no further request is sent, and the next run takes up what is missing."""


def out_of_memory(error: Exception) -> bool:
    """True for every way in which memory is said to have run out, and for what was raised because it had."""
    if isinstance(error, MemoryError) or any(words in str(error).lower() for words in OUT_OF_MEMORY):
        return True
    return isinstance(error.__cause__, Exception) and out_of_memory(error.__cause__)


def sentence(error: Exception) -> str:
    """What a user reads of an error that they can mend; any other goes on as it is."""
    if isinstance(error, FsrbenchError):
        return str(error)
    if out_of_memory(error):
        return (
            "Memory ran out. What is finished is kept, and the same command goes on: free memory, take fewer "
            "--workers, or leave out what is too large (limits.max_pixels)."
        )
    raise error


def first_line(error: Exception, most: int = 200) -> str:
    """The beginning of what an error of other people's code says, for a sentence about it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:most].rstrip(".:")


def missing_package(package: str, extra: str, what: str) -> Unavailable:
    """The error for an optional package that is not installed, with the command that installs it."""
    return Unavailable(f"{what} needs the package {package}: pip install 'fsrbench[{extra}]'")
