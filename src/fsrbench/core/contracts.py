"""What a plugin is: one frozen value a kind, with a sentence under each field, and what is handed to it.

How plugins are found is in `plugins.py`. What a plugin does is in its own file; what is done with it is in the rooms
above.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, runtime_checkable

from fsrbench.core.questions import Bounds
from fsrbench.core.stored import Knobs, KnobValue
from fsrbench.core.values import Image

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pydantic import BaseModel


@dataclass(frozen=True, slots=True)
class Machine:
    """Where, how and within what bounds plugins run; the same for all of them in one command."""

    device: str = "cpu"
    """A torch device, already resolved: never `auto`."""
    precision: str = "fp32"
    """fp32, fp16 or bf16."""
    offline: bool = False
    """Forbids downloads."""
    detector: Path | None = None
    """Face detector (SCRFD ONNX file) set by the user; None takes the official one where it is present."""
    recogniser: Path | None = None
    """Face recogniser (ArcFace ONNX file) set by the user; None takes the official one."""
    bounds: Bounds = field(default_factory=Bounds)
    """How much of a reply is read, for auditors that read text: the settings' `limits`."""
    cores: int = 0
    """Cores that networks may use; 0 for all of this machine's."""


@dataclass(frozen=True, slots=True)
class Output:
    """What an opened backend returns."""

    image: Image
    """The restoration, at target size."""
    notes: tuple[str, ...] = ()
    """What a reader must know about how it came about."""


class Restorer(Protocol):
    """An opened backend: holds its network, is called from one thread at a time unless it is declared `reentrant`."""

    @property
    def model(self) -> str:
        """What the network is, in words fit for a table, e.g. `x4v3` or `embedded (compact, 16×32)`."""

    @property
    def weights(self) -> Mapping[str, str]:
        """File name → sha256 of the files it was opened with; empty for a backend without weights."""

    def __call__(self, lr: Image, knobs: Knobs, seed: int, precision: str) -> Output:
        """Restore one picture. `knobs` holds the values of `restore` knobs that differ from their defaults."""


@runtime_checkable
class Batching(Protocol):
    """A restorer that can also take several pictures of one size at once: what is waiting, where that is faster."""

    def together(self, lrs: Sequence[Image], knobs: Knobs, seeds: Sequence[int], precision: str) -> Sequence[Output]:
        """Restore each with its own seed and all with the same knobs; each as if it were alone, up to rounding."""


@runtime_checkable
class Assuming(Protocol):
    """A restorer that takes something for granted about its inputs, which is said once a run."""

    @property
    def assumption(self) -> str:
        """What it is, and what to do where it does not hold; empty where nothing is."""


@dataclass(frozen=True, slots=True)
class Backend:
    """A restoration network and how to open it."""

    summary: str
    """One sentence for `fsrbench plugins` and the documentation."""
    family: str
    """The family it belongs to."""
    consumes: tuple[str, ...]
    """`restore` knobs that it acts on. (Before and after knobs act on pictures, with any backend.)"""
    open: Callable[[Mapping[str, Any], Machine], Restorer]
    """From the family's settings (models, model, scale, tile, …) and the machine to a restorer."""
    draws: bool = False
    """Does it draw noise? If not, another seed gives the same picture, and the noise floor is exactly zero."""
    reentrant: bool = False
    """May many threads call a restorer of it at once? On a CPU each case then has a core to itself."""
    backgrounds: bool = False
    """Does it restore faces alone, so that the setting `background` may name a network for what is around them?"""
    upright: bool = False
    """Does it take upright faces alone? Then a picture may be mirrored for it, and not turned on its side."""


@dataclass(frozen=True, slots=True)
class Knob:
    """One safe thing that an auditor may turn."""

    meaning: str
    """One sentence for the prompt and for people: what more of it does."""
    families: tuple[str, ...]
    """Families to which it is offered."""
    stage: Literal["before", "restore", "around", "after"]
    """Acts on the LR, inside the network call, on what is made of several such calls, or on the SR."""
    default: KnobValue
    """No-op to the last bit."""
    low: float | None = None
    """Lower bound of a number."""
    high: float | None = None
    """Upper bound of a number."""
    choices: tuple[KnobValue, ...] = ()
    """For a choice: all values. A flag is the choice (False, True)."""
    upright: tuple[KnobValue, ...] = ()
    """For a choice: the values that are left where the network takes upright faces alone; empty where all are."""
    deep: bool = False
    """A deeper hook than the paper's: offered only when a config asks for it."""
    needs: Literal["", "several faces"] = ""
    """What a picture must show for it to act; a picture without that says nothing of whether it is dead."""
    apply: Callable[[Image, KnobValue, Image], Image] | None = None
    """(picture, value, LR) → picture, for `before` and `after`; `restore` knobs are the backend's, and those that act
    `around` it the pipeline's."""
    line: bool = False
    """Is the picture a straight line in its value, f(default) + (value − default) · d, but for clipping and rounding,
    where nothing is turned after it?"""

    def on(self, backend: Backend) -> Knob:
        """The knob as this network can have it."""
        return replace(self, choices=self.upright) if backend.upright and self.upright else self

    def clamp(self, value: Any) -> KnobValue:
        """The nearest allowed value. Raises ValueError for what is no value of this knob at all."""
        if self.choices and isinstance(self.default, bool):
            if not isinstance(value, bool):
                raise ValueError(f"{value!r} is not true or false")
            return value
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ValueError(f"{value!r} is not a number")
        if self.choices:
            return min(self.choices, key=lambda c: (abs(c - value), c))
        low, high = self.band
        return float(min(max(value, low), high)) + 0.0  # there is one zero

    def allows(self, value: Any) -> bool:
        """Is this one of its values, as it stands?"""
        try:
            return bool(self.clamp(value) == value)
        except ValueError:
            return False

    @property
    def band(self) -> tuple[float, float]:
        """Both bounds of a number."""
        if self.low is None or self.high is None:
            raise TypeError("a knob without choices must declare low and high")
        return self.low, self.high


@dataclass(frozen=True, slots=True)
class Metric:
    """A number for a picture. The reference is None where the metric needs none."""

    label: str
    """As printed: PSNR, LPIPS, …"""
    better: Literal["higher", "lower"]
    """Which way is up."""
    reference: bool
    """True if it needs the HR."""
    digits: int
    """Digits after the point in tables."""
    open: Callable[[Machine], Callable[[Sequence[Image], Image | None], Sequence[float]]]
    """To a function that scores all variants of one case at once, so that what belongs to the reference
    (landmarks, features) is computed once. Raises Unavailable, with the cure, when it cannot run."""
    unit: str = ""
    """dB, …"""
    named: Callable[[str], Metric] | None = None
    """For one that stands for many: from the part after the colon (`pyiqa:musiq`) to the metric that is meant."""
    depends: tuple[str, ...] = ("device", "precision", "detector", "recogniser")
    """Fields of `Machine` that decide its numbers: one measured with others is not taken over. All, unless it says."""
    weights: tuple[str, ...] = ()
    """Names in the table of `weights.py` that it opens, where the settings name no other file."""


class Sight(Protocol):
    """What an instrument is given: an input and its restoration, and what several instruments need of them, made once.

    Nothing else can be measured for auditors: no reference is in it.
    """

    @property
    def lr(self) -> Image:
        """The input."""

    @property
    def sr(self) -> Image:
        """The restoration."""

    @property
    def shrunk(self) -> Image:
        """The restoration at the input's size."""

    @property
    def enlarged(self) -> Image:
        """The input at the restoration's size."""

    @property
    def plane(self) -> NDArray[np.float32]:
        """Brightness of the restoration, 0 to 255."""

    @property
    def spectra(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Frequencies in cycles a pixel, with the log power of that around the centre and along the axes."""

    @property
    def alone(self) -> Sight:
        """The input in place of its restoration."""


@dataclass(frozen=True, slots=True)
class Instrument:
    """A number that every auditor is told about a restoration, beside the pictures."""

    meaning: str
    """Said beside the number: what it is, which way is better, and what is usual."""
    open: Callable[[Machine], Callable[[Sight], float | None]]
    """To a function that measures one restoration, from many threads. Unavailable or WeightsError, with the cure, when
    it cannot run here; a picture that it cannot measure gives None, NaN or Unavailable."""
    place: int = 1000
    """Where it is told: from the lowest number to the highest, those with the same by name."""
    everywhere: bool = False
    """Does it come with fsrbench and run on every machine? All others are recorded: with them a run is another one."""
    setting: str = ""
    """Field of `Machine` that may name its file: where it does, a file that cannot be used is an error."""
    weights: tuple[str, ...] = ()
    """Names in the table of `weights.py` that it opens, where the settings name no other file."""


Treated: TypeAlias = Literal["noise", "blur", "compression", "resolution", "face", "nothing"]
"""What tools are there for."""


@dataclass(frozen=True, slots=True)
class Tool:
    """One treatment of a picture: a picture in, a picture out. Ways that plan choose among tools."""

    summary: str
    """One sentence for `fsrbench plugins` and the documentation."""
    treats: Treated
    """What it is there for."""
    open: Callable[[Any, Machine], Callable[[Image, int], Output]]
    """From its checked settings and the machine to a function of (picture, seed), called by one thread at a time."""
    settings: type[BaseModel] | None = None
    """Its settings with types and bounds, as a pydantic model; None where it has none."""


@dataclass(frozen=True, slots=True)
class Damage:
    """What an input shows of how it was degraded: see `imaging/damage.py`."""

    noise: float
    """Standard deviation of the noise that is left in its brightness, on the 0–255 scale."""
    blur: float
    """Sigma of the Gaussian that blurs as much, in pixels of the input."""
    quality: int | None
    """Quality of the JPEG that it was last stored as; None where nothing shows of one."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """A degradation: what is drawn, and what the drawn values do to a picture."""

    summary: str
    """One sentence for `fsrbench plugins` and the documentation."""
    draw: Callable[[np.random.Generator], dict[str, KnobValue | str]]
    """Every random value, flat, in a fixed order; noise fields are drawn as a seed."""
    apply: Callable[[Image, Mapping[str, Any], int], Image]
    """(HR, drawn values, scale) → LR. No randomness of its own: the same values give the same bytes."""
    columns: tuple[str, ...] = field(default=())
    """Names of the drawn values, for the CSV's header."""
    earlier: Mapping[str, KnobValue | str] = field(default_factory=dict)
    """For columns that came later: the value with which a table from before gives the pixels that it gave then."""
    like: Callable[[Damage, int], dict[str, KnobValue | str]] | None = None
    """Values with which a clean picture comes to show this damage, the noise seeded with the number; None where the
    recipe has none."""
