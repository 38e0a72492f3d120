"""A page to draw on: text and pictures at places, rendered when everything is placed and its size is known.

What is drawn, and what it says, is `panels.py`'s. Pictures keep their aspect ratio: they are letterboxed. Everything
here is in 8 bits, as it is stored: a page has millions of pixels, and a study thousands of pages.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import ImageFont

    Pixels: TypeAlias = NDArray[np.uint8]
    """Height × width × 3, 8-bit RGB."""

GAP = 12
INK, FAINT, MAT = "#1b1f24", "#5b656e", "#e9ecef"
PAPER = 255
"""White."""
BETTER, WORSE, MARKED = "#0b5cad", "#b54708", "#8a1c7c"
"""Blue and orange are told apart by nearly everybody, and a sign stands before every number."""
Span = tuple[str, str]
"""A piece of text and its colour."""


@dataclass(frozen=True, slots=True)
class DrawnText:
    """One line of text at its place."""

    at: tuple[float, float]
    """Left and top, in pixels."""
    words: str
    """What it says."""
    size: int
    """Size of the font."""
    colour: str
    """Its colour."""
    bold: bool
    """Whether it is a heading."""


@dataclass(frozen=True, slots=True)
class PlacedPicture:
    """One picture in its cell."""

    at: tuple[int, int]
    """Left and top of the cell."""
    cell: tuple[int, int]
    """Width and height of the cell."""
    image: Pixels
    """What is shown there."""
    pixelated: bool
    """Scaled without smoothing, to show that it is an input."""


@dataclass(frozen=True, slots=True)
class Captioned:
    """One small picture of a grid."""

    words: str
    """What stands below it."""
    image: Pixels | None = None
    """The picture; None where words alone stand in its place."""
    pixelated: bool = False
    """Scaled without smoothing, to show that it is an input."""


@dataclass(slots=True)
class Page:
    """What is to be drawn; it is as large as what stands on it, and a margin."""

    texts: list[DrawnText] = field(default_factory=list)
    """All text."""
    pictures: list[PlacedPicture] = field(default_factory=list)
    """All pictures."""

    def write(self, x: float, y: float, text: str, size: int, colour: str = INK, *, bold: bool = False) -> float:
        """Place one line; returns where it ends."""
        words = _one_line(text)
        self.texts.append(DrawnText((x, y), words, size, colour, bold))
        return x + length(words, size, bold=bold)

    def spans(self, x: float, y: float, spans: Sequence[Span], size: int) -> float:
        """Place coloured pieces of one line; returns where it ends."""
        for text, colour in spans:
            x = self.write(x, y, text, size, colour)
        return x

    def place(self, at: tuple[int, int], cell: tuple[int, int], image: Pixels, *, pixelated: bool = False) -> None:
        """Place a picture, as large as its cell allows, in the middle of it."""
        self.pictures.append(PlacedPicture(at, cell, image, pixelated))

    def grid(self, at: tuple[int, int], cells: Sequence[Captioned], width: int, across: int, size: int) -> int:
        """Place small pictures, so many in a row, each with its words below it; returns where they end."""
        gap, top = GAP // 2, at[1]
        side = (width - (across - 1) * gap) // across
        for first in range(0, len(cells), across):
            row = cells[first : first + across]
            tall = side if any(cell.image is not None for cell in row) else 0
            for place, cell in enumerate(row):
                x = at[0] + place * (side + gap)
                if cell.image is not None:
                    self.place((x, top), (side, side), cell.image, pixelated=cell.pixelated)
                self.write(x, top + (tall + 2 if cell.image is not None else 0), cell.words, size, FAINT)
            top += tall + size + 2 * gap
        return top

    def render(self) -> Pixels:
        """The page as a picture."""
        wide = [t.at[0] + length(t.words, t.size, bold=t.bold) for t in self.texts]
        high = [t.at[1] + 1.3 * t.size for t in self.texts]
        wide += [p.at[0] + p.cell[0] for p in self.pictures]
        high += [p.at[1] + p.cell[1] for p in self.pictures]
        page = np.full((round(max(high)) + GAP, round(max(wide)) + GAP, 3), PAPER, np.uint8)
        scaled: dict[tuple[object, ...], Pixels] = {}
        for picture in self.pictures:
            (x, y), (width, height) = picture.at, picture.cell
            inner = fit(picture.image.shape[:2], picture.cell)
            left, top = x + (width - inner[0]) // 2, y + (height - inner[1]) // 2
            if inner != picture.cell:
                page[y : y + height, x : x + width] = _rgb(MAT)
            # Arms that ended with one picture share its pixels: one place in memory, as long as the page is drawn.
            same = (picture.image.ctypes.data, picture.image.shape, inner, picture.pixelated)
            if same not in scaled:
                scaled[same] = _scaled(picture, inner)
            page[top : top + inner[1], left : left + inner[0]] = scaled[same]
        for text in self.texts:
            _write(page, text)
        return page


def fit(shape: Sequence[int], cell: tuple[int, int]) -> tuple[int, int]:
    """Width and height of a picture of (height, width) as it is shown in a cell of (width, height)."""
    scale = min(cell[0] / shape[1], cell[1] / shape[0])
    return max(1, round(shape[1] * scale)), max(1, round(shape[0] * scale))


@lru_cache(4096)
def length(text: str, size: int, *, bold: bool = False) -> float:
    """How long a line is in pixels."""
    return float(_font(size, bold).getlength(text))


def shorten(text: str, room: float, size: int, *, bold: bool = False) -> str:
    """One line that fits, with an ellipsis where something was left out."""
    text = _one_line(text)
    if length(text, size, bold=bold) <= room:
        return text
    while text and length(text + "…", size, bold=bold) > room:
        text = text[:-1]
    return text.rstrip() + "…"


def wrap(text: str, room: float, size: int, most: int) -> Iterator[str]:
    """Lines that fit, broken between words; what goes beyond the last line is left out with an ellipsis."""
    words = _one_line(text).split()
    for _ in range(most - 1):
        taken = 1
        while taken < len(words) and length(" ".join(words[: taken + 1]), size) <= room:
            taken += 1
        if taken >= len(words):
            break
        yield shorten(" ".join(words[:taken]), room, size)
        words = words[taken:]
    if words:
        yield shorten(" ".join(words), room, size)


def enlarge(image: Pixels, width: int, height: int) -> Pixels:
    """Nearest-neighbour, so that an input's pixels are seen."""
    rows = np.arange(height) * image.shape[0] // height
    columns = np.arange(width) * image.shape[1] // width
    enlarged: Pixels = image[rows][:, columns]
    return enlarged


def _one_line(text: str) -> str:
    """Line breaks and control characters become spaces: text from outside may hold them, and fonts refuse them."""
    return text if text.isprintable() else "".join(c if c.isprintable() else " " for c in text)


@cache
def _rgb(colour: str) -> tuple[int, int, int]:
    """`#rrggbb` as numbers."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _scaled(picture: PlacedPicture, size: tuple[int, int]) -> Pixels:
    from PIL import Image as Pillow

    kernel = Pillow.Resampling.NEAREST if picture.pixelated else Pillow.Resampling.LANCZOS
    return np.asarray(Pillow.fromarray(picture.image).resize(size, kernel))


def _write(page: Pixels, text: DrawnText) -> None:
    """Lay a line's colour over the page, as thick as its glyphs are at each pixel."""
    (across, x), (down, y) = (math.modf(place) for place in text.at)
    mask, left, top = _glyphs(text.words, text.size, text.bold, across, down)
    left, top = left + int(x), top + int(y)
    ground = page[max(top, 0) : max(top + mask.shape[0], 0), max(left, 0) : max(left + mask.shape[1], 0)]
    mask = mask[max(-top, 0) :, max(-left, 0) :]
    thick = mask[: ground.shape[0], : ground.shape[1], None].astype(np.uint16)
    mixed = ground * (255 - thick) + np.array(_rgb(text.colour), np.uint16) * thick + 128
    ground[:] = (mixed + (mixed >> 8)) >> 8  # divided by 255, and rounded


@lru_cache(1024)
def _glyphs(words: str, size: int, bold: bool, across: float, down: float) -> tuple[Pixels, int, int]:
    """How thick a line's glyphs are at each pixel, and where that begins; a panel says much that the last one said."""
    from PIL import Image as Pillow
    from PIL import ImageDraw

    air = 2 * size  # accents and overhangs go beyond a line
    mask = Pillow.new("L", (math.ceil(length(words, size, bold=bold)) + 2 * air, 2 * air + size))
    ImageDraw.Draw(mask).text((air + across, air + down), words, fill=255, font=_font(size, bold))
    box = mask.getbbox() or (0, 0, 0, 0)
    return np.asarray(mask.crop(box)), box[0] - air, box[1] - air


@cache
def _font(size: int, bold: bool) -> ImageFont.FreeTypeFont:
    """DejaVu Sans as matplotlib ships it: it has arrows and minus signs, and is the same on every machine."""
    from PIL import ImageFont

    spec = importlib.util.find_spec("matplotlib")
    assert spec is not None
    assert spec.origin is not None
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf" / name), size)
