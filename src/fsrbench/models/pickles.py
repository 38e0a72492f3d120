"""The pickle in a checkpoint, read without Python's unpickler: it runs nothing and looks nothing up.

The few instructions that a set of tensors needs are followed here; every other one is refused by its name.
"""

from __future__ import annotations

import io
import pickletools
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from fsrbench.models.listing import Listed, Malformed, RunsCode, Storage, contiguous

MAX_STEPS = 2_000_000
"""Instructions of a pickle."""
_STORAGES = {
    "FloatStorage": "float32", "HalfStorage": "float16", "BFloat16Storage": "bfloat16", "DoubleStorage": "float64",
    "LongStorage": "int64", "IntStorage": "int32", "ShortStorage": "int16", "CharStorage": "int8",
    "ByteStorage": "uint8", "BoolStorage": "bool", "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128", "QInt8Storage": "qint8", "QUInt8Storage": "quint8",
    "QInt32Storage": "qint32", "UntypedStorage": "untyped",
}  # fmt: skip
_OTHER_TENSORS = ("_rebuild_sparse", "_rebuild_qtensor", "_rebuild_meta", "_rebuild_nested", "_rebuild_device_tensor")


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


class Pickle:
    """Pickles that stand one after another, of which only what a set of tensors needs is understood."""

    def __init__(self, data: bytes) -> None:
        self._source = io.BytesIO(data)
        self.storages: dict[str, Storage] = {}

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
                raise Malformed("has a list of tensors that is too large")
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
            raise RunsCode(f"pickle instruction {name}")

    def _taken(self, start: int) -> list[Any]:
        """All above a place of the stack, which ends there."""
        if not 0 <= start <= len(self._stack):
            raise IndexError("its instructions do not fit together")
        taken = self._stack[start:]
        del self._stack[start:]
        return taken

    def _storage(self, said: Any) -> Storage:
        word, kind, key, _device, length, *view = _checked(said, tuple)
        if word != "storage":
            raise RunsCode(f"a {word!s:.40}")
        if any(view):
            raise Malformed("was saved by a very old torch, with storages within storages,")
        kind = _STORAGES.get(_checked(kind, _Named).name.rpartition(".")[2], "unknown")
        storage = Storage(str(key), kind, _checked(length, int))
        if storage.length < 0 or self.storages.setdefault(storage.key, storage) != storage:
            raise Malformed(f"has a piece of another size than it says ({storage.key:.80})")
        return storage


def _known(name: str) -> _Named:
    module, _, short = name.rpartition(".")
    if short.startswith(_OTHER_TENSORS) and module == "torch._utils":
        raise Malformed(f"holds sparse, quantised or empty tensors ({name:.80})")
    if name in ("collections.OrderedDict", *_CALLS) or (module in ("torch", "torch.storage") and short in _STORAGES):
        return _Named(name)
    raise RunsCode(f"{name!r:.100}")


def _call(name: str, arguments: tuple[Any, ...]) -> Any:
    """What a function makes that a set of tensors may name."""
    if name == "collections.OrderedDict":
        made: dict[Any, Any] = {}
        for pairs in arguments:
            _fill(made, (_checked(pair, list | tuple) for pair in _checked(pairs, list | tuple)))
        return made
    if name not in _CALLS:
        raise RunsCode(name)
    if name == "torch._utils._rebuild_parameter":
        return _checked(arguments[0], Listed)
    storage, offset, shape, stride = arguments[:4]
    sizes = [_checked(one, int) for one in (offset, *_checked(shape, tuple), *_checked(stride, tuple))]
    listed = Listed(_checked(storage, Storage), sizes[0], shape, stride)
    return replace(listed, stride=contiguous(shape)) if 0 in shape else listed


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
