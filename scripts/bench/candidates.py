"""What the way `select` costs and gains: skill and averaging of each judge, who is taken in, and passes per second.

    python scripts/bench/candidates.py --faces DIR --model PATH --cases 6

prints three tables in Markdown. The first is that of `docs/select.md`: every judge with its controls on the same eight
candidates. The second: of eight candidates one is spoilt, and how often each judge puts it first. The third: what an
arm of eight candidates takes, in passes of the bare network beside it in one run; the bar is 8.4.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

import fsrbench
from fsrbench.case.restore import Pipeline
from fsrbench.core import plugins
from fsrbench.core.contracts import Machine
from fsrbench.core.judging import Contest
from fsrbench.core.operations import View
from fsrbench.core.values import Image, Ranking
from fsrbench.imaging import images
from fsrbench.measure import summary_file
from fsrbench.show import choosing, md

JUDGES = ("tws", "consistency", "metric", "medoid", "fixed", "random", "oracle")
CANDIDATES, BAR = 8, 8.4


def opened(judge: str) -> Callable[[Contest], Ranking]:
    declared = plugins.load("judges", judge)
    found: Callable[[Contest], Ranking] = declared.open(declared.settings() if declared.settings else None, Machine())
    return found


def gained(options: argparse.Namespace, root: Path) -> str:
    """Judges with controls in one run: they share candidates."""
    arms = {f"by-{judge}": {"way": "select", "judge": judge, "keep_candidates": True} for judge in JUDGES}
    settings = {
        "families": {"general": {"backend": "realesrgan", "model": str(options.model)}},
        "arms": {**arms, "by-tws": {**arms["by-tws"], "controls": True}},
        "metrics": ["psnr"],
    }
    fsrbench.run(
        lr=root / "lr", hr=root / "hr", out=root / "run", families=["general"], arms=list(arms), settings=settings
    )
    rows = [[arm, *cells] for _, arm, cells in choosing.rows(summary_file.read(root / "run" / "summary.json"))]
    return md.table(("Arm", *choosing.HEAD), rows, "l" + "r" * len(choosing.HEAD))


def spoilers(other: Image) -> Mapping[str, Callable[[Image], Image]]:
    """Ways to spoil a candidate; `other` is somebody else's restoration."""

    def blocks(picture: Image) -> Image:
        side = picture.shape[0] // 8
        return np.repeat(np.repeat(images.resize(picture, side, side, "area"), 8, axis=0), 8, axis=1)

    def blank(picture: Image) -> Image:
        return np.broadcast_to(picture.mean(axis=(0, 1)), picture.shape).astype(np.float32)

    return {"blocks": blocks, "another person": lambda _picture: other, "blank": blank}


def candidates(own: Pipeline, lr: Image) -> list[Image]:
    """Pure, and the other seven ways to lie with a little noise."""
    pure = own.restore(lr, {}, 0).image
    return [pure, *(own.restore(lr, {}, 0, View(turn, 0.0, 0.0, 2.0, turn)).image for turn in range(1, CANDIDATES))]


def taken_in(made: Sequence[tuple[Image, Image, list[Image]]]) -> Iterator[list[str]]:
    """Judge, and for each kind of spoiling the share of (case, place) pairs in which it puts the spoilt one first."""
    for judge in JUDGES:
        ask, picked = opened(judge), dict[str, list[bool]]()
        for number, (lr, hr, pictures) in enumerate(made):
            other = made[(number + 1) % len(made)][2][0]
            for name, spoil in spoilers(other).items():
                for place in range(1, CANDIDATES):
                    shown = [images.as_stored(spoil(one)) if n == place else one for n, one in enumerate(pictures)]
                    order = ask(Contest(str(number), "general", 8 * number + place, lr, tuple(shown), hr)).order
                    picked.setdefault(name, []).append(order[0] == place)
        yield [judge, *(f"{np.mean(found):.0%}" for found in picked.values())]


def timed(own: Pipeline, lrs: Sequence[Image]) -> Iterator[tuple[float, float]]:
    """Processor seconds of one bare pass and of eight candidates with their mean, case by case, in turn."""
    for lr in lrs:
        started = time.process_time()
        own.restorer(lr, {}, 0, "fp32")
        between = time.process_time()
        images.as_stored(np.mean(candidates(own.for_case(), lr), axis=0, dtype=np.float64).astype(np.float32))
        yield between - started, time.process_time() - between


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=Path, required=True, help="folder of HR faces")
    parser.add_argument("--model", type=Path, required=True, help="a ×4 checkpoint")
    parser.add_argument("--cases", type=int, default=6, help="faces that are used")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for path in list(images.find(options.faces).values())[: options.cases]:
            images.write(root / "hr" / path.name, images.fit_square(images.read(path), 512))
        fsrbench.degrade(root / "hr", root / "lr", recipe="paper")
        print(gained(options, root), end="\n\n")
        backend = plugins.load("backends", "realesrgan")
        own = Pipeline(backend.open({"model": str(options.model), "scale": 4}, Machine()), {}, 4, "fp32")
        pairs = [(images.read(root / "lr" / path.name), images.read(path)) for path in sorted((root / "hr").iterdir())]
        made = [(lr, hr, candidates(own.for_case(), lr)) for lr, hr in pairs]
        print(md.table(("Judge", *spoilers(made[0][0])), taken_in(made), "lrrr"), end="\n\n")
        times = list(timed(own, [lr for lr, _ in pairs]))
        ratio = statistics.median(eight / one for one, eight in times)
        print(md.table(("eight candidates, in bare passes", "bar"), [[f"{ratio:.2f}", f"{BAR}"]], "rr"))


if __name__ == "__main__":
    main()
