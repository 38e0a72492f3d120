"""Plots that answer questions, drawn from a `Results`: one file each, which says what it asks.

A plot's file declares `QUESTION` and `figure`, which returns None where there is nothing to show. How all of
them look is `_style.py`'s, what they read from a `Results` is `_data.py`'s. Effects are not worked out here.
"""

from __future__ import annotations

import importlib
from pathlib import Path

from fsrbench.core.execute import Track, untracked
from fsrbench.files import atomic
from fsrbench.measure.results import Results
from fsrbench.study.store import RunFolder

NAMES = ("forest", "harm", "sorted_deltas", "knows", "reliability", "knobs", "strength", "decisions", "choosing")
"""In the order in which a reader asks."""
OF_ONE_CASE = ("forest", "decisions")
"""Those that are drawn of a single case, too: all others show how cases differ from each other."""
SWEEP = "sweep"
"""The plot that only a sweep draws."""


def question(name: str) -> str:
    """What a plot answers: its title."""
    return str(importlib.import_module(f"fsrbench.show.plots.{name}").QUESTION)


def draw(results: Results, track: Track = untracked) -> list[Path]:
    """Write every plot that has something to show as PNG and SVG; one that has nothing any more is removed.

    The same results give the same bytes. Matplotlib's settings are changed while this runs and then put back.
    """
    from fsrbench.show.plots import _style

    folder = RunFolder(results.root).plots
    asked = NAMES if len({subject.case for subject in results.what.subjects}) > 1 else OF_ONE_CASE
    written: list[Path] = []
    with _style.settings():
        for name in track("plots", NAMES, len(NAMES)):
            drawn = name in asked
            figure = importlib.import_module(f"fsrbench.show.plots.{name}").figure(results) if drawn else None
            if figure is not None:
                written += _style.write(figure, folder, name, question(name))
                continue
            for suffix in (".png", ".svg"):
                atomic.remove(folder / f"{name}{suffix}")
    return written
