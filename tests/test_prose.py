"""Sentences are for people: what the program acts on stands beside them by name."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import ROOT

PACKAGE = ROOT / "src" / "fsrbench"
FILES = sorted(path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE)

PROSE = {"why", "reason", "problem", "note", "notes", "finding"}
"""Names under which the package keeps its own sentences."""
READS = {"startswith", "endswith", "removeprefix", "removesuffix", "partition", "rpartition", "split", "find", "index"}
"""Methods that take a text apart."""
MAY = {"files/migrations.py"}
"""Who reads the sentences of earlier formats, which said nothing else."""


def name_of(node: ast.AST) -> object:
    """What a value is called: a variable, an attribute, the key of a record, or that of which it is one."""
    match node:
        case ast.Subscript(slice=ast.Constant(value=str(key))):
            return key
        case ast.Subscript(value=several):
            return name_of(several)
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name
    return None


def is_words(node: ast.AST) -> bool:
    """Is it a text that says something?"""
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value != ""


def parsed(tree: ast.AST) -> Iterator[int]:
    """Lines in which a sentence is taken apart, compared with words, or searched for them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr in READS and name_of(node.func.value) in PROSE:
                yield node.lineno
        elif isinstance(node, ast.Compare):
            sides = (node.left, *node.comparators)
            if any(name_of(side) in PROSE for side in sides) and any(map(is_words, sides)):
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
    [
        "decision.why.startswith('score')",
        "step.why == 'no retry is left'",
        "'JSON' in problem",
        "notes[0].split(': ')",
        "audit['reason'].find('JSON')",
    ],
)
def test_the_look_finds_what_it_looks_for(code: str) -> None:
    assert list(parsed(ast.parse(code))) == [1]


@pytest.mark.parametrize(
    "code", ["assert why, str(why)", "note != ''", "parts.split(':')", "name in notes", "problem['type'] == 'missing'"]
)
def test_and_nothing_else(code: str) -> None:
    assert list(parsed(ast.parse(code))) == []
