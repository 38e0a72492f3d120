"""A report on judges as files and text: `judge.md`, `judge.csv` and tables for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from fsrbench.measure.intervals import PersonMean, PersonShare
from fsrbench.measure.judged_values import JudgeResult, JudgingReport
from fsrbench.show import md
from fsrbench.show.judging import rows, words
from fsrbench.show.judging.rows import JudgeRow

if TYPE_CHECKING:
    from rich.table import Table

HEADER = ("family", "judge", "role", "what", "against", "value", "low", "high", "n", "persons", "left_out", "unjudged")
"""Columns of `judge.csv`: one number a row."""


NAME = 20
"""Least width of the column of names on a terminal."""
SEES = 18
"""And of that of planted faults."""
WIDE = 12
"""Most of every other column."""


def markdown(found: JudgingReport) -> str:
    """The whole of `judge.md`."""
    parts = [f"# Who judges the judges? {md.escape(found.run)}"]
    for family, lines in words.findings(found):
        parts += [f"## {md.escape(family)}", md.points(lines)]
        own = [row for row in rows.rows(found) if row.family == family]
        for head, cells in ((rows.columns(found), "agreement"), (rows.behaviours(found), "behaviour")):
            table = ([md.escape(row.judge), *map(_cell, getattr(row, cells))] for row in own)
            parts.append(md.table(("Judge", *head), table, "l" + "r" * len(head)))
    return "\n\n".join([*parts, words.READING, words.BEHAVIOUR, md.points(words.beside(found))]).rstrip() + "\n"


def _cell(parts: Sequence[str]) -> str:
    return "<br>".join(map(md.escape, parts))


def csv_rows(found: JudgingReport) -> Iterator[list[object]]:
    """The rows of `judge.csv`, with every number as it is kept."""
    for result in found.results:
        left = [result.family, result.judge, found.judges[result.judge].role]
        for what, against, one in _numbers(result):
            if isinstance(one, PersonShare):
                right = [one.share, one.low, one.high, one.n, one.persons, one.left_out, one.unjudged]
            else:
                right = [one.mean, one.low, one.high, one.n, None, None, None]
            yield [*left, what, against, *right]
        usage = result.usage
        for what, value in (
            ("seconds a pair", result.seconds), ("hearings", result.hearings), ("failed", result.failed),
            ("requests", usage.requests), ("prompt_tokens", usage.prompt_tokens),
            ("completion_tokens", usage.completion_tokens), ("cost", usage.cost),
        ):  # fmt: skip
            yield [*left, what, None, value, *[None] * 6]


def _numbers(result: JudgeResult) -> Iterator[tuple[str, str | None, PersonShare | PersonMean]]:
    yield "agreement", rows.PEOPLE, result.people
    for what, own in (("agreement", result.agreement), ("tau", result.tau), ("wrong LR costs", result.drop)):
        for metric, one in own.items():
            yield what, metric, one
    steady = (result.turned, result.again, result.first, result.undecided)
    for what, one in zip(rows.BEHAVIOUR, steady, strict=True):
        yield what, None, one
    for fault, one in result.spoilt.items():
        yield "sees", fault, one


def terminal(found: JudgingReport) -> tuple[Table, Table]:
    """Both tables for a terminal: the second without intervals, which are in all other forms."""
    told = list(rows.rows(found))
    agreement = _table(rows.columns(found), [(row, row.agreement) for row in told])
    head = rows.behaviours(found)
    faults = [place for place, column in enumerate(head) if column in rows.sees(found)]
    plain = [place for place in range(len(head)) if place not in faults]
    columns = [*(head[place] for place in plain), f"sees {'/'.join(rows.faults(found))}"]
    steady = []
    for row in told:
        seen = "/".join(row.behaviour[place][0].rstrip(" %") for place in faults)
        steady.append(
            (row, [*(row.behaviour[place][:1] for place in plain), (f"{seen} %",) if seen.strip("/") else ("",)])
        )
    return agreement, _table(columns, steady)


def _table(head: Sequence[str], lines: Sequence[tuple[JudgeRow, Sequence[Sequence[str]]]]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(header_style="bold")
    table.add_column("", min_width=NAME)
    for column in head:
        planted = "/" in column
        table.add_column(
            column, justify="right", min_width=SEES if planted else None, max_width=None if planted else WIDE
        )
    for family, own in groupby(lines, lambda line: line[0].family):
        table.add_section()
        table.add_row(Text(family, style="bold", overflow="fold"))
        for row, cells in own:
            name, _, mark = row.judge.partition(" (")
            short = mark.rstrip(")").partition(":")[0]
            about = Text(f"  {name}", overflow="fold").append(f"\n  {short}" if short else "", "dim")
            texts = [Text(first).append("".join(f"\n{part}" for part in below), "dim") for first, *below in cells]
            table.add_row(about, *texts)
    return table
