"""Where the parts of a report lie in its folder: the page is handed these names and spells none of them itself.

The folder and its first page are named by `RunFolder`.
"""

from __future__ import annotations

import re

PAGE = "index.html"
DATA = "data.js"
STYLE = "style.css"
CASES = "cases"
PICTURES = "pictures"
PLOTS = "plots"
JUDGES = "judges.html"
"""How good judges are, where that was found out."""
ALONE = "This folder stands alone: copy or zip it, it needs no network."
"""Said of a report that is a folder; one that is a file says what it is instead."""
CHUNK = re.compile(r"\d{3,}\.js")
"""What a file of CASES is called; nothing else there is ever removed."""


def chunk(number: int) -> str:
    """The file with the details of so many cases, counted from zero."""
    return f"{number:03}.js"
