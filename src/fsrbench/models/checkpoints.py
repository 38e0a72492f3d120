"""The tensors of a .pth, .ckpt or .safetensors file, read without running anything and within fixed bounds.

First the list of tensors is read: where each lies in the file, its kind of numbers, its shape. It is judged in one
place (`listing.admit`), and nothing is made before that agrees. Only then are the numbers read, and those that are no
numbers refused. A pickle is not given to Python's unpickler but read by `pickles.py`.

Which network the tensors make is decided in `networks.py`.
"""

from __future__ import annotations

import io
import json
import math
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias

from fsrbench.core.errors import WeightsError, first_line
from fsrbench.files import opening
from fsrbench.models import architectures
from fsrbench.models.listing import COUNTS, WEIGHTS, Listed, Malformed, RunsCode, Storage, admit, contiguous
from fsrbench.models.pickles import Pickle

if TYPE_CHECKING:
    import torch

    Tensors: TypeAlias = dict[str, torch.Tensor]

MAX_LIST = 16_000_000
"""Bytes of what lists the tensors: a pickle, a header, a zip's directory."""
_SAFETENSORS = {
    "F32": "float32", "F16": "float16", "BF16": "bfloat16", "F64": "float64", "I64": "int64", "I32": "int32",
    "I16": "int16", "I8": "int8", "U8": "uint8", "BOOL": "bool", "C64": "complex64",
}  # fmt: skip
_MAGIC = 0x1950A86A20F9469CFC6C
"""What a file of torch before 1.6 begins with."""
Fetch: TypeAlias = Callable[[Storage, int], bytearray]
"""The bytes of a storage, of which there must be so many."""


def read(path: Path) -> tuple[Tensors, dict[str, Any]]:
    """All tensors of a file, in fp32 where they are weights, and what a safetensors file says about itself."""
    suffix = path.suffix.lower()
    if suffix not in (".pth", ".ckpt", ".safetensors"):
        raise WeightsError(f"{path} is no .pth, .ckpt or .safetensors file, and other kinds are not read.")
    if not path.is_file():
        raise WeightsError(f"{path} is not there, or is no file. Correct the path in the settings.")
    try:
        with opening.plain(path) as file:
            _refuse_text(path, file.read(64))
            file.seek(0)
            if suffix == ".safetensors":
                return _safetensors(path, file)
            kind = _zip if zipfile.is_zipfile(file) else _legacy
            file.seek(0)
            return kind(path, file), {}
    except (WeightsError, MemoryError):
        raise
    except RunsCode as error:
        raise WeightsError(
            f"{path} wants to run code when it is loaded ({error}) and is refused. "
            "Use a file that holds tensors only, best as .safetensors."
        ) from error
    except Malformed as error:
        raise WeightsError(
            f"{path} {error} and is refused. Save its weights again as plain fp32 tensors, best as .safetensors."
        ) from error
    except Exception as error:  # what is cut off, or garbage, fails in a dozen ways
        raise WeightsError(f"{path} is damaged or no checkpoint ({first_line(error)}). Fetch it again.") from error


def _refuse_text(path: Path, start: bytes) -> None:
    """What a browser or git leaves in place of a large file is the most frequent damage, so it is named."""
    if start.lstrip().lower().startswith((b"<", b"version https://git-lfs")):
        raise WeightsError(f"{path} holds a web page or a pointer, not a checkpoint. Download the file itself.")


# ------------------------------------------------------------------- reading


def _tensors(path: Path, admitted: dict[str, Listed], fetch: Fetch) -> Tensors:
    """The tensors themselves. Each storage is read once, and only one at a time is in memory beside them."""
    import torch

    users: dict[Storage, list[str]] = {}
    for name, one in admitted.items():
        users.setdefault(one.storage, []).append(name)
    made: Tensors = {}
    for storage, names in users.items():
        data = fetch(storage, storage.length * (WEIGHTS | COUNTS)[storage.kind])
        kind = getattr(torch, storage.kind)
        flat = torch.frombuffer(data, dtype=kind) if data else torch.empty(0, dtype=kind)
        for name in names:
            one = admitted[name]
            tensor = flat.as_strided(one.shape, one.stride, one.offset)
            if kind.is_floating_point:
                tensor = tensor.float()
                if not torch.isfinite(tensor).all():
                    raise WeightsError(f"{path} holds weights that are no numbers ({name:.80}: NaN or infinite). "
                                       "Its training failed: use an earlier checkpoint.")  # fmt: skip
            made[name] = tensor.clone() if len(names) > 1 or tensor.numel() < len(flat) else tensor
    return {name: made[name] for name in admitted}  # in the file's order, which some architectures go by


def _exactly(file: BinaryIO, size: int) -> bytearray:
    data = bytearray(size)
    if file.readinto(data) != size:  # type: ignore[attr-defined]
        raise EOFError("it ends too early")
    return data


def _safetensors(path: Path, file: BinaryIO) -> tuple[Tensors, dict[str, Any]]:
    """A header in JSON, then the numbers, tensor after tensor."""
    (length,) = struct.unpack("<Q", _exactly(file, 8))
    if length > MAX_LIST:
        raise ValueError("its header is too long")
    header = json.loads(_exactly(file, length))
    about = json.loads(header.pop("__metadata__", {}).get("fsrbench", "{}"))
    if not isinstance(about, dict):
        raise TypeError("its fsrbench metadata is no JSON object")
    start, end = 8 + length, path.stat().st_size
    places: dict[str, int] = {}
    listed: dict[str, Any] = {}
    for name, entry in header.items():
        shape, (first, last) = _whole_numbers(entry["shape"]), _whole_numbers(entry["data_offsets"])
        kind = _SAFETENSORS.get(str(entry["dtype"]), str(entry["dtype"])[:20])
        count = math.prod(shape[:9])
        if not 0 <= first <= last <= end - start:
            raise EOFError("it ends too early")
        if kind in WEIGHTS | COUNTS and count * (WEIGHTS | COUNTS)[kind] != last - first:
            raise Malformed(f"has a tensor that is larger than the numbers it is made of ({name:.80})")
        places[name] = start + first
        listed[name] = Listed(Storage(name, kind, count), 0, shape, contiguous(shape))
    if sum(entry["data_offsets"][1] - entry["data_offsets"][0] for entry in header.values()) != end - start:
        raise ValueError("its tensors overlap, or do not fill it")

    def fetch(storage: Storage, size: int) -> bytearray:
        file.seek(places[storage.key])
        return _exactly(file, size)

    return _tensors(path, admit(path, architectures.unwrapped(listed)), fetch), about


def _whole_numbers(found: Any) -> tuple[int, ...]:
    if not isinstance(found, list) or not all(type(one) is int for one in found):
        raise TypeError("its header holds no numbers where they belong")
    return tuple(found)


class _Sparing(io.FileIO):
    """A file of which nobody may ask for a large piece at once, as a zip's directory can make its reader do."""

    def read(self, size: int | None = -1) -> bytes:
        if size is None or size > MAX_LIST:
            raise Malformed("has a directory that is too large")
        return super().read(size)


def _zip(path: Path, file: BinaryIO) -> Tensors:
    """What torch.save writes since 1.6: a pickle, and each storage as a member, none of them compressed."""
    with _Sparing(file.fileno(), closefd=False) as sparing, zipfile.ZipFile(sparing) as bundle:
        members = {member.filename: member for member in bundle.infolist()}
        if any(member.compress_type != zipfile.ZIP_STORED for member in members.values()):
            raise Malformed("is compressed, as torch.save never does,")
        if len(members) != len(bundle.infolist()) or sum(m.file_size for m in members.values()) > path.stat().st_size:
            raise Malformed("says that it holds more than its own size")
        root = next((name.removesuffix("data.pkl") for name in members if name.endswith("/data.pkl")), None)
        if root is None:
            raise Malformed("is a zip, but none that torch.save wrote,")
        if f"{root}constants.pkl" in members:
            raise RunsCode("TorchScript")
        if f"{root}byteorder" in members and bundle.read(f"{root}byteorder") != b"little":
            raise Malformed("was saved on a machine of another byte order")
        if members[f"{root}data.pkl"].file_size > MAX_LIST:
            raise Malformed("has a list of tensors that is too large")

        def fetch(storage: Storage, size: int) -> bytearray:
            member = members[f"{root}data/{storage.key}"]
            if member.file_size != size:
                raise Malformed(f"has a piece of another size than it says ({storage.key:.80})")
            data = bytearray(size)
            with bundle.open(member) as source:
                view = memoryview(data)
                while view:
                    piece = source.read(min(len(view), 1 << 20))
                    if not piece:
                        raise EOFError("it ends too early")
                    view[: len(piece)] = piece
                    view = view[len(piece) :]
                source.read(1)  # at its end the checksum is compared
            return data

        found = Pickle(bundle.read(f"{root}data.pkl")).load()
        return _tensors(path, admit(path, architectures.unwrapped(found)), fetch)


def _legacy(path: Path, file: BinaryIO) -> Tensors:
    """What torch.save wrote before: five pickles, then each storage, its length before it."""
    pickles = Pickle(file.read(MAX_LIST))
    if pickles.load() != _MAGIC or pickles.load() != 1001:
        raise ValueError("it begins with nothing that torch.save writes")
    system = pickles.load()
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise Malformed("was saved on a machine of another byte order")
    found = pickles.load()
    admitted = admit(path, architectures.unwrapped(found))
    keys, at = pickles.load(), pickles.place
    kinds = WEIGHTS | COUNTS
    if strange := {storage.kind for storage in pickles.storages.values()} - set(kinds):
        raise Malformed(f"holds {min(strange)} numbers")
    sizes = {key: storage.length * kinds[storage.kind] for key, storage in pickles.storages.items()}
    if not isinstance(keys, list) or set(keys) != set(sizes) or len(keys) != len(sizes):
        raise ValueError("it does not list what it holds")
    places: dict[str, int] = {}
    for key in keys:
        places[key], at = at + 8, at + 8 + sizes[key]

    def fetch(storage: Storage, size: int) -> bytearray:
        file.seek(places[storage.key] - 8)
        (length,) = struct.unpack("<q", _exactly(file, 8))
        if length != storage.length:
            raise Malformed(f"has a piece of another size than it says ({storage.key:.80})")
        return _exactly(file, size)

    if at > path.stat().st_size:
        raise EOFError("it ends too early")
    return _tensors(path, admitted, fetch)
