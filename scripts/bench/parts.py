"""What stands beside a network's pass: storing a picture, evidence for an auditor; what a pass takes of memory; bf16.

    python scripts/bench/parts.py --model ../shared/weights/realesr-general-x4v3.pth --faces ../shared/data/eval-faces

One thread, medians. The PNG stands against OpenCV's (zlib, level 4) on the restorations and on a page of six of them;
evidence is gathered anew for every restoration, with the instruments that are on this machine. Memory is what a pass
adds to a process of its own that has opened the network. bfloat16 is compared with fp32 in steps of 8 bits.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from growth import peak

from fsrbench.case import evidence
from fsrbench.core import plugins
from fsrbench.core.contracts import Machine, Restorer
from fsrbench.core.values import Image
from fsrbench.files import atomic
from fsrbench.imaging import images, png
from fsrbench.study import config

MACHINE = Machine(offline=True)
BACKENDS = {"general": "realesrgan", "blind": "bsrgan", "prior": "gfpgan"}
REPEAT = 5


def opened(family: str, model: Path | None) -> Restorer:
    """The family's native network: embedded, or from a checkpoint."""
    changes = [f"families.{family}.model={json.dumps(str(model.absolute()))}"] if model else []
    settings = config.with_families(config.load(None, changes)[0], [family])
    restorer: Restorer = plugins.load("backends", BACKENDS[family]).open(settings.backend_settings(family), MACHINE)
    return restorer


def milliseconds(work: Callable[[Any], object], pictures: Sequence[Any]) -> float:
    """Median over all pictures, several times."""
    taken = []
    for picture in [pictures[0], *list(pictures) * REPEAT]:  # the first time is nobody's
        started = time.perf_counter()
        work(picture)
        taken.append(time.perf_counter() - started)
    return round(1000 * statistics.median(taken[1:]), 2)


def zlib_png(pixels: np.ndarray) -> bytes:
    return bytes(cv2.imencode(".png", pixels[:, :, ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 4])[1])


def storing(restored: Sequence[Image]) -> dict[str, Any]:
    """Milliseconds and kilobytes of a PNG, ours and zlib's."""
    pictures = [images.to_8bit(image) for image in restored]
    page = np.concatenate([np.concatenate((pictures * 6)[row : row + 3], axis=1) for row in (0, 3)])
    found = {}
    for name, these in (("a restoration", pictures), ("a page of six", [page])):
        for way, encode in (("ISA-L", png.encode), ("zlib", zlib_png)):
            size = statistics.median(len(encode(one)) for one in these)
            found[f"{name}, {way}"] = {"ms": milliseconds(encode, these), "kB": round(size / 1000)}
    return found


def gathering(pairs: Sequence[tuple[Image, Image]]) -> dict[str, Any]:
    """Milliseconds of the evidence for one restoration, and with which instruments."""
    tools = evidence.open_tools(MACHINE)

    def gather(pair: tuple[Image, Image]) -> None:
        tools.seen.clear()
        tools(*pair)

    return {"ms": milliseconds(gather, pairs), **tools.available}


def memory(family: str, model: Path | None, side: int) -> float:
    """MiB that a pass adds at its highest, in a process of its own."""
    command = [sys.executable, __file__, "--family", family, "--size", str(side), "--work"]
    done = subprocess.run([*command, *(["--model", str(model)] if model else [])], capture_output=True, check=True)
    return float(done.stdout.split()[-1])


def work(restorer: Restorer, side: int) -> None:
    """The child of `memory`."""
    before = peak()
    restorer(np.random.default_rng(0).random((side, side, 3), np.float32), {}, 0, "fp32")
    print(round(peak() - before))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--family", default="general", choices=BACKENDS)
    parser.add_argument("--model", type=Path, help="a checkpoint (default: the embedded network)")
    parser.add_argument("--faces", type=Path, help="a folder of HR faces")
    parser.add_argument("--size", type=int, action="append", help="side of an input for memory; repeatable")
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    restorer = opened(given.family, given.model)
    if given.work:
        work(restorer, given.size[0])
        return
    found: dict[str, Any] = {"model": restorer.model}
    if given.faces:
        hrs = [images.fit_square(images.read(path), 512) for path in images.find(given.faces).values()]
        lrs = [images.resize(hr, 128, 128) for hr in hrs]
        plain, half = ([restorer(lr, {}, 0, precision).image for lr in lrs] for precision in ("fp32", "bf16"))
        found |= storing(plain)
        found["evidence"] = gathering(list(zip(lrs, plain, strict=True)))
        steps = [np.abs(images.to_8bit(a).astype(int) - images.to_8bit(b)) for a, b in zip(plain, half, strict=True)]
        found["bf16, 8-bit steps"] = {
            "largest": max(int(one.max()) for one in steps),
            "mean": round(float(np.mean(steps)), 3),
        }
    for side in given.size or (128, 256):
        found[f"memory of a pass, {side}×{side}"] = {"MiB": memory(given.family, given.model, side)}
    for name, value in found.items():
        told = ", ".join(f"{key} {one}" for key, one in value.items()) if isinstance(value, dict) else value
        print(f"{name:28} {told}")
    if given.json:
        atomic.write_named(given.json, (json.dumps(found, indent=1) + "\n").encode())


if __name__ == "__main__":
    main()
