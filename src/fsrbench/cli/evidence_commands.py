"""The commands that gather evidence and hand it on. Each parses, calls one function, prints, exits."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from fsrbench.cli import console, options
from fsrbench.core import foreign
from fsrbench.core.errors import SettingsError
from fsrbench.core.stored import to_json

if TYPE_CHECKING:
    from fsrbench.measure.summary_values import Summary


def check(
    run: options.Checked,
    baseline: options.Baseline = None,
    tolerance: options.Tolerances = None,
    save_baseline: options.SaveBaseline = None,
    junit: options.Junit = None,
    markdown: options.MarkdownFile = None,
    everything: options.Everything = False,
    as_json: options.AsJson = False,
    pictures: options.Pictures = False,
    workers: options.Workers = options.WORKERS,
    device: options.Device = "auto",
    offline: options.Offline = False,
) -> None:
    """Compare a run with a baseline: exit status 1 if a number became worse, 2 if they cannot be compared, else 0.

    Pure means, every arm's means and deltas, failed cases and unusable replies are compared. A number may move by one
    unit of its last shown digit, or as --tolerance says: psnr=0.05 (absolute), psnr=1% (of the baseline's pure mean),
    psnr=interval (inside the baseline's 95 % interval). Noise floor and oracles are reported and cannot fail it.

    Example: fsrbench check outputs/demo --save-baseline baseline.json

    Example: fsrbench check outputs/demo --baseline baseline.json --tolerance psnr=0.05 --tolerance niqe=interval

    Example: fsrbench check outputs/demo --pictures
    """
    from fsrbench.files import atomic
    from fsrbench.measure import baseline as baselines
    from fsrbench.measure import check as checking
    from fsrbench.measure import tolerances
    from fsrbench.show import verdicts

    if baseline is None and save_baseline is None and not pictures:
        raise SettingsError(
            "Say what to compare with, --baseline FILE, or make one: --save-baseline FILE. Pictures: --pictures."
        )
    if baseline is None and (tolerance or junit or markdown or everything or as_json):
        raise SettingsError("There is no comparison to tell of: add --baseline FILE.")
    _distinct(run, baseline, {"--junit": junit, "--markdown": markdown, "--save-baseline": save_baseline})
    status = _remade(run, workers, device, offline) if pictures else 0
    if baseline is not None:
        found = checking.check(run, baseline, tolerances.parse(tolerance or ()))
        status = max(status, found.status)
        if as_json:
            console.say(foreign.as_json(verdicts.as_json(found)))
        else:
            console.say("\n".join(verdicts.text(found, everything=everything)), err=bool(found.obstacles))
        if junit is not None:
            atomic.write_named(junit, verdicts.junit(found))
        if markdown is not None:
            atomic.write_named(markdown, verdicts.markdown(found, everything=everything).encode())
    if save_baseline is not None:
        baselines.write(save_baseline, checking.trusted(run))
        typer.echo(f"Saved as baseline: {save_baseline}", err=True)
    raise typer.Exit(status)


def _remade(run: Path, workers: int, device: str, offline: bool) -> int:
    """Make a run's pictures again and say which are not what is stored: 1 where there is one."""
    from fsrbench.models import devices
    from fsrbench.study.remake import remake

    with console.interruptible(), console.progress() as track:
        made, wrong = remake(run, devices.resolve_device(device), offline, workers, track)
    for failure in wrong:
        console.say(f"{failure.family} {failure.case} {failure.arm}: {failure.why}")
    console.say(f"{made - len(wrong)} of {made} pictures come out as they are stored.")
    return int(bool(wrong))


def _distinct(run: Path, baseline: Path | None, outputs: Mapping[str, Path | None]) -> None:
    """Nothing that is written may be a folder, lie over another, or over what is read; a baseline may be renewed."""
    from fsrbench.files import atomic
    from fsrbench.study.store import RunFolder

    taken = {(RunFolder(run).summary_file if run.is_dir() else run).resolve(): "the run's summary"}
    if baseline is not None and not baseline.is_dir():
        taken[baseline.resolve()] = "the baseline"
    for option, path in outputs.items():
        if path is None:
            continue
        if path.is_dir():
            raise SettingsError(f"{option} {path}: this is a folder. Name a file.")
        stream = atomic.is_stream(path)
        if stream and option == "--save-baseline":
            raise SettingsError(f"{option} {path}: this is no file, and a baseline is to be kept. Name one.")
        already = taken.get(path.resolve())
        if already is not None and (already, option) != ("the baseline", "--save-baseline") and not stream:
            raise SettingsError(f"{option} {path}: this is {already} already. Name another file.")
        taken[path.resolve()] = f"the file of {option}"


def report(
    run: options.Reported,
    file: options.ReportFile = None,
    single_file: options.SingleFile = False,
    limit: options.PictureLimit = None,
    hr: options.MovedHigh = None,
    changes: options.Set = None,
    workers: options.Workers = options.WORKERS,
    device: options.Device = "auto",
    offline: options.Offline = False,
) -> None:
    """Rebuild the report of a run and say where it is: one folder that opens from disk, with no network.

    What is measured already is not measured again; the metrics are those of the last evaluation. A number that would
    become another one is refused: that is fsrbench evaluate's. Copy or zip the folder: all it shows lies inside it.

    With --single-file the report is one file as well, to be sent or put on the web: FILE, or report.html in the run's
    folder. Its pictures are smaller copies, of the cases that changed most first, 25 MB of them at most.

    Example: fsrbench report outputs/demo

    Example: fsrbench report outputs/demo --single-file demo.html --limit 20
    """
    from fsrbench.measure import reopen, subjects
    from fsrbench.show import publish
    from fsrbench.show.report import single
    from fsrbench.study import machines
    from fsrbench.study.store import RunFolder

    if not single_file and (file or limit):
        raise SettingsError("A FILE and --limit are for a report in one file: add --single-file.")
    folder = RunFolder(run)
    settings = reopen.settings(folder, changes or ())
    what = subjects.of_run(folder, settings, hr)
    machine = machines.machine(settings, device, offline=offline)
    with console.interruptible(), console.progress() as track:
        publish.publish(what, folder, machine, workers, track, anew=True)
    typer.echo(folder.report_page)
    if single_file:
        target = file or folder.root / single.NAME
        single.pack(folder.report, target, limit)
        typer.echo(target)


def log(run: options.Reported, experiment: options.Experiment = "fsrbench") -> None:
    """Log an evaluated run to MLflow: settings, means, differences with their intervals, tables and plots.

    MLflow says where to: MLFLOW_TRACKING_URI, or its usual place.

    Example: fsrbench log outputs/demo --experiment faces
    """
    from fsrbench.show import notebook, tracking

    typer.echo(tracking.log(notebook.load(run), experiment))


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
    workers: options.Workers = options.WORKERS,
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

    from fsrbench.experiments import grid as grids
    from fsrbench.experiments import sweep as sweeping
    from fsrbench.show import publish, sweep_views
    from fsrbench.show.plots import sweep as plot
    from fsrbench.study import config as configuring
    from fsrbench.study import machines

    plan = grids.read(
        grids.find(grid), configuring.load(config)[0] if config else None, console.changes(changes, seed, models),
        base_url=base_url, model=lvlm_model, concurrency=concurrency, max_cost=max_cost,
    )  # fmt: skip
    folder = out or options.OUTPUTS / plan.path.stem
    machine = machines.machine(plan.settings, device, precision.value, offline)
    typer.echo(f"Writing to {folder}", err=True)
    references = console.references(hr)
    found: list[dict[str, Any]] = []

    def tell(summary: Summary) -> list[Path]:
        found.append(sweeping.gather(plan, outcome.folder, summary))
        sweep_views.write(found[0], folder)
        return plot.draw(found[0], folder)

    with console.interruptible(), console.progress() as track:
        flying = max(workers, plan.settings.in_flight())
        outcome = sweeping.run(plan, machine, lr, references, folder, limit=limit, workers=flying, track=track)
        if any(True for _ in outcome.folder.trails()):
            publish.run(outcome.folder, machine, workers, track, also=tell)
    if found and as_json:
        typer.echo(foreign.as_json(to_json(found[0])))
    elif found:
        console.show_table(sweep_views.terminal(found[0]))
        for line in sweep_views.lines_below(found[0]):
            typer.echo(line, err=True)
        typer.echo(f"Look at {folder / 'sweep.md'} and {outcome.folder.plots / 'sweep.png'}", err=True)
    console.finish(outcome, plan.settings)
