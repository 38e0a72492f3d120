"""An auditor's score of the pure picture against what metrics say of it, and against what its arm then gained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from fsrbench.core.values import PURE
from fsrbench.measure.results import Results
from fsrbench.show.plots import _data, _grid, _style
from fsrbench.show.plots._data import Row

if TYPE_CHECKING:
    from matplotlib.figure import Figure

QUESTION = "Does the auditor know a good picture from a bad one?"


def figure(results: Results) -> Figure | None:
    """The plot; None where nobody gave a score."""
    metrics = list(_data.metrics(results))
    scores = {row: found for row in _data.rows(results) if (found := _scores(results, row))}
    if not scores or not metrics:
        return None
    varied = [row for row, found in scores.items() if len(set(found.values())) > 1]
    shown = varied or list(scores)
    first = metrics[0]
    columns = [(m, False) for m in metrics] + [(first, True)]
    caption = _data.caption(
        results,
        shown,
        "A dot is a case: across, the score (0–100) of the arm's first audit, which is of the pure picture; upward, "
        "that picture's number (better is up on every axis), and last the difference that the arm then made, arm − "
        "pure, of the cases that ended with another picture.",
        _data.correlation_sentence(
            results, "above zero where a higher score goes with a better picture (last column: with a larger gain)"
        ),
        *_left_out({row: found for row, found in scores.items() if row not in shown}),
        *_standing(results, shown, scores),
    )
    names = [_data.heading(results, m) if delta else _data.heading(results, m)[2:] for m, delta in columns]
    made = _grid.grid(
        QUESTION, caption, _data.grouped(results, shown), names, 1.15, "Across: score given to the pure picture, 0–100."
    )
    clouds = {
        (r, c): _cloud(results, row, scores[row], m, delta=delta)
        for r, row in enumerate(shown)
        for c, (m, delta) in enumerate(columns)
    }
    said = _data.correlations(results, [(cloud, columns[c][0]) for (_, c), cloud in clouds.items()])
    words = dict(zip(clouds, said, strict=True))
    for (r, c), cloud in clouds.items():
        x, y = cloud.x, cloud.y
        metric, delta = columns[c]
        if delta and not any(y):
            made.empty(r, c, "no case moved")
            continue
        if not x:
            made.empty(r, c, "n/a: no numbers")
            continue
        about = _data.metrics(results)[metric]
        made.say(r, c, words[r, c])
        ax = made.axes(r, c)
        _style.few_ticks(ax)
        ax.set_xlim(-4, 104)
        ax.set_xticks([0, 50, 100])
        if delta:
            _style.delta_axis(ax, max(map(abs, y)), about.digits, better=about.better)
            ax.axhline(0, color=_style.FAINT, linewidth=0.7, zorder=0)
        else:
            low, high = _style.around(y, about.digits)
            ax.set_ylim((low, high) if about.better == "higher" else (high, low))
        _style.points(ax, x, y, shown[r].role)
    return made.sheet.figure


def _scores(results: Results, row: Row) -> dict[str, float]:
    """Case → score of the pure picture; a case whose reply could not be used has none."""
    return {case: c.score for case, c in _data.courses(results, row).items() if c.score is not None}


def _left_out(constant: Mapping[Row, Mapping[str, float]]) -> Iterator[str]:
    """Auditors that gave one score to everything know nothing that could be shown."""
    if constant:
        said = (f"{row.name} on {row.family} ({next(iter(found.values())):g})" for row, found in constant.items())
        yield f"Left out, since every case got the same score: {', '.join(said)}."


def _standing(results: Results, shown: Sequence[Row], scores: Mapping[Row, Mapping[str, float]]) -> Iterator[str]:
    """How many cases the last column leaves out: their difference is zero by rule, whatever the score knew."""
    left = [len(scores[row]) - len(_ended(results, row, scores[row])) for row in shown]
    if any(left):
        cases = ", ".join(
            f"{n:,} of {len(scores[row]):,} ({row.name} on {row.family})"
            for row, n in zip(shown, left, strict=True)
            if n
        )
        yield f"Left out of the last column, since pure stood and the difference is zero by rule: {cases}."


def _ended(results: Results, row: Row, scores: Mapping[str, float]) -> dict[str, float]:
    """Scores of the cases that ended with another picture than pure's."""
    courses = _data.courses(results, row)
    return {case: score for case, score in scores.items() if courses[case].ended == "changed"}


def _cloud(results: Results, row: Row, scores: Mapping[str, float], metric: str, *, delta: bool) -> _data.Cloud:
    """Scores and numbers of the cases that have both."""
    if delta:
        deltas = results.numbers.deltas(row.family, metric, row.arm)
        return _data.Cloud.of(_ended(results, row, scores), deltas)
    return _data.Cloud.of(scores, results.numbers.values(row.family, metric, PURE))
