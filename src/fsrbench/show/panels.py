"""Pictures of the result: a panel for each case, and one contact sheet of those that an arm changed most.

A panel is LR | Pure | +each arm | reference, face patches and what an arm changed below, a caption with the numbers.
It says what a reader must know: which models (and that they are embedded), what the auditor decided, what each metric
did, and which picture could not be shown. How text and pictures get onto the page is `drawing.py`'s.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from fsrbench.core.errors import FsrbenchError
from fsrbench.core.values import PURE, Score
from fsrbench.imaging import images
from fsrbench.measure.subjects import Evaluation, Subject
from fsrbench.measure.summary_values import Summary
from fsrbench.show import captions, difference, drawing, imprint, patches, regions, wording
from fsrbench.show.drawing import FAINT, GAP, MARKED, Captioned, Page, Span
from fsrbench.show.patches import Find, PatchPlaces
from fsrbench.study import inputs

if TYPE_CHECKING:
    from fsrbench.show.difference import Plane
    from fsrbench.show.drawing import Pixels

LR, REFERENCE = "LR", "Reference"
SHOWN = 5
"""Metrics below a picture of the contact sheet; a panel has all."""
SAME = "same as Pure"


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
    """Parts of a face that are shown enlarged; of several faces, as many as these are."""
    across: int
    """How many of them stand in a row."""
    whole: bool
    """Whether a difference is as large as the picture and stands below the numbers; else it is one more patch."""


PANEL = Style(360, 2, 20, ("left_eye", "right_eye", "nose", "mouth", "skin"), across=3, whole=False)
SHEET = Style(260, 1.5, 20, ("left_eye", "mouth"), across=2, whole=True)


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
    shown: PatchPlaces | None = None
    """Where the patches lay that auditors were shown; None where that is not known."""
    changed: Plane | None = None
    """Where an arm's picture differs from Pure, and by how much; None where it does not."""
    numbers: tuple[tuple[Span, ...], ...] = ()
    """Lines below it."""


def draw(
    subject: Subject, scores: Sequence[Score], what: Evaluation, summary: Summary, find: Find = patches.nobody
) -> Pixels:
    """The panel of one case. A picture that cannot be read costs its column; without Pure there is no panel."""
    columns, notes = _columns(subject, what)
    page, by = Page(), _factor(columns)
    wide = max(len(columns), 2) * (PANEL.width + GAP) - GAP
    family = drawing.shorten(f"  ·  {subject.family}", wide / 3, 20)
    case = drawing.shorten(subject.case, wide - drawing.length(family, 20), 20, bold=True)
    page.write(page.write(GAP, GAP, case, 20, bold=True), GAP, family, 20, FAINT)
    places = _places(columns, find, PANEL)
    y = _strip(page, 52, columns, PANEL, places, by) + 2 * GAP
    y = captions.write(page, y, wide, subject, scores, summary)
    notes += _explained(columns, places)
    if run := imprint.short(summary, subject.variants):
        notes.append(run)
    for line in notes:
        page.write(GAP, y, drawing.shorten(line, wide, 14), 14, FAINT)
        y += 22
    return page.render()


def sheet(
    what: Evaluation,
    scores: Sequence[Score],
    summary: Summary,
    cases: Mapping[str, str | None],
    caption: str = "",
    find: Find = patches.nobody,
) -> Pixels:
    """A row for each case: LR, pure and each arm, reference, in the family that is named with it or in all of them.

    `caption` says which cases they are.
    """
    by_case: dict[str, list[Subject]] = {case: [] for case in cases}
    for subject in what.subjects:
        if subject.case in cases and cases[subject.case] in (None, subject.family):
            by_case[subject.case].append(subject)
    rows = {case: _row(own, scores, what, summary) for case, own in by_case.items()}
    everything = [column for columns, _ in rows.values() for column in columns]
    page, y, by, told = Page(), GAP, _factor(everything), dict[str, None]()
    if caption:
        page.write(GAP, y, caption, 18, FAINT)
        y += 42
    for case, (columns, notes) in rows.items():
        wide = max(len(columns), 2) * (SHEET.width + GAP) - GAP
        page.write(GAP, y, drawing.shorten(case, wide, 22, bold=True), 22, bold=True)
        places = _places(columns, find, SHEET)
        y = _strip(page, y + 38, columns, SHEET, places, by) + GAP
        for line in notes:
            page.write(GAP, y, drawing.shorten(line, wide, 14), 14, FAINT)
            y += 22
        y += 2 * GAP
        told |= dict.fromkeys(_explained(columns, places))
    for line in told:
        page.write(GAP, y, line, 14, FAINT)
        y += 22
    return page.render()


# -------------------------------------------------------------------- content


def _columns(subject: Subject, what: Evaluation) -> tuple[list[Column], list[str]]:
    """What can be shown of a case, and a line for everything that cannot."""
    bounds = what.limits.of_pictures()
    pure = images.to_8bit(images.read_stored(subject.variants[PURE]))
    height, width = pure.shape[:2]
    shown = regions.shown(subject, subject.trail, what, (height, width))
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
            changed = difference.plane(pure, image) if image is not pure and image.shape == pure.shape else None
            title, mark = wording.arm_title(arm), wording.standing(what, arm)
            columns.append(Column(title, _outcome(subject, arm), image, arm, mark, changed=changed))
        except FsrbenchError:
            notes.append(f"{wording.arm_title(arm)} is not shown: its picture is missing or cannot be read.")
    if subject.hr is not None:
        try:
            hr = images.to_8bit(inputs.reference(subject.hr, (height, width), what.hr_size, **bounds))
            columns.append(Column(REFERENCE, f"{width}×{height}", hr))
        except FsrbenchError:
            notes.append("The reference is not shown: it cannot be read, or does not fit the restoration.")
    return [replace(column, shown=shown) for column in columns], notes


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
            figures = captions.figures(values, summary, column.arm)
            lines = [(*delta, *spans) for name, spans in figures if captions.known(summary, name)]
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


# --------------------------------------------------------------------- layout


def _strip(page: Page, top: int, columns: Sequence[Column], style: Style, places: PatchPlaces, by: int) -> int:
    """Columns side by side: heads, pictures, patches, numbers, differences `by` as many times; returns their end."""
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
        below = page.grid((x, below), _below(column, style, places, by), style.width, style.across, style.title - 6)
        for spans in column.numbers:
            page.spans(x, below, spans, 18)
            below += 25
        if style.whole:
            below = page.grid((x, below + GAP // 2), _difference(column, by), style.width, 1, style.title - 6)
        ends.append(below)
    return max(ends)


def _head(column: Column, style: Style) -> list[Span]:
    """What stands between a title and its picture."""
    colour = FAINT if column.mark == "control" else MARKED
    marks = [(line, colour) for line in drawing.wrap(column.mark, style.width, style.title - 5, 2)]
    return marks + [(line, FAINT) for line in drawing.wrap(column.detail, style.width, style.title - 5, 3)]


def _factor(columns: Sequence[Column]) -> int:
    """By how much all differences of a page are amplified."""
    return difference.factor(column.changed for column in columns if column.changed is not None)


def _places(columns: Sequence[Column], find: Find, style: Style) -> PatchPlaces:
    """Where patches are cut in all columns: as auditors were shown them, or as on the first restoration."""
    pure = next((column for column in columns if column.arm is not None), None)
    if pure is None or len({Fraction(*column.image.shape[:2]) for column in columns}) > 1:
        return PatchPlaces()
    return pure.shown.only(style.patches) if pure.shown else patches.places(pure.image, find, style.patches)


def _explained(columns: Sequence[Column], places: PatchPlaces) -> list[str]:
    """Where patches come from, and what a difference is."""
    said = [places.said] if places.said else []
    return [*said, *{difference.MEANING for column in columns if column.changed is not None}]


def _below(column: Column, style: Style, places: PatchPlaces, by: int) -> list[Captioned]:
    """Patches of a picture, and after them what its arm changed, if that is one of them."""
    boxes = places.on(column.image.shape).items()
    cells = [
        Captioned(name, column.image[y0:y1, x0:x1], pixelated=column.title == LR) for name, (x0, y0, x1, y1) in boxes
    ]
    return cells if style.whole else cells + _difference(column, by)


def _difference(column: Column, by: int) -> list[Captioned]:
    """Where an arm changed the picture; where it did not, that is said."""
    if column.arm in (None, PURE):
        return []
    if column.changed is None:
        return [Captioned(SAME)]
    return [Captioned(difference.caption(by), difference.drawn(column.changed, by))]
