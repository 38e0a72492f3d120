"""The candidate that, made small again, agrees best with the input."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from fsrbench.core.contracts import Machine
from fsrbench.core.values import Image, Ranking
from fsrbench.core.ways import Contest, Judge
from fsrbench.imaging import images
from fsrbench.judges import _ordered

SAME = 100.0
"""Agreement in dB of two pictures that are alike to the last bit."""


def agreement(lr: Image, picture: Image) -> float:
    """PSNR in dB between the input and the picture, brought to the input's size by averaging areas."""
    small = images.resize(picture, lr.shape[1], lr.shape[0], "area")
    error = float(np.square(small.astype(np.float64) - lr).mean())
    return SAME if error == 0 else min(SAME, -10 * math.log10(error))


def _open(_settings: None, _machine: Machine) -> Callable[[Contest], Ranking]:
    return lambda contest: _ordered.ranking("consistency", [agreement(contest.lr, one) for one in contest.pictures])


JUDGE = Judge("The candidate that agrees best with the input when it is made small again.", open=_open)
