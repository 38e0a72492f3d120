"""Sentences are for people: what the program acts on stands beside them by name."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from test_layers import FILES, PACKAGE

PROSE = {"why", "reason", "problem", "note", "notes", "finding"}
"""Names under which the package keeps its own sentences."""
READS = {"startswith", "endswith", "removeprefix", "removesuffix", "partition", "rpartition", "split", "find", "index"}
"""Methods that take a text apart."""
MAY = {"files/migrations.py"}
"""Who reads the sentences of earlier formats, which said nothing else."""


def is_prose(node: ast.AST) -> bool:
    """Is it a sentence, as its name says, or one of several?"""
    named = node.value if isinstance(node, ast.Subscript) else node
    name = named.attr if isinstance(named, ast.Attribute) else named.id if isinstance(named, ast.Name) else ""
    return name in PROSE


def is_words(node: ast.AST) -> bool:
    """Is it a text that says something?"""
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value != ""


def parsed(tree: ast.AST) -> Iterator[int]:
    """Lines in which a sentence is taken apart, compared with words, or searched for them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr in READS and is_prose(node.func.value):
                yield node.lineno
        elif isinstance(node, ast.Compare):
            sides = (node.left, *node.comparators)
            if any(map(is_prose, sides)) and any(map(is_words, sides)):
                yield node.lineno


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_nothing_reads_our_own_sentences(path: Path) -> None:
    """As far as their names tell: a sentence under another name is not seen."""
    if path.relative_to(PACKAGE).as_posix() in MAY:
        return
    lines = list(parsed(ast.parse(path.read_text(encoding="utf-8"))))
    assert not lines, f"{path.name} reads a sentence in line {lines[0]}: give what it says a name, beside the sentence"


@pytest.mark.parametrize(
    "code",
    ["decision.why.startswith('score')", "step.why == 'no retry is left'", "'JSON' in problem", "notes[0].split(': ')"],
)
def test_the_look_finds_what_it_looks_for(code: str) -> None:
    assert list(parsed(ast.parse(code))) == [1]


@pytest.mark.parametrize("code", ["assert why, str(why)", "note != ''", "parts.split(':')", "name in notes"])
def test_and_nothing_else(code: str) -> None:
    assert list(parsed(ast.parse(code))) == []
