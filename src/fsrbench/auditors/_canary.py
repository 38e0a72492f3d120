"""Does an auditor look at all? On a sample of cases it is also shown a spoilt picture and a blank one.

Text and numbers of the question stay as they are, so that only looking can tell the three apart. What is
found goes into the record and nowhere else: the audit is the one of the real picture.
"""

from __future__ import annotations

import dataclasses
import hashlib

from fsrbench.core.questions import Evidence
from fsrbench.core.values import Image
from fsrbench.imaging import spoiling

MARGIN = 10.0
"""Points by which a canary must score below the real picture, or half of the real score where that is less."""


def sampled(case: str, every: int) -> bool:
    """One case in so many, chosen by its name: neither order nor number of cases changes which."""
    return every > 0 and int.from_bytes(hashlib.sha256(case.encode()).digest()[:8], "big") % every == 0


def spoilt(evidence: Evidence) -> dict[str, Evidence]:
    """The same evidence with each canary in place of the restoration."""
    return {
        "planted": _with(evidence, spoiling.blocks(evidence.sr)),
        "blank": _with(evidence, spoiling.blank(evidence.sr)),
    }


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
