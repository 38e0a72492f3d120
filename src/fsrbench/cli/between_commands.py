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
    typer.echo(f"Open {folder / 'index.html'}; the tables are compare.md, .csv and .tex beside it", err=True)
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


def runs(folder: options.Shelf = options.OUTPUTS, as_json: options.AsJson = False) -> None:
    """List what lies in a folder of outputs, newest first: families, arms, who looked, how far it is, its size.

    Example: fsrbench runs outputs
    """
    from fsrbench.measure import shelf
    from fsrbench.show import shelf_views

    found = shelf.shelf(folder)
    if as_json:
        console.say(foreign.as_json(to_json(found)))
    elif found:
        console.show_table(shelf_views.terminal(found))
        for line in shelf_views.wrong(found):
            console.say(line, err=True)
    else:
        console.say(f"{folder} holds no folders yet. Start with: fsrbench demo")


def tables(run: options.Reported, form: options.WhichFormat = options.TableFormat.latex) -> None:
    """Print the tables of a run's summary as LaTeX (with booktabs) or CSV.

    Example: fsrbench tables outputs/demo --format latex
    """
    from fsrbench.measure import frames
    from fsrbench.show import exports
    from fsrbench.study.store import RunFolder

    made = RunFolder(run)
    console.say((exports.csv(made) if form == "csv" else exports.tex(frames.details(made))).rstrip("\n"))
