"""Pictures of the result: a panel for each case, and one contact sheet of the first cases in all families.

A panel is LR | Pure | +each arm | reference, face patches below, a caption with the numbers. It says what a
reader must know: which models (and that they are embedded), what the auditor decided, what each metric did.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fsrbench import faces, images, inputs, tables
from fsrbench.errors import FsrbenchError
from fsrbench.values import PURE, Image, Round, Score

if TYPE_CHECKING:
    from PIL import ImageDraw, ImageFont

    from fsrbench.evaluate import Evaluation, Subject

COLUMN, SMALL = 360, 232
"""Width of one picture in a panel, and in the contact sheet."""
GAP = 12
PATCHES = ("left_eye", "nose", "mouth", "skin")
INK, FAINT, PAPER, BETTER, WORSE = "#1b1f24", "#667078", "#ffffff", "#0b5cad", "#b54708"
"""Blue and orange are told apart by nearly everybody, and a sign stands before every number."""


@dataclass(frozen=True)
class Column:
    """One picture of a panel."""

    title: str
    """What it is."""
    detail: str
    """Size, model or decision, in a smaller hand."""
    image: Image
    """The picture at the size of the restoration."""
    arm: str | None = None
    """Whose restoration it is; None for LR and reference."""
    pixelated: bool = False
    """Enlarged without smoothing, to show that it is the input."""


def draw(subject: Subject, scores: Sequence[Score], what: Evaluation, summary: Mapping[str, Any]) -> Image:
    """The panel of one case."""
    columns = _columns(subject, what)
    lines = _caption(subject, scores, summary)
    height, width = columns[0].image.shape[:2]
    shown = round(COLUMN * height / width)
    cell = (COLUMN - GAP) // 2
    total = (2 * GAP + len(columns) * (COLUMN + GAP), 64 + shown + GAP + 2 * cell + 2 * GAP + 26 * len(lines) + GAP)
    canvas, pen = _canvas(*total)
    for index, column in enumerate(columns):
        x = GAP + index * (COLUMN + GAP)
        pen.text((x, 12), column.title, fill=INK, font=_font(19))
        pen.text((x, 38), _shorten(pen, column.detail, COLUMN), fill=FAINT, font=_font(13))
        _place(canvas, column, (x, 64), (COLUMN, shown), cell, PATCHES)
    y = 64 + shown + GAP + 2 * cell + 2 * GAP
    for line in lines:
        _write_line(pen, GAP, y, line)
        y += 26
    return images.from_8bit(np.asarray(canvas, dtype=np.uint8))


def sheet(what: Evaluation, scores: Sequence[Score], summary: Mapping[str, Any], most: int = 6) -> Image:
    """The first cases, a row each: LR, every family alone and with its arms, reference."""
    by_case: dict[str, list[Subject]] = {}
    for subject in what.subjects:
        by_case.setdefault(subject.case, []).append(subject)
    rows = [_sheet_row(case, by_case[case], what, scores, summary) for case in sorted(by_case)[:most]]
    width = max(row.shape[1] for row in rows)
    return np.concatenate(
        [np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0)), constant_values=1.0) for row in rows]
    )


def _sheet_row(
    case: str, subjects: Sequence[Subject], what: Evaluation, scores: Sequence[Score], summary: Mapping[str, Any]
) -> Image:
    cells: list[tuple[Subject, Column]] = []
    for subject in subjects:
        columns = _columns(subject, what)
        alike = {column.title for _, column in cells if column.arm is None}
        cells += [(subject, column) for column in columns if column.title not in alike]
    cells.sort(key=lambda cell: cell[1].title == "Reference")
    cell = (SMALL - GAP // 2) // 2
    top = 58
    canvas, pen = _canvas(GAP + len(cells) * (SMALL + GAP), top + SMALL + cell + 76)
    for index, (subject, column) in enumerate(cells):
        x = GAP + index * (SMALL + GAP)
        title = column.title if column.arm is None else f"{subject.family} · {column.title}"
        pen.text((x, 12), _shorten(pen, title, SMALL, 16), fill=INK, font=_font(16))
        pen.text((x, 36), _shorten(pen, column.detail, SMALL), fill=FAINT, font=_font(13))
        _place(canvas, column, (x, top), (SMALL, SMALL), cell, ("left_eye", "mouth"))
        values = {(s.metric, s.arm): s.value for s in scores if (s.case, s.family) == (case, subject.family)}
        lines = [] if column.arm is None else _numbers(values, summary, column.arm)
        for number, start in enumerate(range(0, min(len(lines), 4), 2)):
            delta = "" if column.arm == PURE else "Δ "
            _write_line(pen, x, top + SMALL + cell + 14 + 22 * number, [(delta, FAINT), *lines[start : start + 2]])
    return images.from_8bit(np.asarray(canvas, dtype=np.uint8))


# -------------------------------------------------------------------- content


def _columns(subject: Subject, what: Evaluation) -> list[Column]:
    bounds = what.limits.model_dump()
    pictures = {arm: images.read(path, **bounds) for arm, path in subject.variants.items()}
    height, width = pictures[PURE].shape[:2]
    columns = []
    if subject.lr is not None:
        try:
            lr = images.read(subject.lr, **bounds)
            columns.append(Column("LR", f"{lr.shape[1]}×{lr.shape[0]}", _enlarge(lr, width, height), pixelated=True))
        except FsrbenchError:
            pass  # it was restored once; a panel without its input is still a panel
    model = ", ".join(what.labels.get(subject.family, []))
    columns.append(Column("Pure", model, pictures.pop(PURE), PURE))
    columns += [Column(_title(arm), _outcome(subject, arm, what), image, arm) for arm, image in pictures.items()]
    if subject.hr is not None:
        try:
            hr = inputs.reference(subject.hr, (height, width), what.hr_size, **bounds)
            columns.append(Column("Reference", f"{width}×{height}", hr))
        except FsrbenchError:
            pass  # why it does not fit stands in scores.csv
    return columns


def _title(arm: str) -> str:
    return "+LVLM" if arm == "lvlm" else f"+{arm}"


def _outcome(subject: Subject, arm: str, what: Evaluation) -> str:
    """Under an arm's title: what must be said of it, and whether its picture changed."""
    said = [what.marks[arm]] if arm in what.marks else []
    if subject.trail is not None:
        changed = subject.trail.final(arm).sha256 != subject.trail.pure.sha256
        said.append("changed" if changed else "the same picture as Pure")
    return " · ".join(said)


Span = tuple[str, str]
"""A piece of text and its colour."""


def _caption(subject: Subject, scores: Sequence[Score], summary: Mapping[str, Any]) -> list[list[Span]]:
    values = {(s.metric, s.arm): s.value for s in scores}
    lines: list[list[Span]] = [[(f"{subject.case} · {subject.family}   ", INK), *_numbers(values, summary, PURE)]]
    for arm in subject.variants:
        if arm == PURE:
            continue
        lines.append([(f"Δ {arm}   ", INK), *_numbers(values, summary, arm)])
        rounds = subject.trail.arms.get(arm, ()) if subject.trail else ()
        lines += [[(_said(step), FAINT)] for step in rounds]
    return lines


def _numbers(values: Mapping[tuple[str, str], float | None], summary: Mapping[str, Any], arm: str) -> list[Span]:
    """Pure's numbers, or an arm's differences from them."""
    spans: list[Span] = []
    for metric, about in summary["metrics"].items():
        pure, value = values.get((metric, PURE)), values.get((metric, arm))
        if arm == PURE or value is None or pure is None:
            text, colour = tables.number(summary, metric, value), INK if value is not None else FAINT
        else:
            delta = value - pure
            text = tables.number(summary, metric, delta, signed=True)
            up = (delta > 0) == (about["better"] == "higher")
            colour = INK if delta == 0 else BETTER if up else WORSE
        spans += [(f"{about['label']} ", FAINT), (f"{text}   ", colour)]
    return spans


def _said(step: Round) -> str:
    """One round of an arm in words."""
    audit, decision = step.audit, step.decision
    if audit is None or decision is None:
        return ""
    if audit.status == "invalid":
        return f"   round {step.number}: unusable reply ({audit.reason}); {decision.why}"
    tags = f", sees {', '.join(audit.tags)}" if audit.tags else ""
    verdict = f"; {step.verdict.why}" if step.verdict else ""
    said = f"score {audit.score:g}, confidence {audit.confidence or 0:g}{tags}"
    return f"   round {step.number}: {said} → {decision.action}: {decision.why}{verdict}"


# -------------------------------------------------------------------- drawing


def _enlarge(lr: Image, width: int, height: int) -> Image:
    """Nearest-neighbour, so that the input's pixels are seen."""
    rows = np.arange(height) * lr.shape[0] // height
    columns = np.arange(width) * lr.shape[1] // width
    enlarged: Image = lr[rows][:, columns]
    return enlarged


def _canvas(width: int, height: int) -> tuple[Any, ImageDraw.ImageDraw]:
    from PIL import Image as Pillow
    from PIL import ImageDraw

    canvas = Pillow.new("RGB", (width, height), PAPER)
    return canvas, ImageDraw.Draw(canvas)


def _pillow(image: Image, width: int, height: int, pixelated: bool) -> Any:
    from PIL import Image as Pillow

    kernel = Pillow.Resampling.NEAREST if pixelated else Pillow.Resampling.LANCZOS
    return Pillow.fromarray(images.to_8bit(image)).resize((width, height), kernel)


def _place(
    canvas: Any, column: Column, at: tuple[int, int], size: tuple[int, int], cell: int, patches: Sequence[str]
) -> None:
    """A column's picture and, two in a row below it, its face patches."""
    (x, y), (width, height) = at, size
    canvas.paste(_pillow(column.image, width, height, column.pixelated), (x, y))
    places = faces.regions(column.image.shape[:2], None)
    gap = width - 2 * cell
    for number, name in enumerate(patches):
        x0, y0, x1, y1 = places[name]
        cut = _pillow(column.image[y0:y1, x0:x1], cell, cell, column.pixelated)
        canvas.paste(cut, (x + (number % 2) * (cell + gap), y + height + gap + (number // 2) * (cell + gap)))


def _write_line(pen: ImageDraw.ImageDraw, x: float, y: float, spans: Sequence[Span]) -> None:
    """Coloured pieces of one line, cut where the panel ends."""
    room = pen.im.size[0] - GAP
    for text, colour in spans:
        fitted = _shorten(pen, text, room - x, size=15)
        pen.text((x, y), fitted, fill=colour, font=_font(15))
        x += pen.textlength(fitted, font=_font(15))
        if fitted != text:
            return


def _shorten(pen: ImageDraw.ImageDraw, text: str, room: float, size: int = 13) -> str:
    text = " ".join(text.split()) if "\n" in text else text
    if pen.textlength(text, font=_font(size)) <= room:
        return text
    while text and pen.textlength(text + "…", font=_font(size)) > room:
        text = text[:-1]
    return text + "…"


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """DejaVu Sans as matplotlib ships it: it has arrows and minus signs, and is the same on every machine."""
    from PIL import ImageFont

    spec = importlib.util.find_spec("matplotlib")
    assert spec is not None
    assert spec.origin is not None
    return ImageFont.truetype(str(Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"), size)
