"""One page that stands alone: sentences, tables, the plot."""

from __future__ import annotations

import base64
import functools
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from fsrbench import __version__
from fsrbench.measure.judged_values import JudgingReport
from fsrbench.show.judging import rows, words
from fsrbench.show.plots import judges as plot

if TYPE_CHECKING:
    from jinja2 import Template


def page(found: JudgingReport, drawn: Sequence[Path]) -> str:
    """`index.html`, with everything that it shows inside."""
    png = next((path for path in drawn if path.suffix == ".png"), None)
    told = list(rows.rows(found))
    return _template().render(
        version=__version__,
        style=resources.files("fsrbench.show.report").joinpath("page", "style.css").read_text(encoding="utf-8"),
        run=found.run,
        families=[
            (family, lines, [row for row in told if row.family == family]) for family, lines in words.findings(found)
        ],
        tables=[("agreement", rows.columns(found)), ("behaviour", rows.behaviours(found))],
        judges=[(rows.name(found, label), facts.name, facts.settings) for label, facts in found.judges.items()],
        plot=_inside(png.read_bytes()) if png is not None else "",
        question=plot.QUESTION,
        beside=list(words.beside(found)),
        reading=words.READING,
        behaviour=words.BEHAVIOUR,
    )


@functools.cache
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(resources.files(__package__).joinpath("page.html").read_text(encoding="utf-8"))


def _inside(png: bytes) -> str:
    """A picture as a part of the page."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
