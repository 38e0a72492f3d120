"""One page that stands alone: findings, table, plot, and the pictures of the cases that differ most, side by side."""

from __future__ import annotations

import base64
import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from importlib import resources
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fsrbench import __version__
from fsrbench.core.errors import FsrbenchError, InputError
from fsrbench.core.values import Image
from fsrbench.imaging import images
from fsrbench.measure.between_values import RunComparison, StrikingCase
from fsrbench.measure.pairing import Paired
from fsrbench.measure.reopen import EvaluatedRun
from fsrbench.measure.results import difference
from fsrbench.measure.subjects import Subject
from fsrbench.show import wording
from fsrbench.show.between import rows as paired_rows
from fsrbench.show.between import words
from fsrbench.show.plots import between as plot
from fsrbench.study import inputs
from fsrbench.study.store import read_made

if TYPE_CHECKING:
    from jinja2 import Template


def page(found: RunComparison, paired: Paired, drawn: Sequence[Path]) -> str:
    """`index.html`, with everything that it shows inside."""
    png = next((path for path in drawn if path.suffix == ".png"), None)
    return _template().render(
        version=__version__,
        style=resources.files("fsrbench.show.report").joinpath("page", "style.css").read_text(encoding="utf-8"),
        runs=list(found.runs),
        about=[(name, run, run.models) for name, run in found.runs.items()],
        verdicts=list(words.verdicts(found)),
        metrics=[wording.heading(metric) for metric in found.metrics.values()],
        families=[_family(found, family) for family in found.families],
        differing=list(words.differing(found)),
        plot=_inside(png.read_bytes()) if png is not None else "",
        question=plot.question(found),
        cases=[_case(found, paired, one) for one in found.striking],
        beside=list(words.beside(found)),
        reading=words.READING.format(**asdict(found.statistics)).replace("*", ""),
    )


@functools.cache
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(resources.files(__package__).joinpath("page.html").read_text(encoding="utf-8"))


def _family(found: RunComparison, family: str) -> dict[str, Any]:
    own = [row for row in paired_rows.rows(found) if row.family == family]
    return {
        "heading": paired_rows.heading(found, family),
        "finding": found.findings.get(family, ""),
        "arms": [(arm, list(side)) for arm, side in groupby(own, attrgetter("arm"))],
    }


# --------------------------------------------------------------------- cases


def _case(found: RunComparison, paired: Paired, one: StrikingCase) -> dict[str, Any]:
    """A case with its pictures and numbers: input, the first run, the other one, the reference."""
    runs = [run for run in paired.runs if run.name in (found.first, one.run)]
    metric = found.metrics[one.metric]
    return {
        "title": f"{one.case}: {words.name(found, one.arm, marked=False)}, {one.family}",
        "delta": f"{metric.label} {wording.number(metric, one.delta, signed=True)} in {one.run}",
        "pictures": list(_pictures(paired, one, runs)),
        "numbers": [
            (wording.heading(about), *_numbers(about, [_value(run, one, m) for run in runs]))
            for m, about in found.metrics.items()
        ],
    }


def _value(run: EvaluatedRun, one: StrikingCase, metric: str) -> float | None:
    return run.numbers.values(one.family, metric, one.arm).get(one.case)


def _numbers(metric: wording.MetricLike, values: Sequence[float | None]) -> list[str]:
    """Both numbers and the difference."""
    first, other = values
    apart = None if first is None or other is None else difference(other, first)
    told = [wording.number(metric, value) for value in values]
    return [*told, wording.number(metric, apart, signed=True)]


def _pictures(paired: Paired, one: StrikingCase, runs: Sequence[EvaluatedRun]) -> Iterator[dict[str, Any]]:
    """Each picture with its name; why it is not there, where it cannot be shown."""
    subjects = {run.name: paired.subjects[run.name, one.family, one.case] for run in runs}
    first = subjects[runs[0].name]
    limits = runs[0].what.limits.of_pictures()
    yield _shown("Input (LR)", lambda: images.read(_there(first.lr), **limits), pixels=True)
    for name, subject in subjects.items():
        yield _shown(name, functools.partial(_made, subject, one.arm))
    if first.hr is not None:
        size, hr = runs[0].what.hr_size, first.hr
        yield _shown("Reference", lambda: inputs.reference(hr, _made(first, one.arm).shape[:2], size, **limits))


def _made(subject: Subject, arm: str) -> Image:
    return read_made(subject.variants[arm], subject.made[arm])


def _there(path: Path | None) -> Path:
    if path is None:
        raise InputError("The input is not there any more.")
    return path


def _shown(name: str, read: Callable[[], Image], *, pixels: bool = False) -> dict[str, Any]:
    try:
        return {"name": name, "src": _inside(images.encode(read())), "why": "", "pixels": pixels}
    except (FsrbenchError, OSError) as error:
        return {"name": name, "src": "", "why": str(error), "pixels": pixels}


def _inside(png: bytes) -> str:
    """A picture as a part of the page."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
