"""What is compared: the cases of a run's folder, or of plain folders, with everything a reader must be told of them."""

from __future__ import annotations

import logging
import os
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias, overload

from fsrbench.core import order, plugins
from fsrbench.core.contracts import Metric
from fsrbench.core.errors import InputError, SettingsError
from fsrbench.core.values import PURE, Failure, Trail
from fsrbench.imaging import images
from fsrbench.measure import case_tables, choices, promises, provenance, remarks, standings
from fsrbench.measure.choices import Choice
from fsrbench.measure.harm_values import Promise
from fsrbench.measure.standings import Standing
from fsrbench.study import config, ledger, schema
from fsrbench.study.ledger import Unfinished
from fsrbench.study.schema import LimitSettings, Settings
from fsrbench.study.store import RunFolder

log = logging.getLogger("fsrbench")
FREE = ("metrics", "faces", "hr_size", "limits", "clusters")
"""Settings of a finished run that an evaluation may change: they decide what is measured, not what was made."""


@dataclass(frozen=True)
class Subject:
    """One case of one family as it lies on disk."""

    family: str
    """Family, or the name given to plain folders."""
    case: str
    """Case id."""
    lr: Path | None
    """The input, for panels."""
    hr: Path | None
    """The reference, or None."""
    variants: dict[str, Path]
    """Arm → picture, `pure` first."""
    told: Trail | RunFolder | None = None
    """What happened to it, or the run's folder that tells; None for plain folders."""
    made: dict[str, str] = field(default_factory=dict)
    """Arm → hash of the pixels that the run recorded; empty for plain folders, whose pictures are what they are."""

    @property
    def trail(self) -> Trail | None:
        """What happened to it. A run's folder is asked each time: the trails of a large study fill a memory."""
        return self.told.trail(self.family, self.case) if isinstance(self.told, RunFolder) else self.told


_Names: TypeAlias = tuple[Path, Mapping[str, str]]
"""A folder, and case → the name of its file there."""


class _Finished(Sequence[Subject]):
    """The finished cases of a run's folder, each put together when its turn comes: only names are held."""

    def __init__(
        self, folder: RunFolder, settings: Settings, roles: Mapping[str, Standing], lr: _Names, hr: _Names
    ) -> None:
        self.labels: dict[str, list[str]] = {}
        self.bounds: Counter[tuple[str, str]] = Counter()
        self._folder = folder
        self._inputs, self._references = lr[0], hr[0]
        self._rows: list[tuple[str, str, tuple[str, ...], str | None, str | None, *tuple[str, ...]]] = []
        shared: dict[tuple[str, ...], tuple[str, ...]] = {}
        for trail in folder.trails():
            if unknown := _unknown(settings, trail.family, trail.arms):
                log.warning("%s is left out: %s.", folder.trail_file(trail.family, trail.case), unknown)
                continue
            arms = tuple(order.arms((PURE, *trail.arms), roles))
            inputs, reference = (names.get(trail.case) for _, names in (lr, hr))
            hashes = [trail.final(arm).sha256 for arm in arms]
            made = (hashes[hashes.index(one)] for one in hashes)  # one text for arms with one picture
            family = sys.intern(trail.family)
            self._rows.append((family, trail.case, shared.setdefault(arms, arms), inputs, reference, *made))
            self.bounds.update((arm, max(step.bound for step in steps)) for arm, steps in trail.arms.items())
            models = self.labels.setdefault(trail.family, [])
            if trail.pure.model not in models:
                models.append(trail.pure.model)

    @property
    def cases(self) -> set[str]:
        """Their names."""
        return {row[1] for row in self._rows}

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, which: int) -> Subject: ...

    @overload
    def __getitem__(self, which: slice) -> list[Subject]: ...

    def __getitem__(self, which: int | slice) -> Subject | list[Subject]:
        if isinstance(which, slice):
            return [self[number] for number in range(len(self))[which]]
        family, case, arms, lr, hr, *made = self._rows[which]
        return finished(
            self._folder,
            (family, case),
            dict(zip(arms, made, strict=True)),
            None if lr is None else self._inputs / lr,
            None if hr is None else self._references / hr,
        )


def finished(
    folder: RunFolder, place: tuple[str, str], made: dict[str, str], lr: Path | None, hr: Path | None
) -> Subject:
    """A finished case of a run, by its family and name and by what each arm made of it."""
    pictures = {arm: folder.root / folder.picture_name(place[0], arm, place[1]) for arm in made}
    return Subject(*place, lr, hr, pictures, folder, made)


@dataclass(frozen=True)
class Evaluation:
    """What is measured, and on what."""

    subjects: Sequence[Subject]
    """Everything that is compared."""
    metrics: dict[str, Metric]
    """Declared metrics by name, in the order of tables."""
    labels: dict[str, list[str]] = field(default_factory=dict)
    """Family → models that made its pictures, for tables and panels."""
    marks: dict[str, str] = field(default_factory=dict)
    """Arm → what must be said wherever it shows: privileged, noise floor."""
    notes: tuple[str, ...] = ()
    """What a reader of the numbers must know."""
    about_metrics: Mapping[str, str] = field(default_factory=dict)
    """Metric → what a reader of its numbers must know beside."""
    roles: dict[str, Standing] = field(default_factory=dict)
    """Arm → what it is there for, in the order of rows."""
    chosen_by: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Arm → metrics by which its pictures were chosen: a number that chose a picture is no evidence for it."""
    promises: Mapping[str, Mapping[str, Promise]] = field(default_factory=dict)
    """Family → arm → what its certificate says of its harm; an arm without one promised nothing."""
    twins: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Contender → the controls that differ from it by their auditor alone."""
    judged: tuple[str, ...] = ()
    """Arms whose candidates a judge orders."""
    degraded: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Case → the row of the LR folder's `degradations.csv` that made its input; empty where nothing is known."""
    clusters: dict[str, str] | None = None
    """Case → the person it shows, where several pictures show one; None where every case is its own."""
    hr_size: int = 512
    """Size to which references are standardised."""
    limits: LimitSettings = field(default_factory=LimitSettings)
    """Bounds on what is read, and on the share of replies that may be unusable."""
    canaries: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Arm → samples in which it was shown spoilt pictures, and those in which it noticed."""
    dead_knobs: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Family → knobs that move no pixel on its backend."""
    run: provenance.Provenance | None = None
    """What was run; None for plain folders, of which nothing is known."""
    unfinished: tuple[Unfinished, ...] = ()
    """What was paid for cases that are not finished."""
    choices: tuple[Choice, ...] = ()
    """What people chose between pictures of this run."""


def of_run(folder: RunFolder, settings: Settings, hr: Path | None = None) -> Evaluation:
    """What a run's folder holds. `settings` are the run's own, but for those in FREE; `hr` is where its HR are now."""
    study = folder.study()
    made_with = config.stored(study["settings"], folder.study_file)
    for key in sorted(set(Settings.model_fields) - set(FREE)):
        if getattr(settings, key) != getattr(made_with, key):
            raise SettingsError(f"{key} belongs to the finished run and cannot be changed now; {', '.join(FREE)} can.")
    lr = Path(study["inputs"]["lr"])
    inputs = _named(images.find(lr) if lr.is_dir() else {})
    roles = standings.of_run(settings)
    found = _Finished(folder, made_with, roles, inputs, _named(references(study["inputs"]["hr"], hr)))
    if not found:
        raise InputError(f"{folder.root} holds no finished case. Run fsrbench run --out {folder.root} again.")
    degraded, unknown = case_tables.degraded(lr, found.cases)
    canaries = dict(_canaries(folder, settings, roles))
    return Evaluation(
        found,
        load_metrics(settings.metrics),
        found.labels,
        marks=standings.marks(settings, roles),
        notes=(
            *remarks.of_study(study),
            *remarks.of_canaries(canaries),
            *remarks.of_budgets(found.bounds, roles),
            *unknown,
        ),
        about_metrics=remarks.of_metrics(settings),
        roles=roles,
        chosen_by={arm: settings.arms[arm].chosen_by() for arm in roles},
        promises=promises.of_study(study),
        twins=standings.twins(settings, roles),
        judged=tuple(arm for arm in roles if settings.arms[arm].judge is not None),
        degraded=degraded,
        clusters=case_tables.clusters(settings.clusters, found.cases),
        hr_size=settings.hr_size,
        limits=settings.limits,
        canaries=canaries,
        dead_knobs=study["dead_knobs"],
        run=provenance.of_run(folder, study, made_with, found.labels),
        unfinished=tuple(
            one for one in ledger.unfinished(folder) if one.arm in roles and one.family in settings.families
        ),
        choices=tuple(choices.read(folder)),
    )


def _unknown(settings: Settings, family: str, arms: Iterable[str]) -> str:
    """What a file names that the run does not have; empty where it knows all of it."""
    if family not in settings.families:
        return f"the run has no family {family!r:.80}"
    strange = sorted(set(arms) - {PURE, *settings.arms})
    return f"the run has no arm {strange[0]!r:.80}" if strange else ""


def failures(folder: RunFolder, what: Evaluation) -> list[Failure]:
    """What `failures.csv` says of the arms that are compared; a row about another one is named and left out."""
    rows = folder.failures()
    strange = {row.arm for row in rows} - {PURE, *what.roles}
    strange |= {row.family for row in rows if not re.fullmatch(schema.NAME, row.family)}
    if strange:
        table = folder.failures_file
        log.warning("%s: rows of %.80r are left out: no arm or family is called so.", table, min(strange))
    return [row for row in rows if strange.isdisjoint((row.arm, row.family))]


def of_folders(hr: Path | None, arms: Mapping[str, Path], name: str, settings: Settings) -> Evaluation:
    """What plain folders hold: one picture a case in each, matched by file name; `pure` is the baseline."""
    if PURE not in arms:
        raise InputError("One of the folders must be the baseline: --arm pure=DIR.")
    found = {arm: images.find(folder) for arm, folder in arms.items()}
    references = images.find(hr, below=True) if hr else {}
    if not found[PURE]:
        raise InputError(f"{arms[PURE]} holds no pictures.")
    roles: dict[str, Standing] = dict.fromkeys((arm for arm in arms if arm != PURE), "contender")
    for arm in roles:
        if found[arm].keys().isdisjoint(found[PURE]):
            raise InputError(f"{arms[arm]} has no picture that is called like one in {arms[PURE]}: nothing is paired.")
    subjects = [
        Subject(name, case, None, references.get(case), {a: found[a][case] for a in (PURE, *roles) if case in found[a]})
        for case in found[PURE]
    ]
    alone = [
        f"{arm}: {len(set(f) - set(found[PURE]))} pictures without a pure one are left out."
        for arm, f in found.items()
        if set(f) - set(found[PURE])
    ]
    alone += [
        f"{arm}: {len(set(found[PURE]) - set(f))} pure pictures have none of this arm beside them."
        for arm, f in found.items()
        if set(found[PURE]) - set(f)
    ]
    metrics = load_metrics(settings.metrics)
    return Evaluation(
        subjects,
        metrics,
        notes=tuple(alone),
        about_metrics=remarks.of_metrics(settings),
        roles=roles,
        clusters=case_tables.clusters(settings.clusters, found[PURE]),
        hr_size=settings.hr_size,
        limits=settings.limits,
    )


def load_metrics(names: Sequence[str]) -> dict[str, Metric]:
    """Declared metrics by name."""
    return {name: plugins.load("metrics", name) for name in names}


def references(recorded: str | None, given: Path | None) -> dict[str, Path]:
    """Case → HR. A folder that is gone is an error: its numbers would all go missing in silence."""
    if given is not None:
        return images.find(given, below=True)
    if recorded is None:
        return {}
    if not Path(recorded).is_dir():
        raise InputError(f"The run's references were in {recorded}, which is not there any more. Say where: --hr DIR.")
    return images.find(Path(recorded), below=True)


def _named(files: Mapping[str, Path]) -> _Names:
    """Files below one folder, in less room: a path takes ten times that of its name."""
    root = Path(os.path.commonpath([path.parent for path in files.values()])) if files else Path()
    return root, {case: sys.intern(path.relative_to(root).as_posix()) for case, path in files.items()}


def _canaries(folder: RunFolder, settings: Settings, arms: Iterable[str]) -> Iterator[tuple[str, tuple[int, int]]]:
    """Of an LVLM that was shown spoilt pictures among the real ones: how often, and how often it noticed."""
    for arm in arms:
        if not settings.arms[arm].settings.get("canary"):
            continue
        shown = [e["canary"] for e in folder.exchanges(arm) if e.get("canary", {}).get("looking") is not None]
        yield arm, (len(shown), sum(canary["looking"] for canary in shown))
