"""The command line. Each command parses, calls one function, prints, exits; nothing is computed here.

Exit status: 0 done; 1 `check` found a regression; 2 wrong usage or settings; 3 finished, but some cases failed or an
arm's replies were mostly unusable; 130 interrupted, and the same command goes on.
"""

from __future__ import annotations

import errno
import json
import logging
import sys
from collections.abc import Iterable
from pathlib import Path

import typer

from fsrbench import __version__
from fsrbench.cli import console, evidence_commands, options, probes
from fsrbench.core.errors import SettingsError, sentence

app = typer.Typer(
    name="fsrbench",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def _root(version: options.Version = False) -> None:
    """Does a vision-language model in the loop improve a face super-resolution pipeline?

    Start with: fsrbench demo
    """
    if version:
        typer.echo(f"fsrbench {__version__}")
        raise typer.Exit


@app.command(short_help="Everything once, small, with no download.")
def demo(
    out: options.DemoOut = options.OUTPUTS / "demo",
    workers: options.Workers = options.WORKERS,
    device: options.Device = "auto",
) -> None:
    """Everything once, small, with no download: two portraits, three families, one auditor.

    Example: fsrbench demo --out outputs/demo
    """
    from fsrbench.cli import demo as demonstration
    from fsrbench.study import config

    settings = config.load(None)[0]
    machine = console.machine(settings, device, options.Precision.fp32, offline=True)
    typer.echo(f"Writing to {out}", err=True)
    with console.interruptible(), console.progress() as track:
        outcome, summary = demonstration.run(out, machine, workers, track)
    console.show(summary, out, as_json=False)
    console.finish(outcome, settings)


@app.command(short_help="Make low-resolution faces from high-resolution ones.")
def degrade(
    hr: options.High = options.HIGH,
    lr: options.Low = options.LOW,
    recipe: options.Recipe = "paper",
    scale: options.Scale = 4,
    hr_size: options.HrSize = 512,
    seed: options.DrawSeed = 0,
    table: options.From = None,
    workers: options.Workers = options.WORKERS,
    as_json: options.AsJson = False,
) -> None:
    """Make low-resolution faces from high-resolution ones; every drawn value goes to degradations.csv.

    Example: fsrbench degrade --hr faces --lr inputs/low_res_imgs --recipe paper
    """
    from fsrbench.case import degrade as degrading

    if table is not None and (recipe, scale, hr_size, seed) != ("paper", 4, 512, 0):
        raise SettingsError("--from takes recipe, scale, size and seed from its table: leave these options out.")
    with console.interruptible(), console.progress() as track:
        report = degrading.degrade(
            hr, lr, recipe=recipe, scale=scale, hr_size=hr_size, seed=seed, workers=workers, table=table, track=track
        )
    for case, why in (*report.notes, *report.failed):
        typer.echo(f"{case}: {why}", err=True)
    if report.cropping:
        typer.echo(report.cropping, err=True)
    if as_json:
        cropped = dict(report.cropped)
        found = {
            "done": report.done,
            "failed": dict(report.failed),
            "cropped": cropped,
            "table": report.table.as_posix(),
        }
        typer.echo(json.dumps(found))
    else:
        drawn = f"; what was drawn is in {report.table}" if report.done else ""
        typer.echo(f"{len(report.done)} pictures made in {lr}{drawn}")
    raise typer.Exit(3 if report.failed else 0)


@app.command(short_help="Restore alone and supervised, then measure the difference.")
def run(
    family: options.Families = None,
    lvlm: options.Lvlm = False,
    arm: options.Arms = None,
    hr: options.High = options.HIGH,
    lr: options.Low = options.LOW,
    out: options.RunOut = None,
    limit: options.Limit = None,
    models: options.WhichModels = None,
    policy: options.Policy = None,
    base_url: options.BaseUrl = None,
    lvlm_model: options.LvlmModel = None,
    concurrency: options.Concurrency = None,
    max_cost: options.MaxCost = None,
    no_evaluate: options.NoEvaluate = False,
    config: options.Config = None,
    changes: options.Set = None,
    seed: options.Seed = None,
    workers: options.RunWorkers = None,
    executor: options.WhichExecutor = options.Executor.local,
    address: options.Address = None,
    device: options.Device = "auto",
    precision: options.Arithmetic = options.Precision.fp32,
    offline: options.Offline = False,
    as_json: options.AsJson = False,
) -> None:
    """Restore every picture alone and supervised, then measure the difference.

    Running the same command again finishes what is missing; a family or an arm may be added later.

    Example: fsrbench run --family blind --arm heuristic
    """
    from fsrbench.files import names
    from fsrbench.show import publish
    from fsrbench.study import config as configuring
    from fsrbench.study.run import run_study

    settings, own_arms = configuring.load(config, console.changes(changes, seed, models))
    settings = configuring.with_families(settings, family or ["all"])
    named = [*(arm or []), *(["lvlm"] if lvlm else [])]
    settings = configuring.with_arms(settings, named or own_arms)
    settings = configuring.with_options(
        settings, base_url=base_url, model=lvlm_model, policy=policy, concurrency=concurrency, max_cost=max_cost
    )
    folder = out or options.OUTPUTS / names.of(lr.resolve().name, f"-{settings.models}-seed{settings.seed}")
    if policy is not None and (told := configuring.followed(settings, policy)):
        typer.echo(told, err=True)
    if no_evaluate and as_json:
        raise SettingsError("--json prints the summary, which --no-evaluate leaves out. Give one of the two.")
    typer.echo(f"Writing to {folder}", err=True)
    references = console.references(hr)
    summary = None
    with console.interruptible(), console.progress() as track:
        with console.crew(executor, address, device, workers, settings) as (where, many, crew):
            machine = console.machine_with(settings, where, precision, offline)
            outcome = run_study(
                settings, machine, lr, references, folder, limit=limit, workers=many, track=track, executor=crew
            )
        if not no_evaluate and any(True for _ in outcome.folder.trails()):
            here = device if executor is options.Executor.local else "auto"
            measuring = console.machine(settings, here, precision, offline)
            summary = publish.run(outcome.folder, measuring, workers or options.WORKERS, track)
    if summary is not None:
        console.show(summary, folder, as_json)
    console.finish(outcome, settings)


@app.command(short_help="Measure saved pictures: a run's, or plain folders.")
def evaluate(
    run: options.RunFolder = None,
    hr: options.PlainHigh = None,
    arm: options.PlainArms = None,
    out: options.PlainOut = None,
    config: options.Config = None,
    changes: options.Set = None,
    workers: options.Workers = options.WORKERS,
    device: options.Device = "auto",
    offline: options.Offline = False,
    as_json: options.AsJson = False,
) -> None:
    """Measure saved pictures: a run's folder, or plain folders with one picture a case.

    Example: fsrbench evaluate outputs/demo

    Example: fsrbench evaluate --hr hr --arm pure=mine/pure --arm lvlm=mine/lvlm --out outputs/mine
    """
    from fsrbench.measure import subjects
    from fsrbench.show import publish
    from fsrbench.study import config as configuring
    from fsrbench.study.store import RunFolder

    if (run is None) == (not arm):
        raise SettingsError("Name a run's folder, or plain folders: --hr DIR --arm pure=DIR --arm lvlm=DIR.")
    if run is not None:
        if out is not None:
            raise SettingsError("--out is for plain folders: a run is evaluated in its own folder.")
        folder = RunFolder(run)
        settings, _ = configuring.load(config, changes or (), folder.study()["settings"])
        what = subjects.of_run(folder, settings, hr)
    else:
        folder = RunFolder(out or options.OUTPUTS / "evaluation")
        if folder.study_file.is_file():
            raise SettingsError(f"{folder.root} holds a run, whose tables would be overwritten. Use another --out.")
        settings, _ = configuring.load(config, changes or ())
        folders = _folders(arm or [])
        if folder.root.resolve() in {one.resolve() for one in (*folders.values(), *([hr] if hr else ()))}:
            raise SettingsError(
                f"{folder.root} holds pictures that are measured: what is drawn would be among them "
                "the next time. Use another --out."
            )
        what = subjects.of_folders(hr, folders, folder.root.resolve().name, settings)
    machine = console.machine(settings, device, options.Precision.fp32, offline)
    with console.interruptible(), console.progress() as track:
        summary = publish.publish(what, folder, machine, workers, track)
    console.show(summary, folder.root, as_json)


app.command(short_help="How much any auditor could gain: the oracle's upper bound.")(probes.headroom)
app.command(short_help="Every knob, and what it moves.")(probes.knobs)
app.command(short_help="Print exactly what an LVLM would be sent.")(probes.prompt)
app.command(short_help="Has a run become worse than a baseline? For CI.")(evidence_commands.check)
app.command(short_help="Many settings in one run: thresholds, retries, strengths, models.")(evidence_commands.sweep)
app.command(short_help="Rebuild the report of a run, and say where it is.")(evidence_commands.report)


@app.command(short_help="List or download the official weights.")
def weights(download: options.Download = None, as_json: options.AsJson = False) -> None:
    """List the official weights: where each is found, its size and licence; or download them.

    Example: fsrbench weights --download GFPGANv1.4.pth
    """
    from fsrbench.models import published
    from fsrbench.models import weights as files

    for name in published.TABLE if "all" in (download or []) else download or []:
        with console.interruptible(), console.download(name) as progress:
            files.locate(name, progress=progress)
    rows = files.status()
    if as_json:
        found = [{"name": r.weight.name, "path": r.path and r.path.as_posix(), "state": r.state} for r in rows]
        typer.echo(json.dumps(found, indent=1))
        return
    for row in rows:
        typer.echo(f"{row.weight.name:30} {row.weight.bytes / 1e6:6.1f} MB  {row.state:13} {row.weight.licence}")
        if row.path is not None:
            typer.echo(f"{'':30} {row.path}")


@app.command(short_help="Say what works on this machine.")
def doctor(as_json: options.AsJson = False) -> None:
    """Say what works here: packages, devices, weights, the LVLM's settings.

    Example: fsrbench doctor
    """
    from dataclasses import asdict

    from fsrbench.cli import doctor as checking

    findings = checking.examine()
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings], indent=1))
        return
    for finding in findings:
        typer.echo(f"{'ok' if finding.ok else '--':3} {finding.what}: {finding.text}")


def main() -> None:
    """Entry point: what a user can mend is one sentence and exit status 2."""
    console.guard()
    logging.basicConfig(format="%(message)s", stream=sys.stderr, level=logging.WARNING)
    logging.getLogger("fsrbench").setLevel(logging.INFO)
    try:
        app()
    except Exception as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EIO) and error.filename is None:
            said = f"What is printed cannot be written: {error.strerror}."
        else:
            said = sentence(error)
        typer.echo(f"fsrbench: {said}", err=True)
        sys.exit(2)


def _folders(arms: Iterable[str]) -> dict[str, Path]:
    found = {}
    for text in arms:
        name, _, folder = text.partition("=")
        if not name or not folder:
            raise SettingsError(f"--arm {text!r}: write it as NAME=DIR, e.g. --arm pure=results/pure.")
        if name in found:
            raise SettingsError(f"--arm {name} is given twice.")
        found[name] = Path(folder)
    return found
