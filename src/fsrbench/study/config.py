"""Settings: the shipped defaults, a user's YAML over them, `--set` over that; checked once, here.

A mistake is answered with the line it stands on and the nearest valid name. What the settings mean is
said in `configs/default.yaml`; what they do is in the modules that take them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, Self, get_args

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from fsrbench.core import contracts, plugins
from fsrbench.core.budget import Budget
from fsrbench.core.errors import SettingsError, StoreError
from fsrbench.core.near import near
from fsrbench.core.values import MAX_REASON, MAX_REPLY, PURE, Bounds
from fsrbench.core.ways import Judge, Way
from fsrbench.files import yamlfile

NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}"
"""What a family or an arm may be called: it becomes a folder."""
TAKEN = (PURE, "trails", "audits", "paid", "preflight", "plots", "report", "inputs", "outputs")
"""Names that stand for something else in a run's folder."""


FLAGS: dict[contracts.Common, str] = {
    "base_url": "--base-url", "model": "--lvlm-model", "concurrency": "--concurrency", "max_cost": "--max-cost",
}  # fmt: skip
"""Options of the command line, by the setting of an auditor that they stand for."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class Policy(_Model):
    """How far auditors are followed."""

    min_confidence: float = Field(default=80, ge=0, le=100)
    accept_score: float = Field(default=80, ge=0, le=100)
    retries: int = Field(default=1, ge=0, le=10)


class GuardSettings(_Model):
    """How much worse a candidate may be and still be kept, under policy guarded."""

    consistency: float = Field(default=1.0, ge=0)
    identity: float = Field(default=0.05, ge=0)
    niqe: float = Field(default=0.5, ge=0)


class ArmPolicy(_Model):
    """An arm's own limits; what is null is the study's."""

    min_confidence: float | None = Field(default=None, ge=0, le=100)
    accept_score: float | None = Field(default=None, ge=0, le=100)
    retries: int | None = Field(default=None, ge=0, le=10)
    passes: int | None = Field(default=None, ge=0)
    calls: int | None = Field(default=None, ge=0)
    seconds: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    cost: float | None = Field(default=None, ge=0, allow_inf_nan=False)

    def budget(self) -> Budget:
        """What the arm may spend on one case."""
        return Budget(self.passes, self.calls, self.seconds, self.cost)


class Family(_Model):
    """One pipeline under test."""

    backend: str
    model: str | None = None
    tile: int = Field(default=0, ge=0)
    aligned: Literal["auto"] | bool = "auto"
    knobs: tuple[str, ...] | None = None
    max_changes: int | None = Field(default=None, ge=1)
    prompt: Path | None = None
    variant_of: str | None = None
    """Another family whose prompt, knobs and seeds it takes: the same pipeline, set differently."""


class Arm(BaseModel):
    """A way to intervene. Keys that are not named here are the auditor's own settings."""

    model_config = ConfigDict(extra="allow", frozen=True)

    way: str = "audit"
    options: dict[str, Any] = Field(default_factory=dict, alias="with")
    """The way's own settings: `with` in a config."""
    auditor: str | None = None
    judge: dict[str, Any] | None = None
    """Its `name`, and beside it the judge's own settings. A config may give the name alone."""
    policy: Literal["paper", "guarded"] = "paper"
    limits: ArmPolicy = ArmPolicy()
    keep_candidates: bool = False
    """Store also the pictures that the arm did not end with."""
    variant_of: str | None = None
    """Another arm whose seeds it takes: where both see the same picture, they ask the same question."""

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, given: Any) -> Any:
        """`judge: NAME`, and `auditor: {name: NAME, …}` with its settings beside its name."""
        if not isinstance(given, Mapping):
            return given
        arm = dict(given)
        if isinstance(arm.get("judge"), str):
            arm["judge"] = {"name": arm["judge"]}
        if isinstance(arm.get("auditor"), Mapping):
            own = dict(arm.pop("auditor"))
            arm = {**arm, "auditor": own.pop("name", None), **own}
        return arm

    @model_validator(mode="after")
    def _names_a_judge(self) -> Self:
        if self.judge is not None and not isinstance(self.judge.get("name"), str):
            raise ValueError("a judge has a name: judge: {name: metric, metric: niqe}, or judge: metric")
        return self

    @model_serializer(mode="wrap")
    def _as_in_a_config(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """What an earlier version did not know is left out where it says nothing."""
        arm = dump(self)
        options, judge, kept = (arm.pop(key, None) for key in ("options", "judge", "keep_candidates"))
        limits = arm["limits"].items()
        arm["limits"] = {key: value for key, value in limits if value is not None or key in Policy.model_fields}
        said = {"with": options, "judge": judge, "keep_candidates": kept}
        return {**arm, **{key: value for key, value in said.items() if value}}

    def declared(self) -> Way:
        """The plugin of its way."""
        way: Way = plugins.load("ways", self.way)
        return way

    def lookers(self) -> list[contracts.Auditor | Judge]:
        """The plugins of those that look at pictures for it."""
        auditor = [] if self.auditor is None else [plugins.load("auditors", self.auditor)]
        return auditor + ([] if self.judge is None else [plugins.load("judges", self.judge["name"])])

    def chosen(self) -> Any:
        """The way's settings, checked: a value of the model that it declares; None where it has none."""
        model = self.declared().settings
        return None if model is None else model.model_validate(self.options)

    def judging(self) -> Any:
        """The judge's settings, checked; None where it has none."""
        own = {key: value for key, value in (self.judge or {}).items() if key != "name"}
        model = None if self.judge is None else plugins.load("judges", self.judge["name"]).settings
        return None if model is None else model.model_validate(own)

    @property
    def settings(self) -> dict[str, Any]:
        """The auditor's own settings."""
        return dict(self.model_extra or {})

    def follows(self, policy: str) -> bool:
        """Can it be run under a policy? Guarded asks its auditor to compare two pictures."""
        if self.auditor is None:
            return False
        return policy != "guarded" or bool(plugins.load("auditors", self.auditor).compares)

    def takes(self, setting: contracts.Common) -> bool:
        """Is this one of its auditor's settings?"""
        return self.auditor is not None and setting in plugins.load("auditors", self.auditor).takes


class Faces(_Model):
    """Networks that find and recognise faces."""

    detector: Path | None = None
    recogniser: Path | None = None


class LimitSettings(_Model):
    """Bounds on what is read, and on the time of a case. They may change while a run goes on, all but `max_reply`."""

    max_pixels: int = Field(default=40_000_000, ge=1)
    max_bytes: int = Field(default=200_000_000, ge=1)
    max_reply: int = Field(default=MAX_REPLY, ge=200, le=2_000_000)
    max_reason: int = Field(default=MAX_REASON, ge=1, le=100_000)
    max_seconds: float | None = Field(default=3600, gt=0, allow_inf_nan=False)
    max_invalid: float = Field(default=0.5, ge=0, le=1)

    def of_pictures(self) -> dict[str, int]:
        """Those on an input picture, as `images.read` takes them."""
        return {"max_pixels": self.max_pixels, "max_bytes": self.max_bytes}

    def of_replies(self) -> Bounds:
        """Those on an auditor's reply."""
        return Bounds(self.max_reply, self.max_reason)


class Settings(_Model):
    """Everything that decides a result. Where and how fast it runs is not in here."""

    seed: int = Field(default=0, ge=0, lt=2**63)
    models: Literal["embedded", "official"] = "embedded"
    scale: int = Field(default=4, ge=1, le=8)
    hr_size: int = Field(default=512, ge=16, le=16_384)
    families: dict[str, Family]
    arms: dict[str, Arm]
    policy: Policy = Policy()
    guards: GuardSettings = GuardSettings()
    metrics: tuple[str, ...] = Field(max_length=100)
    clusters: Path | None = None
    faces: Faces = Faces()
    limits: LimitSettings = LimitSettings()

    def kind(self, family: str) -> str:
        """The family whose prompt, knobs and seeds a family takes: its own, unless it is a variant."""
        return self.families[family].variant_of or family

    def offered(self, family: str) -> dict[str, contracts.Knob]:
        """Knobs that an auditor may turn in a family: those named, or the paper's that its backend can act on."""
        chosen = self.families[family].knobs
        if chosen is not None:
            return {name: plugins.load("knobs", name) for name in chosen}
        consumed = plugins.load("backends", self.families[family].backend).consumes
        known = {name: plugins.load("knobs", name) for name in plugins.names("knobs")}
        return {
            name: knob
            for name, knob in known.items()
            if self.kind(family) in knob.families and not knob.deep and (knob.stage != "restore" or name in consumed)
        }

    def backend_settings(self, family: str) -> dict[str, Any]:
        """What a family's backend is opened with."""
        return {**self.families[family].model_dump(), "models": self.models, "scale": self.scale}

    def privileged(self, arm: str) -> bool:
        """May this arm look at the reference?"""
        return any(declared.privileged for declared in (self.arms[arm].declared(), *self.arms[arm].lookers()))

    def in_flight(self) -> int:
        """Cases in work that keep an LVLM busy: more than its requests, since a case's audits follow each other."""
        arms = [arm for arm in self.arms.values() if arm.takes("concurrency")]
        asked = [arm.settings.get("concurrency") or contracts.CONCURRENCY for arm in arms]
        return 4 * max((n for n in asked if isinstance(n, int)), default=0)

    def limits_of(self, arm: str) -> Policy:
        """The study's policy limits with the arm's own over them."""
        own = self.arms[arm].limits.model_dump(include=set(Policy.model_fields), exclude_none=True)
        return self.policy.model_copy(update=own)


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
    return _validate(merged, path, lines or {})


def stored(data: Mapping[str, Any], file: Path) -> Settings:
    """The settings that a finished run recorded in `file`; StoreError where it cannot have written them."""
    try:
        return _validate(dict(data), None, {})
    except SettingsError as error:
        raise StoreError(f"{file} was edited, or needs another fsrbench or plugin. {error}") from None


def with_arms(settings: Settings, names: Iterable[str]) -> Settings:
    """Keep only the named arms; a name that is no arm but an auditor or a way becomes an arm with its defaults."""
    chosen: dict[str, Arm] = {}
    auditors, ways = plugins.names("auditors"), plugins.names("ways")
    for name in names:
        if name == PURE:
            continue
        if name not in settings.arms and name not in auditors and name not in ways:
            known = sorted({*settings.arms, *auditors, *ways})
            raise SettingsError(f"There is no arm or auditor {name!r}.{near(name, known)} Known: {', '.join(known)}.")
        arm = Arm(auditor=name) if name in auditors else Arm(way=name)
        chosen[name] = settings.arms.get(name) or arm
        _fitting(name, chosen[name], None, {})
    return settings.model_copy(update={"arms": dict(sorted(chosen.items()))})


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
    lvlm: dict[contracts.Common, Any] = {
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
            raise SettingsError(_sentence(error.errors()[0], None, {})) from None
    return settings.model_copy(update={"arms": arms})


def _known_policy(settings: Settings, policy: str) -> None:
    """Refuse a policy that does not exist, or that no arm can be run under."""
    known = get_args(Arm.model_fields["policy"].annotation)
    if policy not in known:
        raise SettingsError(f"--policy: there is no policy {policy!r}.{near(policy, known)} Known: {', '.join(known)}.")
    if not any(arm.follows(policy) for arm in settings.arms.values()):
        there = f"those of this run cannot: {', '.join(settings.arms)}" if settings.arms else "this run has none"
        raise SettingsError(f"--policy {policy} is for arms that can follow it, and {there}. Add --lvlm or an --arm.")


def followed(settings: Settings, policy: str) -> str:
    """Which arms an option --policy holds for and which it leaves alone, in a line; empty where it holds for all."""
    yes = [name for name, arm in settings.arms.items() if arm.follows(policy)]
    no = [f"{name} ({arm.policy})" for name, arm in settings.arms.items() if arm.auditor and name not in yes]
    none = [name for name, arm in settings.arms.items() if not arm.auditor]
    kept = [f"{', '.join(no)} cannot compare two pictures and stays as it is"] if no else []
    kept += [f"{', '.join(none)} asks nobody"] if none else []
    return f"Policy {policy} holds for {', '.join(yes)}; {'; '.join(kept)}." if kept else ""


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
            raise SettingsError(f"There is no family {name!r}.{near(name, known)} Known: {', '.join(known)}.")
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


def _validate(data: dict[str, Any], path: Path | None, lines: Mapping[yamlfile.Place, int]) -> Settings:
    try:
        settings = Settings.model_validate(data)
        for kind, place, name in _plugin_names(settings):
            _known_plugin(kind, name, place, path, lines)
        for name, arm in settings.arms.items():
            _fitting(name, arm, path, lines)
    except ValidationError as error:
        problems = [_sentence(problem, path, lines) for problem in error.errors()]
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
        raise SettingsError(
            f"{_where(where, path, lines)}: there is no {kind[:-1]} {name!r}.{near(name, known)} "
            f"Known: {', '.join(known)}."
        )


def _fitting(name: str, arm: Arm, path: Path | None, lines: Mapping[yamlfile.Place, int]) -> None:
    """Does an arm name what its way needs, nothing that it has no use for, and settings that the way knows?"""
    way = arm.declared()
    for part, given in (("auditor", arm.auditor), ("judge", arm.judge)):
        where = _where(("arms", name, part), path, lines)
        if part in way.needs and given is None:
            raise SettingsError(f"{where}: the way {arm.way} needs one, and this arm names none: add {part}: NAME.")
        if part not in (*way.needs, *way.takes) and given is not None:
            raise SettingsError(f"{where}: the way {arm.way} asks no {part}: leave it out.")
    if arm.auditor is None and arm.settings:
        key = next(iter(arm.settings))
        where = _where(("arms", name, key), path, lines)
        raise SettingsError(f"{where}: there is no auditor whose setting that could be; a way's own stand under with.")
    _own("with", arm.options, way.settings, name, path, lines)
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
        problems = [_sentence(problem, path, lines, model.model_fields) for problem in found]
        raise SettingsError("\n".join(dict.fromkeys(problems))) from None


def _sentence(
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
    fields = (ArmPolicy if model is Arm and place[-1] == "limits" else model).model_fields
    return sorted(field.alias or name for name, field in fields.items())
