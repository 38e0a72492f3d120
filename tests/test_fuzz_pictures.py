"""Thousands of damaged pictures in every format that people have: each is read, or refused in a sentence.

They are read in processes of their own, whose memory and time are their own, too.
"""

from __future__ import annotations

import faulthandler
import functools
import io
import multiprocessing
import random
import time
from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import pytest
from PIL import Image as Pillow

from fsrbench.core.errors import InputError
from fsrbench.imaging import decode, images
from support import draw_face
from support.mutations import MOST_MB, PROCESSES, mutated
from support.process import peak_megabytes

MUTATIONS = 20_000
SECONDS = 30.0
"""One picture of some kilobytes never takes so long, on any machine."""


@functools.cache
def originals() -> dict[str, bytes]:
    """A small picture in every format that can be written here, in the kinds that take a way of their own."""
    face = Pillow.fromarray(images.to_8bit(draw_face(24)))
    deep = images.to_8bit(draw_face(16)).astype("uint16") * 257
    found: dict[str, bytes] = {}

    def save(name: str, picture: Pillow.Image, kind: str, **options: Any) -> None:
        file = io.BytesIO()
        picture.save(file, kind, **options)
        found[name] = file.getvalue()

    exif = face.getexif()
    exif[0x0112] = 6
    save("png", face, "PNG", exif=exif)
    save("png palette", face.convert("P"), "PNG", transparency=0)
    save("png alpha", face.convert("LA"), "PNG")
    save("jpeg", face, "JPEG", exif=exif)
    save("jpeg cmyk", face.convert("CMYK"), "JPEG", progressive=True)
    save("jpeg of a phone", face, "MPO", save_all=True, append_images=[face])
    for method in (None, "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg", "group4"):
        save(f"tiff {method}", face.convert("1") if method == "group4" else face, "TIFF", compression=method)
    save("tiff of two", face, "TIFF", save_all=True, append_images=[face])
    save("webp", face, "WEBP")
    save("webp lossless", face.convert("RGBA"), "WEBP", lossless=True, exif=exif)
    save("webp animated", face, "WEBP", save_all=True, append_images=[face.rotate(90)])
    save("bmp", face, "BMP")
    save("bmp palette", face.convert("P"), "BMP")
    for suffix in (".png", ".tiff"):
        found[f"deep {suffix}"] = cv2.imencode(suffix, deep)[1].tobytes()
    for kind in ("AVIF", "GIF", "DDS", "BLP", "ICO", "PPM", "EPS", "PDF", "JPEG2000", "ICNS", "TGA", "PCX", "SGI"):
        save(kind, face.convert("P") if kind == "BLP" else face, kind)
    return found


def read_many(seed: int, number: int, file: Path, answer: Any) -> None:
    """In a process of its own: what became of each picture, and how much memory it took."""
    draw, sources = random.Random(seed), originals()
    names, others = list(sources), list(sources.values())
    ends: Counter[str] = Counter()
    for _ in range(number):
        name = draw.choice(names)
        file.write_bytes(mutated(draw, sources[name], others))
        faulthandler.dump_traceback_later(SECONDS, exit=True)
        try:
            images.read(file)
        except InputError as error:  # anything else is a traceback, and ends this process
            said = str(error)
            ends["refused" if file.name in said and said.isprintable() and len(said) < 800 else said] += 1
        else:
            ends["read"] += 1
    faulthandler.cancel_dump_traceback_later()
    answer.send((ends, peak_megabytes()))


@pytest.mark.slow
def test_twenty_thousand_mutated_pictures_are_read_or_refused_in_words(tmp_path: Path, record_property: Any) -> None:
    pytest.importorskip("resource")
    spawn = multiprocessing.get_context("spawn")
    began, started = time.monotonic(), []
    for number in range(PROCESSES):
        ours, theirs = spawn.Pipe(duplex=False)
        file = tmp_path / f"mutated {number}.png"
        started.append((spawn.Process(target=read_many, args=(number, MUTATIONS // PROCESSES, file, theirs)), ours))
        started[-1][0].start()
        theirs.close()
    ends, peaks = Counter[str](), []
    for process, ours in started:
        process.join()
        assert process.exitcode == 0, f"what it was reading is in {tmp_path}"
        found, peak = ours.recv()
        ends += found
        peaks.append(peak)
        ours.close()
    assert sum(ends.values()) == MUTATIONS
    assert ends.keys() == {"refused", "read"}
    assert ends["read"] > MUTATIONS // 10
    assert max(peaks) < MOST_MB
    record_property("fault", f"{MUTATIONS} mutated pictures: {ends['refused']} refused in words, {ends['read']} read, "
                             f"no traceback, {max(peaks):.0f} MB, {time.monotonic() - began:.0f} s")  # fmt: skip


@pytest.mark.parametrize("name", list(originals()))
def test_whole_pictures_of_listed_formats_are_read_and_no_other(name: str, tmp_path: Path) -> None:
    """Whatever the file is called: the bytes decide."""
    data = originals()[name]
    path = tmp_path / "x.png"
    path.write_bytes(data)
    listed = name.partition(" ")[0] in ("png", "jpeg", "tiff", "webp", "bmp", "deep")
    if listed and name not in ("tiff of two", "webp animated"):
        assert images.read(path).shape[2] == 3
        return
    with pytest.raises(InputError, match=f"{path.name}.*animated" if listed else "in spite of its name") as caught:
        images.read(path)
    assert listed or all(one in str(caught.value) for one in decode.READ)
