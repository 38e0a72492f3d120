"""What the making of a network may take: memory in proportion to its checkpoint, whatever that says of itself.

Architectures are worked out from names and shapes of tensors, and their constructors multiply them: a table of
ten thousand numbers makes an index of millions, in each of a thousand blocks. So each step of a constructor is first
taken without memory (on torch's device `meta`), and really only if its result can be afforded.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

SHARE = 4
"""Bytes that may be held while a network is made, for each byte of its tensors."""
BASE = 200_000_000
"""Bytes that any network may hold meanwhile."""


class Exceeded(Exception):
    """A network that would be far larger than its checkpoint."""


@contextmanager
def limited(tensors: Mapping[str, torch.Tensor]) -> Iterator[None]:
    """Let what is made inside hold no more memory than fits these tensors."""
    from torch.utils._python_dispatch import TorchDispatchMode

    held = _Held(BASE + SHARE * sum(tensor.nbytes for tensor in tensors.values()))

    class Watching(TorchDispatchMode):  # type: ignore[no-untyped-call]
        @classmethod
        def _should_skip_dynamo(cls) -> bool:
            """Nothing is compiled here; torch would load its whole compiler to keep it away from this."""
            return False

        def __torch_dispatch__(self, step: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
            held.foresee(_outline(step, args, kwargs or {}))
            result = step(*args, **(kwargs or {}))
            held.add(result)
            return result

    with Watching():  # type: ignore[no-untyped-call]
        yield


class _Held:
    """Bytes that are held, counted from when they are made until nobody has them any more."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._now = 0

    def foresee(self, outline: Any) -> None:
        """Refuse what would be too much."""
        coming = sum(tensor.untyped_storage().nbytes() for tensor in _each(outline))
        if self._now + coming > self._most:
            raise Exceeded(f"it would take more than {self._most / 1e9:.1f} GB, far more than its tensors have")

    def add(self, result: Any) -> None:
        """Count what was made; a view of something else is none of its own."""
        for tensor in _each(result):
            storage = tensor.untyped_storage()
            if not hasattr(storage, "counted"):
                storage.counted = True  # type: ignore[attr-defined]
                self._now += (size := storage.nbytes())
                weakref.finalize(storage, self._free, size).atexit = False

    def _free(self, size: int) -> None:
        self._now -= size


def _outline(step: Callable[..., Any], args: Any, kwargs: dict[str, Any]) -> Any:
    """The result of a step that makes something, without its numbers; None where that cannot be said before."""
    import torch
    from torch.utils._pytree import tree_map_only

    schema = step._schema  # type: ignore[attr-defined]
    if schema.is_mutable or step.is_view:  # type: ignore[attr-defined]
        return None
    args, kwargs = tree_map_only(torch.Tensor, lambda tensor: tensor.to("meta"), (args, kwargs))
    if any(argument.name == "device" for argument in schema.arguments):
        kwargs = {**kwargs, "device": "meta"}
    try:
        return step(*args, **kwargs)
    except (NotImplementedError, RuntimeError):  # its size depends on numbers, or it is wrong: the step itself says so
        return None


def _each(result: Any) -> list[torch.Tensor]:
    import torch

    return [one for one in (result if isinstance(result, list | tuple) else [result]) if isinstance(one, torch.Tensor)]
