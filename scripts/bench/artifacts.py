"""How well the heuristic auditor tells pictures with a planted artifact from clean ones.

    python scripts/bench/artifacts.py --faces DIR --model PATH --json FILE
    python scripts/bench/artifacts.py --faces DIR --model embedded --model PATH --calibrate

The first prints a table in Markdown. Clean pictures are of several kinds: every face as it is (512 pixels), and its
restoration by each `--model` (a ×4 checkpoint, or `embedded`) from the face at a quarter of the size. Each kind is
judged by itself: AUC is the chance that the auditor measures more of its tag on a spoilt picture than on a clean
one of the same kind. In brackets: how many it tags. The last row of a tag puts the kinds together, which asks for one
scale for all of them.

`--remedies` prints what turning each knob, by which the auditor answers a tag, does to its planted artifact and to
the distance from the clean picture. `--grids` prints the AUC of blockiness for every place where JPEG's grid may begin.

The second prints the constants of `artifacts.py` and `agreement.py` that say what clean pictures show; never use the
same faces for both.
"""

from __future__ import annotations

import argparse
import functools
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from fsrbench.auditors import heuristic
from fsrbench.core import plugins
from fsrbench.core.questions import Evidence, Question
from fsrbench.core.values import Image, derive_seed
from fsrbench.files import atomic
from fsrbench.imaging import agreement, artifacts, images, luma
from fsrbench.recipes import _stages

SIZE, SCALE = 512, 4


@dataclass(frozen=True)
class Plant:
    """An artifact that can be put into a picture."""

    tag: str
    """What the auditor should call it."""
    strengths: tuple[float, ...]
    """From faint to strong."""
    put: Callable[[Image, float], Image]
    """Picture and strength to the spoilt picture."""
    shown: str
    """What it is, for the table; the strengths follow."""


@dataclass(frozen=True)
class Clean:
    """A picture without the artifact."""

    kind: str
    """`photo`, or the name of the network that made it."""
    sr: Image
    """The picture."""
    lr: Image
    """The input that it is a restoration of."""


# -------------------------------------------------------------------- planting


def jpeg(image: Image, quality: float) -> Image:
    data = np.frombuffer(images.encode(image, "jpeg", round(quality)), np.uint8)
    return images.from_8bit(cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB))


def jpeg_from(image: Image, quality: float, top: int, left: int) -> Image:
    """JPEG whose grid begins so far down and right, as in a picture that was cropped afterwards."""
    padded = np.pad(image, ((8 - top, 0), (8 - left, 0), (0, 0)), mode="reflect")
    return np.ascontiguousarray(jpeg(padded, quality)[8 - top :, 8 - left :])


def sinc(image: Image, cutoff: float) -> Image:
    """Real-ESRGAN's low-pass, 21 pixels wide, cut off at a share of the highest frequency."""
    return images.as_stored(cv2.filter2D(image, -1, _stages.sinc(21, cutoff * math.pi), borderType=cv2.BORDER_REFLECT))


def unsharp(image: Image, amount: float) -> Image:
    return images.as_stored(image + np.float32(amount) * (image - cv2.GaussianBlur(image, (0, 0), 1.5)))


def tint(image: Image, gain: float) -> Image:
    return images.as_stored(image * np.array([1 + gain, 1, 1 - gain], np.float32))


def ideal(image: Image, cutoff: float) -> Image:
    """The spectrum cut off at once."""
    return _with_spectrum(image, lambda frequency: frequency < cutoff / 2)


def resonance(image: Image, gain: float) -> Image:
    """A narrow band around 0.2 cycles a pixel lifted."""
    return _with_spectrum(image, lambda frequency: 1 + gain * np.exp(-np.square((frequency - 0.2) / 0.02) / 2))


def echo(image: Image, share: float) -> Image:
    """Every edge comes again along both axes with a period of 6 pixels, fading: nothing is cut off."""
    distance = np.arange(-12, 13)
    kernel = share * np.cos(2 * np.pi * distance / 6) * np.exp(-np.abs(distance) / 5)
    kernel -= kernel.mean()
    kernel[12] += 1
    return images.as_stored(cv2.sepFilter2D(image, -1, kernel, kernel, borderType=cv2.BORDER_REFLECT))


def _with_spectrum(image: Image, gain: Callable[[NDArray[Any]], NDArray[Any]]) -> Image:
    frequency = np.hypot(np.fft.fftfreq(image.shape[0])[:, None], np.fft.fftfreq(image.shape[1])[None])
    spectrum = np.fft.fft2(image, axes=(0, 1)) * gain(frequency)[:, :, None]
    return images.as_stored(np.fft.ifft2(spectrum, axes=(0, 1)).real.astype(np.float32))


CUTOFFS = (0.8, 0.68, 0.56, 0.44, 1 / 3)
"""Of the highest frequency; a third is where Real-ESRGAN's draws end."""
STANDARD = (
    Plant("blockiness", (90, 70, 50, 30, 10), jpeg, "JPEG, quality"),
    Plant("ringing", CUTOFFS, sinc, "sinc low-pass, cut-off (× π)"),
    Plant("oversharpening", (0.5, 1, 1.5, 2, 3), unsharp, "unsharp mask (σ 1.5), amount"),
    Plant("color_shift", (0.03, 0.05, 0.08, 0.12, 0.16), tint, "red up, blue down by"),
)
FURTHER = (
    Plant("ringing", CUTOFFS, ideal, "ideal low-pass, cut-off (× π)"),
    Plant("ringing", (0.5, 1, 2, 3, 4), resonance, "narrow band lifted by"),
    Plant("ringing", (0.05, 0.1, 0.15, 0.2, 0.3), echo, "edges repeated, share"),
)
"""Other ways to ring, harder to see in a spectrum."""


# -------------------------------------------------------------------- judging


def clean_pictures(faces: Path, models: Sequence[str]) -> list[Clean]:
    """Every face, and its restoration by every model."""
    from fsrbench.models import networks

    embedded = Path(str(resources.files("fsrbench.models") / "embedded" / "general.safetensors"))
    nets = {Path(name).stem: networks.load(embedded if name == "embedded" else Path(name)) for name in models}
    found = []
    for path in images.find(faces).values():
        photo = images.as_stored(images.fit_square(images.read(path), SIZE))
        lr = images.as_stored(images.resize(photo, SIZE // SCALE, SIZE // SCALE))
        found.append(Clean("photo", photo, lr))
        for name, net in nets.items():
            found.append(Clean(name, images.as_stored(np.clip(networks.upscale(net, lr)[0], 0, 1)), lr))
    return found


def auc(spoilt: Sequence[float], clean: Sequence[float]) -> float:
    """Chance that a spoilt picture has the higher value; a tie counts half."""
    a, b = np.asarray(spoilt)[:, None], np.asarray(clean)[None]
    return float(((a > b) + 0.5 * (a == b)).mean())


def ask(sr: Image, lr: Image) -> tuple[Mapping[str, float], tuple[str, ...]]:
    """What the auditor measured, and the tags that it gave."""
    answer = heuristic.audit(Question("case", "general", 1, 0, Evidence(lr, sr, (), "", {}), {}, {}))
    return answer.exchange["measured"], answer.audit.tags


def judge(plants: Sequence[Plant], pictures: Sequence[Clean]) -> list[dict[str, Any]]:
    """A row for each artifact and kind of clean picture, and one for all kinds together."""
    untouched = [ask(one.sr, one.lr) for one in pictures]
    kinds = list(dict.fromkeys(one.kind for one in pictures))
    rows = []
    for plant in plants:
        spoilt = [[ask(plant.put(one.sr, s), one.lr) for one in pictures] for s in plant.strengths]
        for kind in [*kinds, "together"] if len(kinds) > 1 else kinds:
            own = [i for i, one in enumerate(pictures) if kind in (one.kind, "together")]
            clean = [untouched[i][0][plant.tag] for i in own]
            values = [[answers[i][0][plant.tag] for i in own] for answers in spoilt]
            rows.append(
                {
                    "tag": plant.tag,
                    "artifact": plant.shown,
                    "kind": kind,
                    "pictures": len(own),
                    "strengths": list(plant.strengths),
                    "auc": [round(auc(v, clean), 4) for v in values],
                    "tagged": [_share(plant.tag, [answers[i] for i in own]) for answers in spoilt],
                    "auc_all": round(auc([v for some in values for v in some], clean), 4),
                    "tagged_clean": _share(plant.tag, [untouched[i] for i in own]),
                }
            )
    return rows


def grid_table(pictures: Sequence[Clean]) -> str:
    """Markdown: AUC of blockiness by quality over all 64 places of the grid, in pictures and in enlarged inputs."""
    lines = [
        "| JPEG quality | in the picture: least, mean AUC | in the input, enlarged: least, mean AUC |",
        "|---|---|---|",
    ]

    def enlarged(lr: Image) -> tuple[Image, Image]:
        return images.as_stored(images.resize(lr, SIZE, SIZE)), lr

    def measured(pairs: Iterable[tuple[Image, Image]]) -> list[float]:
        return [artifacts.blockiness(artifacts.Look(sr, lr)) for sr, lr in pairs]

    clean = measured((one.sr, one.lr) for one in pictures), measured(enlarged(one.lr) for one in pictures)
    for quality in STANDARD[0].strengths:
        found = np.array(
            [
                (
                    auc(measured((jpeg_from(one.sr, quality, *place), one.lr) for one in pictures), clean[0]),
                    auc(measured(enlarged(jpeg_from(one.lr, quality, *place)) for one in pictures), clean[1]),
                )
                for place in np.ndindex(8, 8)
            ]
        )
        cells = [f"{column.min():.2f}, {column.mean():.2f}" for column in found.T]
        lines.append(f"| {quality:g} | {cells[0]} | {cells[1]} |")
    return "\n".join(lines)


def _share(tag: str, answers: Sequence[tuple[Mapping[str, float], tuple[str, ...]]]) -> float:
    return round(sum(tag in tags for _, tags in answers) / len(answers), 4)


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Markdown: AUC, and in brackets the share tagged, from the faintest to the strongest."""
    lines = [
        "| tag | planted | clean pictures | 1 | 2 | 3 | 4 | 5 | all strengths | tagged though clean |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        strengths = ", ".join(f"{s:.2g}" for s in row["strengths"])
        cells = [f"{a:.2f} ({t:.0%})" for a, t in zip(row["auc"], row["tagged"], strict=True)]
        start = [row["tag"].replace("_", " "), f"{row['artifact']} {strengths}", f"{row['kind']} ({row['pictures']})"]
        end = [f"**{row['auc_all']:.2f}**", f"{row['tagged_clean']:.0%}"]
        lines.append(f"| {' | '.join([*start, *cells, *end])} |")
    return "\n".join(lines)


# -------------------------------------------------------------------- remedies


def remedies() -> list[tuple[str, str, float]]:
    """Every remedy of the heuristic: tag, knob, and the end to which it is turned."""
    found = []
    for tag, curve in heuristic.CURVES.items():
        for remedy in curve.remedies:
            knob = plugins.load("knobs", remedy.removeprefix("-"))
            ends = knob.choices or (knob.low, knob.high)
            found.append((tag, remedy.removeprefix("-"), float(min(ends) if remedy.startswith("-") else max(ends))))
    return found


def turn(knob: str, value: float, restored: Image, lr: Image) -> Image:
    """What a knob makes of a restoration: those after the network, and the two that backends make themselves."""
    if knob == "restore_weight":
        made = value * restored + (1 - value) * images.resize(lr, restored.shape[1], restored.shape[0])
    elif knob == "scale":
        half = images.resize(restored, restored.shape[1] // 2, restored.shape[0] // 2, "area")
        made = images.resize(half, restored.shape[1], restored.shape[0])
    else:
        made = plugins.load("knobs", knob).apply(restored, value, lr)
    return images.as_stored(np.asarray(made, np.float32))


def treat(tag: str, knob: str, value: float, clean: Clean, strength: int) -> dict[str, float]:
    """An artifact planted and its knob turned: what is measured, and PSNR against the clean picture, before and after.

    It is planted into the restoration; for a knob that acts on the input, into the input, which the embedded network
    of its family restores with and without the knob; clean is then what it makes of the clean input.
    """
    plant = next(plant for plant in STANDARD if plant.tag == tag)
    about, lr, sr = plugins.load("knobs", knob), clean.lr, clean.sr
    if about.stage == "before":
        net = embedded(about.families[0])
        lr = plant.put(lr, plant.strengths[strength])
        sr, before, after = (net(one) for one in (clean.lr, lr, about.apply(lr, value, lr)))
    else:
        before = plant.put(sr, plant.strengths[strength])
        after = turn(knob, value, before, lr)
    measured = [artifacts.MEASURES[tag](artifacts.Look(one, lr)) for one in (before, after)]
    near = [-10 * math.log10(float(np.square(one - sr, dtype=np.float64).mean()) + 1e-12) for one in (before, after)]
    return {"before": measured[0], "after": measured[1], "psnr_before": near[0], "psnr_after": near[1]}


@functools.cache
def embedded(family: str) -> Callable[[Image], Image]:
    """The embedded network of a family that takes pictures of any size."""
    from fsrbench.models import networks, weights

    net = networks.load(weights.embedded(family))
    return lambda lr: images.as_stored(np.clip(networks.upscale(net, lr)[0], 0, 1))


def remedy_table(pictures: Sequence[Clean]) -> str:
    """Markdown: each remedy on each kind of picture, strengths 3 and 5 of its artifact."""
    lines = [
        "| tag | knob | clean pictures | measured | became less | PSNR | nearer |",
        "|---|---|---|---|---|---|---|",
    ]
    for tag, knob, value in remedies():
        for kind in dict.fromkeys(one.kind for one in pictures):
            own = [one for one in pictures if one.kind == kind]
            found = [treat(tag, knob, value, one, strength) for one in own for strength in (2, 4)]
            mean = {name: float(np.mean([row[name] for row in found])) for name in found[0]}
            less = np.mean([row["after"] < row["before"] for row in found])
            nearer = np.mean([row["psnr_after"] > row["psnr_before"] for row in found])
            gain = mean["psnr_after"] - mean["psnr_before"]
            lines.append(
                f"| {tag.replace('_', ' ')} | `{knob}` {value:g} | {kind} ({len(own)}) | {mean['before']:.2f} → "
                f"{mean['after']:.2f} | {less:.0%} | {gain:+.2f} dB | {nearer:.0%} |"
            )
    return "\n".join(lines)


# -------------------------------------------------------------------- calibrating


def without_ringing(image: Image) -> list[Image]:
    """The picture, sharpened, as JPEG, and enlarged by 2: none of it is what `ringing` is after."""
    half = images.resize(image, SIZE // 2, SIZE // 2)
    return [image, unsharp(image, 1), jpeg(image, 50), images.as_stored(images.resize(half, SIZE, SIZE))]


def calibration(pictures: Sequence[Clean]) -> str:
    planes = [luma.levels(image) for one in pictures for image in without_ringing(one.sr)]
    found = np.array([artifacts.echoes(plane) for plane in planes]) * 1000
    mean, spread = (np.round(values).astype(int).tolist() for values in (found.mean(axis=0), found.std(axis=0)))
    return f"ECHO_MEAN = np.array({mean}) / 1000\nECHO_SPREAD = np.array({spread}) / 1000"


def noise_constants(faces: Path) -> str:
    """What is left between faces and their degraded selves, blur allowed for, as a line in what noise there is."""
    from scipy.optimize import least_squares

    left, noise = [], []
    for case, path in images.find(faces).items():
        photo = images.as_stored(images.fit_square(images.read(path), SIZE))
        for name in ("paper", "realesrgan", "bsrgan"):
            recipe = plugins.load("recipes", name)
            for seed in range(3):
                drawn = recipe.draw(np.random.default_rng(derive_seed(seed, "degrade", case)))
                lr = images.as_stored(recipe.apply(photo, drawn, SCALE))
                left.append(agreement.difference(lr, images.resize(photo, lr.shape[1], lr.shape[0])))
                noise.append(agreement.median_residual(lr))

    def misfit(logs: NDArray[Any]) -> NDArray[Any]:
        floor, share = np.exp(logs)
        return np.asarray(10 * np.log10(np.array(left) / (floor + share * np.array(noise))))

    floor, share = np.exp(least_squares(misfit, np.zeros(2), loss="soft_l1").x)
    return f"UNEXPLAINED = {floor:.1f}\nNOISE_SHARE = {share:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=Path, metavar="DIR", required=True, help="aligned faces")
    parser.add_argument("--model", action="append", default=[], metavar="PATH", help="×4 checkpoint, or embedded")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there too")
    parser.add_argument("--grids", action="store_true", help="print how well blocks are found at any offset instead")
    parser.add_argument("--remedies", action="store_true", help="print what the auditor's remedies do instead")
    parser.add_argument("--calibrate", action="store_true", help="print the constants of artifacts.py instead")
    given = parser.parse_args()
    pictures = clean_pictures(given.faces, given.model)
    if given.grids:
        print(grid_table([one for one in pictures if one.kind == "photo"]))
        return
    if given.remedies:
        print(remedy_table(pictures))
        return
    if given.calibrate:
        print(f"{calibration(pictures)}\n{noise_constants(given.faces)}")
        return
    rows = judge(STANDARD, pictures)
    further = judge(FURTHER, pictures)
    print(f"{table(rows)}\n\nFurther kinds of ringing:\n\n{table(further)}")
    if given.json:
        text = json.dumps({"format": 1, "standard": rows, "further": further}, indent=1)
        atomic.write_bytes(given.json, (text + "\n").encode())


if __name__ == "__main__":
    main()
