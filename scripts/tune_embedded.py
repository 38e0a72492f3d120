"""Tune the constants that ship with fsrbench, for the small networks that ship with it.

    python scripts/tune_embedded.py --hr DIR

Run it again whenever an embedded network has changed: a constant of other networks is refused. `--hr` holds faces that
none of the networks was trained on. Each family's network is heard beside the second one of `configs/hooks.yaml`; what
is tuned are the views it sees and how much of the second one is blended in. Tuning that was interrupted goes on.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from fsrbench.case import tuned
from fsrbench.core.values import FAMILIES
from fsrbench.experiments import tune
from fsrbench.experiments.tunebench import Plan
from fsrbench.show import tuning
from fsrbench.study import config, machines

ROOT = Path(__file__).parents[1]
KNOBS = "self_ensemble, second_opinion"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hr", type=Path, required=True, metavar="DIR", help="faces that no network was trained on")
    parser.add_argument("--family", choices=FAMILIES, action="append", help="only this one; repeatable")
    parser.add_argument("--draws", type=int, default=5, help="degraded inputs made of each face (default: 5)")
    parser.add_argument("--workers", type=int, default=2, help="inputs in flight (default: 2)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change a setting; repeatable")
    given = parser.parse_args()
    for family in given.family or FAMILIES:
        own = [f"families.{family}.knobs=[{KNOBS}]", *given.set]
        settings = config.with_families(config.load(ROOT / "configs" / "hooks.yaml", own)[0], [family])
        machine = machines.machine(settings, "cpu", offline=True)
        plan = Plan(settings, family, given.hr, draws=given.draws)
        found = tune.run(plan, machine, tuned.place(tuned.SHIPPED, family), workers=given.workers)
        print(f"{family}: {tuning.setting(found)}", *tuning.lines(found), sep="\n  ", flush=True)


if __name__ == "__main__":
    main()
