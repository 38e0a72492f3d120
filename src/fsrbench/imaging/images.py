"""The image contract, written once: float32 RGB, height × width × 3, values in [0, 1].

Reading turns whatever people have (16-bit, grey, alpha, palette, CMYK, EXIF-rotated) into that, or says
in one sentence what is wrong with the file; how bytes become pixels is `decode.py`'s. Rounding to 8-bit sRGB happens
only on the way to a PNG. Resizing is here too, so that every layer uses the same kernels.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import os
import sys
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from fsrbench.core.errors import InputError
from fsrbench.files import atomic, opening
from fsrbench.imaging import decode, png

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fsrbench.core.values import Image

log = logging.getLogger("fsrbench")
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
MAX_PIXELS = 40_000_000
"""Default limit on one input picture: larger ones are refused before they are decoded."""
MAX_BYTES = 200_000_000
"""Default limit on one input file."""


def check(image: Image, what: str = "picture") -> Image:
    """Hold the contract at a seam; raises TypeError, since a breach is a bug and not a user's mistake."""
    if image.dtype != np.float32 or image.ndim != 3 or image.shape[2] != 3:
        raise TypeError(f"{what}: expected float32 H×W×3, got {image.dtype} {image.shape}")
    if not np.isfinite(image).all() or image.min() < 0 or image.max() > 1:
        raise TypeError(f"{what}: values outside [0, 1]")
    return image


# -------------------------------------------------------------------- reading


def find(folder: Path, *, below: bool = False) -> dict[str, Path]:
    """Pictures of a folder by case id (the name without suffix), sorted by id. A name that is no text is left out.

    With `below`, a folder that holds none itself is searched with all folders below it, as some sets of faces lie.
    Two files with one stem would write over each other's results, so they are refused by name; stems that
    differ in case only would do so on macOS and Windows.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder. Make it, or name another one.")
    found: dict[str, Path] = {}
    paths = [p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and p.is_file()]
    if below and not paths:
        paths = [p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file()]
    for path in sorted(paths):
        if path.name.startswith("."):
            continue
        if not path.name.isprintable():  # undecodable bytes, control characters: no table could hold it
            log.warning("%s is left out: its name holds characters that are no text. Rename it.", ascii(str(path)))
            continue
        twin = found.setdefault(case_id(path).casefold(), path)
        if twin is not path:
            raise InputError(
                f"{twin.name} and {path.name} in {folder} share the name {path.stem!r}, and results are "
                "stored under it. Rename one of them."
            )
    return {case_id(path): path for path in sorted(found.values(), key=case_id)}


def case_id(path: Path) -> str:
    """A name composed the usual way: macOS takes accents apart, and the pair would not be found."""
    return unicodedata.normalize("NFC", path.stem)


def read(path: Path, *, max_pixels: int = MAX_PIXELS, max_bytes: int = MAX_BYTES) -> Image:
    """Read one picture into the contract. Every way in which it can fail is an InputError that names it."""
    return check(decode.decode(path, _read_file(path, max_bytes), max_pixels), str(path))


def read_hashed(path: Path, *, max_pixels: int = MAX_PIXELS, max_bytes: int = MAX_BYTES) -> tuple[Image, str]:
    """The same, and the sha256 of the very bytes that were decoded."""
    data = _read_file(path, max_bytes)
    return check(decode.decode(path, data, max_pixels), str(path)), hashlib.sha256(data).hexdigest()


def read_stored(path: Path) -> Image:
    """Read a restoration back. It is as large as it was made: the limits are for what comes in."""
    return read(path, max_pixels=sys.maxsize, max_bytes=sys.maxsize)


def _read_file(path: Path, max_bytes: int) -> bytes:
    try:
        with opening.plain(path) as file:
            size = os.fstat(file.fileno()).st_size
            data = file.read() if size <= max_bytes else b""
    except FileNotFoundError:
        raise InputError(f"{path} is not there (any more).") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from None
    if size > max_bytes:
        raise InputError(f"{path} has {size:,} bytes; the limit is {max_bytes:,} (limits.max_bytes in a config).")
    if not data:
        raise InputError(f"{path} is empty (0 bytes). Copy it again.")
    return data


# -------------------------------------------------------------------- writing


def to_8bit(image: Image) -> NDArray[np.uint8]:
    """Round to 8 bits, half up: what is stored, compared and hashed."""
    return (np.clip(image, 0, 1) * np.float32(255) + np.float32(0.5)).astype(np.uint8)


def from_8bit(pixels: NDArray[np.uint8]) -> Image:
    """The inverse of `to_8bit`."""
    image: Image = pixels.astype(np.float32) / np.float32(255)
    return image


def as_stored(image: Image) -> Image:
    """The picture as it will be read back after storing: what an auditor and a metric see is the same."""
    return from_8bit(to_8bit(image))


def pixel_hash(image: Image) -> str:
    """sha256 over size and 8-bit pixels: the same for every encoder."""
    return hash_8bit(to_8bit(image))


def hash_8bit(pixels: NDArray[np.uint8]) -> str:
    """The same of pixels that are rounded already."""
    found = hashlib.sha256(repr(pixels.shape).encode())
    found.update(np.ascontiguousarray(pixels).data)
    return found.hexdigest()


def exact_key(image: Image) -> tuple[tuple[int, ...], bytes]:
    """What tells float pixels apart to the last bit, to remember by within a process; nothing stored has it."""
    return image.shape, hashlib.sha256(np.ascontiguousarray(image).data).digest()


def encode(image: Image, kind: Literal["png", "jpeg"] = "png", quality: int = 90) -> bytes:
    """Encode as PNG (lossless, sRGB) or JPEG. Deterministic: no time, no metadata."""
    pixels = to_8bit(image)
    if kind == "png":
        return png.encode(pixels)
    import cv2

    ok, data = cv2.imencode(".jpg", pixels[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not ok:  # pragma: no cover - only on a broken OpenCV build
        raise TypeError(f"OpenCV could not encode a {kind} of shape {image.shape}")
    return bytes(data)


def data_url(image: Image) -> str:
    """The picture as a `data:` URL, losslessly, as LVLM servers take it."""
    return "data:image/png;base64," + base64.b64encode(encode(image)).decode()


def write(path: Path, image: Image) -> None:
    """Store as PNG, all or nothing."""
    atomic.write_bytes(path, encode(image))


# -------------------------------------------------------------------- resizing


def resize(image: Image, width: int, height: int, kernel: Literal["bicubic", "area", "lanczos"] = "bicubic") -> Image:
    """Resize with antialiasing (kernel widened when shrinking; bicubic with a = -0.5), clipped to [0, 1]."""
    if image.shape[:2] == (height, width):
        return image
    from PIL import Image as Pillow

    method = {
        "bicubic": Pillow.Resampling.BICUBIC,
        "area": Pillow.Resampling.BOX,
        "lanczos": Pillow.Resampling.LANCZOS,
    }[kernel]
    planes = [Pillow.fromarray(image[:, :, c]).resize((width, height), method) for c in range(3)]
    return np.clip(np.stack([np.asarray(p, dtype=np.float32) for p in planes], axis=2), 0, 1)


def centre_square(height: int, width: int) -> tuple[int, int, int]:
    """The largest square in the middle of a picture: top, left, side."""
    side = min(height, width)
    return (height - side) // 2, (width - side) // 2, side


def fit_square(image: Image, size: int) -> Image:
    """Centre-crop to a square and resize: how HR faces are standardised."""
    top, left, side = centre_square(*image.shape[:2])
    return resize(image[top : top + side, left : left + side], size, size, "lanczos")


def hstack(pictures: Iterable[Image]) -> Image:
    """Put pictures of one height side by side."""
    return np.concatenate(list(pictures), axis=1)
