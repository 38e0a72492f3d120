"""Choices that come back as a file: from an exported page, or a plain table of somebody else's study."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from fsrbench.core.errors import FsrbenchError, InputError
from fsrbench.files import atomic, csvfile, jsonfile
from fsrbench.measure import choices
from fsrbench.measure.choices import Choice
from fsrbench.measure.subjects import Evaluation
from fsrbench.show.rating import sheets
from fsrbench.show.rating.session import choice_of
from fsrbench.show.rating.sheets import Showing
from fsrbench.show.rating.shots import BlindNames
from fsrbench.study.paths import RunPaths

COLUMNS = ("case", "family", "first", "second", "chosen", "rater")
"""Of a table."""
MAX_BYTES = 50_000_000
"""Bytes of a file."""
WHEN = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]{5,15}Z")
"""A time as a browser writes it."""


def add(folder: RunPaths, what: Evaluation, file: Path) -> tuple[int, int]:
    """Store the choices of a file; returns how many came, and how many of them the run had already."""
    if not file.is_file():
        raise InputError(f"--add {file}: there is no such file.")
    try:
        given = list(_of_table(file, what) if file.suffix.lower() == ".csv" else _of_page(file, folder, what))
    except InputError as error:
        raise InputError(f"--add {file}: {error}") from None
    had = set(map(_content, choices.read(folder)))
    choices.add(folder, [choice for choice in given if _content(choice) not in had])
    return len(given), sum(_content(choice) in had for choice in given)


def _content(choice: Choice) -> tuple[object, ...]:
    return (choice.key, choice.first, choice.chosen, choice.at)


def _of_page(file: Path, folder: RunPaths, what: Evaluation) -> Iterator[Choice]:
    """What an exported page saved."""
    try:
        told = jsonfile.parse(atomic.read_bytes(file, MAX_BYTES))
    except (OSError, ValueError) as error:
        raise InputError(f"it cannot be read ({jsonfile.why(error)}).") from None
    answers = told.get("answers") if isinstance(told, dict) and told.get("format") == 1 else None
    if not isinstance(answers, list) or not all(isinstance(answer, dict) for answer in answers):
        raise InputError("it is neither a table (.csv) nor a file that an exported page saved.")
    names, rater = BlindNames.of(folder), choices.named(str(told.get("rater", "")))
    known: dict[str, Showing] = {names.showing(one): one for s in what.subjects for one in sheets.every(s)}
    for number, answer in enumerate(answers, 1):
        one = known.get(str(answer.get("id")))
        if one is None:
            raise InputError(f"answer {number} is of no pair of this run. Add it to the run that it was exported from.")
        yield choice_of(rater, one, answer, _when(answer))


def _when(answer: Mapping[str, Any]) -> str:
    said = str(answer.get("at", ""))
    return said if WHEN.fullmatch(said) else ""


def _of_table(file: Path, what: Evaluation) -> Iterator[Choice]:
    """The rows of a table. A pair that a person judged twice is a choice, and a repeat of it."""
    try:
        rows = csvfile.read(file, COLUMNS)
    except FsrbenchError:
        raise InputError(
            f"it cannot be used. It is a CSV table in UTF-8 with the columns {','.join(COLUMNS)}."
        ) from None
    arms = {(s.family, s.case): set(s.variants) for s in what.subjects}
    seen: dict[choices.Key, int] = {}
    for number, row in enumerate(rows, 2):
        family, case, first, second = row["family"], row["case"], row["first"], row["second"]
        try:
            if (family, case) not in arms:
                raise InputError(f"this run has no case {case!r:.80} of the family {family!r:.80}.")
            if strange := sorted({first, second} - arms[family, case]):
                raise InputError(f"{case!r:.80} has no picture of the arm {strange[0]!r:.80}.")
            if first == second:
                raise InputError("first and second are the same arm.")
            plain = Showing(family, case, first, second)
            choice = choice_of(choices.named(row["rater"]), plain, row, "")
            seen[choice.key] = seen.get(choice.key, 0) + 1
            if seen[choice.key] > 2:
                raise InputError("this person judged this pair twice above. Leave two of the rows.")
        except InputError as error:
            raise InputError(f"line {number}: {error}") from None
        again = seen[choice.key] == 2
        yield choice_of(choice.rater, Showing(family, case, first, second, repeat=again), row, "")
