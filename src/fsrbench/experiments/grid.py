"""A sweep's file: a grid of settings, read, checked, and spread into the arms and families of one ordinary study.

Every point of the grid becomes an arm named after its values, and where the grid changes families, a family so
named: `gridpoints.py` does that. What is done with them is in `sweep.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fsrbench.core import plugins
from fsrbench.core.errors import SettingsError
from fsrbench.core.near import among, near
from fsrbench.experiments import gridpoints
from fsrbench.experiments.gridpoints import FIXED, Axis, Point
from fsrbench.files import yamlfile
from fsrbench.study import config
from fsrbench.study.following import ArmPolicy
from fsrbench.study.schema import Arm, Family, Settings

KEYS = ("arm", "families", "beside", "settings", "grid", "hints", "max_points")
PREFIX = "sweep-"
"""How the names of shipped grids begin."""
MOST = 100
"""Points, where the file does not say `max_points`."""
OWN = ("with", "judge")
"""Settings of an arm that hold settings of their own."""
LIMITS = tuple(ArmPolicy.model_fields)
FAMILY = tuple(sorted({*Family.model_fields} - {"variant_of"}))
COUNTED = (*LIMITS, "tile", "max_changes")
"""Settings that are numbers."""


@dataclass(frozen=True, slots=True)
class SweepGrid:
    """A sweep, ready to be run."""

    path: Path
    """The file."""
    settings: Settings
    """The study: every point an arm, with the families and the arms beside it."""
    arms: tuple[Point, ...]
    """Variants of arms, in the order of the grid."""
    families: tuple[Point, ...]
    """Families, varied or as they are, in order."""
    axes: tuple[Axis, ...]
    """What is varied: arms first, then families."""
    beside: tuple[str, ...]
    """Arms that stand beside, as they are."""


@dataclass(frozen=True, slots=True)
class _File:
    """What is read."""

    path: Path
    """Where it lies."""
    data: Mapping[str, Any]
    """What it holds."""
    lines: Mapping[yamlfile.Place, int]
    """On which lines."""

    def error(self, place: Sequence[str], problem: str) -> SettingsError:
        """What is wrong, and on which line."""
        depth = next((n for n in range(len(place), 0, -1) if tuple(place[:n]) in self.lines), 0)
        line = f", line {self.lines[tuple(place[:depth])]}" if depth else ""
        return SettingsError(f"{self.path}{line}, {'.'.join(place)}: {problem}" if place else f"{self.path}: {problem}")


# -------------------------------------------------------------------- reading


def find(name: Path) -> Path:
    """The file that is named; a bare name may be that of a grid which comes with the package: `thresholds`."""
    folder = plugins.shipped("configs")
    shipped = {path.stem.removeprefix(PREFIX): path for path in sorted(folder.glob(f"{PREFIX}*.yaml"))}
    if name.is_file() or name.suffix or len(name.parts) > 1:
        return name
    if str(name) not in shipped:
        hint = near(str(name), shipped)
        raise SettingsError(f"There is no file {name}, and no grid of that name.{hint} Known: {', '.join(shipped)}.")
    return shipped[str(name)]


def read(path: Path, base: Settings | None = None, changes: Iterable[str] = (), **options: Any) -> SweepGrid:
    """Read a grid. Its `settings` lie over `base` (or the shipped defaults), `changes` (KEY=VALUE) over both.

    `options` are those of the command line for arms (`config.with_options`); what the grid varies is laid over them.
    """
    data, lines = yamlfile.read(path)
    file = _File(path, data, lines)
    for key in data:
        if key not in KEYS:
            raise file.error([str(key)], f"there is no such key.{among(str(key), KEYS)}")
    settings = _settings(file, base, changes)
    varied, beside = _arms(file), _names(file, "beside")
    settings = settings.model_copy(update={"arms": {**settings.arms, **_fixed(varied)}})
    settings = config.with_options(_chosen(file, settings, varied, beside), **options)
    arm_axes, family_axes = _axes(file, settings, varied)
    _few_enough(file, gridpoints.count(arm_axes, varied) * gridpoints.count(family_axes, settings.families))
    arms = gridpoints.spread(arm_axes, varied)
    families = gridpoints.spread(family_axes, settings.families)
    settings = gridpoints.study(path, settings, (arms, families), (arm_axes, family_axes), beside)
    return SweepGrid(path, settings, tuple(arms), tuple(families), (*arm_axes, *family_axes), beside)


def _settings(file: _File, base: Settings | None, changes: Iterable[str]) -> Settings:
    own = file.data.get("settings") or {}
    if not isinstance(own, dict):
        raise file.error(["settings"], "this must hold keys and values, like a config file.")
    lines = {place[1:]: line for place, line in file.lines.items() if place[0] == "settings"}
    return config.lay(own, changes, base.model_dump(mode="json") if base else None, file.path, lines)


def _names(file: _File, key: str) -> tuple[str, ...]:
    """A list of names, or one name."""
    found = file.data.get(key) or []
    names = [found] if isinstance(found, str) else found
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise file.error([key], "this must be a list of names.")
    return tuple(dict.fromkeys(names))


def _arms(file: _File) -> tuple[str, ...]:
    named = _names(file, "arm")
    if "hints" in file.data:
        if named:
            raise file.error(["hints"], "hints replace the auditor: leave arm out, or sweep it in a file of its own.")
        return (FIXED,)
    if not named:
        raise file.error(
            [], "name the arm that is varied (arm: lvlm), or give hints: {KNOB: [VALUES]} for fixed strengths."
        )
    return named


def _fixed(varied: Sequence[str]) -> dict[str, Arm]:
    """The arm without an auditor, to which every point adds its knob values."""
    limits = ArmPolicy(min_confidence=0, accept_score=100, retries=1)
    return {FIXED: Arm(auditor="scripted", limits=limits)} if FIXED in varied else {}


def _chosen(file: _File, settings: Settings, varied: Sequence[str], beside: Sequence[str]) -> Settings:
    """Only the arms and families that the file names; fixed strengths take the families that have the knobs."""
    for key, names in (("arm", varied), ("beside", beside)):
        try:
            config.with_arms(settings, names)
        except SettingsError as error:
            raise file.error([key], str(error)) from None
        if asking := next((name for name in names if name in settings.arms and settings.arms[name].controls), ""):
            raise file.error([key], f"{asking} says controls: true, which is for fsrbench run: name its controls here.")
    families = _names(file, "families")
    try:
        settings = config.with_families(config.with_arms(settings, [*varied, *beside]), families or ["all"])
    except SettingsError as error:
        raise file.error(["families"], str(error)) from None
    hints = file.data.get("hints")
    if families or not isinstance(hints, dict):
        return settings
    able = [name for name in settings.families if {str(key) for key in hints} <= settings.offered(name).keys()]
    return config.with_families(settings, able) if able else settings


# ----------------------------------------------------------------------- axes


def _axes(file: _File, settings: Settings, varied: Sequence[str]) -> tuple[list[Axis], list[Axis]]:
    """The axes that vary arms, and those that vary families."""
    grid, hints = ({} if file.data.get(k) is None else file.data[k] for k in ("grid", "hints"))
    for key, found in (("grid", grid), ("hints", hints)):
        if not isinstance(found, dict):
            raise file.error([key], "this must hold keys, each with the list of its values.")
    arms = [_hint(file, settings, str(knob), hints[knob]) for knob in hints]
    families: list[Axis] = []
    for key in grid:
        axis = _axis(file, settings, varied, str(key), grid[key])
        if axis.key.startswith("families."):
            families.append(axis)
        elif hints:
            raise file.error(["grid", axis.key], "beside hints, a grid can only hold families.…: nobody is asked.")
        else:
            arms.append(axis)
    if not arms and not families:
        raise file.error([], "there is nothing to vary: give grid: {policy.min_confidence: [60, 70, 80]}.")
    return [_unmistakable(axis, arms, families) for axis in arms], [_unmistakable(a, families, arms) for a in families]


def _unmistakable(axis: Axis, same: Sequence[Axis], other: Sequence[Axis]) -> Axis:
    """Called by its whole key, where another axis that a point may have is called the same."""
    beside = [one for one in same if one is not axis and {*one.of} & {*axis.of}]
    return replace(axis, name=axis.key) if axis.name in {one.name for one in (*beside, *other)} else axis


def _hint(file: _File, settings: Settings, knob: str, found: Any) -> Axis:
    values, lines = _values(file, ("hints", knob), found)
    for family in settings.families:
        offered = settings.offered(family)
        if knob not in offered:
            hint = near(knob, offered)
            raise file.error(["hints", knob], f"no knob of family {family}.{hint} Known: {', '.join(offered)}.")
        most = settings.families[family].max_changes
        if most is not None and len(file.data["hints"]) > most:
            raise file.error(
                ["hints", knob], f"family {family} allows {most} change: set families.{family}.max_changes."
            )
        for number, value in enumerate(values):
            try:
                given = offered[knob].clamp(value)
            except ValueError as error:
                raise file.error(["hints", knob, str(number)], f"{error}.") from None
            if given != value:
                raise file.error(
                    ["hints", knob, str(number)], f"{value!r} is not allowed; the nearest value is {given!r}."
                )
    return Axis(knob, knob, values, ("replies", "0", "hints", knob), lines, (FIXED,))


def _axis(file: _File, settings: Settings, varied: Sequence[str], key: str, found: Any) -> Axis:
    """One key of the grid: where it leads to, checked as far as its name goes."""
    values, lines = _values(file, ("grid", key), found)
    head, *rest = key.split(".")
    if head in ("policy", "families") and rest and rest[-1] in COUNTED:
        _counted(file, key, values)
    if head == "policy" and rest and rest[0] in LIMITS and len(rest) == 1:
        return Axis(key, rest[0], values, ("limits", rest[0]), lines, tuple(varied))
    if head == "families" and len(rest) == 2 and rest[0] in settings.families and rest[1] in FAMILY:
        return Axis(key, rest[1], values, (rest[1],), lines, (rest[0],))
    if head == "arms" and len(rest) == 2 and rest[0] in varied and rest[1] not in ("limits", "variant_of", "way"):
        return Axis(key, rest[1], values, (rest[1],), lines, (rest[0],))
    inner = rest[1:] if head == "arms" else [head, *rest]
    if len(inner) > 1 and inner[0] in OWN and (head != "arms" or rest[0] in varied):
        return Axis(key, inner[-1], values, tuple(inner), lines, (rest[0],) if head == "arms" else tuple(varied))
    if not rest and key not in ("limits", "variant_of", "way", "arms", "families"):
        return Axis(key, key, values, (key,), lines, tuple(varied))
    known = ["policy", *(f"policy.{name}" for name in LIMITS)]
    known += [f"families.{name}.{field}" for name in settings.families for field in FAMILY]
    raise file.error(
        ["grid", key],
        f"there is no such setting here.{near(key, known)} Known: policy, policy.{{{', '.join(LIMITS)}}}, "
        f"families.NAME.{{{', '.join(FAMILY)}}} for the families {', '.join(settings.families)}, and the settings of "
        f"the auditor (KEY), of the way (with.KEY) and of the judge (judge.KEY), with or without arms.NAME before, "
        f"for the arms {', '.join(varied)}.",
    )


def _values(file: _File, place: tuple[str, str], found: Any) -> tuple[tuple[Any, ...], tuple[int, ...]]:
    """The list of an axis: not empty, and no value twice."""
    if not isinstance(found, list) or not found:
        raise file.error(place, "this must be a list with at least one value, e.g. [60, 70, 80].")
    seen: dict[str, int] = {}
    lines = []
    for number, value in enumerate(found):
        where = (*place, str(number))
        try:
            text = gridpoints.canonical(value)
        except (TypeError, ValueError):
            raise file.error(where, f"{value!r:.60} is no value of a setting.") from None
        if text in seen:
            raise file.error(where, f"{value!r:.60} stands there twice.")
        seen[text] = number
        lines.append(file.lines[where])
    return tuple(found), tuple(lines)


def _counted(file: _File, key: str, values: Sequence[Any]) -> None:
    """Numbers as YAML reads them: `on` would become 1, and "80" a second 80 beside 80."""
    for number, value in enumerate(values):
        if isinstance(value, bool | str):
            raise file.error(["grid", key, str(number)], f"{value!r:.60} is not a number.")


def _few_enough(file: _File, points: int) -> None:
    most = file.data.get("max_points", MOST)
    if not isinstance(most, int) or isinstance(most, bool) or most < 1:
        raise file.error(["max_points"], f"this must be a whole number from 1 on (it is {most!r:.40}).")
    if points > most:
        raise file.error(
            ["max_points" if "max_points" in file.data else "grid"],
            f"this grid has {points} points (arms × families), and {most} are allowed. Take values out, or set "
            f"max_points: {points}.",
        )
