"""Do two checkouts make the same of the same faces? The same command in each; then every byte and number is compared.

python scripts/bench/alike.py BEFORE [AFTER] --faces DIR [--cases 8] [--arm NAME]… [--keep DIR]

BEFORE and AFTER are checkouts (AFTER: this one). Compared are the degraded inputs, every restoration byte for byte, the
columns of `run_config.csv` that both have but for timings, every number of `scores.csv`, and of `summary.json` what
both say of families. Exit status 1 if anything differs. The first of the faces are taken.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parents[2]
ARMS = ("heuristic", "random", "rerun", "oracle")
TIMINGS = ("seconds", "audit_seconds")


def fsrbench(checkout: Path, *words: str, cwd: Path) -> None:
    """The command of a checkout, in a process of its own."""
    path = os.pathsep.join(str(checkout / folder) for folder in ("src", "scripts"))
    environment = {**os.environ, "PYTHONPATH": path, "FSRBENCH_OFFLINE": "1"}
    subprocess.run([sys.executable, "-m", "fsrbench", *words], cwd=cwd, env=environment, check=True)


def make(checkout: Path, faces: Path, arms: list[str], place: Path) -> None:
    """Everything that is compared."""
    words = [word for arm in arms for word in ("--arm", arm)]
    fsrbench(checkout, "degrade", "--hr", str(faces), "--lr", "lr", "--seed", "7", cwd=place)
    fsrbench(checkout, "run", "--family", "all", "--hr", str(faces), "--lr", "lr", "--out", "out", *words, cwd=place)


def rows(path: Path, key: tuple[str, ...]) -> dict[tuple[str, ...], dict[str, str]]:
    """A table by what its rows are about."""
    with path.open(encoding="utf-8", newline="") as file:
        return {tuple(row[name] for name in key): row for row in csv.DictReader(file)}


def tables(one: Path, other: Path) -> Iterator[tuple[str, int, list[str]]]:
    """Each table with the number of its cells, and those that differ."""
    for name, key in (
        ("lr/degradations.csv", ("case",)),
        ("out/run_config.csv", ("family", "case", "arm", "round")),
        ("out/scores.csv", ("family", "case", "arm", "metric")),
    ):
        before, after = rows(one / name, key), rows(other / name, key)
        wrong = [f"{name}: rows {sorted(before.keys() ^ after.keys())[:3]}"] if before.keys() ^ after.keys() else []
        cells = 0
        for place in before.keys() & after.keys():
            for column in before[place].keys() & after[place].keys() - {*TIMINGS}:
                cells += 1
                if before[place][column] != after[place][column]:
                    was, now = before[place][column], after[place][column]
                    wrong.append(f"{name} {' '.join(place)} {column}: {was!r} before, {now!r} now")
        yield name, cells, wrong


def pictures(one: Path, other: Path) -> tuple[int, list[str]]:
    """How many inputs and restorations there are, and those that differ."""
    found = [
        {p.relative_to(root).as_posix(): p.read_bytes() for kind in ("lr/*.png", "out/*/*fsr*/**/*.png")
         for p in root.glob(kind)} for root in (one, other)
    ]  # fmt: skip
    names = found[0].keys() | found[1].keys()
    return len(names), [name for name in sorted(names) if found[0].get(name) != found[1].get(name)]


def leaves(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Every number and text of a JSON file, with its place."""
    if isinstance(value, dict | list):
        for key, one in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(one, f"{place}.{key}")
    else:
        yield place, value


def summaries(one: Path, other: Path) -> tuple[int, list[str]]:
    """How many values both summaries have of families, and those that differ."""
    before, after = (
        dict(leaves(json.loads((root / "out" / "summary.json").read_text(encoding="utf-8"))["families"]))
        for root in (one, other)
    )
    both = sorted(before.keys() & after.keys())
    odd = [key for key in both if before[key] != after[key]]
    return len(both), [f"summary.json{key}: {before[key]} before, {after[key]} now" for key in odd]


def main() -> int:
    """Make both, compare, tell."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path, nargs="?", default=HERE)
    parser.add_argument("--faces", type=Path, required=True)
    parser.add_argument("--cases", type=int, default=8)
    parser.add_argument("--arm", action="append", default=None)
    parser.add_argument("--keep", type=Path, default=None)
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        root = told.keep or Path(temporary)
        chosen = sorted(p for p in told.faces.rglob("*") if p.suffix in (".png", ".jpg"))[: told.cases]
        for path in chosen:
            (root / "faces").mkdir(parents=True, exist_ok=True)
            shutil.copy(path, root / "faces" / path.name)
        places = []
        for name, checkout in (("before", told.before), ("after", told.after)):
            places.append(root / name)
            places[-1].mkdir()
            make(checkout.resolve(), root / "faces", told.arm or list(ARMS), places[-1])
        number, wrong = pictures(*places)
        print(f"{number} pictures, {len(wrong)} of them differ")
        for name, cells, odd in tables(*places):
            print(f"{name}: {cells} cells, {len(odd)} of them differ")
            wrong += odd
        values, odd = summaries(*places)
        print(f"out/summary.json: {values} values, {len(odd)} of them differ")
        wrong += odd
        print(*wrong[:20], sep="\n", end="\n" if wrong else "")
        return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
