"""Settings: the shipped defaults, a user's YAML over them, `--set` over that; checked once, here.

A mistake is answered with the line it stands on and the nearest valid name. What the settings mean is
said in `configs/default.yaml`; what they do is in the modules that take them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import (
    ValidationError,
)

from fsrbench.core import auditing, plugins
from fsrbench.core.errors import SettingsError, StoreError
from fsrbench.core.near import among
from fsrbench.core.values import PURE
from fsrbench.files import yamlfile
from fsrbench.study.checking import fitting, sentence, validate
from fsrbench.study.schema import NAME, Arm, Settings

FLAGS: dict[auditing.Common, str] = {
    "base_url": "--base-url", "model": "--lvlm-model", "concurrency": "--concurrency", "max_cost": "--max-cost",
}  # fmt: skip
"""Options of the command line, by the setting of an auditor that they stand for."""


def load(
    path: Path | None, changes: Iterable[str] = (), base: Mapping[str, Any] | None = None
) -> tuple[Settings, tuple[str, ...]]:
    """Read settings; returns them and the names of the arms that the user's own file defines.

    They are laid over `base`, a finished run's settings, or over the shipped defaults.
    """
    user, lines = yamlfile.read(path) if path is not None else ({}, {})
    own_arms = tuple(user["arms"]) if isinstance(user.get("arms"), dict) else ()
    return lay(user, changes, base, path, lines), own_arms


def lay(
    user: Mapping[str, Any],
    changes: Iterable[str] = (),
    base: Mapping[str, Any] | None = None,
    path: Path | None = None,
    lines: Mapping[yamlfile.Place, int] | None = None,
) -> Settings:
    """Settings in memory over `base` or the shipped defaults; `lines` says where in `path` each of them stands."""
    merged = dict(base) if base is not None else yamlfile.read(plugins.shipped("configs") / "default.yaml")[0]
    merged = _merge(merged, user)
    for change in changes:
        _set(merged, change)
    return validate(merged, path, lines or {})


def stored(data: Mapping[str, Any], file: Path) -> Settings:
    """The settings that a finished run recorded in `file`; StoreError where it cannot have written them."""
    try:
        return validate(dict(data), None, {})
    except SettingsError as error:
        raise StoreError(f"{file} was edited, or needs another fsrbench or plugin. {error}") from None


def with_arms(settings: Settings, names: Iterable[str]) -> Settings:
    """Keep only the named arms, in their order; a name that is no arm but an auditor or a way becomes one."""
    chosen: dict[str, Arm] = {}
    auditors, ways = plugins.names("auditors"), plugins.names("ways")
    for name in names:
        if name == PURE:
            continue
        if name not in settings.arms and name not in auditors and name not in ways:
            known = sorted({*settings.arms, *auditors, *ways})
            raise SettingsError(f"There is no arm, auditor or way {name!r}.{among(name, known)}")
        if name not in settings.arms and name in auditors and name in ways:
            raise SettingsError(
                f"{name} is an auditor and a way. Say which in the settings: arms: {{{name}: {{way: {name}}}}}, or "
                f"{{auditor: {name}}}."
            )
        arm = Arm(auditor=name) if name in auditors else Arm(way=name)
        chosen[name] = settings.arms.get(name) or arm
        fitting(name, chosen[name], None, {})
    return settings.model_copy(update={"arms": chosen})


def with_controls(settings: Settings) -> Settings:
    """Arms that ask for their controls, followed by them. One that is there under its name already stands as it is.

    Such an arm keeps its candidates: from their pictures it is measured what choosing gained, and what averaging did.
    """
    arms: dict[str, Arm] = {}
    for name, arm in settings.arms.items():
        arms[name] = arm.model_copy(update={"controls": False, "keep_candidates": True}) if arm.controls else arm
        for added, control in arm.declared().controls(arm.chosen()).items() if arm.controls else ():
            own = {**arm.model_dump(exclude={"controls", "keep_candidates"}), "judge": dict(control.judge)}
            own["with"] = {**arm.options, **control.settings}
            arms[f"{name}-{added}"] = settings.arms.get(f"{name}-{added}") or Arm.model_validate(own)
    if long := next((name for name in arms if not re.fullmatch(NAME, name)), ""):
        raise SettingsError(f"Arm {long}: a control is called by its arm and what it is. Give the arm a shorter name.")
    return settings.model_copy(update={"arms": arms})


def with_options(
    settings: Settings,
    *,
    base_url: str | None = None,
    model: str | None = None,
    policy: str | None = None,
    concurrency: int | None = None,
    max_cost: float | None = None,
) -> Settings:
    """Command-line options over the arms: the policy for those that can follow it, the others for those that take them.

    An option that no arm takes is refused: whoever gave it meant something by it.
    """
    lvlm: dict[auditing.Common, Any] = {
        "base_url": base_url, "model": model, "concurrency": concurrency, "max_cost": max_cost,
    }  # fmt: skip
    lvlm = {key: value for key, value in lvlm.items() if value is not None}
    for key in lvlm:
        if not any(arm.takes(key) for arm in settings.arms.values()):
            raise SettingsError(f"{FLAGS[key]} is for an arm that asks a model, and no arm here takes it: add --lvlm.")
    if policy is not None:
        _known_policy(settings, policy)
    arms = {}
    for name, arm in settings.arms.items():
        over: dict[str, Any] = {key: value for key, value in lvlm.items() if arm.takes(key)}
        over |= {"policy": policy} if policy is not None and arm.follows(policy) else {}
        try:
            arms[name] = Arm.model_validate({**arm.model_dump(), **over})
        except ValidationError as error:
            raise SettingsError(sentence(error.errors()[0], None, {})) from None
    return settings.model_copy(update={"arms": arms})


def _known_policy(settings: Settings, policy: str) -> None:
    """Refuse a policy that does not exist, or that no arm can be run under."""
    known = get_args(Arm.model_fields["policy"].annotation)
    if policy not in known:
        raise SettingsError(f"--policy: there is no policy {policy!r}.{among(policy, known)}")
    if not any(arm.follows(policy) for arm in settings.arms.values()):
        there = f"those of this run cannot: {', '.join(settings.arms)}" if settings.arms else "this run has none"
        raise SettingsError(f"--policy {policy} is for arms that can follow it, and {there}. Add --lvlm or an --arm.")


def followed(settings: Settings, policy: str) -> str:
    """Which arms an option --policy holds for and which it leaves alone, in a line; empty where it holds for all."""
    yes = [name for name, arm in settings.arms.items() if arm.follows(policy)]
    rest = {name: arm for name, arm in settings.arms.items() if name not in yes}
    if policy == "certified":
        kept = [f"{', '.join(rest)} sees the reference, or shows noise, and stays as it is"] if rest else []
    else:
        no = [f"{name} ({arm.policy})" for name, arm in rest.items() if arm.auditor]
        none = [name for name, arm in rest.items() if not arm.auditor]
        kept = [f"{', '.join(no)} cannot compare two pictures and stays as it is"] if no else []
        kept += [f"{', '.join(none)} asks nobody"] if none else []
    return f"Policy {policy} holds for {', '.join(yes)}; {'; '.join(kept)}." if kept else ""


def without_certificate(settings: Settings, name: str) -> Settings:
    """An arm as it proposes: where it stands under a certificate, under policy paper instead."""
    arm = settings.arms[name].model_dump(exclude={"certificate", "uncertified"})
    alone = Arm.model_validate({**arm, "policy": "paper" if arm["policy"] == "certified" else arm["policy"]})
    return settings.model_copy(update={"arms": {**settings.arms, name: alone}})


def with_knobs(settings: Settings, family: str, names: Iterable[str]) -> Settings:
    """Offer exactly these knobs in a family."""
    changed = settings.families[family].model_copy(update={"knobs": tuple(names)})
    return settings.model_copy(update={"families": {**settings.families, family: changed}})


def with_families(settings: Settings, names: Iterable[str]) -> Settings:
    """Keep only the named families; `all` keeps every one."""
    wanted = list(names)
    if "all" in wanted:
        return settings
    for name in wanted:
        if name not in settings.families:
            known = [*settings.families, "all"]
            raise SettingsError(f"There is no family {name!r}.{among(name, known)}")
    kept = {n: f for n, f in settings.families.items() if n in wanted}
    return settings.model_copy(update={"families": kept})


# ------------------------------------------------------------------- parsing


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        merged[key] = _merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def _set(settings: dict[str, Any], change: str) -> None:
    """Apply one `KEY.KEY=VALUE`; the value is YAML, and `a,b` is a list where the setting holds one."""
    key, equals, text = change.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts):
        raise SettingsError(f"--set {change!r}: write it as KEY=VALUE, e.g. --set policy.retries=2.")
    try:
        if why := yamlfile.unfit(text):
            raise SettingsError(f"--set {change!r:.200} {why}.")
        value = yamlfile.load(text) if text.strip() else None
    except (yaml.YAMLError, ValueError) as error:
        raise SettingsError(f"--set {change!r:.200}: the value is not valid YAML ({error}).") from None
    place = settings
    for part in parts[:-1]:
        child = place.get(part)
        if child is None:
            child = {}
        if not isinstance(child, dict):
            raise SettingsError(f"--set {change!r}: {part} holds a single value, nothing below it can be set.")
        place[part] = child = dict(child)
        place = child
    if isinstance(value, str) and ("," in value or parts[-1] in ("metrics", "knobs")):
        value = [item.strip() for item in value.split(",") if item.strip()]
    place[parts[-1]] = value


# ----------------------------------------------------------------- validation
