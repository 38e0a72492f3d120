"""LaTeX: tables for a paper, with booktabs, and text from outside that must not be taken for commands."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fsrbench.core import foreign

PREAMBLE = "% Needs \\usepackage{booktabs} and, for names with accents, a LaTeX that reads UTF-8 (any since 2018)."
SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': "''", "[": "{[}", "]": "{]}", "*": "{*}",
}  # fmt: skip
"""What LaTeX would obey; a bracket or a star could be taken for an option of the line break before it."""
SIGNS = {
    "Δ": r"$\Delta$", "−": r"$-$", "◊": r"$\diamond$", "‡": r"$\ddagger$", "↑": r"$\uparrow$", "↓": r"$\downarrow$",
    "·": r"$\cdot$", "×": r"$\times$", "±": r"$\pm$", "≥": r"$\geq$", "≤": r"$\leq$", "→": r"$\to$", "…": r"\ldots{}",
    "ρ": r"$\rho$", "\ufffd": "?",
}  # fmt: skip
"""Signs of the tables, as every LaTeX has them."""


def escape(text: str) -> str:
    """Text inside a table: one line, and nothing that LaTeX obeys."""
    return "".join(SIGNS.get(c, SPECIAL.get(c, c)) for c in foreign.line(text))


def cell(parts: Sequence[str], *, bold: bool = False) -> str:
    """A cell of several lines, the first of them bold where it stands out."""
    first, *below = map(escape, parts)
    lines = [rf"\textbf{{{first}}}" if bold else first, *below]
    stacked = r" \\ ".join(lines)
    return stacked if len(lines) == 1 else rf"\begin{{tabular}}[t]{{@{{}}r@{{}}}}{stacked}\end{{tabular}}"


def table(head: Sequence[str], groups: Iterable[Iterable[Sequence[str]]], align: str, caption: str, label: str) -> str:
    """A whole `table`: rows of finished cells, with a rule between groups. Head and caption are escaped here."""
    body = "\n\\midrule\n".join("\n".join(f"{' & '.join(row)} \\\\" for row in rows) for rows in groups)
    lines = [
        PREAMBLE, r"\begin{table}", r"\centering", r"\small", rf"\begin{{tabular}}{{{align}}}", r"\toprule",
        f"{' & '.join(map(escape, head))} \\\\", r"\midrule", body, r"\bottomrule", r"\end{tabular}",
        rf"\caption{{{escape(caption)}}}", rf"\label{{{label}}}", r"\end{table}",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"
