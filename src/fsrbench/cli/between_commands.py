"""The commands between runs: `compare`, `runs`, `tables`. Each parses, calls one function, prints, exits."""

from __future__ import annotations

import typer

from fsrbench.cli import console, options
from fsrbench.core import foreign
from fsrbench.core.stored import to_json


def compare(
    runs: options.Runs,
    arm: options.SharedArms = None,
    out: options.CompareOut = None,
    hr: options.MovedHigh = None,
    changes: options.Set = None,
    as_json: options.AsJson = False,
) -> None:
    """Set finished runs on the same cases against each other: two models, two prompts, two policies.

    The first run is the base: pure against pure, and every arm against the arm of the same name, case by case, with
    the tests that hold inside a run. Cases are the same where their LR and reference are; others are left out.

    Example: fsrbench compare outputs/one outputs/other --arm heuristic
    """
    from fsrbench.show.between import build, forms, words

    with console.interruptible():
        found, folder = build.build(runs, out, arm or (), hr, changes or (), options.OUTPUTS)
    if as_json:
        console.say(foreign.as_json(to_json(found)))
        return
    console.show_table(forms.terminal(found))
    for line in (*words.verdicts(found), *(f"{f}: {text}" for f, text in found.findings.items() if text)):
        console.say(line)
    for run, lines in words.differing(found):
        for line in lines:
            console.say(f"otherwise in {run}: {line}", err=True)
    for line in words.beside(found):
        console.say(f"note: {line}", err=True)
    typer.echo(f"Open {folder / 'index.html'}; the tables are compare.md, .csv and .tex beside it", err=True)
