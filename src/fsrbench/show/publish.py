"""From saved pictures to everything that people look at: scores, summary, tables, panels, plots, report.

`run`, `evaluate` and `demo` end here. Measuring is `evaluate.py`'s, drawing `panels.py`'s and `plots/`'s, the report
`report/`'s. Each product is made again only if something that it shows has changed; what each shows is said here.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeAlias

from fsrbench import __version__
from fsrbench.core import execute
from fsrbench.core.contracts import Machine
from fsrbench.core.errors import FsrbenchError
from fsrbench.core.execute import Track
from fsrbench.core.stored import to_json
from fsrbench.core.values import Failure, Score
from fsrbench.files import atomic
from fsrbench.files.journal import Journal
from fsrbench.imaging import png
from fsrbench.measure import changes, choosing, choosing_file, evaluate, subjects, summary_file
from fsrbench.measure import scores as scorefile
from fsrbench.measure import summary as summarising
from fsrbench.measure.choosing_values import MeasuredChoice
from fsrbench.measure.results import Numbers, Results
from fsrbench.measure.subjects import Evaluation, Subject
from fsrbench.measure.summary_values import Summary
from fsrbench.show import findings, highlights, imprint, panels, plots, report, tables, wording
from fsrbench.show.patches import FaceFinder
from fsrbench.study import config
from fsrbench.study.store import RunFolder, as_json

Also: TypeAlias = Callable[[Summary], Iterable[Path]]
"""Draws more from a summary, and says which files it wrote."""
SHOWN = 6
"""Cases on the contact sheet."""


def run(folder: RunFolder, machine: Machine, workers: int, track: Track, also: Also | None = None) -> Summary:
    """Evaluate a run's folder as its settings say, and write all of it; returns the summary."""
    settings = config.stored(folder.study()["settings"], folder.study_file)
    return publish(subjects.of_run(folder, settings), folder, machine, workers, track, also=also)


def publish(
    what: Evaluation,
    folder: RunFolder,
    machine: Machine,
    workers: int,
    track: Track,
    *,
    also: Also | None = None,
    anew: bool = False,
) -> Summary:
    """Measure, then write scores.csv, summary, a panel for each case, the contact sheet, plots and the report.

    `also` is called before the report is built: a sweep draws its own plot, which the report then has. `anew` builds
    the report also where nothing seems to have changed, since its pictures may be lost, and changes no number.
    """
    with folder.locked():
        try:
            return _publish(what, folder, machine, workers, track, also, anew)
        finally:
            folder.journal.save()


def _publish(
    what: Evaluation, folder: RunFolder, machine: Machine, workers: int, track: Track, also: Also | None, anew: bool
) -> Summary:
    root, journal, failures = folder.root, folder.journal, subjects.failures(folder, what)
    scores = evaluate.measure(what, machine, workers, track, journal)
    if anew:
        scores = scorefile.hold(folder.scores_file, scores)
    what = replace(what, notes=(*what.notes, *evaluate.notes(what, journal)))
    cases = _Cases.of(what, scores, journal)
    told = _digest(_words(what), list(cases.content.values()), failures)

    def write_scores() -> list[Path]:
        scorefile.write(folder.scores_file, scores)
        return [folder.scores_file]

    _make(journal, folder.scores_file.name, told, write_scores)
    choices = _choices(what, told, folder, workers)
    summary = _summary(what, scores, failures, choices, told, folder)
    find = FaceFinder(machine)
    _draw_panels(what, cases, summary, folder, find, workers, track)
    _draw_sheet(what, scores, cases, summary, folder, find)
    results = Results(root, what, Numbers(scores), summary, choices)
    _make(journal, folder.plots.name, told, lambda: plots.draw(results, track))
    if also is not None:
        journal.made(plots.SWEEP, told, also(summary))
    stale = () if journal.fresh(plots.SWEEP, told) else (plots.SWEEP,)  # it shows other numbers
    sweep = [journal.sha256(folder.plots / f"{plots.SWEEP}{suffix}") for suffix in (".png", ".svg")]
    made_of = _digest(told, stale or sweep)
    if anew or not journal.fresh(folder.report.name, made_of):
        journal.made(folder.report.name, made_of, _pages(report.build(results, stale, track)))
    journal.forget_unseen()
    return summary


# ------------------------------------------------------------ what products show


@dataclass(frozen=True)
class _Cases:
    """Every case, by what there is to be seen of it."""

    content: dict[tuple[str, str], str]
    """(family, case) → hash of everything about it: pictures, trail, scores."""
    scores: dict[tuple[str, str], list[Score]]
    """(family, case) → its scores."""

    @classmethod
    def of(cls, what: Evaluation, scores: Iterable[Score], journal: Journal) -> _Cases:
        own: dict[tuple[str, str], list[Score]] = {(s.family, s.case): [] for s in what.subjects}
        for score in scores:
            own[score.family, score.case].append(score)
        content = {}
        for subject in what.subjects:
            place = (subject.family, subject.case)
            numbers = [(s.arm, s.metric, s.value, s.note) for s in own[place]]
            parts = [_telling(getattr(subject, part.name), journal) for part in fields(subject) if part.name != "told"]
            told = subject.told
            trail = journal.sha256(told.trail_file(*place)) if isinstance(told, RunFolder) else told
            content[place] = _digest(parts, trail, numbers)
        return cls(content, own)


def _telling(value: Any, journal: Journal) -> object:
    """Files by their content, everything else as it is."""
    if isinstance(value, Path):
        return journal.sha256(value)
    if isinstance(value, dict):
        return {key: _telling(one, journal) for key, one in value.items()}
    return value


def _words(what: Evaluation) -> list[object]:
    """Everything about an evaluation but its cases."""
    own = [getattr(what, part.name) for part in fields(what) if part.name not in ("subjects", "metrics")]
    return [*own, _declared(what)]


def _declared(what: Evaluation) -> list[object]:
    """What is said of the metrics wherever their numbers stand."""
    return [(name, m.label, m.better, m.digits, m.unit, m.reference) for name, m in what.metrics.items()]


def _digest(*parts: object) -> str:
    """Hash of what a product is made of, the package's own code included."""
    return hashlib.sha256("\n".join([_code(), *map(repr, parts)]).encode(errors="surrogatepass")).hexdigest()


@functools.cache
def _code() -> str:
    """Hash of the package: after an upgrade, everything that is shown is made anew (numbers are not measured anew)."""
    here = Path(__file__).parents[1]
    found = hashlib.sha256(__version__.encode())
    for path in sorted(here.rglob("*")):
        if path.is_file() and path.suffix in (".py", ".css", ".js", ".html"):
            found.update(path.relative_to(here).as_posix().encode() + path.read_bytes())
    return found.hexdigest()


def _make(journal: Journal, product: str, inputs: str, make: Callable[[], Iterable[Path]]) -> None:
    """Make something unless it is there already, made of the same; remember it with the files that `make` wrote."""
    if not journal.fresh(product, inputs):
        journal.made(product, inputs, make())


# --------------------------------------------------------------------- products


def _choices(what: Evaluation, told: str, folder: RunFolder, workers: int) -> list[MeasuredChoice]:
    """What choices among candidates did, as it is stored or measured anew; no table where nothing was chosen."""
    file = folder.choosing_file

    def write() -> list[Path]:
        found = choosing.measure(what, folder, workers)
        if not found:
            atomic.remove(file)
            return []
        choosing_file.write(file, found)
        return [file]

    _make(folder.journal, file.name, told, write)
    return choosing_file.read(file)


def _summary(
    what: Evaluation,
    scores: Sequence[Score],
    failures: Sequence[Failure],
    choices: Sequence[MeasuredChoice],
    told: str,
    folder: RunFolder,
) -> Summary:
    """The summary as it is stored, or a new one."""
    file = folder.summary_file

    def write() -> list[Path]:
        found = summarising.summarise(what, Numbers(scores), failures, choices)
        return write_summary(folder, replace(found, findings=findings.tell(found)))

    _make(folder.journal, file.name, told, write)
    return summary_file.read(file)


def write_summary(folder: RunFolder, summary: Summary) -> list[Path]:
    """Store the summary for programs and for people."""
    files = {folder.summary_file: as_json(to_json(summary)), folder.summary_text: tables.markdown(summary).encode()}
    for file, content in files.items():
        atomic.write_bytes(file, content)
    return list(files)


def _draw_panels(
    what: Evaluation,
    cases: _Cases,
    summary: Summary,
    folder: RunFolder,
    find: FaceFinder,
    workers: int,
    track: Track,
) -> None:
    """Draw the panel of every case of which something that it shows has changed."""
    journal, about = folder.journal, _digest(_declared(what), what.hr_size, what.limits.of_pictures(), find.sha256)

    def inputs(subject: Subject) -> str:
        marks = {arm: wording.standing(what, arm) for arm in subject.variants}
        content = cases.content[subject.family, subject.case]
        run = imprint.short(summary, subject.variants)
        return hashlib.sha256(repr((about, content, marks, what.labels.get(subject.family), run)).encode()).hexdigest()

    def draw(job: tuple[int, str]) -> tuple[str, str, Path | None]:
        subject, made_of = what.subjects[job[0]], job[1]
        name = folder.panel_name(subject.family, subject.case)
        path = folder.root / name
        try:
            panel = panels.draw(subject, cases.scores[subject.family, subject.case], what, summary, find)
        except FsrbenchError:
            atomic.remove(path)  # a picture is gone or damaged: scores.csv says which and why
            return name, made_of, None
        atomic.write_bytes(path, png.encode(panel))
        return name, made_of, path

    jobs = [
        (number, made_of)
        for number, s in enumerate(what.subjects)
        if not journal.fresh(folder.panel_name(s.family, s.case), made_of := inputs(s))
    ]
    for name, made_of, path in track("panels", execute.run(draw, jobs, workers), len(jobs)) if jobs else ():
        if path is not None:
            journal.made(name, made_of, [path])


def _draw_sheet(
    what: Evaluation, scores: Sequence[Score], cases: _Cases, summary: Summary, folder: RunFolder, find: FaceFinder
) -> None:
    """Draw the contact sheet, if a case on it has changed."""
    sheet, numbers = folder.contact_sheet, Numbers(scores)
    found = changes.largest(what, numbers)
    most = {change.case: change.family for change in changes.by_case(found)}
    first = {case: most.get(case) for case in changes.cases(what, found)[:SHOWN]}
    caption = highlights.sentence(what, numbers, found, SHOWN)
    if most and len(summary.families) > 1:
        caption += " Each is shown in the family in which it changed most."
    shown = [first, *(content for (_, case), content in cases.content.items() if case in first)]
    measured = [any(metrics[name].n for metrics in summary.families.values()) for name in what.metrics]
    made_of = _digest(shown, measured, caption, _declared(what), what.labels, what.marks, what.roles, find.sha256)

    def draw() -> list[Path]:
        atomic.write_bytes(sheet, png.encode(panels.sheet(what, scores, summary, first, caption, find)))
        return [sheet]

    try:
        _make(folder.journal, sheet.name, made_of, draw)
    except FsrbenchError:
        atomic.remove(sheet)  # a picture is gone or damaged: scores.csv says which and why


def _pages(index: Path) -> list[Path]:
    """The files of the report that are its own: its pictures are links to those that were measured, or copies."""
    return sorted(path for path in index.parent.rglob("*") if path.suffix in (".html", ".js", ".css"))
