"""The options of `certify` that no other command has."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

from typer import Option

from fsrbench.cli import complete

BoundedArm: TypeAlias = Annotated[
    str,
    Option("--arm", help="The arm to be bounded, e.g. heuristic.", metavar="NAME", autocompletion=complete.arms),
]
CalibrationFaces: TypeAlias = Annotated[
    Path, Option("--hr", help="Folder of other people's faces, high-resolution: they calibrate.", metavar="DIR")
]
FitFaces: TypeAlias = Annotated[
    Path | None,
    Option("--fit", help="Faces of others yet, to fit on (default: half of --hr).", metavar="DIR", show_default=False),
]
CertificateOut: TypeAlias = Annotated[
    Path | None,
    Option(
        "--out",
        help="The file to write (default: outputs/certificate-FAMILY-ARM.json).",
        metavar="FILE",
        show_default=False,
    ),
]
Alpha: TypeAlias = Annotated[float, Option("--alpha", help="The share of persons that may come to harm.")]
Delta: TypeAlias = Annotated[
    float | None,
    Option("--delta", help="The chance that more do; all draws of a person count then.", show_default=False),
]
PromisedMetrics: TypeAlias = Annotated[
    list[str] | None,
    Option(
        "--metric",
        help="In which nobody may come to harm (default: psnr, ssim, and arcface where it can be had). Repeatable.",
        metavar="NAME",
        show_default=False,
        autocompletion=complete.metrics,
    ),
]
AllowedLosses: TypeAlias = Annotated[
    list[str] | None,
    Option(
        "--allow",
        help="How much worse is no harm yet, e.g. psnr=0.01 (default: what is not printed). Repeatable.",
        metavar="METRIC=LOSS",
        show_default=False,
    ),
]
