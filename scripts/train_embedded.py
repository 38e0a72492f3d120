"""Train the small networks that ship with fsrbench, and measure them.

    python scripts/train_embedded.py --family general --faces DIR --teacher FILE --out DIR
    python scripts/train_embedded.py --eval DIR --out DIR

The first trains one network; the same faces, seed, machine and number of threads give the same weights.
The second restores a folder of faces with what lies in `--out` and prints the gain over bicubic.
How each network is fed and trained is in `training/loop.py`, what it is in `training/networks.py`.
"""

from __future__ import annotations

import argparse
import functools
from pathlib import Path

import torch

from training import judge, loop, networks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--family", choices=sorted(networks.NETWORKS), help="network to train")
    parser.add_argument("--faces", type=Path, metavar="DIR", help="aligned faces to train on")
    parser.add_argument("--teacher", type=Path, metavar="FILE", help="weights of the sharp network to learn from")
    parser.add_argument("--out", type=Path, metavar="DIR", required=True, help="where the weights are written or lie")
    parser.add_argument("--steps", type=int, help="train in so many steps (default: the plan's)")
    parser.add_argument("--until", type=int, help="stop after so many steps; --resume goes on from there")
    parser.add_argument("--every", type=int, default=250, help="steps between checkpoints")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in --out")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1, help="the result depends on it (default: 1)")
    parser.add_argument("--eval", type=Path, metavar="DIR", help="faces to measure on; never train on these")
    parser.add_argument("--sheet", type=Path, metavar="PNG", help="with --eval: write a contact sheet")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    torch.set_flush_denormal(True)  # some CPUs are thirty times slower on denormals
    torch.use_deterministic_algorithms(True)
    if given.family:
        if given.faces is None or given.teacher is None:
            parser.error("--family needs --faces and --teacher")
        plan = loop.PLANS[given.family]
        if given.steps:
            plan = plan.scaled(given.steps)
        weights = loop.train(
            given.family,
            plan,
            given.faces,
            given.teacher,
            given.out,
            given.seed,
            until=given.until or plan.steps,
            every=given.every,
            resume=given.resume,
            say=functools.partial(print, flush=True),
        )
        print(weights)
    if given.eval:
        print(judge.table(*judge.measure(given.out, given.eval, given.seed, given.sheet)))
    if not given.family and not given.eval:
        parser.error("nothing to do: give --family or --eval")


if __name__ == "__main__":
    main()
