"""The commands that fit something on other people's faces: `tune`."""

from __future__ import annotations

from pathlib import Path

import typer

from fsrbench.cli import console, options
from fsrbench.core import foreign
from fsrbench.core.stored import to_json


def tune(
    family: options.OneFamily,
    hr: options.TuningFaces,
    out: options.TunedOut = None,
    recipe: options.Recipe = "paper",
    draws: options.Draws = 5,
    objective: options.Objective = "psnr",
    knob: options.Tuned = None,
    steps: options.Steps = None,
    limit: options.Limit = None,
    models: options.WhichModels = None,
    config: options.Config = None,
    changes: options.Set = None,
    seed: options.Seed = None,
    workers: options.Workers = options.WORKERS,
    device: options.Device = "auto",
    precision: options.Arithmetic = options.Precision.fp32,
    offline: options.Offline = False,
    as_json: options.AsJson = False,
) -> None:
    """Find the best unchanging setting of a family's knobs on other people's faces, for the way constant.

    What it gains is measured on each person with the setting that all others chose. Take faces that neither the
    networks nor the run to come have seen.

    Example: fsrbench tune --family general --hr other-faces --knob self_ensemble --knob dehalo
    """
    from fsrbench.experiments import tune as tuning
    from fsrbench.experiments import tunebench
    from fsrbench.show import tuning as showing
    from fsrbench.study import config as configuring
    from fsrbench.study import machines

    own = [f"families.{family}.knobs=[{','.join(knob)}]"] if knob else []
    settings = configuring.load(config, [*console.changes(changes, seed, models), *own])[0]
    settings = configuring.with_families(settings, [family])
    plan = tunebench.Plan(settings, family, hr, recipe, draws, objective, steps, limit)
    machine = machines.machine(settings, device, precision.value, offline)
    out = out or Path(options.OUTPUTS, f"constant-{family}.json")
    typer.echo(f"Writing to {out}", err=True)
    with console.interruptible(), console.progress() as track:
        found = tuning.run(plan, machine, out, workers=workers, track=track)
    if as_json:
        typer.echo(foreign.as_json(to_json(found)))
        return
    console.show_table(showing.terminal(found))
    for line in showing.lines(found):
        typer.echo(line)
