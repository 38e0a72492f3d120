"""Where the face patches lay that a case's auditors were shown, so that people are shown the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fsrbench.core.errors import StoreError
from fsrbench.imaging import faces
from fsrbench.measure.subjects import Evaluation, Subject
from fsrbench.show.patches import PatchPlaces
from fsrbench.study.store import RunFolder

if TYPE_CHECKING:
    from fsrbench.core.values import Trail
    from fsrbench.imaging.faces import Box

USUAL = "Patches are cut at the places where an aligned (FFHQ) face has them, as those that auditors were shown."
FOUND = "Patches are cut where a detector found the face on Pure, as those that auditors were shown."


def shown(subject: Subject, trail: Trail | None, what: Evaluation, size: tuple[int, int]) -> PatchPlaces | None:
    """Region → place on a Pure of (height, width); None where nobody looked, or where it is not known what was shown.

    Without a detector auditors are shown the usual places, which are those of a face in a square picture only.
    """
    audited = [arm for arm, steps in trail.arms.items() if steps[0].audit is not None] if trail is not None else []
    if what.run is not None and what.run.detector is not None:
        found = _recorded(subject, audited)
        return PatchPlaces(size, found, FOUND) if found else None
    if not audited or size[0] != size[1] or not size[0]:
        return None
    return PatchPlaces(size, faces.regions(size, None), USUAL)


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
        if exchange and set(exchange.get("patches", ())) >= {*faces.regions((1, 1), None)}:
            return {name: (x0, y0, x1, y1) for name, (x0, y0, x1, y1) in exchange["patches"].items()}
    return {}
