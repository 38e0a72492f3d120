"""The command that asks people: `rate`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer
from typer import Option

from fsrbench.cli import complete, console, options
from fsrbench.core.errors import SettingsError
from fsrbench.core.values import PURE

if TYPE_CHECKING:
    from fsrbench.measure.subjects import Evaluation
    from fsrbench.show.rating.server import RatingServer
    from fsrbench.show.rating.sheets import RatedPair

RatedFamilies: TypeAlias = Annotated[
    list[str] | None,
    Option("--family", help="Ask about this family (default: all of the run). Repeatable.", metavar="NAME",
           autocompletion=complete.families, show_default=False),
]  # fmt: skip
RatedArms: TypeAlias = Annotated[
    list[str] | None,
    Option("--arm", help="Ask about this arm, or pure (default: all of the run). Repeatable.", metavar="NAME",
           autocompletion=complete.arms, show_default=False),
]  # fmt: skip
Pairs: TypeAlias = Annotated[int, Option("--pairs", min=1, help="Pairs that a person is shown, at most.")]
Repeats: TypeAlias = Annotated[int, Option("--repeats", min=0, help="Pairs shown again, in the other order.")]
Checks: TypeAlias = Annotated[int, Option("--checks", min=0, help="Attention checks: pairs with a spoilt picture.")]
RatingSeed: TypeAlias = Annotated[int, Option("--seed", min=0, help="Seed of pairs, sides and order.")]
WithReference: TypeAlias = Annotated[
    bool, Option("--reference", help="Show the reference beside the input.", show_default=False)
]
Export: TypeAlias = Annotated[
    Path | None,
    Option("--export", help="Write a folder that works anywhere, instead of serving.", metavar="DIR",
           show_default=False),
]  # fmt: skip
Added: TypeAlias = Annotated[
    Path | None,
    Option("--add", help="Take in choices: a file of an exported page, or a CSV table.", metavar="FILE",
           show_default=False),
]  # fmt: skip
Port: TypeAlias = Annotated[int, Option("--port", min=0, max=65535, help="Port to serve on; 0 is any free one.")]


def rate(
    run: options.Reported,
    family: RatedFamilies = None,
    arm: RatedArms = None,
    pairs: Pairs = 100,
    repeats: Repeats = 10,
    checks: Checks = 5,
    reference: WithReference = False,
    seed: RatingSeed = 0,
    export: Export = None,
    add: Added = None,
    port: Port = 0,
    hr: options.MovedHigh = None,
) -> None:
    """Let people choose between two restorations at a time in a browser, without being told who made which.

    The page is served to this machine alone, at an address with a secret in it, until Ctrl-C; every choice is stored in
    the run's folder at once, and whoever comes back under the same name goes on. With --export it becomes a folder that
    opens from disk anywhere; the file that it saves is taken in with --add, as is a table with the columns
    case,family,first,second,chosen,rater. Then fsrbench report RUN tells what was chosen.

    Example: fsrbench rate outputs/demo

    Example: fsrbench rate outputs/demo --export rating

    Example: fsrbench rate outputs/demo --add choices-Ann.json
    """
    from fsrbench.files import atomic
    from fsrbench.measure import subjects
    from fsrbench.show.rating import export as exporting
    from fsrbench.show.rating import sheets, taking
    from fsrbench.show.rating.server import RatingServer
    from fsrbench.show.rating.session import RatingSession
    from fsrbench.study import config
    from fsrbench.study.store import RunFolder

    folder = RunFolder(run)
    what = subjects.of_run(folder, config.stored(folder.study()["settings"], folder.study_file), hr)
    atomic.guard(folder.root)
    if add is not None:
        came, had = taking.add(folder, what, add)
        typer.echo(f"{came - had} choices added, {had} known before. Next: fsrbench report {run}")
        return
    plan = sheets.SheetPlan(pairs, repeats, checks, seed)
    arms, families = _known("--arm", arm, [PURE, *what.roles]), _known("--family", family, what.labels)
    asked = sheets.drawn(what, arms, families, plan)
    _askable(what, asked, reference=reference)
    if export is not None:
        with console.interruptible(), console.progress() as track:
            typer.echo(exporting.write(folder, what, asked, plan, export, track, reference=reference))
        return
    session = RatingSession(folder, what, asked, plan, reference=reference)
    with console.interruptible(), _open(RatingServer(session, port, reference=reference)) as server:
        typer.echo(server.address)
        typer.echo(f"Open it in a browser of this machine. Ctrl-C ends it; next: fsrbench report {run}", err=True)
        server.serve_forever()


@contextmanager
def _open(server: RatingServer) -> Iterator[RatingServer]:
    try:
        yield server
    finally:
        server.server_close()


def _known(option: str, given: Iterable[str] | None, names: Iterable[str]) -> list[str]:
    """The names that were given, or all; one that the run does not have is refused."""
    from fsrbench.core import near

    known = list(names)
    for name in given or ():
        if name not in known:
            raise SettingsError(f"{option} {name}: this run has none.{near.among(name, known)}")
    return list(given or known)


def _askable(what: Evaluation, asked: Sequence[RatedPair], *, reference: bool) -> None:
    """Refuse to ask about nothing, and to show references that there are not."""
    if not asked:
        raise SettingsError(
            "There is nothing to choose between: of the arms that are asked about, no two made different pictures."
        )
    if reference and all(subject.hr is None for subject in what.subjects):
        raise SettingsError("--reference: this run has no references. Say where they are, --hr DIR, or leave it out.")
