"""Trust by three signs, after the paper's TWS: the same person, the same edges, no detail that the others lack.

The paper names the terms, and not how they are weighed or what they are held against; that is ours. Identity is
ArcFace's cosine with the enlarged input, brought to 0…1. Edges are the structural similarity of edge strength in the
candidate, made small again, and in the input. Artifacts are detail beyond what the median of the other candidates has,
band by band of a wavelet: 1 where there is none. The score is their weighted mean. A term that cannot be had (no
recogniser, no face on the input) is left out for all candidates of a case, and the judge's name says which it went by.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from fsrbench.core import plugins
from fsrbench.core.contracts import Machine
from fsrbench.core.errors import FsrbenchError
from fsrbench.core.judging import Contest, Judge
from fsrbench.core.values import Image, Ranking
from fsrbench.imaging import images, luma, wavelets
from fsrbench.judges import _ordered

LEVELS = 3
"""Of the wavelet: detail of two to sixteen pixels."""
STEEPEST = 4.0
"""Sobel's answer to a step from black to white."""


class Weights(BaseModel):
    """How much each term counts."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    identity: float = Field(default=1.0, ge=0, allow_inf_nan=False)
    """The same person as in the enlarged input."""
    edges: float = Field(default=1.0, ge=0, allow_inf_nan=False)
    """The same edges as in the input."""
    artifacts: float = Field(default=1.0, ge=0, allow_inf_nan=False)
    """No more detail than the other candidates have."""

    @model_validator(mode="after")
    def _one_counts(self) -> Self:
        if not self.edges and not self.artifacts:
            raise ValueError("edges and artifacts cannot both be 0: identity cannot be had everywhere")
        return self


def _open(settings: Weights, machine: Machine) -> Callable[[Contest], Ranking]:
    resemble = _identity(machine) if settings.identity else None
    likeness = plugins.load("metrics", "ssim").open(machine)

    def judge(contest: Contest) -> Ranking:
        terms: dict[str, Sequence[float] | None] = {
            "identity": None if resemble is None else resemble(contest),
            "edges": _edges(contest, likeness) if settings.edges else None,
            "artifacts": _artifacts(contest.pictures) if settings.artifacts else None,
        }
        known = {name: values for name, values in terms.items() if values is not None}
        weights = [getattr(settings, name) for name in known]
        scores = np.average(list(known.values()), axis=0, weights=weights)
        parts = tuple(dict(zip(known, values, strict=True)) for values in zip(*known.values(), strict=True))
        return _ordered.ranking(f"tws by {', '.join(known)}", list(map(float, scores)), parts)

    return judge


def _identity(machine: Machine) -> Callable[[Contest], Sequence[float] | None] | None:
    """How like the face is to the one in the enlarged input; None where that cannot be had."""
    try:
        cosine = plugins.load("metrics", "arcface").open(machine)
    except FsrbenchError:
        return None

    def resemble(contest: Contest) -> Sequence[float] | None:
        height, width = contest.pictures[0].shape[:2]
        try:
            found = cosine(contest.pictures, images.resize(contest.lr, width, height))
        except FsrbenchError:
            return None
        return [(1 + value) / 2 for value in found]

    return resemble


def _edges(contest: Contest, likeness: Callable[[Sequence[Image], Image | None], Sequence[float]]) -> Sequence[float]:
    """How alike edges are in the candidates, made small again, and in the input; 1 where they are equal."""
    height, width = contest.lr.shape[:2]
    small = [_steepness(images.resize(picture, width, height, "area")) for picture in contest.pictures]
    return likeness(small, _steepness(contest.lr))


def _steepness(picture: Image) -> Image:
    """How steep its brightness is at each pixel, as a grey picture."""
    import cv2

    grey = luma.reproducible(picture)
    across, down = (
        cv2.Sobel(grey, cv2.CV_32F, *order, borderType=cv2.BORDER_REFLECT_101) for order in ((1, 0), (0, 1))
    )
    steep = np.hypot(across, down) / np.float32(STEEPEST)
    return np.repeat(steep[:, :, None], 3, axis=2)


def _artifacts(pictures: Sequence[Image]) -> Sequence[float]:
    """1 less what a candidate has of detail beyond the median of the others, falling off towards 0."""
    found = np.stack([wavelets.energies(picture, LEVELS) for picture in pictures])
    if len(pictures) < 2:
        return [1.0] * len(pictures)
    places = range(len(pictures))
    usual = np.stack([np.median(np.delete(found, place, axis=0), axis=0) for place in places])
    excess = np.maximum(0, np.log((found + 1e-6) / (usual + 1e-6))).sum(axis=2).mean(axis=1)
    return [math.exp(-value) for value in excess]


JUDGE = Judge(
    "The same person and edges as in the input, and no detail that the other candidates lack (the paper's TWS).",
    open=_open,
    settings=Weights,
    measures=lambda settings: ("arcface",) if settings.identity else (),
)
