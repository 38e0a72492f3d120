"""Pictures restored one by one, without an experiment around them.

What comes out is what a run with the same settings has of a file of this name: pure, or as an arm leaves it; or pure
with knobs turned.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fsrbench.case import drafts, evidence, making
from fsrbench.case.making import Making, OpenTool
from fsrbench.case.restore import Pipeline
from fsrbench.core import passes, plugins
from fsrbench.core.auditing import Paid
from fsrbench.core.budget import Spending
from fsrbench.core.contracts import Knob, Machine, Restorer
from fsrbench.core.errors import InputError, SettingsError
from fsrbench.core.execute import Clock
from fsrbench.core.near import among
from fsrbench.core.stored import Knobs, KnobValue
from fsrbench.core.values import Image, derive_seed
from fsrbench.core.ways import CaseContext, Network, Restored, ToolChoice
from fsrbench.experiments import preview
from fsrbench.imaging import images
from fsrbench.models import devices
from fsrbench.study import config, families
from fsrbench.study.families import OpenFamily
from fsrbench.study.schema import Settings
from fsrbench.study.store import RunFolder

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


class PictureRestorer:
    """A family's pipeline, opened for pictures of no experiment, alone or with one arm. Many threads may call it."""

    def __init__(
        self, settings: Settings, machine: Machine, family: str, knobs: Knobs | None = None, arm: str | None = None
    ) -> None:
        """`knobs` are turned in every picture; an `arm` turns them itself, as it does in a run."""
        if family not in settings.families:
            raise SettingsError(f"There is no family {family!r}.{among(family, settings.families)}")
        own = preview.able(settings, family)
        backend = plugins.load("backends", settings.families[family].backend)
        self.family = family
        self.arm = arm
        self.knobs = {name: _value(name, value, family, own, backend.consumes) for name, value in (knobs or {}).items()}
        chosen = config.with_families(config.with_arms(settings, [arm] if arm else []), [family])
        if arm is None:
            chosen = config.with_knobs(chosen, family, own)
        elif knobs:
            raise SettingsError(f"The arm {arm} turns the knobs itself: leave the arm out, or the knobs.")
        elif chosen.privileged(arm):
            raise SettingsError(f"The arm {arm} looks at the reference, and here is none. It is for fsrbench run.")
        elif chosen.arms[arm].policy == "certified" and not chosen.arms[arm].uncertified:
            raise SettingsError(
                f"The arm {arm} is under a certificate, which promises nothing where it is not known how a picture was "
                f"degraded: it would leave every one as pure. Add --set arms.{arm}.uncertified=true, or another policy."
            )
        families.check(chosen)
        self.settings = chosen
        self._machine = machine
        nowhere = RunFolder(Path())
        self._auditors = families.open_auditors(chosen, machine)
        families.preflight(self._auditors, self._auditors, nowhere)
        look = evidence.open_tools(machine) if self._auditors else None
        self._opened = families.open_family(family, chosen, machine, self._auditors, look, nowhere)

    @property
    def restorer(self) -> Restorer:
        """The family's network."""
        return self._opened.pipeline.restorer

    def __call__(self, name: str, lr: Image) -> RestoredPicture:
        """Restore a picture. Its name belongs to the seed, as in a run: the same settings give the same picture."""
        devices.share_cores(self._machine, self._opened.reentrant)
        seed = derive_seed(self.settings.seed, self.settings.kind(self.family), name)
        pipeline = self._opened.pipeline.for_case()
        pipeline.clock = Clock(self.settings.limits.max_seconds)
        done = pipeline.restore(lr, self.knobs, seed)
        if self.arm is not None:
            done = self._supervised(self.arm, name, lr, done, pipeline)
        return RestoredPicture(done.image, self.family, making.models(done.operations), done.knobs, seed, done.notes)

    def patient(self, yes: bool) -> None:
        """May pictures wait until others have ended and money is free? Not while the work is being ended."""
        for ask in self._auditors.values():
            if isinstance(ask, Paid):
                ask.patient(yes)

    def _supervised(self, arm: str, name: str, lr: Image, pure: Restored, pipeline: Pipeline) -> Restored:
        """What the arm ends with, and in a note whether that is another picture."""
        spending = Spending(self.settings.arms[arm].limits.budget())
        openers = _Openers(self._opened, pipeline.clock)
        make = Making(lr, pure, pipeline, openers, self._opened.parts[arm], spending)
        context = CaseContext(self.family, name, lr, pure, make, pipeline.clock, spending)
        final = drafts.checked(self.settings.arms[arm].way, self._opened.arms[arm](context), make)[-1].picture
        if final.sha256 == pure.sha256:
            return replace(final, notes=(*final.notes, f"{arm} left it as it was"))
        turned = ", ".join(f"{knob} {value}" for knob, value in final.knobs.items() if value != pure.knobs.get(knob))
        return replace(final, notes=(*final.notes, f"{arm} changed it ({turned})" if turned else f"{arm} changed it"))


@dataclass(frozen=True, slots=True)
class _Openers:
    """Opens what an arm uses beside the family's own network, for one picture."""

    opened: OpenFamily
    """The family."""
    clock: Clock
    """The picture's time."""

    def other(self, network: Network) -> Pipeline:
        """Another network, with a memory of this picture alone."""
        found = self.opened.other(network).for_case()
        found.clock = self.clock
        return found

    def tool(self, choice: ToolChoice) -> OpenTool:
        """A tool."""
        return self.opened.tool(choice)


def restore(
    picture: Path | NDArray[Any], settings: Settings, machine: Machine, family: str, knobs: Knobs
) -> RestoredPicture:
    """Restore one picture of a file or in memory, with these knobs and all others at their defaults."""
    opened = PictureRestorer(settings, machine, family, knobs)
    return opened(*_read(picture, settings))


def _value(name: str, value: Any, family: str, known: Mapping[str, Knob], consumed: tuple[str, ...]) -> KnobValue:
    """A knob's value, if it has such a knob and the knob such a value."""
    able = [one for one, knob in known.items() if knob.stage != "restore" or one in consumed]
    if name == passes.SECOND_OPINION and name not in able:
        raise SettingsError(passes.no_second(family))
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
