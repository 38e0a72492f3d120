"""Commands that make pictures and no experiment: low-resolution faces, and restorations."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import typer

from fsrbench import api
from fsrbench.cli import console, options
from fsrbench.core.errors import SettingsError


def degrade(
    hr: options.High = options.HIGH,
    lr: options.Low = options.LOW,
    recipe: options.Recipe = "paper",
    scale: options.Scale = 4,
    hr_size: options.HrSize = None,
    seed: options.DrawSeed = 0,
    table: options.From = None,
    preset: options.Preset = None,
    workers: options.Workers = options.WORKERS,
    as_json: options.AsJson = False,
) -> None:
    """Make low-resolution faces from high-resolution ones; every drawn value goes to degradations.csv.

    Example: fsrbench degrade --hr faces --lr inputs/low_res_imgs --recipe paper

    Example: fsrbench degrade --preset lfw --hr lfw --lr lfw-lr
    """
    with console.interruptible(), console.progress() as track:
        report = api.degrade(
            hr, lr, recipe, scale, hr_size=hr_size, seed=seed, table=table, preset=preset, workers=workers,
            progress=track,
        )  # fmt: skip
    for case, why in (*report.notes, *report.failed):
        typer.echo(f"{case}: {why}", err=True)
    for line in filter(None, (report.cropping, *report.remarks)):
        typer.echo(line, err=True)
    if as_json:
        cropped = dict(report.cropped)
        found = {
            "done": report.done,
            "failed": dict(report.failed),
            "cropped": cropped,
            "table": report.table.as_posix(),
            "persons": report.persons and report.persons.as_posix(),
        }
        typer.echo(json.dumps(found))
    else:
        drawn = f"; what was drawn is in {report.table}" if report.done else ""
        typer.echo(f"{len(report.done)} pictures made in {lr}{drawn}")
        if report.persons:
            typer.echo(f"Who is on them is in {report.persons}")
        if report.following:
            typer.echo(f"Next: {report.following}")
    raise typer.Exit(3 if report.failed else 0)


def restore(
    inputs: options.Inputs,
    out: options.RestoredOut = options.OUTPUTS / "restored",
    family: options.OneFamily = "general",
    knob: options.Turned = None,
    arm: options.OneArm = None,
    save_faces: options.SaveFaces = None,
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
    """Restore pictures, or whole folders with those below, without any experiment. A folder keeps its tree.

    The same command again makes only what is missing, or what other settings would make otherwise.

    Example: fsrbench restore photos --family prior --models official --out restored
    """
    from fsrbench.show import numbers

    typer.echo(f"Writing to {out}", err=True)
    with console.interruptible(), console.progress() as track:
        report = api.restore_all(
            inputs, out, family, _knobs(knob or []), models and models.value, arm=arm, save_faces=save_faces,
            settings=changes, config=config, seed=seed, workers=workers, device=device, precision=precision.value,
            offline=offline, progress=track,
        )  # fmt: skip
    for picture, said in report.notes:
        typer.echo(f"{picture}: {said}", err=True)
    for picture, why in report.failed:
        typer.echo(f"failed: {picture}: {why}", err=True)
    if report.assumption:
        typer.echo(report.assumption, err=True)
    if as_json:
        typer.echo(json.dumps({**asdict(report), "out": report.out.as_posix()}))
    else:
        kept = f"; {len(report.kept)} were there already, made by the same settings" if report.kept else ""
        failed = f"; {len(report.failed)} failed" if report.failed else ""
        restored = numbers.count(len(report.done), "picture")
        typer.echo(f"{restored} restored with {report.model}{kept}{failed}")
    raise typer.Exit(3 if report.failed else 0)


def _knobs(given: Iterable[str]) -> dict[str, Any]:
    """`dehalo=0.3` as a name and a value, which is a number, true or false; any other is refused by the knob."""
    found: dict[str, Any] = {}
    for text in given:
        name, _, value = text.partition("=")
        if not name or not value:
            raise SettingsError(f"--knob {text!r}: write it as NAME=VALUE, e.g. --knob dehalo=0.3.")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found
