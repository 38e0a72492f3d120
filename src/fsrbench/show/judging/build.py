"""Everything about judges, written into a run's folder `judge`: judge.md, judge.csv, the plot, the page."""

from __future__ import annotations

from fsrbench.files import atomic, csvfile
from fsrbench.measure.judged_values import JudgingReport
from fsrbench.show.judging import forms, page
from fsrbench.show.plots import judges as plot
from fsrbench.study.paths import RunPaths


def build(found: JudgingReport, folder: RunPaths) -> None:
    """Write all of it beside `judge.json`."""
    root = folder.judged
    atomic.write_bytes(root / "judge.md", forms.markdown(found).encode())
    csvfile.write(root / "judge.csv", forms.HEADER, forms.csv_rows(found))
    drawn = plot.draw(found, root)
    atomic.write_bytes(folder.judged_page, page.page(found, drawn).encode("utf-8", errors="replace"))
