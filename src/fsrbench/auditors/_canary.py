"""Does an auditor look at all? On a sample of cases it is also shown a spoilt picture and a blank one.

Text and numbers of the question stay as they are, so that only looking can tell the three apart. What is
found goes into the record and nowhere else: the audit is the one of the real picture.
"""

from __future__ import annotations

import dataclasses
import hashlib

import numpy as np

from fsrbench.core.questions import Evidence
from fsrbench.core.values import Image
from fsrbench.imaging import images

QUALITY = 5
"""JPEG quality of the planted artifact."""
BLOCK = 8
"""Side of its squares."""
MARGIN = 10.0
"""Points by which a canary must score below the real picture, or half of the real score where that is less."""


def sampled(case: str, every: int) -> bool:
    """One case in so many, chosen by its name: neither order nor number of cases changes which."""
    return every > 0 and int.from_bytes(hashlib.sha256(case.encode()).digest()[:8], "big") % every == 0


def spoilt(evidence: Evidence) -> dict[str, Evidence]:
    """The same evidence with each canary in place of the restoration."""
    blank = np.full_like(evidence.sr, 0.5)
    return {"planted": _with(evidence, _blocky(evidence.sr)), "blank": _with(evidence, images.as_stored(blank))}


def looking(real: float, canaries: dict[str, float | None]) -> bool | None:
    """Were the canaries scored clearly below the real picture? None where no canary got a score, or none could."""
    margin = min(MARGIN, real / 2)
    given = [score for score in canaries.values() if score is not None]
    return all(real - score >= margin for score in given) if given and margin > 0 else None


def _with(evidence: Evidence, sr: Image) -> Evidence:
    patches = tuple(
        dataclasses.replace(patch, image=sr[y0:y1, x0:x1])
        for patch in evidence.patches
        for x0, y0, x1, y1 in (patch.box,)
    )
    return dataclasses.replace(evidence, sr=sr, patches=patches)


def _blocky(sr: Image) -> Image:
    """Half squares of one colour, then JPEG at a quality that nobody would call good."""
    import cv2

    height, width = sr.shape[:2]
    whole = np.pad(sr, ((0, -height % BLOCK), (0, -width % BLOCK), (0, 0)), mode="edge")
    blocks = whole.reshape(whole.shape[0] // BLOCK, BLOCK, whole.shape[1] // BLOCK, BLOCK, 3)
    means = np.broadcast_to(blocks.mean(axis=(1, 3), keepdims=True), blocks.shape)
    squares = means.reshape(whole.shape)[:height, :width]
    data = images.encode((sr + squares) * np.float32(0.5), "jpeg", QUALITY)
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if decoded is None:  # pragma: no cover - it was encoded a line above
        raise TypeError("OpenCV could not decode its own JPEG")
    return images.from_8bit(np.ascontiguousarray(decoded[:, :, ::-1]).astype(np.uint8))
