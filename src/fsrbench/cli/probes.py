"""Commands beside a run: how much could be gained, what can be turned or named, what is sent."""

from __future__ import annotations

from pathlib import Path

import typer

from fsrbench.cli import console, options
from fsrbench.core import foreign
from fsrbench.core.errors import SettingsError
from fsrbench.core.near import among
from fsrbench.core.stored import to_json


def headroom(
    run: options.Beside = None,
    family: options.Families = None,
    hr: options.High = options.HIGH,
    lr: options.Low = options.LOW,
    out: options.HeadroomOut = options.OUTPUTS / "headroom",
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
    """Measure how much any auditor could gain: an oracle that sees the reference picks the best allowed knobs.

    With --run the run's inputs and settings are taken, and it is said which share of the gain each of its arms caught.

    Example: fsrbench headroom --family general --limit 4
    """
    from dataclasses import replace

    from fsrbench.experiments import headroom as measuring
    from fsrbench.show import overviews
    from fsrbench.study import config as configuring
    from fsrbench.study import machines

    own = console.changes(changes, seed, models)
    if run is not None:
        if (hr, lr) != (options.HIGH, options.LOW):
            raise SettingsError("--run takes the run's own pictures: leave --hr and --lr out.")
        plan = measuring.beside(run)
        settings = configuring.load(config, own)[0] if config or own else plan.settings
        plan = replace(plan, settings=settings)
    else:
        plan = measuring.Plan(configuring.load(config, own)[0], lr, _folder(hr, options.HIGH))
    plan = replace(plan, settings=configuring.with_families(plan.settings, family or ["all"]))
    machine = machines.machine(plan.settings, device, precision.value, offline)
    typer.echo(f"Writing to {out}", err=True)
    with console.interruptible(), console.progress() as track:
        found = measuring.run(plan, machine, out, limit=limit, workers=workers, track=track)
    overviews.write_headroom(found, out)
    if as_json:
        typer.echo(foreign.as_json(to_json(found)))
    else:
        console.show_table(overviews.headroom_terminal(found))
        for line in overviews.headroom_lines(found):
            typer.echo(line)
    for line in (*found["notes"], *(f"failed: {line}" for line in found["failures"])):
        typer.echo(line, err=True)
    raise typer.Exit(3 if found["failures"] else 0)


def knobs(
    family: options.Families = None,
    hr: options.High = options.HIGH,
    lr: options.Low = options.LOW,
    limit: options.Tried = 2,
    models: options.WhichModels = None,
    config: options.Config = None,
    changes: options.Set = None,
    seed: options.Seed = None,
    device: options.Device = "auto",
    precision: options.Arithmetic = options.Precision.fp32,
    offline: options.Offline = False,
    as_json: options.AsJson = False,
) -> None:
    """List every knob with its bounds and meaning; where there are pictures, how far each end of its band moves them.

    A knob that moves no pixel is called dead.

    Example: fsrbench knobs --family prior --set families.prior.backend=upstream_gfpgan
    """
    from fsrbench.experiments import preview
    from fsrbench.show import overviews
    from fsrbench.study import config as configuring
    from fsrbench.study import machines

    settings = configuring.load(config, console.changes(changes, seed, models))[0]
    settings = configuring.with_families(settings, family or ["all"])
    machine = machines.machine(settings, device, precision.value, offline)
    pictures, references = _folder(lr, options.LOW), _folder(hr, options.HIGH)
    with console.interruptible(), console.progress() as track:
        found = preview.knobs(settings, machine, pictures, references, limit, track)
    if as_json:
        typer.echo(foreign.as_json(found))
        return
    for line in overviews.knobs(found):
        typer.echo(line)


def prompt(
    family: options.OneFamily,
    case: options.OneCase = None,
    lr: options.Low = options.LOW,
    models: options.WhichModels = None,
    config: options.Config = None,
    changes: options.Set = None,
    seed: options.Seed = None,
    device: options.Device = "auto",
    offline: options.Offline = False,
    as_json: options.AsJson = False,
) -> None:
    """Print exactly what an LVLM would be sent about a picture: the prompt, the pictures, the schema.

    Nothing is sent and nothing is downloaded: what a run would measure with files that are not here is named.

    Example: fsrbench prompt --family blind
    """
    from fsrbench.experiments import preview
    from fsrbench.show import overviews
    from fsrbench.study import config as configuring
    from fsrbench.study import machines

    settings = configuring.load(config, console.changes(changes, seed, models))[0]
    machine = machines.machine(settings, device, offline=offline)
    with console.interruptible():
        found = preview.question(settings, machine, family, lr, case)
    typer.echo(foreign.as_json(found) if as_json else overviews.prompt(found))


def plugins(kind: options.Kind = None, as_json: options.AsJson = False) -> None:
    """List what a setting can name: ways to intervene, judges, auditors, networks, recipes, metrics, knobs.

    Plugins of your own, in the folders that FSRBENCH_PLUGINS names, are among them.

    Example: fsrbench plugins judges
    """
    from dataclasses import asdict

    from fsrbench.cli import catalogue

    if kind is not None and kind not in catalogue.KINDS:
        raise SettingsError(f"There are no {kind!r}.{among(kind, catalogue.KINDS)}")
    found = list(catalogue.entries(catalogue.KINDS if kind is None else (kind,)))
    if as_json:
        typer.echo(foreign.as_json([asdict(entry) for entry in found]))
        return
    for listed in dict.fromkeys(entry.kind for entry in found):
        typer.echo(listed)
        for entry in (entry for entry in found if entry.kind == listed):
            own = f" Settings: {', '.join(entry.settings)}." if entry.settings else ""
            typer.echo(foreign.harmless(f"  {entry.name:21} {entry.text}{own}"))


def _folder(named: Path, default: Path) -> Path | None:
    """A folder that was named, or the default one where it holds pictures; else None."""
    from fsrbench.imaging import images

    return named if named != default or (named.is_dir() and images.find(named)) else None
