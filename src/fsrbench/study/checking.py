"""Settings checked, once: a mistake is answered with the line it stands on and the nearest valid name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from fsrbench.core import passes, plugins
from fsrbench.core.errors import SettingsError
from fsrbench.core.near import among, near
from fsrbench.files import yamlfile
from fsrbench.study.following import ArmPolicy, GuardSettings, Policy
from fsrbench.study.schema import NAME, TAKEN, Arm, Faces, Family, LimitSettings, OtherNetwork, Settings


def validate(data: dict[str, Any], path: Path | None, lines: Mapping[yamlfile.Place, int]) -> Settings:
    """Settings of this data; SettingsError with every mistake, each with its line and the nearest valid name."""
    try:
        settings = Settings.model_validate(data)
        for kind, place, name in _plugin_names(settings):
            _known_plugin(kind, name, place, path, lines)
        for name, family in settings.families.items():
            _background(name, family, path, lines)
            _second(name, family, path, lines)
        for name, arm in settings.arms.items():
            fitting(name, arm, path, lines)
    except ValidationError as error:
        problems = [sentence(problem, path, lines) for problem in error.errors()]
        raise SettingsError("\n".join(dict.fromkeys(problems))) from None
    for kind, names in (("families", settings.families), ("arms", settings.arms)):
        for name in names:
            if (
                not re.fullmatch(NAME, name)
                or name.casefold() in TAKEN
                or name.endswith((".yaml", ".csv", ".json", ".md"))
            ):
                where = _where((kind, name), path, lines)
                raise SettingsError(f"{where}: {name!r} cannot be a name here: use letters, digits, '_', '-' and '.'.")
    if not settings.families:
        raise SettingsError(f"{_where(('families',), path, lines)}: there is no family in it.")
    return settings


def _plugin_names(settings: Settings) -> Iterator[tuple[str, tuple[str, ...], str]]:
    for name, family in settings.families.items():
        yield "backends", ("families", name, "backend"), family.backend
        if family.background is not None:
            yield "backends", ("families", name, "background"), family.background.backend
        if family.second is not None:
            yield "backends", ("families", name, "second"), family.second.backend
        for knob in family.knobs or ():
            yield "knobs", ("families", name, "knobs"), knob
    for name, arm in settings.arms.items():
        yield "ways", ("arms", name, "way"), arm.way
        if arm.auditor is not None:
            yield "auditors", ("arms", name, "auditor"), arm.auditor
        if arm.judge is not None:
            yield "judges", ("arms", name, "judge"), arm.judge["name"]
    for metric in settings.metrics:
        yield "metrics", ("metrics",), metric


def _known_plugin(
    kind: str, name: str, where: tuple[str, ...], path: Path | None, lines: Mapping[yamlfile.Place, int]
) -> None:
    known = plugins.names(kind)
    if name.partition(":")[0] not in known:
        raise SettingsError(f"{_where(where, path, lines)}: there is no {kind[:-1]} {name!r}.{among(name, known)}")


def _background(name: str, family: Family, path: Path | None, lines: Mapping[yamlfile.Place, int]) -> None:
    """Refuse a background where none is wanted, and one that is itself made for faces."""
    if family.background is None:
        return
    where = _where(("families", name, "background"), path, lines)
    if not plugins.load("backends", family.backend).backgrounds:
        raise SettingsError(f"{where}: {family.backend} takes no other network for the background: leave it out.")
    other = family.background.backend
    if plugins.load("backends", other).family == "prior":
        raise SettingsError(f"{where}: {other} restores faces; name a network for whole pictures, e.g. realesrgan.")


def _second(name: str, family: Family, path: Path | None, lines: Mapping[yamlfile.Place, int]) -> None:
    """Refuse to offer a second network's opinion where no second network is named."""
    if family.second is None and passes.SECOND_OPINION in (family.knobs or ()):
        where = _where(("families", name, "knobs"), path, lines)
        raise SettingsError(f"{where}: {passes.no_second(name)}")


def fitting(name: str, arm: Arm, path: Path | None, lines: Mapping[yamlfile.Place, int]) -> None:
    """Does an arm name what its way needs, nothing that it has no use for, and settings that the way knows?"""
    way = arm.declared()
    for part, given in (("auditor", arm.auditor), ("judge", arm.judge)):
        where = _where(("arms", name, part), path, lines)
        if part in way.needs and given is None:
            raise SettingsError(f"{where}: the way {arm.way} needs one, and this arm names none: add {part}: NAME.")
        if part not in (*way.needs, *way.takes) and given is not None:
            raise SettingsError(f"{where}: the way {arm.way} asks no {part}: leave it out.")
    where = _where(("arms", name, "policy"), path, lines)
    if arm.policy == "guarded" and "auditor" not in (*way.needs, *way.takes):
        raise SettingsError(f"{where}: the way {arm.way} asks no auditor that policy {arm.policy} could be for.")
    if arm.policy == "certified" and not arm.follows("certified"):
        raise SettingsError(
            f"{where}: an arm that sees the reference, or is there to show noise, cannot be certified: leave it out."
        )
    if arm.auditor is None and arm.settings:
        key = next(iter(arm.settings))
        where = _where(("arms", name, key), path, lines)
        raise SettingsError(
            f"{where}: this arm has no auditor with such a setting; a way's own settings stand under with."
        )
    _own("with", arm.options, way.settings, name, path, lines)
    if arm.controls and not way.controls(arm.chosen()):
        where = _where(("arms", name, "controls"), path, lines)
        raise SettingsError(f"{where}: the way {arm.way} has no controls of its own: leave it out.")
    if arm.judge is not None:
        own = {key: value for key, value in arm.judge.items() if key != "name"}
        _own("judge", own, plugins.load("judges", arm.judge["name"]).settings, name, path, lines)


def _own(
    part: str,
    given: Mapping[str, Any],
    model: type[BaseModel] | None,
    arm: str,
    path: Path | None,
    lines: Mapping[yamlfile.Place, int],
) -> None:
    """Are these settings that a way or a judge knows?"""
    if model is None:
        if given:
            where = _where(("arms", arm, part, next(iter(given))), path, lines)
            raise SettingsError(f"{where}: it has no settings of its own: leave that out.")
        return
    try:
        model.model_validate(given)
    except ValidationError as error:
        found = [{**problem, "loc": ("arms", arm, part, *problem["loc"])} for problem in error.errors()]
        problems = [sentence(problem, path, lines, model.model_fields) for problem in found]
        raise SettingsError("\n".join(dict.fromkeys(problems))) from None


def sentence(
    problem: Any, path: Path | None, lines: Mapping[yamlfile.Place, int], keys: Iterable[str] | None = None
) -> str:
    """A validator's finding in words. `keys` are those that are known there; None to look them up."""
    place = tuple(str(part) for part in problem["loc"])
    while place and place[-1] in ("literal['auto']", "bool", "[key]"):  # pydantic's own steps, not keys
        place = place[:-1]
    where = _where(place, path, lines)
    if problem["type"] == "extra_forbidden":
        known = _keys_at(place[:-1]) if keys is None else sorted(keys)
        return f"{where}: there is no such setting.{near(place[-1], known)} Known here: {', '.join(known)}."
    if problem["type"] == "missing":
        return f"{where}: this setting is missing."
    message = WORDING.get(problem["type"], problem["msg"].removeprefix("Value error, "))
    return f"{where}: {message[0].lower()}{message[1:]} (it is {problem['input']!r:.80})."


WORDING = {
    "model_type": "this must hold keys and values",
    "dict_type": "this must hold keys and values",
    "tuple_type": "this must be a list",
}
"""Where the validator's own words are about Python."""


def _where(place: tuple[str, ...], path: Path | None, lines: Mapping[yamlfile.Place, int]) -> str:
    key = ".".join(place)
    for depth in range(len(place), 0, -1):
        if place[:depth] in lines:
            return f"{path}, line {lines[place[:depth]]}, {key}"
    return f"Setting {key}"


def _keys_at(place: tuple[str, ...]) -> list[str]:
    """Valid keys below a place in the settings."""
    models: dict[str, type[BaseModel]] = {
        "families": Family, "arms": Arm, "policy": Policy, "guards": GuardSettings, "faces": Faces,
        "limits": LimitSettings,
    }  # fmt: skip
    model: type[BaseModel] = models.get(place[0], Settings) if place else Settings
    below: dict[tuple[type[BaseModel], str], type[BaseModel]] = {
        (Arm, "limits"): ArmPolicy, (Family, "background"): OtherNetwork,
        (Family, "second"): OtherNetwork,
    }  # fmt: skip
    fields = below.get((model, place[-1] if place else ""), model).model_fields
    return sorted(field.alias or name for name, field in fields.items())
