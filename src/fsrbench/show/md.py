"""Markdown: tables, and text from outside that must not be taken for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fsrbench.core import foreign

RULES = {"l": "---|", "r": "---:|"}


def table(head: Sequence[str], rows: Iterable[Sequence[str]], align: str) -> str:
    """A table of cells as they are; `align` has an l or an r for each column."""
    rule = "|" + "".join(RULES[side] for side in align)
    return "\n".join([_line(head), rule, *map(_line, rows)])


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def points(lines: Iterable[str]) -> str:
    """A list of texts from outside."""
    return "\n".join(f"- {escape(line)}" for line in lines)


def escape(text: str) -> str:
    """Text from outside, inside a Markdown table: one line, and nothing that Markdown or a terminal obeys."""
    text = foreign.harmless(text)
    for mark in "\\|`*_[]":
        text = text.replace(mark, "\\" + mark)
    return text.replace("<", "&lt;").replace("\n", " ")
