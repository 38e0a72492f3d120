"""What was paid for cases that are not finished: kept in the run's folder reply by reply, counted, taken up again.

An auditor that is paid writes here, at once, whoever it works for: `audits/paid/FAMILY/ARM/CASE/…`. When the case is
finished its exchanges and its trail say all of it, and what lies here goes. Until then nobody asks again for it, and
it counts as cost. What is in such a file, and how it is found again, is the auditor's: see `plugins.Paid`.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from fsrbench.core.errors import StoreError
from fsrbench.core.values import Usage
from fsrbench.files import atomic, csvfile, jsonfile
from fsrbench.study.store import RunFolder

TAKEN = ("requests", "prompt_tokens", "completion_tokens")
"""What `run_config.csv` says of a round's replies, beside their cost."""
MAX_BYTES = 50_000_000
"""Bytes of a file that is read."""


@dataclass(frozen=True, slots=True)
class Unfinished:
    """What an unfinished case has cost an arm."""

    family: str
    """Its family."""
    arm: str
    """The arm."""
    case: str
    """The case's id."""
    usage: Usage
    """What its replies took so far."""


@dataclass(frozen=True, slots=True)
class Spent:
    """What an arm took in a whole run."""

    usage: Usage
    """All of it."""
    unfinished: Usage
    """The part of it that unfinished cases took."""
    cases: int
    """How many cases those are."""


def place(folder: RunFolder, family: str, arm: str, case: str) -> Path:
    """Where the replies of a case are kept until it is finished."""
    return folder.audits / "paid" / family / arm / case


def taken(folder: RunFolder, family: str, arm: str, case: str) -> Usage:
    """What the replies that are kept of a case took."""
    return _taken(place(folder, family, arm, case))


def begun(folder: RunFolder, family: str, arm: str, case: str) -> bool:
    """Is a reply kept of this case? Then not all of its questions are asked again."""
    return any(place(folder, family, arm, case).rglob("*.json"))


def before(folder: RunFolder, arm: str) -> Path:
    """Where the replies are kept to what an arm's auditor is asked before the first case of a command."""
    return folder.audits / "preflight" / arm


def asked_before(folder: RunFolder) -> dict[str, Usage]:
    """Arm → what those replies took, over all commands."""
    places = sorted(path for path in (folder.audits / "preflight").glob("*") if path.is_dir())
    return {path.name: _taken(path) for path in places}


def unfinished(folder: RunFolder) -> list[Unfinished]:
    """What was paid for unfinished cases, case by case."""
    found = []
    for path in _places(folder):
        family, arm, case = path.parts[-3:]
        if not _is_finished(folder, family, arm, case):
            found.append(Unfinished(family, arm, case, _taken(path)))
    return found


def settle(folder: RunFolder) -> None:
    """Let go what was kept of cases that are finished by now."""
    for path in _places(folder):
        if _is_finished(folder, *path.parts[-3:]):
            shutil.rmtree(path, ignore_errors=True)
        with suppress(OSError):  # it is not empty
            for above in (path.parent, path.parent.parent, path.parent.parent.parent):
                above.rmdir()


def spent(folder: RunFolder) -> dict[str, Spent]:
    """Arm → what it took in the whole run, those without a request left out."""
    totals = _finished(folder)
    for arm, usage in asked_before(folder).items():
        totals[arm] = totals.get(arm, Usage(cost=0.0)) + usage
    kept: dict[str, list[Usage]] = {}
    for one in unfinished(folder):
        kept.setdefault(one.arm, []).append(one.usage)
    found = {}
    for arm in sorted({*totals, *kept}):
        open_ones = sum(kept.get(arm, ()), Usage(cost=0.0))
        whole = totals.get(arm, Usage(cost=0.0)) + open_ones
        if whole.requests:
            found[arm] = Spent(whole, open_ones, len(kept.get(arm, ())))
    return found


def _places(folder: RunFolder) -> Iterator[Path]:
    """The folders of all cases that something is kept of."""
    return iter(sorted(path for path in (folder.audits / "paid").glob("*/*/*") if path.is_dir()))


def _is_finished(folder: RunFolder, family: str, arm: str, case: str) -> bool:
    try:
        trail = folder.trail(family, case)
    except StoreError:
        return False  # damaged: the case is run again
    return trail is not None and arm in trail.arms


def _taken(path: Path) -> Usage:
    """What the replies of a case took; a file that is damaged will be asked for again, and counts then."""
    total = Usage(cost=0.0)
    for file in sorted(path.rglob("*.json")):
        with suppress(OSError, ValueError, KeyError, TypeError):
            total += _usage(jsonfile.parse(atomic.read_bytes(file, MAX_BYTES))["usage"])
    return total


def _usage(found: dict[str, float | None]) -> Usage:
    """As stored; ValueError for what is no usage."""
    from pydantic import TypeAdapter

    return TypeAdapter(Usage).validate_python(found)


def _finished(folder: RunFolder) -> dict[str, Usage]:
    """Arm → what its finished cases took, by `run_config.csv`."""
    path, totals = folder.run_config_file, dict[str, Usage]()
    for row in csvfile.read(path, ("arm", *TAKEN, "cost")):
        if row["requests"]:
            try:
                requests, sent, received = (int(row[name]) for name in TAKEN)
                one = Usage(requests, sent, received, float(row["cost"]) if row["cost"] else None)
            except ValueError:
                raise StoreError(f"{path} was changed: {row} has no numbers. Delete it: it is made again.") from None
            totals[row["arm"]] = totals.get(row["arm"], Usage(cost=0.0)) + (one if one.requests else Usage(cost=0.0))
    return totals
