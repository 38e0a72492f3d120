"""A page to draw on: text and pictures at places, rendered once it is known how large the page became.

What is drawn, and what it says, is `panels.py`'s. Pictures keep their aspect ratio: they are letterboxed.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fsrbench import images
from fsrbench.values import Image

if TYPE_CHECKING:
    from PIL import ImageFont

GAP = 12
INK, FAINT, PAPER, MAT = "#1b1f24", "#5b656e", "#ffffff", "#e9ecef"
BETTER, WORSE, MARKED = "#0b5cad", "#b54708", "#8a1c7c"
"""Blue and orange are told apart by nearly everybody, and a sign stands before every number."""
Span = tuple[str, str]
"""A piece of text and its colour."""


@dataclass(frozen=True, slots=True)
class Text:
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
class Picture:
    """One picture in its cell."""

    at: tuple[int, int]
    """Left and top of the cell."""
    cell: tuple[int, int]
    """Width and height of the cell."""
    image: Image
    """What is shown there."""
    pixelated: bool
    """Scaled without smoothing, to show that it is an input."""


@dataclass(slots=True)
class Page:
    """What is to be drawn; it is as large as what stands on it, and a margin."""

    texts: list[Text] = field(default_factory=list)
    """All text."""
    pictures: list[Picture] = field(default_factory=list)
    """All pictures."""

    def write(self, x: float, y: float, text: str, size: int, colour: str = INK, *, bold: bool = False) -> float:
        """Place one line; returns where it ends."""
        words = _one_line(text)
        self.texts.append(Text((x, y), words, size, colour, bold))
        return x + length(words, size, bold=bold)

    def spans(self, x: float, y: float, spans: Sequence[Span], size: int) -> float:
        """Place coloured pieces of one line; returns where it ends."""
        for text, colour in spans:
            x = self.write(x, y, text, size, colour)
        return x

    def place(self, at: tuple[int, int], cell: tuple[int, int], image: Image, *, pixelated: bool = False) -> None:
        """Place a picture, as large as its cell allows, in the middle of it."""
        self.pictures.append(Picture(at, cell, image, pixelated))

    def render(self) -> Image:
        """The page as a picture."""
        from PIL import Image as Pillow
        from PIL import ImageDraw

        wide = [t.at[0] + length(t.words, t.size, bold=t.bold) for t in self.texts]
        high = [t.at[1] + 1.3 * t.size for t in self.texts]
        wide += [p.at[0] + p.cell[0] for p in self.pictures]
        high += [p.at[1] + p.cell[1] for p in self.pictures]
        canvas = Pillow.new("RGB", (round(max(wide)) + GAP, round(max(high)) + GAP), PAPER)
        pen = ImageDraw.Draw(canvas)
        for picture in self.pictures:
            (x, y), (width, height) = picture.at, picture.cell
            inner = fit(picture.image.shape[:2], picture.cell)
            pen.rectangle((x, y, x + width - 1, y + height - 1), fill=MAT)
            canvas.paste(_scaled(picture, inner), (x + (width - inner[0]) // 2, y + (height - inner[1]) // 2))
        for text in self.texts:
            pen.text(text.at, text.words, fill=text.colour, font=_font(text.size, text.bold))
        return images.from_8bit(np.asarray(canvas, dtype=np.uint8))


def fit(shape: Sequence[int], cell: tuple[int, int]) -> tuple[int, int]:
    """Width and height of a picture of (height, width) as it is shown in a cell of (width, height)."""
    scale = min(cell[0] / shape[1], cell[1] / shape[0])
    return max(1, round(shape[1] * scale)), max(1, round(shape[0] * scale))


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


def enlarge(image: Image, width: int, height: int) -> Image:
    """Nearest-neighbour, so that an input's pixels are seen."""
    rows = np.arange(height) * image.shape[0] // height
    columns = np.arange(width) * image.shape[1] // width
    enlarged: Image = image[rows][:, columns]
    return enlarged


def _one_line(text: str) -> str:
    """Line breaks and control characters become spaces: text from outside may hold them, and fonts refuse them."""
    return "".join(c if c.isprintable() else " " for c in text)


def _scaled(picture: Picture, size: tuple[int, int]) -> Any:
    from PIL import Image as Pillow

    kernel = Pillow.Resampling.NEAREST if picture.pixelated else Pillow.Resampling.LANCZOS
    return Pillow.fromarray(images.to_8bit(picture.image)).resize(size, kernel)


@cache
def _font(size: int, bold: bool) -> ImageFont.FreeTypeFont:
    """DejaVu Sans as matplotlib ships it: it has arrows and minus signs, and is the same on every machine."""
    from PIL import ImageFont

    spec = importlib.util.find_spec("matplotlib")
    assert spec is not None
    assert spec.origin is not None
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf" / name), size)
