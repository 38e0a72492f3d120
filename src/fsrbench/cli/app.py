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
from typing import Any

import typer

from fsrbench import __version__, api
from fsrbench.cli import (
    between_commands,
    console,
    evidence_commands,
    judging_commands,
    options,
    people_commands,
    picture_commands,
    probes,
    tuning_commands,
)
from fsrbench.core.errors import SettingsError, out_of_memory, sentence

app = typer.Typer(
    name="fsrbench",
    no_args_is_help=True,
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
    """Everything once, small, with no download: two persons, three families, an auditor beside its controls.

    Example: fsrbench demo --out outputs/demo
    """
    from fsrbench.cli import demo as demonstration

    with console.interruptible(), console.progress() as track:
        found = demonstration.run(out, device, workers, track)
        exchange = demonstration.recorded(out, device, workers, track)
    console.show(found.details, out, as_json=False)
    typer.echo(f"What an LVLM is sent and answers, recorded: {exchange}")
    if found.outcome is not None:
        console.finish(found.outcome, found.settings)


app.command(short_help="Make low-resolution faces from high-resolution ones.")(picture_commands.degrade)


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
    dry_run: options.DryRun = False,
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

    Example: fsrbench run --lvlm --dry-run
    """
    if no_evaluate and as_json and not dry_run:
        raise SettingsError("--json prints the summary, which --no-evaluate leaves out. Give one of the two.")
    given: dict[str, Any] = {
        "lr": lr, "hr": console.references(hr), "out": out, "families": family or None,
        "arms": [*(arm or []), *(["lvlm"] if lvlm else [])] or None, "settings": changes, "config": config,
        "models": models and models.value, "seed": seed, "limit": limit, "policy": policy, "base_url": base_url,
        "lvlm_model": lvlm_model, "concurrency": concurrency, "max_cost": max_cost, "workers": workers,
        "executor": executor.value, "address": address, "device": device, "precision": precision.value,
        "offline": offline,
    }  # fmt: skip
    if dry_run:
        with console.interruptible():
            console.show_estimate(api.estimate(**given), as_json)
        return
    with console.interruptible(), console.progress() as track:
        found = api.run(**given, evaluate=not no_evaluate, progress=track)
    if found.evaluated:
        console.show(found.details, found.path, as_json)
    if found.outcome is not None:
        console.finish(found.outcome, found.settings)


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
    arms = _folders(arm or [])
    with console.interruptible(), console.progress() as track:
        found = api.evaluate(
            run, hr=hr, arms=arms, out=out, settings=changes, config=config, workers=workers, device=device,
            offline=offline, progress=track,
        )  # fmt: skip
    console.show(found.details, found.path, as_json)


app.command(short_help="Restore pictures or whole folders, without an experiment.")(picture_commands.restore)
app.command(short_help="How much any auditor could gain: the oracle's upper bound.")(probes.headroom)
app.command(short_help="The best unchanging setting, found on other people's faces.")(tuning_commands.tune)
app.command(short_help="How far an arm may be followed so that it does no harm.")(tuning_commands.certify)
app.command(short_help="Every knob, and what it moves.")(probes.knobs)
app.command(short_help="Ways, judges, auditors and all else that a setting can name.")(probes.plugins)
app.command(short_help="Print exactly what an LVLM would be sent.")(probes.prompt)
app.command(short_help="Has a run become worse than a baseline? For CI.")(evidence_commands.check)
app.command(short_help="Many settings in one run: thresholds, retries, strengths, models.")(evidence_commands.sweep)
app.command(short_help="How good judges are: against people and metrics.")(judging_commands.judge)
app.command(short_help="Finished runs on the same cases, side by side and tested.")(between_commands.compare)
app.command(short_help="What lies in a folder of outputs, and how far it is.")(between_commands.runs)
app.command(short_help="The tables of a run as LaTeX or CSV.")(between_commands.tables)
app.command(short_help="Rebuild the report of a run, and say where it is.")(evidence_commands.report)
app.command(short_help="People's own choices between restorations, blind, in a browser.")(people_commands.rate)
app.command(short_help="Log a run to MLflow.")(evidence_commands.log)


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
    logging.getLogger("concurrent.futures").addFilter(_is_news)
    logging.raiseExceptions = False  # a message that cannot be written is not followed by one on how that came
    try:
        app()
    except Exception as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EIO) and error.filename is None:
            said = f"What is printed cannot be written: {error.strerror}."
        else:
            said = sentence(error)
        typer.echo(f"fsrbench: {said}", err=True)
        sys.exit(2)


def _is_news(record: logging.LogRecord) -> bool:
    """A pool's thread that finds no memory says so with a traceback of its own; the sentence on it comes anyway."""
    error = record.exc_info[1] if record.exc_info else None
    return not (isinstance(error, Exception) and out_of_memory(error))


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
