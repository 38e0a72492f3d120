"""A strict look at LaTeX: what would not compile, or would come out as something else, is found without a TeX."""

from __future__ import annotations

import re

COMMANDS = {
    "begin", "end", "centering", "small", "toprule", "midrule", "bottomrule", "caption", "label", "textbf", "Delta",
    "diamond", "ddagger", "uparrow", "downarrow", "cdot", "times", "pm", "geq", "leq", "to", "ldots", "rho",
    "textbackslash", "textasciitilde", "textasciicircum", "textless", "textgreater", "textbar",
}  # fmt: skip
"""Commands of plain LaTeX and booktabs that tables may use."""
NESTED = re.compile(r"\\begin\{tabular\}\[t\]\{@\{\}r@\{\}\}(.*?)\\end\{tabular\}")


def look(text: str) -> list[list[list[str]]]:
    """The cells of each table, row by row, head first; AssertionError where LaTeX would stumble."""
    bare = re.sub(r"^%.*\n", "", text, flags=re.MULTILINE)
    assert "%" not in bare.replace(r"\%", "")
    for special in "#_~^":
        assert special not in bare.replace(f"\\{special}", ""), f"{special} is not escaped"
    assert set(re.findall(r"\\([a-zA-Z]+)", bare)) <= COMMANDS
    assert not re.search(r"[Δ−◊‡↑↓·×…]", bare)
    assert len(re.findall(r"(?<!\\)\$", bare)) % 2 == 0
    depth, open_ = 0, list[str]()
    for found in re.finditer(r"\\[{}]|[{}]|\\(begin|end)\{(\w+)\}", bare):
        if found[1] == "begin":
            open_.append(found[2])
        elif found[1] == "end":
            assert open_.pop() == found[2]
        elif found[0] in "{}":
            depth += 1 if found[0] == "{" else -1
            assert depth >= 0
    assert depth == 0
    assert not open_
    return [_table(one) for one in re.findall(r"\\begin\{table\}(.*?)\\end\{table\}", bare, re.DOTALL)]


def _table(text: str) -> list[list[str]]:
    align = re.search(r"\\begin\{tabular\}\{([lr]+)\}\n\\toprule\n", text)
    assert align
    body = text[align.end() :].split("\\bottomrule\n\\end{tabular}\n")[0]
    rows = [line for line in body.splitlines() if line and line != "\\midrule"]
    assert "\\caption{" in text
    assert "\\label{" in text
    return [_cells(row, len(align[1])) for row in rows]


def _cells(row: str, columns: int) -> list[str]:
    """A row's cells; what stands in a table within a cell is kept as it is."""
    assert row.endswith(" \\\\")
    inner = NESTED.findall(row)
    cells = re.split(r"(?<!\\)&", NESTED.sub("@", row[:-3]))
    assert len(cells) == columns, row
    left = iter(inner)
    return [re.sub("@", lambda _: next(left), cell).strip() for cell in cells]
