"""Where the face patches of a case lie: where its auditors saw them, else where an aligned face has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fsrbench.core.errors import StoreError
from fsrbench.imaging import faces
from fsrbench.imaging.faces import Box
from fsrbench.measure.subjects import Evaluation, Subject
from fsrbench.study.store import RunFolder

if TYPE_CHECKING:
    from fsrbench.core.values import Trail
    from fsrbench.show.drawing import Pixels

ALIGNED = "Patches are cut at the places where an aligned (FFHQ) face has them."
SHOWN = "Patches are cut at the places where an aligned (FFHQ) face has them, as those that auditors were shown."
FOUND = "Patches are cut where a face detector found them in Pure, as those that auditors were shown."


@dataclass(frozen=True, slots=True)
class Regions:
    """The places of one case's face patches, in all its pictures alike."""

    boxes: Mapping[str, Box]
    """Region → x0, y0, x1, y1 in Pure."""
    width: int
    """Pure's width."""
    about: str
    """Where the places come from, and who was shown them: a sentence."""

    def cut(self, name: str, image: Pixels) -> Pixels:
        """A region of one of the case's pictures, whatever its size."""
        x0, y0, x1, y1 = (round(end * image.shape[1] / self.width) for end in self.boxes[name])
        return image[y0:y1, x0:x1]


def of_case(subject: Subject, trail: Trail | None, what: Evaluation, size: tuple[int, int]) -> Regions | None:
    """Those of a case whose Pure is as large as `size` (height, width); None where no place is known.

    Without a detector only a square picture can be an aligned face.
    """
    audited = [arm for arm, steps in trail.arms.items() if steps[0].audit is not None] if trail is not None else []
    detected = what.run is not None and what.run.detector is not None
    if detected and (found := _recorded(subject, audited)):
        return Regions(found, size[1], FOUND)
    if size[0] != size[1] or not size[0]:
        return None
    return Regions(faces.regions(size, None), size[1], SHOWN if audited and not detected else ALIGNED)


def _recorded(subject: Subject, audited: Sequence[str]) -> dict[str, Box]:
    """The places that an exchange names: every auditor looks at Pure first, where one detector found them."""
    folder = subject.told
    if not isinstance(folder, RunFolder):
        return {}
    for arm in audited:
        try:
            exchange = folder.exchange(subject.family, arm, subject.case, 1)
        except StoreError:
            continue  # damaged: the report says so
        if exchange and "patches" in exchange:
            return {name: (x0, y0, x1, y1) for name, (x0, y0, x1, y1) in exchange["patches"].items()}
    return {}
