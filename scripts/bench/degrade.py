"""How fast degradation is, against basicsr's functions on the same faces with the same drawn values.

    python scripts/bench/degrade.py --faces DIR --json FILE

basicsr can be used in two ways, and both are measured: `arrays` are its functions for NumPy pictures, with OpenCV
for blur and resizing, for which it has none; `tensors` are those that Real-ESRGAN trains with (filter2D, interpolate,
noise and JPEG on tensors). The first table has a row for a stage and for a whole recipe, in milliseconds of processor
time a picture: one thread each, ours and theirs by turns, medians over the repeats, means over the draws. The second
one is the command, in faces a second of the clock, with reading and writing of PNG: against the plain loops that one
would write with `arrays` and `tensors`.

Before that, `arrays` and ours must agree on every draw when the noise is left out: it is the same work.

Most of the paper's recipe is the blur at full size, then resizing, and `arrays` does both by the same calls of OpenCV,
so that there is little to gain on it. JPEG is libjpeg-turbo in both.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import json
import statistics
import sys
import tempfile
import time
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torchvision.transforms.functional import rgb_to_grayscale

from fsrbench.case import degrade as command
from fsrbench.core import plugins
from fsrbench.files import atomic
from fsrbench.imaging import images
from fsrbench.recipes import _stages as stages
from fsrbench.recipes import realesrgan

SIZE, SCALE = 512, 4
NEEDED = 2.0
"""How much faster both recipes must be than `tensors`, and `realesrgan` than `arrays`: else the exit status is 1."""
Values = Mapping[str, Any]


# -------------------------------------------------------------- basicsr's ways


def module(name: str) -> Any:
    """A file of basicsr by itself: the package does not import beside a current torchvision."""
    spec = importlib.util.find_spec("basicsr")
    if spec is None or spec.origin is None:
        raise SystemExit("basicsr is not installed. Install it with: pip install 'fsrbench[upstream]'")
    stand_in: Any = types.ModuleType("torchvision.transforms.functional_tensor")
    stand_in.rgb_to_grayscale = rgb_to_grayscale
    sys.modules.setdefault(stand_in.__name__, stand_in)
    path = Path(spec.origin).parent.joinpath(*name.split(".")).with_suffix(".py")
    file = importlib.util.spec_from_file_location(f"theirs_{path.stem}", path)
    assert file is not None
    assert file.loader is not None
    loaded = importlib.util.module_from_spec(file)
    file.loader.exec_module(loaded)
    return loaded


theirs = module("data.degradations")


class Arrays:
    """basicsr's functions for NumPy pictures, which are BGR, and OpenCV."""

    methods = types.MappingProxyType(
        {"area": cv2.INTER_AREA, "bilinear": cv2.INTER_LINEAR, "bicubic": cv2.INTER_CUBIC},
    )

    def start(self, bgr: Any) -> Any:
        return bgr

    def finish(self, picture: Any) -> Any:
        return np.clip((picture * 255.0).round(), 0, 255).astype(np.uint8)

    def side(self, picture: Any) -> int:
        return int(picture.shape[0])

    def blur(self, picture: Any, kernel: Any) -> Any:
        return cv2.filter2D(picture, -1, kernel)

    def resize(self, picture: Any, side: int, kernel: str) -> Any:
        return cv2.resize(picture, (side, side), interpolation=self.methods[kernel])

    def gaussian(self, picture: Any, sigma: float, grey: bool) -> Any:
        return theirs.add_gaussian_noise(picture, sigma, gray_noise=grey)

    def poisson(self, picture: Any, scale: float, grey: bool) -> Any:
        return theirs.add_poisson_noise(picture, scale, gray_noise=grey)

    def jpeg(self, picture: Any, quality: int) -> Any:
        return theirs.add_jpg_compression(picture, quality)


class Tensors:
    """What Real-ESRGAN does to a batch, here of one picture."""

    def __init__(self) -> None:
        self.filter = module("utils.img_process_util").filter2D
        self.jpeger = module("utils.diffjpeg").DiffJPEG(differentiable=False)

    def start(self, bgr: Any) -> Any:
        return torch.from_numpy(np.ascontiguousarray(bgr[:, :, ::-1].transpose(2, 0, 1)))[None]

    def finish(self, picture: Any) -> Any:
        levels = torch.clamp((picture * 255.0).round(), 0, 255)[0].byte()
        return levels.permute(1, 2, 0).numpy()[:, :, ::-1]

    def side(self, picture: Any) -> int:
        return int(picture.shape[2])

    def blur(self, picture: Any, kernel: Any) -> Any:
        return self.filter(picture, torch.from_numpy(np.float32(kernel))[None])

    def resize(self, picture: Any, side: int, kernel: str) -> Any:
        return torch.nn.functional.interpolate(picture, size=(side, side), mode=kernel)

    def gaussian(self, picture: Any, sigma: float, grey: bool) -> Any:
        return theirs.add_gaussian_noise_pt(picture, sigma, gray_noise=int(grey))

    def poisson(self, picture: Any, scale: float, grey: bool) -> Any:
        return theirs.add_poisson_noise_pt(picture, scale, gray_noise=int(grey))

    def jpeg(self, picture: Any, quality: int) -> Any:
        return self.jpeger(torch.clamp(picture, 0, 1), quality=torch.tensor([float(quality)]))


Way = Arrays | Tensors


# ---------------------------------------------------- recipes, in any such way


def kernel_a(v: Values, name: str = "blur_a") -> Any:
    size, sigma_x, sigma_y, angle = (v[f"{name}_{part}"] for part in ("size", "sigma_x", "sigma_y", "angle"))
    return theirs.bivariate_Gaussian(size, sigma_x, sigma_y, angle, isotropic=False)


def kernel_of(v: Values, order: str) -> Any:
    kind, size, sigma_x, sigma_y, angle, beta, cutoff = (
        v[f"blur{order}_{part}"] for part in ("kernel", "size", "sigma_x", "sigma_y", "angle", "beta", "cutoff")
    )
    if kind == "sinc":
        return theirs.circular_lowpass_kernel(cutoff, size)
    isotropic = kind.endswith("iso") and not kind.endswith("aniso")
    if kind.startswith("plateau"):
        return theirs.bivariate_plateau(size, sigma_x, sigma_y, angle, beta, isotropic=isotropic)
    if kind.startswith("generalised"):
        return theirs.bivariate_generalized_Gaussian(size, sigma_x, sigma_y, angle, beta, isotropic=isotropic)
    return theirs.bivariate_Gaussian(size, sigma_x, sigma_y, angle, isotropic=isotropic)


def noise(way: Way, picture: Any, v: Values, name: str) -> Any:
    if v[name] == "none":
        return picture
    if v[name] == "gaussian":
        return way.gaussian(picture, v[f"{name}_sigma"], v[f"{name}_grey"])
    return way.poisson(picture, v[f"{name}_poisson_scale"], v[f"{name}_grey"])


def paper(way: Way, bgr: Any, v: Values) -> Any:
    picture = way.start(bgr)
    small = way.side(picture) // SCALE
    picture = way.blur(picture, kernel_a(v))
    if v["resize"] != "keep":
        picture = way.resize(picture, int(way.side(picture) * v["resize_factor"]), v["resize_kernel"])
    picture = way.resize(picture, small, v["back_kernel"])
    picture = noise(way, picture, v, "noise")
    picture = way.blur(picture, kernel_a(v, "blur_b"))
    return way.finish(way.jpeg(picture, v["jpeg_quality"]))


def second_order(way: Way, bgr: Any, v: Values) -> Any:
    picture = way.start(bgr)
    small = way.side(picture) // SCALE
    picture = way.blur(picture, kernel_of(v, "1"))
    if v["resize1"] != "keep":
        picture = way.resize(picture, int(way.side(picture) * v["resize1_factor"]), v["resize1_kernel"])
    picture = way.jpeg(noise(way, picture, v, "noise1"), v["jpeg1_quality"])
    if v["blur2_on"]:
        picture = way.blur(picture, kernel_of(v, "2"))
    picture = way.resize(picture, int(small * v["resize2_factor"]), v["resize2_kernel"])
    picture = noise(way, picture, v, "noise2")
    if v["final_order"] == "jpeg-sinc":
        picture = way.jpeg(picture, v["jpeg2_quality"])
    picture = way.resize(picture, small, v["final_kernel"])
    if v["final_sinc_on"]:
        picture = way.blur(picture, theirs.circular_lowpass_kernel(v["final_sinc_cutoff"], v["final_sinc_size"]))
    if v["final_order"] == "sinc-jpeg":
        picture = way.jpeg(picture, v["jpeg2_quality"])
    return way.finish(picture)


CHAINS: dict[str, Callable[[Way, Any, Values], Any]] = {"paper": paper, "realesrgan": second_order}


def drawn(recipe: str, count: int) -> list[dict[str, Any]]:
    return [plugins.load("recipes", recipe).draw(np.random.default_rng(seed)) for seed in range(count)]


def same_work(faces: Sequence[Any], draws: int) -> float:
    """The largest mean difference of a draw between ours and `arrays`, in levels, without noise."""
    largest = 0.0
    for recipe, chain in CHAINS.items():
        for face, v in zip(itertools.cycle(faces), drawn(recipe, draws), strict=False):
            silent = {name: 0.0 for name in v if name.endswith(("_sigma", "_poisson_scale")) and "noise" in name}
            without = {name: "none" for name in v if v[name] in ("gaussian", "poisson")}
            got = images.to_8bit(plugins.load("recipes", recipe).apply(face, v | silent, SCALE)).astype(int)
            expected = chain(Arrays(), face[:, :, ::-1], v | without)[:, :, ::-1]
            largest = max(largest, float(np.abs(got - expected).mean()))
    if largest > 1.5:
        raise SystemExit(f"ours and theirs differ by {largest:.2f} levels: they do not do the same work")
    return largest


# ---------------------------------------------------------------------- timing


Task = Callable[[], object]


def by_turns(tasks: Mapping[str, Task], repeats: int, clock: Callable[[], float]) -> dict[str, float]:
    """Milliseconds of each, a median; who is first changes from turn to turn."""
    taken: dict[str, list[float]] = {name: [] for name in tasks}
    names = list(tasks)
    for name in names:
        tasks[name]()
    for turn in range(repeats):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            started = clock()
            tasks[name]()
            taken[name].append((clock() - started) * 1e3)
    return {name: statistics.median(some) for name, some in taken.items()}


def stage_tasks(face: Any, a: Values, b: Values, ways: Mapping[str, Way]) -> dict[str, dict[str, Task]]:
    """The tasks of each stage; `a` is a draw of the paper's recipe, `b` of Real-ESRGAN's."""
    small = images.resize(face, SIZE // SCALE, SIZE // SCALE)
    sizes = {part: a[f"blur_a_{part}"] for part in ("size", "sigma_x", "sigma_y", "angle")}
    quality, seed, side = a["jpeg_quality"], a["noise_seed"], int(SIZE * b["resize1_factor"])
    width, cutoff, kernel = b["final_sinc_size"], b["final_sinc_cutoff"], b["resize1_kernel"]
    sigma, scale = b["noise1_sigma"], b["noise1_poisson_scale"]
    pairs: dict[str, tuple[Callable[[Any], object], Callable[[Way, Any], object]]] = {
        "blur 7–11": (lambda p: stages.blur(p, stages.gaussian(**sizes)), lambda w, p: w.blur(p, kernel_a(a))),
        "blur 7–21": (
            lambda p: stages.blur(p, realesrgan._kernel(b, "1")),
            lambda w, p: w.blur(p, kernel_of(b, "1")),
        ),
        f"sinc 7–21 at {SIZE // SCALE}": (
            lambda p: stages.blur(p, stages.sinc(width, cutoff)),
            lambda w, p: w.blur(p, theirs.circular_lowpass_kernel(cutoff, width)),
        ),
        "resize": (lambda p: stages.resize(p, side, side, kernel), lambda w, p: w.resize(p, side, kernel)),
        "JPEG": (lambda p: stages.jpeg(p, quality), lambda w, p: w.jpeg(p, quality)),
    }
    for grey in (False, True):
        channels = "grey" if grey else "colour"
        pairs[f"Gaussian noise, {channels}"] = (
            lambda p, grey=grey: stages.gaussian_noise(p, sigma, grey, seed),
            lambda w, p, grey=grey: w.gaussian(p, sigma, grey),
        )
        pairs[f"Poisson noise, {channels}"] = (
            lambda p, grey=grey: stages.poisson_noise(p, scale, grey, seed),
            lambda w, p, grey=grey: w.poisson(p, scale, grey),
        )
    tasks: dict[str, dict[str, Task]] = {}
    for stage, (ours, other) in pairs.items():
        picture = small if stage.startswith("sinc") else face
        bgr = picture[:, :, ::-1].copy()
        tasks[stage] = {"ours": partial(ours, picture)}
        tasks[stage] |= {name: partial(other, way, way.start(bgr)) for name, way in ways.items()}
    return tasks


def recipe_tasks(face: Any, drawn_values: Mapping[str, Values], ways: Mapping[str, Way]) -> dict[str, dict[str, Task]]:
    """The tasks of each recipe."""
    bgr, tasks = face[:, :, ::-1].copy(), {}
    for recipe, v in drawn_values.items():
        tasks[f"recipe {recipe}"] = {"ours": partial(plugins.load("recipes", recipe).apply, face, v, SCALE)}
        tasks[f"recipe {recipe}"] |= {name: partial(CHAINS[recipe], way, bgr, v) for name, way in ways.items()}
    return tasks


def measure(faces: Sequence[Any], draws: int, repeats: int) -> list[dict[str, Any]]:
    """A row for each stage and recipe."""
    ways: dict[str, Way] = {"arrays": Arrays(), "tensors": Tensors()}
    found: dict[str, list[dict[str, float]]] = {}
    values = {recipe: drawn(recipe, draws) for recipe in CHAINS}
    for number, face in zip(range(draws), itertools.cycle(faces), strict=False):
        a, b = (values[recipe][number] for recipe in CHAINS)
        tasks = stage_tasks(face, a, b, ways) | recipe_tasks(face, {"paper": a, "realesrgan": b}, ways)
        for stage, some in tasks.items():
            found.setdefault(stage, []).append(by_turns(some, repeats, time.process_time))
    rows = []
    for stage, medians in found.items():
        mean = {name: statistics.fmean(m[name] for m in medians) for name in ("ours", *ways)}
        ratios = {f"{name}_ratio": round(mean[name] / mean["ours"], 2) for name in ways}
        rows.append({"stage": stage, **{name: round(ms, 3) for name, ms in mean.items()}, **ratios})
    return rows


# ----------------------------------------------------------------- the command


def plain_loop(way: Way, hr: Path, fresh: Iterator[Path], recipe: str, values: Mapping[str, Values]) -> None:
    """What one would write: read, degrade, write, one picture after another."""
    lr = next(fresh)
    lr.mkdir()
    for name, v in values.items():
        bgr = cv2.imread(str(hr / f"{name}.png")).astype(np.float32) / 255.0
        with torch.inference_mode():
            cv2.imwrite(str(lr / f"{name}.png"), CHAINS[recipe](way, bgr, v))


def the_command(hr: Path, fresh: Iterator[Path], recipe: str, workers: int) -> None:
    command.degrade(hr, next(fresh), recipe=recipe, scale=SCALE, hr_size=SIZE, workers=workers)


def throughput(faces: Sequence[Any], count: int, repeats: int) -> list[dict[str, Any]]:
    """Faces a second of the plain loops and of the command with one and two workers."""
    rows: list[dict[str, Any]] = []
    ways: dict[str, Way] = {"arrays": Arrays(), "tensors": Tensors()}
    with tempfile.TemporaryDirectory() as folder:
        hr, fresh = Path(folder) / "hr", (Path(folder) / str(n) for n in itertools.count())
        for number, face in zip(range(count), itertools.cycle(faces), strict=False):
            images.write(hr / f"{number:04d}.png", face)
        for recipe in CHAINS:
            values = {f"{n:04d}": v for n, v in enumerate(drawn(recipe, count))}
            tasks: dict[str, Task] = {
                name: partial(plain_loop, way, hr, fresh, recipe, values) for name, way in ways.items()
            }
            for workers in (1, 2):
                tasks[f"workers_{workers}"] = partial(the_command, hr, fresh, recipe, workers)
            taken = by_turns(tasks, repeats, time.perf_counter)
            per_second = {name: round(count / ms * 1e3, 1) for name, ms in taken.items()}
            ratios = {f"{name}_ratio": round(taken[name] / taken["workers_2"], 2) for name in ways}
            rows.append({"recipe": recipe, "faces": count, **per_second, **ratios})
    return rows


# --------------------------------------------------------------------- showing


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Markdown."""
    cells = [list(rows[0]), ["---"] * len(rows[0]), *([str(value) for value in row.values()] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=Path, metavar="DIR", required=True, help="faces to degrade")
    parser.add_argument("--draws", type=int, default=40, help="drawn sets of values, and faces of the command")
    parser.add_argument("--repeats", type=int, default=5, help="turns of each")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there too")
    given = parser.parse_args()
    cv2.utils.logging.setLogLevel(2)  # OpenCV warns about basicsr's float JPEG
    threads = torch.get_num_threads(), cv2.getNumThreads()
    faces = [command.standardise(images.read(path), SIZE) for path in images.find(given.faces).values()]
    difference = same_work(faces, given.draws)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    with torch.inference_mode():
        stages_found = measure(faces, given.draws, given.repeats)
    torch.set_num_threads(threads[0])
    cv2.setNumThreads(threads[1])
    commands = throughput(faces, given.draws, given.repeats)
    print(f"Milliseconds a picture of {SIZE} pixels:\n\n{table(stages_found)}\n\nFaces a second:\n\n{table(commands)}")
    print(f"\nWithout noise, ours and arrays differ by {difference:.2f} levels at most, in the mean of a picture.")
    if given.json:
        found = {"format": 1, "stages": stages_found, "command": commands, "difference": round(difference, 3)}
        atomic.write_bytes(given.json, (json.dumps(found, indent=1, ensure_ascii=False) + "\n").encode())
    by_stage = {row["stage"]: row for row in stages_found}
    paper_row, second_row = by_stage["recipe paper"], by_stage["recipe realesrgan"]
    held = paper_row["tensors_ratio"], second_row["tensors_ratio"], second_row["arrays_ratio"]
    return int(min(held) < NEEDED)


if __name__ == "__main__":
    sys.exit(main())
