"""A picture file's bytes to pixels: which format it is, what is refused, and the one seam around every decoder.

The bytes decide on the format, never the name, and a decoder is reached only for those in READ: a library that may
guess would start an interpreter for what calls itself PostScript. Whatever a decoder raises on a damaged file is that
file's fault, and one sentence; memory that runs out is not.
"""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fsrbench.core.errors import InputError, out_of_memory

if TYPE_CHECKING:
    from fsrbench.core.values import Image

READ = ("PNG", "JPEG", "WebP", "BMP", "TIFF")
"""Formats that are opened, as Pillow names its decoders but for case; a phone's MPO is a JPEG."""
STARTS: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x89PNG\r\n\x1a\n", "PNG"), (0, b"\xff\xd8\xff", "JPEG"), (8, b"WEBP", "WebP"), (0, b"BM", "BMP"),
    *((0, start, "TIFF") for start in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"II\0*", b"MM*\0")),
    (0, b"%!PS", "EPS"), (0, b"\xc5\xd0\xd3\xc6", "EPS"), (0, b"%PDF", "PDF"), (0, b"GIF8", "GIF"),
    (0, b"DDS ", "DDS"), (0, b"BLP", "BLP"), (0, b"\0\0\1\0", "ICO"), (0, b"\0\0\2\0", "CUR"), (0, b"8BPS", "PSD"),
    (0, b"\0\0\0\x0cjP  ", "JPEG 2000"), (0, b"\xff\x4f\xff\x51", "JPEG 2000"), (0, b"\xff\x0a", "JPEG XL"),
    (0, b"\0\0\0\x0cJXL ", "JPEG XL"), (4, b"ftypavi", "AVIF"), (4, b"ftyp", "HEIC or a video"),
    (0, b"icns", "ICNS"), (0, b"#?RADIANCE", "Radiance HDR"), (0, b"\x76\x2f\x31\x01", "OpenEXR"), (0, b"qoif", "QOI"),
    (0, b"SIMPLE  =", "FITS"), (0, b"<svg", "SVG"), (0, b"<?xml", "XML"), (0, b"<!DOCTYPE", "a web page"),
    (0, b"<html", "a web page"), (0, b"PK\3\4", "a ZIP archive"), (0, b"\xd7\xcd\xc6\x9a", "WMF"), (40, b" EMF", "EMF"),
    *((0, f"P{n}{gap}".encode(), "PNM") for n in "1234567FfyY" for gap in " \n\r\t"),
)  # fmt: skip
"""Where a format's bytes begin, which they are, and what it is called; the first that fits decides."""
_SIZE_TAGS = (256, 257)
"""TIFF's width and height."""


def decode(path: Path, data: bytes, max_pixels: int) -> Image:
    """The pixels of one picture. Every way in which its bytes can be wrong is an InputError that names `path`."""
    kind = next((name for at, start, name in STARTS if data.startswith(start, at)), "")
    if kind not in READ:
        what = f"it is {kind}" if kind else "it is not a picture that can be read"
        raise InputError(f"{path}: {what}, in spite of its name. Save it as {', '.join(READ[:-1])} or {READ[-1]}.")
    try:
        return _decode(path, data, kind, max_pixels)
    except InputError:
        raise
    except Exception as error:
        if out_of_memory(error):
            raise
        raise InputError(
            f"{path} cannot be decoded, it may be damaged or cut off: {_words(error)}. Copy or save it again."
        ) from None


def _decode(path: Path, data: bytes, kind: str, max_pixels: int) -> Image:
    from PIL import Image as Pillow
    from PIL import ImageOps, UnidentifiedImageError

    Pillow.MAX_IMAGE_PIXELS = None  # the limit is `max_pixels`, and says so
    try:
        header = Pillow.open(io.BytesIO(data), formats=[kind.upper()])
    except UnidentifiedImageError:
        raise ValueError(f"its header is not that of a {kind}") from None
    with header:
        _refuse(path, header, max_pixels)
        orientation = header.getexif().get(0x0112, 1)
        if _is_deep(header, data):
            array = _turn(_decode_deep(data, header), orientation)
        else:
            header.load()
            array = np.asarray(_flatten(ImageOps.exif_transpose(header)), dtype=np.float32) / np.float32(255)
    return np.ascontiguousarray(array, dtype=np.float32)


def _words(error: Exception) -> str:
    """What a decoder said, in a line."""
    told = " ".join(str(error).split()) or type(error).__name__
    return "".join(c if c.isprintable() else "?" for c in told)[:200].rstrip(".")


def _refuse(path: Path, header: Any, max_pixels: int) -> None:
    """What is refused before it is decoded."""
    pixels = header.size[0] * header.size[1]
    if min(header.size) < 1:
        raise ValueError(f"its size is {header.size[0]}×{header.size[1]}")
    if pixels > max_pixels:
        raise InputError(f"{path} has {pixels:,} pixels; the limit is {max_pixels:,} (limits.max_pixels in a config).")
    if header.format != "MPO" and getattr(header, "is_animated", False):  # MPO: a phone's JPEG
        frames = "pages" if header.format == "TIFF" else f"{header.n_frames} frames"  # who counts pages reads them all
        raise InputError(f"{path} is animated ({frames}). Save one frame.")


def _is_deep(header: Any, data: bytes) -> bool:
    """More than 8 bits a sample? Pillow opens 16-bit colour as 8-bit, so the PNG header is asked itself."""
    if header.format == "PNG":
        return len(data) > 24 and data[24] == 16
    depths = getattr(header, "tag_v2", {}).get(258, (8,))  # TIFF's bits a sample: Pillow opens deep colour as RGB
    return str(header.mode).startswith(("I", "F")) or max(depths) > 8


def _decode_deep(data: bytes, header: Any) -> Image:
    """Decode 16-bit PNG or TIFF at full depth. The scale is the format's, never guessed from the values."""
    import cv2

    if header.format == "TIFF":
        _one_size(data)
    raw = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if raw is None:
        raise ValueError(f"{header.format} in mode {header.mode} could not be decoded")
    peak = {"uint8": 255.0, "uint16": 65535.0}.get(str(raw.dtype))
    if peak is None:
        raise ValueError(f"its samples are {raw.dtype}, whose white is unknown: save it with 8 or 16 bits")
    scaled = np.clip(raw.astype(np.float64) / peak, 0, 1)
    if scaled.ndim == 2:
        return np.repeat(scaled[:, :, None], 3, axis=2).astype(np.float32)
    if scaled.shape[2] == 4:  # over white, as `_flatten` does
        alpha = scaled[:, :, 3:]
        scaled = scaled[:, :, :3] * alpha + (1 - alpha)
    return scaled[:, :, 2::-1].astype(np.float32)


def _one_size(data: bytes) -> None:
    """A TIFF must say its size once: of two, Pillow takes the last, which was looked at, and OpenCV the first."""
    order, big = "<" if data[:1] == b"I" else ">", 43 in data[2:4]
    start = struct.unpack_from(order + ("Q" if big else "L"), data, 8 if big else 4)[0]
    count = struct.unpack_from(order + ("Q" if big else "H"), data, start)[0]
    first, step = (start + 8, 20) if big else (start + 2, 12)
    places = range(first, min(first + count * step, len(data) - 1), step)
    tags = [struct.unpack_from(order + "H", data, place)[0] for place in places]
    if any(tags.count(tag) != 1 for tag in _SIZE_TAGS):
        raise ValueError("it says its size more than once")


def _flatten(picture: Any) -> Any:
    """Any Pillow mode to RGB; what is transparent becomes white."""
    from PIL import Image as Pillow

    if "A" in picture.getbands() or "transparency" in picture.info:
        rgba = picture.convert("RGBA")
        return Pillow.alpha_composite(Pillow.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    return picture.convert("RGB")


def _turn(array: Image, orientation: int) -> Image:
    """Apply an EXIF orientation (2–8) to an array."""
    if orientation in (5, 6, 7, 8):
        array = array.transpose(1, 0, 2)
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    return array
