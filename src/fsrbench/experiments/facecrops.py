"""Faces cut out of whole pictures, before and after: what GFPGAN's own script saves beside a restored picture."""

from __future__ import annotations

from pathlib import Path

from fsrbench.core.contracts import Machine
from fsrbench.core.errors import WeightsError
from fsrbench.core.values import Image
from fsrbench.files import names
from fsrbench.imaging import faces, images

SIDE = 512
"""Pixels of a crop's side: GFPGAN's."""
BEFORE, AFTER = "cropped_faces", "restored_faces"
"""Folders of the crops, named as there."""


class FaceCrops:
    """Cuts the same faces out of an input and its restoration, upright. Many threads may use it."""

    def __init__(self, folder: Path, machine: Machine, *, aligned: bool = False) -> None:
        """With `aligned`, every picture is one face and is taken whole.

        WeightsError, with the cure, where faces must be found and no detector is here.
        """
        self.folder = folder
        try:
            self._detector = None if aligned else faces.open_detector(machine)
        except WeightsError as error:
            raise WeightsError(
                f"Faces are found by a detector: name one in the setting faces.detector. {error}"
            ) from None

    def of(self, place: Path, lr: Image, restored: Image) -> dict[Path, Image]:
        """Files to write for a picture that lies at `place`: for each face, the largest first, one before, one after.

        Faces are looked for in the enlarged input, as the prior family does. What is cut out afterwards is what stands
        in the restored picture, with all that knobs and arms did to it.
        """
        enlarged = images.resize(lr, restored.shape[1], restored.shape[0])
        pairs = [(enlarged, restored)]
        if self._detector is not None:
            pairs = [
                (faces.align(enlarged, face.landmarks, SIDE)[0], faces.align(restored, face.landmarks, SIDE)[0])
                for face in self._detector(enlarged)
            ]
        found: dict[Path, Image] = {}
        for number, (before, after) in enumerate(pairs):
            for folder, image in ((BEFORE, before), (AFTER, after)):
                found[self.folder / folder / place.parent / names.of(place.stem, f"_{number:02d}.png")] = image
        return found
