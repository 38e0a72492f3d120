"""Where networks' files come from: one table, one search order, one careful download.

`locate` looks at an explicit path, the folder FSRBENCH_WEIGHTS, the user's cache, and then downloads into the
cache: resumable, under a lock, size and sha256 checked before the file gets its name. A file that the user put
somewhere is taken as it is, and `Found.official` says whether it is the published one; a file in the cache must be.
How bytes are fetched is `downloads.py`; opening what is inside a file is `networks.py`.

Environment: FSRBENCH_WEIGHTS (a folder), FSRBENCH_CACHE (instead of the platform's cache folder), FSRBENCH_MIRROR
(a URL that takes the place of each file's folder), FSRBENCH_OFFLINE (set to anything: no downloads).
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import shutil
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from fsrbench.core.errors import WeightsError
from fsrbench.core.near import near
from fsrbench.files import downloads, locks

_log = logging.getLogger(__name__)

Progress: TypeAlias = Callable[[int, int], None]
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Weight:
    """One published file."""

    name: str
    """File name: in the folder, in the cache and at the end of the URL."""
    folder: str
    """URL of the folder it is published in; for a member of a zip, the zip's name."""
    bytes: int
    """Exact size."""
    sha256: str
    """Hash of the file."""
    licence: str
    """Under what it is published."""
    needed_by: tuple[str, ...]
    """Plugins that ask for it."""
    non_commercial: bool = False
    """Said out loud before a download."""
    member_of: str | None = None
    """Name of the zip in the table that holds it."""
    note: str = ""
    """What else a reader of the table must know."""


@dataclass(frozen=True, slots=True)
class Found:
    """A file that is there."""

    path: Path
    """Where."""
    sha256: str
    """What is really in it."""
    weight: Weight | None
    """The published file with this hash; None for any other content."""

    @property
    def official(self) -> bool:
        """True if this is, byte for byte, a published file of the table."""
        return self.weight is not None


@dataclass(frozen=True, slots=True)
class Status:
    """One line of `fsrbench weights`."""

    weight: Weight
    """The published file."""
    path: Path | None
    """Where a file of that name lies; None if a use of it would download."""
    state: str
    """`absent`, `present` (size fits, hash not computed), `official`, or `other content`."""


_GH = "https://github.com/"
_ESRGAN = _GH + "xinntao/Real-ESRGAN/releases/download/"
_KAIR = _GH + "cszn/KAIR/releases/download/v1.0"
_GFPGAN = _GH + "TencentARC/GFPGAN/releases/download/v1.3.0"
_FACEXLIB = _GH + "xinntao/facexlib/releases/download/"
_BUFFALO = "buffalo_l.zip"
_GFPGAN_LICENCE = "Apache-2.0 and others, see its repository"
_RESEARCH = "non-commercial research"
_BSD = "BSD-3-Clause"
_FOR_REALESRGAN = ("realesrgan", "upstream_realesrgan")
_FOR_BSRGAN = ("bsrgan", "upstream_bsrgan")
_FOR_GFPGAN = ("gfpgan", "upstream_gfpgan")

# fmt: off
_ROWS = (
    Weight("RealESRGAN_x4plus.pth", _ESRGAN + "v0.1.0", 67_040_989,
           "4fa0d38905f75ac06eb49a7951b426670021be3018265fd191d2125df9d682f1",
           _BSD, _FOR_REALESRGAN),
    Weight("RealESRGAN_x2plus.pth", _ESRGAN + "v0.2.1", 67_061_725,
           "49fafd45f8fd7aa8d31ab2a22d14d91b536c34494a5cfe31eb5d89c2fa266abb",
           _BSD, _FOR_REALESRGAN),
    Weight("realesr-general-x4v3.pth", _ESRGAN + "v0.2.5.0", 4_885_111,
           "8dc7edb9ac80ccdc30c3a5dca6616509367f05fbc184ad95b731f05bece96292",
           _BSD, _FOR_REALESRGAN),
    Weight("realesr-general-wdn-x4v3.pth", _ESRGAN + "v0.2.5.0", 4_885_111,
           "1641f8c4464b9f097c9fdda5589273713f67cf59f3d909e0bd688f0cee269dca",
           _BSD, _FOR_REALESRGAN),
    Weight("BSRGAN.pth", _KAIR, 67_046_751,
           "5d505a0766160921e0388d76e1ddf08cb114303990f9080432bf2b1c988b1c54",
           "Apache-2.0", _FOR_BSRGAN),
    Weight("BSRGANx2.pth", _KAIR, 66_894_171,
           "614f68bcafcf123a1ea51cc75ae5741640a8b1d49dd75757ad3ad531f772c736",
           "Apache-2.0", _FOR_BSRGAN, note="hash seen in one place only"),
    Weight("GFPGANv1.4.pth", _GFPGAN, 348_632_874,
           "e2cd4703ab14f4d01fd1383a8a8b266f9a5833dacee8e6a79d3bf21a1b6be5ad",
           _GFPGAN_LICENCE, _FOR_GFPGAN),
    Weight("GFPGANv1.3.pth", _GFPGAN, 348_632_874,
           "c953a88f2727c85c3d9ae72e2bd4846bbaf59fe6972ad94130e23e7017524a70",
           _GFPGAN_LICENCE, _FOR_GFPGAN),
    Weight("detection_Resnet50_Final.pth", _FACEXLIB + "v0.1.0", 109_497_761,
           "6d1de9c2944f2ccddca5f5e010ea5ae64a39845a86311af6fdf30841b0a5a16d",
           "MIT", ("upstream_gfpgan",)),
    Weight("parsing_parsenet.pth", _FACEXLIB + "v0.2.2", 85_331_193,
           "3d558d8d0e42c20224f13cf5a29c79eba2d59913419f945545d8cf7b72920de2",
           "MIT", ("upstream_gfpgan",)),
    Weight(_BUFFALO, _GH + "deepinsight/insightface/releases/download/v0.7", 288_621_354,
           "80ffe37d8a5940d59a7384c201a2a38d4741f2f3c51eef46ebb28218a7b0ca2f",
           _RESEARCH, ("arcface", "gfpgan"), non_commercial=True),
    Weight("w600k_r50.onnx", _BUFFALO, 174_383_860,
           "4c06341c33c2ca1f86781dab0e829f88ad5b64be9fba56e56bc9ebdefc619e43",
           _RESEARCH, ("arcface",), non_commercial=True, member_of=_BUFFALO),
    Weight("det_10g.onnx", _BUFFALO, 16_923_827,
           "5838f7fe053675b1c7a08b633df49e7af5495cee0493c7dcf6697200b85b5b91",
           _RESEARCH, ("arcface", "gfpgan"), non_commercial=True, member_of=_BUFFALO),
    Weight("alexnet-owt-7be5be79.pth", "https://download.pytorch.org/models", 244_408_911,
           "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
           _BSD, ("lpips",)),
)
# fmt: on
TABLE: dict[str, Weight] = {w.name: w for w in _ROWS}
"""Every file that fsrbench may ask for. What ships inside other packages (LPIPS's linear layers) is not here."""


AGAIN = 3600.0
"""Seconds before a failed download of something that a run can do without is tried again."""
_FAILED: dict[tuple[str, Path], str] = {}
"""Downloads that did not work out in this process, and why."""


# -------------------------------------------------------------------- finding


def locate(
    name: str,
    *,
    explicit: Path | None = None,
    offline: bool = False,
    optional: bool = False,
    progress: Progress | None = None,
) -> Found:
    """The file behind a name of the table, downloaded if it must and may be; `progress` hears bytes done and all.

    What a run can do without (`optional`) is not tried again for a while where the last attempt failed.
    """
    weight = _known(name)
    if explicit is not None:
        return identify(explicit)
    folder = _folder()
    if folder is not None and (folder / name).is_file():
        return identify(folder / name)
    cached = cache() / name
    if cached.is_file():
        return _trusted(weight, cached)
    if weight.member_of is not None:
        archive = locate(weight.member_of, offline=offline, optional=optional, progress=progress)
        return _trusted(weight, _extract(weight, archive.path))
    if offline or os.environ.get("FSRBENCH_OFFLINE"):
        raise WeightsError(f"{name} is not on this machine, and downloads are forbidden (offline). {_cure(weight)}")
    source = (url(weight), cache())
    if source in _FAILED:  # five tools that want one file need not each wait for the same dead end
        raise WeightsError(_FAILED[source])
    if optional and (lately := _failed_lately(weight)):
        raise WeightsError(lately)
    try:
        return _trusted(weight, download(weight, progress))
    except WeightsError as error:
        _FAILED[source] = str(error)
        _remember(weight, str(error))
        raise


def _failed_lately(weight: Weight) -> str:
    """What an attempt of this or another command came to less than AGAIN ago; empty where there was none."""
    note = _note(weight)
    try:
        age = time.time() - note.stat().st_mtime
        address, _, told = note.read_text(encoding="utf-8").partition("\n")
    except (OSError, UnicodeDecodeError):
        return ""
    if address != url(weight) or not 0 <= age < AGAIN:
        return ""
    return f"{told} (This was {age / 60:.0f} min ago. What a run can do without is tried again after an hour.)"


def _remember(weight: Weight, told: str) -> None:
    with contextlib.suppress(OSError):
        _note(weight).write_text(f"{url(weight)}\n{told}", encoding="utf-8")


def _note(weight: Weight) -> Path:
    """Where a failed download is noted; it goes when one succeeds."""
    return cache() / f"{weight.name}.failed"


def identify(path: Path) -> Found:
    """A file that the user chose, whatever is in it."""
    if not path.is_file():
        raise WeightsError(f"{path} is not there, or is no file. Correct the path in the settings.")
    digest = sha256(path)
    return Found(path, digest, next((w for w in TABLE.values() if w.sha256 == digest), None))


def embedded(family: str) -> Path:
    """The small network of a family that ships inside the package."""
    path = Path(__file__).parent / "embedded" / f"{family}.safetensors"
    if not path.is_file():
        raise WeightsError(
            f"This installation has no embedded model for the family {family!r} ({path} is missing). "
            "Reinstall fsrbench, or choose --models official or a path."
        )
    return path


def cache() -> Path:
    """Folder into which files are downloaded."""
    chosen = os.environ.get("FSRBENCH_CACHE")
    if chosen:
        return Path(chosen) / "weights"
    import platformdirs

    return Path(platformdirs.user_cache_dir("fsrbench", appauthor=False)) / "weights"


def status(*, verify: bool = False) -> tuple[Status, ...]:
    """What is there and what would be downloaded; `verify` also computes every hash."""
    lines = []
    for weight in TABLE.values():
        places = [p for p in (_folder(), cache()) if p is not None]
        path = next((p / weight.name for p in places if (p / weight.name).is_file()), None)
        lines.append(Status(weight, path, _state(weight, path, verify)))
    return tuple(lines)


def sha256(path: Path) -> str:
    """Hash of a file, computed once per process as long as its size and time stay."""
    stat = path.stat()
    return _sha256(path, stat.st_size, stat.st_mtime_ns)


@functools.lru_cache(maxsize=256)
def _sha256(path: Path, _size: int, _mtime: int) -> str:
    return downloads.sha256(path)


def _state(weight: Weight, path: Path | None, verify: bool) -> str:
    if path is None:
        return "absent"
    if verify:
        return "official" if sha256(path) == weight.sha256 else "other content"
    return "present" if path.stat().st_size == weight.bytes else "other content"


def _known(name: str) -> Weight:
    if name in TABLE:
        return TABLE[name]
    raise WeightsError(f"No weights are named {name!r}.{near(name, TABLE)} Known: {', '.join(TABLE)}.")


def _folder() -> Path | None:
    """The user's folder, which must exist once it is named: a typo there would quietly download instead."""
    chosen = os.environ.get("FSRBENCH_WEIGHTS")
    if not chosen:
        return None
    if not Path(chosen).is_dir():
        raise WeightsError(f"FSRBENCH_WEIGHTS names {chosen}, which is not a folder. Correct or unset it.")
    return Path(chosen)


def _trusted(weight: Weight, path: Path) -> Found:
    """A file of the cache: nobody else's content may stand there under a published name."""
    if sha256(path) != weight.sha256:
        raise WeightsError(
            f"{path} is not the published {weight.name} (wrong sha256). Delete it and run: "
            f"fsrbench weights --download {weight.name}. "
            "A file of your own belongs into FSRBENCH_WEIGHTS or a path setting."
        )
    return Found(path, weight.sha256, weight)


def _cure(weight: Weight) -> str:
    return (
        f"With a connection: fsrbench weights --download {weight.name}. Without: fetch {url(weight)} elsewhere "
        f"and put it into {cache()} or a folder named in FSRBENCH_WEIGHTS."
    )


# ---------------------------------------------------------------- downloading


def url(weight: Weight) -> str:
    """Where a file is fetched from, the mirror respected."""
    if weight.member_of is not None:
        weight = TABLE[weight.member_of]
    folder = os.environ.get("FSRBENCH_MIRROR") or weight.folder
    return f"{folder.rstrip('/')}/{weight.name}"


def download(weight: Weight, progress: Progress | None = None) -> Path:
    """Fetch a file into the cache.

    A broken download leaves NAME.part, which the next attempt, or the next command, goes on with.
    """
    target = cache() / weight.name
    if weight.non_commercial:
        _log.warning("%s is licensed for %s only: see its publisher.", weight.name, weight.licence)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with locks.held(Path(f"{target}.lock")):
            if not target.is_file():  # another process may have fetched it while this one waited
                wanted = downloads.Wanted(weight.name, url(weight), weight.bytes, weight.sha256, _cure(weight))
                downloads.fetch(wanted, target, progress or (lambda _done, _all: None))
                _note(weight).unlink(missing_ok=True)
    except OSError as error:
        raise WeightsError(f"{target} cannot be written: {error.strerror or error}.") from error
    return target


def _extract(weight: Weight, archive: Path) -> Path:
    """Take one member out of a zip into the cache, under its plain name only, hashed before it is renamed."""
    target = cache() / weight.name
    part = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with locks.held(Path(f"{target}.lock")), zipfile.ZipFile(archive) as bundle:
            member = next((m for m in bundle.infolist() if m.filename.split("/")[-1] == weight.name), None)
            if member is None or member.file_size != weight.bytes:
                raise WeightsError(f"{archive} holds no {weight.name} of {weight.bytes:,} bytes. Fetch the zip again.")
            with bundle.open(member) as source, part.open("wb") as file:
                shutil.copyfileobj(source, file, _CHUNK)
            if sha256(part) != weight.sha256:
                part.unlink()
                raise WeightsError(f"{weight.name} in {archive} has the wrong sha256. Fetch the zip again.")
            part.replace(target)
    except zipfile.BadZipFile:
        raise WeightsError(f"{archive} is not a whole zip file. Delete it and fetch it again.") from None
    except OSError as error:
        raise WeightsError(f"{target} cannot be written: {error.strerror or error}.") from error
    return target
