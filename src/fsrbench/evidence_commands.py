"""The commands that gather evidence from runs: `check`, `report`, `sweep`. Each parses, calls one function, prints, exits."""

from __future__ import annotations

import json
from pathlib import Path

import typer

from fsrbench import console, options
from fsrbench.errors import SettingsError


def check(
    run: options.Checked,
    baseline: options.Baseline = None,
    tolerance: options.Tolerances = None,
    save_baseline: options.SaveBaseline = None,
    junit: options.Junit = None,
    markdown: options.MarkdownFile = None,
    everything: options.Everything = False,
    as_json: options.AsJson = False,
) -> None:
    """Compare a run with a baseline: exit status 1 if a number became worse, 2 if they cannot be compared, else 0.

    Pure means, every arm's means and deltas, failed cases and unusable replies are compared. A number may move by one
    unit of its last shown digit, or as --tolerance says: psnr=0.05 (absolute), psnr=1% (of the baseline's pure mean),
    psnr=interval (inside the baseline's 95 % interval). Noise floor and oracles are reported and cannot fail it.

    Example: fsrbench check outputs/demo --save-baseline baseline.json

    Example: fsrbench check outputs/demo --baseline baseline.json --tolerance psnr=0.05 --tolerance niqe=interval
    """
    from fsrbench import baseline as baselines
    from fsrbench import check as checking
    from fsrbench import images, verdicts

    if baseline is None and save_baseline is None:
        raise SettingsError("Say what to compare with, --baseline FILE, or make one: --save-baseline FILE.")
    if baseline is None and (tolerance or junit or markdown or everything or as_json):
        raise SettingsError("There is no comparison to tell of: add --baseline FILE.")
    status = 0
    if baseline is not None:
        found = checking.check(run, baseline, checking.parse(tolerance or ()))
        status = found.status
        if as_json:
            typer.echo(json.dumps(verdicts.as_json(found), ensure_ascii=False))
        else:
            typer.echo("\n".join(verdicts.text(found, everything=everything)), err=bool(found.obstacles))
        if junit is not None:
            images.write_bytes(junit, verdicts.junit(found))
        if markdown is not None:
            images.write_bytes(markdown, verdicts.markdown(found, everything=everything).encode())
    if save_baseline is not None:
        baselines.write(save_baseline, checking.read_run(run))
        typer.echo(f"Saved as baseline: {save_baseline}", err=True)
    raise typer.Exit(status)


def report(
    run: options.Reported,
    hr: options.MovedHigh = None,
    changes: options.Set = None,
    workers: options.Workers = 2,
    device: options.Device = "auto",
    offline: options.Offline = False,
) -> None:
    """Rebuild the report of a run and say where it is: one folder that opens from disk, with no network.

    What is measured already is not measured again; the metrics are those of the last evaluation. Copy or zip the
    folder: everything that it shows lies inside it.

    Example: fsrbench report outputs/demo
    """
    from fsrbench import config as configuring
    from fsrbench import publish, subjects
    from fsrbench.store import RunFolder

    folder = RunFolder(run)
    settings, _ = configuring.load(None, [*_measured(run), *(changes or ())], folder.study()["settings"])
    what = subjects.of_run(folder, settings, hr)
    machine = console.machine(settings, device, options.Precision.fp32, offline)
    page = run / "report" / "index.html"
    page.unlink(missing_ok=True)  # so that it is built, also where only its pictures were lost
    with console.interruptible(), console.progress() as track:
        publish.publish(what, folder, machine, workers, track)
    typer.echo(page)


def _measured(run: Path) -> list[str]:
    """What was measured last, as a setting; nothing where that is not known, so that the run's own metrics are."""
    try:
        return [f"metrics={','.join(json.loads((run / 'summary.json').read_bytes())['metrics'])}"]
    except (OSError, ValueError, KeyError):
        return []


def sweep(
    grid: options.GridFile,
    hr: options.High = options.HIGH,
    lr: options.Low = options.LOW,
    out: options.SweepOut = None,
    limit: options.Limit = None,
    models: options.WhichModels = None,
    base_url: options.BaseUrl = None,
    lvlm_model: options.LvlmModel = None,
    concurrency: options.Concurrency = None,
    max_cost: options.MaxCost = None,
    config: options.Config = None,
    changes: options.Set = None,
    seed: options.Seed = None,
    workers: options.Workers = 2,
    device: options.Device = "auto",
    precision: options.Arithmetic = options.Precision.fp32,
    offline: options.Offline = False,
    as_json: options.AsJson = False,
) -> None:
    """Run every point of a grid of settings in one study: pure is made once, no question is asked twice.

    A grid names what is varied: thresholds, retries, policies, models, an auditor's settings, a family's, or fixed
    strengths of knobs. The same command finishes what is missing; values may be added to a finished grid.

    Example: fsrbench sweep strengths --limit 4

    Example: fsrbench sweep thresholds --lvlm-model gpt-4o --max-cost 5
    """
    from rich.console import Console

    from fsrbench import config as configuring
    from fsrbench import grid as grids
    from fsrbench import publish, sweep_views
    from fsrbench import sweep as sweeping
    from fsrbench.plots import sweep as plot

    plan = grids.read(
        grids.find(grid), configuring.load(config)[0] if config else None, console.changes(changes, seed, models),
        base_url=base_url, model=lvlm_model, concurrency=concurrency, max_cost=max_cost,
    )  # fmt: skip
    folder = out or options.OUTPUTS / plan.path.stem
    machine = console.machine(plan.settings, device, precision, offline)
    typer.echo(f"Writing to {folder}", err=True)
    references = hr if hr.is_dir() or hr != options.HIGH else None
    found = None
    with console.interruptible(), console.progress() as track:
        flying = max(workers, plan.settings.in_flight())
        outcome = sweeping.run(plan, machine, lr, references, folder, limit=limit, workers=flying, track=track)
        if any(True for _ in outcome.folder.trails()):
            found = sweeping.gather(plan, outcome.folder, publish.run(outcome.folder, machine, workers, track))
            sweep_views.write(found, folder)
            plot.draw(found, folder)
    if found is not None and as_json:
        typer.echo(json.dumps(found, ensure_ascii=False))
    elif found is not None:
        Console().print(sweep_views.terminal(found))
        for line in sweep_views.lines_below(found):
            typer.echo(line, err=True)
        typer.echo(f"Look at {folder / 'sweep.md'} and {folder / 'plots' / 'sweep.png'}", err=True)
    console.finish(outcome)
