"""Where networks' files come from: one search order, one careful download.

`locate` looks at an explicit path, the folder FSRBENCH_WEIGHTS, the user's cache, and then downloads into the
cache: resumable, under a lock, size and sha256 checked before the file gets its name. A file that the user put
somewhere is taken as it is, and `Found.official` says whether it is the published one; a file in the cache must be.
What is published is the table in `published.py`; how bytes are fetched is `downloads.py`; opening what is inside a
file is `networks.py`.

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
from fsrbench.core.near import among
from fsrbench.files import downloads, locks
from fsrbench.models.published import TABLE, Weight

_log = logging.getLogger(__name__)

Progress: TypeAlias = Callable[[int, int], None]
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class FoundWeights:
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
) -> FoundWeights:
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


def identify(path: Path) -> FoundWeights:
    """A file that the user chose, whatever is in it."""
    if not path.is_file():
        raise WeightsError(f"{path} is not there, or is no file. Correct the path in the settings.")
    digest = sha256(path)
    return FoundWeights(path, digest, next((w for w in TABLE.values() if w.sha256 == digest), None))


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
    raise WeightsError(f"No weights are named {name!r}.{among(name, TABLE)}")


def _folder() -> Path | None:
    """The user's folder, which must exist once it is named: a typo there would quietly download instead."""
    chosen = os.environ.get("FSRBENCH_WEIGHTS")
    if not chosen:
        return None
    if not Path(chosen).is_dir():
        raise WeightsError(f"FSRBENCH_WEIGHTS names {chosen}, which is not a folder. Correct or unset it.")
    return Path(chosen)


def _trusted(weight: Weight, path: Path) -> FoundWeights:
    """A file of the cache: nobody else's content may stand there under a published name."""
    if sha256(path) != weight.sha256:
        raise WeightsError(
            f"{path} is not the published {weight.name} (wrong sha256). Delete it and run: "
            f"fsrbench weights --download {weight.name}. "
            "A file of your own belongs into FSRBENCH_WEIGHTS or a path setting."
        )
    return FoundWeights(path, weight.sha256, weight)


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
