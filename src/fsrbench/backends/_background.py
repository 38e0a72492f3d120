"""What lies around restored faces: the whole picture through another network, as GFPGAN's own script does it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from threading import Lock
from typing import TYPE_CHECKING, Any

from fsrbench.core import plugins
from fsrbench.core.values import derive_seed
from fsrbench.imaging import images

if TYPE_CHECKING:
    from fsrbench.core.contracts import Backend, Machine
    from fsrbench.core.values import Image

REMEMBERED = 4
"""Backgrounds that are kept: a case is restored several times, and its background is the same each time."""


class BackgroundNetwork:
    """An opened network for backgrounds. Many threads may call it."""

    def __init__(self, name: str, model: str | None, settings: Mapping[str, Any], machine: Machine) -> None:
        """`name` is the backend's, `model` its setting of that name; all other settings are the family's."""
        backend: Backend = plugins.load("backends", name)
        self._restorer = backend.open({**settings, "backend": name, "model": model, "background": None}, machine)
        self._pass: AbstractContextManager[Any] = nullcontext() if backend.reentrant else Lock()
        self._turn = Lock()
        self._seen: dict[object, Image] = {}
        self.model = f"background {self._restorer.model}"
        self.weights = {f"{file} (background)": digest for file, digest in self._restorer.weights.items()}

    def __call__(self, lr: Image, seed: int, precision: str) -> Image:
        """The whole picture at target size."""
        key = (images.exact_key(lr), seed, precision)
        with self._turn:
            found = self._seen.get(key)
        if found is None:
            with self._pass:
                found = self._restorer(lr, {}, derive_seed(seed, "background"), precision).image
            with self._turn:
                self._seen[key] = found
                if len(self._seen) > REMEMBERED:
                    del self._seen[next(iter(self._seen))]
        return found


def opened(settings: Mapping[str, Any], machine: Machine) -> BackgroundNetwork | None:
    """What the setting `background` names; None where pictures are enlarged plainly."""
    chosen = settings.get("background")
    return None if chosen is None else BackgroundNetwork(chosen["backend"], chosen["model"], settings, machine)
