"""Which parts of a picture are shown enlarged below it: the faces that a detector finds, or parts of the one face.

Where no detector is here, a square picture is taken for an aligned face. What was done is said below the pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import TYPE_CHECKING, TypeAlias

from fsrbench.core.contracts import Machine
from fsrbench.core.errors import FsrbenchError
from fsrbench.imaging import faces, images
from fsrbench.models import weights

if TYPE_CHECKING:
    from fsrbench.imaging.faces import Box, Face
    from fsrbench.show.drawing import Pixels

Find: TypeAlias = Callable[["Pixels"], "Sequence[Face] | None"]
"""From a picture to its faces, the largest first; None where nothing here can find any."""
CANONICAL = "Patches are cut at the places where an aligned (FFHQ) face has them."
FOUND = "Patches are cut where a detector found the face on Pure."
LARGEST = "Patches show the largest faces that a detector found on Pure."
UNSEEN = "No detector found a face on Pure: patches are cut where an aligned (FFHQ) face has them."
MARGIN = 1.3
"""Side of a face's patch, in sides of its box."""


@dataclass(frozen=True, slots=True)
class PatchPlaces:
    """Where patches are cut."""

    size: tuple[int, int] = (1, 1)
    """Height and width of the picture that they were looked for on."""
    boxes: Mapping[str, Box] = field(default_factory=dict)
    """What they show → where it is on that picture."""
    said: str = ""
    """How that is known."""

    def on(self, shape: Sequence[int]) -> dict[str, Box]:
        """The same places on a picture of this height and width."""
        if tuple(shape[:2]) == self.size:
            return dict(self.boxes)
        y, x = shape[0] / self.size[0], shape[1] / self.size[1]
        return {
            name: (int(x0 * x), int(y0 * y), max(int(x1 * x), int(x0 * x) + 1), max(int(y1 * y), int(y0 * y) + 1))
            for name, (x0, y0, x1, y1) in self.boxes.items()
        }

    def only(self, parts: Sequence[str]) -> PatchPlaces:
        """These parts of a face, by their names for people."""
        return replace(self, boxes={part.replace("_", " "): self.boxes[part] for part in parts})


def nobody(_image: Pixels) -> None:
    """Where there is no detector."""
    return


class FaceFinder:
    """The detector of the settings, or the official one where it is on this machine. Opened when it is first needed."""

    def __init__(self, machine: Machine) -> None:
        self._machine = replace(machine, offline=True)  # nothing is downloaded to draw
        self._turn = Lock()
        self._opened: list[faces.Detector | None] = []
        self.sha256 = ""
        """Hash of the detector's file; empty where there is none."""
        with suppress(FsrbenchError):
            found = weights.locate(faces.DETECTOR, explicit=machine.detector, offline=True, optional=True)
            self.sha256 = found.sha256

    def __call__(self, image: Pixels) -> Sequence[Face] | None:
        """All faces, the largest first; None where there is no detector."""
        with self._turn:
            if not self._opened:
                self._opened.append(self._open())
        [detector] = self._opened
        return None if detector is None else detector(images.from_8bit(image))

    def _open(self) -> faces.Detector | None:
        try:
            return faces.open_detector(self._machine) if self.sha256 else None
        except FsrbenchError:  # whoever needed it for a result has said so
            return None


def places(image: Pixels, find: Find, parts: Sequence[str]) -> PatchPlaces:
    """What is shown of a picture: so many faces as there are `parts`; of one face, these parts of it."""
    size = (image.shape[0], image.shape[1])
    square, found = size[0] == size[1], find(image)
    if not found:
        if not square:
            return PatchPlaces()
        return PatchPlaces(size, _parts(size, None, parts), CANONICAL if found is None else UNSEEN)
    if square and faces.lies_aligned(found[0], size[0]):
        return PatchPlaces(size, _parts(size, found[0], parts), FOUND)
    if len(found) == 1:
        own = _parts(size, found[0], parts[: len(parts) - 1])
        return PatchPlaces(size, {"face": faces.around(found[0], size, MARGIN), **own}, FOUND)
    boxes = {f"face {n}": faces.around(face, size, MARGIN) for n, face in enumerate(found[: len(parts)], start=1)}
    return PatchPlaces(size, boxes, LARGEST)


def _parts(size: tuple[int, int], face: Face | None, parts: Sequence[str]) -> dict[str, Box]:
    """Parts of a face by their names for people."""
    regions = faces.regions(size, None if face is None else face.landmarks)
    return {part.replace("_", " "): regions[part] for part in parts}
