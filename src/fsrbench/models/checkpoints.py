"""The tensors of a .pth, .ckpt or .safetensors file, read without running anything and within fixed bounds.

First the list of tensors is read: where each lies in the file, its kind of numbers, its shape. `_admit` is the one
place where that list is judged, and nothing is made before it agrees: a file says in a few bytes that it holds
terabytes. Only then are the numbers read, and those that are no numbers refused. A pickle is not given to Python's
unpickler: the few instructions that a set of tensors needs are followed here (`_Pickle`), every other one is refused.

Which network the tensors make is decided in `networks.py`.
"""

from __future__ import annotations

import io
import json
import math
import pickletools
import struct
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias

from fsrbench.core.errors import WeightsError
from fsrbench.files import opening

if TYPE_CHECKING:
    import torch

    Tensors: TypeAlias = dict[str, torch.Tensor]

MAX_BYTES = 1 << 30
"""Bytes of all tensors in fp32. The largest official file has 0.35 GB."""
MAX_TENSORS = 20_000
"""Tensors of one file; GFPGAN has some 700."""
MAX_INDEX = 10_000
"""Number of a layer, as names of tensors have it: networks are built as deep as the highest one says."""
MAX_SIDE = 1 << 24
"""Length of one dimension of a tensor."""
MAX_LIST = 16_000_000
"""Bytes of what lists the tensors: a pickle, a header, a zip's directory."""
MAX_STEPS = 2_000_000
"""Instructions of a pickle."""
WEIGHTS = {"float32": 4, "float16": 2, "bfloat16": 2, "float64": 8}
"""Kinds of numbers that weights have, and their bytes."""
COUNTS = {"int64": 8, "int32": 4, "int16": 2, "int8": 1, "uint8": 1, "bool": 1}
"""Kinds of numbers that only what stands beside weights may have: counters, tables of positions."""
_SAFETENSORS = {
    "F32": "float32", "F16": "float16", "BF16": "bfloat16", "F64": "float64", "I64": "int64", "I32": "int32",
    "I16": "int16", "I8": "int8", "U8": "uint8", "BOOL": "bool", "C64": "complex64",
}  # fmt: skip
_STORAGES = {
    "FloatStorage": "float32", "HalfStorage": "float16", "BFloat16Storage": "bfloat16", "DoubleStorage": "float64",
    "LongStorage": "int64", "IntStorage": "int32", "ShortStorage": "int16", "CharStorage": "int8",
    "ByteStorage": "uint8", "BoolStorage": "bool", "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128", "QInt8Storage": "qint8", "QUInt8Storage": "quint8",
    "QInt32Storage": "qint32", "UntypedStorage": "untyped",
}  # fmt: skip
_MAGIC = 0x1950A86A20F9469CFC6C
"""What a file of torch before 1.6 begins with."""
_OTHER_TENSORS = ("_rebuild_sparse", "_rebuild_qtensor", "_rebuild_meta", "_rebuild_nested", "_rebuild_device_tensor")


class _Bad(Exception):
    """What is wrong with a file, in words."""


class _Code(_Bad):
    """A file that wants more than tensors: its name for it."""


@dataclass(frozen=True, slots=True)
class _Storage:
    """Numbers that lie in one piece in the file."""

    key: str
    """Its name there."""
    kind: str
    """Of its numbers."""
    length: int
    """How many numbers there are."""


@dataclass(frozen=True, slots=True)
class _Listed:
    """A tensor of which only the description was read."""

    storage: _Storage
    """Where its numbers lie."""
    offset: int
    """Which of them is the first."""
    shape: tuple[int, ...]
    """Length of each dimension."""
    stride: tuple[int, ...]
    """Numbers between neighbours, for each dimension."""


Fetch: TypeAlias = Callable[[_Storage, int], bytearray]
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
    except _Code as error:
        raise WeightsError(
            f"{path} wants to run code when it is loaded ({error}) and is refused. "
            "Use a file that holds tensors only, best as .safetensors."
        ) from error
    except _Bad as error:
        raise WeightsError(
            f"{path} {error} and is refused. Save its weights again as plain fp32 tensors, best as .safetensors."
        ) from error
    except Exception as error:  # what is cut off, or garbage, fails in a dozen ways
        raise WeightsError(f"{path} is damaged or no checkpoint ({first_line(error)}). Fetch it again.") from error


def first_line(error: Exception) -> str:
    """The beginning of what an error says, for a sentence about it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:200].rstrip(".:")


def _refuse_text(path: Path, start: bytes) -> None:
    """What a browser or git leaves in place of a large file is the most frequent damage, so it is named."""
    if start.lstrip().lower().startswith((b"<", b"version https://git-lfs")):
        raise WeightsError(f"{path} holds a web page or a pointer, not a checkpoint. Download the file itself.")


# ------------------------------------------------------------------- judging


def _admit(path: Path, found: Any) -> dict[str, _Listed]:
    """The list of tensors, if it is that of a network and within all bounds."""
    if not isinstance(found, dict) or not found or not all(isinstance(one, _Listed) for one in found.values()):
        raise WeightsError(f"{path} holds no plain set of tensors, so it is no network's checkpoint.")
    if len(found) > MAX_TENSORS:
        raise _Bad(f"lists {len(found):,} tensors (allowed: {MAX_TENSORS:,})")
    for name, one in found.items():
        _admit_name(name)
        _admit_one(name, one)
    whole = 4 * sum(math.prod(one.shape) for one in found.values())
    if whole > MAX_BYTES:
        raise _Bad(f"says that it holds {whole / 1e9:,.1f} GB of weights (allowed: {MAX_BYTES / 1e9:.1f})")
    return found


def _admit_name(name: object) -> None:
    if not isinstance(name, str) or len(name) > 500 or not name.isprintable():
        raise _Bad("has a tensor whose name is none")
    if any(part.isdecimal() and (len(part) > 9 or int(part) > MAX_INDEX) for part in name.split(".")):
        raise _Bad(f"has a tensor with a layer's number beyond {MAX_INDEX:,} ({name:.80})")


def _admit_one(name: str, one: _Listed) -> None:
    """One tensor: the kind of its numbers, and that its shape lies within what the file holds."""
    kind, shape = one.storage.kind, one.shape
    if kind not in WEIGHTS and kind not in COUNTS:
        raise _Bad(f"holds {kind} numbers ({name:.80}), which no network here has,")
    if kind in COUNTS and name.endswith((".weight", ".bias")):
        raise _Bad(f"holds {kind} numbers where weights belong ({name:.80})")
    if len(shape) > 8 or len(one.stride) != len(shape) or not all(0 <= side <= MAX_SIDE for side in shape):
        raise _Bad(f"has a tensor of impossible shape ({name:.80})")
    if one.offset < 0 or min(one.stride, default=0) < 0:
        raise _Bad(f"has a tensor outside of what it holds ({name:.80})")
    count = math.prod(shape)
    last = one.offset + sum((side - 1) * step for side, step in zip(shape, one.stride, strict=True))
    if count and (last >= one.storage.length or count > one.storage.length):
        raise _Bad(f"has a tensor that is larger than the numbers it is made of ({name:.80})")


# ------------------------------------------------------------------- reading


def _tensors(path: Path, admitted: dict[str, _Listed], fetch: Fetch) -> Tensors:
    """The tensors themselves. Each storage is read once, and only one at a time is in memory beside them."""
    import torch

    users: dict[_Storage, list[str]] = {}
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


def _unwrapped(found: Any) -> Any:
    """A list of tensors freed of wrappers such as `params_ema`."""
    from spandrel import canonicalize_state_dict

    return canonicalize_state_dict(found)


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
            raise _Bad(f"has a tensor that is larger than the numbers it is made of ({name:.80})")
        places[name] = start + first
        listed[name] = _Listed(_Storage(name, kind, count), 0, shape, _contiguous(shape))
    if sum(entry["data_offsets"][1] - entry["data_offsets"][0] for entry in header.values()) != end - start:
        raise ValueError("its tensors overlap, or do not fill it")

    def fetch(storage: _Storage, size: int) -> bytearray:
        file.seek(places[storage.key])
        return _exactly(file, size)

    return _tensors(path, _admit(path, _unwrapped(listed)), fetch), about


def _whole_numbers(found: Any) -> tuple[int, ...]:
    if not isinstance(found, list) or not all(type(one) is int for one in found):
        raise TypeError("its header holds no numbers where they belong")
    return tuple(found)


def _contiguous(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(math.prod(shape[place + 1 : 9]) for place in range(len(shape)))


class _Sparing(io.FileIO):
    """A file of which nobody may ask for a large piece at once, as a zip's directory can make its reader do."""

    def read(self, size: int | None = -1) -> bytes:
        if size is None or size > MAX_LIST:
            raise _Bad("has a directory that is too large")
        return super().read(size)


def _zip(path: Path, file: BinaryIO) -> Tensors:
    """What torch.save writes since 1.6: a pickle, and each storage as a member, none of them compressed."""
    with _Sparing(file.fileno(), closefd=False) as sparing, zipfile.ZipFile(sparing) as bundle:
        members = {member.filename: member for member in bundle.infolist()}
        if any(member.compress_type != zipfile.ZIP_STORED for member in members.values()):
            raise _Bad("is compressed, as torch.save never does,")
        if len(members) != len(bundle.infolist()) or sum(m.file_size for m in members.values()) > path.stat().st_size:
            raise _Bad("says that it holds more than its own size")
        root = next((name.removesuffix("data.pkl") for name in members if name.endswith("/data.pkl")), None)
        if root is None:
            raise _Bad("is a zip, but none that torch.save wrote,")
        if f"{root}constants.pkl" in members:
            raise _Code("TorchScript")
        if f"{root}byteorder" in members and bundle.read(f"{root}byteorder") != b"little":
            raise _Bad("was saved on a machine of another byte order")
        if members[f"{root}data.pkl"].file_size > MAX_LIST:
            raise _Bad("has a list of tensors that is too large")

        def fetch(storage: _Storage, size: int) -> bytearray:
            member = members[f"{root}data/{storage.key}"]
            if member.file_size != size:
                raise _Bad(f"has a piece of another size than it says ({storage.key:.80})")
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

        found = _Pickle(bundle.read(f"{root}data.pkl")).load()
        return _tensors(path, _admit(path, _unwrapped(found)), fetch)


def _legacy(path: Path, file: BinaryIO) -> Tensors:
    """What torch.save wrote before: five pickles, then each storage, its length before it."""
    pickles = _Pickle(file.read(MAX_LIST))
    if pickles.load() != _MAGIC or pickles.load() != 1001:
        raise ValueError("it begins with nothing that torch.save writes")
    system = pickles.load()
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise _Bad("was saved on a machine of another byte order")
    found = pickles.load()
    admitted = _admit(path, _unwrapped(found))
    keys, at = pickles.load(), pickles.place
    kinds = WEIGHTS | COUNTS
    if strange := {storage.kind for storage in pickles.storages.values()} - set(kinds):
        raise _Bad(f"holds {min(strange)} numbers")
    sizes = {key: storage.length * kinds[storage.kind] for key, storage in pickles.storages.items()}
    if not isinstance(keys, list) or set(keys) != set(sizes) or len(keys) != len(sizes):
        raise ValueError("it does not list what it holds")
    places: dict[str, int] = {}
    for key in keys:
        places[key], at = at + 8, at + 8 + sizes[key]

    def fetch(storage: _Storage, size: int) -> bytearray:
        file.seek(places[storage.key] - 8)
        (length,) = struct.unpack("<q", _exactly(file, 8))
        if length != storage.length:
            raise _Bad(f"has a piece of another size than it says ({storage.key:.80})")
        return _exactly(file, size)

    if at > path.stat().st_size:
        raise EOFError("it ends too early")
    return _tensors(path, admitted, fetch)


# ------------------------------------------------------------------- pickles


@dataclass(frozen=True, slots=True)
class _Named:
    """A class or function that a pickle names. It is never looked up."""

    name: str
    """With its module."""


_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_LITERALS = frozenset({
    "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINSTRING",
    "SHORT_BINSTRING",
})  # fmt: skip
_NEW = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


class _Pickle:
    """Pickles that stand one after another, of which only what a set of tensors needs is understood."""

    def __init__(self, data: bytes) -> None:
        self._source = io.BytesIO(data)
        self.storages: dict[str, _Storage] = {}

    @property
    def place(self) -> int:
        """Where the next one begins."""
        return self._source.tell()

    def load(self) -> Any:
        """The next one's value."""
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}
        for step, (instruction, argument, _) in enumerate(pickletools.genops(self._source)):
            if step > MAX_STEPS:
                raise _Bad("has a list of tensors that is too large")
            if instruction.name == "STOP":
                return self._stack.pop()
            self._follow(instruction.name, argument)
        raise EOFError("it ends too early")

    def _follow(self, name: str, argument: Any) -> None:
        stack = self._stack
        if name in _LITERALS:
            stack.append(argument)
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name in _NEW:
            stack.append(_NEW[name]())
        elif name in ("BINPUT", "LONG_BINPUT"):
            self._memo[argument] = stack[-1]
        elif name == "MEMOIZE":
            self._memo[len(self._memo)] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            stack.append(self._memo[argument])
        elif name == "MARK":
            self._marks.append(len(stack))
        elif name in _TUPLES:
            stack.append(tuple(self._taken(len(stack) - _TUPLES[name])))
        elif name == "TUPLE":
            stack.append(tuple(self._taken(self._marks.pop())))
        elif name not in ("PROTO", "FRAME"):
            self._build(name, argument)

    def _build(self, name: str, argument: Any) -> None:
        """Instructions that change what stands on the stack, or name something."""
        stack = self._stack
        if name in ("SETITEM", "SETITEMS"):
            items = self._taken(self._marks.pop() if name == "SETITEMS" else len(stack) - 2)
            _fill(stack[-1], zip(items[::2], items[1::2], strict=True))
        elif name in ("APPEND", "APPENDS"):
            items = self._taken(self._marks.pop() if name == "APPENDS" else len(stack) - 1)
            _checked(stack[-1], list).extend(items)
        elif name == "GLOBAL":
            stack.append(_known(str(argument).replace(" ", ".")))
        elif name == "STACK_GLOBAL":
            stack.append(_known(".".join(map(str, self._taken(len(stack) - 2)))))
        elif name == "BINPERSID":
            stack.append(self._storage(stack.pop()))
        elif name == "REDUCE":
            function, arguments = self._taken(len(stack) - 2)
            stack.append(_call(_checked(function, _Named).name, _checked(arguments, tuple)))
        elif name == "BUILD":  # versions of modules, which a dictionary of tensors has beside them
            stack.pop()
            _checked(stack[-1], dict)
        else:
            raise _Code(f"pickle instruction {name}")

    def _taken(self, start: int) -> list[Any]:
        """All above a place of the stack, which ends there."""
        if not 0 <= start <= len(self._stack):
            raise IndexError("its instructions do not fit together")
        taken = self._stack[start:]
        del self._stack[start:]
        return taken

    def _storage(self, said: Any) -> _Storage:
        word, kind, key, _device, length, *view = _checked(said, tuple)
        if word != "storage":
            raise _Code(f"a {word!s:.40}")
        if any(view):
            raise _Bad("was saved by a very old torch, with storages within storages,")
        kind = _STORAGES.get(_checked(kind, _Named).name.rpartition(".")[2], "unknown")
        storage = _Storage(str(key), kind, _checked(length, int))
        if storage.length < 0 or self.storages.setdefault(storage.key, storage) != storage:
            raise _Bad(f"has a piece of another size than it says ({storage.key:.80})")
        return storage


def _known(name: str) -> _Named:
    module, _, short = name.rpartition(".")
    if short.startswith(_OTHER_TENSORS) and module == "torch._utils":
        raise _Bad(f"holds sparse, quantised or empty tensors ({name:.80})")
    if name in ("collections.OrderedDict", *_CALLS) or (module in ("torch", "torch.storage") and short in _STORAGES):
        return _Named(name)
    raise _Code(f"{name!r:.100}")


def _call(name: str, arguments: tuple[Any, ...]) -> Any:
    """What a function makes that a set of tensors may name."""
    if name == "collections.OrderedDict":
        made: dict[Any, Any] = {}
        for pairs in arguments:
            _fill(made, (_checked(pair, list | tuple) for pair in _checked(pairs, list | tuple)))
        return made
    if name not in _CALLS:
        raise _Code(name)
    if name == "torch._utils._rebuild_parameter":
        return _checked(arguments[0], _Listed)
    storage, offset, shape, stride = arguments[:4]
    sizes = [_checked(one, int) for one in (offset, *_checked(shape, tuple), *_checked(stride, tuple))]
    listed = _Listed(_checked(storage, _Storage), sizes[0], shape, stride)
    return replace(listed, stride=_contiguous(shape)) if 0 in shape else listed


_CALLS = ("torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor", "torch._utils._rebuild_parameter")


def _fill(target: Any, pairs: Iterable[Any]) -> None:
    """Put pairs into a dictionary. Other keys than texts and numbers could take for ever to be hashed."""
    target = _checked(target, dict)
    for key, value in pairs:
        target[_checked(key, str | int)] = value


def _checked(value: Any, kind: Any) -> Any:
    if not isinstance(value, kind):
        raise TypeError("its instructions do not fit together")
    return value
