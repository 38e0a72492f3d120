"""The command line. Each command parses, calls one function, prints, exits; nothing is computed here.

Exit status: 0 done; 1 a regression found; 2 wrong usage or settings; 3 finished, but some cases failed;
130 interrupted, and the same command goes on.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from fsrbench import __version__
from fsrbench.errors import FsrbenchError, SettingsError

if TYPE_CHECKING:
    from fsrbench.config import Settings
    from fsrbench.plugins import Machine
    from fsrbench.study import Outcome

app = typer.Typer(
    name="fsrbench",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Does a vision-language model in the loop improve a face super-resolution pipeline?\n\n"
    "Start with: fsrbench demo --out outputs/demo",
)
Item = TypeVar("Item")


class Models(StrEnum):
    """Which networks."""

    embedded = "embedded"
    official = "official"


class Precision(StrEnum):
    """Arithmetic of the networks."""

    fp32 = "fp32"
    fp16 = "fp16"
    bf16 = "bf16"


Config = Annotated[Path | None, typer.Option("--config", help="YAML with settings over the defaults.", show_default=False)]
Set = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change one setting, e.g. policy.retries=2. Repeatable.", show_default=False)]
Seed = Annotated[int | None, typer.Option("--seed", min=0, help="Seed of everything random (default: the config's, 0).", show_default=False)]
Workers = Annotated[int, typer.Option("--workers", min=1, help="Cases in flight. Results do not depend on it.")]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1, mps, …")]
Prec = Annotated[Precision, typer.Option("--precision", help="Arithmetic of the networks.")]
Offline = Annotated[bool, typer.Option("--offline", help="Never download weights.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]
HIGH, LOW, OUTPUTS = Path("inputs/high_res_imgs"), Path("inputs/low_res_imgs"), Path("outputs")


@app.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False) -> None:
    if version:
        typer.echo(f"fsrbench {__version__}")
        raise typer.Exit


@app.command()
def demo(
    out: Annotated[Path, typer.Option("--out", help="Where to write.")] = OUTPUTS / "demo",
    workers: Workers = 2,
    device: Device = "auto",
    offline: Offline = False,
) -> None:
    """Everything once, small, with no download: two portraits, three families, one auditor.

    Example: fsrbench demo --out outputs/demo
    """
    from fsrbench import config
    from fsrbench import demo as demonstration

    settings, _ = config.load(None)
    typer.echo(f"Writing to {out}", err=True)
    with _interruptible(), _progress() as track:
        outcome, summary, sheet = demonstration.run(out, _machine(settings, device, "fp32", offline), workers, track)
    _show(summary, out, as_json=False)
    typer.echo(f"Look at {sheet}", err=True)
    _finish(outcome)


@app.command()
def degrade(
    hr: Annotated[Path, typer.Option("--hr", help="Folder of high-resolution faces.")] = HIGH,
    lr: Annotated[Path, typer.Option("--lr", help="Folder for the low-resolution ones.")] = LOW,
    recipe: Annotated[str, typer.Option("--recipe", help="paper, realesrgan, bsrgan, bicubic, or your own.")] = "paper",
    scale: Annotated[int, typer.Option("--scale", min=1, max=8, help="HR size / LR size.")] = 4,
    hr_size: Annotated[int, typer.Option("--hr-size", min=16, help="HR is cropped square and brought to this size.")] = 512,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of every drawn value.")] = 0,
    table: Annotated[Path | None, typer.Option("--from", help="Make the pictures of an earlier degradations.csv again.", show_default=False)] = None,
    workers: Workers = 2,
    as_json: AsJson = False,
) -> None:
    """Make low-resolution faces from high-resolution ones; every drawn value goes to degradations.csv.

    Example: fsrbench degrade --hr faces --lr inputs/low_res_imgs --recipe paper
    """
    from fsrbench import degrade as degrading

    with _interruptible(), _progress() as track:
        report = degrading.degrade(
            hr, lr, recipe=recipe, scale=scale, hr_size=hr_size, seed=seed, workers=workers, table=table, track=track
        )
    for failure in report.failed:
        typer.echo(f"failed: {failure[0]}: {failure[1]}", err=True)
    if as_json:
        typer.echo(json.dumps({"done": report.done, "failed": dict(report.failed), "table": str(report.table)}))
    else:
        typer.echo(f"{report.done} pictures in {lr}, what was drawn in {report.table}")
    raise typer.Exit(3 if report.failed else 0)


@app.command()
def run(
    family: Annotated[list[str] | None, typer.Option("--family", help="general, blind, prior or all. Repeatable.  [default: all]", show_default=False)] = None,
    lvlm: Annotated[bool, typer.Option("--lvlm", help="Add the arm lvlm: a vision-language model audits.")] = False,
    arm: Annotated[list[str] | None, typer.Option("--arm", help="Add an arm: one of the config's, or an auditor's name. Repeatable.", show_default=False)] = None,
    hr: Annotated[Path, typer.Option("--hr", help="References, if there are any.")] = HIGH,
    lr: Annotated[Path, typer.Option("--lr", help="Pictures to restore.")] = LOW,
    out: Annotated[Path | None, typer.Option("--out", help="The run's folder.  [default: outputs/NAME, said at the start]", show_default=False)] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Only the first N cases.", show_default=False)] = None,
    models: Annotated[Models | None, typer.Option("--models", help="Networks to use (default: the config's, embedded).", show_default=False)] = None,
    policy: Annotated[str | None, typer.Option("--policy", help="Policy of the named arms: paper.", show_default=False)] = None,
    base_url: Annotated[str | None, typer.Option("--base-url", help="LVLM server (or OPENAI_BASE_URL).", show_default=False)] = None,
    lvlm_model: Annotated[str | None, typer.Option("--lvlm-model", help="LVLM (or FSRBENCH_LVLM_MODEL).", show_default=False)] = None,
    no_evaluate: Annotated[bool, typer.Option("--no-evaluate", help="Restore and audit only.")] = False,
    config: Config = None, changes: Set = None, seed: Seed = None, workers: Workers = 2,
    device: Device = "auto", precision: Prec = Precision.fp32, offline: Offline = False, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Restore every picture alone and supervised, then measure the difference.

    Running the same command again finishes what is missing; a family or an arm may be added later.

    Example: fsrbench run --family blind --arm heuristic
    """
    from fsrbench import config as configuring
    from fsrbench import publish, study

    settings, own_arms = configuring.load(config, _changes(changes, seed, models))
    settings = configuring.with_families(settings, family or ["all"])
    named = [*(arm or []), *(["lvlm"] if lvlm else [])]
    settings = configuring.with_arms(settings, named or own_arms)
    settings = configuring.with_lvlm(settings, base_url=base_url, model=lvlm_model, policy=policy)
    folder = out or OUTPUTS / f"{lr.name}-{settings.models}-seed{settings.seed}"
    machine = _machine(settings, device, precision.value, offline)
    typer.echo(f"Writing to {folder}", err=True)
    references = hr if hr.is_dir() or hr != HIGH else None
    with _interruptible(), _progress() as track:
        outcome = study.run(settings, machine, lr, references, folder, limit=limit, workers=workers, track=track)
        finished = any(True for _ in outcome.folder.trails())
        summary = None if no_evaluate or not finished else publish.run(outcome.folder, machine, None, workers, track)
    if summary is not None:
        _show(summary, folder, as_json)
    _finish(outcome)


@app.command()
def evaluate(
    run: Annotated[Path | None, typer.Argument(help="A run's folder.", show_default=False)] = None,
    hr: Annotated[Path | None, typer.Option("--hr", help="For plain folders: the references.", show_default=False)] = None,
    arm: Annotated[list[str] | None, typer.Option("--arm", metavar="NAME=DIR", help="For plain folders: pure=DIR and one for each arm.", show_default=False)] = None,
    out: Annotated[Path | None, typer.Option("--out", help="For plain folders: where to write.  [default: outputs/evaluation]", show_default=False)] = None,
    config: Config = None, changes: Set = None, workers: Workers = 2,
    device: Device = "auto", offline: Offline = False, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Measure saved pictures: a run's folder, or plain folders with one picture a case.

    Example: fsrbench evaluate outputs/demo
    Example: fsrbench evaluate --hr hr --arm pure=mine/pure --arm lvlm=mine/lvlm --out outputs/mine
    """
    from fsrbench import config as configuring
    from fsrbench import evaluate as evaluating
    from fsrbench import publish
    from fsrbench.store import RunFolder

    if (run is None) == (not arm):
        raise SettingsError("Name a run's folder, or plain folders: fsrbench evaluate --hr DIR --arm pure=DIR --arm x=DIR.")
    own = configuring.load(config, changes or ())[0] if config or changes else None
    if run is not None:
        what, stored = evaluating.of_run(RunFolder(run), own.metrics if own else None)
        settings, target = own or stored, run
    else:
        settings, target = own or configuring.load(None)[0], out or OUTPUTS / "evaluation"
        what = evaluating.of_folders(hr, _folders(arm or []), target.name, settings.metrics, settings.hr_size)
    machine = _machine(settings, device, "fp32", offline)
    with _interruptible(), _progress() as track:
        summary = publish.publish(what, target, machine, workers, track)
    _show(summary, target, as_json)


@app.command()
def weights(
    download: Annotated[list[str] | None, typer.Option("--download", metavar="NAME", help="Fetch one, or 'all'. Repeatable.", show_default=False)] = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """List the official weights: where each is found, its size and licence; or download them.

    Example: fsrbench weights --download GFPGANv1.4.pth
    """
    from fsrbench import weights as table

    with _progress() as track:
        rows = table.report(download or [], track)
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
        return
    for row in rows:
        typer.echo(f"{row['name']:32} {row['bytes'] / 1e6:7.1f} MB  {row['found'] or 'not here':40}  {row['licence']}")


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Say what works here: packages, devices, weights, the LVLM's settings.

    Example: fsrbench doctor
    """
    from fsrbench import doctor as checking

    findings = checking.examine()
    if as_json:
        typer.echo(json.dumps([f.__dict__ for f in findings], indent=1))
        return
    for finding in findings:
        typer.echo(f"{'ok  ' if finding.ok else 'LACK'}  {finding.what}: {finding.text}")


# -------------------------------------------------------------------- helpers


def main() -> None:
    """Entry point: what a user can mend is one sentence and exit status 2."""
    logging.basicConfig(format="%(message)s", stream=sys.stderr, level=logging.WARNING)
    logging.getLogger("fsrbench").setLevel(logging.INFO)
    try:
        app()
    except FsrbenchError as error:
        typer.echo(f"fsrbench: {error}", err=True)
        sys.exit(2)


def _changes(changes: Iterable[str] | None, seed: int | None, models: Models | None) -> list[str]:
    """Options that are settings, as settings; an option named on the command line wins."""
    extra = [f"seed={seed}"] if seed is not None else []
    return [*(changes or ()), *extra, *([f"models={models.value}"] if models else [])]


def _machine(settings: Settings, device: str, precision: str, offline: bool) -> Machine:
    from fsrbench import networks
    from fsrbench.plugins import Machine

    return Machine(networks.resolve_device(device), precision, offline, settings.faces.detector, settings.faces.recogniser)


def _folders(arms: Iterable[str]) -> dict[str, Path]:
    pairs = [(text, *text.partition("=")) for text in arms]
    for text, name, _, folder in pairs:
        if not name or not folder:
            raise SettingsError(f"--arm {text!r}: write it as NAME=DIR, e.g. --arm pure=results/pure.")
    return {name: Path(folder) for _, name, _, folder in pairs}


@contextmanager
def _progress() -> Iterator[Any]:
    """A tracker that shows bars on a terminal and nothing elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description:>10}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:

        def track(title: str, items: Iterable[Item], total: int) -> Iterator[Item]:
            task = bars.add_task(title, total=total)
            for item in items:
                yield item
                bars.advance(task)

        yield track


@contextmanager
def _interruptible() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        typer.echo("Interrupted. What is finished is kept: the same command goes on from here.", err=True)
        raise typer.Exit(130) from None


def _show(summary: dict[str, Any], folder: Path, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(summary, ensure_ascii=False))
        return
    from rich.console import Console

    from fsrbench import tables

    Console().print(tables.terminal(summary))
    for line in tables.missing(summary):
        typer.echo(f"n/a: {line}", err=True)
    typer.echo(f"More in {folder / 'summary.md'}; panels in {folder / 'FAMILY' / 'panels'}", err=True)


def _finish(outcome: Outcome) -> None:
    for failure in outcome.failures[:10]:
        typer.echo(f"failed: {failure.family} {failure.case} {failure.arm}: {failure.why}", err=True)
    if outcome.failures:
        typer.echo(f"{len(outcome.failures)} failed; all of them in {outcome.folder.root / 'failures.csv'}", err=True)
        raise typer.Exit(3)
