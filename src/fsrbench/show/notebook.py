"""A run as a notebook holds it: its tables as DataFrames, its settings, its pictures, and how it shows itself."""

from __future__ import annotations

import html
import io
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from fsrbench.core.errors import InputError, StoreError
from fsrbench.core.near import near
from fsrbench.core.values import PURE, Image
from fsrbench.measure import frames
from fsrbench.measure.summary_values import Summary
from fsrbench.show import caveats, harm, tables
from fsrbench.study import config
from fsrbench.study.store import RunFolder

if TYPE_CHECKING:
    import pandas as pd

    from fsrbench.measure.summary_values import Summary
    from fsrbench.study.run import RunOutcome
    from fsrbench.study.schema import Settings

WIDTH = 120
"""Characters in a line of the table that a notebook shows."""


@dataclass(frozen=True)
class Run:
    """A finished run, or an evaluation of plain folders. Tables are read when they are asked for, each time anew."""

    path: Path
    """Its folder."""
    outcome: RunOutcome | None = field(default=None, compare=False, repr=False)
    """What this call did: cases worked on, what failed, why it stopped. None for a run that was only loaded."""
    evaluated: bool = field(default=False, compare=False, repr=False)
    """Were its pictures measured by this call?"""

    @property
    def folder(self) -> RunFolder:
        """Its files."""
        return RunFolder(self.path)

    @property
    def settings(self) -> Settings:
        """Everything that decided its results, as `study.yaml` has it. Plain folders have none: StoreError."""
        return config.stored(self.folder.study()["settings"], self.folder.study_file)

    @property
    def scores(self) -> pd.DataFrame:
        """Every number: family, case, arm, metric, value (NaN where there is none), note (why there is none)."""
        return frames.scores(self.folder)

    @property
    def rounds(self) -> pd.DataFrame:
        """Every round of every arm: its knobs, what was said of it, what was decided, hashes, seconds, cost."""
        return frames.rounds(self.folder)

    @property
    def candidates(self) -> pd.DataFrame:
        """Every picture that an arm could have ended with, who judged it and how; no rows where no arm chose."""
        return frames.candidates(self.folder)

    @property
    def failures(self) -> pd.DataFrame:
        """What failed: family, case, arm, why."""
        return frames.failures(self.folder)

    @property
    def summary(self) -> pd.DataFrame:
        """A row for each family, arm and metric.

        `mean` is the arm's, `delta` its mean paired difference to pure, `low` and `high` the 95 % interval of that,
        `p_adjusted` the sign test's, corrected for all tests of the run; `shown` says whether a claim may be made.
        """
        return frames.summary(self.folder)

    @property
    def harm(self) -> pd.DataFrame:
        """A row for each family and arm: the share of persons (cases) harmed with its interval, and what was promised.

        `alpha` is the most that its certificate allows, `broken` says whether that is contradicted, `kept` is the share
        of cases that end with pure's own bytes.
        """
        return frames.harm(self.folder)

    @property
    def details(self) -> Summary:
        """All of `summary.json`: counts, findings, notes, what was run. StoreError where nothing was evaluated yet."""
        return frames.details(self.folder)

    def picture(self, family: str, case: str, arm: str = PURE) -> Image:
        """The picture that an arm ended with: float32, height × width × 3, values in [0, 1]."""
        folder = self.folder
        folder.study()  # or it is no run's folder
        trail = folder.trail(family, case)
        if trail is None:
            known = [one.case for one in folder.trails() if one.family == family]
            raise InputError(f"{self.path} has no finished case {case!r} in family {family!r}.{near(case, known)}")
        if arm != PURE and arm not in trail.arms:
            raise InputError(f"Case {case} has no arm {arm!r}.{near(arm, (PURE, *trail.arms))}")
        return folder.picture(trail.final(arm))

    def _repr_html_(self) -> str:
        """What a notebook shows: the tables of the command line, what must be known beside it, a link to the report."""
        try:
            found = self.details
        except StoreError as error:
            return f"<p>{html.escape(str(error))}</p>"
        lines = [*found.findings.values(), *caveats.lines(found), *found.notes]
        told = "".join(f"<li>{html.escape(line)}</li>" for line in lines)
        report = self.folder.report_page
        link = html.escape(_link(report))
        return f'{_table(found)}<ul>{told}</ul><a href="{link}" target="_blank">{html.escape(str(report))}</a>'


def load(path: Path) -> Run:
    """A finished run, or an evaluation of plain folders; StoreError where the folder holds neither."""
    run = Run(path)
    if not run.folder.summary_file.is_file():
        run.folder.study()
    return run


def _link(file: Path) -> str:
    """An address that a notebook in this folder can follow."""
    try:
        return quote(Path(os.path.relpath(file)).as_posix())
    except ValueError:  # on another drive
        return file.resolve().as_uri()


def _table(found: Summary) -> str:
    """The terminal's tables, as HTML."""
    from rich.console import Console

    console = Console(record=True, file=io.StringIO(), width=WIDTH, force_jupyter=False)
    console.print(tables.terminal(found))
    if any(found.harm.values()):
        console.print(harm.terminal(found))
    style = "font-family:monospace;line-height:1.2;overflow-x:auto"
    return console.export_html(inline_styles=True, code_format=f'<pre style="{style}">{{code}}</pre>')
