"""Everything once, small, with no download: crops of two public-domain portraits that other packages bring along.

They come with matplotlib and scikit-image, are aligned the FFHQ way, degraded by the paper's recipe, restored by the
three embedded networks, supervised by the heuristic auditor beside the controls of `configs/demo.yaml`, measured, and
drawn. What an LVLM is sent and answers is shown by one exchange that was recorded.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fsrbench import api
from fsrbench.case import degrade
from fsrbench.core import plugins
from fsrbench.core.errors import InputError, Unavailable
from fsrbench.core.execute import Track
from fsrbench.core.values import Image
from fsrbench.files import atomic, csvfile
from fsrbench.imaging import faces, images
from fsrbench.show.notebook import Run
from fsrbench.study import sheets
from fsrbench.study.store import RunFolder

SIDE = 512
"""Side of a crop."""
SEED = 3
"""Of the degradation. Chosen so that no crop is drowned: recipe `paper` can draw very strong blurs."""


@dataclass(frozen=True)
class Portrait:
    """A photograph of one person."""

    person: str
    """Who is on it."""
    package: str
    """The package that it comes with."""
    file: str
    """Its place there."""
    landmarks: tuple[tuple[float, float], ...]
    """Eyes, nose, corners of the mouth; left before right as one looks at it."""


@dataclass(frozen=True)
class Crop:
    """How a face is cut from its portrait."""

    zoom: float
    """How much larger than in an FFHQ crop the face is."""
    turn: float
    """Degrees by which it is turned."""
    mirrored: bool
    """Whether left and right change places."""


PORTRAITS = (
    Portrait("eileen_collins", "skimage", "data/astronaut.png",
             ((203.9, 99.4), (246.4, 101.9), (223.4, 128.4), (202.0, 138.4), (244.6, 140.7))),
    Portrait("grace_hopper", "matplotlib", "mpl-data/sample_data/grace_hopper.jpg",
             ((225.3, 193.5), (307.3, 185.7), (269.0, 238.1), (235.2, 279.8), (301.0, 273.5))),
)  # fmt: skip
"""A NASA and a US Navy photograph, both in the public domain."""
CROPS = (Crop(1.0, 0, mirrored=False), Crop(1.18, 3, mirrored=True), Crop(0.88, -2, mirrored=False))
"""Three pictures of each person: enough to look at, and two people all the same, which the statistics are told."""


def run(out: Path, device: str, workers: int, track: Track) -> Run:
    """Run the demonstration and measure it."""
    atomic.guard(out)
    high, low, persons = (out / "inputs" / name for name in ("high_res_imgs", "low_res_imgs", "persons.csv"))
    people = {}
    for case, person, face in _faces():
        images.write(high / f"{case}.png", face)
        people[case] = person
    csvfile.write(persons, ["case", "cluster"], people.items())
    report = degrade.degrade(high, low, recipe="paper", scale=4, hr_size=SIDE, seed=SEED, workers=workers)
    if report.failed:
        raise InputError("; ".join(why for _, why in report.failed))
    return api.run(
        lr=low, hr=high, out=out, config=plugins.shipped("configs") / "demo.yaml", settings={"clusters": str(persons)},
        workers=workers, device=device, offline=True, progress=track,
    )  # fmt: skip


def recorded(out: Path, device: str, workers: int, track: Track) -> Path:
    """An exchange with an LVLM that was recorded on one of the crops, as a run of its own; returns its report."""
    folder = RunFolder(out / "lvlm")
    kept = Path(__file__).parent / "recorded"
    for path in kept.rglob("*"):
        if path.suffix in (".json", ".png", ".yaml"):
            atomic.write_bytes(folder.root / path.relative_to(kept), path.read_bytes())
    [pure] = (kept / "general" / "pure-fsr").iterdir()
    atomic.write_bytes(folder.root / "general" / "fsr+lvlm" / pure.name, pure.read_bytes())  # the same picture stood
    inputs = {"lr": folder.root / "inputs" / "low_res_imgs", "hr": out / "inputs" / "high_res_imgs"}
    folder.write_study({**folder.study(), "inputs": {name: str(path.resolve()) for name, path in inputs.items()}})
    sheets.write(folder)
    api.evaluate(folder.root, workers=workers, device=device, offline=True, progress=track)
    return folder.report_page


def _faces() -> Iterator[tuple[str, str, Image]]:
    """Case, person and crop, one after another."""
    for portrait in PORTRAITS:
        picture = images.read(_packaged(portrait.package, portrait.file))
        landmarks = np.array(portrait.landmarks, dtype=np.float32)
        for number, crop in enumerate(CROPS, start=1):
            yield f"{portrait.person}_{number}", portrait.person, _cut(picture, landmarks, crop)


def _cut(portrait: Image, landmarks: NDArray[np.float32], crop: Crop) -> Image:
    """A face as a crop wants it: it is aligned by landmarks that are moved against what shall be seen."""
    if crop.mirrored:
        portrait = np.ascontiguousarray(portrait[:, ::-1])
        landmarks = (landmarks * (-1, 1) + (portrait.shape[1] - 1, 0))[[1, 0, 2, 4, 3]]
    middle, angle = landmarks.mean(axis=0), np.deg2rad(crop.turn)
    turned = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    placed = (landmarks - middle) @ turned.T / crop.zoom + middle
    return faces.align(portrait, placed.astype(np.float32), SIDE, "ffhq")[0]


def _packaged(package: str, file: str) -> Path:
    spec = importlib.util.find_spec(package)
    path = Path(spec.origin).parent / file if spec and spec.origin else None
    if path is None or not path.is_file():
        raise Unavailable(f"The portrait {file} of {package} is not installed: pip install --force-reinstall {package}")
    return path
