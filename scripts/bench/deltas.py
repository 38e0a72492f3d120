"""Real paired differences, as numbers: what an arm that guesses changes in faces that were degraded many times.

python scripts/bench/deltas.py --faces HR_FOLDER --checkpoint realesr-general-x4v3.pth --out tests/data/deltas.csv

A row is a case (a face, a recipe and a seed), a column a guessing arm and a metric. `claims.py` resamples the rows, so
that what is claimed of differences can be tried on such as really occur: skewed, and tied to each other. No picture
is kept.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from fsrbench.case import degrade
from fsrbench.core.contracts import Machine
from fsrbench.files import csvfile
from fsrbench.imaging import images
from fsrbench.measure import evaluate, subjects
from fsrbench.measure.results import Numbers
from fsrbench.study import config, schema
from fsrbench.study.run import run_study

RECIPES = ("paper", "realesrgan", "bsrgan")
ARMS = ("random", "guess", "again")
METRICS = ("psnr", "ssim", "psnr_y", "ssim_y", "niqe")


def deltas(faces: Path, recipe: str, seeds: int, checkpoint: Path, root: Path) -> dict[str, list[float]]:
    """Case → its differences, arm by arm, metric by metric."""
    for name, path in images.find(faces).items():
        for seed in range(seeds):
            images.write(root / "hr" / f"{name}-{recipe}-{seed}.png", images.fit_square(images.read(path), 512))
    degrade.degrade(root / "hr", root / "lr", recipe=recipe, scale=4, hr_size=512, seed=0, workers=1)
    changes = [f"arms.{arm}={{auditor: random, policy: paper}}" for arm in ARMS]
    changes += [f"metrics={','.join(METRICS)}", f"families.general.model={checkpoint.resolve()}"]
    settings = config.with_arms(config.with_families(config.load(None, changes)[0], ["general"]), ARMS)
    machine = Machine(offline=True)
    outcome = run_study(settings, machine, root / "lr", root / "hr", root / "out", workers=1)
    assert not outcome.failures, outcome.failures[:1]
    what = subjects.of_run(outcome.folder, schema.Settings.model_validate(outcome.folder.study()["settings"]))
    numbers = Numbers(evaluate.measure(what, machine, 1))
    columns = [numbers.deltas("general", metric, arm) for arm in ARMS for metric in METRICS]
    return {case: [column[case] for column in columns] for case in sorted(columns[0])}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=Path, required=True, help="folder of HR faces")
    parser.add_argument("--checkpoint", type=Path, required=True, help="network of the family general")
    parser.add_argument("--seeds", type=int, default=4, help="degradations of each face with each recipe")
    parser.add_argument("--out", type=Path, required=True, help="table to write")
    options = parser.parse_args()
    found: dict[str, list[float]] = {}
    for recipe in RECIPES:
        with tempfile.TemporaryDirectory() as folder:
            found |= deltas(options.faces, recipe, options.seeds, options.checkpoint, Path(folder))
    head = ["case", *(f"{arm} {metric}" for arm in ARMS for metric in METRICS)]
    csvfile.write(options.out, head, ([case, *row] for case, row in found.items()))


if __name__ == "__main__":
    main()
