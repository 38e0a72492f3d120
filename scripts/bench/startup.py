"""How long `fsrbench --help` and a finished run's resume take: medians of several starts, as a table and JSON.

python scripts/bench/startup.py [--resume --family general --lr DIR --out RUN …]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time


def seconds(words: list[str], times: int) -> float:
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-m", "fsrbench", *words], check=True, capture_output=True)
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=9, help="starts of each command")
    parser.add_argument("--resume", nargs=argparse.REMAINDER, default=[], help="a `run` command that is finished")
    given = parser.parse_args()
    commands = {"--help": ["--help"], "run --help": ["run", "--help"]}
    if given.resume:
        commands["resume"] = ["run", *given.resume, "--no-evaluate"]
    found = {name: round(seconds(words, given.times), 3) for name, words in commands.items()}
    for name, median in found.items():
        print(f"{name:12} {median:.3f} s")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
