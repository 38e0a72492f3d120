"""The report as one file, which opens from disk with nothing beside it: the folder's page with all its parts inside.

All numbers and words are there. Pictures are smaller copies (WebP), of the cases that an arm changed most first, as
many as are asked for and as fit. The page may load nothing from anywhere: what it runs is named by its hash.
"""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fsrbench.core.errors import StoreError
from fsrbench.files import atomic
from fsrbench.show import inline
from fsrbench.show.report import places

NAME = "report.html"
"""What the file is called in a run's folder, where nobody names another."""
QUALITY = 85
"""Of the WebP copies, out of 100."""
ROOM = 25_000_000
"""Bytes of all copies together. As text in a page they take a third more."""
LARGEST = 100_000_000
"""Bytes of a file of the report's folder that is read."""
_POLICY = re.compile(r'(<meta http-equiv="Content-Security-Policy" content=")[^"]*')
_STYLE = re.compile(r'<link rel="stylesheet" href="([^"]+)">')
_SCRIPT = re.compile(r'<script src="([^"]+)"></script>')
_IMAGE = re.compile(rf'(<img[^>]* src=")((?:{places.PICTURES}|{places.PLOTS})/[^"]+)')
_JUDGES = re.compile(rf'\s*<a href="{re.escape(places.JUDGES)}">[^<]*</a>')
_FILES = re.compile(rf'<a href="{places.PLOTS}/[^"]+">((?:<img[^>]*>)?)(?:[A-Z]+)?</a>')


@dataclass(slots=True)
class _Copies:
    """Smaller copies of the report's pictures."""

    folder: Path
    """Where they are taken from."""
    made: dict[str, str]
    """File → its copy as a `data:` address."""
    room: int = ROOM
    """Bytes that are left."""

    def take(self, files: dict[str, bool]) -> bool:
        """Copy some pictures (→ whether each is an input, copied without loss) if all of them fit."""
        new = {file: _webp(self.folder / file, exact) for file, exact in files.items() if file not in self.made}
        size = sum(map(len, new.values()))
        if size > self.room:
            return False
        self.room -= size
        self.made |= {file: _address("image/webp", data) for file, data in new.items()}
        return True


def pack(report: Path, target: Path, limit: int | None = None) -> int:
    """Write the report that lies in a folder into one file; returns of how many cases it has the pictures.

    `limit`: of so many cases at most; a case of two families counts twice.
    """
    page = _read(report / places.PAGE)
    copies = _Copies(report / places.PICTURES, {})
    data = _handed(_read(report / places.DATA))[0]
    chunks = [_read(report / name) for name in data["chunks"]]
    shown = {Path(file).name: True for _, file in _IMAGE.findall(page) if file.startswith(places.PICTURES)}
    copies.take({file: 'class="pixels"' in page.partition(file)[0].rpartition("<img")[2] for file in shown})
    taken = 0
    for files in _by_change(data, chunks):
        if taken == limit or not copies.take(files):
            break
        taken += 1
    about = _about(taken, len(data["case"]))
    handed = ",".join(json.dumps(part, separators=(",", ":")) for part in (copies.made, about))
    extra = {places.DATA: [*chunks, f"fsr.setPictures({handed});\n"]}
    html = _inline(page, report, copies, extra).replace(places.ALONE, about)
    atomic.write_named(target, html.encode())
    return taken


def _by_change(data: dict[str, Any], chunks: list[str]) -> Iterator[dict[str, bool]]:
    """The pictures of each case, those first that an arm changed most."""
    told = [case for chunk in chunks for case in _handed(chunk)[2]]
    size = [0.0] * len(told)
    for entry, delta in zip(data["rows"]["entry"], data["deltas"].get(data["by"], ()), strict=False):
        size[entry] = max(size[entry], abs(delta or 0.0))
    for entry in sorted(range(len(told)), key=lambda entry: -size[entry]):
        pictures = told[entry]["pictures"]
        yield {one["file"]: key == "lr" for key, one in pictures.items() if one["file"]}


def _about(taken: int, cases: int) -> str:
    """What is said of the pictures wherever it matters."""
    whose = "all cases" if taken == cases else f"the {taken:,} of {cases:,} cases that changed most"
    return (
        f"This is one file, with the pictures of {whose}. They are copies (WebP, quality {QUALITY}) made to keep it "
        "small; all numbers were measured on the originals, which the report's folder has."
    )


def _inline(page: str, report: Path, copies: _Copies, extra: dict[str, list[str]]) -> str:
    """The page with everything that it names put into it; after a script stand those that `extra` has for it."""
    allowed: list[str] = []

    def run(words: str) -> str:
        allowed.append(inline.allowed(words))
        return f"<script>{words}</script>"

    def script(found: re.Match[str]) -> str:
        return "\n".join(run(words) for words in (_read(report / found[1]), *extra.get(found[1], ())))

    def image(found: re.Match[str]) -> str:
        name = Path(found[2]).name
        if found[2].startswith(places.PICTURES):
            return found[1] + copies.made.get(name, "data:,")
        kind = "image/svg+xml" if name.endswith(".svg") else "image/png"
        return found[1] + _address(kind, atomic.read_bytes(report / places.PLOTS / name, LARGEST))

    style = _read(report / places.STYLE)
    page = _STYLE.sub(lambda _: f"<style>{style}</style>", page, count=1)
    page = _IMAGE.sub(image, _FILES.sub(r"\1", _JUDGES.sub("", page)))
    page = _SCRIPT.sub(script, page)
    policy = f"default-src 'none'; script-src {' '.join(allowed)}; style-src {inline.allowed(style)}; img-src data:"
    return _POLICY.sub(lambda found: f"{found[1]}{policy}; base-uri 'none'; form-action 'none'", page, count=1)


def _handed(script: str) -> list[Any]:
    """The values that a script hands to the page."""
    found: list[Any] = json.loads(f"[{script[script.index('(') + 1 : script.rindex(')')]}]")
    return found


def _read(path: Path) -> str:
    try:
        return atomic.read_bytes(path, LARGEST).decode()
    except OSError as error:
        raise StoreError(f"{path} cannot be read ({error.strerror}): build the report again.") from None


def _webp(path: Path, exact: bool) -> bytes:
    """A picture as WebP, without any loss where it is `exact`."""
    from PIL import Image

    file = io.BytesIO()
    with Image.open(path, formats=("PNG",)) as picture:
        picture.save(file, "WEBP", lossless=exact, quality=QUALITY, method=4)
    return file.getvalue()


def _address(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
