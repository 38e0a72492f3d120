"""Pictures of the result: a panel for each case, and one contact sheet of the first cases in all families.

A panel is LR | Pure | +each arm | reference, patches of faces below, a caption with the numbers. It says what a
reader must know: which models (and that they are embedded), what the auditor decided, what each metric did,
and which picture could not be shown. How text and pictures get onto the page is `drawing.py`'s.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from fsrbench.core.errors import FsrbenchError
from fsrbench.core.values import PURE, Round, Score
from fsrbench.imaging import images
from fsrbench.measure.subjects import Evaluation, Subject
from fsrbench.measure.summary_values import Summary
from fsrbench.show import drawing, imprint, numbers, patches, wording
from fsrbench.show.drawing import BETTER, FAINT, GAP, INK, MARKED, WORSE, Page, Span
from fsrbench.show.patches import Find, PatchPlaces
from fsrbench.study import inputs

if TYPE_CHECKING:
    from fsrbench.show.drawing import Pixels

LR, REFERENCE = "LR", "Reference"
SHOWN = 5
"""Metrics below a picture of the contact sheet; a panel has all."""


@dataclass(frozen=True, slots=True)
class Style:
    """Measures of a row of pictures."""

    width: int
    """Width of one picture."""
    tallest: float
    """Greatest height of one picture, as a multiple of its width."""
    title: int
    """Size of a title; what stands below it is smaller."""
    patches: tuple[str, ...]
    """Parts of a face that are shown enlarged, two in a row; of several faces, as many as these are."""


PANEL = Style(360, 2, 20, ("left_eye", "nose", "mouth", "skin"))
SHEET = Style(260, 1.5, 20, ("left_eye", "mouth"))


@dataclass(frozen=True, slots=True)
class Column:
    """One picture with what stands around it."""

    title: str
    """What it is."""
    detail: str
    """Size, models or decision, in a smaller hand."""
    image: Pixels
    """The picture at the size of the restoration."""
    arm: str | None = None
    """Whose restoration it is; None for LR and reference."""
    mark: str = ""
    """What must be said of its arm, in a colour of its own."""
    numbers: tuple[tuple[Span, ...], ...] = ()
    """Lines below it."""


def draw(
    subject: Subject, scores: Sequence[Score], what: Evaluation, summary: Summary, find: Find = patches.nobody
) -> Pixels:
    """The panel of one case. A picture that cannot be read costs its column; without Pure there is no panel."""
    columns, notes = _columns(subject, what)
    page = Page()
    wide = max(len(columns), 2) * (PANEL.width + GAP) - GAP
    family = drawing.shorten(f"  ·  {subject.family}", wide / 3, 20)
    case = drawing.shorten(subject.case, wide - drawing.length(family, 20), 20, bold=True)
    page.write(page.write(GAP, GAP, case, 20, bold=True), GAP, family, 20, FAINT)
    places = _places(columns, find, PANEL)
    y = _strip(page, 52, columns, PANEL, places) + 2 * GAP
    y = _caption(page, y, wide, subject, scores, summary)
    if places.said:
        notes.append(places.said)
    if run := imprint.short(summary, subject.variants):
        notes.append(run)
    for line in notes:
        page.write(GAP, y, drawing.shorten(line, wide, 14), 14, FAINT)
        y += 22
    return page.render()


def sheet(
    what: Evaluation, scores: Sequence[Score], summary: Summary, most: int = 6, find: Find = patches.nobody
) -> Pixels:
    """The first cases, a row each: LR, every family alone and with its arms, reference."""
    by_case: dict[str, list[Subject]] = {}
    for subject in what.subjects:
        by_case.setdefault(subject.case, []).append(subject)
    page, y, told = Page(), GAP, dict[str, None]()
    for case in sorted(by_case)[:most]:
        columns, notes = _row(by_case[case], scores, what, summary)
        wide = max(len(columns), 2) * (SHEET.width + GAP) - GAP
        page.write(GAP, y, drawing.shorten(case, wide, 22, bold=True), 22, bold=True)
        places = _places(columns, find, SHEET)
        y = _strip(page, y + 38, columns, SHEET, places) + GAP
        for line in notes:
            page.write(GAP, y, drawing.shorten(line, wide, 14), 14, FAINT)
            y += 22
        y += 2 * GAP
        told |= dict.fromkeys([places.said] if places.said else [])
    count = [f"The first {most} of {len(by_case)} cases."] if len(by_case) > most else []
    for line in (*count, *told):
        page.write(GAP, y, line, 14, FAINT)
        y += 22
    return page.render()


# -------------------------------------------------------------------- content


def _columns(subject: Subject, what: Evaluation) -> tuple[list[Column], list[str]]:
    """What can be shown of a case, and a line for everything that cannot."""
    bounds = what.limits.of_pictures()
    pure = images.to_8bit(images.read_stored(subject.variants[PURE]))
    height, width = pure.shape[:2]
    columns, notes = [], []
    if subject.lr is not None:
        try:
            lr = images.to_8bit(images.read(subject.lr, **bounds))
            columns.append(Column(LR, f"{lr.shape[1]}×{lr.shape[0]}", drawing.enlarge(lr, width, height)))
        except FsrbenchError:
            notes.append("LR is not shown: it cannot be read.")
    columns.append(Column("Pure", ", ".join(what.labels.get(subject.family, [])), pure, PURE))
    for arm, path in subject.variants.items():
        if arm == PURE:
            continue
        try:
            image = images.to_8bit(images.read_stored(path))
            image = next((c.image for c in columns if c.arm and np.array_equal(c.image, image)), image)  # scaled once
            columns.append(Column(wording.arm_title(arm), _outcome(subject, arm), image, arm, what.marks.get(arm, "")))
        except FsrbenchError:
            notes.append(f"{wording.arm_title(arm)} is not shown: its picture is missing or cannot be read.")
    if subject.hr is not None:
        try:
            hr = images.to_8bit(inputs.reference(subject.hr, (height, width), what.hr_size, **bounds))
            columns.append(Column(REFERENCE, f"{width}×{height}", hr))
        except FsrbenchError:
            notes.append("The reference is not shown: it cannot be read, or does not fit the restoration.")
    return columns, notes


def _row(
    subjects: Sequence[Subject], scores: Sequence[Score], what: Evaluation, summary: Summary
) -> tuple[list[Column], list[str]]:
    """One case of the contact sheet: LR and reference once, between them every family with its numbers."""
    shared: dict[str, Column] = {}
    columns: list[Column] = []
    notes: list[str] = []
    for subject in subjects:
        try:
            own, lacking = _columns(subject, what)
        except FsrbenchError:
            notes.append(f"{subject.family} is not shown: its picture is missing or cannot be read.")
            continue
        notes += [f"{subject.family}: {line}" for line in lacking]
        values = {(s.metric, s.arm): s.value for s in scores if (s.case, s.family) == (subject.case, subject.family)}
        for column in own:
            if column.arm is None:
                shared.setdefault(column.title, column)
                continue
            delta = [] if column.arm == PURE else [("Δ ", FAINT)]
            lines = [(*delta, *spans) for name, spans in _numbers(values, summary, column.arm) if _known(summary, name)]
            title = f"{subject.family} · {column.title}"
            columns.append(replace(column, title=title, numbers=tuple(lines[:SHOWN])))
    ends = [[shared[title]] if title in shared else [] for title in (LR, REFERENCE)]
    return [*ends[0], *columns, *ends[1]], notes


def _outcome(subject: Subject, arm: str) -> str:
    """Whether an arm's picture is another one than Pure's."""
    if subject.trail is None:
        return ""
    changed = subject.trail.final(arm).sha256 != subject.trail.pure.sha256
    return "changed" if changed else "the same picture as Pure"


def _known(summary: Summary, metric: str) -> bool:
    """Whether a metric could be measured anywhere; where it could not, the tables say why."""
    return any(metrics[metric].n for metrics in summary.families.values())


def _numbers(
    values: Mapping[tuple[str, str], float | None], summary: Summary, arm: str
) -> list[tuple[str, tuple[Span, ...]]]:
    """Pure's numbers, or an arm's differences from them, by metric."""
    found: list[tuple[str, tuple[Span, ...]]] = []
    for metric, about in summary.metrics.items():
        pure, value = values.get((metric, PURE)), values.get((metric, arm))
        if arm == PURE or value is None or pure is None:
            shown = value if pure is not None else None
            text, colour = wording.number(about, shown), INK if shown is not None else FAINT
        else:
            text = wording.number(about, value - pure, signed=True)
            colour = {1: BETTER, 0: INK, -1: WORSE}[wording.better(about, value - pure)]
        found.append((metric, ((f"{about.label} ", FAINT), (text, colour))))
    return found


def _said(step: Round) -> str:
    """One round of an arm in words."""
    audit, decision = step.audit, step.decision
    if audit is None or decision is None:
        told = [wording.choice(step)] if step.ranking is not None else []
        told += [wording.spent(step)] if step.bound else []
        return f"round {step.number}: {'; '.join(told)}" if told else ""
    if audit.status == "invalid":
        return f"round {step.number}: unusable reply ({audit.reason}); {decision.why}"
    tags = f", sees {', '.join(audit.tags)}" if audit.tags else ""
    verdict = f"; {step.verdict.why}" if step.verdict else ""
    score, sure = map(numbers.short, (audit.score, audit.confidence))
    said = f"score {score}, confidence {sure}{tags}"
    bound = f"; {wording.spent(step)}" if step.bound else ""
    return f"round {step.number}: {said} → {decision.action}: {decision.why}{verdict}{bound}"


# --------------------------------------------------------------------- layout


def _strip(page: Page, top: int, columns: Sequence[Column], style: Style, places: PatchPlaces) -> int:
    """Columns side by side: heads, pictures, patches, numbers; returns where they end."""
    heads = [_head(column, style) for column in columns]
    y = top + style.title + 12 + (style.title - 1) * max((len(head) for head in heads), default=0)
    shapes = [column.image.shape for column in columns]
    ratio = max((shape[0] / shape[1] for shape in shapes), default=0)
    tall = math.ceil(style.width * min(style.tallest, ratio))
    ends = [y]
    for number, (column, head) in enumerate(zip(columns, heads, strict=True)):
        x = GAP + number * (style.width + GAP)
        page.write(x, top, drawing.shorten(column.title, style.width, style.title), style.title)
        for line, (text, colour) in enumerate(head):
            page.write(x, top + style.title + 7 + (style.title - 1) * line, text, style.title - 5, colour)
        pixelated = column.title == LR
        page.place((x, y), (style.width, tall), column.image, pixelated=pixelated)
        below = y + tall + GAP // 2
        if places.boxes:
            below = _patches(page, (x, below), column.image, style, places, pixelated=pixelated)
        for spans in column.numbers:
            page.spans(x, below, spans, 18)
            below += 25
        ends.append(below)
    return max(ends)


def _head(column: Column, style: Style) -> list[Span]:
    """What stands between a title and its picture."""
    marks = [(line, MARKED) for line in drawing.wrap(column.mark, style.width, style.title - 5, 2)]
    return marks + [(line, FAINT) for line in drawing.wrap(column.detail, style.width, style.title - 5, 3)]


def _places(columns: Sequence[Column], find: Find, style: Style) -> PatchPlaces:
    """Where patches are cut in all columns: as on the first restoration, where all pictures have its proportions."""
    pure = next((column.image for column in columns if column.arm is not None), None)
    if pure is None or any(one.image.shape[0] * pure.shape[1] != pure.shape[0] * one.image.shape[1] for one in columns):
        return PatchPlaces()
    return patches.places(pure, find, style.patches)


def _patches(
    page: Page, at: tuple[int, int], image: Pixels, style: Style, places: PatchPlaces, *, pixelated: bool
) -> int:
    """Patches, two in a row, each with its name below it; returns where they end."""
    gap, label = GAP // 2, style.title - 6
    side = (style.width - gap) // 2
    for number, (name, (x0, y0, x1, y1)) in enumerate(places.on(image.shape).items()):
        x = at[0] + (number % 2) * (side + gap)
        y = at[1] + (number // 2) * (side + label + 2 * gap)
        page.place((x, y), (side, side), image[y0:y1, x0:x1], pixelated=pixelated)
        page.write(x, y + side + 2, name, label, FAINT)
    return at[1] + (len(places.boxes) + 1) // 2 * (side + label + 2 * gap)


def _caption(page: Page, y: int, wide: float, subject: Subject, scores: Sequence[Score], summary: Summary) -> int:
    """Pure's numbers and every arm's differences in columns, each arm's rounds below it; returns where they end."""
    values = {(s.metric, s.arm): s.value for s in scores}
    labels = {arm: "Pure" if arm == PURE else f"Δ {wording.arm_title(arm)}" for arm in subject.variants}
    labels = {arm: drawing.shorten(label, 200, 16) for arm, label in labels.items()}
    rows = {arm: [spans for _, spans in _numbers(values, summary, arm)] for arm in labels}
    first = GAP + max(drawing.length(label, 16) for label in labels.values()) + 24
    pitch = 24 + max((drawing.length("".join(t for t, _ in s), 16) for row in rows.values() for s in row), default=0)
    for arm, row in rows.items():
        page.write(GAP, y, labels[arm], 16)
        for number, spans in enumerate(row):
            page.spans(first + number * pitch, y, spans, 16)
        y += 26
        for step in subject.trail.arms.get(arm, ()) if subject.trail else ():
            for number, line in enumerate(drawing.wrap(_said(step), wide - 40, 14, 3)):
                page.write(GAP + (20 if number == 0 else 40), y, line, 14, FAINT)
                y += 22
    return y
