"""What arms gain and whom they harm, with and without a certificate: the table of the page on certificates.

python scripts/bench/certified.py --hr FACES --out DIR --certificate ARM=FILE [--draws 8] [--family general] [--set …]

Each face is degraded `--draws` times by recipe `paper`; all draws of a face are one person. Every arm of
`certified.yaml` runs, and beside each arm with a certificate the same arm under it. What was begun goes on.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
from pathlib import Path

from fsrbench import api
from fsrbench.case import degrade
from fsrbench.files import yamlfile
from fsrbench.imaging import images

CONFIG = Path(__file__).with_name("certified.yaml")


def inputs(faces: Path, root: Path, draws: int, seed: int) -> tuple[Path, Path, Path]:
    """Each face under as many names as it is drawn, their inputs, and who is who."""
    high, low, persons = root / "hr", root / "lr", root / "persons.csv"
    rows = []
    for case, path in images.find(faces).items():
        for draw in range(draws):
            copy = high / f"{case}-{draw}{path.suffix}"
            copy.parent.mkdir(parents=True, exist_ok=True)
            if not copy.exists():
                shutil.copyfile(path, copy)
            rows.append((copy.stem, case))
    with persons.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("case", "cluster"), *rows])
    degrade.degrade(high, low, recipe="paper", scale=4, hr_size=512, seed=seed, workers=2)
    return high, low, persons


def main() -> None:
    """Run, and print the summary's tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hr", type=Path, required=True, metavar="DIR", help="faces that nothing here has seen")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the inputs and the run lie")
    parser.add_argument("--certificate", action="append", default=[], metavar="ARM=FILE", help="repeatable")
    parser.add_argument("--draws", type=int, default=8, help="degraded inputs made of each face (default: 8)")
    parser.add_argument("--family", default="general", help="which pipeline (default: general)")
    parser.add_argument(
        "--config", type=Path, default=CONFIG, metavar="FILE", help="the arms (default: certified.yaml)"
    )
    parser.add_argument("--arm", action="append", help="only these arms of it; repeatable")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change a setting; repeatable")
    parser.add_argument("--workers", type=int, default=2, help="cases in flight (default: 2)")
    given = parser.parse_args()
    high, low, persons = inputs(given.hr, given.out, given.draws, seed=1)
    known = yamlfile.read(given.config)[0]["arms"]
    arms = given.arm or list(known)
    changes = [f"clusters={json.dumps(str(persons))}", *given.set]
    for named in given.certificate:
        arm, _, file = named.partition("=")
        under = {**known[arm], "policy": "certified", "certificate": file}
        changes.append(f"arms.certified-{arm}={json.dumps(under)}")
        arms.append(f"certified-{arm}")
    run = api.run(
        lr=low, hr=high, out=given.out / "run", families=given.family, arms=arms, config=given.config, settings=changes,
        workers=given.workers, offline=True, progress=True,
    )  # fmt: skip
    print((run.path / "summary.md").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
