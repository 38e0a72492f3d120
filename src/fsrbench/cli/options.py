"""The options that several commands share, each written once."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TypeAlias

from typer import Argument, Option

from fsrbench.cli import complete
from fsrbench.core import execute

MOST = 1024
"""Workers: each has a thread, and a picture in memory."""
WORKERS = execute.WORKERS
"""Usual number of them."""
HIGH, LOW, OUTPUTS = Path("inputs/high_res_imgs"), Path("inputs/low_res_imgs"), Path("outputs")


class Models(StrEnum):
    """Which networks."""

    embedded = "embedded"
    official = "official"


class Precision(StrEnum):
    """Arithmetic of the networks."""

    fp32 = "fp32"
    fp16 = "fp16"
    bf16 = "bf16"


class Executor(StrEnum):
    """Who does the work."""

    local = "local"
    ray = "ray"


class TableFormat(StrEnum):
    """What tables are printed as."""

    latex = "latex"
    csv = "csv"


def _more(flag: str, help_: str, metavar: str, offer: Callable[[str], list[str]] | None = None) -> Any:
    """An option that may be left out, or be given several times."""
    return Option(flag, help=help_, metavar=metavar, show_default=False, autocompletion=offer)


Config: TypeAlias = Annotated[Path | None, _more("--config", "YAML with settings over the defaults.", "FILE")]
Set: TypeAlias = Annotated[
    list[str] | None,
    _more("--set", "Change one setting, e.g. policy.retries=2. Repeatable.", "KEY=VALUE", complete.settings),
]
Seed: TypeAlias = Annotated[
    int | None, Option("--seed", min=0, help="Seed of everything random (default: 0).", show_default=False)
]
Workers: TypeAlias = Annotated[
    int, Option("--workers", min=1, max=MOST, help="Cases in flight. Results do not depend on it.")
]
RunWorkers: TypeAlias = Annotated[
    int | None,
    Option(
        "--workers",
        min=1,
        max=MOST,
        help=f"Cases in flight (default here: {WORKERS}, on a GPU 16; more with an LVLM); with --executor ray, workers "
        "(default: one a GPU or node). Results do not depend on it.",
        show_default=False,
    ),
]
WhichExecutor: TypeAlias = Annotated[
    Executor, Option("--executor", help="This machine, or a Ray cluster whose nodes share storage.")
]
Address: TypeAlias = Annotated[
    str | None, _more("--address", "The Ray cluster (or RAY_ADDRESS); without one, this machine alone.", "HOST:PORT")
]
Device: TypeAlias = Annotated[
    str,
    Option(
        "--device",
        help="auto, cpu, cuda, cuda:1, mps, …",
        metavar="NAME",
        autocompletion=complete.one_of(*complete.DEVICES),
    ),
]
Arithmetic: TypeAlias = Annotated[Precision, Option("--precision", help="Arithmetic of the networks.")]
Pictures: TypeAlias = Annotated[
    bool,
    Option("--pictures", help="Make every picture again, in memory, and compare it with what is stored."),
]
Offline: TypeAlias = Annotated[bool, Option("--offline", help="Never download weights.")]
AsJson: TypeAlias = Annotated[bool, Option("--json", help="Print the result as JSON on standard output.")]
High: TypeAlias = Annotated[
    Path, Option("--hr", help="Folder of high-resolution faces: the references.", metavar="DIR")
]
Low: TypeAlias = Annotated[Path, Option("--lr", help="Folder of low-resolution faces.", metavar="DIR")]
Families: TypeAlias = Annotated[
    list[str] | None,
    _more("--family", "general, blind, prior or all (the default). Repeatable.", "NAME", complete.families),
]
Arms: TypeAlias = Annotated[
    list[str] | None,
    _more(
        "--arm",
        "Add an arm: one of the config's, or the name of an auditor or a way (see fsrbench plugins). Repeatable.",
        "NAME",
        complete.arms,
    ),
]
Lvlm: TypeAlias = Annotated[bool, Option("--lvlm", help="Add the arm lvlm: a vision-language model audits.")]
Limit: TypeAlias = Annotated[int | None, Option("--limit", min=1, help="Only the first N cases.", show_default=False)]
WhichModels: TypeAlias = Annotated[
    Models | None, Option("--models", help="Networks to use (default: the config's).", show_default=False)
]
Policy: TypeAlias = Annotated[
    str | None,
    _more(
        "--policy",
        "Policy of the arms: paper, guarded or certified.",
        "NAME",
        complete.one_of(*complete.VALUES["policy"]),
    ),
]
BaseUrl: TypeAlias = Annotated[str | None, _more("--base-url", "LVLM server (or OPENAI_BASE_URL).", "URL")]
LvlmModel: TypeAlias = Annotated[str | None, _more("--lvlm-model", "LVLM (or FSRBENCH_LVLM_MODEL).", "NAME")]
Concurrency: TypeAlias = Annotated[
    int | None,
    Option(
        "--concurrency",
        min=1,
        help="LVLM requests in flight at most; four times as many cases are in work.",
        show_default=False,
    ),
]
MaxCost: TypeAlias = Annotated[
    float | None,
    Option("--max-cost", min=0, help="Begin no case for which LVLM requests could pass this cost.", show_default=False),
]
RunOut: TypeAlias = Annotated[
    Path | None, _more("--out", "The run's folder (default: outputs/…, said at the start).", "DIR")
]
DryRun: TypeAlias = Annotated[
    bool, Option("--dry-run", help="Say what the run would take: nothing is sent or written.")
]
NoEvaluate: TypeAlias = Annotated[bool, Option("--no-evaluate", help="Restore and audit only.")]
RunFolder: TypeAlias = Annotated[
    Path | None, Argument(help="A run's folder.", metavar="RUN", show_default=False, autocompletion=complete.runs)
]
PlainHigh: TypeAlias = Annotated[Path | None, _more("--hr", "For plain folders: the references.", "DIR")]
MovedHigh: TypeAlias = Annotated[Path | None, _more("--hr", "The references, where they have moved.", "DIR")]
PlainArms: TypeAlias = Annotated[
    list[str] | None, _more("--arm", "For plain folders: pure=DIR, and one for each arm.", "NAME=DIR")
]
PlainOut: TypeAlias = Annotated[
    Path | None, _more("--out", "For plain folders: where to write (default: outputs/evaluation).", "DIR")
]
HeadroomOut: TypeAlias = Annotated[Path, Option("--out", help="Where to write.", metavar="DIR")]
Beside: TypeAlias = Annotated[
    Path | None,
    _more("--run", "A finished run: its inputs and settings, and what its arms caught.", "RUN", complete.runs),
]
OneFamily: TypeAlias = Annotated[
    str, Option("--family", help="general, blind or prior.", metavar="NAME", autocompletion=complete.family)
]
Inputs: TypeAlias = Annotated[
    list[Path], Argument(help="Pictures, or folders of them.", metavar="PICTURE_OR_FOLDER", show_default=False)
]
RestoredOut: TypeAlias = Annotated[
    Path, Option("--out", help="Where to write: a folder; for one picture also one .png.", metavar="DIR")
]
Turned: TypeAlias = Annotated[
    list[str] | None,
    _more("--knob", "Turn a knob, e.g. dehalo=0.3 (fsrbench knobs lists them). Repeatable.", "NAME=VALUE"),
]
OneArm: TypeAlias = Annotated[
    str | None, _more("--arm", "Let this arm supervise, e.g. heuristic or lvlm (default: none).", "NAME", complete.arms)
]
SaveFaces: TypeAlias = Annotated[
    Path | None, _more("--save-faces", "Save each face here, cut out before and after.", "DIR")
]
OneCase: TypeAlias = Annotated[str | None, _more("--case", "Which picture (default: the first).", "ID")]
Tried: TypeAlias = Annotated[int, Option("--limit", min=1, help="Try knobs on the first N pictures.")]
Recipe: TypeAlias = Annotated[
    str,
    Option(
        "--recipe",
        help="paper, realesrgan, bsrgan, bicubic, or your own.",
        metavar="NAME",
        autocompletion=complete.recipes,
    ),
]
Scale: TypeAlias = Annotated[int, Option("--scale", min=1, max=8, help="HR size / LR size.")]
HrSize: TypeAlias = Annotated[
    int | None,
    Option("--hr-size", min=16, help="HR is cropped square and brought to this size (default: 512, or the preset's).",
           show_default=False),
]  # fmt: skip
TuningFaces: TypeAlias = Annotated[
    Path, Option("--hr", help="Folder of other people's faces, high-resolution.", metavar="DIR")
]
TunedOut: TypeAlias = Annotated[
    Path | None, _more("--out", "The file to write (default: outputs/constant-FAMILY.json).", "FILE")
]
Draws: TypeAlias = Annotated[int, Option("--draws", min=1, max=1000, help="Degraded inputs made of each face.")]
Objective: TypeAlias = Annotated[
    str, Option("--objective", help="The metric that decides.", metavar="NAME", autocompletion=complete.metrics)
]
Tuned: TypeAlias = Annotated[
    list[str] | None,
    _more("--knob", "Tune exactly these (default: those that the family offers). Repeatable.", "NAME", complete.knobs),
]
Steps: TypeAlias = Annotated[
    int | None,
    Option("--steps", min=1, max=100, help="Steps of a knob's band (default: as many as fit).", show_default=False),
]
Preset: TypeAlias = Annotated[
    str | None,
    _more("--preset", "--hr is a well-known set: celeba-test, ffhq, lfw or wider.", "NAME", complete.presets),
]
DrawSeed: TypeAlias = Annotated[int, Option("--seed", min=0, help="Seed of every drawn value.")]
From: TypeAlias = Annotated[
    Path | None, _more("--from", "Make the pictures of an earlier degradations.csv again.", "CSV")
]
Download: TypeAlias = Annotated[
    list[str] | None, _more("--download", "Fetch one, or 'all'. Repeatable.", "NAME", complete.weights)
]
DemoOut: TypeAlias = Annotated[Path, Option("--out", help="Where to write.", metavar="DIR")]
Reported: TypeAlias = Annotated[
    Path, Argument(help="A run's folder.", metavar="RUN", show_default=False, autocompletion=complete.runs)
]
ReportFile: TypeAlias = Annotated[
    Path | None, Argument(help="Where --single-file writes.", metavar="FILE", show_default=False)
]
SingleFile: TypeAlias = Annotated[
    bool, Option("--single-file", help="Write the report as one file, too.", show_default=False)
]
PictureLimit: TypeAlias = Annotated[
    int | None,
    Option("--limit", min=1, help="Pictures of the N cases that changed most, in one file.", show_default=False),
]
Experiment: TypeAlias = Annotated[str, Option("--experiment", help="MLflow's experiment.", metavar="TEXT")]
Checked: TypeAlias = Annotated[
    Path, Argument(help="A run's folder, or a summary.json.", metavar="RUN", autocompletion=complete.runs)
]
Baseline: TypeAlias = Annotated[
    Path | None, _more("--baseline", "Compare with this: a saved baseline or a summary.json.", "FILE")
]
SaveBaseline: TypeAlias = Annotated[
    Path | None, _more("--save-baseline", "Write this run's numbers as a baseline, after any comparison.", "FILE")
]
Tolerances: TypeAlias = Annotated[
    list[str] | None,
    _more(
        "--tolerance",
        "How far a metric may move: psnr=0.05, psnr=1% or psnr=interval. Repeatable.",
        "[METRIC=]SIZE",
        complete.tolerances,
    ),
]
Junit: TypeAlias = Annotated[Path | None, _more("--junit", "Write JUnit XML, for CI servers.", "FILE")]
MarkdownFile: TypeAlias = Annotated[Path | None, _more("--markdown", "Write a summary in Markdown.", "FILE")]
Everything: TypeAlias = Annotated[bool, Option("--all", help="Show what stayed within tolerance too.")]
GridFile: TypeAlias = Annotated[
    Path,
    Argument(
        help="YAML with the grid, or the name of one that is shipped: thresholds, strengths.",
        metavar="GRID",
        autocompletion=complete.grids,
    ),
]
SweepOut: TypeAlias = Annotated[
    Path | None, _more("--out", "The sweep's folder (default: outputs/ and the grid's name).", "DIR")
]
Runs: TypeAlias = Annotated[
    list[Path],
    Argument(help="Folders of finished runs; the first is the base.", metavar="RUN RUN…", autocompletion=complete.runs),
]
SharedArms: TypeAlias = Annotated[
    list[str] | None,
    _more("--arm", "Compare only this arm, or pure (default: all they share). Repeatable.", "NAME", complete.arms),
]
CompareOut: TypeAlias = Annotated[
    Path | None, _more("--out", "Where to write (default: outputs/compare-… with the runs' names).", "DIR")
]
Shelf: TypeAlias = Annotated[Path, Argument(help="A folder of outputs.", metavar="[DIR]")]
WhichFormat: TypeAlias = Annotated[TableFormat, Option("--format", help="What to print.")]
Kind: TypeAlias = Annotated[
    str | None,
    Argument(
        help="One kind alone: ways, judges, auditors, backends, metrics, …",
        metavar="KIND",
        autocompletion=complete.kinds,
        show_default=False,
    ),
]
Version: TypeAlias = Annotated[bool, Option("--version", help="Print the version and exit.")]
