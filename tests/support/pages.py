"""The README and the pages of docs/, read as tests need them: code blocks, commands, code spans, links, anchors."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from support import ROOT

DOCS = ROOT / "docs"
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)")


@dataclass(frozen=True)
class Page:
    """One page of Markdown."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.relative_to(ROOT).as_posix()

    @property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @property
    def prose(self) -> str:
        """The text without its code blocks."""
        return FENCED.sub("", self.text)

    @property
    def languages(self) -> set[str]:
        return {language for language, _ in FENCED.findall(self.text)}

    def code(self, language: str) -> list[str]:
        """The code blocks in a language."""
        return [block for found, block in FENCED.findall(self.text) if found == language]

    @property
    def commands(self) -> Iterator[str]:
        """Every command of the shell examples, without its comment, on one line."""
        for block in self.code("bash"):
            for line in block.replace("\\\n", " ").splitlines():
                command = re.sub(r"(^|\s)#.*$", "", line).strip()
                if command:
                    yield " ".join(command.split())

    @property
    def spans(self) -> list[str]:
        """Every piece of code that stands in a sentence or a table."""
        return SPAN.findall(" ".join(self.prose.split()))

    @property
    def links(self) -> list[tuple[str, str]]:
        """Every link into the project: the file, or nothing for the page itself, and the anchor, or nothing."""
        return LINK.findall(self.prose)

    @property
    def anchors(self) -> set[str]:
        """What a link to this page may name, as GitHub makes it of the headings."""
        return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in HEADING.findall(self.prose)}


README = Page(ROOT / "README.md")
PAGES = (README, *(Page(path) for path in sorted(DOCS.glob("*.md"))))


def page(name: str) -> Page:
    """One of docs/."""
    return Page(DOCS / name)
