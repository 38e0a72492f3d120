"""The commands that fit something on other people's faces: `tune`, `certify`."""

from __future__ import annotations

from pathlib import Path

import typer

from fsrbench.cli import certify_options, console, options
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
    plan = tunebench.TuningPlan(settings, family, hr, recipe, draws, objective, steps, limit)
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


def certify(
    family: options.OneFamily,
    arm: certify_options.BoundedArm,
    hr: certify_options.CalibrationFaces,
    fit: certify_options.FitFaces = None,
    out: certify_options.CertificateOut = None,
    alpha: certify_options.Alpha = 0.1,
    delta: certify_options.Delta = None,
    metric: certify_options.PromisedMetrics = None,
    allow: certify_options.AllowedLosses = None,
    recipe: options.Recipe = "paper",
    draws: options.Draws = 5,
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
    """Bound the chance that an arm does harm: how far may it be followed, calibrated on other people's faces?

    The arm is run on them as in any study. --policy certified then follows it only as far as the certificate reaches.
    Take faces that neither the networks nor the run to come have seen.

    Example: fsrbench certify --family general --arm heuristic --hr other-faces
    """
    from fsrbench.experiments import certify as certifying
    from fsrbench.experiments import certifybench
    from fsrbench.show import certifying as showing
    from fsrbench.study import config as configuring
    from fsrbench.study import machines
    from fsrbench.study.store import RunFolder

    settings = configuring.load(config, console.changes(changes, seed, models))[0]
    settings = configuring.with_arms(configuring.with_families(settings, [family]), [arm])
    plan = certifybench.CertifyPlan(
        settings, family, arm, hr, fit, recipe, draws, alpha, delta, tuple(metric or ()),
        certifybench.losses(allow or ()), limit,
    )  # fmt: skip
    machine = machines.machine(settings, device, precision.value, offline)
    out = out or Path(options.OUTPUTS, f"certificate-{family}-{arm}.json")
    typer.echo(f"Writing to {out}; the arm's run on these faces lies in {certifying.working(out)}", err=True)
    with console.interruptible(), console.progress() as track:
        found = certifying.run(plan, machine, out, workers=workers, track=track)
    for line in console.spending(RunFolder(certifying.working(out) / "run")):
        typer.echo(line, err=True)
    if as_json:
        typer.echo(foreign.as_json(to_json(found)))
        return
    console.show_table(showing.terminal(found))
    for line in showing.lines(found):
        typer.echo(line)
