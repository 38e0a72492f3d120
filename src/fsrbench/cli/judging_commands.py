"""The commands about whoever judges pictures: `judge`."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

from fsrbench.cli import complete, console, options
from fsrbench.core import foreign
from fsrbench.core.stored import to_json

Judges: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--judge",
        help="A judge, or an auditor that compares; LABEL={name: …} with settings. Repeatable (default: all that ask "
        "nobody over a network).",
        metavar="NAME",
        show_default=False,
        autocompletion=complete.judges,
    ),
]
Candidates: TypeAlias = Annotated[
    int, typer.Option("--candidates", min=0, help="Pictures of a case at most that no arm ended with.")
]


def judge(
    run: options.Reported,
    named: Judges = None,
    candidates: Candidates = 4,
    limit: options.Limit = None,
    hr: options.MovedHigh = None,
    base_url: options.BaseUrl = None,
    lvlm_model: options.LvlmModel = None,
    max_cost: options.MaxCost = None,
    changes: options.Set = None,
    workers: options.Workers = options.WORKERS,
    device: options.Device = "auto",
    offline: options.Offline = False,
    as_json: options.AsJson = False,
) -> None:
    """Find out how good judges are on a finished run: agreement with people and metrics, steadiness, bias, cost.

    Each orders the pictures of every case: twice in exchanged order, again with another seed, with another person's
    LR, and beside spoilt pictures. What was answered is kept, and is not asked again.

    Example: fsrbench judge outputs/demo

    Example: fsrbench judge outputs/demo --judge lvlm --lvlm-model gpt-4o --judge metric --judge random
    """
    from fsrbench.experiments import judge as judging
    from fsrbench.experiments import judges
    from fsrbench.measure import reopen
    from fsrbench.show import publish
    from fsrbench.show.judging import build, forms, words
    from fsrbench.study import machines

    reached = {"base_url": base_url, "model": lvlm_model, "max_cost": max_cost}
    chosen = judges.read(named or judges.usual(), reached)
    evaluated = reopen.evaluated(run, run.resolve().name, hr, changes or ())
    machine = machines.machine(evaluated.settings, device, offline=offline)
    notes: list[str] = []
    opened = judges.opened(chosen, machine, skip=named is None, notes=notes)
    with console.interruptible(), console.progress() as track:
        found = judging.run(
            evaluated, opened, machine, candidates=candidates, limit=limit, notes=notes, workers=workers, track=track
        )
        build.build(found, evaluated.folder)
        publish.publish(evaluated.what, evaluated.folder, machine, workers, track, anew=True)
    typer.echo(f"Open {evaluated.folder.judged_page}; the tables are judge.md and .csv beside it", err=True)
    if as_json:
        console.say(foreign.as_json(to_json(found)))
    else:
        for table in forms.terminal(found):
            console.show_table(table)
        for family, lines in words.findings(found):
            for line in lines:
                console.say(f"{family}: {line}")
    for line in words.beside(found):
        console.say(f"note: {line}", err=True)
    raise typer.Exit(3 if found.stopped or any(result.failed for result in found.results) else 0)
