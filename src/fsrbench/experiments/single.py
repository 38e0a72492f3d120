"""One picture restored, without an experiment around it.

It is what a run with the same settings has as pure of a file of this name; or the same with knobs turned.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fsrbench.core import plugins
from fsrbench.core.contracts import Knob, Machine
from fsrbench.core.errors import InputError, SettingsError
from fsrbench.core.near import among
from fsrbench.core.stored import Knobs, KnobValue
from fsrbench.core.values import Image, derive_seed
from fsrbench.experiments import preview
from fsrbench.imaging import images
from fsrbench.models import devices
from fsrbench.study.schema import Settings

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray


@dataclass(frozen=True, eq=False)
class RestoredPicture:
    """A restored picture. A notebook shows it, and numpy and matplotlib take it as it is."""

    image: Image
    """float32, height × width × 3, values in [0, 1]; as it would be stored: rounded to 8 bits."""
    family: str
    """The family that restored it."""
    model: str
    """Its network, in words."""
    knobs: dict[str, KnobValue]
    """Every knob of the family with its value."""
    seed: int
    """Seed of the network's noise."""
    notes: tuple[str, ...]
    """What a reader must know."""

    def save(self, path: str | Path) -> None:
        """Store it as a PNG, whole or not at all."""
        images.write(Path(path), self.image)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self.image, dtype=dtype, copy=copy)

    def _repr_png_(self) -> bytes:
        return images.encode(self.image)

    def __repr__(self) -> str:
        height, width = self.image.shape[:2]
        notes = f"; {'; '.join(self.notes)}" if self.notes else ""
        return f"<{width}×{height}, {self.family}: {self.model}{notes}>"


def restore(
    picture: Path | NDArray[Any], settings: Settings, machine: Machine, family: str, knobs: Knobs
) -> RestoredPicture:
    """Restore one picture of a file or in memory, with these knobs and all others at their defaults.

    A file's name belongs to the seed, as in a run: the same settings give the same picture as there.
    """
    if family not in settings.families:
        raise SettingsError(f"There is no family {family!r}.{among(family, settings.families)}")
    own = preview.known(settings, family)
    backend = plugins.load("backends", settings.families[family].backend)
    turned = {name: _value(name, value, family, own, backend.consumes) for name, value in knobs.items()}
    name, lr = _read(picture, settings)
    seed = derive_seed(settings.seed, settings.kind(family), name)
    pipeline = preview.open_pipeline(settings, family, own, machine)
    devices.share_cores(machine, backend.reentrant)
    done = pipeline.restore(lr, turned, seed)
    return RestoredPicture(done.image, family, pipeline.restorer.model, done.knobs, seed, done.notes)


def _value(name: str, value: Any, family: str, known: Mapping[str, Knob], consumed: tuple[str, ...]) -> KnobValue:
    """A knob's value, if it has such a knob and the knob such a value."""
    able = [one for one, knob in known.items() if knob.stage != "restore" or one in consumed]
    if name not in able:
        raise SettingsError(f"Family {family} has no knob {name!r}.{among(name, able)}")
    knob = known[name]
    try:
        taken = knob.clamp(value)
    except ValueError as error:
        raise SettingsError(f"Knob {name}: {error}.") from None
    if taken != value:
        bounds = ", ".join(map(str, knob.choices)) if knob.choices else f"{knob.low:g} to {knob.high:g}"
        raise SettingsError(f"Knob {name} cannot be {value!r}: it takes {bounds}.")
    return taken


def _read(picture: Path | NDArray[Any], settings: Settings) -> tuple[str, Image]:
    """A picture's name, empty for one in memory, and its pixels."""
    if isinstance(picture, Path):
        return images.case_id(picture), images.read(picture, **settings.limits.of_pictures())
    return "", _pixels(picture)


def _pixels(array: NDArray[Any]) -> Image:
    """An array in the image contract; InputError, with the cure, for one that can only be meant otherwise."""
    shape = "×".join(map(str, array.shape))
    if array.ndim != 3 or array.shape[2] != 3 or 0 in array.shape:
        raise InputError(
            f"A picture is height × width × 3, in the order red, green, blue; this array is {shape or 'one value'}. "
            "Drop alpha (array[..., :3]), or repeat grey three times (np.stack([array] * 3, axis=-1))."
        )
    if array.dtype == np.uint8:
        return images.from_8bit(array)
    if array.dtype.kind != "f":
        raise InputError(f"A picture holds uint8 (0 to 255) or floats (0 to 1); this array holds {array.dtype}.")
    if not np.isfinite(array).all() or array.min() < 0 or array.max() > 1:
        raise InputError(
            f"A picture of floats holds values from 0 to 1; this array holds {array.min():g} to {array.max():g}. "
            "Divide 8-bit values by 255, or clip (array.clip(0, 1))."
        )
    return np.ascontiguousarray(array, dtype=np.float32)
